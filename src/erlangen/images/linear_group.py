"""The groups of the plane on which features may live."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from erlangen.groups import SL, SO, CartanCoordinates, GLPlus, Group, GroupSamples, Trivial

#: Groups of the plane on which features may live.
LinearGroup = SO | SL | GLPlus | Trivial
#: How far samples may be from the group.
TOLERANCE = 1e-4
#: By how much samples may stretch or shrink before it is warned of.
FAR = 3.0


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

    Warns of samples that stretch or shrink by more than three: then the taps of a fixed square see the kernel hardly,
    or nothing but its middle.

    Raises:
        ValueError: naming the first sample that is not an element.
    """
    matrix = samples.matrix.detach()
    if matrix.shape[-1] != 2:
        raise ValueError(f"samples of {group}: matrices of two by two, got {tuple(matrix.shape[-2:])}")
    determinant, one = determinant_of_plane(matrix), torch.eye(2, dtype=matrix.dtype, device=matrix.device)
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
    if isinstance(group, SL | GLPlus):
        # A stretch by three in one direction, and none in the other, has the squared Frobenius norm ten.
        largest = float(torch.stack([matrix, samples.inverse.detach()]).square().sum((-2, -1)).amax())
        if largest > FAR**2 + 1:
            stretch = float(torch.linalg.svdvals(torch.stack([matrix, samples.inverse.detach()])).amax())
            warnings.warn(
                f"a sample of {group} stretches or shrinks by up to {stretch:.2g}, which a kernel on few taps does not "
                "resolve: give the proposal a bound, as LogNormal(bound=0.5), or the kernel more taps",
                stacklevel=2,
            )


def coordinate_dim(group: LinearGroup) -> int:
    """The number of coordinates of an element."""
    return 0 if isinstance(group, Trivial) else CartanCoordinates(group).dim


def determinant_of_plane(matrix: Tensor) -> Tensor:
    """The determinants of two by two matrices."""
    return matrix[..., 0, 0] * matrix[..., 1, 1] - matrix[..., 0, 1] * matrix[..., 1, 0]
