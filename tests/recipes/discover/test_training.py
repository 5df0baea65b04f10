"""The rule, the schedule of the penalties, and that a network goes on where it was left."""

import copy
import math

import pytest
import torch

from erlangen.audit import Violation
from erlangen.groups import GL, O, Scalar, Symmetry, Vector
from erlangen.recipes.config import ConfigError
from erlangen.recipes.discover import Discovery
from erlangen.recipes.discover.candidates import read_candidates
from erlangen.recipes.discover.discovery import evidence
from erlangen.recipes.discover.penalised import Penalised
from erlangen.recipes.discover.rule import Evidence, judge
from erlangen.recipes.discover.training import Trained
from erlangen.symmetrize import PenaltyTuner, SoftEMLP

V = Vector(GL(3))
HOMS = [one.hom for one in read_candidates(["O(2)@xy", "O(2)@yz", "Scaling"], 3)]


def penalised(start=0.1, steps=40, every=2):
    network = SoftEMLP(2 * V, V, ["O(3)"], channels=8, num_layers=2, generator=torch.Generator().manual_seed(0))
    return Penalised(network, HOMS, start, power=2.0, steps=steps, tune_at=0.5, every=every)


def walk(model, count):
    """Some steps of a training; the distances that were met, step by step."""
    met, optimizer = [], torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(count):
        met.append(model.distances().tolist())
        optimizer.zero_grad()
        model.train()
        model.penalty().backward()
        optimizer.step()
    return met


def test_strengths_are_tuned_once_by_what_was_met_in_the_second_half_of_the_time_until_then():
    model = penalised()
    met = walk(model, 40)
    tuner = PenaltyTuner([0.1] * 3, at=5, power=2.0)
    for step in (12, 14, 16, 18, 20):
        tuner.record(met[step])
    assert tuner.tuned and model.strengths == pytest.approx(tuner.strengths.tolist(), rel=1e-4)
    assert max(model.strengths) == pytest.approx(0.1) and min(model.strengths) < 0.1 and model.tuned_at == 20


def test_the_penalty_is_the_weighted_sum_of_distances():
    model = penalised()
    model.eval()
    assert model.tuner is not None
    model.tuner.strengths.copy_(torch.tensor([0.1, 0.2, 0.0]))
    wanted = model.distances() @ model.tuner.strengths.float() + 0.1 * model.network.leak_penalty()
    assert model.penalty().item() == pytest.approx(wanted.item(), rel=1e-5) and int(model.behind) == 0
    free = penalised(start=0.0)
    assert free.penalty() == 0.0 and free.may_be_chosen and free.strengths == [0.0] * 3


def test_weights_may_be_chosen_late_only():
    model = penalised(steps=100)
    walk(model, 79)
    assert not model.may_be_chosen
    walk(model, 1)
    assert model.may_be_chosen


def test_the_state_holds_all_that_tuning_needs():
    whole, first = penalised(), penalised()
    walk(whole, 30)
    walk(first, 15)
    second = penalised()
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    walk(second, 15)
    assert whole.strengths == second.strengths
    assert all(torch.equal(p, q) for p, q in zip(whole.parameters(), second.parameters(), strict=True))


def test_very_short_trainings_tune_too():
    for steps in (1, 2, 3, 10):
        model = penalised(steps=steps, every=25)
        walk(model, steps + 1)
        assert all(map(math.isfinite, model.strengths)) and max(model.strengths) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("growth", "hidden", "error", "explained", "finding"),
    [
        ((0.9, 1.05), 0.05, (0.01, 0.02), 0.9, "exact"),
        ((0.9, 1.5), 0.05, (0.01, 0.02), 0.99, "exact"),  # a growth of next to nothing
        ((0.9, 1.05), 0.2, (0.3, 0.4), 0.6, "undecided"),  # of much: too little is seen
        ((0.9, 1.05), 0.05, (0.01, 0.02), 0.4, "undecided"),
        ((0.9, 1.05), 0.05, (0.01, 0.02), float("nan"), "undecided"),
        ((1.2, 1.4), 0.1, (0.01, 0.02), 0.9, "approximate"),
        ((1.2, 1.4), 0.1, (0.01, 0.02), 0.4, "undecided"),
        ((5.0, 9.0), 0.9, (0.5, 0.6), 0.9, "absent"),
        ((5.0, 9.0), 0.9, (0.5, 0.6), 0.2, "absent"),
        ((5.0, 9.0), 0.9, (0.25, 0.35), 0.9, "undecided"),
        ((float("nan"), float("nan")), float("nan"), (0.0, 0.0), 0.9, "undecided"),
    ],
)
def test_the_rule(growth, hidden, error, explained, finding):
    assert judge(Evidence(sum(error) / 2, error, sum(growth) / 2, growth, hidden), explained)[0] == finding


def test_what_may_be_hidden_is_the_error_that_would_have_grown_so_far():
    generator = torch.Generator().manual_seed(0)
    own = torch.rand(4000, generator=generator, dtype=torch.float64)
    moved, chance = own + 0.02, torch.ones(4000, dtype=torch.float64)
    symmetry = Symmetry(O(3), (Vector(O(3)),), Scalar(O(3)))
    runs = [Trained(0.1, 0.1, own, own, {"a": Violation(symmetry, moved - own, chance, own, moved)}, {})]
    found = evidence("a", runs)
    assert found.growth == pytest.approx(1.04, rel=0.01) and found.error == pytest.approx(0.02**0.5)
    assert found.hidden == pytest.approx(0.02**0.5, rel=0.05)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "--data or --model is missing"),
        ({"data": "a", "model": "b"}, "--data and --model are given"),
        ({"model": "b", "target": "y"}, "--target goes with --data"),
        ({"data": "a", "strengths": "0"}, "at least one above zero"),
        ({"data": "a", "strengths": "0,-1"}, "numbers from 0, joined by commas"),
        ({"data": "a", "strengths": "0,x"}, "numbers from 0, joined by commas"),
        ({"data": "a", "steps": 0}, "--steps is 0"),
        ({"data": "a", "test": 1.0}, "--test is 1.0"),
        ({"data": "a", "tune_at": 0.0}, "--tune-at is 0.0"),
        ({"data": "a", "lr": float("nan")}, "--lr is nan"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ConfigError, match=message):
        Discovery.from_dict(settings)
