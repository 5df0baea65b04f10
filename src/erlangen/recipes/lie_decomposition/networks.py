"""Small networks that read digits: with features on a group, and without.

All have one layout: a convolution of 5 x 5, one more, a maximum over windows of 2 x 2 pixels, a convolution of 3 x 3,
each followed by a norm and GELU; then the maximum over all pixels, and two dense layers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from erlangen.groups import Affine, Group, GroupSamples, LogNormal, Pixels, Scalar, Symmetry
from erlangen.images import (
    AffineConv2d,
    AffineLifting2d,
    FeatureNorm,
    FixedSamples,
    GlobalPool,
    Pointwise,
    SpatialPool,
    draw_samples,
)
from erlangen.images.sampled import KernelFactory
from erlangen.recipes.lie_decomposition.digits import BACKGROUND

CLASSES = 10
HIDDEN = 64


class GroupNetwork(nn.Module):
    """Features on a group, taken at the same samples in all layers.

    Args:
        group: SO(2), SL(2) or GLPlus(2).
        channels: Of the first two features.
        out_channels: Of the last one.
        kernel: Makes the kernels, see `erlangen.images.sampled.SampledConv`.
        num_samples: Of the group.
        variance: Of the logarithms of stretches.
        resample: Whether training draws stretches anew in each step, as published, from torch's own generator;
            otherwise the network learns with the samples that it keeps.
        generator: Draws the samples that it keeps.
    """

    def __init__(
        self,
        group: Group,
        channels: int,
        out_channels: int,
        kernel: KernelFactory,
        num_samples: int,
        variance: float,
        resample: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.group, self.num_samples, self.resample = group, num_samples, resample
        self.proposal = LogNormal(variance)
        self.samples = FixedSamples(
            draw_samples(group, num_samples, self.proposal, generator=generator).to(torch.float32)
        )
        self.lift = AffineLifting2d(group, 1, channels, 5, kernel)
        self.layers = nn.Sequential(
            FeatureNorm(),
            Pointwise(nn.GELU()),
            AffineConv2d(group, channels, channels, 5, kernel, padding=2),
            FeatureNorm(),
            Pointwise(nn.GELU()),
            SpatialPool(2),
            AffineConv2d(group, channels, out_channels, 3, kernel, padding=1),
            FeatureNorm(),
            Pointwise(nn.GELU()),
            GlobalPool("max"),
        )
        self.head = _head(out_channels)
        moves = Affine(2, group)
        self.symmetry = Symmetry(
            moves,
            (Pixels(moves),),
            Scalar(moves),
            kind="approximate",
            holds_where="what is seen stays inside the image",
        )

    def draw(self, generator: torch.Generator | None = None) -> GroupSamples:
        """New samples of the group: the same rotations, other stretches."""
        return draw_samples(self.group, self.num_samples, self.proposal, generator=generator)

    def forward(self, x: Tensor, samples: GroupSamples | None = None) -> Tensor:
        """The logits of images, ``(batch, 10)``."""
        if samples is None:
            samples = self.draw() if self.training and self.resample else self.samples()
        return self.head(self.layers(self.lift(_framed(x), samples)))


class PlainNetwork(nn.Module):
    """An ordinary CNN of the same layout.

    Args:
        channels: Of the first two features.
        out_channels: Of the last one.
    """

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, channels, 5, bias=False),
            nn.GroupNorm(1, channels, affine=False),
            nn.GELU(),
            nn.Conv2d(channels, channels, 5, padding=2, bias=False),
            nn.GroupNorm(1, channels, affine=False),
            nn.GELU(),
            nn.MaxPool2d(2),
            nn.Conv2d(channels, out_channels, 3, padding=1, bias=False),
            nn.GroupNorm(1, out_channels, affine=False),
            nn.GELU(),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
        )
        self.head = _head(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of images, ``(batch, 10)``."""
        return self.head(self.layers(_framed(x)))


def _framed(x: Tensor) -> Tensor:
    """Two more pixels of background at each side, which the first convolution takes away."""
    return nn.functional.pad(x, (2, 2, 2, 2), value=BACKGROUND)


def _head(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(channels, HIDDEN), nn.LayerNorm(HIDDEN), nn.GELU(), nn.Linear(HIDDEN, CLASSES))
