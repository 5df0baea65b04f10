"""Functions of the distance that end smoothly at a cutoff."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn


def envelope(fraction: Tensor, p: int = 5) -> Tensor:
    r"""A polynomial from one at zero to zero at one, where slope and curvature vanish, too.

    .. math:: 1 - \tfrac{(p+1)(p+2)}{2} u^p + p(p+2) u^{p+1} - \tfrac{p(p+1)}{2} u^{p+2}, \qquad 0 \le u < 1

    Beyond, it is zero.

    Args:
        fraction: distance over cutoff.
        p: how flat it begins.

    Source: Gasteiger, Gross, Guennemann, "Directional Message Passing for Molecular Graphs", 2020.

    >>> envelope(torch.tensor([0.0, 0.5, 1.0, 2.0]))
    tensor([1.0000, 0.7734, 0.0000, 0.0000])
    """
    u = fraction.clamp(max=1.0)
    falling = 1 - (p + 1) * (p + 2) / 2 * u**p + p * (p + 2) * u ** (p + 1) - p * (p + 1) / 2 * u ** (p + 2)
    return torch.where(fraction < 1, falling, torch.zeros_like(falling))


class RadialNetwork(nn.Module):
    r"""From distances to radial weights: Bessel functions, a perceptron without bias, an envelope.

    .. math:: h(r) = u(r / c)\; \text{MLP}\Big( \sqrt{2 / c}\, \tfrac{\sin(n \pi r / c)}{r} \Big)_{n = 1 \dots N}

    Args:
        cutoff: the cutoff c, beyond which all is zero.
        num_radial: the number N of Bessel functions.
        hidden: width of two hidden layers.
        out: how many weights.

    Example:
        >>> RadialNetwork(5.0, 8, 64, 12)(torch.tensor([[1.0], [5.0]]))[1].abs().max().item()
        0.0
    """

    def __init__(self, cutoff: float, num_radial: int, hidden: int, out: int) -> None:
        super().__init__()
        self.cutoff = float(cutoff)
        self.register_buffer("order", torch.arange(1, num_radial + 1, dtype=torch.float64), persistent=False)
        widths = [num_radial, hidden, hidden, out]
        self.linear = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in itertools.pairwise(widths))
        for linear in self.linear:
            assert isinstance(linear, nn.Linear)
            nn.init.normal_(linear.weight, std=1 / math.sqrt(linear.in_features))

    def forward(self, distance: Tensor) -> Tensor:
        """From positive distances ``(edges, 1)`` to weights ``(edges, out)``."""
        wave = self.get_buffer("order").to(distance.dtype) * (math.pi / self.cutoff)
        h = math.sqrt(2 / self.cutoff) * torch.sin(wave * distance) / distance
        for linear in list(self.linear)[:-1]:
            h = nn.functional.silu(linear(h)) * 1.6  # about the factor that keeps a variance of one
        return self.linear[-1](h) * envelope(distance / self.cutoff)
