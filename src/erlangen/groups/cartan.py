"""Global coordinates of SO(n), SL(n) and GL+(n), from the Cartan decomposition of their algebras."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from erlangen.groups.exponential import matrix_exp
from erlangen.groups.haar import log_polar_constant, log_positive_density, log_rotation_density
from erlangen.groups.matrix import SL, SO, GLPlus
from erlangen.groups.planar import entries_of_plane, exp_of_plane, log_of_plane, principal_angle, rotation_of_angle
from erlangen.groups.polar import first_place, require_positive_determinant, require_square
from erlangen.groups.rotations import principal_log, require_rotation
from erlangen.groups.spectral import log_of_positive, polar_by_singular_values

#: How far the determinant of an element of SL(n) may be from one.
DETERMINANT_TOLERANCE = 1e-4
_ROOT = math.sqrt(2)


@dataclass(frozen=True)
class CartanCoordinates:
    r"""Coordinates of a whole group: a symmetric matrix, then a rotation.

    The algebra splits as :math:`\mathfrak h = \mathfrak m + \mathfrak k` into symmetric and skew matrices, and
    :math:`\xi(X) = e^{X_{sym}} e^{X_{skew}}` maps onto the group, which the exponential of the group does not. Its
    inverse :math:`\xi^{-1}(A) = \tfrac12 \log A A^T + \log R`, with :math:`A = P R` polar and the principal
    logarithm of rotations, is defined everywhere, and smooth but where a rotation is by :math:`\pi`.

    The symmetric part Y comes first, in coordinates that are orthonormal for :math:`\operatorname{tr} X^T Y`:

    * GL+(n): the upper triangle row by row, off the diagonal times :math:`\sqrt 2`; for n = 2
      :math:`(Y_{11}, \sqrt2\, Y_{12}, Y_{22}, \theta)`.
    * SL(n): :math:`(Y_{11} + \dots + Y_{kk} - k Y_{k+1,k+1}) / \sqrt{k (k + 1)}` for :math:`k < n`, then
      :math:`\sqrt 2\, Y_{ij}`; for n = 2 :math:`((Y_{11} - Y_{22}) / \sqrt 2, \sqrt 2\, Y_{12}, \theta)`.
    * SO(n): nothing.

    The rotation has the coordinates of its logarithm in ``SO(n).algebra_basis()``, so that for n = 2 it is the angle
    :math:`\theta` in :math:`(-\pi, \pi]` itself. These are not orthonormal: that would be :math:`\sqrt 2\, \theta`.

    Everything is in closed form for n = 2.

    Args:
        group: SO(n), SL(n) or GLPlus(n).

    Raises:
        ValueError: for another group.

    Source: Mironenco, Forre, "Lie Group Decompositions for Equivariant Neural Networks", 2024.

    Example:
        >>> from erlangen.groups import SL
        >>> at = CartanCoordinates(SL(2))
        >>> A = torch.tensor([[-2.0, 0.0], [0.0, -0.5]])  # the exponential of nothing in the algebra
        >>> stretch, _, angle = at.coordinates(A)
        >>> stretch, angle, torch.allclose(at.matrix(at.coordinates(A)), A, atol=1e-6)
        (tensor(0.9803), tensor(3.1416), True)
    """

    group: SO | SL | GLPlus

    def __post_init__(self) -> None:
        if not isinstance(self.group, SO | SL | GLPlus):
            raise ValueError(f"CartanCoordinates(group): SO(n), SL(n) or GLPlus(n), got {self.group!r}")

    @property
    def n(self) -> int:
        """The size of the matrices."""
        return self.group.n

    @property
    def dim(self) -> int:
        """The number of coordinates, the dimension of the group."""
        return self.symmetric_dim + self.n * (self.n - 1) // 2

    @property
    def symmetric_dim(self) -> int:
        """The number of coordinates of the symmetric part, which come first."""
        if isinstance(self.group, SO):
            return 0
        return self.n * (self.n + 1) // 2 - int(isinstance(self.group, SL))

    def hat(self, c: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch n n"]:
        """The matrix of the algebra with coordinates ``c``.

        Raises:
            ValueError: if the last axis of ``c`` has another size than ``dim``.
        """
        self._require_coordinates(c, "hat(c)")
        return torch.einsum("...c,cij->...ij", c, self._basis(c))

    def vee(self, X: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch dim"]:
        """The coordinates of a matrix of the algebra; what lies outside the algebra is projected away.

        Raises:
            TypeError: if ``X`` is not of float32 or float64.
            ValueError: for matrices of another size.
        """
        require_square(X, "vee(X)", self.n)
        basis = self._basis(X)
        dual = torch.cat([basis[: self.symmetric_dim], basis[self.symmetric_dim :] / 2])
        return torch.einsum("...ij,cij->...c", X, dual)

    def coordinates(self, A: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch dim"]:
        r"""The coordinates :math:`\xi^{-1}(A)` of elements.

        A rotation by :math:`\pi` has the coordinate :math:`+\pi` also where rounding put it next to :math:`-\pi`.

        Raises:
            TypeError: if ``A`` is not of float32 or float64.
            ValueError: for matrices of another size, entries that are not finite, determinants that are not positive,
                and for SL(n) determinants that differ from one by more than 1e-4, or by more than the rounding of the
                determinant where entries are large. The batch index is named.
        """
        require_square(A, "coordinates(A)", self.n)
        if isinstance(self.group, SO):
            require_rotation(A, "coordinates(A)")
            return self._plane_coordinates(A) if self.n == 2 else self.vee(principal_log(A))
        if self.n == 2:
            return self._plane_coordinates(A)
        require_positive_determinant(A, "coordinates(A)")
        if isinstance(self.group, SL):
            self._require_unit_determinant(A, torch.linalg.det(A.detach()))
        stretch, rotation = polar_by_singular_values(A)
        return self.vee(log_of_positive(stretch) + principal_log(rotation))

    def matrix(self, c: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch n n"]:
        r"""The elements :math:`\xi(c) = e^Y e^\Omega`.

        Raises:
            ValueError: if the last axis of ``c`` has another size than ``dim``.
        """
        self._require_coordinates(c, "matrix(c)")
        if self.n == 2:
            rotation = rotation_of_angle(c[..., -1])
            return rotation if isinstance(self.group, SO) else exp_of_plane(*self._plane_parts(c)) @ rotation
        X = self.hat(c)
        if isinstance(self.group, SO):
            return matrix_exp(X)
        return matrix_exp((X + X.mT) / 2) @ matrix_exp((X - X.mT) / 2)

    def log_density(self, c: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
        r"""The invariant measure in these coordinates; its logarithm.

        .. math:: \frac{d\mu}{dc} = \beta_n\, 2^{n (n + 3) / 4} \prod_{i<j} \frac{\sinh(y_i - y_j)}{y_i - y_j}
            \cdot \frac{dR}{d\Omega}

        for GL+(n), with the eigenvalues y of the symmetric part; over :math:`\sqrt n` for SL(n). For which multiple of
        the measure, and for :math:`dR`, see :mod:`erlangen.groups.haar`. It is :math:`-\infty` where an angle of
        the rotation is beyond :math:`\pi`.

        Raises:
            ValueError: if the last axis of ``c`` has another size than ``dim``.
        """
        self._require_coordinates(c, "log_density(c)")
        X = self.hat(c)
        rotation = log_rotation_density((X - X.mT) / 2)
        if isinstance(self.group, SO):
            return rotation
        special = isinstance(self.group, SL)
        # The measure of S = P^2, whose logarithm 2 Y has coordinates twice as large.
        constant = log_polar_constant(self.n) + (self.symmetric_dim + int(special)) * math.log(2)
        return constant + log_positive_density(X + X.mT, traceless=special) + rotation

    def _plane_coordinates(self, A: Tensor) -> Tensor:
        of, size = entries_of_plane(A), None
        low, high = _range(of.determinant)
        limit = torch.finfo(A.dtype).max ** 0.5
        if not 1 / limit < low <= high < limit:
            require_positive_determinant(A, "coordinates(A)")
            size = A.detach().abs().amax((-2, -1))
            of = entries_of_plane(A / size[..., None, None])
        if isinstance(self.group, SL) and max(high - 1, 1 - low) > DETERMINANT_TOLERANCE:
            self._require_unit_determinant(A, of.determinant.detach() * (1 if size is None else size * size))
        angle = principal_angle(of.m, of.p)
        if isinstance(self.group, SO):
            return angle[..., None]
        middle, u, v = log_of_plane(of)
        if isinstance(self.group, SL):
            return torch.stack([_ROOT * u, _ROOT * v, angle], -1)
        if size is not None:
            middle = middle + size.log()
        return torch.stack([middle + u, _ROOT * v, middle - u, angle], -1)

    def _plane_parts(self, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The symmetric part as (m, u, v), see :func:`log_of_plane`."""
        if isinstance(self.group, SL):
            return torch.zeros_like(c[..., 0]), c[..., 0] / _ROOT, c[..., 1] / _ROOT
        return (c[..., 0] + c[..., 2]) / 2, (c[..., 0] - c[..., 2]) / 2, c[..., 1] / _ROOT

    def _basis(self, like: Tensor) -> Tensor:
        return _basis(self, like.dtype, like.device)

    def _require_coordinates(self, c: Tensor, argument: str) -> None:
        if c.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"{argument}: coordinates of float32 or float64, got {c.dtype}")
        if c.ndim < 1 or c.shape[-1] != self.dim:
            raise ValueError(f"{argument}: coordinates of shape (*K, {self.dim}), got {tuple(c.shape)}")

    def _require_unit_determinant(self, A: Tensor, determinant: Tensor) -> None:
        with torch.no_grad():
            off = determinant - 1
            # The rounding of the entries themselves moves the determinant by as much.
            rounding = self.n * torch.finfo(A.dtype).eps * A.square().sum((-2, -1)).pow(self.n / 2)
            bad = ~(off.abs() <= DETERMINANT_TOLERANCE + rounding)
        if bool(bad.any()):
            place, where = first_place(bad)
            raise ValueError(
                f"coordinates(A): elements of {self.group} have determinant 1 to {DETERMINANT_TOLERANCE:g}, "
                f"got {1 + float(off[place]):.6g}{where}"
            )


def _range(x: Tensor) -> tuple[float, float]:
    """The least and the largest entry, not a number if one is not; of none, 1 and 1."""
    if not x.numel():
        return 1.0, 1.0
    low, high = x.detach().aminmax()
    return float(low), float(high)


@lru_cache(maxsize=64)
def _basis(at: CartanCoordinates, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The matrices of the unit coordinates, shape ``(dim, n, n)``."""
    n: int = at.n
    out: list[Tensor] = []

    def unit(*entries: tuple[int, int, float]) -> Tensor:
        matrix = torch.zeros(n, n, dtype=torch.float64)
        for i, j, value in entries:
            matrix[i, j] = value
        return matrix

    def across(i: int, j: int) -> Tensor:
        return unit((i, j, 1 / _ROOT), (j, i, 1 / _ROOT))

    if isinstance(at.group, SL):
        for k in range(1, n):
            length = math.sqrt(k * (k + 1))
            out.append(unit(*((i, i, 1 / length) for i in range(k)), (k, k, -k / length)))
        out.extend(across(i, j) for i in range(n) for j in range(i + 1, n))
    elif isinstance(at.group, GLPlus):
        out.extend(unit((i, i, 1.0)) if i == j else across(i, j) for i in range(n) for j in range(i, n))
    out.extend(part for part in SO(n).algebra_basis() if isinstance(part, Tensor))
    with torch.inference_mode(False):  # what is kept must be of use wherever it is asked for next
        stacked = torch.stack(out) if out else torch.zeros(0, n, n, dtype=torch.float64)
        return stacked.to(dtype=dtype, device=device)
