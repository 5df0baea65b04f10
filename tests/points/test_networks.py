"""EGNN, PointGNN, PointNet: against loops over their weights, on clouds of every degenerate kind, and what breaks."""

import math

import pytest
import torch
from torch import nn

from erlangen.audit import audit
from erlangen.groups import SO, E
from erlangen.points import EGNN, PointGNN, PointNet
from erlangen.points.flat import all_pairs
from erlangen.points.promise import cloud_symmetry

NETWORKS = [EGNN, PointGNN, PointNet]
SILU = nn.functional.silu


def make(kind, dtype=torch.float64, seed=0, **changes):
    torch.manual_seed(seed)
    arguments = {"in_scalar": 2, "hidden": 8, "out_scalar": 3, "num_layers": 2, "in_vector": 1, "out_vector": 2}
    network = kind(**(arguments | changes)).to(dtype)
    if kind is EGNN:  # moves start close to zero, where a wrong one would not be seen
        for move in network.moves:
            nn.init.normal_(move.along[-1].weight)
    return network


def cloud(n=5, dtype=torch.float64, seed=0, dim=3):
    generator = torch.Generator().manual_seed(seed)
    shapes = (n, 2), (n, dim), (n, 1, dim)
    x, pos, vec = (torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes)
    return x, pos, vec


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("task", ["graph", "node"])
def test_clouds_of_a_batch_do_not_hear_of_each_other(kind, task):
    network = make(kind, task=task)
    clouds = [cloud(n, seed=n) for n in (4, 1, 6)]
    batch = torch.arange(3).repeat_interleave(torch.tensor([4, 1, 6]))
    x, pos, vec = (torch.cat(column) for column in zip(*clouds, strict=True))
    together = network(x, pos, None, batch, vec)
    rows = 3 if task == "graph" else 11
    assert together.scalar.shape == (rows, 3) and together.vector.shape == (rows, 2, 3)
    alone = [network(x, pos, vec=vec) for x, pos, vec in clouds]
    torch.testing.assert_close(together.scalar, torch.cat([out.scalar for out in alone]))
    torch.testing.assert_close(together.vector, torch.cat([out.vector for out in alone]))
    whole = network(x, pos, all_pairs(batch), batch, vec)
    assert torch.equal(whole.scalar, together.scalar)


@pytest.mark.parametrize("task", ["graph", "node"])
@pytest.mark.parametrize("in_edge", [0, 2])
def test_egnn_against_a_loop(task, in_edge):
    network = make(EGNN, task=task, num_layers=3, in_edge=in_edge)
    x, pos, vec = cloud(5)
    edge_index = torch.tensor([[0, 1, 1, 3, 2, 4], [1, 0, 2, 2, 3, 0]])
    attr = torch.randn(6, in_edge, dtype=torch.float64)
    out = network(x, pos, edge_index, None, vec, attr if in_edge else None)
    h = network.embed(torch.cat([x, vec.norm(dim=-1)], -1))
    place = pos
    for layer in range(3):
        talk, heard = network.messages[layer], [[] for _ in range(5)]
        for e, (j, i) in enumerate(edge_index.T.tolist()):
            distance = (place[i] - place[j]).square().sum()[None]
            first = talk.target(h[i]) + talk.source(h[j]) + talk.edge(torch.cat([distance, attr[e]]))
            heard[i].append((SILU(talk.second(SILU(first))), place[i] - place[j]))
        move = network.moves[layer]
        steps = []
        for i in range(5):
            step = move.own(h[i]).reshape(-1, 1) @ vec[i]
            for m, apart in heard[i]:
                step = step + move.along(m)[:, None] * apart / len(heard[i])
            steps.append(step)
        sums = [sum([m for m, _ in heard[i]], torch.zeros(8, dtype=torch.float64)) for i in range(5)]
        h = h + network.updates[layer](torch.cat([h, torch.stack(sums)], -1))
        vectors = (place - pos)[:, None] + torch.stack(steps)
        place = place + torch.stack(steps)[:, 0]
    scalars = network.readout(h)
    if task == "graph":
        scalars, vectors = scalars.sum(0, keepdim=True), vectors.sum(0, keepdim=True)
    torch.testing.assert_close(out.scalar, scalars)
    torch.testing.assert_close(out.vector, vectors)


def test_point_gnn_against_a_loop():
    network = make(PointGNN, task="node", num_layers=1)
    x, pos, vec = cloud(4)
    edge_index = torch.tensor([[0, 1, 3], [1, 0, 1]])
    out = network(x, pos, edge_index, None, vec)
    h = network.embed(torch.cat([x, pos - pos.mean(0), vec[:, 0]], -1))
    talk, found = network.messages[0], []
    for i in range(4):
        heard = torch.zeros(8, dtype=torch.float64)
        for j, k in edge_index.T.tolist():
            if k == i:
                first = talk.target(h[i]) + talk.source(h[j]) + talk.edge(pos[j] - pos[i])
                heard = heard + SILU(talk.second(SILU(first)))
        found.append(network.readout(h[i] + network.updates[0](torch.cat([h[i], heard]))))
    torch.testing.assert_close(torch.cat([out.scalar, out.vector.flatten(1)], 1), torch.stack(found))


def test_pointnet_against_a_loop():
    network = make(PointNet, in_vector=0)
    x, pos, _ = cloud(6)
    points = [SILU(network.points(torch.cat([x[i], pos[i]]))) for i in range(6)]
    largest = network.widen(points[0])
    for point in points[1:]:
        largest = torch.maximum(largest, network.widen(point))
    out = network(x, pos)
    torch.testing.assert_close(torch.cat([out.scalar, out.vector.flatten(1)], 1)[0], network.head(largest))
    again = network(torch.cat([x, x[:2]]), torch.cat([pos, pos[:2]]))  # points that are there twice change no maximum
    torch.testing.assert_close(again.scalar, out.scalar)


def shapes(name, dtype):
    """Clouds that leave a choice of axes."""
    line = torch.linspace(-1, 1, 5, dtype=dtype)
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=dtype)] * 3)
    return {
        "collinear": line[:, None] * torch.tensor([1.0, 2.0, -1.0], dtype=dtype),
        "coincident": torch.ones(5, 3, dtype=dtype),
        "planar": cloud(5, dtype)[1] * torch.tensor([1.0, 1.0, 0.0], dtype=dtype),
        "symmetric": corners,
        "one": torch.ones(1, 3, dtype=dtype),
        "none": torch.zeros(0, 3, dtype=dtype),
    }[name]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["collinear", "coincident", "planar", "symmetric", "one", "none"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_degenerate_clouds(kind, name, dtype):
    pos = shapes(name, dtype).requires_grad_()
    n = len(pos)
    for task in ("graph", "node"):
        network = make(kind, dtype, task=task)
        x, vec = torch.ones(n, 2, dtype=dtype), torch.zeros(n, 1, 3, dtype=dtype, requires_grad=True)
        out = network(x, pos, vec=vec)
        rows = 1 if task == "graph" else n
        assert out.scalar.shape == (rows, 3) and out.vector.shape == (rows, 2, 3) and out.scalar.dtype == dtype
        gradients = torch.autograd.grad(
            out.scalar.square().sum() + out.vector.sum(), [pos, vec, *network.parameters()], allow_unused=True
        )
        assert all(g is None or bool(g.isfinite().all()) for g in gradients)
        assert bool(out.scalar.isfinite().all()) and bool(out.vector.isfinite().all())
        if kind is EGNN and n:  # what a cloud's own rotations keep, they keep of the vectors: in a plane, along a line
            if name == "coincident":
                assert out.vector.abs().max() == 0
            if name == "planar":
                assert out.vector[..., 2].abs().max() < 1e-6
            if name == "collinear":
                axis = torch.tensor([1.0, 2.0, -1.0], dtype=dtype) / math.sqrt(6)
                assert (out.vector - (out.vector @ axis)[..., None] * axis).abs().max() < 1e-5
            if name == "symmetric" and task == "graph":
                assert out.vector.abs().max() < 1e-5


@pytest.mark.parametrize("kind", NETWORKS)
def test_gradients_with_respect_to_coordinates(kind):
    network = make(kind, out_vector=1, task="node")
    x, pos, vec = cloud(3)

    def both(pos, vec):
        out = network(x, pos, None, None, vec)
        return out.scalar, out.vector

    assert torch.autograd.gradcheck(both, (pos.requires_grad_(), vec.requires_grad_()))


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_weight_learns(kind):
    for changes in ({}, {"out_scalar": 0}, {"out_vector": 0}, {"in_vector": 0, "in_scalar": 0}):
        network = make(kind, task="node", **changes)
        x, pos, vec = cloud(4)
        out = network(x if network.in_scalar else None, pos, vec=vec if network.in_vector else None)
        loss = out.scalar.square().sum() + (0 if out.vector is None else out.vector.square().sum())
        gradients = torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
        assert all(g is not None for g in gradients), changes


@pytest.mark.parametrize("kind", NETWORKS)
def test_many_points(kind):
    n = 100_000
    generator = torch.Generator().manual_seed(0)
    x, pos = torch.ones(n, 1), torch.rand(n, 3, generator=generator)
    network = make(kind, torch.float32, in_scalar=1, in_vector=0, out_vector=0, num_layers=1, task="node")
    with torch.no_grad():
        if kind is PointNet:
            assert network(x, pos).scalar.shape == (n, 3)
            return
        ring = torch.arange(n)
        out = network(x, pos, torch.stack([ring, ring.roll(1)])).scalar
        assert out.shape == (n, 3) and bool(out.isfinite().all())
        with pytest.raises(ValueError, match=r"edge_index\): None means all pairs .* 1.0e\+10"):
            network(x, pos)


@pytest.mark.parametrize("kind", NETWORKS)
def test_weights_there_and_back(kind):
    network, other = make(kind, seed=0), make(kind, seed=1)
    x, pos, vec = cloud(5)
    assert not torch.equal(network(x, pos, vec=vec).scalar, other(x, pos, vec=vec).scalar)
    other.load_state_dict(network.state_dict())
    assert torch.equal(network(x, pos, vec=vec).scalar, other(x, pos, vec=vec).scalar)
    assert kind is not EGNN or all("symmetry" not in name for name in network.state_dict())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_egnn_is_exact_and_the_others_break_under_rotations(dtype):
    x, pos, vec = cloud(6, dtype)
    batch = torch.tensor([0, 0, 0, 1, 1, 1])
    for kind in NETWORKS:
        network = make(kind, dtype)
        promise = cloud_symmetry(SO(3), in_scalar=2, in_vector=1, out_vector=2)
        report = audit(network, x, pos, all_pairs(batch), batch, vec, symmetry=promise, num_elements=8)
        assert report.verdict == ("exact" if kind is EGNN else "breaks")
        if kind is EGNN:
            assert report.error64 < 1e-10 and report.error32 < 1e-5
        else:
            assert report.error > 1e-3


@pytest.mark.parametrize("kind", [EGNN, PointGNN])
@torch.no_grad()
def test_float32_far_from_the_origin(kind):
    network = make(kind, torch.float32, task="node", num_layers=3)
    x, pos, vec = cloud(50, torch.float32)
    pos = (64 * pos).round() / 64  # exact also where it is moved to
    near, far = network(x, pos, vec=vec), network(x, pos + 2**13, vec=vec)
    for found, expected in zip(far, near, strict=True):
        assert (found - expected).norm() < 1e-5 * expected.norm()


def test_egnn_is_blind_to_chirality():
    network = make(EGNN, in_vector=0, out_vector=0)
    x, pos, _ = cloud(5)
    torch.testing.assert_close(network(x, -pos).scalar, network(x, pos).scalar)


def test_other_dimensions():
    for dim in (1, 2, 5):
        for kind in NETWORKS:
            x, pos, vec = cloud(4, dim=dim)
            assert make(kind, dim=dim)(x, pos, vec=vec).vector.shape == (1, 2, dim)


def test_the_largest_has_a_gradient_on_ties():
    network = make(PointNet, in_vector=0, out_vector=0)
    pos = torch.ones(3, 3, dtype=torch.float64, requires_grad=True)
    network(torch.ones(3, 2, dtype=torch.float64), pos).scalar.sum().backward()
    torch.testing.assert_close(pos.grad[0], pos.grad[1])
    assert pos.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "edge"}, r"task\): 'graph' or 'node', got 'edge'"),
        ({"hidden": 0}, r"hidden\): a whole number from 1, got 0"),
        ({"num_layers": 0}, r"num_layers\): a whole number from 1, got 0"),
        ({"in_scalar": -1}, r"in_scalar\): a whole number from 0, got -1"),
        ({"out_scalar": 0, "out_vector": 0}, r"out_scalar, out_vector\): at least one output, got none"),
        ({"dim": 0}, r"dim\): a whole number from 1, got 0"),
    ],
)
def test_wrong_arguments(kind, changes, message):
    with pytest.raises(ValueError, match=rf"{kind.__name__}\({message}"):
        make(kind, **changes)


@pytest.mark.parametrize("kind", NETWORKS)
def test_wrong_inputs_name_the_network(kind):
    network = make(kind, task="node")
    x, pos, vec = cloud(4)
    with pytest.raises(ValueError, match=rf"{kind.__name__}\(batch\): ascending numbers, got 1 before 0"):
        network(x, pos, None, torch.tensor([0, 1, 0, 1]), vec)
    with pytest.raises(ValueError, match=rf"{kind.__name__}\(pos\): shape \(nodes, 3\), got \(4, 2\)"):
        network(x, pos[:, :2], None, None, vec[..., :2])


def test_wrong_edge_attr():
    network = make(EGNN, in_edge=2)
    x, pos, vec = cloud(3)
    edges, attr = all_pairs(torch.zeros(3, dtype=torch.long)), torch.zeros(6, 2, dtype=torch.float64)
    network(x, pos, edges, vec=vec, edge_attr=attr)
    for changes, error, message in (
        ({"edge_attr": None}, TypeError, r"EGNN\(edge_attr\): shape \(6, 2\), got None"),
        ({"edge_index": None}, TypeError, r"EGNN\(edge_index\): a tensor, as in_edge is 2, got None"),
        ({"edge_attr": attr.new_zeros(6, 3)}, ValueError, r"edge_attr\): shape \(6, 2\), got \(6, 3\)"),
        ({"edge_attr": attr / 0}, ValueError, r"edge_attr\): finite numbers"),
    ):
        with pytest.raises(error, match=message):
            network(x, pos, vec=vec, **({"edge_index": edges, "edge_attr": attr} | changes))
    with pytest.raises(TypeError, match=r"EGNN\(edge_attr\): None, as in_edge is 0"):
        make(EGNN)(x, pos, edges, vec=vec, edge_attr=attr)


def test_permutations_alone_are_promised_by_pointnet():
    network = make(PointNet, torch.float32)
    x, pos, vec = cloud(5, torch.float32)
    promise = cloud_symmetry(E(3), in_scalar=2, in_vector=1, out_vector=2, edges=False)
    batch = torch.zeros(5, dtype=torch.long)
    assert audit(network, x, pos, None, batch, vec, num_elements=4).verdict == "exact"
    assert audit(network, x, pos, None, batch, vec, symmetry=promise, num_elements=4).verdict == "breaks"
