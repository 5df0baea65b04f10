"""Farthest-point sampling: a few points that cover a cloud evenly."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from erlangen.neighbours.clouds import read_clouds


def farthest_points(
    position: Float[Tensor, "points dim"],
    count: int,
    batch: Int[Tensor, " points"] | None = None,
    generator: torch.Generator | None = None,
) -> Int[Tensor, " chosen"]:
    r"""Chooses points of each cloud one after another, each as far as possible from those before it.

    With :math:`i_0` drawn, or the first of its cloud:

    .. math:: i_{t+1} = \arg\max_i \min_{s \le t} \|x_i - x_{i_s}\|

    The chosen points cover the cloud within twice the best radius that so many points can reach. No point is chosen
    twice, not even where points coincide. All clouds are sampled at once, on the device of the points, in
    ``count`` steps of linear time; memory is that of the clouds padded to the largest one.

    Source: Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985; Eldar, Lindenbaum, Porat,
    Zeevi, "The farthest point strategy for progressive image sampling", 1997.

    Args:
        position: Coordinates.
        count: How many points to choose of each cloud.
        batch: The cloud of each point, in any order; one cloud by default.
        generator: Draws the first point of each cloud; without one it is the cloud's first in the order given. Of
            points equally far, up to rounding, any may be taken.

    Returns:
        Indices into ``position``: cloud after cloud by number, each in the order of choice. No points, none chosen.

    Raises:
        TypeError: If positions are not floating point numbers, or the batch vector holds no integers.
        ValueError: If ``count`` is below 1 or larger than a cloud, a coordinate is not finite, or shapes do not fit.

    >>> farthest_points(torch.tensor([[0.0], [1.0], [2.0], [5.0]]), count=3)
    tensor([0, 3, 2])
    """
    _, cloud = read_clouds("farthest_points", position, batch)
    if count < 1:
        raise ValueError(f"farthest_points(count): at least 1 point, got {count}")
    device = position.device
    names, member, sizes = torch.from_numpy(cloud).to(device).unique(return_inverse=True, return_counts=True)
    if not len(names):
        return torch.zeros(0, dtype=torch.long, device=device)
    if int(sizes.min()) < count:
        small = int(sizes.argmin())
        raise ValueError(
            f"farthest_points(count): at most as many as a cloud has points, got {count}, "
            f"but cloud {int(names[small])} has {int(sizes[small])}"
        )
    order = member.argsort(stable=True)
    place = torch.arange(len(order), device=device) - (sizes.cumsum(0) - sizes)[member[order]]
    size = (len(names), int(sizes.max()))
    index = order.new_zeros(size)
    index[member[order], place] = order
    x = position.detach()
    x = x if x.dtype in (torch.float32, torch.float64) else x.float()
    padded = x[index]
    # Squared distances to the nearest chosen point. What is chosen, or is no point, lies below all of them.
    nearest = x.new_full(size, -1.0)
    nearest[member[order], place] = torch.inf
    row = torch.arange(size[0], device=device)
    latest = torch.zeros_like(row)
    if generator is not None:
        draw = torch.rand(size[0], generator=generator, dtype=torch.float64, device=generator.device).to(device)
        latest = (draw * sizes).long().clamp_(max=sizes - 1)
    chosen = [latest]
    for _ in range(count - 1):
        nearest = torch.minimum(nearest, (padded - padded[row, latest][:, None]).square().sum(-1))
        nearest[row, latest] = -1.0
        latest = nearest.argmax(1)
        chosen.append(latest)
    return index[row[:, None], torch.stack(chosen, 1)].flatten()
