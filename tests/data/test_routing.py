"""Shortest tours and routes against trying everything, and shapes that look as they should."""

import itertools

import pytest
import torch

from erlangen.data.routing import random_routes, random_tours, tour_length
from erlangen.data.surfaces import KINDS, NOISE, sampled, surfaces


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("nodes", [3, 4, 7])
def test_no_tour_is_shorter(nodes):
    tours = random_tours(6, nodes, seeded(nodes))
    orders = torch.tensor([(0, *rest) for rest in itertools.permutations(range(1, nodes))])
    lengths = torch.stack([tour_length(tours.pos, order.expand(6, nodes)) for order in orders], 1)
    torch.testing.assert_close(tours.length, lengths.amin(1))
    torch.testing.assert_close(tour_length(tours.pos, tours.order), tours.length)
    assert (tours.order.sort(1).values == torch.arange(nodes)).all() and not tours.order[:, 0].any()


def partitions(items):
    if not items:
        yield []
        return
    first, *rest = items
    for parts in partitions(rest):
        yield [[first], *parts]
        for i, part in enumerate(parts):
            yield [*parts[:i], [first, *part], *parts[i + 1 :]]


def test_no_routes_are_shorter():
    customers, capacity = 5, 12
    routes = random_routes(4, customers, seeded(1), capacity=capacity)
    for pos, demand, edges, length in zip(*routes, strict=True):
        apart = (pos[:, None] - pos).norm(dim=-1)

        def shortest(part, apart=apart):
            paths = itertools.permutations(part)
            return min(sum(float(apart[a, b]) for a, b in itertools.pairwise((0, *p, 0))) for p in paths)

        fits = [
            parts
            for parts in partitions(list(range(1, customers + 1)))
            if all(float(demand[part].sum()) <= 1 + 1e-12 for part in parts)
        ]
        assert float(length) == pytest.approx(min(sum(map(shortest, parts)) for parts in fits))
        assert float((edges * apart).sum() / 2) == pytest.approx(float(length))
        assert torch.equal(edges, edges.T) and (edges[1:].sum(1) == 2).all()
    assert routes.demand.max() <= 9 / capacity and not routes.demand[:, 0].any()


def test_a_far_customer_with_a_large_demand_is_served_alone():
    routes = random_routes(200, 3, seeded(2), capacity=9, most=9)
    alone = routes.edges[:, 0] == 2
    assert alone.any() and (routes.edges[:, 0].sum(1) >= 4)[routes.demand.sum(1) > 1].all()


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: random_tours(3, 2, seeded()), r"from 3 to 14, of instances from 1; got 2, 3"),
        (lambda: random_tours(0, 5, seeded()), "got 5, 0"),
        (lambda: random_tours(1, 15, seeded()), "from 3 to 14"),
        (lambda: random_routes(1, 14, seeded()), "from 2 to 13"),
        (lambda: random_routes(1, 3, seeded(), capacity=5), "a demand from 1 to the capacity 5, got 9"),
        (lambda: surfaces(0, 5, seeded()), "whole numbers from 1, got 0 and 5"),
    ],
)
def test_what_has_no_meaning_is_refused(make, problem):
    with pytest.raises(ValueError, match=problem):
        make()


def test_points_lie_on_their_shapes():
    made = surfaces(64, 200, seeded(), dtype=torch.float64)
    assert made.kind.bincount().tolist() == [8] * 8
    one = torch.ones(8, 1, 3)
    x, y, z = sampled(torch.arange(8), one, 400, seeded()).unbind(-1)
    flat = x.square() + y.square()
    near = {
        "ellipsoid": (flat + z.square()).sqrt() - 1,
        "box": torch.stack([x, y, z]).abs().amax(0) - 1,
        "tube": flat.sqrt() - 1,
        "cone": flat.sqrt() - (1 - z) / 2,
        "torus": ((flat.sqrt() - 1).square() + z.square()).sqrt() - 0.35,
        "saddle": x.square() - y.square() - z,
        "bowl": (flat + z.square()).sqrt() - 1,
    }
    for name, gap in near.items():
        assert gap[KINDS.index(name)].abs().mean() < 3 * NOISE, name
    helix, bowl = KINDS.index("helix"), KINDS.index("bowl")
    along = (z[helix] + 1) * 2 * torch.pi  # right-handed: it climbs as it turns to the left
    assert (torch.stack([along.cos(), along.sin()]) - torch.stack([x[helix], y[helix]])).abs().mean() < 0.3
    assert z[bowl].max() < 3 * NOISE
    assert torch.equal(made.points, surfaces(64, 200, seeded(), dtype=torch.float64).points)
