"""Convolutions of features on a group."""

from __future__ import annotations

from erlangen.groups import GroupSamples
from erlangen.images.feature import GroupFeature
from erlangen.images.kernel_grid import convolution_grid
from erlangen.images.sampled import SampledConv


class AffineConv2d(SampledConv):
    r"""A convolution over the plane and a group, the integral over the group as a mean over samples.

    .. math::
        F'(x, h) = \int_H \int_{R^2} F(z, t)\, k(h^{-1} (z - x), \xi^{-1}(h^{-1} t))\, dz\, \frac{d\mu(t)}{|\det t|}
        \approx \sum_n \frac{w_n}{|\det t_n|} \int F(z, t_n)\, k(h^{-1} (z - x), \xi^{-1}(h^{-1} t_n))\, dz

    with coordinates :math:`\xi^{-1}` of the group and the weights that the samples carry: equal ones integrate against
    the distribution they were drawn from, and those of ``weights="haar"`` against the invariant measure. With samples
    that move along it is as equivariant as :class:`AffineLifting2d`; with samples that stay, as well as they represent
    the measure.

    Args:
        group: SO(2), SL(2), GLPlus(2), or Trivial() for an ordinary convolution.
        in_channels: channels of the input.
        out_channels: channels of the output.
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
        >>> conv = AffineConv2d(SL(2), 8, 4, kernel_size=5, kernel="basis")
        >>> conv(feature).values.shape, conv(feature, sample_group(SL(2), 3)).values.shape
        (torch.Size([2, 4, 6, 16, 16]), torch.Size([2, 4, 3, 16, 16]))
    """

    on_group = True

    def forward(self, feature: GroupFeature, samples_out: GroupSamples | None = None) -> GroupFeature:
        """The feature at other samples.

        Args:
            feature: the input with the samples at which it was taken.
            samples_out: where the output is taken; by default at the same samples.
        """
        if feature.channels != self.in_channels:
            raise ValueError(f"AffineConv2d(feature): {self.in_channels} channels, got {feature.channels}")
        there, here = feature.samples, feature.samples if samples_out is None else samples_out
        values = self._conv(
            feature.values.flatten(1, 2),
            [there, here],
            lambda: convolution_grid(self.group, there, here, self.kernel_size),
        )
        return GroupFeature(values.unflatten(1, (self.out_channels, len(here))), here)
