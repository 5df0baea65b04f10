r"""Pairs of points that are at most a cutoff apart, in open space and in periodic cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import overload

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree
from torch import Tensor

from erlangen.neighbours.clouds import diameter_bound, laid_apart, read_clouds
from erlangen.neighbours.periodic import pairs_of_images, read_cells

Positions = Float[Tensor, "points dim"]
Batch = Int[Tensor, " points"]
Cell = Float[Tensor, "dim dim"] | Float[Tensor, "clouds dim dim"]
Periodic = bool | Sequence[bool] | Bool[np.ndarray, " dim"] | Bool[Tensor, " dim"] | Bool[Tensor, "clouds dim"]
EdgeIndex = Int[Tensor, "2 edges"]
Shift = Float[Tensor, "edges dim"]


@overload
def radius_graph(
    position: Positions, cutoff: float, batch: Batch | None = None, cell: None = None, pbc: None = None
) -> EdgeIndex: ...


@overload
def radius_graph(
    position: Positions, cutoff: float, batch: Batch | None = None, *, cell: Cell, pbc: Periodic | None = None
) -> tuple[EdgeIndex, Shift]: ...


@overload
def radius_graph(
    position: Positions, cutoff: float, batch: Batch | None, cell: Cell, pbc: Periodic | None = None
) -> tuple[EdgeIndex, Shift]: ...


def radius_graph(
    position: Positions,
    cutoff: float,
    batch: Batch | None = None,
    cell: Cell | None = None,
    pbc: Periodic | None = None,
) -> EdgeIndex | tuple[EdgeIndex, Shift]:
    r"""All ordered pairs of points of one cloud with :math:`\|x_j + s_{ji} - x_i\| \le` ``cutoff``.

    An edge goes from its source :math:`j = ` ``edge_index[0]`` to its target :math:`i = ` ``edge_index[1]``: messages
    flow as in PyTorch Geometric, and the vector from :math:`i` to the neighbour that it sees is
    ``position[edge_index[0]] + shift - position[edge_index[1]]``. Each edge comes with its reverse. No point is its own
    neighbour; in a cell that is smaller than the cutoff it may well be a neighbour of its own images. Points at the
    same place are neighbours.

    Distances are taken in float64 of the coordinates as they are, so the set of edges is the same on each device.
    Edges are ordered by target, then source. They carry no gradients; vectors computed as above do, and so does the
    shift with respect to the cell.

    Args:
        position: Coordinates. In a periodic cell they may lie anywhere, and stay where they are.
        cutoff: Largest distance, in the unit of the coordinates; the border belongs to it.
        batch: The cloud of each point, in any order; one cloud by default.
        cell: Rows are the vectors that span the cell, for all clouds or (clouds along the first axis) each. Rows of
            directions that are not periodic count for nothing, and may be zero.
        pbc: Which of them are periodic; all by default. One boolean for all, one per row of the cell, or one per cloud
            and row.

    Returns:
        The edges; and in periodic cells also the shift :math:`s_{ji}`, a sum of whole multiples of cell vectors.

    Raises:
        TypeError: If positions are not floating point numbers, or the batch vector holds no integers.
        ValueError: If the cutoff is not positive and finite, a coordinate is not finite, shapes do not fit, vectors of
            periodic directions do not span as many dimensions, or the images of a tiny cell would be too many.

    >>> position = torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.5, 0.0]])
    >>> radius_graph(position, cutoff=1.0)
    tensor([[1, 0],
            [0, 1]])

    A chain that repeats itself every four units: the last point sees the first one's image, and is seen by it.

    >>> edges, shift = radius_graph(position, cutoff=1.0, cell=4 * torch.eye(2), pbc=(True, False))
    >>> edges.tolist(), shift[:, 0].tolist()
    ([[1, 2, 0, 0], [0, 0, 1, 2]], [0.0, -4.0, 0.0, 4.0])
    """
    points, cloud = read_clouds("radius_graph", position, batch)
    if isinstance(cutoff, bool) or not (math.isfinite(cutoff) and cutoff > 0):
        raise ValueError(f"radius_graph(cutoff): a positive, finite distance, got {cutoff}")
    cutoff = float(cutoff)
    if cell is None:
        if pbc is not None:
            raise ValueError(f"radius_graph(pbc): takes a cell, got pbc = {pbc} without one")
        return torch.from_numpy(_pairs(points, cloud, cutoff)).to(position.device)
    cells, periodic = read_cells(cell, pbc, cloud, points.shape[1])
    pairs, images = pairs_of_images(points, cloud, cutoff, cells, periodic)
    edge_index = torch.from_numpy(pairs).to(position.device)
    image = torch.from_numpy(images).to(position.device, position.dtype)
    cell = cell.to(position.device, position.dtype)
    if cell.ndim == 2:
        return edge_index, image @ cell
    owner = torch.from_numpy(cloud).to(position.device)[edge_index[1]]
    return edge_index, (image[:, None] @ cell[owner]).squeeze(1)


def _pairs(points: np.ndarray, cloud: np.ndarray, cutoff: float) -> np.ndarray:
    """Sources and targets in open space."""
    n = len(points)
    if n < 2:
        return np.zeros((2, 0), np.int64)
    # The tree may round otherwise than we do: it proposes a little more, and the distance computed here decides.
    # Where all points coincide, clouds are kept apart by a reach of one.
    reach = min(cutoff, diameter_bound(points)) * (1 + 1e-9) or 1.0
    tree = KDTree(laid_apart(points, np.unique(cloud, return_inverse=True)[1], 2 * reach))
    first, second = tree.query_pairs(reach, output_type="ndarray").astype(np.int64).T
    near = np.sqrt(((points[first] - points[second]) ** 2).sum(1)) <= cutoff
    first, second = first[near], second[near]
    # Sorting one number per edge is many times faster than sorting rows.
    keys = np.sort(np.concatenate([first * n + second, second * n + first]))
    return np.stack([keys % n, keys // n])
