"""The groups of the plane on which features may live."""

from __future__ import annotations

import torch
from torch import Tensor

from erlangen.groups import SL, SO, CartanCoordinates, GLPlus, Group, GroupSamples, Trivial

#: Groups of the plane on which features may live.
LinearGroup = SO | SL | GLPlus | Trivial
#: How far samples may be from the group.
TOLERANCE = 1e-4


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


def coordinate_dim(group: LinearGroup) -> int:
    """The number of coordinates of an element."""
    return 0 if isinstance(group, Trivial) else CartanCoordinates(group).dim


def determinant_of_plane(matrix: Tensor) -> Tensor:
    """The determinants of two by two matrices."""
    return matrix[..., 0, 0] * matrix[..., 1, 1] - matrix[..., 0, 1] * matrix[..., 1, 0]
