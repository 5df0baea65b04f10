"""Frames: their defining equation F(g.x) = g F(x), their sizes, and what they do where it cannot hold."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from erlangen.audit import audit
from erlangen.groups import (
    SE,
    SL,
    SO,
    Cyclic,
    E,
    Fields,
    O,
    Points,
    Scalar,
    SignedPermutation,
    Symmetric,
    Symmetry,
    Vector,
    parse_group,
)
from erlangen.symmetrize import PCAFrame, SortFrame, WholeGroup, symmetrize

PRINCIPAL = [family(d) for family in (O, SO, E, SE) for d in (1, 2, 3, 4)]


def same_sets(a, b, tol):
    """Whether two sets of matrices (B, F, m, m) agree, in any order."""
    gaps = (a[:, :, None] - b[:, None, :]).abs().amax((-1, -2))
    return gaps.amin(1).max() < tol and gaps.amin(2).max() < tol


@pytest.mark.parametrize("group", PRINCIPAL, ids=str)
@settings(max_examples=10)
@given(batch=st.integers(1, 4), points=st.integers(6, 12), seed=st.integers(0, 10_000))
def test_principal_axes_move_with_the_cloud(group, batch, points, seed):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, points, group.matrix_dim, generator=rng, dtype=torch.float64)
    g = group.sample(batch, generator=rng)
    before, weight = PCAFrame(group)(x)
    after, _ = PCAFrame(group)(Points(group)(g, x))
    assert weight is None
    assert same_sets(after, group.compose(g[:, None], before), 1e-9)
    assert group.contains(before, 1e-9).all()


@pytest.mark.parametrize("group", PRINCIPAL, ids=str)
def test_number_of_signs(group):
    d = group.matrix_dim
    elements, _ = PCAFrame(group)(torch.randn(3, 7, d))
    assert elements.shape[:2] == (3, 2**d if isinstance(group, O | E) else 2 ** (d - 1))
    distinct = {tuple(e.flatten().round(decimals=8).tolist()) for e in elements[0]}
    assert len(distinct) == elements.shape[1]


def test_frames_do_not_see_the_order_of_the_points():
    x = torch.randn(2, 6, 3, dtype=torch.float64)
    a, _ = PCAFrame(E(3))(x)
    b, _ = PCAFrame(E(3))(x[:, torch.randperm(6)])
    assert same_sets(a, b, 1e-10)


def test_graphs_of_one_batch_have_the_frames_they_have_alone():
    clouds = [torch.randn(n, 3, dtype=torch.float64) for n in (4, 7, 5)]
    batch = torch.tensor([0] * 4 + [1] * 7 + [2] * 5)
    shuffle = torch.randperm(16)
    together, _ = PCAFrame(SE(3), points=0, batch=1)(torch.cat(clouds)[shuffle], batch[shuffle])
    for i, cloud in enumerate(clouds):
        alone, _ = PCAFrame(SE(3))(cloud)
        assert same_sets(together[i : i + 1], alone, 1e-10)


def test_float32_coordinates_far_from_the_origin_keep_their_axes():
    x = torch.randn(4, 9, 3, dtype=torch.float64)
    far = (x.float() + 64.0).double()
    a, _ = PCAFrame(E(3))(far.float())
    b, _ = PCAFrame(E(3))(far)
    assert same_sets(a, b, 1e-9)


CUBE = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=3)))
DEGENERATE = {
    "one point": torch.zeros(1, 3),
    "all the same": torch.ones(5, 3),
    "collinear": torch.arange(5.0)[:, None] * torch.tensor([1.0, 2.0, 3.0]),
    "cube": CUBE,
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_ambiguous_axes_follow_the_policy(name):
    good, bad = torch.randn(DEGENERATE[name].shape[0] + 4, 3)[: DEGENERATE[name].shape[0]], DEGENERATE[name]
    x = torch.stack([bad, good]) if len(bad) > 3 else bad[None]
    with pytest.raises(ValueError, match=r"principal axes of 1 of \d samples are ambiguous \(first: sample 0"):
        PCAFrame(E(3))(x)
    with pytest.warns(UserWarning, match="does not hold there"):
        PCAFrame(E(3), degenerate="warn")(x)
    frame = PCAFrame(E(3), degenerate="perturb")
    (a, _), (b, _) = frame(x), frame(x)
    assert torch.equal(a, b)
    assert E(3).contains(a).all()
    if len(bad) > 3:
        untouched, _ = PCAFrame(E(3))(good[None])
        assert torch.equal(a[1:], untouched)


@pytest.mark.parametrize("policy", ["warn", "perturb"])
@pytest.mark.filterwarnings("ignore:PCAFrame")
def test_ambiguous_axes_have_no_gradient_and_no_nan(policy):
    octahedron = torch.cat([torch.eye(3), -torch.eye(3)]).double()
    clear = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = torch.stack([octahedron, clear]).requires_grad_()
    weight = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    frame = PCAFrame(SO(3), degenerate=policy, grad="full")
    (found,) = torch.autograd.grad((frame(x)[0] * weight).square().sum(), x)
    (alone,) = torch.autograd.grad((frame(x[1:])[0] * weight).square().sum(), x)
    assert found.isfinite().all() and not found[0].any() and found[1].abs().max() > 1e-3
    torch.testing.assert_close(found[1], alone[1])


@pytest.mark.parametrize("words", ["SO(2)@xy", "O(2)@yz", "SE(2)@xy", "E(2)@xz"])
def test_frames_of_a_part_of_the_space(words):
    hom = parse_group(words)
    points, axes = Points(hom.target).along(hom), tuple("xyz".index(letter) for letter in words[-2:])
    net = nn.Sequential(nn.Flatten(), nn.Linear(15, 8), nn.Tanh(), nn.Linear(8, 2))
    model = symmetrize(net, Symmetry(hom.source, points, Scalar(hom.source)), PCAFrame(hom.source, axes=axes))
    x = torch.randn(4, 5, 3)
    assert audit(model, x).verdict == "exact" and audit(net, x, symmetry=model.symmetry).verdict == "breaks"
    assert audit(model, x, symmetry=Symmetry(SO(3), Points(SO(3)), Scalar(SO(3)))).verdict == "breaks"
    assert frame_size(model, x) == (2 if words.startswith("S") else 4)


def frame_size(model, x):
    return model.frame(x)[0].shape[1]


def test_a_cell_moves_with_the_atoms():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(15 + 9, 8), nn.Tanh(), nn.Linear(8, 2))

        def forward(self, x):
            return self.net(torch.cat([x["pos"].flatten(1), x["cell"].flatten(1)], 1))

    moved = Fields(pos=Points(E(3)), cell=Vector(E(3)))
    model = symmetrize(Net(), Symmetry(E(3), moved, Scalar(E(3))), PCAFrame(E(3), points="pos"))
    assert audit(model, {"pos": torch.randn(4, 5, 3), "cell": torch.randn(4, 3, 3)}).verdict == "exact"


def test_plane_clouds_are_not_ambiguous():
    flat = torch.randn(2, 6, 3, dtype=torch.float64)
    flat[..., 2] = 0
    elements, _ = PCAFrame(SO(3))(flat)
    assert SO(3).contains(elements).all()


def test_frames_of_an_empty_batch():
    assert PCAFrame(SO(3))(torch.zeros(0, 5, 3))[0].shape == (0, 4, 3, 3)
    assert SortFrame(Symmetric("n"))(torch.zeros(0, 5, 3))[0].shape == (0, 1, 5)


@pytest.mark.parametrize("group", [Cyclic(5), SignedPermutation(2), Symmetric(3) * Cyclic(2)], ids=str)
def test_whole_groups(group):
    elements, weight = WholeGroup(group)()
    first = elements[0] if isinstance(elements, tuple) else elements
    assert first.shape[:2] == (1, group.order) and weight is None


@given(n=st.integers(1, 6), columns=st.integers(1, 3), levels=st.integers(1, 3), seed=st.integers(0, 10_000))
def test_sorting_frames_hold_exactly_the_sorting_permutations(n, columns, levels, seed):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randint(levels, (3, n, columns), generator=rng).double()
    elements, weight = SortFrame(Symmetric("n"), max_frame=720)(x)
    for b in range(3):
        rows = x[b].tolist()
        want = {p for p in itertools.permutations(range(n)) if [rows[i] for i in p] == sorted(rows)}
        shares = weight[b] if weight is not None else torch.full((elements.shape[1],), 1 / elements.shape[1])
        got = [tuple(e.tolist()) for e, w in zip(elements[b], shares, strict=True) if w > 0]
        assert len(got) == len(set(got)) and set(got) == want
        assert shares.sum().item() == pytest.approx(1)
        assert all(w == pytest.approx(1 / len(want)) for w in shares.tolist() if w > 0)


def test_too_many_equal_rows_follow_the_policy():
    x = torch.cat([torch.zeros(1, 6, 2), torch.randn(1, 6, 2)])
    with pytest.raises(ValueError, match=f"leave {math.factorial(6)} ways to sort sample 0, more than max_frame=64"):
        SortFrame(Symmetric(6))(x)
    with pytest.warns(UserWarning, match="ways to sort"):
        elements, _ = SortFrame(Symmetric(6), degenerate="warn")(x)
    assert torch.equal(elements[0, 0], torch.arange(6))
    quiet, _ = SortFrame(Symmetric(6), degenerate="perturb")(x)
    assert torch.equal(quiet, elements)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PCAFrame(SL(3)), "O\\(d\\), SO\\(d\\), E\\(d\\) or SE\\(d\\), got SL\\(3\\)"),
        (lambda: PCAFrame(E(3), degenerate="ignore"), "one of raise, warn, perturb, keep, got 'ignore'"),
        (lambda: PCAFrame(E(3))(torch.randn(2, 5, 2)), "coordinates of shape .B, ..., 3., got torch.float32 of shape"),
        (lambda: PCAFrame(E(3))(torch.ones(2, 5, 3).long()), "got torch.int64 of shape"),
        (lambda: PCAFrame(E(3), points=2)(torch.randn(2, 5, 3)), "PCAFrame\\(points\\)=2: there are 1 inputs"),
        (lambda: PCAFrame(E(3), points="pos")({"x": torch.ones(1)}), "no input has a field of that name"),
        (lambda: PCAFrame(E(3))(torch.randn(2, 0, 3)), "has no points"),
        (lambda: PCAFrame(E(3), batch=1)(torch.randn(3, 3), torch.tensor([0, 0, 2])), "graph 1 has no nodes"),
        (lambda: SortFrame(O(3)), "Symmetric"),
        (lambda: SortFrame(Symmetric(3), max_frame=0), "at least 1, got 0"),
        (lambda: SortFrame(Symmetric(3))(torch.randn(3, 2)), "rows of shape .B, n, features., got .3, 2."),
        (lambda: WholeGroup(O(3)), "infinitely many elements"),
        (lambda: WholeGroup(Symmetric(12)), "more than the 50000"),
    ],
)
def test_refusals(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
