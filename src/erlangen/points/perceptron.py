"""The small dense network that layers on points are made of."""

from __future__ import annotations

from itertools import pairwise

from torch import nn


def perceptron(*widths: int) -> nn.Sequential:
    """Linear layers with SiLU between them, none after the last.

    >>> [type(layer).__name__ for layer in perceptron(3, 8, 2)]
    ['Linear', 'SiLU', 'Linear']
    """
    layers: list[nn.Module] = []
    for width, next_width in pairwise(widths):
        layers += [nn.Linear(width, next_width), nn.SiLU()]
    return nn.Sequential(*layers[:-1])
