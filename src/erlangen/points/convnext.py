"""The block around a convolution: normalise, mix channels, add."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


class FiberBundleConvNext(nn.Module):
    r"""A residual block that mixes places by a convolution and channels by a two-layer network at each place.

    .. math:: y = x + \gamma\, W_2\, \mathrm{GELU}(W_1\, \mathrm{LayerNorm}(\mathrm{conv}(x)))

    A place is a node, or a node and an orientation: all but the last axis.

    Args:
        channels: of input and output.
        conv: the convolution; called as ``conv(x, *others)``.
        widening_factor: width of the hidden layer, in units of the channels.
        layer_scale: where the factors :math:`\gamma`, one per channel, start; None for none.

    Raises:
        ValueError: for a widening factor below 1.

    Source: Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, "A ConvNet for the 2020s", 2022; Bekkers, Vadgama, Hesselink,
    van der Linden, Romero, "Fast, Expressive SE(n) Equivariant Networks through Weight-Sharing in Position-Orientation
    Space", 2024.

    Example:
        >>> block = FiberBundleConvNext(4, nn.Identity(), layer_scale=0.0)
        >>> x = torch.randn(3, 12, 4)
        >>> torch.equal(block(x), x)
        True
    """

    def __init__(
        self, channels: int, conv: nn.Module, widening_factor: int = 4, layer_scale: float | None = None
    ) -> None:
        super().__init__()
        if widening_factor < 1:
            raise ValueError(f"FiberBundleConvNext(widening_factor): at least 1, got {widening_factor}")
        self.conv = conv
        self.norm = nn.LayerNorm(channels)
        wide = widening_factor * channels
        self.mix = nn.Sequential(nn.Linear(channels, wide), nn.GELU(), nn.Linear(wide, channels))
        self.scale = None if layer_scale is None else nn.Parameter(torch.full((channels,), float(layer_scale)))

    def forward(self, x: Float[Tensor, "*places channels"], *others: Any) -> Float[Tensor, "*places channels"]:
        """The block.

        Args:
            x: features.
            others: what else the convolution takes.
        """
        return self.update(x, self.conv(x, *others))

    def update(self, x: Tensor, found: Tensor) -> Tensor:
        """What follows the convolution, from its result."""
        change = self.mix(self.norm(found))
        return x + (change if self.scale is None else self.scale * change)
