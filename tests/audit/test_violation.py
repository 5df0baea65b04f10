"""How much of an answer breaks a symmetry: against what can be worked out by hand, and each wrong input."""

import pytest
import torch
from torch import nn

from erlangen.audit import discover_symmetries, measure_violation, ratio_interval
from erlangen.audit.discovery import LARGE, size_of_error
from erlangen.groups import SO, E, Nodes, O, Points, Scalar, Symmetric, Symmetry, Vector

TURNS = Symmetry(SO(3), (Vector(SO(3)),), Scalar(SO(3)))


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("c", [0.0, 0.2, 1.0])
def test_the_error_is_the_share_of_the_variance_that_breaks(c, dtype):
    # Of |x|^2 + c x_1 the first part is kept and has variance 6, the second breaks and has variance c^2.
    x = normal(3000, 3, dtype=dtype)
    found = measure_violation(lambda x: x.square().sum(1) + c * x[:, 0], x, symmetry=TURNS)
    assert found.error**2 == pytest.approx(c**2 / (6 + c**2), rel=0.1, abs=1e-12)
    low, high = found.interval()
    assert low <= found.error <= high and (high - low) < 0.1
    assert found.own is None and found.broken.shape == (3000,)


def test_the_chance_is_the_distance_of_answers_for_other_samples():
    x = normal(300, 3)
    found = measure_violation(lambda x: x[:, 0], x, symmetry=TURNS, elements=[SO(3).identity()])
    pairs = (x[:, None, 0] - x[None, :, 0]).square().mean()
    assert float(found.chance.mean()) == pytest.approx(float(pairs)) and found.error == 0


def test_a_constant_added_to_vectors_breaks():
    promise = Symmetry(SO(3), (Vector(SO(3)),), Vector(SO(3)))
    x = normal(2000, 3)
    found = measure_violation(lambda x: x + torch.tensor([2.0, 0.0, 0.0]).to(x), x, symmetry=promise)
    # |T f - f|^2 = |(g^{-1} - 1) c|^2, in the mean 2 |c|^2 = 8; for other samples 2 * 3 more.
    assert found.error**2 == pytest.approx(8 / 14, rel=0.1)


def test_where_data_keep_the_symmetry_moving_costs_nothing_whatever_the_model_is():
    x = normal(4000, 3)
    y = x.norm(dim=1)
    found = measure_violation(lambda x: x.norm(dim=1) + 0.3 * x[:, 1].sin(), x, symmetry=TURNS, target=y)
    assert found.error > 0.2
    low, high = ratio_interval([found.moved], [found.own])
    assert low < 1 < high and high - low < 0.2


def test_where_data_break_it_moving_costs_what_breaks():
    x, noise = normal(4000, 3), 0.5 * normal(4000, seed=1)
    truth = lambda x: x.norm(dim=1) + x[:, 0]
    found = measure_violation(truth, x, symmetry=TURNS, target=truth(x) + noise)
    assert float(found.own.mean()) == pytest.approx(0.25, rel=0.1)
    assert float((found.moved - found.own).mean()) == pytest.approx(float(found.broken.mean()), rel=0.1)


def test_rows_of_parts_are_added_up_by_sample():
    group = Symmetric("n") * E(3)
    cloud = Nodes(Symmetric("n")) & Points(E(3))
    promise = Symmetry(group, (cloud,), Nodes(Symmetric("n")) & Vector(E(3)))
    outward = lambda pos: pos - pos.mean(1, keepdim=True)
    assert measure_violation(outward, normal(20, 4, 3), symmetry=promise).error < 1e-12
    found = measure_violation(lambda pos: pos, normal(20, 4, 3), symmetry=promise)
    assert found.broken.shape == (20,) and found.error > 0.3


def test_the_leaf_that_breaks_most_speaks():
    promise = Symmetry(SO(3), (Vector(SO(3)),), {"a": Scalar(SO(3)), "b": Scalar(SO(3))})
    both = lambda x: {"a": 1e6 * x.norm(dim=1), "b": 1e-6 * x[:, 0]}
    assert measure_violation(both, normal(500, 3), symmetry=promise).error == pytest.approx(1, abs=0.1)


def test_answers_that_never_vary_break_nothing():
    found = measure_violation(lambda x: torch.ones(len(x)).to(x), normal(10, 3), symmetry=TURNS)
    assert found.error == 0 and found.interval() == (0.0, 0.0)


def test_the_module_and_the_randomness_are_left_alone():
    module = nn.Sequential(nn.Linear(3, 1), nn.Dropout(0.5)).train()
    before = [p.clone() for p in module.parameters()]
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    promise = Symmetry(SO(3), (Vector(SO(3)),), Scalar(SO(3)))
    one, two = (measure_violation(module, normal(10, 3).float(), symmetry=promise, seed=1) for _ in range(2))
    assert torch.equal(one.broken, two.broken) and module.training and torch.equal(torch.rand(1), expected)
    assert all(torch.equal(p, q) for p, q in zip(module.parameters(), before, strict=True))


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        (normal(1, 3), {}, "several different samples; it has one sample"),
        (normal(3), {}, r"several different samples; .*is one sample"),
        (normal(5, 3), {"num_elements": 0}, r"measure_violation\(num_elements\): at least 1, got 0"),
        (normal(5, 3), {"target": normal(4)}, r"has shape \(5,\), got \(4,\)"),
        (normal(5, 3), {"target": torch.full((5,), float("nan"))}, "no finite number"),
        (normal(5, 2), {}, "the last axis of"),
    ],
)
def test_wrong_input(inputs, options, message):
    with pytest.raises(ValueError, match=message):
        measure_violation(lambda x: x.norm(dim=-1), inputs, symmetry=TURNS, **options)


def test_answers_compared_by_a_distance_of_their_own_are_refused():
    promise = TURNS.replace(compare=lambda a, b: (a - b).abs())
    with pytest.raises(ValueError, match="distance of its own"):
        measure_violation(lambda x: x.norm(dim=1), normal(5, 3), symmetry=promise)


# ---------------------------------------------------------------- intervals


def test_intervals_hold_the_ratio_as_often_as_they_say():
    generator, held = torch.Generator().manual_seed(0), 0
    for trial in range(200):
        below = torch.rand(60, generator=generator, dtype=torch.float64) + 0.5
        above = 2 * below + torch.randn(60, generator=generator, dtype=torch.float64)
        low, high = ratio_interval([above], [below], level=0.9, seed=trial)
        held += low < 2 < high
    assert 0.83 < held / 200 < 0.96


def test_many_samples_do_not_make_up_for_seeds_that_disagree():
    above = [torch.full((500,), value, dtype=torch.float64) for value in (1.0, 2.0, 3.0)]
    below = [torch.ones(500, dtype=torch.float64)] * 3
    low, high = ratio_interval(above, below)
    assert low <= 4 / 3 and high >= 8 / 3
    assert ratio_interval(above[:1], below[:1]) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("above", "below", "level", "message"),
    [
        ([], [], 0.95, "at least one seed"),
        ([torch.ones(2)], [torch.ones(3)], 0.95, "as many samples"),
        ([torch.ones(0)], [torch.ones(0)], 0.95, "at least one"),
        ([torch.ones(2)], [torch.ones(2)], 95.0, "between 0 and 1"),
    ],
)
def test_wrong_intervals(above, below, level, message):
    with pytest.raises(ValueError, match=message):
        ratio_interval(above, below, level=level)


# ---------------------------------------------------------------- a trained model alone


class Bent(nn.Module):
    """Vectors stretched by their length, and along z by something more."""

    def __init__(self, more):
        super().__init__()
        self.more = more

    def forward(self, x):
        return x * x.norm(dim=-1, keepdim=True) * torch.tensor([1.0, 1.0, 1.0 + self.more]).to(x)


@pytest.mark.parametrize(("more", "finding"), [(0.0, "exact"), (0.1, "approximate"), (3.0, "absent")])
def test_planted_symmetries_of_a_model(more, finding):
    from erlangen.groups import parse_group

    plane, space = parse_group("O(2)@xy"), O(3)
    candidates = {
        "O(3)": Symmetry(space, (Vector(space),), Vector(space)),
        "O(2)@xy": Symmetry(plane.source, (Vector(space).along(plane),), Vector(space).along(plane)),
    }
    found = {one.name: one for one in discover_symmetries(Bent(more), normal(100, 3).float(), symmetries=candidates)}
    assert found["O(2)@xy"].finding == "exact" and found["O(3)"].finding == finding
    assert found["O(3)"].interval[0] <= found["O(3)"].error <= found["O(3)"].interval[1]


def test_what_cannot_be_told_is_undecided():
    (one,) = discover_symmetries(lambda x: torch.ones(len(x)).to(x), normal(20, 3), symmetries={"turns": TURNS})
    assert one.finding == "undecided" and "never vary" in one.reason
    assert size_of_error((LARGE - 0.1, LARGE + 0.1)) == "undecided"
    with pytest.raises(ValueError, match="at least one candidate, got none"):
        discover_symmetries(lambda x: x, normal(20, 3), symmetries={})
