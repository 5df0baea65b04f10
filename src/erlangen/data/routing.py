r"""Shortest tours and delivery routes through random points of the unit square, by exact dynamic programming.

Held and Karp: with :math:`c(S, j)` the shortest path from node 0 through all of :math:`S` that ends in :math:`j \in S`,

.. math:: c(S, j) = \min_{i \in S \setminus j} c(S \setminus j, i) + d_{ij}, \qquad
    \text{tour}(S) = \min_{j \in S} c(S, j) + d_{j0},

for all subsets of the other nodes, of many instances at once. Routes of vehicles with a capacity divide the customers
into subsets: the best division of :math:`S` takes the best subset that holds the first customer of :math:`S`, and
divides the rest.

Source: Held, Karp, "A Dynamic Programming Approach to Sequencing Problems", 1962.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

MOST_NODES = 14
"""Beyond so many nodes the table of subsets grows too large."""


class Tours(NamedTuple):
    """Instances and their shortest closed tours.

    Attributes:
        pos: nodes, ``(instances, nodes, 2)``.
        order: the nodes in the order of the tour, from node 0, ``(instances, nodes)``.
        length: of the tour, ``(instances,)``.
    """

    pos: Float[Tensor, "instances nodes 2"]
    order: Int[Tensor, "instances nodes"]
    length: Float[Tensor, " instances"]


class Routes(NamedTuple):
    """Instances with demands, and the shortest routes of vehicles from node 0, the depot.

    Attributes:
        pos: the depot, then customers, ``(instances, 1 + customers, 2)``.
        demand: in parts of a vehicle's capacity, zero for the depot, ``(instances, 1 + customers)``.
        edges: how often the routes go between two nodes, symmetric, ``(instances, 1 + customers, 1 + customers)``;
            twice between the depot and a customer that has a vehicle for himself.
        length: of all routes together, ``(instances,)``.
    """

    pos: Float[Tensor, "instances nodes 2"]
    demand: Float[Tensor, "instances nodes"]
    edges: Float[Tensor, "instances nodes nodes"]
    length: Float[Tensor, " instances"]


def random_tours(instances: int, nodes: int, generator: torch.Generator) -> Tours:
    """Nodes drawn uniformly from the unit square, in float64, and their shortest tours.

    Args:
        instances: how many.
        nodes: of each, from 3.
        generator: the randomness.

    Raises:
        ValueError: for too few or too many nodes.

    >>> tours = random_tours(5, 7, torch.Generator().manual_seed(0))
    >>> bool(torch.allclose(tour_length(tours.pos, tours.order), tours.length))
    True
    """
    if instances < 1 or not 3 <= nodes <= MOST_NODES:
        raise ValueError(f"random_tours(nodes): from 3 to {MOST_NODES}, of instances from 1; got {nodes}, {instances}")
    pos = torch.rand(instances, nodes, 2, generator=generator, dtype=torch.float64)
    distance = (pos[:, :, None] - pos[:, None]).norm(dim=-1)
    cost, before = _paths(distance)
    every = cost.shape[0] - 1
    length, last = (cost[every] + distance[:, 1:, 0].T).min(0)
    return Tours(pos, _backwards(before, torch.full((instances,), every), last, nodes - 1), length)


def tour_length(pos: Float[Tensor, "instances nodes 2"], order: Int[Tensor, "instances nodes"]) -> Tensor:
    """Length of closed tours through the nodes in a given order, ``(instances,)``."""
    path = pos.gather(1, order[..., None].expand(-1, -1, 2))
    return (path - path.roll(-1, 1)).norm(dim=-1).sum(1)


def random_routes(
    instances: int, customers: int, generator: torch.Generator, capacity: int = 20, most: int = 9
) -> Routes:
    """A depot and customers drawn uniformly from the unit square, whole demands, and the shortest routes; float64.

    Args:
        instances: how many.
        customers: of each.
        generator: the randomness.
        capacity: of a vehicle.
        most: demands are drawn from 1 to this.

    Raises:
        ValueError: for too few or too many customers, or demands that no vehicle can carry.
    """
    if instances < 1 or not 2 <= customers < MOST_NODES:
        raise ValueError(
            f"random_routes(customers): from 2 to {MOST_NODES - 1}, of instances from 1; got {customers}, {instances}"
        )
    if not 1 <= most <= capacity:
        raise ValueError(f"random_routes(most): a demand from 1 to the capacity {capacity}, got {most}")
    pos = torch.rand(instances, customers + 1, 2, generator=generator, dtype=torch.float64)
    demand = torch.randint(1, most + 1, (instances, customers), generator=generator).double()
    distance = (pos[:, :, None] - pos[:, None]).norm(dim=-1)
    cost, before = _paths(distance)
    back, last = (cost + distance[:, 1:, 0].T).min(1)  # of every subset, the shortest tour and where it ends
    member = (torch.arange(2**customers)[:, None] >> torch.arange(customers)) & 1
    back[member.double() @ demand.T > capacity] = math.inf
    length, chosen = _divided(back)
    edges = _edges(customers, chosen, last, before)
    demand = torch.cat([demand.new_zeros(instances, 1), demand / capacity], 1)
    return Routes(pos, demand, edges, length)


def _paths(distance: Tensor) -> tuple[Tensor, Tensor]:
    """Shortest paths from node 0 by subset and last node, and the node before the last, ``(2^m, m, instances)``.

    Nodes are numbered from 0 without the first; the bits of a subset are its nodes.
    """
    count, m = distance.shape[0], distance.shape[1] - 1
    apart = distance.permute(1, 2, 0)  # instances last, where they lie side by side
    inner = apart[1:, 1:]
    cost = distance.new_full((2**m, m, count), math.inf)
    before = torch.zeros(2**m, m, count, dtype=torch.long)
    for j in range(m):
        cost[1 << j, j] = apart[0, j + 1]
    for subset in range(1, 2**m):
        nodes = torch.tensor([j for j in range(m) if subset >> j & 1])
        if len(nodes) > 1:
            without = cost[subset ^ (1 << nodes)][:, nodes]  # (last node j, node i before it, instances)
            cost[subset, nodes], place = (without + inner[nodes][:, nodes]).min(1)
            before[subset, nodes] = nodes[place]
    return cost, before


def _backwards(before: Tensor, subset: Tensor, last: Tensor, steps: int) -> Tensor:
    """Tours from node 0 of which subsets and last nodes are known, ``(instances, 1 + steps)``."""
    rows, order = torch.arange(len(last)), []
    for _ in range(steps):
        order.append(last + 1)
        subset, last = subset ^ (1 << last), before[subset, last, rows]
    return torch.stack([torch.zeros_like(last), *reversed(order)], 1)


def _divided(tour: Tensor) -> tuple[Tensor, Tensor]:
    """The best division of all nodes into subsets, and for every set the subset that holds its first node."""
    sets = tour.shape[0]
    best, chosen = tour.new_zeros(tour.shape), torch.zeros(tour.shape, dtype=torch.long)
    for whole in range(1, sets):
        first = whole & -whole
        rest = whole ^ first
        parts, part = [], rest
        while True:  # all subsets of the rest, together with the first node
            parts.append(part | first)
            if not part:
                break
            part = (part - 1) & rest
        options = torch.tensor(parts)
        best[whole], place = (tour[options] + best[whole ^ options]).min(0)
        chosen[whole] = options[place]
    return best[sets - 1], chosen


def _edges(customers: int, chosen: Tensor, last: Tensor, before: Tensor) -> Tensor:
    """How often the routes go between two nodes."""
    instances = chosen.shape[1]
    edges = torch.zeros(instances, customers + 1, customers + 1, dtype=torch.float64)
    choice, end, previous = chosen.numpy(), last.numpy(), before.numpy()
    for i in range(instances):
        left = 2**customers - 1
        while left:
            subset = int(choice[left, i])
            left ^= subset
            node, at = int(end[subset, i]), 0
            while subset:
                edges[i, at, node + 1] += 1
                edges[i, node + 1, at] += 1
                at, node, subset = node + 1, int(previous[subset, node, i]), subset ^ (1 << node)
            edges[i, at, 0] += 1
            edges[i, 0, at] += 1
    return edges
