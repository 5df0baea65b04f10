"""What kernels are made of: polynomials of a few numbers, and a window that ends them smoothly."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


class PolynomialFeatures(nn.Module):
    r"""All products of up to ``degree`` entries: :math:`x,\; x \otimes x,\; \dots,\; x^{\otimes D}`, side by side.

    Products that differ only by the order of their factors come several times, as in the tensor power itself.

    Args:
        degree: largest number of factors, :math:`D`.

    Raises:
        ValueError: for a degree below 1.

    Example:
        >>> PolynomialFeatures(3)(torch.tensor([2.0, 3.0]))
        tensor([ 2.,  3.,  4.,  6.,  6.,  9.,  8., 12., 12., 18., 12., 18., 18., 27.])
        >>> PolynomialFeatures(3).out_features(2)
        14
    """

    def __init__(self, degree: int) -> None:
        super().__init__()
        if isinstance(degree, bool) or not isinstance(degree, int) or degree < 1:
            raise ValueError(f"PolynomialFeatures(degree): a whole number from 1, got {degree!r}")
        self.degree = degree

    def out_features(self, in_features: int) -> int:
        """How many features come out."""
        return sum(in_features**k for k in range(1, self.degree + 1))

    def forward(self, x: Float[Tensor, "*batch features"]) -> Float[Tensor, "*batch products"]:
        """The products."""
        powers = [x]
        for _ in range(self.degree - 1):
            powers.append((powers[-1][..., :, None] * x[..., None, :]).flatten(-2))
        return torch.cat(powers, -1)

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"degree={self.degree}"


class PolynomialCutoff(nn.Module):
    r"""A window that falls from one to zero at a radius, where its value, slope and curvature are zero.

    .. math::
        w(d) = 1 - \tfrac{(p+1)(p+2)}{2} u^p + p(p+2)\, u^{p+1} - \tfrac{p(p+1)}{2} u^{p+2},
        \qquad u = d / \text{radius}

    and zero beyond. Without a radius it is one.

    Args:
        radius: where it ends, in the unit of the distances; None for no end.
        p: how long it stays near one.

    Raises:
        ValueError: for a radius that is not positive and finite, or a power below 2.

    Source: Gasteiger, Gross, Günnemann, "Directional Message Passing for Molecular Graphs", 2020.

    Example:
        >>> PolynomialCutoff(5.0)(torch.tensor([0.0, 2.5, 5.0, 6.0]))
        tensor([1.0000, 0.8555, 0.0000, 0.0000])
    """

    def __init__(self, radius: float | None, p: int = 6) -> None:
        super().__init__()
        if radius is not None and (isinstance(radius, bool) or not (math.isfinite(radius) and radius > 0)):
            raise ValueError(f"PolynomialCutoff(radius): a positive, finite distance or None, got {radius}")
        if p < 2:
            raise ValueError(f"PolynomialCutoff(p): a power from 2, got {p}")
        self.radius, self.p = radius, p

    def forward(self, distance: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The window at each distance."""
        if self.radius is None:
            return torch.ones_like(distance)
        p, u = self.p, (distance / self.radius).clamp_max(1.0)
        return 1 - u**p * ((p + 1) * (p + 2) / 2 - p * (p + 2) * u + p * (p + 1) / 2 * u.square())

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"radius={self.radius}, p={self.p}"
