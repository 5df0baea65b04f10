"""Voronoi partitions: every point belongs to the nearest of a few points that cover the cloud."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from scipy.spatial import KDTree
from torch import Tensor

from erlangen.neighbours import farthest_points
from erlangen.neighbours.clouds import diameter_bound, laid_apart, read_clouds
from erlangen.points.flat import centred
from erlangen.points.partition import Partition


def voronoi_partition(
    pos: Float[Tensor, "nodes dim"], num_parts: int, batch: Int[Tensor, " nodes"] | None = None
) -> Partition:
    r"""Divides each cloud into the Voronoi cells of points that are chosen farthest from each other.

    The first seed is the point farthest from the centroid, each following one is farthest from those before it, and a
    point belongs to its nearest seed. All of this is made of distances: a motion of the whole cloud in E(d), and the
    order of its points, change nothing but for ties. Cells are numbered in the order of their seeds. Points that
    coincide stay together, so a cloud with fewer than ``num_parts`` different points has fewer parts.

    Args:
        pos: coordinates.
        num_parts: number of cells of each cloud.
        batch: the cloud of each point, ascending; one cloud by default.

    Raises:
        TypeError: if coordinates are not floating point numbers, or the batch vector is not long.
        ValueError: if ``num_parts`` is below 1 or larger than a cloud, a coordinate is not finite, or shapes do not
            fit.

    Source: for the partition, Atzmon, Huang, Williams, Litany, "Approximately Piecewise E(3) Equivariant Point
    Networks", 2024; for the seeds, Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985.

    Example:
        >>> voronoi_partition(torch.tensor([[0.0], [1.0], [4.0], [9.0], [10.0]]), 2).index
        tensor([1, 1, 1, 0, 0])
    """
    points, cloud = read_clouds("voronoi_partition", pos, batch)
    if isinstance(num_parts, bool) or not isinstance(num_parts, int) or num_parts < 1:
        raise ValueError(f"voronoi_partition(num_parts): a whole number from 1, got {num_parts!r}")
    if batch is None:
        batch = torch.zeros(len(pos), dtype=torch.long, device=pos.device)
    given = Partition.whole(batch)  # checks that clouds ascend
    smallest = int(given.sizes.min()) if len(points) else num_parts
    if smallest < num_parts:
        raise ValueError(
            f"voronoi_partition(num_parts): at most as many as a cloud has points, got {num_parts} for a cloud of "
            f"{smallest}"
        )
    if not len(points):
        return given
    exact = pos.detach().double()
    seeds = _seeds(exact, batch, num_parts).cpu().numpy()
    apart = laid_apart(points, cloud, 2 * diameter_bound(points) + 1)
    nearest = torch.from_numpy(KDTree(apart[seeds]).query(apart)[1]).to(batch)
    return Partition.from_labels(nearest, batch)


def _seeds(pos: Tensor, batch: Tensor, num_parts: int) -> Tensor:
    """Farthest points of each cloud, the first of them farthest from the centroid."""
    clouds = int(batch[-1]) + 1
    distance = centred(pos, batch, clouds).square().sum(-1)
    farthest = distance.new_zeros(clouds).scatter_reduce(0, batch, distance, "amax")
    # Clouds keep their places, and in each of them the point to begin with comes first.
    later = (distance < farthest[batch]).long()
    order = (2 * batch + later).argsort(stable=True)
    return order[farthest_points(pos[order], num_parts, batch[order])]
