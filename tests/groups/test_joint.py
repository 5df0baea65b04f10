"""Groups that act together on one space, and their places in larger groups."""

import pytest
import torch

from erlangen.groups import (
    GL,
    SE,
    SO,
    Embed,
    Factor,
    Hom,
    Joint,
    O,
    Scalar,
    Scaling,
    Symmetric,
    Vector,
    equivariant_basis,
    inclusion,
    parse_group,
)

ROTATIONS_AND_SIZES = SO(3) * Scaling()


def joint():
    turn = Factor(ROTATIONS_AND_SIZES, 0).then(Embed(SO(3), GL(3)))
    return Joint(ROTATIONS_AND_SIZES, (turn, Factor(ROTATIONS_AND_SIZES, 1).then(Embed(Scaling(), GL(3)))))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_factors_are_multiplied(dtype):
    g = turn, size = ROTATIONS_AND_SIZES.sample(5, generator=torch.Generator().manual_seed(0), dtype=dtype)
    assert torch.equal(joint()(g), turn @ (size * torch.eye(3, dtype=dtype)))


def test_it_is_a_homomorphism_with_the_right_derivative():
    generator, hom, group = torch.Generator().manual_seed(0), joint(), ROTATIONS_AND_SIZES
    g, h = group.sample(6, generator=generator), group.sample(6, generator=generator)
    torch.testing.assert_close(hom(group.compose(g, h)), hom(g) @ hom(h), rtol=0, atol=1e-12)
    for A in group.algebra_basis():
        there = hom(group.exp(tuple(1e-5 * a for a in A)))
        back = hom(group.exp(tuple(-1e-5 * a for a in A)))
        torch.testing.assert_close((there - back) / 2e-5, hom.on_algebra(A), rtol=0, atol=1e-9)


def test_maps_that_do_not_commute_are_refused():
    group = SO(2) * SO(2)
    with pytest.raises(ValueError, match="do not commute in GL"):
        Joint(group, tuple(Factor(group, i).then(Embed(SO(2), GL(3), (i, i + 1))) for i in range(2)))
    # Each generator commutes with each, but a rotation does not commute with a reflection.
    group = SO(2) * O(1)
    with pytest.raises(ValueError, match="do not commute"):
        Joint(
            group, (Factor(group, 0).then(Embed(SO(2), O(3), (0, 1))), Factor(group, 1).then(Embed(O(1), O(3), (0,))))
        )


def test_maps_must_share_their_ends():
    with pytest.raises(ValueError, match="at least one map"):
        Joint(SO(3), ())
    with pytest.raises(ValueError, match=r"one from SO\(3\) to O\(3\)"):
        Joint(SO(3), (Embed(SO(3), GL(3)), Embed(SO(3), O(3))))


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        ("O(3)", [1, 0, 1, 0, 3, 0]),
        ("SO(3)", [1, 0, 1, 1, 3, 6]),
        ("O(2)@xy", [1, 1, 2, 4, 10, 26]),
        ("Scaling", [1, 0, 0, 0, 0, 0]),
        ("SO(3)*Scaling", [1, 0, 0, 0, 0, 0]),
    ],
)
def test_number_of_invariant_tensors(words, counts):
    rep = Vector(GL(3)).along(inclusion(words, GL(3)))
    assert [equivariant_basis(Scalar(rep.group), rep**rank).dim for rank in range(6)] == counts


def test_a_placed_product_acts_on_both_places():
    hom = inclusion("O(2)@xy*O(1)@z", O(3))
    turn, flip = g = hom.source.sample(4, generator=torch.Generator().manual_seed(0))
    image = hom(g)
    assert torch.equal(image[:, :2, :2], turn) and torch.equal(image[:, 2:, 2:], flip)
    assert not image[:, :2, 2].any() and not image[:, 2, :2].any()


def test_what_is_in_the_right_place_stays():
    hom = Embed(O(2), O(3), (0, 2))
    assert inclusion(hom, O(3)) is hom
    assert inclusion(O(3), O(3)) == Hom.canonical(O(3), O(3))
    assert inclusion(parse_group("O(2)@xy"), GL(3)) == parse_group("O(2)@xy").then(Embed(O(3), GL(3)))
    assert inclusion(Symmetric(3), O(3)).source == Symmetric(3)


@pytest.mark.parametrize(
    ("candidate", "target", "message"),
    [
        (SO(2), GL(3), "2 by 2, not 3 by 3; say on which axes"),
        (GL(3), O(3), "has no place in"),
        (SE(3), GL(3), r"also translates.*take its linear part, SO\(3\)"),
        (Scaling(), SO(3), "has no place in"),
        ("SO(2)@xy*SO(2)@yz", GL(3), "do not commute"),
        (O(4), GL(3), "4 by 4, not 3 by 3"),
    ],
)
def test_what_does_not_fit_is_refused(candidate, target, message):
    with pytest.raises(ValueError, match=message):
        inclusion(candidate, target)


def test_a_candidate_is_a_group_a_map_or_words():
    with pytest.raises(TypeError):
        inclusion(3, O(3))
