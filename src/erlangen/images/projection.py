"""From features on a group back to images."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from erlangen.images.feature import GroupFeature
from erlangen.images.kernel_grid import projection_grid
from erlangen.images.sampled import SampledConv


class AffineProjection2d(SampledConv):
    r"""Projects a feature to the plane, linearly.

    .. math:: P(x) = \sum_n \frac{w_n}{|\det t_n|} \int F(z, t_n)\, k(t_n^{-1} (z - x))\, dz

    with the weights that the samples carry. If F is moved by an affine map, and its samples with it, so is P.

    Args:
        group: SO(2), SL(2), GLPlus(2), or Trivial() for an ordinary convolution.
        in_channels: channels of the feature.
        out_channels: channels of the image.
        kernel_size: taps along one side.
        kernel: "siren", "basis", or a factory, see :class:`~erlangen.images.sampled.SampledConv`.
        padding: zeros added at each side.

    Raises:
        ValueError: for another group, an unknown kernel, or sizes out of their range; when called, for features of
            other channels, or smaller than the kernel.
        TypeError: when called, for another dtype than the kernel has.

    Source: Mironenco, Forre, "Lie Group Decompositions for Equivariant Neural Networks", 2024.

    Example:
        >>> import torch
        >>> from erlangen.groups import SL, sample_group
        >>> feature = GroupFeature(torch.randn(2, 8, 6, 20, 20), sample_group(SL(2), 6))
        >>> AffineProjection2d(SL(2), 8, 3, kernel_size=5, padding=2)(feature).shape
        torch.Size([2, 3, 20, 20])
    """

    on_group = False

    def forward(self, feature: GroupFeature) -> Float[Tensor, "batch out_channels height width"]:
        """The image."""
        if feature.channels != self.in_channels:
            raise ValueError(f"AffineProjection2d(feature): {self.in_channels} channels, got {feature.channels}")
        samples = feature.samples
        return self._conv(
            feature.values.flatten(1, 2), [samples], lambda: projection_grid(self.group, samples, self.kernel_size)
        )
