"""Which parts of a partition are degenerate: too few points, flat, or symmetric."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from erlangen.points.flat import centred, segment_sum
from erlangen.points.partition import Partition
from erlangen.symmetrize.principal import GAP


class DegenerateCells(NamedTuple):
    """What is unusual about each part of all clouds, boolean ``(cells,)`` each; one may be several of them.

    Attributes:
        few: fewer than ``dim + 1`` points, which lie in a plane of themselves.
        flat: all points in a plane (in space), on a line (in the plane), or in less: the smallest moment vanishes.
        symmetric: two principal moments agree that do not vanish, so that principal axes are ambiguous: squares, cubes,
            regular triangles.
    """

    few: Bool[Tensor, " cells"]
    flat: Bool[Tensor, " cells"]
    symmetric: Bool[Tensor, " cells"]


def degenerate_cells(pos: Float[Tensor, "nodes dim"], part: Partition) -> DegenerateCells:
    """Finds the parts whose principal axes are not what one expects of points in general position.

    :class:`PiecewiseEquivariant` is exact for all of them; what they cost is detail, as a symmetric part is seen from
    each of its points, and as few points say little.

    Args:
        pos: coordinates.
        part: the parts.

    Example:
        >>> square = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])
        >>> [found.item() for found in degenerate_cells(square, Partition.of(torch.zeros(4, dtype=torch.long)))]
        [False, True, True]
    """
    cell, count, dim = part.cell, part.num_cells, pos.shape[-1]
    offset = centred(pos.detach().double(), cell, count)
    moments = segment_sum((offset[:, :, None] * offset[:, None, :]).flatten(1), cell, count).unflatten(1, (dim, dim))
    values = torch.linalg.eigvalsh(moments)
    largest = values[:, -1:]
    zero = values <= GAP * largest
    near = (values.diff(dim=1) <= GAP * largest) & ~zero[:, :-1]
    return DegenerateCells(part.sizes <= dim, zero[:, 0], near.any(1))
