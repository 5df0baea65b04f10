"""Where a kernel on the plane and a group is evaluated, and with which measure it enters its integral."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from erlangen.groups import CartanCoordinates, GLPlus, GroupSamples, Trivial
from erlangen.images.linear_group import LinearGroup, determinant_of_plane, require_samples


@dataclass(frozen=True, eq=False)
class KernelGrid:
    r"""The arguments of a kernel for all pairs of samples and all taps of a convolution.

    Args:
        group: that acts.
        points: of the plane, :math:`h^{-1} p`, ``(out_samples, in_samples, taps, 2)``, where one of the axes of samples
            may have size one if points do not depend on it. The first coordinate points right, the second up; the taps
            of the convolution are row by row the centres of cells that divide the square :math:`[-1, 1]^2`.
        coordinates: of the group, :math:`\xi^{-1}(h^{-1} t)`, ``(out_samples, in_samples, dim)``; of dimension zero
            for kernels on the plane alone. The angle is the last one.
        measure: the factor of each pair of samples in the integral, ``(out_samples, in_samples)``.
    """

    group: LinearGroup
    points: Float[Tensor, "out_or_one in_or_one taps 2"]
    coordinates: Float[Tensor, "out_samples in_samples dim"]
    measure: Float[Tensor, "out_samples in_samples"]

    @property
    def shape(self) -> tuple[int, int, int]:
        """The numbers of output samples, input samples and taps."""
        return self.measure.shape[0], self.measure.shape[1], self.points.shape[2]

    @cached_property
    def window(self) -> Float[Tensor, "out_samples in_samples taps"]:
        r"""What kernels are multiplied by: the end of their support, times the measure.

        For groups that keep areas, kernels end at the unit circle, :math:`[|x| \le 1]`. GL+(2) also scales, and the
        taps of a fixed square then leave the circle by much or not at all, so their end is soft,
        :math:`\sigma(2 (1 - |(x, c)|))`, over points x and coordinates c of the group together.
        """
        square = self.points.square().sum(-1)
        if not isinstance(self.group, GLPlus):
            return (square <= 1) * self.measure[..., None]
        square = square + self.coordinates.square().sum(-1)[..., None]
        # The root has no derivative at zero, where the middle tap of a sample meets itself.
        zero = square == 0
        length = torch.where(zero, 1.0, square).sqrt() * ~zero
        return torch.sigmoid(2 * (1 - length)) * self.measure[..., None]

    @cached_property
    def kept(self) -> Int[Tensor, " kept"] | None:
        """Where the window, flattened, is not zero; None if it is so nowhere."""
        window = self.window.detach().flatten()
        kept = window.nonzero()[:, 0]
        return kept if len(kept) < len(window) else None

    def to(self, dtype: torch.dtype, device: torch.device) -> KernelGrid:
        """The grid in another dtype, on another device."""
        tensors = (self.points, self.coordinates, self.measure)
        return KernelGrid(self.group, *(t.to(device=device, dtype=dtype) for t in tensors))


def cell_centres(
    kernel_size: int, dtype: torch.dtype = torch.float64, device: torch.device | None = None
) -> Float[Tensor, "taps 2"]:
    """The centres of the cells of a square grid on [-1, 1], row by row from above; coordinates point right and up.

    Example:
        >>> cell_centres(2).tolist()
        [[-0.5, 0.5], [0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]]
    """
    along = (2 * torch.arange(kernel_size, dtype=dtype, device=device) + 1) / kernel_size - 1
    up, right = torch.meshgrid(-along, along, indexing="ij")
    return torch.stack([right, up], -1).flatten(0, 1)


def lifting_grid(group: LinearGroup, samples: GroupSamples, kernel_size: int) -> KernelGrid:
    r"""Of :math:`|\det h|^{-1} k(h^{-1} p)`, with the samples as output."""
    require_samples(group, samples)
    points = _moved(samples.inverse, kernel_size)[:, None]
    determinant = determinant_of_plane(samples.inverse)[:, None]
    return KernelGrid(group, points, determinant.new_zeros(len(samples), 1, 0), determinant)


def convolution_grid(
    group: LinearGroup, samples_in: GroupSamples, samples_out: GroupSamples, kernel_size: int
) -> KernelGrid:
    r"""Of :math:`w_t |\det t|^{-1} k(h^{-1} p, \xi^{-1}(h^{-1} t))`, with the weights w of the samples t."""
    require_samples(group, samples_in)
    if samples_out is not samples_in:
        require_samples(group, samples_out)
    points = _moved(samples_out.inverse, kernel_size)[:, None]
    measure = samples_in.normalised_weights().to(points.dtype) * determinant_of_plane(samples_in.inverse)
    if isinstance(group, Trivial):
        coordinates = points.new_zeros(len(samples_out), len(samples_in), 0)
    else:
        coordinates = CartanCoordinates(group).coordinates(samples_out.inverse[:, None] @ samples_in.matrix)
    return KernelGrid(group, points, coordinates, measure.expand(len(samples_out), -1))


def projection_grid(group: LinearGroup, samples: GroupSamples, kernel_size: int) -> KernelGrid:
    r"""Of :math:`w_t |\det t|^{-1} k(t^{-1} p)`, with the samples as input."""
    require_samples(group, samples)
    points = _moved(samples.inverse, kernel_size)[None]
    measure = samples.normalised_weights().to(points.dtype) * determinant_of_plane(samples.inverse)
    return KernelGrid(group, points, points.new_zeros(1, len(samples), 0), measure[None])


def _moved(inverse: Tensor, kernel_size: int) -> Tensor:
    return cell_centres(kernel_size, inverse.dtype, inverse.device) @ inverse.mT
