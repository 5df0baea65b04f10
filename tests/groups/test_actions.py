"""Actions: the law, left alignment against plain loops, permutations by a three-cycle, joint actions, copies."""

import itertools

import pytest
import torch
from tests.groups.catalogue import S4_E3, gap, random_tangent, seeded, times

from erlangen.groups import (
    GL,
    SE,
    SO,
    Affine,
    BatchVector,
    Cyclic,
    E,
    EdgeIndex,
    Embed,
    Factor,
    Fixed,
    Hom,
    Irreps,
    LinearPart,
    Nodes,
    O,
    Pixels,
    Points,
    PseudoScalar,
    QuarterTurns,
    Regular,
    Scalar,
    Scaling,
    SignedPermutation,
    Symmetric,
    Translation,
    Trivial,
    Vector,
)
from erlangen.groups.action import joint_group
from erlangen.groups.element import map_element


def real(*shape, seed=5):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def whole(high, *shape, seed=6):
    return torch.randint(high, shape, generator=seeded(seed))


# Each with the event it acts on: what one sample without site axes looks like.
ACTIONS = [
    (Points(E(3)), real(3)), (Points(SE(2)), real(2)), (Points(O(2)), real(2)), (Points(Affine(2)), real(2)),
    (Points(Translation(1)), real(1)), (Points(SignedPermutation(3)), real(3)), (Points(GL(2)), real(2)),
    (Points(O(2)).along(Embed(Cyclic(5), O(2))), real(2)),
    (Points(SE(3)).along(Embed(SE(2), SE(3), axes=(2, 0))), real(3)),
    (Points(O(2)).along(Embed(O(2), O(2), axes=(1, 0))), real(2)),
    (Nodes(Symmetric(4)), real(4, 3)), (Nodes(Symmetric(4), features=0), real(4)), (Nodes(Symmetric(1)), real(1, 2)),
    (Nodes(Symmetric(3), order=2), real(3, 3, 2)), (Nodes(Symmetric(3), order=3, features=0), whole(9, 3, 3, 3)),
    (Nodes(Symmetric(3), features=2), real(3, 2, 2)), (EdgeIndex(Symmetric(4)), whole(4, 2, 6)),
    (BatchVector(Symmetric(5)), whole(3, 5)), (EdgeIndex(), whole(4, 2, 6)), (QuarterTurns(), real(4, 4)),
    (QuarterTurns(Cyclic(2)), real(2, 3)), (QuarterTurns(Cyclic(1)), real(2, 3)), (Fixed(), real(2)),
    (Nodes(Symmetric(4)) & Points(E(3)), real(4, 3)), (Nodes(Symmetric(4)) & Vector(O(3)), real(4, 3)),
    (Points(E(3)).along(Factor(S4_E3, 1)), real(3)), (Vector(E(3)), real(3)), (Irreps("0e+1o+2e"), real(9)),
    (Vector(GL(2)).dual, real(2)), (Vector(O(2)) ** 2 + 2 * Scalar(O(2)) + PseudoScalar(O(2)), real(7)),
    (Regular(Symmetric(3)), real(6)), (2 * Regular(Cyclic(2) * Cyclic(3)), real(12)), (Vector(Scaling()), real(1)),
    (Nodes(Symmetric(3)) & Vector(O(2)) & QuarterTurns(Cyclic(1)), real(3, 2)),
]  # fmt: skip
every_action = pytest.mark.parametrize(
    ("action", "event"), ACTIONS, ids=lambda v: repr(v) if not torch.is_tensor(v) else ""
)


def spread(event, *leading):
    """Different events over leading axes."""
    if event.is_floating_point():
        return real(*leading, *event.shape)
    return torch.randint(int(event.max()) + 1, (*leading, *event.shape), generator=seeded(3))


def at(g, *place):
    return map_element(lambda t: t[place], g)


@every_action
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_the_law(action, event, shape):
    group = action.group
    g, h = group.sample(*shape, generator=seeded(0)), group.sample(*shape, generator=seeded(1))
    x = spread(event, *shape)
    assert gap(action(group.compose(g, h), x), action(g, action(h, x))) <= 1e-12
    assert gap(action(group.identity(*shape), x), x) <= 1e-13
    assert gap(action(group.inverse(g), action(g, x)), x) <= 1e-12


@every_action
@pytest.mark.parametrize("sites", [(), (4,), (4, 2)])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_elements_are_aligned_with_the_left(action, event, shape, sites):
    g, x = action.group.sample(*shape, generator=seeded(0)), spread(event, *shape, *sites)
    y = action(g, x)
    assert y.shape == x.shape and y.dtype == x.dtype
    for k in itertools.product(*map(range, shape)):
        for s in itertools.product(*map(range, sites)):
            assert gap(y[k + s], action(at(g, *k), x[k + s])) <= 1e-14


@every_action
def test_frames_are_copies_beside_the_samples(action, event):
    B, F = 3, 4
    g, x = action.group.sample(B, F, generator=seeded(0)), spread(event, B, 2)
    y = action(g, x[:, None])
    if isinstance(action.group, Trivial) or isinstance(action, Fixed):
        assert y.shape == (B, 1, 2, *event.shape)  # what is not moved is not copied
        return
    assert y.shape == (B, F, 2, *event.shape)
    for b in range(B):
        for f in range(F):
            assert gap(y[b, f], action(at(g, b, f), x[b])) <= 1e-14


@every_action
def test_axes_of_size_one_broadcast(action, event):
    g, x = action.group.sample(1, generator=seeded(0)), spread(event, 3)
    assert gap(action(g, x), action(at(g, 0), x)) <= 1e-14
    many = action.group.sample(3, generator=seeded(0))
    one = spread(event, 1)
    if not isinstance(action.group, Trivial):
        assert gap(action(many, one), action(many, one.expand(3, *event.shape))) <= 1e-14


@every_action
def test_empty_batches(action, event):
    g = action.group.sample(0)
    x = event.expand(0, *event.shape)
    assert action(g, x).shape == x.shape
    assert action(action.group.sample(2), event.expand(2, 0, *event.shape)).shape == (2, 0, *event.shape)


@every_action
def test_ragged_batches_take_an_element_per_row(action, event):
    graph = torch.tensor([0, 0, 2, 1, 2])
    g, x = action.group.sample(3, generator=seeded(0)), spread(event, 5)
    lifted = map_element(lambda t: t[graph], g)
    y = action(lifted, x)
    for i in range(5):
        assert gap(y[i], action(at(g, int(graph[i])), x[i])) <= 1e-14


@every_action
def test_float32_data_is_moved_in_float64_and_rounded_once(action, event):
    if not event.is_floating_point():
        pytest.skip("indices have no rounding")
    g = action.group.sample(3, generator=seeded(0))
    x = spread(event, 3).float()
    y = action(g, x)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, action(g, x.double()).float(), rtol=1.2e-7, atol=1e-12)
    low = action.group.sample(3, generator=seeded(0), dtype=torch.float32)
    assert action(low, x.double()).dtype == torch.float64


@every_action
def test_the_tangent_is_the_velocity(action, event):
    if not event.is_floating_point():
        assert not action.tangent(action.group.zero(), event).any()
        return
    group, x = action.group, spread(event, 2, 3)
    A = random_tangent(group, seeded(2))
    ahead, back = (action(group.exp(times(s, A)), x) for s in (1e-5, -1e-5))
    torch.testing.assert_close(action.tangent(A, x), (ahead - back) / 2e-5, rtol=1e-7, atol=1e-8)


@every_action
def test_the_caller_keeps_his_data(action, event):
    x = spread(event, 2)
    before = x.clone()
    action(action.group.sample(2, generator=seeded(0)), x)
    assert torch.equal(x, before)


@every_action
def test_gradients_flow(action, event):
    if not event.is_floating_point():
        pytest.skip("indices have no gradient")
    x = spread(event, 2).requires_grad_()
    g = action.group.sample(2, generator=seeded(0))
    assert torch.autograd.gradcheck(lambda x: action(g, x), x)


# ---------------------------------------------------------------- permutations
def test_permutations_carry_things_to_their_places():
    g = torch.tensor([1, 2, 0])
    x = torch.tensor([[10.0], [20.0], [30.0]])
    y = Nodes(Symmetric(3))(g, x)
    assert y.flatten().tolist() == [30, 10, 20]
    assert all(y[g[i]] == x[i] for i in range(3))
    pairs = torch.arange(9.0).reshape(3, 3, 1)
    moved = Nodes(Symmetric(3), order=2)(g, pairs)
    assert all(moved[g[i], g[j]] == pairs[i, j] for i in range(3) for j in range(3))
    edges = torch.tensor([[0, 1], [1, 2]])
    assert EdgeIndex(Symmetric(3))(g, edges).tolist() == [[1, 2], [2, 0]]
    assert BatchVector(Symmetric(3))(g, torch.tensor([0, 0, 1])).tolist() == [1, 0, 0]
    assert Vector(Symmetric(3))(g, x[:, 0]).tolist() == [30, 10, 20]


def test_permutations_never_make_a_matrix():
    # 20 permutations of 100 000 things: as matrices they would need 1.6 TB.
    S = Symmetric(100_000)
    g, x = S.sample(20, generator=seeded(0)), torch.arange(100_000).expand(20, -1)
    for rep in (Vector(S), 2 * Vector(S)):
        y = rep(g, x.repeat(1, rep.dim // 100_000))
        assert torch.equal(y[:, :100_000].gather(1, g), x)


def test_edges_and_adjacency_move_together():
    g = torch.tensor([1, 2, 0])
    edges = torch.tensor([[0, 0, 1], [1, 2, 2]])
    dense = torch.zeros(3, 3, 1)
    dense[edges[0], edges[1]] = torch.tensor([[1.0], [2.0], [3.0]])
    moved = EdgeIndex(Symmetric(3))(g, edges)
    again = torch.zeros(3, 3, 1)
    again[moved[0], moved[1]] = torch.tensor([[1.0], [2.0], [3.0]])
    assert torch.equal(Nodes(Symmetric(3), order=2)(g, dense), again)


def test_sums_over_neighbours_are_equivariant():
    g = Symmetric(6).sample(generator=seeded(1))
    x, edges = real(6, 2), whole(6, 2, 15)

    def layer(x, edges):
        return torch.zeros_like(x).index_add(0, edges[1], x[edges[0]])

    nodes, links = Nodes(Symmetric(6)), EdgeIndex(Symmetric(6))
    assert gap(layer(nodes(g, x), links(g, edges)), nodes(g, layer(x, edges))) <= 1e-14


# ---------------------------------------------------------------- points and joint actions
def test_points_move_and_vectors_only_turn():
    g = SE(2).exp(torch.tensor([[0.0, 0, 5], [0, 0, 7], [0, 0, 0]]))
    x = torch.tensor([[1.0, 2.0]])
    assert Points(SE(2))(g, x).tolist() == [[6, 9]] and Vector(SE(2))(g, x).tolist() == [[1, 2]]


def test_joint_actions_commute_and_take_products():
    both = Nodes(Symmetric(4)) & Points(E(3))
    assert both.group == S4_E3 and both.event_dim == 2
    p, m = S4_E3.sample(generator=seeded(0))
    x = real(4, 3)
    expected = torch.empty_like(x)
    expected[p] = x @ m[:3, :3].mT + m[:3, 3]
    assert gap(both((p, m), x), expected) <= 1e-14
    other = Points(E(3)) & Nodes(Symmetric(4))
    assert other.group == E(3) * Symmetric(4) and gap(other((m, p), x), expected) <= 1e-14
    assert (Nodes(Symmetric("n")) & Points(E(3))).bind({"n": 4}) == both


def test_an_automorphism_changes_the_action():
    flipped = Points(O(2)).along(Embed(O(2), O(2), axes=(1, 0)))
    g = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    assert flipped(g, torch.tensor([1.0, 0.0])).tolist() == [0, -1]
    assert Points(O(2)).along(Hom.canonical(O(2), O(2))) == Points(O(2))


def test_equal_factors_stay_apart():
    pair = O(2) * O(2)
    first, second = (Vector(O(2)).along(Factor(pair, i)) for i in (0, 1))
    assert joint_group((first, second)) == pair
    assert joint_group((first, Nodes(Symmetric(3)), second, Points(O(2)))) == pair * Symmetric(3)
    assert joint_group((Fixed(), EdgeIndex())) == Trivial()
    assert joint_group((Points(E(3)), Nodes(Symmetric(2)), Vector(E(3)))) == E(3) * Symmetric(2)


def test_pulling_back_needs_a_fitting_map():
    for action in (Points(O(3)), Fixed(), Points(E(3)).along(Factor(S4_E3, 1))):
        with pytest.raises(ValueError, match=r"along\(hom\): a map into .*, which acts here, got one into O\(2\)"):
            action.along(LinearPart(E(2)))


# ---------------------------------------------------------------- copies
def test_copies_follow_one_another():
    x = real(3, 2)
    for action in (
        Points(O(2)),
        Vector(O(2)),
        Nodes(Symmetric(2), features=0),
        Fixed(),
        Points(O(2)).along(LinearPart(E(2))),
    ):
        assert torch.equal(action.repeat(x, 2), torch.cat([x, x]))
    assert Fixed().repeat("word", 3) == "word" and Fixed().repeat(torch.tensor(1.0), 3).shape == ()
    both = Nodes(Symmetric(3)) & Points(O(2))
    assert torch.equal(both.repeat(x, 2), torch.cat([x, x]))


def test_copies_of_graphs_are_numbered_on():
    edges = torch.tensor([[0, 1], [1, 2]])
    assert EdgeIndex().repeat(edges, 3, 4).tolist() == [[0, 1, 4, 5, 8, 9], [1, 2, 5, 6, 9, 10]]
    assert EdgeIndex().repeat(edges, 2).tolist() == [[0, 1, 3, 4], [1, 2, 4, 5]]
    assert EdgeIndex().repeat(edges[:, :0], 2).shape == (2, 0)
    assert BatchVector().repeat(torch.tensor([0, 0, 1]), 2, 2).tolist() == [0, 0, 1, 2, 2, 3]
    assert BatchVector().repeat(torch.tensor([0, 0, 1]), 2).tolist() == [0, 0, 1, 2, 2, 3]
    dense = torch.stack([edges, edges + 1])
    assert torch.equal(EdgeIndex(Symmetric(4)).repeat(dense, 2), torch.cat([dense, dense]))


# ---------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("action", "g", "x", "error", "problem"),
    [
        (
            Points(O(3)),
            O(3).identity(4),
            torch.zeros(5, 3),
            ValueError,
            r"batch axes \(4,\) does not fit x of shape \(5, 3\)",
        ),
        (Points(O(3)), O(3).identity(4), torch.zeros(3), ValueError, "too few for an element with 1 batch axes"),
        (
            Points(O(3)),
            O(3).identity(),
            torch.zeros(5, 2),
            ValueError,
            r"last axis of x must have size 3, got shape \(5, 2\)",
        ),
        (Vector(O(3)), O(3).identity(), torch.tensor(1.0), ValueError, "0 axes, too few"),
        (
            Vector(O(3)),
            O(3).identity(),
            torch.tensor([1, 2, 3]),
            TypeError,
            "floating-point tensors, got dtype torch.int64",
        ),
        (2 * Vector(O(3)), O(3).identity(), torch.zeros(5), ValueError, "must have size 6"),
        (Vector(O(3)) ** 2, O(3).identity(), torch.zeros(5), ValueError, "must have size 9"),
        (Nodes(Symmetric(3)), torch.tensor([1, 2, 0]), torch.zeros(5, 1), ValueError, "axis -2 of x must have size 3"),
        (Nodes(Symmetric(3)), torch.tensor([[1, 2, 0]]), torch.zeros(3, 1), ValueError, "too few"),
        (Nodes(Symmetric(3)), Symmetric(3).identity(2), torch.zeros(4, 3, 1), ValueError, "does not fit x"),
        (Regular(Cyclic(3)), torch.tensor(1), torch.zeros(5), ValueError, "axis -1 of x must have size 3"),
        (EdgeIndex(Symmetric(3)), Symmetric(3).identity(2), torch.zeros(2, 5).long(), ValueError, "too few"),
        (EdgeIndex(Symmetric(3)), Symmetric(3).identity(3), torch.zeros(2, 2, 5).long(), ValueError, "does not fit x"),
        (QuarterTurns(), torch.tensor(1), torch.zeros(2, 3), ValueError, "height 2 and width 3"),
        (QuarterTurns(), torch.tensor([1, 2]), torch.zeros(3, 2, 2), ValueError, "does not fit x"),
        (QuarterTurns(), torch.tensor(1), torch.zeros(3), ValueError, "at least the axes"),
        (Pixels(SO(2)), SO(2).identity(2), torch.zeros(3, 4, 4), ValueError, "does not fit x"),
        (Pixels(SO(2)), SO(2).identity(), torch.zeros(4), ValueError, "at least the axes"),
        (Pixels(SO(2)), SO(2).identity(), torch.zeros(4, 4).byte(), TypeError, "images, got dtype torch.uint8"),
    ],
    ids=lambda v: repr(v) if hasattr(v, "event_dim") else "",
)
def test_misfits_are_refused_when_acting(action, g, x, error, problem):
    with pytest.raises(error, match=problem):
        action(g, x)


@pytest.mark.parametrize(
    ("action", "x", "error", "problem"),
    [
        (
            Points(E(3)),
            torch.zeros(5, 2),
            ValueError,
            r"pos: the last axis of Points\(E\(3\)\) has size 3, got shape \(5, 2\)",
        ),
        (Points(E(3)), torch.tensor(1.0), ValueError, "pos: the last axis"),
        (
            Points(E(3)),
            torch.zeros(5, 3).long(),
            TypeError,
            "pos: .* real floating-point tensors, got dtype torch.int64",
        ),
        (Vector(E(3)), torch.zeros(5, 3, dtype=torch.complex64), TypeError, "got dtype torch.complex64"),
        (Vector(E(3)), [1.0, 2.0, 3.0], TypeError, "pos: .* moves a tensor, got list"),
        (
            Points(E(3)),
            torch.tensor([[0, 0, 0], [0, torch.nan, 0]]),
            ValueError,
            r"pos: holds NaN or infinity, first at index \(1, 1\)",
        ),
        (
            Irreps("1o"),
            torch.tensor([0, torch.inf, 0]),
            ValueError,
            r"pos: holds NaN or infinity, first at index \(1,\)",
        ),
        (Scalar(E(3)), torch.tensor([torch.nan]), ValueError, "pos: holds NaN"),
        (Nodes(Symmetric(3)), torch.zeros(4, 2), ValueError, r"pos: axis 0 has size 4, but S\(3\) permutes 3 things"),
        (Nodes(Symmetric(3)), torch.zeros(3), ValueError, r"pos: .* needs at least 2 axes, got shape \(3,\)"),
        (Nodes(Symmetric(3)), torch.full((3, 1), torch.nan), ValueError, "pos: holds NaN"),
        (Nodes(Symmetric(3)), "nodes", TypeError, "pos: .* moves a tensor, got str"),
        (Nodes(Symmetric("n"), order=2), torch.zeros(3, 4, 1), ValueError, "pos: the node axes of .* must agree"),
        (
            EdgeIndex(Symmetric(3)),
            torch.zeros(2, 4),
            TypeError,
            "pos: an edge index is a long tensor, got torch.float32",
        ),
        (
            EdgeIndex(Symmetric(3)),
            torch.zeros(3, 4).long(),
            ValueError,
            r"pos: an edge index has shape \(2, edges\), got \(3, 4\)",
        ),
        (EdgeIndex(Symmetric(3)), torch.full((2, 4), 3), ValueError, "pos: node number 3 in a graph of 3 nodes"),
        (EdgeIndex(Symmetric(3)), torch.full((2, 4), -1), ValueError, "pos: node numbers start at 0, got -1"),
        (BatchVector(), torch.zeros(3), TypeError, "pos: a batch vector is a long tensor"),
        (BatchVector(), torch.zeros(3, 1).long(), ValueError, r"pos: a batch vector has shape \(nodes,\)"),
        (BatchVector(), torch.tensor([-1, 0]), ValueError, "pos: graph numbers start at 0"),
        (BatchVector(Symmetric(3)), torch.tensor([0, 0]), ValueError, "pos: axis 0 has size 2"),
        (
            QuarterTurns(),
            torch.zeros(3, 4),
            ValueError,
            "pos: quarter turns need square images, got height 3 and width 4",
        ),
        (QuarterTurns(), torch.zeros(3), ValueError, "pos: an image has at least the axes"),
        (QuarterTurns(), torch.zeros(3, 3, dtype=torch.uint8), TypeError, "pos: .* got dtype torch.uint8"),
        (Pixels(SO(2)), torch.zeros(3), ValueError, "pos: an image has at least the axes"),
        (Pixels(SO(2)), torch.full((2, 2), torch.inf), ValueError, "pos: holds NaN or infinity"),
        (Nodes(Symmetric(3)) & Points(E(3)), torch.zeros(3, 2), ValueError, r"pos: the last axis of Points\(E\(3\)\)"),
        (Regular(Cyclic(3)), torch.zeros(4), ValueError, "pos: the last axis of .* has size 3"),
    ],
    ids=lambda v: repr(v) if hasattr(v, "event_dim") else "",
)
def test_check_names_the_argument(action, x, error, problem):
    with pytest.raises(error, match=problem):
        action.check(x, "pos")


@every_action
def test_check_lets_good_data_pass(action, event):
    action.check(event)
    if not any(isinstance(base, BatchVector) for base in (action,)):
        action.check(event.expand(0, *event.shape))


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Points(S4_E3), "no defining matrix"),
        (lambda: Nodes(O(3)), r"Nodes\(group\): a Symmetric group, got O\(3\)"),
        (lambda: EdgeIndex(O(3)), "a Symmetric group"),
        (lambda: BatchVector(Cyclic(2)), "a Symmetric group"),
        (lambda: Nodes(Symmetric(3), order=0), "order >= 1"),
        (lambda: Nodes(Symmetric(3), features=-1), "features >= 0"),
        (lambda: QuarterTurns(Cyclic(3)), r"Cyclic\(4\), Cyclic\(2\) or Cyclic\(1\), got Cyclic\(3\)"),
        (lambda: Pixels(SO(3)), "a group of the plane, got SO"),
        (lambda: Pixels(Scaling()), "a group of the plane"),
        (lambda: Pixels(SO(2), mode="cubic"), "'bilinear', 'bicubic' or 'nearest', got 'cubic'"),
    ],
)
def test_actions_that_do_not_exist(make, problem):
    with pytest.raises(ValueError, match=problem):
        make()


def test_pixels_have_no_tangent():
    with pytest.raises(ValueError, match="no tangent"):
        Pixels(SO(2)).tangent(SO(2).zero(), torch.zeros(4, 4))
