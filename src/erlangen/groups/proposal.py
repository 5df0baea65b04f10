"""How symmetric matrices are drawn: the one proposal from which non-compact groups are sampled."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.special import gammainc, gammaincinv
from torch import Tensor


@dataclass(frozen=True)
class LogNormal:
    r"""Positive matrices :math:`S = e^X` whose logarithm is normal, alike in all directions.

    In an orthonormal basis of the symmetric matrices, for :math:`\langle X, Y \rangle = \operatorname{tr} X Y`, the
    coordinates of X are independent with mean 0 and the given variance. The stretch :math:`P = S^{1/2} = e^Y` has
    :math:`Y = X / 2`, whose coordinates have the standard deviation 0.158 where the variance is 0.1.

    With a bound the length of X is cut off, so that :math:`|Y| \le` ``bound``, by the increasing map of lengths that
    leaves the law as it is within: nothing is drawn again, and samples depend smoothly on the bound.

    Args:
        variance: of each coordinate of :math:`X = \log S`.
        bound: of the Frobenius norm of :math:`Y = X / 2`; infinite by default.

    Raises:
        ValueError: for a variance or a bound that is not positive.

    Source: Mironenco, Forre, "Lie Group Decompositions for Equivariant Neural Networks", 2024.
    """

    variance: float = 0.1
    bound: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.variance < math.inf:
            raise ValueError(f"LogNormal(variance): a positive number, got {self.variance!r}")
        if self.bound is not None and not 0 < self.bound < math.inf:
            raise ValueError(f"LogNormal(bound): a positive number, or None, got {self.bound!r}")

    def sample(self, n: int, *shape: int, traceless: bool = False, generator: torch.Generator | None = None) -> Tensor:
        """Draws logarithms X, float64, shape ``(*shape, n, n)``; without their trace if asked."""
        device = generator.device if generator is not None else "cpu"
        z = torch.randn((*shape, n, n), generator=generator, dtype=torch.float64, device=device)
        x = (z + z.mT) / 2
        if traceless:
            x = x - x.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None] * torch.eye(n, dtype=x.dtype, device=device)
        dim = _dim(n, traceless)
        if self.bound is not None and dim:
            length = x.norm(dim=(-2, -1), keepdim=True)
            inside = gammainc(dim / 2, (length.square() / 2).cpu().numpy()) * self._mass(dim)
            shorter = torch.from_numpy((2 * gammaincinv(dim / 2, inside)) ** 0.5).to(x)
            x = x * torch.where(length > 0, shorter / torch.where(length > 0, length, 1.0), 0.0)
        return math.sqrt(self.variance) * x

    def log_density(self, X: Tensor, traceless: bool = False) -> Tensor:
        """The logarithm of the density in orthonormal coordinates of X, shape ``K``."""
        dim = _dim(X.shape[-1], traceless)
        square = X.square().sum((-2, -1))
        out = -square / (2 * self.variance) - dim / 2 * math.log(2 * math.pi * self.variance)
        if self.bound is None or not dim:
            return out
        out = out - math.log(self._mass(dim))
        # The longest samples are as long as the bound, up to rounding.
        return torch.where(square.sqrt() <= 2 * self.bound * (1 + 1e-6), out, -math.inf)

    def _mass(self, dim: int) -> float:
        """The share of the untruncated proposal that lies within the bound."""
        assert self.bound is not None
        return float(gammainc(dim / 2, (2 * self.bound) ** 2 / (2 * self.variance)))


def _dim(n: int, traceless: bool) -> int:
    return n * (n + 1) // 2 - int(traceless)
