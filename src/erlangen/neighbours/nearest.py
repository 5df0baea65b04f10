"""The k nearest neighbours of each point."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import KDTree
from torch import Tensor

from erlangen.neighbours.clouds import diameter_bound, laid_apart, read_clouds


def knn_graph(
    position: Float[Tensor, "points dim"], k: int, batch: Int[Tensor, " points"] | None = None
) -> Int[Tensor, "2 edges"]:
    """Edges to each point from its k nearest neighbours in its cloud.

    An edge goes from the neighbour, ``edge_index[0]``, to the point that it is near to, ``edge_index[1]``: messages
    flow as in PyTorch Geometric. Edges are ordered by target, then distance. No point is its own neighbour; points at
    the same place are neighbours. A point of a cloud with fewer than ``k`` others has all of them as neighbours.
    Which of several equally far points come first, and so which of them come in at all, is left open.

    Args:
        position: Coordinates.
        k: Number of neighbours.
        batch: The cloud of each point, in any order; one cloud by default.

    Raises:
        TypeError: If positions are not floating point numbers, or the batch vector holds no integers.
        ValueError: If ``k`` is below 1, a coordinate is not finite, or shapes do not fit.

    >>> knn_graph(torch.tensor([[0.0], [1.0], [3.0]]), k=1)
    tensor([[1, 0, 1],
            [0, 1, 2]])
    """
    points, cloud = read_clouds("knn_graph", position, batch)
    if k < 1:
        raise ValueError(f"knn_graph(k): at least 1 neighbour, got {k}")
    _, cloud, sizes = np.unique(cloud, return_inverse=True, return_counts=True)
    asked = min(k + 1, int(sizes.max(initial=0)))
    if asked < 2:
        return torch.zeros((2, 0), dtype=torch.long, device=position.device)
    # Clouds lie farther apart than any is wide: a point's own cloud comes first, then come others, which are dropped.
    apart = laid_apart(points, cloud, 2 * diameter_bound(points) + 1)
    neighbour = np.asarray(KDTree(apart).query(apart, asked)[1])
    row = np.arange(len(points))[:, None]
    wanted = (neighbour != row) & (cloud[neighbour] == cloud[row])
    # Where many points coincide, a point may not be among its own nearest: then the last one is too many.
    wanted &= wanted.cumsum(1) <= k
    target, rank = np.nonzero(wanted)
    return torch.from_numpy(np.stack([neighbour[target, rank], target])).to(position.device)
