"""Clouds on their way to the networks: batches, splits, scales, turns, widths; each against what it must not change."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from erlangen.points import EGNN, PointGNN
from erlangen.recipes.compare import METHODS, Comparison
from erlangen.recipes.compare.clouds import assemble, joined, split
from erlangen.recipes.compare.methods import Answering, Spec, fitting_width, weights
from erlangen.recipes.compare.records import Records
from erlangen.recipes.compare.training import Outcome, loss, symmetry_error, turned, usable, widths
from erlangen.recipes.config import ConfigError

DOUBLE = torch.float64
DATA = Path("f")


def records(count=12, dim=3, low=2, high=5, **made):
    """Clouds of random sizes; ``made`` says how each further tensor is made of the number of points."""
    generator = torch.Generator().manual_seed(0)
    clouds = []
    for _ in range(count):
        n = int(torch.randint(low, high + 1, (), generator=generator))
        cloud = {"pos": 3 + 2 * torch.randn(n, dim, generator=generator, dtype=DOUBLE)}
        for name, rows in made.items():
            shape = rows(n)
            cloud[name] = torch.randn(shape, generator=generator, dtype=DOUBLE)
        clouds.append(cloud)
    return Records(clouds, vectors=frozenset({"vectors"}))


def numbers(dim=3):
    return assemble("f", records(dim=dim, low=dim + 1, y=lambda n: (1, 2), x=lambda n: (n, 2)), "y")


def vectors(dim=3):
    made = {"vectors": lambda n: (n, 1, dim), "vec": lambda n: (n, 2, dim)}
    return assemble("f", records(dim=dim, low=dim + 1, **made), "vectors")


def test_batches_are_the_clouds_behind_one_another():
    clouds = [cloud._replace(pos=cloud.pos.float(), x=cloud.x.float()) for cloud in numbers().clouds]
    batch = joined(clouds)
    network = PointGNN(2, 4, 2, 2)
    together = network(*batch[:4]).scalar
    alone = torch.cat([network(cloud.x, cloud.pos, cloud.edge_index).scalar for cloud in clouds])
    torch.testing.assert_close(together, alone)
    assert batch.vec is None and batch.rows.tolist() == list(range(12))
    assert joined(vectors().clouds).rows.tolist() == joined(vectors().clouds).batch.tolist()


def test_edges_are_all_pairs_of_small_clouds_and_the_nearest_of_large_ones():
    few = assemble("f", records(low=4, high=6, y=lambda n: (1,)), "y").clouds[0]
    assert few.edge_index.shape[1] == len(few.pos) * (len(few.pos) - 1)
    many = assemble("f", records(low=40, high=40, y=lambda n: (1,)), "y").clouds[0]
    assert many.edge_index.shape[1] == 40 * 16
    two = assemble("f", records(low=4, high=6, y=lambda n: (1,)), "y", neighbours=2).clouds[0]
    nearest = torch.cdist(two.pos, two.pos).argsort(1)[:, 1:3]
    found = [set(two.edge_index[0, two.edge_index[1] == i].tolist()) for i in range(len(two.pos))]
    assert found == [set(row.tolist()) for row in nearest]
    whole = assemble("f", records(low=40, high=40, y=lambda n: (1,)), "y", neighbours=0).clouds[0]
    assert whole.edge_index.shape[1] == 40 * 39


def test_a_split_is_one_and_scales_nothing_but_lengths_and_numbers():
    clouds = numbers()
    parts = split(clouds, 0, 0.1, 0.25)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (8, 1, 3)
    everywhere = torch.cat([cloud.target for part in (parts.train, parts.validation, parts.test) for cloud in part])
    targets = torch.cat([cloud.target for cloud in clouds.clouds])
    back = everywhere.double() * parts.unit
    back = back - back.mean(0) + targets.mean(0)
    assert torch.allclose(back.sort(0).values, targets.sort(0).values, atol=1e-5)
    train = torch.cat([cloud.target for cloud in parts.train])
    assert train.mean(0).abs().max() < 1e-6 and abs(float(train.square().mean()) - 1) < 1e-5
    place = torch.cat([cloud.pos for cloud in parts.train])
    assert abs(float(place.square().sum(-1).mean()) - 1) < 1e-5 and place.dtype == torch.float32
    assert max(float(cloud.pos.mean(0).abs().max()) for cloud in parts.test) < 1e-6
    again, other = split(clouds, 0, 0.1, 0.25), split(clouds, 1, 0.1, 0.25)
    assert torch.equal(again.test[0].pos, parts.test[0].pos) and not torch.equal(
        other.test[0].pos[0], parts.test[0].pos[0]
    )


def test_guesses_are_the_best_constants():
    parts, clouds = split(numbers(), 0, 0.1, 0.25), numbers()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0)).tolist()
    targets = torch.cat([clouds.clouds[i].target for i in order])
    median = targets[4:].median(0).values
    assert parts.guess == pytest.approx(float((targets[:3] - median).abs().mean()))
    turning = split(vectors(), 0, 0.1, 0.25)
    scale = torch.cat([cloud.target for cloud in turning.test]).double() * turning.unit
    assert turning.guess == pytest.approx(float(scale.square().mean().sqrt()), rel=1e-5)


def test_what_elements_explain_is_taken_off():
    generator = torch.Generator().manual_seed(0)
    clouds = []
    for _ in range(20):
        kinds = nn.functional.one_hot(torch.randint(3, (5,), generator=generator), 3).double()
        energy = kinds.sum(0) @ torch.tensor([-1000.0, -37.5, -0.5], dtype=DOUBLE)
        noise = 1e-3 * torch.randn((), generator=generator, dtype=DOUBLE)
        clouds.append(
            {"pos": torch.randn(5, 3, dtype=DOUBLE, generator=generator), "x": kinds, "energy": energy[None] + noise}
        )
    found = assemble("f", Records(clouds, {"energy": False}, composition="energy"), "energy")
    parts = split(found, 0, 0.1, 0.2)
    assert parts.unit < 2e-3 and parts.guess < 2e-3
    assert max(float(cloud.target.abs().max()) for cloud in parts.test) < 10


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("proper", [False, True])
def test_turns_move_clouds_and_vectors_alike(dim, proper):
    clouds = vectors(dim)
    spec = Spec(clouds, 2, proper)
    parts = split(clouds, 0, 0.1, 0.25)
    batch = joined(parts.train)
    moved = turned(batch, spec, torch.Generator().manual_seed(0))
    assert moved.pos.shape == batch.pos.shape and (moved.pos - batch.pos).abs().max() > 0.1
    network = EGNN(**spec.arguments(4))
    torch.testing.assert_close(loss(network, moved, spec), loss(network, batch, spec), rtol=1e-4, atol=1e-6)
    for cloud in range(len(parts.train)):
        here, there = batch.pos[batch.batch == cloud], moved.pos[batch.batch == cloud]
        turn = torch.linalg.lstsq(here, there).solution if len(here) > dim else None
        torch.testing.assert_close(torch.cdist(there, there), torch.cdist(here, here), rtol=1e-3, atol=1e-4)
        if turn is not None and proper:
            assert float(torch.linalg.det(turn)) == pytest.approx(1, abs=1e-3)
        if turn is not None:
            vec = batch.vec[batch.batch == cloud] @ turn
            torch.testing.assert_close(moved.vec[batch.batch == cloud], vec, rtol=1e-3, atol=1e-3)


def test_widths_give_about_as_many_weights():
    for clouds in (numbers(), vectors()):
        spec, config = Spec(clouds, 3, False), Comparison(data=DATA, hidden=32)
        names, left_out = usable(config, spec)
        assert set(names) | set(left_out) == set(METHODS)
        wanted = weights(METHODS["gnn"].build(spec, 32))
        for name, width in widths(config, spec, names).items():
            assert abs(weights(METHODS[name].build(spec, width)) / wanted - 1) < 0.1, name
    assert fitting_width(lambda width: nn.Linear(width, 1, bias=False), 1) == 1


@pytest.mark.parametrize(("make", "dim"), [(numbers, 2), (vectors, 3)])
def test_every_network_learns_every_task_and_keeps_what_it_says(make, dim):
    clouds = make(dim=dim)
    spec = Spec(clouds, 2, False)
    parts = split(clouds, 0, 0.1, 0.25)
    batch, exact = joined(parts.train), {"egnn", "pnita", "tinvnn-gnn", "tinvnn-pointnet", "fa-gnn", "apen"}
    exact |= {"ponita-edges"} if dim == 3 else set()  # in the plane it tells mirror images apart
    for name in usable(Comparison(data=DATA), spec)[0]:
        torch.manual_seed(0)
        network = Answering(METHODS[name].build(spec, 6), 2.0).train()
        found = loss(network, batch, spec)
        found.backward()
        assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in network.parameters()), name
        assert any(p.grad is not None and bool((p.grad != 0).any()) for p in network.parameters()), name
        error, report = symmetry_error(network, spec, parts.test, 0)
        assert (error < 1e-9) == (name in exact), (name, error)
        assert (report["verdict"] == "exact") == (name in exact)


def test_sums_are_divided():
    spec = Spec(numbers(), 2, False)
    network = METHODS["gnn"].build(spec, 4)
    batch = joined(split(numbers(), 0, 0.1, 0.25).train)
    torch.testing.assert_close(3 * Answering(network, 3.0)(*batch[:5]).scalar, network(*batch[:4]).scalar)


def test_what_cannot_be_taken_is_left_out_or_refused():
    spec = Spec(vectors(), 2, False)
    names, left_out = usable(Comparison(data=DATA), spec)
    assert "pnita" not in names and left_out["pnita"] == "points without orientations have no vectors"
    with pytest.raises(ValueError, match="--methods: pnita cannot take these clouds: points without orientations"):
        usable(Comparison(data=DATA, methods="egnn,pnita"), spec)
    large = Spec(assemble("f", records(4, low=40, high=40, y=lambda n: (1,)), "y"), 2, False)
    assert "pairs of edges in a cloud" in usable(Comparison(data=DATA), large)[1]["ponita-edges"]
    assert usable(Comparison(data=DATA, methods="ponita-edges"), large)[0] == ["ponita-edges"]
    flat = Spec(assemble("f", records(4, dim=5, y=lambda n: (1,)), "y"), 2, False)
    left_out = usable(Comparison(data=DATA), flat)[1]
    assert left_out["ponita"] == "it takes 2 or 3 dimensions, not 5" and "fa-gnn" in left_out and "egnn" not in left_out


def test_settings_and_outcomes_travel_between_processes():
    config = Comparison(data=DATA, methods="gnn,egnn")
    assert pickle.loads(pickle.dumps(config)) == config and config.asked == ["egnn", "gnn"]
    assert config.to_dict()["data"] == "f" and "experiment" not in Comparison.options()
    assert pickle.loads(pickle.dumps(Outcome({"a": 1.0}))) == Outcome({"a": 1.0})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": None}, "--data is missing"),
        ({"methods": "egnn,gmn"}, "--methods names 'gmn'; it takes all, or some of ponita, .*; did you mean 'gnn'"),
        ({"methods": ","}, "--methods names none"),
        ({"epochs": 0}, "--epochs is 0; it takes a whole number from 1"),
        ({"batch_size": 0}, "--batch-size is 0"),
        ({"lr": 0.0}, "--lr is 0.0; it takes a positive number"),
        ({"test": 1.0}, "--test is 1.0; it takes a share between 0 and 1"),
        ({"neighbours": -1}, "--neighbours is -1; it takes a whole number from 0"),
    ],
)
def test_settings_without_meaning(settings, message):
    with pytest.raises(ConfigError, match=message):
        Comparison(**({"data": DATA} | settings))


def test_few_clouds_leave_something_to_learn_from():
    clouds = assemble("f", records(3, y=lambda n: (1,)), "y")
    parts = split(clouds, 0, 0.1, 0.2)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (1, 1, 1)
    with pytest.raises(ValueError, match="3 clouds, of which 2 to test and 1 to choose the epoch leave none"):
        split(clouds, 0, 0.1, 0.6)
