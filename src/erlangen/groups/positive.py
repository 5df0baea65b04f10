"""Symmetric spaces of positive matrices, on which linear groups act."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from erlangen.groups.exponential import matrix_exp
from erlangen.groups.group import require_size
from erlangen.groups.haar import log_positive_density
from erlangen.groups.planar import entries_of_plane, exp_of_plane, log_of_plane, square_of
from erlangen.groups.polar import first_place, require_square
from erlangen.groups.proposal import LogNormal
from erlangen.groups.spectral import log_of_positive


@dataclass(frozen=True, repr=False)
class SPD:
    r"""The space of symmetric positive definite n by n matrices, the quotient of GL(n) by O(n).

    It is no group: a matrix B acts on it by :math:`S \mapsto B S B^T`, and :math:`A \mapsto A A^T` carries GL(n) onto
    it. The exponential of symmetric matrices is one-to-one, and :math:`d\mu(S) = (\det S)^{-(n+1)/2} dS`, with the
    entries of the upper triangle as coordinates, is invariant under every B.

    Args:
        n: the size of the matrices.

    Raises:
        ValueError: for a size below 1.

    Source: Mironenco, Forre, "Lie Group Decompositions for Equivariant Neural Networks", 2024.

    Example:
        >>> space, X = SPD(2), torch.tensor([[0.0, 1.0], [1.0, 2.0]])
        >>> torch.allclose(space.log(space.exp(X)), X, atol=1e-5)
        True
    """

    n: int
    traceless = False

    def __post_init__(self) -> None:
        require_size(self.n, type(self).__name__)

    @property
    def dim(self) -> int:
        """The dimension of the space."""
        return self.n * (self.n + 1) // 2 - int(self.traceless)

    def act(self, B: Float[Tensor, "*#batch n n"], S: Float[Tensor, "*#batch n n"]) -> Float[Tensor, "... n n"]:
        """``B S B^T``; batch axes broadcast."""
        return B @ S @ B.mT

    def exp(self, X: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """The exponential of the symmetric part of ``X``, for determinant one also without its trace.

        Raises:
            TypeError: for a dtype other than float32 and float64.
            ValueError: for matrices of another size.
        """
        require_square(X, "exp(X)", self.n)
        X = self._tangent(X)
        if self.n != 2:
            return matrix_exp(X)
        first, second = X[..., 0, 0], X[..., 1, 1]
        return exp_of_plane((first + second) / 2, (first - second) / 2, X[..., 0, 1])

    def log(self, S: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """The symmetric logarithm, with derivatives also where eigenvalues coincide; of first order for n > 2.

        Raises:
            TypeError: for a dtype other than float32 and float64.
            ValueError: for matrices that are not in the space, to 1e-4 of their entries; the batch index is named.
        """
        require_square(S, "log(S)", self.n)
        with torch.no_grad():
            bad = ~self.contains(S, 1e-4)
        if bool(bad.any()):
            place, where = first_place(bad)
            raise ValueError(f"log(S): elements of {self}, got {S.detach()[place].tolist()}{where}")
        if self.n != 2:
            return self._tangent(log_of_positive(S))
        size = S.detach().abs().amax((-2, -1), keepdim=True)
        middle, u, v = log_of_plane(entries_of_plane((S + S.mT) / (2 * size)))
        middle = torch.zeros_like(middle) if self.traceless else middle + size[..., 0, 0].log()
        return square_of(middle + u, v, v, middle - u)

    def contains(self, S: Float[Tensor, "*batch n n"], tol: float = 1e-6) -> Bool[Tensor, "*batch"]:
        """Whether matrices are symmetric, to ``tol`` of their largest entry, and positive definite.

        Raises:
            TypeError: for a dtype other than float32 and float64.
            ValueError: for matrices of another size.
        """
        require_square(S, "contains(S)", self.n)
        finite = S.isfinite().all(-1).all(-1)
        S = S.nan_to_num(0.0, 0.0, 0.0)
        symmetric = (S - S.mT).abs().amax((-2, -1)) <= tol * S.abs().amax((-2, -1))
        return finite & symmetric & (torch.linalg.eigvalsh((S + S.mT) / 2)[..., 0] > 0)

    def sample(
        self,
        *shape: int,
        proposal: LogNormal = LogNormal(),
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Draws matrices of batch shape ``shape`` from a proposal; the invariant measure is infinite."""
        X = proposal.sample(self.n, *shape, traceless=self.traceless, generator=generator)
        return self.exp(X).to(dtype=dtype, device=device)

    def log_density(self, X: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch"]:
        r"""The invariant measure at :math:`e^X`, in orthonormal coordinates of X; its logarithm.

        Less ``proposal.log_density(X)`` it is the logarithm of the weights of samples. See
        :func:`erlangen.groups.haar.log_positive_density` for the equation.

        Raises:
            TypeError: for a dtype other than float32 and float64.
            ValueError: for matrices of another size.
        """
        require_square(X, "log_density(X)", self.n)
        return log_positive_density(self._tangent(X), self.traceless)

    def _tangent(self, X: Tensor) -> Tensor:
        return (X + X.mT) / 2

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n})"


@dataclass(frozen=True, repr=False)
class SSPD(SPD):
    r"""The space of symmetric positive definite matrices of determinant one, the quotient of SL(n) by SO(n).

    For n = 2 it is the hyperbolic plane. Its tangents are traceless, and its invariant measure is that of SPD(n) per
    unit of :math:`\ln \det S`.

    Args:
        n: the size of the matrices.

    Raises:
        ValueError: for a size below 1.

    Source: Mironenco, Forre, "Lie Group Decompositions for Equivariant Neural Networks", 2024.
    """

    traceless = True

    def contains(self, S: Float[Tensor, "*batch n n"], tol: float = 1e-6) -> Bool[Tensor, "*batch"]:
        """As for SPD(n), and of determinant one to ``tol``."""
        positive = super().contains(S, tol)
        return positive & ((torch.linalg.det(S.nan_to_num(0.0, 0.0, 0.0)) - 1).abs() <= tol)

    def _tangent(self, X: Tensor) -> Tensor:
        X = (X + X.mT) / 2
        trace = X.diagonal(dim1=-2, dim2=-1).mean(-1)
        return X - trace[..., None, None] * torch.eye(self.n, dtype=X.dtype, device=X.device)
