"""The recipe at size smoke, and its parts against definitions and brute force."""

import itertools
import math

import pytest
import torch

from erlangen.data.routing import random_routes, random_tours, tour_length
from erlangen.recipes import ConfigError
from erlangen.recipes.tinvnn import Config, run
from erlangen.recipes.tinvnn.cvrp import greedy_routes, routes_length
from erlangen.recipes.tinvnn.metric import CLEAR, embed, graph_metric
from erlangen.recipes.tinvnn.pointcloud import METHODS, PointNet, agreement, build
from erlangen.recipes.tinvnn.pointcloud import moves as shape_moves
from erlangen.recipes.tinvnn.routing import NEVER, EdgeScores, moves, nearest, neighbour_loss, networks, percent
from erlangen.recipes.tinvnn.tsp import greedy_tour, tour_edges
from erlangen.report import Result


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    out = tmp_path_factory.mktemp("tinvnn")
    return out, run(Config(size="smoke", out=out))


def test_experiments_measure_what_their_claims_need(ran):
    out, result = ran
    assert len(result.claims) == 13 and result.status == "complete"
    assert [claim.name for claim, verdict in result.claims if verdict.verdict == "not measurable here"] == []
    assert [check for check in result.checks if not check.passed] == []
    path = result.save(out / "result.json")
    assert Result.load(path).to_dict() == result.to_dict()
    assert {file.name for file in out.iterdir() if file.is_file()} == {"result.json", *result.figures}
    assert all((out / name).stat().st_size < 100_000 for name in result.figures)


def test_a_run_that_is_done_is_not_trained_again(tmp_path, monkeypatch):
    first = run(Config(size="smoke", experiment="tsp", seeds=1, out=tmp_path))
    monkeypatch.setattr("torch.optim.Adam.step", lambda *_: pytest.fail("it trains"))
    again = run(Config(size="smoke", experiment="tsp", seeds=1, out=tmp_path, resume=True))
    assert again.metrics == first.metrics


# ---------------------------------------------------------------- shapes
def test_moved_shapes_are_the_same_shapes():
    x = torch.randn(5, 12, 3, generator=seeded(), dtype=torch.float64)
    moved = shape_moves(x, 0)
    apart = {key: (y[:, :, None] - y[:, None]).norm(dim=-1) for key, y in moved.items()}
    for key, found in apart.items():
        factor = found[:, 0, 1] / apart["aligned"][:, 0, 1]
        torch.testing.assert_close(found, apart["aligned"] * factor[:, None, None])
        assert ((factor - 1).abs().max() > 0.1) == (key == "similar")
    torch.testing.assert_close(moved["000"], x)
    turn = torch.linalg.lstsq(x, moved["090"]).solution
    torch.testing.assert_close(turn.diagonal(dim1=1, dim2=2).sum(1), torch.ones(5).double())  # 1 + 2 cos 90


def test_all_networks_of_a_seed_start_alike():
    start = PointNet()
    made = {name: build(method, start) for name, method in METHODS.items()}
    for network in made.values():
        own = getattr(network, "backbone", network)
        assert all(torch.equal(a, b) for a, b in zip(own.parameters(), start.parameters(), strict=True))


def test_signs_of_samples_agree_where_shapes_are_skewed():
    found = agreement(Config(size="smoke", pointcloud_tests=400, pointcloud_points=128), 0)
    assert found["order_box"] > 0.5
    assert found["signs_cone"] > found["signs_ellipsoid"]
    # Along each of three axes without skewness signs agree in half of all cases.
    assert 0.02 < found["signs_ellipsoid"] < 0.35


# ---------------------------------------------------------------- routes
def test_moved_instances_are_the_same_instances():
    pos = torch.rand(4, 6, 2, generator=seeded(), dtype=torch.float64)
    for key, moved in moves(pos, 0).items():
        shape = nearest(moved) / nearest(moved)[:, :1, 1:2]
        torch.testing.assert_close(shape, nearest(pos) / nearest(pos)[:, :1, 1:2])
        assert torch.equal(moved, pos) == (key == "identity")
    centre = torch.full((1, 1, 2), 0.5, dtype=torch.float64)
    torch.testing.assert_close(moves(centre, 0)["rotation"], centre)


def test_edges_of_tours():
    tours = random_tours(20, 6, seeded())
    edges = tour_edges(tours.order)
    assert (edges.sum(1) == 2).all() and torch.equal(edges, edges.mT)
    torch.testing.assert_close(-(edges * nearest(tours.pos)).sum((1, 2)) / 2, tours.length)


def test_the_true_edges_as_logits_give_the_shortest_tours():
    tours = random_tours(30, 8, seeded(1))
    found = greedy_tour(10 * tour_edges(tours.order))
    torch.testing.assert_close(tour_length(tours.pos, found), tours.length)
    assert percent(tour_length(tours.pos, found), tours.length) == pytest.approx(0, abs=1e-9)
    assert percent(2 * tours.length, tours.length) == pytest.approx(100)


def test_the_nearest_neighbour_by_hand():
    pos = torch.tensor([[[0.0, 0], [3, 0], [1, 0], [1.5, 0]]]).double()
    assert greedy_tour(nearest(pos)).tolist() == [[0, 2, 3, 1]]


def test_the_true_edges_as_logits_give_the_shortest_routes():
    routes = random_routes(200, 6, seeded(2))
    logits = (routes.edges / 2).clamp_min(1e-12).log()
    found = greedy_routes(logits, routes.demand)
    assert_routes(found, routes.demand)
    gap = routes_length(routes.pos, found) / routes.length - 1
    assert gap.min() > -1e-9 and (gap.abs() < 1e-9).double().mean() > 0.9  # not all: the way home may fit another


@pytest.mark.parametrize("home", [True, False])
def test_routes_are_allowed_whatever_the_logits_say(home):
    routes = random_routes(100, 7, seeded(3))
    noise = torch.randn(routes.edges.shape, generator=seeded(4))
    found = greedy_routes(noise, routes.demand, home)
    assert_routes(found, routes.demand)
    assert (routes_length(routes.pos, found) >= routes.length - 1e-9).all()


def assert_routes(visits, demand):
    for path, need in zip(visits.tolist(), demand, strict=True):
        assert path[0] == path[-1] == 0
        assert sorted(node for node in path if node) == list(range(1, len(need)))
        for end, group in itertools.groupby(path, key=bool):
            assert not end or float(need[list(group)].sum()) <= 1 + 1e-9


def test_the_loss_is_least_for_the_true_edges():
    edges = tour_edges(random_tours(3, 5, seeded()).order)
    perfect = edges.clamp_min(1e-9).log()
    assert float(neighbour_loss(perfect, edges)) == pytest.approx(math.log(2), rel=1e-6)
    assert float(neighbour_loss(torch.zeros_like(edges), edges)) == pytest.approx(math.log(5))


def test_scores_are_symmetric_follow_the_nodes_and_know_the_depot():
    torch.manual_seed(0)
    net = EdgeScores(features=1, depot=True).double().eval()
    pos = torch.rand(3, 6, 2, generator=seeded(), dtype=torch.float64)
    need = torch.rand(3, 6, 1, generator=seeded(), dtype=torch.float64)
    y = net(pos, need)
    torch.testing.assert_close(y, y.mT)
    assert (y.diagonal(dim1=1, dim2=2) == NEVER).all()
    order = torch.tensor([0, 3, 1, 5, 2, 4])
    torch.testing.assert_close(net(pos[:, order], need[:, order]), y[:, order][:, :, order])
    swapped = torch.tensor([1, 0, 2, 3, 4, 5])
    assert not torch.allclose(net(pos[:, swapped], need[:, swapped]), y[:, swapped][:, :, swapped])


def test_canonical_networks_do_not_see_moves_and_plain_ones_do():
    torch.manual_seed(0)
    made = networks(EdgeScores())
    pos = torch.rand(6, 8, 2, generator=seeded(), dtype=torch.float64)
    moved = moves(pos, 1)["all"]
    change = {name: (net.double()(moved) - net(pos)).abs().max() for name, net in made.items()}
    assert change["moment"] < 1e-8 and change["raw"] > 1e-2


# ---------------------------------------------------------------- metrics
@pytest.mark.parametrize("number", range(12))
def test_graph_metrics_are_metrics(number):
    family, dist = graph_metric(number, 12, 0)
    n = len(dist)
    assert dist.isfinite().all() and torch.equal(dist, dist.T) and not dist.diagonal().any()
    assert (dist[:, :, None] <= dist[:, None] + dist.T[None] + 1e-9).all()
    assert (dist[~torch.eye(n, dtype=torch.bool)] > 0).all()
    assert torch.equal(dist, graph_metric(number, 12, 0)[1])
    found = embed(dist, 0)
    assert found["negative"] > 0 and found["smacof_stress"] <= found["ours_stress"] + 1e-6
    if found["gap"] > CLEAR:
        assert found["ours_stress"] == pytest.approx(found["classical_stress"], abs=1e-9)
    assert (family == "star") == (found["gap"] < 1e-9) or family == "grid"


# ---------------------------------------------------------------- settings
@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"tsp_nodes": 2}, "tsp_nodes is 2; it takes a whole number from 3 to 14"),
        ({"cvrp_customers": 14}, "cvrp_customers is 14"),
        ({"metric_nodes": 3}, "metric_nodes is 3"),
        ({"pointcloud_epochs": 0}, "pointcloud_epochs is 0"),
        ({"experiment": "tps"}, "did you mean 'tsp'"),
    ],
)
def test_what_has_no_meaning_is_refused(settings, problem):
    with pytest.raises(ConfigError, match=problem):
        Config(**settings)


def test_seeds():
    assert [Config(size=size).seeds for size in ("smoke", "small", "paper")] == [2, 3, 5]
