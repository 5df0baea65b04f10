"""A residual network on images that nearly keeps affine maps."""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from erlangen.groups import Affine, Group, GroupSamples, LogNormal, Pixels, Scalar, Symmetry, Translation, Trivial
from erlangen.images.convolution import AffineConv2d
from erlangen.images.feature import GroupFeature, Pointwise
from erlangen.images.lifting import AffineLifting2d
from erlangen.images.linear_group import LinearGroup, require_group
from erlangen.images.norm import FeatureNorm
from erlangen.images.pooling import GlobalPool, SpatialPool
from erlangen.images.sampled import KernelFactory
from erlangen.images.samples import FixedSamples, draw_samples
from erlangen.images.siren import SIRENKernel

#: The published kernel sees the angle itself, by which it has fewer weights and a jump at rotations by pi.
PUBLISHED: KernelFactory = partial(SIRENKernel, angle="principal")


class AffineResidualBlock(nn.Module):
    """Two convolutions around which the input is added; all three features are taken at the same samples.

    Args:
        group: SO(2), SL(2), GLPlus(2) or Trivial().
        channels: of input and output.
        kernel_size: taps along one side, an odd number.
        kernel: "siren", "basis", or a factory.

    Raises:
        ValueError: for another group, an unknown kernel, sizes out of their range, or an even kernel size.

    Example:
        >>> from erlangen.groups import SL
        >>> feature = GroupFeature(torch.randn(2, 4, 3, 8, 8), draw_samples(SL(2), 3))
        >>> AffineResidualBlock(SL(2), 4)(feature).values.shape
        torch.Size([2, 4, 3, 8, 8])
    """

    def __init__(
        self, group: Group, channels: int, kernel_size: int = 5, kernel: str | KernelFactory = "siren"
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"AffineResidualBlock(kernel_size): an odd number, got {kernel_size}")
        convolutions = (
            AffineConv2d(group, channels, channels, kernel_size, kernel, padding=kernel_size // 2) for _ in range(2)
        )
        self.layers = nn.Sequential()
        for conv in convolutions:
            self.layers.extend([conv, FeatureNorm(), Pointwise(nn.GELU())])

    def forward(self, feature: GroupFeature) -> GroupFeature:
        """A feature of the same shape."""
        change = self.layers(feature)
        return feature.map(lambda x: nn.functional.gelu(x + change.values))


class AffineResNet(nn.Module):
    r"""Classifies images, nearly regardless of affine maps whose linear part lies in a group.

    Lifting - residual block - maximum over windows of 2 by 2 pixels - convolution - maximum over pixels and group -
    two dense layers; every convolution is followed by :class:`FeatureNorm` and GELU. All features are taken at the
    same samples. These are drawn at construction and belong to the network, so that it is a fixed function, whose
    kernels are computed once in evaluation; others may be given with each call:

    * ``resample=True`` draws new ones for each call in training;
    * logits averaged over several draws are the more invariant:
      ``torch.stack([net(x, net.draw()) for _ in range(8)]).mean(0)``.

    How nearly: as well as a few samples represent the measure of the group, and pixels the image. What a map moves
    across the border is lost.

    Args:
        group: SO(2), SL(2), GLPlus(2), or Trivial() for a convolutional network with kernels of the same kind.
        num_classes: logits that come out.
        in_channels: of the images, best in [-1, 1].
        num_samples: of the group.
        width: channels of the features.
        kernel_size: taps along one side, an odd number.
        hidden: width of the dense layer.
        dropout: before the logits.
        kernel: "siren", "basis", or a factory, see :class:`~erlangen.images.sampled.SampledConv`; by default the
            published one, a :class:`SIRENKernel` of the principal angle.
        proposal: from which the stretches of samples are drawn.
        weights: "proposal", as published, or "haar" to integrate against the invariant measure: give the proposal a
            bound then.
        resample: whether training draws new samples for each call, from torch's own generator, as dropout does.
        generator: draws the network's own samples.

    Raises:
        ValueError: for an argument without meaning; when called, for images of other channels, or of less than 14
            pixels (with kernels of size 5).
        TypeError: when called, for another dtype than the network has.

    Source: Mironenco, Forre, "Lie Group Decompositions for Equivariant Neural Networks", 2024.

    Example:
        >>> from erlangen.groups import SL
        >>> net = AffineResNet(SL(2), num_classes=10)
        >>> sum(p.numel() for p in net.parameters())
        339102
        >>> AffineResNet(SL(2), 10, num_samples=3, width=4).eval()(torch.zeros(2, 1, 20, 20)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        group: Group,
        num_classes: int,
        in_channels: int = 1,
        num_samples: int = 10,
        width: int = 40,
        kernel_size: int = 5,
        hidden: int = 256,
        dropout: float = 0.3,
        kernel: str | KernelFactory = PUBLISHED,
        proposal: LogNormal = LogNormal(),
        weights: str = "proposal",
        resample: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.group: LinearGroup = require_group("AffineResNet", group)
        for name, size in {"num_classes": num_classes, "hidden": hidden}.items():
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise ValueError(f"AffineResNet({name}): an integer of at least 1, got {size!r}")
        self.num_samples, self.proposal, self.weights, self.resample = num_samples, proposal, weights, resample
        self.samples = FixedSamples(self.draw(generator, dtype=torch.get_default_dtype()))
        self.lift = AffineLifting2d(group, in_channels, width, kernel_size, kernel)
        self.layers = nn.Sequential(
            FeatureNorm(),
            Pointwise(nn.GELU()),
            AffineResidualBlock(group, width, kernel_size, kernel),
            FeatureNorm(),
            SpatialPool(2),
            Pointwise(nn.GELU()),
            AffineConv2d(group, width, width, kernel_size, kernel),
            FeatureNorm(),
            Pointwise(nn.GELU()),
            GlobalPool("max"),
        )
        self.head = nn.Sequential(
            nn.Linear(width, hidden, bias=False),
            nn.LayerNorm(hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )
        moves = Translation(2) if isinstance(self.group, Trivial) else Affine(2, self.group)
        self.symmetry = Symmetry(
            moves,
            (Pixels(moves),),
            Scalar(moves),
            kind="approximate",
            holds_where="what is seen stays inside the image",
        )

    def draw(
        self,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
    ) -> GroupSamples:
        """Samples as the network is used with."""
        return draw_samples(self.group, self.num_samples, self.proposal, self.weights, generator, dtype, device)

    def forward(
        self, x: Float[Tensor, "batch in_channels height width"], samples: GroupSamples | None = None
    ) -> Float[Tensor, "batch num_classes"]:
        """The logits.

        Args:
            x: images.
            samples: of the group; by default the network's own, or new ones in training with ``resample=True``.
        """
        if samples is None:
            samples = self.draw(device=x.device) if self.training and self.resample else self.samples()
        return self.head(self.layers(self.lift(x, samples)))
