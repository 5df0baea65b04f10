"""Homomorphisms keep products, know their derivative, and are canonical only when there is one obvious choice."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.groups.catalogue import HOMS, S4_E3, SWAP, gap, random_tangent, seeded, times

from erlangen.groups import (
    CSO,
    GL,
    SE,
    SL,
    SO,
    Affine,
    Collapse,
    Compose,
    Cyclic,
    E,
    Embed,
    Factor,
    Fork,
    GLPlus,
    Hom,
    Identity,
    LinearPart,
    O,
    OrthogonalPart,
    Scaling,
    Sign,
    SignedPermutation,
    Symmetric,
    Translation,
    Trivial,
)
from erlangen.groups.element import map_element, tensors

every_hom = pytest.mark.parametrize("hom", HOMS, ids=lambda h: f"{type(h).__name__}:{h.source}->{h.target}")


@every_hom
@given(
    shape=st.lists(st.integers(0, 3), max_size=2).map(tuple),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 2**31),
)
def test_products_go_to_products(hom, shape, dtype, seed):
    tolerance = 1e3 * torch.finfo(dtype).eps
    generator = seeded(seed)
    g, h = (hom.source.sample(*shape, generator=generator, dtype=dtype) for _ in range(2))
    image = hom(g)
    assert hom.target.batch_shape(image) == shape
    assert hom.target.contains(image, tolerance).all()
    assert gap(hom(hom.source.compose(g, h)), hom.target.compose(image, hom(h))) <= tolerance
    assert gap(hom(hom.source.identity(*shape)), hom.target.identity(*shape)) <= 1e-15


@every_hom
def test_exp_goes_to_exp(hom):
    A = random_tangent(hom.source, seeded(0))
    stack = map_element(lambda t: torch.stack([t, -0.5 * t]), A)
    assert hom.target.algebra_shape(hom.on_algebra(stack)) == (2,)
    assert gap(hom(hom.source.exp(stack)), hom.target.exp(hom.on_algebra(stack))) <= 1e-13


@every_hom
def test_on_algebra_is_the_derivative(hom):
    A = random_tangent(hom.source, seeded(0))
    ahead, back = hom(hom.source.exp(times(1e-5, A))), hom(hom.source.exp(times(-1e-5, A)))
    for plus, minus, tangent in zip(tensors(ahead), tensors(back), tensors(hom.on_algebra(A)), strict=True):
        if tangent.numel():
            torch.testing.assert_close((plus - minus) / 2e-5, tangent, rtol=1e-8, atol=1e-8)
        else:
            assert torch.equal(plus, minus)


def test_generators_go_where_they_should():
    S3 = Symmetric(3)
    cycle, swap = torch.tensor([1, 2, 0]), torch.tensor([1, 0, 2])
    assert Sign(S3)(cycle).tolist() == [[1]] and Sign(S3)(swap).tolist() == [[-1]]
    assert Embed(O(2), O(3), axes=(2, 0))(torch.tensor([[0.0, -1], [1, 0]])).tolist() == [
        [0, 0, 1],
        [0, 1, 0],
        [-1, 0, 0],
    ]
    moved = Embed(Translation(1), E(2), axes=(1,))(torch.tensor([[1.0, 5.0], [0.0, 1.0]]))
    assert moved.tolist() == [[1, 0, 0], [0, 1, 5], [0, 0, 1]]
    assert SWAP((torch.eye(3), -torch.eye(3)))[0].tolist() == (-torch.eye(3)).tolist()


CANONICAL = [
    (O(3), O(3), Identity(O(3))), (E(3), Trivial(), Collapse(E(3))), (E(3), O(3), LinearPart(E(3))),
    (SE(2), SO(2), LinearPart(SE(2))), (Affine(2), GL(2), LinearPart(Affine(2))),
    (Affine(2, SL(2)), SL(2), LinearPart(Affine(2, SL(2)))), (S4_E3, E(3), Factor(S4_E3, 1)),
    (S4_E3, O(3), Compose(Factor(S4_E3, 1), LinearPart(E(3)))), (S4_E3, S4_E3, Identity(S4_E3)),
    (E(3), E(3) * O(3), Fork(E(3), (Identity(E(3)), LinearPart(E(3))))),
    (S4_E3, E(3) * Symmetric(4), Fork(S4_E3, (Factor(S4_E3, 1), Factor(S4_E3, 0)))),
]  # fmt: skip


@pytest.mark.parametrize(("source", "target", "hom"), CANONICAL, ids=str)
def test_canonical(source, target, hom):
    found = Hom.canonical(source, target)
    assert found == hom and hash(found) == hash(hom)
    assert (found.source, found.target) == (source, target)


@pytest.mark.parametrize(
    ("source", "target", "problem"),
    [
        (O(2), O(3), r"no canonical homomorphism from O\(2\) to O\(3\): pass one"),
        (SO(3), O(3), "pass one"), (SE(3), O(3), "pass one"), (E(3), SO(3), "pass one"),
        (O(3) * O(3), O(3), "more than one factor leads there: pass one"),
        (E(3) * O(3) * E(3), O(2), "no factor leads there: pass one"),
        (O(3), O(3) * O(3), r"O\(3\) stands 2 times in one and 0 times in the other"),
        (O(2) * O(3), O(3) * O(3), "stands 2 times in one and 1 times in the other"),
    ],
)  # fmt: skip
def test_what_is_not_canonical(source, target, problem):
    with pytest.raises(ValueError, match=problem):
        Hom.canonical(source, target)


def test_equal_factors_are_kept_apart():
    hom = Hom.canonical(Symmetric(3) * O(2) * O(2), O(2) * O(2))
    a, b = O(2).sample(generator=seeded(0)), O(2).sample(generator=seeded(1))
    assert gap(hom((torch.arange(3), a, b)), (a, b)) == 0


def test_composition_is_flat_and_drops_identities():
    a, b, c = Factor(S4_E3, 1), LinearPart(E(3)), Sign(O(3))
    assert a.then(b).then(c) == a.then(b.then(c))
    assert a.then(b).then(c).steps() == (a, b, c)
    assert Identity(S4_E3).then(a) == a == a.then(Identity(E(3)))


def test_an_automorphism_is_no_identity():
    flip = Embed(O(2), O(2), axes=(1, 0))
    g = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    assert flip(g).tolist() == [[0, 1], [-1, 0]]
    assert flip.then(flip).steps() == (flip, flip)


def test_named_sizes_are_bound_inside():
    source = Symmetric("n") * E(3)
    hom = Fork(source, (Factor(source, 0).then(Sign(Symmetric("n"))), Hom.canonical(source, O(3))))
    bound = hom.bind({"n": 4})
    assert bound.source == S4_E3 and bound.target == O(1) * O(3)
    assert bound == Fork(S4_E3, (Factor(S4_E3, 0).then(Sign(Symmetric(4))), Hom.canonical(S4_E3, O(3))))


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Embed(O(3), O(2)), r"axes among 0\.\.1"), (lambda: Embed(O(2), O(3), axes=(0, 0)), "different axes"),
        (lambda: Embed(O(2), O(3), axes=(0,)), "2 axes, got"), (lambda: Embed(O(2), SO(3)), "does not fit"),
        (lambda: Embed(GL(2), GLPlus(2)), "does not fit"), (lambda: Embed(GLPlus(2), SL(2)), "does not fit"),
        (lambda: Embed(Scaling(), O(3)), "does not fit"), (lambda: Embed(SE(2), GL(2)), "translates"),
        (lambda: Embed(O(2), Symmetric(3)), "does not fit"), (lambda: Embed(O(2), S4_E3), "no defining matrix"),
        (lambda: Embed(SignedPermutation(3), SO(3)), "does not fit"), (lambda: Factor(O(3), 0), "no factor number 0"),
        (lambda: Factor(S4_E3, 2), "no factor number 2"), (lambda: LinearPart(O(3)), "SE, E, Affine or Translation"),
        (lambda: Sign(S4_E3), "no defining matrix"), (lambda: Compose(LinearPart(E(3)), Sign(O(2))), "ends in"),
        (lambda: Fork(E(3), (Sign(O(3)),)), "must start in"), (lambda: OrthogonalPart(O(3)), "CO or CSO"),
        (lambda: Hom.canonical(Affine(3, CSO(3)), O(3)), "no canonical homomorphism"),
    ],
)  # fmt: skip
def test_maps_that_do_not_exist(make, problem):
    with pytest.raises(ValueError, match=problem):
        make()


def test_a_factor_wants_a_tuple():
    with pytest.raises(ValueError, match="a tuple of 2 entries, got a Tensor"):
        Factor(S4_E3, 0)(torch.eye(4))


@pytest.mark.parametrize(
    "hom", [Embed(O(1), O(1)), Embed(Cyclic(1), SO(2)), Embed(SO(1), SL(1)), Sign(O(1)), Sign(Symmetric(1))]
)
def test_size_one(hom):
    assert hom.target.contains(hom(hom.source.sample(4, generator=seeded(0)))).all()
