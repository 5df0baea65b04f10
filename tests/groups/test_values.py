"""Groups, maps, actions and promises are values: equal by structure, hashable, picklable, immutable."""

import copy
import dataclasses
import pickle

import pytest
import torch
from tests.groups.catalogue import GROUPS, HOMS, REPRESENTATIONS, S4_E3

from erlangen.groups import (
    SL,
    SO,
    SPD,
    SSPD,
    Affine,
    BatchVector,
    CartanCoordinates,
    Cyclic,
    E,
    EdgeIndex,
    Embed,
    Factor,
    Fields,
    Fixed,
    Hom,
    Irreps,
    LogNormal,
    Nodes,
    O,
    Pixels,
    Points,
    PseudoScalar,
    QuarterTurns,
    Regular,
    Scalar,
    Sign,
    Symmetric,
    Symmetry,
    Vector,
)

ACTIONS = [
    Points(E(3)), Points(O(3)).along(Factor(O(3) * O(3), 1)), Points(O(3)).along(Embed(O(2), O(3), axes=(0, 1))),
    Nodes(Symmetric("n")), Nodes(Symmetric(3), order=2, features=0), EdgeIndex(), EdgeIndex(Symmetric(3)),
    BatchVector(Symmetric(3)), Fixed(), Fixed(O(2)), Pixels(SO(2)), Pixels(SO(2), "nearest"), QuarterTurns(),
    QuarterTurns(Cyclic(2)), Nodes(Symmetric(4)) & Points(E(3)), Fields(Points(E(3)), Fixed()),
    Fields(pos=Points(E(3)), q=Fixed()),
]  # fmt: skip
SYMMETRIES = [
    Symmetry(E(3), Points(E(3)), Scalar(E(3))), Symmetry(E(3), Points(E(3)), Vector(E(3))),
    Symmetry(SO(2), Pixels(SO(2)), Fixed(), kind="approximate", bound=0.1),
    Symmetry(S4_E3, ({"x": Nodes(Symmetric(4)) & Points(E(3))},), Fixed(), holds_where="eval mode", compare=torch.sub),
]  # fmt: skip
SPACES = [
    SPD(2), SSPD(2), SPD(3), CartanCoordinates(SL(2)), CartanCoordinates(SO(2)), LogNormal(), LogNormal(0.1, 1.0),
]  # fmt: skip
VALUES = GROUPS + HOMS + REPRESENTATIONS + ACTIONS + SYMMETRIES + SPACES

NAMES = ["groups", "homs", "actions", "symmetries", "spaces"]


@pytest.mark.parametrize("value", VALUES, ids=lambda v: f"{type(v).__name__}-{v}"[:60])
def test_pickled_copied_and_hashed(value):
    for again in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value), copy.copy(value)):
        assert again == value and hash(again) == hash(value) and repr(again) == repr(value)
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.group = O(1)


@pytest.mark.parametrize("values", [GROUPS, HOMS, ACTIONS, SYMMETRIES, SPACES], ids=NAMES)
def test_different_things_differ(values):
    for i, a in enumerate(values):
        for b in values[i + 1 :]:
            assert a != b, f"{a} == {b}"


def test_equal_by_structure():
    twins = [
        lambda: SO(3), lambda: Symmetric("n") * E(3), lambda: Affine(2, SL(2)), lambda: Embed(O(2), O(3), axes=(0, 1)),
        lambda: Hom.canonical(S4_E3, O(3)), lambda: 3 * Scalar(E(3)) + Vector(E(3)) ** 2, lambda: Irreps("2x0e+1o"),
        lambda: PseudoScalar(O(3)), lambda: Regular(Symmetric(3)), lambda: Nodes(Symmetric("n")) & Points(E(3)),
        lambda: Fields(pos=Points(E(3)), q=Fixed()), lambda: Sign(O(3)),
        lambda: Symmetry(E(3), Points(E(3)), Scalar(E(3))),
    ]  # fmt: skip
    for make in twins:
        assert make() == make() and hash(make()) == hash(make()) and make() is not make()
    assert len({SO(2), SO(2), O(2), Embed(O(2), O(3)), Embed(O(2), O(3), axes=(0, 1))}) == 3
    assert SO(1) != O(1) and E(2) != Affine(2) and Cyclic(3) != Symmetric(3)


def test_what_was_assumed_does_not_make_a_promise_another():
    a = Symmetry(O(3), Points(O(3)), Fixed())
    assert a == a.replace(assumed=("x: points",)) and hash(a) == hash(a.replace(assumed=("x: points",)))
