"""What the verdicts mean, each shown to come out and each shown to be able not to."""

import random

import pytest
import torch
from tests.audit import models
from torch import Tensor, nn

from erlangen.audit import audit
from erlangen.groups import SO, Affine, Cyclic, E, Fixed, Nodes, O, Points, Scalar, Symmetric, Symmetry, U, Vector
from erlangen.testing import assert_equivariant

ROTATIONS = Symmetry(SO(3), (Vector(SO(3)),), Scalar(SO(3)))
CLOUDS = Symmetry(E(3), (Points(E(3)),), Scalar(E(3)))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def length(x: Tensor) -> Tensor:
    return x.norm(dim=-1)


# ---------------------------------------------------------------- elements


def test_reflections_are_never_missed_with_four_elements():
    """A bug that a quarter of the space shows, and only in a mirror: random elements alone would miss it at times."""
    G = O(3)
    promise = Symmetry(G, (Vector(G),), Scalar(G))

    def chiral(x: Tensor) -> Tensor:
        return x.norm(dim=-1) + 0.1 * (torch.linalg.cross(x[:1], x[1:2]) * x[2:3]).sum(-1)

    x = torch.randn(6, 3)
    found = [audit(chiral, x, symmetry=promise, shared=True, num_elements=4, seed=s).verdict for s in range(200)]
    assert found == ["breaks"] * 200
    rotations = [G.sample() for _ in range(4)]
    proper = [g * torch.linalg.det(g).sign() for g in rotations]
    assert audit(chiral, x, symmetry=promise, shared=True, elements=proper).verdict == "exact"


def test_elements_are_the_generators_and_then_random_ones():
    G = Symmetric(4) * E(2)
    promise = Symmetry(G, (Nodes(Symmetric(4)) & Points(E(2)),), Scalar(G))
    report = audit(models.Distances(4), torch.randn(3, 4, 2), symmetry=promise, num_elements=8)
    assert list(report.per_element) == [f"generator {i}" for i in range(3)] + [f"random {i}" for i in range(5)]
    few = audit(models.Distances(4), torch.randn(3, 4, 2), symmetry=promise, num_elements=1)
    assert list(few.per_element)[-1] == "random 0"


def test_elements_can_be_given_and_must_belong_to_the_group():
    turn = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    first = lambda x: x[:, 2]
    x = torch.randn(5, 3)
    assert audit(first, x, symmetry=ROTATIONS, elements=[turn]).verdict == "exact"
    each = SO(3).sample(5)
    assert audit(first, x, symmetry=ROTATIONS, elements=[turn, each]).num_bad == 1
    with pytest.raises(ValueError, match="number 1 is no element of SO"):
        audit(first, x, symmetry=ROTATIONS, elements=[turn, 2 * turn])
    with pytest.raises(ValueError, match="at least one element"):
        audit(first, x, symmetry=ROTATIONS, elements=[])


def test_the_seed_decides_everything():
    x = torch.randn(5, 3)
    broken = lambda x: x[:, 0]
    one, same, two = (audit(broken, x, symmetry=ROTATIONS, seed=s).per_element for s in (1, 1, 2))
    assert one == same and one != two


# ---------------------------------------------------------------- samples


def test_leakage_shows_only_when_every_sample_has_its_own_element():
    x = torch.randn(8, 4, 3)
    promise = Symmetry(SO(3), (Points(SO(3)),), Vector(SO(3)))
    leaky = models.Vectors(4, leak=0.1)
    report = audit(leaky, x, symmetry=promise)
    assert report.verdict == "breaks"
    assert any("samples leak into each other" in note for note in report.notes)
    together = audit(leaky, x, symmetry=promise, shared=True)
    assert together.verdict == "exact"
    assert "one element for all: asked for" in together.notes


def test_without_a_batch_axis_one_element_is_used_and_said():
    report = audit(lambda x: torch.pdist(x).sort().values, torch.randn(5, 3), symmetry=CLOUDS)
    assert report.verdict == "exact"
    assert any("is one sample of Points" in note for note in report.notes)
    promise = Symmetry(SO(3), (Vector(SO(3)), Vector(SO(3))), Scalar(SO(3)))
    report = audit(lambda x, y: x @ y.mT, torch.randn(5, 3), torch.randn(4, 3), symmetry=promise)
    assert report.verdict == "exact"
    assert any("share no batch axis, their first sizes are [4, 5]" in note for note in report.notes)


@pytest.mark.parametrize("shape", [(5, 3), (1, 5, 3)])
def test_one_invariant_sample_is_neither_vacuous_nor_a_false_alarm(shape):
    net = models.mlp(1, 8, 2)
    spread = lambda x: net((x - x.mean(-2, keepdim=True)).float().norm(dim=-1, keepdim=True)).mean(-2).to(x.dtype)
    exact = lambda x: (x - x.mean(-2, keepdim=True)).norm(dim=-1).mean(-1)
    x = torch.randn(shape)
    assert audit(exact, x, symmetry=CLOUDS).verdict == "exact"
    assert audit(spread, x, symmetry=CLOUDS).verdict == "float32"
    slightly = audit(lambda x: exact(x) + 1e-3 * x[..., 0, 0], x, symmetry=CLOUDS)
    # The error is measured against how outputs differ between inputs, not against the break itself.
    assert slightly.verdict == "breaks" and 1e-3 < slightly.error < 0.1


def test_alone_sees_what_a_batch_does_to_a_sample():
    together = lambda x: x.norm(dim=-1) - x.norm(dim=-1).mean()
    report = audit(together, torch.randn(6, 3), symmetry=ROTATIONS)
    assert report.verdict == "exact"  # invariant for every choice of turns, and yet
    assert report.alone is not None and report.alone > 0.1
    assert audit(length, torch.randn(6, 3), symmetry=ROTATIONS).alone == 0.0
    assert audit(length, torch.randn(3), symmetry=ROTATIONS).alone is None


# ---------------------------------------------------------------- how large is large


def test_a_large_offset_hides_no_break():
    x = torch.randn(16, 3)
    broken = lambda x: 1e6 + x.norm(dim=-1) + 0.09 * x[:, 0]
    report = audit(broken, x, symmetry=ROTATIONS)
    assert report.verdict == "breaks" and report.error > 0.1 and report.tolerance < 1e-5
    assert audit(lambda x: 1e6 + x.norm(dim=-1), x, symmetry=ROTATIONS).verdict == "exact"


def test_where_float32_hides_a_break_nothing_is_claimed():
    x = torch.randn(16, 3)
    only32 = lambda x: 1e6 + x.float().norm(dim=-1) + 0.09 * x.float()[:, 0]
    report = audit(only32, x, symmetry=ROTATIONS)
    assert report.verdict == "vacuous" and not report.holds()
    assert any("could hide a break" in note for note in report.notes)
    fine = lambda x: 10 + x.float().norm(dim=-1)
    assert audit(fine, x, symmetry=ROTATIONS).verdict == "float32"
    assert audit(lambda x: fine(x) + 1e-3 * x.float()[:, 0], x, symmetry=ROTATIONS).verdict == "breaks"
    # Badly conditioned, but not broken.
    steep = lambda x: (100 * x.float().norm(dim=-1)).sin()
    assert audit(steep, x, symmetry=ROTATIONS).verdict == "float32"


def test_modules_of_one_dtype():
    class Only(nn.Module):
        def __init__(self, dtype: torch.dtype) -> None:
            super().__init__()
            self.dtype = dtype

        def forward(self, x: Tensor) -> Tensor:
            if x.dtype != self.dtype:
                raise RuntimeError(f"expected {self.dtype}")
            return x.norm(dim=-1)

    x = torch.randn(6, 3)
    single = audit(Only(torch.float32), x, symmetry=ROTATIONS)
    assert single.verdict == "float32" and single.error64 is None
    assert any("no run in float64 (expected torch.float32)" in note for note in single.notes)

    def mute(x: Tensor) -> Tensor:
        if x.dtype != torch.float32:
            raise AssertionError
        return x.norm(dim=-1)

    assert "no run in float64 (AssertionError): verdict at most float32" in audit(mute, x, symmetry=ROTATIONS).notes
    double = audit(Only(torch.float64), x, symmetry=ROTATIONS)
    assert double.verdict == "exact"
    assert any("no run in float32" in note for note in double.notes)
    with pytest.raises(RuntimeError, match="expected"):
        audit(Only(torch.float16), x, symmetry=ROTATIONS)


def test_double_modules_and_inputs_are_judged_in_both():
    report = audit(
        models.NormGate().double(), torch.randn(6, 15, dtype=torch.float64), symmetry="SO(3)", num_elements=2
    )
    assert report.error32 is not None and report.error64 is not None
    x = torch.randn(6, 4, 3, dtype=torch.float64)
    net = models.Vectors(4).double()
    report = audit(net, x, symmetry=Symmetry(O(3), (Points(O(3)),), Vector(O(3))))
    assert report.verdict == "exact" and 1e-9 < (report.error32 or 0) < 1e-4
    assert net.net[0].weight.dtype == torch.float64


def test_leaves_are_never_pooled():
    pair = lambda x: (1e8 * x.norm(dim=-1), 1e-8 * x[:, 0])
    report = audit(pair, torch.randn(8, 3), symmetry=Symmetry(SO(3), (Vector(SO(3)),), (Scalar(SO(3)), Scalar(SO(3)))))
    assert report.verdict == "breaks"
    assert report.per_output["output[0]"] < 1e-12 and report.per_output["output[1]"] > 0.5


def test_complex_weights_stay_complex():
    net = models.Complex()
    x = torch.randn(8, 2, 2)
    promise = Symmetry(O(2), (Points(O(2)),), Scalar(O(2)))
    turns = Symmetry(SO(2), (Points(SO(2)),), Scalar(SO(2)))
    assert audit(net, x, symmetry=turns).verdict == "exact"
    # With real weights in their place reflections would be kept, too.
    assert audit(net, x, symmetry=promise).verdict == "breaks"


def test_one_complex_sample_is_not_vacuous():
    G = U(2)
    promise = Symmetry(G, (Vector(G),), Scalar(G))
    z = torch.randn(2, dtype=torch.cfloat)
    assert audit(lambda z: z.abs().square().sum(-1), z, symmetry=promise).verdict == "exact"
    assert audit(lambda z: z.square().sum(-1).abs(), z, symmetry=promise).verdict == "breaks"


# ---------------------------------------------------------------- nothing to say


NOTHING = Symmetry(SO(3), (Fixed(),), Scalar(SO(3)))


@pytest.mark.parametrize(
    ("module", "inputs", "promise", "why"),
    [
        (lambda x: torch.ones_like(x), (torch.randn(6, 4),), NOTHING, "moved no input"),
        (lambda x: x, (torch.randn(6, 1),), Symmetry(SO(1), (Vector(SO(1)),), Vector(SO(1))), "SO(1) has one element"),
        (
            lambda x: x,
            (torch.randn(6, 1, 2),),
            Symmetry(Symmetric("n"), (Nodes(Symmetric("n")),), Nodes(Symmetric("n"))),
            "S(1) has one element",
        ),
        (lambda x: 0 * x[:, 0] + 3.0, (torch.randn(6, 3),), ROTATIONS, "the outputs never vary"),
        (lambda x: x.float()[:, 0] * 0 + 0.1, (torch.randn(6, 3),), ROTATIONS, "the outputs never vary"),
        (lambda x: 0 * x, (torch.randn(6, 3),), Symmetry(SO(3), (Vector(SO(3)),), Vector(SO(3))), "never vary"),
    ],
)  # fmt: skip
def test_vacuous(module, inputs, promise, why):
    report = audit(module, *inputs, symmetry=promise)
    assert report.verdict == "vacuous" and not report.holds() and not report.holds(tol=1.0)
    assert any(why in note for note in report.notes), report.notes


def test_a_constant_that_should_turn_is_broken_not_vacuous():
    up = lambda x: torch.tensor([0.0, 0.0, 1.0], dtype=x.dtype).expand(len(x), 3)
    report = audit(up, torch.randn(6, 3), symmetry=Symmetry(SO(3), (Vector(SO(3)),), Vector(SO(3))))
    assert report.verdict == "breaks" and report.error > 1


def test_outputs_that_turn_nan_are_broken():
    x = torch.randn(8, 3)
    fragile = lambda y: y.norm(dim=-1) * torch.where((y - x.to(y)).abs().max() > 1e-4, float("nan"), 1.0)
    report = audit(fragile, x, symmetry=ROTATIONS)
    assert report.verdict == "breaks" and report.error == float("inf")
    assert report.to_dict()["error"] is None


@pytest.mark.parametrize("source", ["torch", "numpy", "python"])
def test_dropout_that_never_sleeps_is_unsteady(source):
    import numpy as np

    def restless(x: Tensor) -> Tensor:
        noise = {"torch": lambda: torch.rand(()), "numpy": lambda: np.random.rand(), "python": random.random}[source]()
        return x.norm(dim=-1) * (1 + 0.01 * noise)

    report = audit(restless, torch.randn(6, 3), symmetry=ROTATIONS)
    assert report.verdict == "unsteady" and not report.holds() and report.control > 1e-4
    forced = lambda x: nn.functional.dropout(x.norm(dim=-1, keepdim=True), 0.5, training=True)
    assert audit(forced, torch.randn(6, 3), symmetry=ROTATIONS).verdict == "unsteady"
    assert (
        audit(nn.Sequential(models.Octahedral(), nn.Dropout(0.5)), torch.randn(6, 3), symmetry=ROTATIONS).control == 0
    )


# ---------------------------------------------------------------- promises of other kinds


def test_approximate_with_and_without_a_bound():
    x = torch.randn(16, 3)
    nearly = lambda x: x.norm(dim=-1) + 0.01 * x[:, 0]
    promise = Symmetry(SO(3), (Vector(SO(3)),), Scalar(SO(3)), kind="approximate", bound=0.2)
    kept = audit(nearly, x, symmetry=promise)
    assert kept.verdict == "approximate" and kept.holds() and kept.tolerance == 0.2
    assert audit(nearly, x, symmetry=promise.replace(bound=1e-3)).verdict == "breaks"
    assert audit(length, x, symmetry=promise).verdict == "exact"
    open_end = promise.replace(bound=None)
    measured = audit(nearly, x, symmetry=open_end)
    assert measured.verdict == "approximate" and measured.to_dict()["tolerance"] is None
    assert "names no bound" in measured.table()
    assert not measured.holds(tol=1e-3)
    with pytest.raises(ValueError, match="names no bound, so there is nothing to assert"):
        assert_equivariant(nearly, x, symmetry=open_end)
    assert_equivariant(nearly, x, symmetry=open_end, tolerance=0.2)
    with pytest.raises(AssertionError, match="at tolerance 0"):
        assert_equivariant(nearly, x, symmetry=open_end, tolerance=1e-2)


class Augmented(nn.Module):
    """The mean over a few random turns of the plane; biased, angles come from half the circle."""

    def __init__(self, biased: bool = False, offset: float = 0.0) -> None:
        super().__init__()
        self.net, self.biased, self.offset = models.mlp(2, 8, 2), biased, offset

    def forward(self, x: Tensor) -> Tensor:
        angle = torch.rand(len(x), 4, dtype=x.dtype) * torch.pi * (1 if self.biased else 2)
        c, s = angle.cos(), angle.sin()
        turned = torch.stack([c * x[:, :1] - s * x[:, 1:], s * x[:, :1] + c * x[:, 1:]], -1)
        return self.net(turned).mean(1) + self.offset


def test_in_expectation():
    G = SO(2)
    promise = Symmetry(G, (Vector(G),), Scalar(G), kind="in_expectation")
    x = 2 * torch.randn(32, 2)
    for offset in (0.0, 1e6):
        report = audit(Augmented(offset=offset), x, symmetry=promise)
        assert report.verdict == "in_expectation" and report.holds()
        assert any("standard errors" in note for note in report.notes)
    biased = audit(Augmented(biased=True), x, symmetry=promise)
    assert biased.verdict == "breaks" and biased.num_bad > 0
    assert audit(Augmented(biased=True), x, symmetry=promise.replace(bound=5.0)).verdict == "in_expectation"
    # Beside what is random there may be what is not, and large.
    one = lambda x: (x / x.norm(dim=-1, keepdim=True)).norm(dim=-1)
    half = lambda x: torch.stack([x.norm(dim=-1) + 0.1 * torch.randn(len(x)), 1e6 * one(x) + x.norm(dim=-1)], -1)
    assert audit(half, x, symmetry=promise).verdict == "in_expectation"
    assert audit(lambda x: half(x) + 1e-4 * x[:, :1], x, symmetry=promise).verdict == "breaks"
    # What is not random is held to more than its mean.
    assert audit(models.mlp(2, 8, 2), x, symmetry=promise).verdict == "breaks"
    assert audit(length, x, symmetry=promise).verdict == "exact"
    unmoved = promise.replace(inputs=(Fixed(G),))
    assert audit(Augmented(biased=True), x, symmetry=unmoved).verdict == "vacuous"
    # Where the mean is not a number, nothing is kept.
    seen = x.clone()
    lost = lambda y: (y.norm(dim=-1) + 0.1 * torch.randn(len(y))) / (1.0 if torch.allclose(y.float(), seen) else 0.0)
    assert audit(lost, x, symmetry=promise).verdict == "breaks"


def test_conditions_are_printed():
    promise = ROTATIONS.replace(holds_where="x is not zero")
    assert "x is not zero" in audit(length, torch.randn(4, 3), symmetry=promise).table()


def test_a_determinant_that_is_forgotten():
    G = Affine(2)
    area = lambda x: (
        (x[:, 1, 0] - x[:, 0, 0]) * (x[:, 2, 1] - x[:, 0, 1]) - (x[:, 2, 0] - x[:, 0, 0]) * (x[:, 1, 1] - x[:, 0, 1])
    )
    promise = Symmetry(G, (Points(G),), Scalar(G))
    x = torch.randn(8, 5, 2)
    assert audit(area, x, symmetry=promise).verdict == "breaks"
    ratio = lambda x: area(x) / area(x[:, 2:])
    assert audit(ratio, x, symmetry=promise).verdict == "exact"


# ---------------------------------------------------------------- several promises


class Several(nn.Module):
    """Invariant to turns and to scalings of the plane, and to nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.symmetry = (
            Symmetry(SO(2), (Vector(SO(2)),), Scalar(SO(2))),
            Symmetry(Cyclic(4), (Vector(Cyclic(4)),), Scalar(Cyclic(4))),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x.norm(dim=-1)


def test_a_module_with_several_promises_is_as_good_as_its_worst():
    module = Several()
    good = audit(module, torch.randn(6, 2))
    assert good.holds() and len(good.others) == 1
    assert {good.symmetry.group, good.others[0].symmetry.group} == {SO(2), Cyclic(4)}
    module.symmetry = (Symmetry(SO(2), (Vector(SO(2)),), Vector(SO(2))), *module.symmetry)
    module.forward = lambda x: x
    bad = audit(module, torch.randn(6, 2))
    assert bad.verdict == "breaks" and not bad.holds()
    assert [other.verdict for other in bad.others] == ["breaks", "exact"]


def test_assert_equivariant_carries_the_report():
    report = assert_equivariant(length, torch.randn(4, 3), symmetry=ROTATIONS, num_elements=5)
    assert report.verdict == "exact" and len(report.per_element) == 5
    with pytest.raises(AssertionError) as caught:
        assert_equivariant(lambda x: x[:, 0], torch.randn(4, 3), symmetry=ROTATIONS)
    assert "verdict" in str(caught.value) and "breaks: broken" in str(caught.value) and "random" in str(caught.value)
    assert_equivariant(lambda x: x.norm(dim=-1) + 1e-5 * x[:, 0], torch.randn(4, 3), symmetry=ROTATIONS, tolerance=1e-2)
