"""Invariants of pairs: they do not change, and the complete ones tell all pairs apart that differ."""

import math

import pytest
import torch
from tests.points.solids import randn

from erlangen.groups import SO, O
from erlangen.points import num_invariants, po_invariants
from erlangen.points.invariants import SPACES, safe_norm

DTYPES = [torch.float32, torch.float64]
ALL = [(space, kind) for space, (_, kinds) in SPACES.items() for kind in kinds]


def unit(*shape, seed):
    return torch.nn.functional.normalize(randn(*shape, seed=seed), dim=-1)


def pairs(space, count=40, seed=0):
    """Random pairs: relative positions and orientations (None for points)."""
    dim = SPACES[space][0]
    r = randn(count, dim, seed=seed)
    if space in ("R2", "R3"):
        return r, None, None
    if space == "SE3":
        return r, *(SO(3).sample(count, generator=torch.Generator().manual_seed(seed + k)) for k in (1, 2))
    return r, unit(count, dim, seed=seed + 1), unit(count, dim, seed=seed + 2)


def moved(space, g, r, n, other):
    """The pair after a rotation; translations have left the relative position."""
    act = (lambda v: g @ v) if space == "SE3" else (lambda v: v @ g.mT)
    return r @ g.mT, *(None if v is None else act(v) for v in (n, other))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("space", "kind"), ALL)
def test_they_are_invariant(space, kind, dtype):
    pair = pairs(space)
    found = po_invariants(*(v if v is None else v.to(dtype) for v in pair), space=space, kind=kind)
    assert found.shape == (40, num_invariants(space, kind)) and found.dtype == dtype
    keeps_mirrors = space in ("R2", "R3") or (space == "R3xS2" and kind != "universal-so3")
    group = (O if keeps_mirrors else SO)(SPACES[space][0])
    for g in group.sample(20, generator=torch.Generator().manual_seed(3)):
        again = po_invariants(
            *(v if v is None else v.to(dtype) for v in moved(space, g, *pair)), space=space, kind=kind
        )
        assert (again - found).abs().max() < (1e-12 if dtype == torch.float64 else 1e-5)


def rebuilt(space, kind, a):
    """A pair with given invariants, made of nothing but them."""
    zero, one = torch.zeros(len(a)).double(), torch.ones(len(a)).double()
    if space in ("R2", "R3"):
        return torch.nn.functional.pad(a, (0, SPACES[space][0] - 1)), None, None
    if space == "SE3":
        return a[:, :3], torch.eye(3).double().expand(len(a), 3, 3), a[:, 3:].unflatten(1, (3, 3))
    if space in ("SE2", "R2xS1"):
        other = torch.stack([a[:, 2].cos(), a[:, 2].sin()], -1) if space == "SE2" else a[:, 2:]
        return a[:, :2], torch.stack([one, zero], -1), other
    along, across, cosine, seen = a[:, 0], a[:, 1], a[:, 2], a[:, 3]
    x = (seen - cosine * along) / across
    y = (1 - cosine**2 - x**2).clamp_min(0).sqrt() if kind == "universal" else -a[:, 4] / across
    return (
        torch.stack([across, zero, along], -1),
        torch.stack([zero, zero, one], -1),
        torch.stack([x, y, cosine], -1),
    )


def carried(space, proper, pair, other):
    """How far the best rotation (or reflection) leaves one pair from the other: Kabsch's, pair by pair."""
    columns = lambda v: torch.cat([part.mT if part.ndim == 3 else part[:, None] for part in v if part is not None], 1)
    a, b = columns(pair), columns(other)
    u, _, vh = torch.linalg.svd(b.mT @ a)
    if proper:
        fix = torch.ones(len(a), a.shape[-1]).double()
        fix[:, -1] = torch.linalg.det(u @ vh)
        u = u * fix[:, None]
    return (a @ (u @ vh).mT - b).abs().amax((1, 2))


COMPLETE = [
    ("R2", "ponita", False), ("R3", "ponita", False), ("R2xS1", "complete", True), ("R3xS2", "universal", False),
    ("R3xS2", "universal-so3", True), ("SE2", "ponita", True), ("SE3", "ponita", True),
]  # fmt: skip


@pytest.mark.parametrize(("space", "kind", "proper"), COMPLETE)
def test_the_complete_sets_are_injective_on_orbits(space, kind, proper):
    """From the invariants alone a pair can be built that a group element carries to the one they came from."""
    pair = pairs(space, seed=5)
    a = po_invariants(*pair, space=space, kind=kind)
    again = rebuilt(space, kind, a)
    assert (po_invariants(*again, space=space, kind=kind) - a).abs().max() < 1e-10
    assert carried(space, proper, pair, again).max() < 1e-9


def test_three_numbers_do_not_tell_all_pairs_in_space():
    up, r = torch.tensor([0.0, 0, 1]).double(), torch.tensor([1.0, 0, 2]).double()
    toward, across = (torch.tensor(v).double() for v in ([0.6, 0, 0.8], [0, 0.6, 0.8]))
    first, second = (po_invariants(r, up, n) for n in (toward, across))
    assert torch.equal(first, second)
    pair = lambda n: (r[None], up[None], n[None])
    assert carried("R3xS2", False, pair(toward), pair(across)) > 0.1
    found = [po_invariants(r, up, n, kind="universal") for n in (toward, across)]
    assert (found[0] - found[1]).abs().max() > 0.1


def test_four_numbers_do_not_tell_mirror_images_and_five_do():
    r, n, other = pairs("R3xS2", seed=7)
    mirror = torch.tensor([1.0, 1, -1]).double()
    images = [v * mirror for v in (r, n, other)]
    assert carried("R3xS2", True, (r, n, other), images).min() > 1e-6
    universal, chiral = (
        [po_invariants(*pair, kind=kind) for pair in ((r, n, other), images)] for kind in ("universal", "universal-so3")
    )
    assert (universal[0] - universal[1]).abs().max() < 1e-12
    assert torch.allclose(chiral[0][:, 4], -chiral[1][:, 4]) and chiral[0][:, 4].abs().min() > 1e-6


def test_the_plain_set_of_the_plane_forgets_a_sign():
    r, n = torch.tensor([1.0, 2.0]).double(), torch.tensor([1.0, 0.0]).double()
    left, right = (torch.tensor([math.cos(a), math.sin(a)]).double() for a in (0.7, -0.7))
    plain, complete = (
        [po_invariants(r, n, o, "R2xS1", kind) for o in (left, right)] for kind in ("ponita", "complete")
    )
    assert torch.equal(plain[0], plain[1]) and (complete[0] - complete[1]).abs().max() > 1
    signed = [po_invariants(r, n, o, "SE2")[2] for o in (left, right)]
    assert torch.allclose(torch.stack(signed), torch.tensor([0.7, -0.7]).double())


def test_by_hand():
    r, n, other = torch.tensor([3.0, 4.0, 2.0]), torch.tensor([0.0, 0, 1]), torch.tensor([1.0, 0, 0])
    expected = torch.tensor([2.0, 5.0, 0.0, 3.0, 4.0])
    assert torch.equal(po_invariants(r, n, other, kind="universal-so3"), expected)
    flat = po_invariants(
        torch.tensor([3.0, 4.0]), torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0]), "R2xS1", "complete"
    )
    assert torch.equal(flat, torch.tensor([4.0, -3.0, 0.0, -1.0]))


def test_leading_axes_broadcast():
    r = pairs("R3xS2", 6)[0]
    grid = unit(5, 3, seed=9)
    found = po_invariants(r[:, None, None], grid[:, None], grid, kind="universal-so3")
    assert found.shape == (6, 5, 5, 5)
    assert torch.allclose(found[4, 1, 3], po_invariants(r[4], grid[1], grid[3], kind="universal-so3"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("space", "kind"), [(s, k) for s, k in ALL if s != "SE3"])
def test_derivatives_at_zero_and_along_the_axis_are_finite(space, kind, dtype):
    """Loops have no direction; and a neighbour that lies on the axis of an orientation is not across it."""
    dim = SPACES[space][0]
    axis = torch.nn.functional.normalize(torch.tensor([1.0, 2.0, 3.0][:dim], dtype=dtype), dim=0)
    r = torch.stack([torch.zeros(dim, dtype=dtype), axis, -3 * axis, 1e-20 * axis]).requires_grad_()
    n = None if space in ("R2", "R3") else axis
    found = po_invariants(r, n, n, space=space, kind=kind)
    (slope,) = torch.autograd.grad(found.square().sum() + found.sum(), r, create_graph=True)
    (curve,) = torch.autograd.grad(slope.square().sum(), r)
    assert found.isfinite().all() and slope.isfinite().all() and curve.isfinite().all()
    assert slope.abs().max() < 100 and curve[1:3].abs().max() < 1e4
    if space == "R3xS2":
        assert torch.equal(found[:, 1], torch.zeros(4, dtype=dtype))


def test_gradients():
    r, n, other = pairs("R3xS2", 4, seed=2)
    frame = lambda r: po_invariants(r, n, other, kind="universal-so3")
    assert torch.autograd.gradcheck(frame, r.requires_grad_()) and torch.autograd.gradgradcheck(frame, r)
    assert (safe_norm(r) - torch.linalg.vector_norm(r, dim=-1, keepdim=True)).abs().max() < 1e-15


N3 = torch.tensor([0.0, 0, 1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.ones(3), N3, N3, "S2"), r"\(space\): one of R2, R3, .*, got 'S2'"),
        ((torch.ones(3), N3, N3, "R3xS2", "complete"), r"\(kind\): for R3xS2 one of ponita, universal"),
        ((torch.ones(2), N3, N3), r"\(rel_pos\): shape \(..., 3\) for R3xS2, got \(2,\)"),
        ((torch.ones(3), N3, None, "R3"), r"points of R3 have no orientation"),
        ((torch.ones(3), None, N3), r"\(ori_recv\): shape \(..., 3\), got None"),
        ((torch.ones(3), N3, None), r"\(ori_send\)"),
        ((torch.ones(3), 2 * N3, N3), r"\(ori_recv\): unit vectors, got others"),
        ((torch.ones(3).half(), 1.02 * N3.half(), N3.half()), r"\(ori_recv\): unit vectors, got others"),
        ((torch.ones(3), N3, N3 * math.nan), r"\(ori_send\): unit vectors"),
        ((torch.ones(3), N3, N3, "SE3"), r"\(ori_recv\): shape \(..., 3, 3\), got \(3,\)"),
        ((torch.ones(3), -torch.eye(3), torch.eye(3), "SE3"), r"\(ori_recv\): rotation matrices"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        po_invariants(*arguments)
