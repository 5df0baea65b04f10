"""Where a kernel on the plane and a group is evaluated, and with which measure it enters its integral."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from erlangen.groups import SL, SO, CartanCoordinates, GLPlus, Group, GroupSamples, Trivial

#: Groups of the plane on which features may live.
LinearGroup = SO | SL | GLPlus | Trivial
#: How far samples may be from the group.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class KernelGrid:
    r"""The arguments of a kernel for all pairs of samples and all taps of a convolution.

    Args:
        points: of the plane, :math:`h^{-1} p`, ``(out_samples, in_samples, taps, 2)``, where one of the axes of samples
            may have size one if points do not depend on it. The first coordinate points right, the second up; the taps
            of the convolution are row by row the centres of cells that divide the square :math:`[-1, 1]^2`.
        coordinates: of the group, :math:`\xi^{-1}(h^{-1} t)`, ``(out_samples, in_samples, dim)``; of dimension zero
            for kernels on the plane alone. The angle is the last one.
        measure: the factor of each pair of samples in the integral, ``(out_samples, in_samples)``.
    """

    points: Float[Tensor, "out_or_one in_or_one taps 2"]
    coordinates: Float[Tensor, "out_samples in_samples dim"]
    measure: Float[Tensor, "out_samples in_samples"]

    @property
    def shape(self) -> tuple[int, int, int]:
        """The numbers of output samples, input samples and taps."""
        return self.measure.shape[0], self.measure.shape[1], self.points.shape[2]

    def to(self, dtype: torch.dtype, device: torch.device) -> KernelGrid:
        """The grid in another dtype, on another device."""
        return KernelGrid(*(t.to(device=device, dtype=dtype) for t in (self.points, self.coordinates, self.measure)))


def cell_centres(kernel_size: int, dtype: torch.dtype = torch.float64, device=None) -> Float[Tensor, "taps 2"]:
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
    determinant = _determinant(samples.inverse)[:, None]
    return KernelGrid(points, determinant.new_zeros(len(samples), 1, 0), determinant)


def convolution_grid(
    group: LinearGroup, samples_in: GroupSamples, samples_out: GroupSamples, kernel_size: int
) -> KernelGrid:
    r"""Of :math:`w_t |\det t|^{-1} k(h^{-1} p, \xi^{-1}(h^{-1} t))`, with the weights w of the samples t."""
    require_samples(group, samples_in)
    require_samples(group, samples_out)
    points = _moved(samples_out.inverse, kernel_size)[:, None]
    measure = samples_in.normalised_weights().to(points.dtype) * _determinant(samples_in.inverse)
    if isinstance(group, Trivial):
        coordinates = points.new_zeros(len(samples_out), len(samples_in), 0)
    else:
        coordinates = CartanCoordinates(group).coordinates(samples_out.inverse[:, None] @ samples_in.matrix)
    return KernelGrid(points, coordinates, measure.expand(len(samples_out), -1))


def projection_grid(group: LinearGroup, samples: GroupSamples, kernel_size: int) -> KernelGrid:
    r"""Of :math:`w_t |\det t|^{-1} k(t^{-1} p)`, with the samples as input."""
    require_samples(group, samples)
    points = _moved(samples.inverse, kernel_size)[None]
    measure = samples.normalised_weights().to(points.dtype) * _determinant(samples.inverse)
    return KernelGrid(points, points.new_zeros(1, len(samples), 0), measure[None])


def _moved(inverse: Tensor, kernel_size: int) -> Tensor:
    return cell_centres(kernel_size, inverse.dtype, inverse.device) @ inverse.mT


def _determinant(matrix: Tensor) -> Tensor:
    """Of two by two matrices; those that layers get are positive."""
    return matrix[..., 0, 0] * matrix[..., 1, 1] - matrix[..., 0, 1] * matrix[..., 1, 0]


def require_group(name: str, group: Group) -> LinearGroup:
    """Checks that features can live on a group.

    Raises:
        ValueError: for other groups than those of the plane that decompose.
    """
    if isinstance(group, Trivial) or (isinstance(group, SO | SL | GLPlus) and group.n == 2):
        return group
    raise ValueError(f"{name}(group): SO(2), SL(2), GLPlus(2) or Trivial(), got {group!r}")


def require_samples(group: LinearGroup, samples: GroupSamples) -> None:
    """Checks that samples are elements of a group, to a tolerance of 1e-4.

    Raises:
        ValueError: naming the first sample that is not.
    """
    matrix = samples.matrix.detach()
    if matrix.shape[-1] != 2:
        raise ValueError(f"samples of {group}: matrices of two by two, got {tuple(matrix.shape[-2:])}")
    determinant, one = _determinant(matrix), torch.eye(2, dtype=matrix.dtype, device=matrix.device)
    good = determinant > 0
    if isinstance(group, SO | SL):
        good &= (determinant - 1).abs() <= TOLERANCE
    if isinstance(group, SO):
        good &= ((matrix.mT @ matrix - one).abs() <= TOLERANCE).all(-1).all(-1)
    if isinstance(group, Trivial):
        good &= ((matrix - one).abs() <= TOLERANCE).all(-1).all(-1)
    if not bool(good.all()):
        first = int((~good).nonzero()[0])
        raise ValueError(
            f"samples of {group}: sample {first} is not an element, {matrix[first].tolist()} with determinant "
            f"{float(determinant[first]):.6g}"
        )


def coordinate_dim(group: LinearGroup) -> int:
    """The number of coordinates of an element."""
    return 0 if isinstance(group, Trivial) else CartanCoordinates(group).dim
