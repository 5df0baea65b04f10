"""The recipe at size smoke, and its parts against definitions."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from erlangen.data.hilly_roads import hilly_roads
from erlangen.data.modified_inertia import bodies
from erlangen.data.tracks import motions
from erlangen.groups import O, Vector
from erlangen.recipes import ConfigError
from erlangen.recipes.soft_equivariance import Config, convex, cosine, inertia, roads, run
from erlangen.recipes.soft_equivariance.arms import PLANE_ARMS, SCALE_ARMS, Learner, Residual, Soft, Training
from erlangen.recipes.soft_equivariance.learning import broken, loss, metrics
from erlangen.recipes.soft_equivariance.symmetries import PLANES
from erlangen.report import Result

TINY = Training(steps=400, batch=20, lr=1e-3, decay=0.0, channels=12, width=8, strength=2.0)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module", params=["convex", "inertia", "cosine", "roads"])
def ran(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("soft")
    return request.param, out, run(Config(size="smoke", experiment=request.param, out=out))


def test_experiments_measure_what_their_claims_need(ran):
    name, out, result = ran
    claims = [(claim, verdict) for claim, verdict in result.claims if claim.experiment == name]
    # What is said of four in five seeds cannot be said of the two of smoke.
    for claim, verdict in claims:
        assert (verdict.verdict == "not measurable here") == claim.ours.endswith("ordered")
    assert [check for check in result.checks if not check.passed] == []
    path = result.save(out / "result.json")
    assert Result.load(path).to_dict() == result.to_dict()
    assert {file.name for file in out.iterdir() if file.is_file()} == {"result.json", *result.figures}
    assert all((out / figure).stat().st_size < 100_000 for figure in result.figures)


def test_a_run_that_is_done_is_not_trained_again(ran, monkeypatch):
    name, out, result = ran
    if name == "roads":
        monkeypatch.setattr("torch.optim.Adam.step", lambda *_: pytest.fail("it trains"))
        again = run(Config(size="smoke", experiment=name, out=out, resume=True))
        assert str(again.metrics) == str(result.metrics)  # some are no numbers


def test_without_files_it_is_said_where_they_are_from(tmp_path):
    result = run(Config(size="smoke", experiment="roads", roads_tracks="waymo", data=tmp_path))
    assert {v.verdict for c, v in result.claims} == {"not measurable here"}
    assert "waymo.com/open" in str(result.tables[0].rows)


def test_exported_tracks_can_be_learned_from(tmp_path):
    folder = tmp_path / "waymo" / "tracks"
    folder.mkdir(parents=True)
    steps = np.random.default_rng(0).normal(size=(60, 12, 3)).cumsum(1)
    for part in ("training", "validation", "test"):
        np.save(folder / f"{part}.npy", steps)
    config = Config(size="smoke", roads_tracks="waymo", roads_unit="per-axis", data=tmp_path)
    task, unit = roads.make_task(config, 0)
    x, y = task.train
    assert len(x) <= 40 and x.shape[1] == 15 and len(set(unit.tolist())) == 3
    for part in (x[:, :3, None].mT, x[:, 3:].unflatten(1, (4, 3)), y.unflatten(1, (6, 3))):
        torch.testing.assert_close(part.square().mean((0, 1)), torch.ones(3), atol=1e-4, rtol=0)


@pytest.mark.parametrize("wrong", [{"convex_samples": 0}, {"inertia_lr": 0.0}, {"roads_strength": -1.0},
                                   {"cosine_break": math.inf}, {"roads_tracks": "mine"}, {"roads_unit": "metre"},
                                   {"inertia_steps": 0}, {"inertia_decay": -1.0}, {"roads_init": "zero"}])  # fmt: skip
def test_settings_without_meaning_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Config(**wrong)


# ---------------------------------------------------------------- convex
def test_the_fit_is_a_minimum_of_what_it_says():
    x, y = torch.randn(2, 4, 6, generator=seeded()).double()
    projectors = {name: convex.projector(convex.basis(2, hom)) for name, hom in PLANES.items()}
    strengths = {"xy": 0.3, "yz": 0.0, "xz": 2.0}

    def objective(w):
        penalties = sum(s * ((w.flatten() - projectors[g] @ w.flatten()).square().sum() / 2)
                        for g, s in strengths.items())  # fmt: skip
        return (x @ w.T - y).square().sum() / (2 * len(x)) + penalties + convex.RIDGE / 2 * w.square().sum()

    found = convex.soft_fit(x, y, projectors, strengths).requires_grad_()
    (gradient,) = torch.autograd.grad(objective(found), found)
    assert gradient.abs().max() < 1e-10
    for name in PLANES:
        flat = found.detach().flatten()
        assert convex.violation(found.detach(), projectors[name]) == pytest.approx(
            0.5 * float((flat - projectors[name] @ flat).square().sum())
        )


def test_hard_fits_are_equivariant_and_least_among_those():
    x, y = torch.randn(2, 5, 6, generator=seeded()).double()
    basis = convex.basis(2, PLANES["xy"])
    found = convex.hard_fit(x, y, basis)
    rep = 2 * Vector(O(3)).along(PLANES["xy"])
    g = rep.rho(PLANES["xy"].source.sample(10, generator=seeded(1)))
    torch.testing.assert_close(g @ found, found @ g)
    error = (x @ found.T - y).square().sum()
    for _ in range(20):
        other = found + 0.01 * basis.matrix(torch.randn(basis.dim, dtype=torch.float64, generator=seeded(2)))
        assert (x @ other.T - y).square().sum() > error


# ---------------------------------------------------------------- tasks
@pytest.mark.parametrize("axis", inertia.AXES)
def test_flat_bodies_and_their_flat_answer(axis):
    config = Config(size="smoke")
    task = inertia.make_task(config, 3, axis)
    x, y = task.train
    assert x.shape == (40, 20) and y.shape == (40, 9) and (x[:, :5] > 0).all()
    torch.testing.assert_close(inertia.answer(x, config.inertia_break, axis), y)
    made = bodies(40, seeded(3), axis=axis)
    torch.testing.assert_close(y.unflatten(1, (3, 3)), made.target)
    found = broken(lambda x: inertia.answer(x, config.inertia_break, axis), task, 0)
    kept = inertia.AXES[axis]
    assert all((value < 1e-12) == (name == kept) for name, value in found.items())
    parts = [part[0] for part in (task.train, task.validation, task.test)]
    assert not any(torch.isin(a[:, 0], b[:, 0]).any() for a, b in ((parts[0], parts[1]), (parts[1], parts[2])))


@pytest.mark.parametrize("kept", cosine.KEPT)
def test_flat_triples_and_their_flat_answer(kept):
    task = cosine.make_task(Config(size="smoke"), 0, kept)
    torch.testing.assert_close(cosine.answer(task.train[0], kept, 1.0), task.train[1])
    found = broken(lambda x: cosine.answer(x, kept, 1.0), task, 0)
    assert all((value < 1e-12) == (name == kept) for name, value in found.items())


def test_what_networks_see_of_a_track_and_distances_in_metres():
    tracks = hilly_roads(10, seeded(), torch.float64)
    speed, bends, misses = roads.seen(motions(tracks))
    straight = tracks[:, :1] + speed * torch.arange(12.0)[:, None]
    torch.testing.assert_close(straight[:, 5], tracks[:, 5])
    torch.testing.assert_close(straight[:, 1:5] + bends, tracks[:, 1:5])
    torch.testing.assert_close(straight[:, 6:] + misses, tracks[:, 6:])
    unit = torch.tensor([0.1, 0.2, 0.3]).double()
    y = (misses / unit).flatten(1)
    moved = ((misses + torch.tensor([3.0, 0.0, 4.0])) / unit).flatten(1)
    assert roads.displacement(y, y, unit) == 0 and roads.displacement(moved, y, unit) == pytest.approx(5)


# ---------------------------------------------------------------- learning
@pytest.mark.parametrize("name", PLANE_ARMS)
def test_arms_are_what_their_titles_say(name):
    task = inertia.make_task(Config(size="smoke"), 0, "z")
    learner = PLANE_ARMS[name].build(task, TINY, seeded())
    again = PLANE_ARMS[name].build(task, TINY, seeded())
    assert all(torch.equal(a, b) for a, b in zip(learner.parameters(), again.parameters(), strict=True))
    far = broken(learner.network, task, 0)
    if name == "mixed":  # what its residual path forbids only the leaks of gates can learn
        assert far["yz"] < 0.01 * min(far["xy"], far["xz"])
    else:
        kept = {"wrong": ["xy", "yz", "xz"], "oracle": ["xy"]}.get(name, [])
        assert [plane for plane, value in far.items() if value < 1e-6] == kept
    learner.float()
    value = loss(learner, task.train, TINY)
    error = (learner(task.train[0]) - task.train[1]).square().mean()
    if isinstance(learner, Soft | Residual):
        assert value > error
    else:
        assert torch.equal(value, error)
    value.backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in learner.parameters())


@pytest.mark.parametrize("name", SCALE_ARMS)
def test_arms_for_rotations_and_scale(name):
    task = cosine.make_task(Config(size="smoke"), 0, "rotations")
    learner = SCALE_ARMS[name].build(task, TINY, seeded())
    assert learner(task.test[0]).shape == task.test[1].shape
    far = broken(learner.network, task, 0)
    assert (far["rotations"] < 1e-9) == (name == "turning") and far["scale"] > 1e-9


def test_strengths_are_tuned_once_from_what_was_seen_before():
    task = inertia.make_task(Config(size="smoke"), 0, "z")
    learner = PLANE_ARMS["soft"].build(task, TINY, seeded())
    assert isinstance(learner, Soft) and TINY.tuned_at == 160 and learner.tuner.at == 40
    violations, eligible = [], []
    optimizer = torch.optim.Adam(learner.parameters(), 1e-2)
    for step in range(TINY.steps):
        if step % 4 == 0 and step < 160:
            violations.append(learner.soft.penalties().detach().double())
        loss(learner, task.train, TINY).backward()
        optimizer.step()
        optimizer.zero_grad()
        eligible.append(learner.eligible)
        if step < 156:
            assert learner.tuner.strengths.tolist() == [2.0, 2.0, 2.0]
    least = torch.stack(violations)[-10:].amin(0)  # what was long ago does not count
    torch.testing.assert_close(learner.tuner.least, least)
    torch.testing.assert_close(learner.tuner.strengths, 2.0 * (least.min() / least) ** 2)
    assert eligible == [step + 1 >= 320 for step in range(TINY.steps)]
    learner.eval()
    loss(learner, task.train, TINY)
    assert int(learner.steps) == TINY.steps
    other = PLANE_ARMS["soft"].build(task, TINY, seeded(1))
    other.load_state_dict(learner.state_dict())
    assert torch.equal(other.tuner.strengths, learner.tuner.strengths) and other.tuner.tuned
    assert torch.equal(other.tuner.least, learner.tuner.least)


def test_weights_of_before_the_tuning_are_never_the_best():
    class Early(Learner):
        eligible = False

    x = torch.randn(5, 2)
    early, late = (kind(nn.Identity()) for kind in (Early, Learner))
    assert metrics(early, (x, x + 1)) == {"error": 1.0, "eligible": math.inf}
    assert metrics(late, (x, x + 1)) == {"error": 1.0, "eligible": 1.0}
