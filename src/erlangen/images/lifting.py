"""From images to features on a group."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from erlangen.groups import GroupSamples
from erlangen.images.feature import GroupFeature
from erlangen.images.kernel_grid import lifting_grid
from erlangen.images.sampled import SampledConv


class AffineLifting2d(SampledConv):
    r"""Lifts an image to the samples of a group: one kernel, turned and stretched by each of them.

    .. math:: F(x, h) = |\det h|^{-1} \int f(z)\, k(h^{-1} (z - x))\, dz

    If f is moved by an affine map, :math:`f'(x) = f(A^{-1} (x - t))`, the outcome is
    :math:`F'(x, h) = F(A^{-1} (x - t), A^{-1} h)`: on the plane, to rounding; on pixels, as well as they resolve f and
    the kernel. No more than one ``conv2d`` is done, whatever the group.

    Args:
        group: SO(2), SL(2), GLPlus(2), or Trivial() for an ordinary convolution.
        in_channels: channels of the image.
        out_channels: channels of the feature.
        kernel_size: taps along one side; the kernel is a function of the square that they cover.
        kernel: "siren", "basis", or a factory, see :class:`~erlangen.images.sampled.SampledConv`.
        padding: zeros added at each side. Where the background of images is not zero, pad them before instead.

    Raises:
        ValueError: for another group, an unknown kernel, or sizes out of their range; when called, for images of other
            channels, or smaller than the kernel.
        TypeError: when called, for another dtype than the kernel has.

    Source: Mironenco, Forre, "Lie Group Decompositions for Equivariant Neural Networks", 2024.

    Example:
        >>> import torch
        >>> from erlangen.groups import SL, sample_group
        >>> lift = AffineLifting2d(SL(2), 1, 8, kernel_size=5, padding=2)
        >>> lift(torch.randn(2, 1, 28, 28), sample_group(SL(2), 6)).values.shape
        torch.Size([2, 8, 6, 28, 28])
    """

    on_group = False

    def forward(self, x: Float[Tensor, "batch in_channels height width"], samples: GroupSamples) -> GroupFeature:
        """The feature at the given samples."""
        if x.shape[1] != self.in_channels:
            raise ValueError(f"AffineLifting2d(x): {self.in_channels} channels, got {x.shape[1]}")
        values = self._conv(x, [samples], lambda: lifting_grid(self.group, samples, self.kernel_size))
        return GroupFeature(values.unflatten(1, (self.out_channels, len(samples))), samples)
