"""Layers on parts: exact under independent motions, also of degenerate parts; against averaging each part alone."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from erlangen.groups import SE, E, Points, Symmetry, Vector
from erlangen.points import (
    Partition,
    PartPointNet,
    PiecewiseEquivariant,
    degenerate_cells,
    move_parts,
    piecewise_equivariance_error,
    voronoi_partition,
)
from erlangen.symmetrize import PCAFrame, symmetrize

GROUPS = [E(3), SE(3), E(2), SE(2)]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def layer(group=E(3), in_scalar=2, in_vector=1, out_scalar=4, out_vector=2, seed=0):
    d = group.n
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = PartPointNet(in_scalar, d * (1 + in_vector), 8, out_scalar + d * out_vector, d)
        return PiecewiseEquivariant(net, out_scalar, out_vector, group).double()


def general(d=3, seed=0, parts=4):
    """Parts of five or more points in general position, in two clouds."""
    rng = seeded(seed)
    batch = torch.arange(2).repeat_interleave(6 * parts)
    part = Partition.from_labels(torch.cat([torch.arange(6 * parts) % parts] * 2), batch)
    n = len(batch)
    x, pos = torch.randn(n, 2, generator=rng).double(), torch.randn(n, d, generator=rng).double()
    return x, pos, part, torch.randn(n, 1, d, generator=rng).double()


def degenerate(d):
    """A cube, a line, a pair, points that coincide, one alone, a regular simplex, a square in space, a cube and its
    centre, and a pyramid, whose tip lies on its axis."""
    eye, corners = torch.eye(d), torch.tensor(list(itertools.product([-1.0, 1.0], repeat=d)))
    square = torch.cat([torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]), torch.zeros(4, d - 2)], 1)
    line = torch.arange(5.0)[:, None] * torch.ones(d)
    centre, tip = torch.cat([corners, torch.zeros(1, d)]), torch.full((1, d), 0.5)
    tip[:, 2:] = 1.3
    return [corners, line, eye[:2], torch.full((3, d), 0.1), eye[:1], eye, square, centre, torch.cat([square, tip])]


@torch.no_grad()
def moved_apart(net, x, pos, part, vec, g):
    """Outputs for moved inputs, less moved outputs."""
    turn = net.group.matrix(g)[part.cell]
    before = net(x, pos, part, vec)
    after = net(x, move_parts(pos, part, g, net.group), part, None if vec is None else vec @ turn.mT)
    return after.scalar - before.scalar, after.vector - before.vector @ turn.mT


@pytest.mark.parametrize("group", GROUPS, ids=str)
@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_independent_motions_of_the_parts(group, seed):
    x, pos, part, vec = general(group.n, seed)
    errors = moved_apart(layer(group), x, pos, part, vec, group.sample(part.num_cells, generator=seeded(seed)))
    assert max(float(error.abs().max()) for error in errors) < 1e-9


@pytest.mark.parametrize("group", GROUPS, ids=str)
@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_degenerate_parts(group, seed):
    clouds, rng = degenerate(group.n), seeded(seed)
    part = Partition.of(torch.arange(len(clouds)).repeat_interleave(torch.tensor([len(c) for c in clouds])))
    # Turned and shifted first: what is arbitrary must not happen to be right.
    pos = move_parts(torch.cat(clouds).double(), part, group.sample(part.num_cells, generator=rng), group)
    x, vec = torch.randn(len(pos), 2, generator=rng).double(), torch.randn(len(pos), 1, group.n, generator=rng).double()
    errors = moved_apart(layer(group), x, pos, part, vec, group.sample(part.num_cells, generator=rng))
    assert max(float(error.abs().max()) for error in errors) < 1e-9


def test_degenerate_parts_are_counted():
    clouds = degenerate(3)
    part = Partition.of(torch.arange(len(clouds)).repeat_interleave(torch.tensor([len(c) for c in clouds])))
    found = degenerate_cells(torch.cat(clouds), part)
    assert found.few.tolist() == [False, False, True, True, True, True, False, False, False]
    assert found.flat.tolist() == [False, True, True, True, True, True, True, False, False]
    assert found.symmetric.tolist() == [True, False, False, False, False, True, True, True, True]
    assert not any(bool(kind.any()) for kind in degenerate_cells(*general()[1:3]))


def test_symmetric_parts_tell_their_points_apart():
    """A square: its corners are alike and their vectors lie on the diagonals; a rectangle is something else."""
    square = torch.tensor([[0.0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]).double()
    part = Partition.of(torch.tensor([0] * 4 + [1] * 4))
    net = layer(in_scalar=0, in_vector=0)
    out = net(None, torch.cat([square, square * torch.tensor([1.2, 0.8, 1]).double()]), part)
    torch.testing.assert_close(out.scalar[:4], out.scalar[:1].expand(4, -1))
    assert (out.scalar[0] - out.scalar[4]).abs().max() > 1e-3
    # Vectors of a corner point along its diagonal.
    along = torch.nn.functional.normalize(square - square.mean(0), dim=1)
    across = out.vector[:4] - (out.vector[:4] @ along[..., None]) * along[:, None]
    assert across.abs().max() < 1e-12 and out.vector[:4].abs().max() > 1e-3


def test_motions_of_coarser_parts_and_not_of_finer_ones():
    x, pos, coarse, vec = general(parts=2)
    fine = Partition.from_labels(_split(coarse), coarse.batch)
    assert fine.refines(coarse).all() and not coarse.refines(fine).any()
    net, rng = layer(), seeded()
    g = E(3).sample(coarse.num_cells, generator=rng)
    errors = _errors(net, x, pos, fine, coarse, vec, g)
    assert max(float(error.abs().max()) for error in errors) < 1e-9
    g = E(3).sample(fine.num_cells, generator=rng)
    assert _errors(net, x, pos, coarse, fine, vec, g)[0].abs().max() > 1e-2


def _split(part):
    rank = torch.stack([(part.cell[:i] == part.cell[i]).sum() for i in range(len(part.cell))])
    return 2 * part.index + rank % 2


@torch.no_grad()
def _errors(net, x, pos, used, moving, vec, g):
    """Motions of one partition, seen by a layer that works with another."""
    turn = E(3).matrix(g)[moving.cell]
    before, after = net(x, pos, used, vec), net(x, move_parts(pos, moving, g), used, vec @ turn.mT)
    return after.scalar - before.scalar, after.vector - before.vector @ turn.mT


class _Alone(torch.nn.Module):
    """The backbone on one cloud at a time, as `symmetrize` calls it."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, pos):
        count, n = pos.shape[:2]
        cell = torch.arange(count).repeat_interleave(n)
        flat = pos.flatten(0, 1)
        return self.net(flat.new_zeros(len(flat), 0), flat[None], cell, count)[0].unflatten(0, (count, n))


@pytest.mark.parametrize("group", GROUPS, ids=str)
def test_it_equals_frame_averaging_of_each_part(group):
    """Against the wrapper of the library, which moves coordinates where this layer changes signs."""
    _, pos, part, _ = general(group.n)
    net = layer(group, 0, 0, out_scalar=0, out_vector=1)
    kept = Symmetry(group, (Points(group),), Vector(group))
    alone = symmetrize(_Alone(net.backbone), kept, PCAFrame(group))
    out = net(None, pos, part).vector[:, 0]
    for cell in range(part.num_cells):
        rows = part.cell == cell
        torch.testing.assert_close(out[rows], alone(pos[rows][None])[0])


def test_every_point_alone():
    _, pos, part, _ = general()
    net = layer(in_scalar=0, in_vector=0)
    out = net(None, pos, voronoi_partition(pos, 24, part.batch))
    torch.testing.assert_close(out.scalar, out.scalar[:1].expand_as(out.scalar))
    assert out.vector.abs().max() < 1e-12


def test_order_of_points_and_of_parts():
    x, pos, part, vec = general()
    net, order = layer(), torch.randperm(24)
    order = torch.cat([order, 24 + torch.randperm(24)])
    out = net(x, pos, part, vec)
    other = net(x[order], pos[order], (7 - part.cell)[order], vec[order])
    torch.testing.assert_close(other.scalar, out.scalar[order])
    torch.testing.assert_close(other.vector, out.vector[order])


def test_gradients_and_no_points():
    x, pos, part, vec = (v.requires_grad_() if isinstance(v, torch.Tensor) else v for v in general())
    net = layer()
    out = net(x, pos, part, vec)
    (out.scalar.sum() + out.vector.square().sum()).backward()
    assert all(v.grad.isfinite().all() and v.grad.abs().max() > 0 for v in (x, pos, vec))
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    empty = net(torch.zeros(0, 2).double(), torch.zeros(0, 3).double(), torch.zeros(0, dtype=torch.long), vec[:0])
    assert empty.scalar.shape == (0, 4) and empty.vector.shape == (0, 2, 3)


def test_float32_far_from_the_origin():
    x, pos, part, vec = (v.float() if isinstance(v, torch.Tensor) else v for v in general())
    net = layer().float()
    far = move_parts(pos.double(), part, E(3).pack(torch.eye(3).expand(8, 3, 3), torch.full((8, 3), 64.0).double()))
    out = net(x, (far.float() - 64).float(), part, vec)
    other = net(x, far.float(), part, vec)
    assert (out.scalar - other.scalar).abs().max() < 1e-5 and out.scalar.dtype == torch.float32


def test_the_error_measure_finds_what_is_wrong():
    x, pos, part, _ = general()
    net = layer(in_vector=0)
    kept = piecewise_equivariance_error(lambda p: net(x, p, part), pos, part, 5, generator=seeded())
    assert kept.shape == (5,) and kept.max() < 1e-9
    # One vector for each point needs no axis of its own.
    first = piecewise_equivariance_error(
        lambda p: (net(x, p, part).scalar, net(x, p, part).vector[:, 0]), pos, part, 5, generator=seeded()
    )
    assert first.max() < 1e-9
    broken = piecewise_equivariance_error(
        lambda p: net(x, p, Partition.whole(part.batch)), pos, part, 5, generator=seeded()
    )
    assert broken.min() > 1e-2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PiecewiseEquivariant(torch.nn.Identity(), 4, 1, E(4)), "d 2 or 3, got E"),
        (lambda: PiecewiseEquivariant(torch.nn.Identity(), 0, 0), "at least one output, got 0, 0"),
        (lambda: PartPointNet(0, 4, 8, 3), "a multiple of 3, got 4"),
        (lambda: PartPointNet(-1, 3, 8, 3), "in_scalar.*from 0, got"),
        (lambda: layer(E(2))(None, torch.randn(4, 3).double(), torch.zeros(4, dtype=torch.long)), r"got \(4, 3\)"),
        (
            lambda: layer()(None, torch.randn(4, 3).double(), torch.zeros(4, dtype=torch.long)),
            r"\(x\): shape \(4, 2\), got None",
        ),
        (
            lambda: layer(in_scalar=0, in_vector=0)(None, torch.full((1, 3), torch.nan), torch.tensor([0])),
            r"PiecewiseEquivariant\(pos\): holds NaN",
        ),
        (lambda: layer(in_scalar=0, in_vector=0)(None, torch.randn(1, 3), torch.tensor([-1])), "from 0, got -1"),
        (lambda: layer(in_scalar=0, in_vector=0)(None, torch.randn(1, 3), torch.tensor([1])), "graph 0 has no nodes"),
        (lambda: move_parts(torch.randn(2, 3), Partition.of(torch.tensor([0, 1])), E(3).sample(3)), "2 parts, got 3"),
    ],
)
def test_errors_name_what_they_got(call, message):
    with pytest.raises(ValueError, match=message):
        call()
