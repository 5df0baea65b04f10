"""Lie groups of real matrices."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from erlangen.groups.element import Element, device_of
from erlangen.groups.exponential import matrix_exp
from erlangen.groups.group import Group, require_size
from erlangen.groups.proposal import LogNormal


def _normal(shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    device = generator.device if generator is not None else "cpu"
    return torch.randn(shape, generator=generator, dtype=torch.float64, device=device)


def _unit(n: int, i: int, j: int, dtype: torch.dtype, device: torch.device | str | None) -> Tensor:
    out = torch.zeros(n, n, dtype=dtype, device=device)
    out[i, j] = 1
    return out


def haar_orthogonal(n: int, *shape: int, generator: torch.Generator | None = None) -> Tensor:
    """Haar-distributed orthogonal matrices: QR of a Gaussian matrix with the signs of R moved into Q."""
    q, r = torch.linalg.qr(_normal((*shape, n, n), generator))
    return q * r.diagonal(dim1=-2, dim2=-1).sign()[..., None, :]


class _Matrix(Group):
    """A group of invertible ``n`` by ``n`` matrices; elements have shape ``(*K, n, n)``."""

    element_dim = 2
    n: int

    def __post_init__(self) -> None:
        require_size(self.n, type(self).__name__)

    def identity(self, *shape: int, dtype=torch.float64, device=None) -> Tensor:
        return torch.eye(self.n, dtype=dtype, device=device).expand(*shape, self.n, self.n).clone()

    def compose(self, g: Element, h: Element) -> Tensor:
        assert isinstance(g, Tensor) and isinstance(h, Tensor)
        return g @ h

    def inverse(self, g: Element) -> Tensor:
        assert isinstance(g, Tensor)
        return g.mT if self.orthogonal else torch.linalg.inv(g)

    def exp(self, A: Element) -> Tensor:
        assert isinstance(A, Tensor)
        return matrix_exp(A)

    def zero(self, *shape: int, dtype=torch.float64, device=None) -> Tensor:
        return torch.zeros(*shape, self.n, self.n, dtype=dtype, device=device)

    @property
    def zero_dim(self) -> int:
        return 2

    @property
    def matrix_dim(self) -> int:
        return self.n

    def matrix(self, g: Element) -> Tensor:
        assert isinstance(g, Tensor)
        return g

    def matrix_tangent(self, A: Element) -> Tensor:
        assert isinstance(A, Tensor)
        return A

    def _finite_square(self, g: Element) -> Tensor:
        if not isinstance(g, Tensor) or g.ndim < 2 or g.shape[-2:] != (self.n, self.n):
            got = tuple(g.shape) if isinstance(g, Tensor) else type(g).__name__
            raise ValueError(f"an element of {self} has shape (*K, {self.n}, {self.n}), got {got}")
        return g.isfinite().all(-1).all(-1)

    @property
    def order(self) -> int | None:
        # SO(1) and SL(1) have one element; O(1) has its own say.
        return 1 if self.n == 1 and not self.algebra_basis() else None

    def elements(self) -> Tensor:
        self.require_enumerable()
        return self.identity(1)

    def index(self, g: Element) -> Tensor:
        self.require_enumerable()
        return torch.zeros(self.batch_shape(g), dtype=torch.long, device=device_of(g))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n})"


class _Orthogonal(_Matrix):
    @property
    def orthogonal(self) -> bool:
        return True

    def _is_orthogonal(self, g: Element, tol: float) -> Tensor:
        finite = self._finite_square(g)
        assert isinstance(g, Tensor)
        gap = (g.mT @ g - torch.eye(self.n, dtype=g.dtype, device=g.device)).abs().amax((-2, -1))
        return finite & (gap <= tol)

    def algebra_basis(self, dtype=torch.float64, device=None) -> list[Element]:
        return [
            _unit(self.n, j, i, dtype, device) - _unit(self.n, i, j, dtype, device)
            for i in range(self.n)
            for j in range(i + 1, self.n)
        ]


@dataclass(frozen=True, repr=False)
class SO(_Orthogonal):
    """Rotations of n-dimensional space: orthogonal matrices of determinant one. Sampled from the Haar measure."""

    n: int

    def sample(self, *shape: int, generator=None, dtype=torch.float64, device=None) -> Tensor:
        q = haar_orthogonal(self.n, *shape, generator=generator)
        # Flipping one column by the sign of the determinant maps Haar on O(n) to Haar on SO(n).
        q = torch.cat([q[..., :1] * torch.linalg.det(q)[..., None, None].sign(), q[..., 1:]], dim=-1)
        return q.to(dtype=dtype, device=device)

    def contains(self, g: Element, tol: float = 1e-6) -> Tensor:
        orthogonal = self._is_orthogonal(g, tol)
        assert isinstance(g, Tensor)
        return orthogonal & (torch.linalg.det(g) > 0)


@dataclass(frozen=True, repr=False)
class O(_Orthogonal):  # noqa: E742
    """Rotations and reflections of n-dimensional space: orthogonal matrices. Sampled from the Haar measure."""

    n: int

    def sample(self, *shape: int, generator=None, dtype=torch.float64, device=None) -> Tensor:
        return haar_orthogonal(self.n, *shape, generator=generator).to(dtype=dtype, device=device)

    def contains(self, g: Element, tol: float = 1e-6) -> Tensor:
        return self._is_orthogonal(g, tol)

    def generators(self, dtype=torch.float64, device=None) -> list[Element]:
        return [reflection(self.n, dtype, device)]

    @property
    def order(self) -> int | None:
        return 2 if self.n == 1 else None

    def elements(self) -> Tensor:
        self.require_enumerable()
        return torch.tensor([[[1.0]], [[-1.0]]], dtype=torch.float64)

    def index(self, g: Element) -> Tensor:
        self.require_enumerable()
        assert isinstance(g, Tensor)
        return (g[..., 0, 0] < 0).long()


def reflection(n: int, dtype: torch.dtype, device: torch.device | str | None) -> Tensor:
    """The reflection of the first axis."""
    out = torch.eye(n, dtype=dtype, device=device)
    out[0, 0] = -1
    return out


class _Linear(_Matrix):
    """General linear groups share one proposal: ``exp(S) Q`` with ``Q`` Haar and ``exp(2 S)`` log-normal.

    The coordinates of ``S`` in an orthonormal basis of symmetric matrices are independent normals of standard
    deviation 0.3, so that the axes of a unit ball are stretched by factors of typically 0.7 to 1.4.
    """

    proposal = LogNormal(0.36)

    def _stretch(self, *shape: int, traceless: bool = False, generator: torch.Generator | None) -> Tensor:
        return self.proposal.sample(self.n, *shape, traceless=traceless, generator=generator) / 2

    def _is_invertible(self, g: Element, tol: float) -> Tensor:
        finite = self._finite_square(g)
        assert isinstance(g, Tensor)
        return finite & (torch.linalg.svdvals(g.nan_to_num(0.0, 0.0, 0.0))[..., -1] > tol)


@dataclass(frozen=True, repr=False)
class GLPlus(_Linear):
    """Matrices of positive determinant. Sampled as ``exp(S) Q``: ``Q`` Haar on SO(n), ``S`` symmetric, normal (0.3)."""

    n: int

    def sample(self, *shape: int, generator=None, dtype=torch.float64, device=None) -> Tensor:
        s = self._stretch(*shape, generator=generator)
        rotation = SO(self.n).sample(*shape, generator=generator)
        return (matrix_exp(s) @ rotation.to(s.device)).to(dtype=dtype, device=device)

    def contains(self, g: Element, tol: float = 1e-6) -> Tensor:
        invertible = self._is_invertible(g, tol)
        assert isinstance(g, Tensor)
        return invertible & (torch.linalg.det(g) > 0)

    def algebra_basis(self, dtype=torch.float64, device=None) -> list[Element]:
        return [_unit(self.n, i, j, dtype, device) for i in range(self.n) for j in range(self.n)]


@dataclass(frozen=True, repr=False)
class GL(_Linear):
    """Invertible matrices. Sampled as ``exp(S) Q``: ``Q`` Haar on O(n), ``S`` symmetric, normal (0.3)."""

    n: int

    def sample(self, *shape: int, generator=None, dtype=torch.float64, device=None) -> Tensor:
        s = self._stretch(*shape, generator=generator)
        turn = haar_orthogonal(self.n, *shape, generator=generator)
        return (matrix_exp(s) @ turn).to(dtype=dtype, device=device)

    def contains(self, g: Element, tol: float = 1e-6) -> Tensor:
        return self._is_invertible(g, tol)

    def generators(self, dtype=torch.float64, device=None) -> list[Element]:
        return [reflection(self.n, dtype, device)]

    def algebra_basis(self, dtype=torch.float64, device=None) -> list[Element]:
        return GLPlus(self.n).algebra_basis(dtype=dtype, device=device)


@dataclass(frozen=True, repr=False)
class SL(_Linear):
    """Matrices of determinant one. Sampled as ``exp(S) Q``: ``Q`` Haar on SO(n), ``S`` symmetric and traceless."""

    n: int

    def sample(self, *shape: int, generator=None, dtype=torch.float64, device=None) -> Tensor:
        s = self._stretch(*shape, traceless=True, generator=generator)
        rotation = SO(self.n).sample(*shape, generator=generator)
        return (matrix_exp(s) @ rotation.to(s.device)).to(dtype=dtype, device=device)

    def contains(self, g: Element, tol: float = 1e-6) -> Tensor:
        finite = self._finite_square(g)
        assert isinstance(g, Tensor)
        return finite & ((torch.linalg.det(g) - 1).abs() <= tol)

    def algebra_basis(self, dtype=torch.float64, device=None) -> list[Element]:
        off = [_unit(self.n, i, j, dtype, device) for i in range(self.n) for j in range(self.n) if i != j]
        diagonal = [
            _unit(self.n, i, i, dtype, device) - _unit(self.n, i + 1, i + 1, dtype, device) for i in range(self.n - 1)
        ]
        return [*off, *diagonal]


@dataclass(frozen=True, repr=False)
class Scaling(_Matrix):
    """Positive factors, as matrices of shape ``(*K, 1, 1)``. Sampled log-normally with standard deviation 0.5.

    It scales n-dimensional vectors through ``Embed(Scaling(), GLPlus(n))``.
    """

    n: int = field(default=1, init=False)

    def sample(self, *shape: int, generator=None, dtype=torch.float64, device=None) -> Tensor:
        return (0.5 * _normal((*shape, 1, 1), generator)).exp().to(dtype=dtype, device=device)

    def contains(self, g: Element, tol: float = 1e-6) -> Tensor:
        finite = self._finite_square(g)
        assert isinstance(g, Tensor)
        return finite & (g[..., 0, 0] > 0)

    def algebra_basis(self, dtype=torch.float64, device=None) -> list[Element]:
        return [torch.ones(1, 1, dtype=dtype, device=device)]

    def __repr__(self) -> str:
        return "Scaling()"
