"""PONITA: what it promises, to rounding; what it computes, against the formulas written down plainly."""

import copy
import math
import warnings

import pytest
import torch
from tests.points.solids import randn, rotations_of
from torch import nn

from erlangen.audit import audit
from erlangen.groups import SE, SO, E
from erlangen.neighbours import radius_graph
from erlangen.points import PONITA, orientation_grid
from erlangen.points.flat import all_pairs
from erlangen.points.orientations import SOLIDS
from erlangen.points.spaces import GridSpace

DTYPES = [torch.float32, torch.float64]


def network(dtype=torch.float64, seed=0, **changes):
    torch.manual_seed(seed)
    settings = {"in_scalar": 2, "hidden": 16, "out_scalar": 2, "num_layers": 2, "num_ori": 12, "task": "node"} | changes
    if settings["num_ori"] != 0:
        settings = {"in_vector": 1, "out_vector": 2} | settings
    return PONITA(**settings).to(dtype).eval()


def cloud(net, nodes=6, seed=0, dtype=torch.float64):
    vec = randn(nodes, net.in_vector, net.dim, seed=seed + 2, dtype=dtype) if net.in_vector else None
    x = randn(nodes, net.in_scalar, seed=seed, dtype=dtype) if net.in_scalar else None
    return x, randn(nodes, net.dim, seed=seed + 1, dtype=dtype), vec


def gaps(net, x, pos, vec, rotation, shift):
    """Errors of scalars and vectors, relative to their root mean square."""
    rotation, shift = rotation.to(pos.dtype), shift.to(pos.dtype)
    with torch.no_grad():
        still = net(x, pos, vec=vec)
        moved = net(x, pos @ rotation.T + shift, vec=None if vec is None else vec @ rotation.T)
    found = [(moved.scalar - still.scalar) / still.scalar.square().mean().sqrt()]
    if still.vector is not None:
        found.append((moved.vector - still.vector @ rotation.T) / still.vector.square().mean().sqrt())
    return [float(f.abs().max()) for f in found]


# ---------------------------------------------------------------- symmetry


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "changes",
    [
        {"num_ori": 0},
        {"num_ori": 0, "dim": 2},
        {"num_ori": -1},
        {"num_ori": -1, "invariants": "universal"},
        {"num_ori": -1, "invariants": "universal-so3"},
        {"num_ori": -1, "dim": 2},
        {"num_ori": -1, "dim": 2, "invariants": "complete"},
        {"num_ori": -1, "radius": 4.0},
    ],
)
def test_points_and_edges_are_exact_under_all_motions(changes, dtype):
    net = network(dtype, **changes)
    chiral = net.num_ori and (net.dim == 2 or net.invariants == "universal-so3")
    group = (SE if chiral else E)(net.dim)
    assert net.symmetry.kind == "exact" and net.symmetry.group.factors[-1] == group
    inputs = cloud(net, dtype=dtype)
    for g in group.sample(20, generator=torch.Generator().manual_seed(0)):
        assert max(gaps(net, *inputs, group.matrix(g), group.translation(g))) < (
            1e-9 if dtype == torch.float64 else 1e-4
        )


@pytest.mark.parametrize("kind", SOLIDS)
def test_grids_of_solids_are_exact_under_their_rotations(kind):
    net = network(num_ori=SOLIDS[kind], grid=kind)
    inputs, rotations = cloud(net), rotations_of(orientation_grid(SOLIDS[kind], kind=kind))
    for k, rotation in enumerate(rotations):
        assert max(gaps(net, *inputs, rotation, randn(3, seed=k))) < 1e-11
    generic = SO(3).sample(generator=torch.Generator().manual_seed(0))
    assert max(gaps(net, *inputs, generic, torch.zeros(3))) > 1e-3


def test_grids_that_are_not_separable_are_exact_too():
    for invariants in ("ponita", "universal", "universal-so3"):
        net = network(num_ori=12, grid="icosahedron", separable=False, invariants=invariants)
        for rotation in rotations_of(orientation_grid(12, kind="icosahedron"))[::7]:
            assert max(gaps(net, *cloud(net), rotation, randn(3))) < 1e-11


@pytest.mark.parametrize("invariants", ["ponita", "complete"])
@pytest.mark.parametrize("num_ori", [3, 8])
def test_angles_are_exact_under_their_turns(num_ori, invariants):
    net = network(dim=2, num_ori=num_ori, invariants=invariants)
    for k in range(num_ori):
        angle = torch.tensor(2 * math.pi * k / num_ori, dtype=torch.float64)
        turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
        assert max(gaps(net, *cloud(net), turn, randn(2, seed=k))) < 1e-11


def test_finer_grids_err_less():
    """Untrained; means over networks and rotations. From 20 to 80 orientations errors fall to a third or less."""
    found = {}
    for number in (20, 80):
        errors = []
        for seed in range(4):
            net = network(seed=seed, hidden=32, num_layers=3, num_ori=number)
            x, pos, vec = cloud(net, seed=10 * seed)
            with torch.no_grad():
                still = net(x, pos, vec=vec)
                for g in SO(3).sample(4, generator=torch.Generator().manual_seed(seed)):
                    moved = net(x, pos @ g.T, vec=vec @ g.T)
                    pairs = ((moved.scalar, still.scalar), (moved.vector, still.vector @ g.T))
                    errors.append([float((a - b).norm() / b.norm()) for a, b in pairs])
        found[number] = torch.tensor(errors).mean(0)
    assert (found[20] > 3 * found[80]).all() and (found[20] < 1).all(), found


def test_what_a_grid_promises():
    """Translations and what keeps the grid exactly, all motions nearly: as audited, each by itself."""
    for changes, verdicts in (
        ({"num_ori": 6, "grid": "octahedron"}, ["exact", "exact", "approximate"]),
        ({"num_ori": 8, "dim": 2, "invariants": "complete"}, ["exact", "exact", "approximate"]),
        ({"num_ori": 20}, ["exact", "approximate"]),
    ):
        net = network(torch.float32, hidden=4, in_vector=0, out_vector=1, **changes)
        batch = torch.arange(3).repeat_interleave(4)
        inputs = randn(12, 2).float(), randn(12, net.dim, seed=1).float(), all_pairs(batch), batch
        assert [p.kind for p in net.symmetry] == verdicts
        assert [audit(net, *inputs, symmetry=p, num_elements=4).verdict for p in net.symmetry] == verdicts


def test_what_sees_mirror_images():
    """A chiral cloud and its image: the plain set is blind in space, and not in the plane."""
    mirror = torch.diag(torch.tensor([1.0, 1.0, -1.0])).double()
    for changes in ({"num_ori": -1}, {"num_ori": -1, "invariants": "universal"}, {"num_ori": 8, "grid": "cube"}):
        net = network(**changes)
        assert max(gaps(net, *cloud(net), mirror, torch.zeros(3))) < 1e-10
    chiral = network(num_ori=-1, invariants="universal-so3")
    assert max(gaps(chiral, *cloud(chiral), mirror, torch.zeros(3))) > 1e-4
    flat = network(dim=2, num_ori=8)
    assert max(gaps(flat, *cloud(flat), torch.diag(torch.tensor([1.0, -1.0])).double(), torch.zeros(2))) > 1e-4


@pytest.mark.parametrize(
    "changes", [{"num_ori": 12}, {"num_ori": 0}, {"num_ori": -1}, {"num_ori": 6, "separable": False}]
)
def test_order_and_company_do_not_matter(changes):
    net = network(**changes)
    graph = network(task="graph", **changes)
    clouds = [cloud(net, nodes, seed) for nodes, seed in ((5, 0), (3, 20), (4, 40))]
    batch = torch.tensor([0] * 5 + [1] * 3 + [2] * 4)
    together = [None if parts[0] is None else torch.cat(parts) for parts in zip(*clouds, strict=True)]
    for n, rows in ((net, batch), (graph, torch.arange(3))):
        whole = n(together[0], together[1], batch=batch, vec=together[2])
        for k, (x, pos, vec) in enumerate(clouds):
            alone = n(x, pos, vec=vec)
            for a, b in zip(whole, alone, strict=True):
                assert (a is None and b is None) or (a[rows == k] - b).abs().max() < 1e-10
    x, pos, vec = clouds[0]
    order = torch.tensor([3, 1, 4, 0, 2])
    found, expected = net(x[order], pos[order], vec=None if vec is None else vec[order]), net(x, pos, vec=vec)
    for a, b in zip(found, expected, strict=True):
        assert (a is None and b is None) or (a - b[order]).abs().max() < 1e-10


# ---------------------------------------------------------------- the function


def plainly(net, x, pos, vec, pairs=None):
    """The network with a grid on one cloud, with loops of Python over layers and edges, by default all pairs."""
    pairs = [(j, i) for i in range(len(pos)) for j in range(len(pos)) if i != j] if pairs is None else pairs
    grid = net.space.grid.to(pos.dtype)
    gelu = lambda t: t * (1 + torch.erf(t / math.sqrt(2))) / 2

    def basis(layers, a):
        powers = [a, torch.einsum("...i,...j->...ij", a, a).flatten(-2)]
        powers.append(torch.einsum("...i,...j->...ij", powers[1], a).flatten(-2))
        first, second = layers[1], layers[3]
        hidden = gelu(torch.cat(powers, -1) @ first.weight.T + first.bias)
        return gelu(hidden @ second.weight.T + second.bias)

    fiber_basis = basis(net.fiber_basis, (grid @ grid.T)[..., None])
    h = torch.cat([x[:, None].expand(-1, len(grid), -1), grid @ vec.mT], -1)
    h = h @ net.embedding.weight.T
    found = []
    for block, readout in zip(net.blocks, net.readouts, strict=True):
        conv, z = block.conv, torch.zeros_like(h)
        for j, i in [*pairs, *((i, i) for i in range(len(pos)) if (i, i) not in pairs)]:
            r = pos[j] - pos[i]
            along = grid @ r
            if net.dim == 2:
                across = grid[:, 0] * r[1] - grid[:, 1] * r[0]
            else:
                across = (r.square().sum() - along.square()).clamp_min(0).sqrt() if i != j else 0 * along
            kernel = basis(net.basis, torch.stack([along, across], -1)) @ conv.kernel.weight.T
            if net.radius is not None:
                u = min(float(r.norm()) / net.radius, 1.0)
                kernel = kernel * (1 - 28 * u**6 + 48 * u**7 - 21 * u**8)
            z[i] = z[i] + kernel * h[j]
        y = torch.einsum("poc,noc->npc", fiber_basis @ conv.fiber_kernel.weight.T, z) / len(grid) + conv.bias
        y = torch.nn.functional.layer_norm(y, y.shape[-1:], block.norm.weight, block.norm.bias)
        wide, back = block.mix[0], block.mix[2]
        h = h + gelu(y @ wide.weight.T + wide.bias) @ back.weight.T + back.bias
        found.append(h @ readout.weight.T + readout.bias)
    values = sum(found) / len(found)
    vector = torch.einsum("nov,od->nvd", values[..., net.out_scalar :], grid) / len(grid)
    return values[..., : net.out_scalar].mean(1), vector


@pytest.mark.parametrize(
    "changes",
    [
        {"num_ori": 7},
        {"num_ori": 7, "radius": 2.0},
        {"num_ori": 6, "grid": "octahedron"},
        {"num_ori": 12, "grid": "icosahedron", "radius": 2.0},
        {"num_ori": 4, "grid": "tetrahedron"},
        {"num_ori": 6, "dim": 2},
        {"num_ori": 5, "dim": 2},
    ],
)
def test_it_is_the_function_of_the_formulas(changes):
    """All pairs, where reverse edges share their kernels; edges without reverse; edges and loops that come twice."""
    net = network(**changes)
    x, pos, vec = cloud(net, 4)
    one_way = [(0, 1), (1, 2), (2, 1), (3, 0)]
    twice = [(0, 1), (1, 0), (0, 1), (1, 0), (2, 2), (2, 2), (3, 3)]
    for pairs in (None, one_way, twice):
        edge_index = None if pairs is None else torch.tensor(pairs).T.contiguous()
        if edge_index is None and net.radius is not None:
            edge_index = all_pairs(torch.zeros(4, dtype=torch.long))
        expected = plainly(net, x, pos, vec, pairs)
        for found, want in zip(net(x, pos, edge_index, vec=vec), expected, strict=True):
            assert (found - want).abs().max() < 1e-12
        with torch.no_grad():
            single = network(torch.float32, **changes)(x.float(), pos.float(), edge_index, vec=vec.float())
        assert (single.scalar - expected[0]).abs().max() < 1e-4


def test_distances_are_the_same_both_ways():
    net, attr = network(num_ori=0), network(num_ori=0, in_edge=1)
    x, pos, _ = cloud(net, 5)
    edge_index = torch.tensor([[0, 1, 1, 2, 3, 4, 0], [1, 0, 2, 1, 4, 3, 0]])
    # An attribute that no weight reads keeps the edges apart, and changes nothing.
    with torch.no_grad():
        for name, p in attr.named_parameters():
            if name != "basis.1.weight":
                p.copy_(net.get_parameter(name))
        attr.basis[1].weight.zero_()
        for k, column in enumerate((0, 2, 6)):  # d, d d, d d d among the products of d and the attribute
            attr.basis[1].weight[:, column] = net.basis[1].weight[:, k]
    found = attr(x, pos, edge_index, edge_attr=torch.ones(7, 1).double()).scalar
    assert (net(x, pos, edge_index).scalar - found).abs().max() < 1e-13


def test_number_of_parameters():
    net = PONITA(9, 128, 1, 5, basis_dim=256)
    assert sum(p.numel() for p in net.parameters()) == 1_058_437


@pytest.mark.parametrize(
    ("dim", "number", "kind"), [(3, n, k) for k, n in SOLIDS.items()] + [(2, 3, None), (2, 8, None)]
)
def test_vectors_lifted_and_read_shrink_by_the_dimension(dim, number, kind):
    space = GridSpace(orientation_grid(number, dim, kind), "ponita", True)
    vec, pos, none = randn(4, 2, dim), randn(4, dim), torch.zeros(4, 0).double()
    edges = torch.zeros(2, 0, dtype=torch.long)
    lift = space.lift(none, pos, vec, edges, None)
    _, back = space.read(lift.features, lift, 0, 4)
    assert (back - vec / dim).abs().max() < 1e-12


@pytest.mark.parametrize("changes", [{"num_ori": 12}, {"num_ori": 0}, {"num_ori": -1}])
def test_loops_are_there_whether_given_or_not(changes):
    net = network(**changes)
    x, pos, vec = cloud(net, 4)
    pairs = all_pairs(torch.zeros(4, dtype=torch.long))
    loops = torch.arange(4).expand(2, -1)
    expected = net(x, pos, vec=vec).scalar
    for edge_index in (pairs, torch.cat([pairs, loops], 1), torch.cat([loops[:, 1:3], pairs], 1)):
        assert (net(x, pos, edge_index, vec=vec).scalar - expected).abs().max() < 1e-13


@pytest.mark.parametrize("num_ori", [12, 0, -1])
def test_the_radius_says_who_is_a_neighbour(num_ori):
    net = network(num_ori=num_ori, radius=2.5)
    x, pos, vec = cloud(net, 8)
    expected = net(x, pos, vec=vec).scalar
    assert (net(x, pos, radius_graph(pos, 2.5), vec=vec).scalar - expected).abs().max() < 1e-13
    assert radius_graph(pos, 2.5).shape[1] < 56
    if num_ori >= 0:  # edges beyond have a kernel of zero; lifted, they would still be orientations
        pairs = all_pairs(torch.zeros(8, dtype=torch.long))
        assert (net(x, pos, pairs, vec=vec).scalar - expected).abs().max() < 1e-13


def test_edges_have_attributes():
    for num_ori in (12, 0, -1):
        net = network(num_ori=num_ori, in_edge=2)
        x, pos, vec = cloud(net, 4)
        edge_index = all_pairs(torch.zeros(4, dtype=torch.long))
        attr = randn(12, 2, seed=5)
        found = net(x, pos, edge_index, vec=vec, edge_attr=attr).scalar
        order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
        again = net(x, pos, edge_index[:, order], vec=vec, edge_attr=attr[order]).scalar
        assert (found - again).abs().max() < 1e-13
        changed = attr.clone()
        changed[0] += 1
        other = net(x, pos, edge_index, vec=vec, edge_attr=changed).scalar
        assert (found - other).abs().max() > 1e-8
        loops = torch.cat([edge_index, torch.arange(4).expand(2, -1)], 1)
        padded = torch.cat([attr, torch.zeros(4, 2).double()])
        assert (net(x, pos, loops, vec=vec, edge_attr=padded).scalar - found).abs().max() < 1e-13
        padded[-1] += 1
        assert (net(x, pos, loops, vec=vec, edge_attr=padded).scalar - found).abs().max() > 1e-8


@pytest.mark.parametrize(
    "changes", [{"multiple_readouts": False}, {"layer_scale": 1e-6}, {"degree": 2}, {"basis_dim": 5}]
)
def test_options_change_the_function(changes):
    net, plain = network(**changes), network()
    x, pos, vec = cloud(net)
    assert (net(x, pos, vec=vec).scalar - plain(x, pos, vec=vec).scalar).abs().max() > 1e-6
    if "layer_scale" in changes:
        plain.blocks = torch.nn.ModuleList(torch.nn.Identity() for _ in plain.blocks)
        h = net.embedding(net.space.lift(x, pos, vec, torch.zeros(2, 0).long(), None).features)
        values = sum(readout(h) for readout in net.readouts) / 2
        assert (net(x, pos, vec=vec).scalar - values[..., :2].mean(1)).abs().max() < 1e-4


def test_without_inputs_every_point_has_a_one():
    net = network(in_scalar=0, in_vector=0)
    pos = cloud(net)[1]
    one = network(in_scalar=1, in_vector=0)
    assert torch.equal(net(None, pos).scalar, one(torch.ones(6, 1).double(), pos).scalar)


# ---------------------------------------------------------------- forces


@pytest.mark.parametrize("changes", [{"num_ori": 12}, {"num_ori": 0}, {"num_ori": -1}, {"num_ori": 6, "radius": 2.0}])
def test_forces(changes):
    """Minus the gradient, as finite differences have it; and forces can be trained on, loops or not."""
    net = network(in_vector=0, out_vector=0, out_scalar=1, task="graph", **changes)
    x, pos, _ = cloud(net, 5)
    energy = lambda p: net(x, p).scalar[0, 0]
    pos.requires_grad_()
    (slope,) = torch.autograd.grad(energy(pos), pos, create_graph=True)
    with torch.no_grad():
        for i, a in ((0, 0), (3, 2), (4, 1)):
            step = torch.zeros_like(pos)
            step[i, a] = 1e-5
            difference = (energy(pos + step) - energy(pos - step)) / 2e-5
            assert abs(float(difference - slope[i, a].detach())) < 1e-6 * max(1, float(slope.detach().abs().max()))
    slope.square().sum().backward()
    assert pos.grad.isfinite().all() and all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())
    force = -slope.detach()
    assert force.sum(0).abs().max() < 1e-8
    torque = torch.linalg.cross(pos.detach(), force).sum(0).abs().max()
    assert torque < 1e-8 if net.num_ori <= 0 else torque > 1e-6


def test_second_derivatives():
    net = network(hidden=4, num_ori=4, grid="tetrahedron", in_vector=0, out_vector=0)
    x, pos, _ = cloud(net, 3)
    assert torch.autograd.gradgradcheck(lambda p: net(x, p).scalar.sum(), pos.requires_grad_(), atol=1e-6)


def test_forces_with_neighbours_on_the_axes_of_the_grid():
    """An octahedron of atoms sits exactly on the directions of the grid."""
    net = network(num_ori=6, grid="octahedron", in_vector=0, out_vector=0, task="graph")
    pos = torch.cat([torch.zeros(1, 3).double(), 1.3 * orientation_grid(6, kind="octahedron")]).requires_grad_()
    (slope,) = torch.autograd.grad(net(randn(7, 2), pos).scalar.sum(), pos, create_graph=True)
    (curve,) = torch.autograd.grad(slope.square().sum(), pos)
    assert slope.isfinite().all() and curve.isfinite().all() and curve.abs().max() < 1e4


# ---------------------------------------------------------------- calibration


def spreads(net, x, pos, vec):
    """Of the features before each convolution, and after each of its steps."""
    found = []

    def watched(steps):
        def call(x, *others):
            result = steps(x, *others)
            found.extend(float(v.detach().std()) for v in (x, *result))
            return result

        return call

    for block in net.blocks:
        block.conv.steps = watched(block.conv.steps)
    net(x, pos, vec=vec)
    for block in net.blocks:
        del block.conv.steps
    return found


@pytest.mark.parametrize(
    "changes", [{"num_ori": 12}, {"num_ori": 0}, {"num_ori": -1}, {"num_ori": 6, "separable": False}]
)
def test_calibration_keeps_the_spread_through_every_step(changes):
    net = network(**changes)
    inputs = cloud(net)
    before = spreads(net, *inputs)
    net.train()
    loss = net(inputs[0], inputs[1], vec=inputs[2]).scalar.sum()
    loss.backward()
    assert bool(net.calibrated)
    after, steps = spreads(net, *inputs), len(before) // 2
    for layer in (after[:steps], after[steps:]):
        assert max(abs(s / layer[0] - 1) for s in layer) < 1e-10
    assert max(abs(s / before[0] - 1) for s in before[1:steps]) > 0.1
    weights = [p.detach().clone() for p in net.parameters()]
    net(randn(6, 2, seed=9), *inputs[1:2], vec=inputs[2])
    assert all(torch.equal(a, b) for a, b in zip(weights, net.parameters(), strict=True))


def test_kernels_of_orientations_do_not_start_constant():
    """Else a layer deletes what orientations know; measured against what one would see with biases as torch draws them.

    Vectors that point anywhere: how much of the spread of features is within a point, between its orientations.
    """

    def within(net):
        inputs = cloud(net, 8)
        x = net.embedding(net.space.lift(inputs[0], inputs[1], inputs[2], torch.arange(8).expand(2, -1), None).features)
        basis = net.fiber_basis(net.space.lift(*inputs, torch.arange(8).expand(2, -1), None).fiber)
        found = [torch.einsum("poc,noc->npc", conv.fiber_kernel(basis), x) for _, conv in net._layers()]
        return min(float(y.var(1).mean() / y.flatten(0, 1).var(0).mean()) for y in found)

    net, drawn = network(in_scalar=1), network(in_scalar=1)
    for layer in drawn.fiber_basis:
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    with torch.no_grad():
        assert within(net) > 5 * within(drawn)


def test_calibration_happens_in_training_only_and_where_asked():
    net = network()
    x, pos, vec = cloud(net)
    weights = [p.detach().clone() for p in net.parameters()]
    net(x, pos, vec=vec)
    assert not bool(net.calibrated)
    off = network(calibrate=False).train()
    off(x, pos, vec=vec)
    assert not bool(off.calibrated)
    assert all(torch.equal(a, b) for n in (net, off) for a, b in zip(weights, n.parameters(), strict=True))
    net.train()(x, pos, vec=vec)
    again = network(seed=1)
    again.load_state_dict(net.state_dict())
    again.train()(x, pos, vec=vec)
    assert bool(again.calibrated)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))


def test_calibration_waits_where_it_has_no_meaning():
    for net, inputs in (
        (network(num_ori=0), (randn(1, 2), randn(1, 3), None)),  # one place
        (network(hidden=1, num_ori=0, in_scalar=1), (torch.ones(3, 1).double(), randn(3, 3), None)),  # no spread
        (network(), (randn(0, 2), randn(0, 3), randn(0, 1, 3))),
    ):
        weights = [p.detach().clone() for p in net.parameters()]
        out = net.train()(inputs[0], inputs[1], vec=inputs[2])
        assert not bool(net.calibrated) and out.scalar.isfinite().all()
        assert all(torch.equal(a, b) for a, b in zip(weights, net.parameters(), strict=True))


def test_calibration_is_the_same_in_all_processes(monkeypatch):
    """Variances are averaged over processes: here over this one and one that has seen features twice as large."""
    net, alone = network(), network()
    x, pos, vec = cloud(net)
    alone.train()(x, pos, vec=vec)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda v: v.mul_(5))
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    net.train()(x, pos, vec=vec)
    pairs = zip(net.parameters(), alone.parameters(), strict=True)
    assert all(torch.allclose(a, b, rtol=1e-12) for a, b in pairs) and bool(net.calibrated)


# ---------------------------------------------------------------- storage, precision, training


def test_state_dict_there_and_back():
    net = network(num_ori=10, grid="repulsion", generator=torch.Generator().manual_seed(3))
    x, pos, vec = cloud(net)
    net.train()(x, pos, vec=vec)
    net.eval()
    other = network(seed=5, num_ori=10, grid="repulsion", generator=torch.Generator().manual_seed(4))
    assert not torch.equal(net.space.grid, other.space.grid)
    other.load_state_dict(net.state_dict())
    for a, b in zip(net(x, pos, vec=vec), other(x, pos, vec=vec), strict=True):
        assert torch.equal(a, b)


def test_the_grid_stays_exact_through_float32():
    net = network(torch.float32, num_ori=12, grid="icosahedron")
    assert net.space.grid.dtype == torch.float64
    net = net.double()
    assert torch.equal(net.space.grid, orientation_grid(12, kind="icosahedron"))
    rotation = rotations_of(net.space.grid)[17]
    assert max(gaps(net, *cloud(net), rotation, randn(3))) < 1e-11
    assert (
        network(torch.float32)(*(v.float() for v in cloud(net)[:2]), vec=cloud(net)[2].float()).scalar.dtype
        == torch.float32
    )


@pytest.mark.parametrize("num_ori", [6, 0, -1])
def test_lower_precision_and_functional_gradients(num_ori):
    net = network(torch.float32, num_ori=num_ori, in_vector=0, out_vector=0, task="graph")
    x, pos, _ = (v if v is None else v.float() for v in cloud(net))
    expected = net(x, pos).scalar
    expected.sum().backward()
    weights = dict(net.named_parameters())
    found = torch.func.grad(lambda w: torch.func.functional_call(net, w, (x, pos)).scalar.sum())(weights)
    assert all(torch.allclose(found[name], p.grad, rtol=1e-4, atol=1e-5) for name, p in weights.items())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = net(x, pos).scalar
    rough.sum().backward()
    assert (rough - expected).abs().max() < 0.05 * expected.abs().max()
    for dtype in (torch.float16, torch.bfloat16):
        rough = copy.deepcopy(net).to(dtype)(x.to(dtype), pos.to(dtype)).scalar
        assert rough.dtype == dtype and (rough - expected).abs().max() < 0.1 * expected.abs().max()


@pytest.mark.parametrize("num_ori", [6, 0, -1])
def test_every_weight_learns(num_ori):
    net = network(num_ori=num_ori).train()
    x, pos, vec = cloud(net)
    out = net(x, pos, vec=vec)
    (out.scalar.square().sum() + (0 if out.vector is None else out.vector.square().sum())).backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not bool(p.grad.abs().max() > 0)]
    assert not silent


def test_small_clouds():
    net, graph = network(), network(task="graph")
    out = net(randn(1, 2), randn(1, 3), vec=randn(1, 1, 3))
    assert out.scalar.shape == (1, 2) and out.scalar.isfinite().all()
    none = torch.zeros(0, dtype=torch.long)
    assert net(randn(0, 2), randn(0, 3), vec=randn(0, 1, 3)).scalar.shape == (0, 2)
    assert graph(randn(0, 2), randn(0, 3), batch=none, vec=randn(0, 1, 3)).vector.shape == (0, 2, 3)
    same = torch.zeros(3, 3).double()
    assert net(randn(3, 2), same, vec=randn(3, 1, 3)).scalar.isfinite().all()
    # the cloud with number 1 has no points
    out = graph(randn(3, 2), randn(3, 3), batch=torch.tensor([0, 2, 2]), vec=randn(3, 1, 3))
    assert torch.equal(out.scalar[1], torch.zeros(2).double()) and out.scalar[[0, 2]].abs().min() > 0


def test_points_without_neighbours_have_no_edge_to_look_along():
    net = network(num_ori=-1)
    x, pos, vec = cloud(net, 4)
    edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    with pytest.warns(UserWarning, match="1 of 4 points have no neighbour; their output is zero"):
        out = net(x, pos, edge_index, vec=vec)
    assert torch.equal(out.scalar[3], torch.zeros(2).double()) and torch.equal(
        out.vector[3], torch.zeros(2, 3).double()
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net(x, pos, vec=vec)


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 4}, r"PONITA\(dim\): 2 or 3, got 4"),
        ({"num_ori": -2}, r"\(num_ori\): a number of orientations, 0 for .*, got -2"),
        ({"num_ori": 0, "in_vector": 1}, r"\(in_vector, out_vector\): positions alone .*, got 1 and 0"),
        ({"num_ori": 0, "out_vector": 1}, r"\(in_vector, out_vector\)"),
        ({"num_ori": 0, "grid": "cube"}, r"\(grid\): takes num_ori > 0, got 'cube'"),
        ({"num_ori": 0, "invariants": "universal"}, r"\(invariants\): 'ponita' with num_ori=0"),
        ({"num_ori": -1, "separable": False}, r"\(separable\): False takes num_ori > 0"),
        ({"num_ori": 12, "invariants": "universal"}, r"\(invariants\): 'universal' mixes .* separable=False"),
        ({"num_ori": 12, "invariants": "complete"}, r"\(kind\): for R3xS2 one of"),
        ({"num_ori": 2, "out_vector": 1}, r"\(num_ori\): for vectors, orientations that span 3 dimensions, got 2"),
        ({"num_ori": 2, "in_vector": 1, "dim": 2}, r"\(num_ori\): for vectors, orientations that span 2 dimensions"),
        ({"num_ori": 16, "grid": "icosahedron"}, r"\(n\): icosahedron has 12 vertices, got 16"),
        ({"task": "edge"}, r"\(task\): 'graph' or 'node', got 'edge'"),
        ({"hidden": 0}, r"\(hidden\): a whole number from 1, got 0"),
        ({"out_scalar": 0}, r"at least one output, got none"),
        ({"radius": -1.0}, r"\(radius\): a positive, finite distance or None"),
        ({"degree": 0}, r"\(degree\)"),
        ({"in_edge": -1}, r"\(in_edge\): a whole number from 0, got -1"),
    ],
)
def test_arguments_without_meaning(changes, message):
    settings = {"in_scalar": 2, "hidden": 8, "out_scalar": 1, "num_layers": 1} | changes
    with pytest.raises(ValueError, match=message):
        PONITA(**settings)


def test_inputs_that_do_not_fit():
    net = network(in_edge=1, num_ori=12)
    x, pos, vec = cloud(net, 3)
    edges, attr = torch.tensor([[0, 1], [1, 2]]), torch.ones(2, 1).double()
    good = {"edge_index": edges, "vec": vec, "edge_attr": attr}
    assert net(x, pos, **good).scalar.isfinite().all()
    for changes, error, message in (
        ({"edge_index": None}, TypeError, r"PONITA\(edge_index\): a tensor, as in_edge is 1, got None"),
        ({"edge_attr": None}, TypeError, r"PONITA\(edge_attr\): shape \(2, 1\), got None"),
        ({"edge_attr": attr.float()}, TypeError, r"\(edge_attr\): torch.float64, as pos is, got torch.float32"),
        ({"edge_attr": attr * math.nan}, ValueError, r"\(edge_attr\): finite numbers"),
        ({"edge_index": edges + 1}, ValueError, r"\(edge_index\): points from 0 to 2, got 3"),
        ({"batch": torch.tensor([1, 0, 0])}, ValueError, r"\(batch\): ascending numbers"),
        ({"pos": pos * math.inf}, ValueError, r"\(pos\): finite numbers"),
        ({"pos": pos.float()}, TypeError, r"\(pos\): torch.float64, as the weights are, got torch.float32"),
        ({"x": x * math.nan}, ValueError, r"\(x\): finite numbers"),
        ({"vec": None}, TypeError, r"\(vec\): shape \(3, 1, 3\), got None"),
    ):
        with pytest.raises(error, match=message):
            net(**({"x": x, "pos": pos} | good | changes))
    with pytest.raises(Exception, match="edge_attr"):
        net(x, pos, edges, vec=vec, edge_attr=torch.ones(3, 1).double())
    plain = network()
    with pytest.raises(TypeError, match=r"\(edge_attr\): None, as in_edge is 0"):
        plain(x, pos, edges, vec=vec, edge_attr=attr)
    lifted = network(num_ori=-1)
    with pytest.raises(ValueError, match="connected points that differ"):
        lifted(x, torch.zeros(3, 3).double(), vec=vec)
