"""Promises: reading them, binding named sizes to inputs, and what cannot be promised."""

import pytest
import torch
from tests.groups.catalogue import gap, seeded

from erlangen.groups import (
    SO,
    E,
    EdgeIndex,
    Embed,
    Factor,
    Fields,
    Fixed,
    Hom,
    Irreps,
    Nodes,
    O,
    Pixels,
    Points,
    QuarterTurns,
    Scalar,
    Symmetric,
    Symmetry,
    Vector,
)

N = Symmetric("n")
GROUP = N * E(3)


def gap_between(a, b):
    return (a - b).abs()


def test_actions_are_pulled_back_to_the_group():
    s = Symmetry(E(3), inputs=(Points(E(3)), Vector(O(3)), Fixed()), output=Irreps("1o"))
    assert s.inputs == (Points(E(3)), Vector(E(3)), Fixed(E(3)))
    assert s.output == Irreps("1o", E(3)) and s.kind == "exact" and s.bound is None
    assert all(action.group == E(3) for action in (*s.inputs, s.output))


def test_one_input_needs_no_tuple():
    assert Symmetry(O(3), Points(O(3)), Fixed()) == Symmetry(O(3), (Points(O(3)),), Fixed())
    assert Symmetry(O(3), {"pos": Points(O(3))}, Fixed()) == Symmetry(O(3), (Fields(pos=Points(O(3))),), Fixed())
    both = Symmetry(O(3), [Points(O(3)), {"v": Vector(O(3))}], (Vector(O(3)), Fixed()))
    assert both.inputs[1] == Fields(v=Vector(O(3))) and both.output == Fields(Vector(O(3)), Fixed(O(3)))


def test_a_module_under_permutations_and_motions():
    def layer(x, v, edges):
        """An equivariant step: pulls every node towards its neighbours and along its own velocity."""
        pull = torch.zeros_like(x).index_add(0, edges[1], x[edges[0]] - x[edges[1]])
        return x + 0.1 * pull + v

    promise = Symmetry(
        GROUP, inputs=(Nodes(N) & Points(E(3)), Nodes(N) & Vector(E(3)), EdgeIndex(N)), output=Nodes(N) & Points(E(3))
    )
    x, v = torch.randn(2, 6, 3, generator=seeded(0), dtype=torch.float64)
    edges = torch.randint(6, (2, 12), generator=seeded(1))
    bound = promise.bind(x, v, edges)
    assert bound.group == Symmetric(6) * E(3)
    g = bound.group.sample(generator=seeded(2))
    moved = [action(g, value) for action, value in zip(bound.inputs, (x, v, edges), strict=True)]
    assert gap(layer(*moved), bound.output(g, layer(x, v, edges))) <= 1e-14
    # Treating the velocity as a point is caught: it does not feel the translation.
    wrong = Points(E(3)).along(Factor(bound.group, 1))(g, v)
    assert gap(wrong, v) > 0.1


def test_bind_reads_sizes_and_keeps_the_rest():
    s = Symmetry(
        GROUP, (Nodes(N) & Points(E(3)), EdgeIndex(N)), Scalar(E(3)),
        kind="approximate", bound=0.1, holds_where="eval mode", compare=gap_between,
    )  # fmt: skip
    x, edges = torch.zeros(5, 3), torch.zeros(2, 4).long()
    bound = s.bind(x, edges)
    assert bound.group == Symmetric(5) * E(3) and bound.output == Scalar(Symmetric(5) * E(3))
    assert bound.inputs[1].group == bound.group
    assert (bound.kind, bound.bound, bound.holds_where, bound.compare) == ("approximate", 0.1, "eval mode", gap_between)
    assert s.group == GROUP, "binding makes a new promise"
    assert bound.bind(x, edges) == bound


def test_a_size_is_shared_between_inputs():
    s = Symmetry(N, (Nodes(N), Vector(N), Nodes(N, order=2)), Nodes(N))
    assert s.bind(torch.zeros(4, 2), torch.zeros(4), torch.zeros(4, 4, 1)).group == Symmetric(4)
    with pytest.raises(ValueError, match="the size 'n' is 4 in input 0 but 5 in input 1"):
        s.bind(torch.zeros(4, 2), torch.zeros(5), torch.zeros(4, 4, 1))
    with pytest.raises(ValueError, match="the size 'n' is 4 in input 0 but 3 in input 2"):
        s.bind(torch.zeros(4, 2), torch.zeros(4), torch.zeros(3, 3, 1))


def test_two_names_are_two_sizes():
    M = Symmetric("m")
    s = Symmetry(N * M, (Nodes(N), Nodes(M)), Fixed())
    assert s.bind(torch.zeros(4, 2), torch.zeros(5, 2)).group == Symmetric(4) * Symmetric(5)


def test_sizes_that_disagree_between_fields_name_both():
    s = Symmetry(GROUP, ({"pos": Nodes(N) & Points(E(3)), "h": Nodes(N)},), Fixed())
    with pytest.raises(ValueError, match=r"the size 'n' is 4 in input 0\['pos'\] but 3 in input 0\['h'\]"):
        s.bind({"pos": torch.zeros(4, 3), "h": torch.zeros(3, 2)})


@pytest.mark.parametrize(
    ("inputs", "error", "problem"),
    [
        ((torch.zeros(5, 3),), ValueError, r"names 2 inputs \(.*Points.*, .*EdgeIndex.*\), got 1"),
        ((torch.zeros(5, 2), torch.zeros(2, 4).long()), ValueError, "input 0: the last axis of .* has size 3"),
        (
            (torch.zeros(3), torch.zeros(2, 4).long()),
            ValueError,
            r"input 0: .* needs at least 2 axes, got shape \(3,\)",
        ),
        ((torch.zeros(5, 3), torch.zeros(2, 4)), TypeError, "input 1: an edge index is a long tensor"),
        ((torch.zeros(5, 3), torch.full((2, 4), 5)), ValueError, "input 1: node number 5 in a graph of 5 nodes"),
        ((torch.zeros(5, 3).long(), torch.zeros(2, 4).long()), TypeError, "input 0: .* got dtype torch.int64"),
        ((torch.full((5, 3), torch.nan), torch.zeros(2, 4).long()), ValueError, "input 0: holds NaN or infinity"),
        (([1.0], torch.zeros(2, 4).long()), TypeError, "input 0: .* moves a tensor, got list"),
    ],
)
def test_bind_checks_every_input(inputs, error, problem):
    s = Symmetry(GROUP, (Nodes(N) & Points(E(3)), EdgeIndex(N)), Fixed())
    with pytest.raises(error, match=problem):
        s.bind(*inputs)


def test_a_size_that_nobody_tells():
    with pytest.raises(ValueError, match=r"no input tells the size 'n' of S\(n\)"):
        Symmetry(N, (EdgeIndex(N),), Fixed()).bind(torch.zeros(2, 4).long())


def test_restriction_makes_a_promise_of_a_smaller_group():
    hom = Embed(O(2), O(3), axes=(0, 1))
    s = Symmetry(O(2), (Points(O(3)).along(hom),), Vector(O(3)).along(hom))
    x = torch.randn(4, 3, generator=seeded(0), dtype=torch.float64)

    def field(x):  # gravity points down: kept by O(2) about the third axis, not by O(3)
        return x + torch.tensor([0, 0, 1.0])

    for group, moved, output in ((O(2), s.inputs[0], s.output), (O(3), Points(O(3)), Vector(O(3)))):
        g = group.sample(generator=seeded(1))
        assert (gap(field(moved(g, x)), output(g, field(x))) <= 1e-14) == (group == O(2))


@pytest.mark.parametrize(
    ("make", "error", "problem"),
    [
        (lambda: Symmetry("O(3)", (), Fixed()), TypeError, "group"),
        (lambda: Symmetry(O(3), (Points(O(3)), "fixed"), Fixed()), TypeError, r"Symmetry\(inputs\[1\]\): an action"),
        (lambda: Symmetry(O(3), Points(O(3)), None), TypeError, r"Symmetry\(output\): an action"),
        (
            lambda: Symmetry(O(3), Points(O(3)), Fixed(), kind="nearly"),
            ValueError,
            "one of exact, approximate, in_expe",
        ),
        (lambda: Symmetry(O(3), Points(O(3)), Fixed(), bound=0.1), ValueError, "only for kind='approximate'"),
        (lambda: Symmetry(O(3), Points(O(2)), Fixed()), ValueError, r"from O\(3\) to O\(2\): pass one"),
        (
            lambda: Symmetry(SO(2), Pixels(SO(2)), Fixed()),
            ValueError,
            r"Pixels\(SO\(2\)\) resamples, so it is not an exact",
        ),
        (lambda: Symmetry(SO(2), Fixed(), Pixels(SO(2)) & Fixed()), ValueError, "not an exact action"),
        (lambda: Symmetry(SO(2), {"image": Pixels(SO(2))}, Fixed()), ValueError, "not an exact action"),
    ],
)
def test_what_cannot_be_promised(make, error, problem):
    with pytest.raises(error, match=problem):
        make()


def test_resampling_may_be_promised_approximately():
    assert Symmetry(SO(2), Pixels(SO(2)), Fixed(), kind="approximate").kind == "approximate"
    turns = QuarterTurns()
    assert Symmetry(turns.group, turns, turns).kind == "exact"


def test_replacing_keeps_the_rest():
    s = Symmetry(O(3), Points(O(3)), Fixed(), holds_where="eval mode")
    loose = s.replace(kind="approximate", bound=0.5)
    assert (loose.kind, loose.bound, loose.holds_where, loose.inputs) == ("approximate", 0.5, "eval mode", s.inputs)
    assert s.kind == "exact"


def test_it_reads_as_a_promise():
    s = Symmetry(GROUP, (Nodes(N) & Points(E(3)), EdgeIndex(N)), Scalar(E(3)))
    assert repr(s) == "S(n)*E(3): (Nodes(S(n)) & Points(E(3)), EdgeIndex(S(n))) -> Scalar(S(n)*E(3)), exact"
    hom = Embed(O(2), O(3), axes=(0, 1))
    assert repr(Symmetry(O(2), Points(O(3)).along(hom), Fixed())) == "O(2): (Points(O(3)) along O(2)) -> Fixed(), exact"
    assert Hom.canonical(GROUP, O(3)).source == GROUP
