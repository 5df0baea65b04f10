"""Symmetrised backbones against the formula written out, element by element."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from erlangen.audit import audit
from erlangen.groups import (
    SE,
    SO,
    BatchVector,
    Cyclic,
    E,
    EdgeIndex,
    Fields,
    Fixed,
    Nodes,
    O,
    Pixels,
    Points,
    QuarterTurns,
    Scalar,
    SignedPermutation,
    Symmetric,
    Symmetry,
    Vector,
)
from erlangen.symmetrize import (
    PCAFrame,
    SortFrame,
    WeightedFrame,
    WholeGroup,
    symmetrize,
    symmetrize_images,
    symmetrize_points,
)


def mlp(n, d, out=None, seed=0):
    """A network on (B, n, d) with no symmetry at all; output (B, out) or (B, n, d)."""
    torch.manual_seed(seed)
    size = out or n * d
    head = [] if out else [nn.Unflatten(1, (n, d))]
    return nn.Sequential(nn.Flatten(), nn.Linear(n * d, 32), nn.SiLU(), nn.Linear(32, size), *head)


@pytest.mark.parametrize("group", [O(2), SO(2), E(2), SE(2), SO(3), E(3), O(4)], ids=str)
@pytest.mark.parametrize("output", ["scalar", "vector", "points"])
@settings(max_examples=8)
@given(batch=st.integers(1, 3), points=st.integers(5, 8), seed=st.integers(0, 1000))
def test_equals_the_average_written_out(group, output, batch, points, seed):
    d = group.matrix_dim
    net = mlp(points, d, 4 if output == "scalar" else None, seed).double()
    x = torch.randn(batch, points, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    out = {"scalar": Scalar(group), "vector": Vector(group), "points": Points(group)}[output]
    elements, _ = PCAFrame(group)(x)
    want = []
    for b in range(batch):
        terms = [out(g, net(Points(group)(group.inverse(g), x[b : b + 1]))) for g in elements[b]]
        want.append(torch.stack(terms).mean(0))
    torch.testing.assert_close(symmetrize_points(net, group, output)(x), torch.cat(want), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("group", [O(2), SE(2), SO(3), E(3)], ids=str)
def test_keeps_dtype_and_promise(group, dtype):
    model = symmetrize_points(mlp(6, group.matrix_dim), group, "vector").to(dtype)
    x = torch.randn(4, 6, group.matrix_dim, dtype=dtype)
    assert model(x).dtype == dtype
    assert audit(model, x).verdict == "exact"


@pytest.mark.parametrize("group", [SO(3), SE(2)], ids=str)
def test_rotations_alone_let_a_chiral_backbone_see_reflections(group):
    model = symmetrize_points(mlp(6, group.matrix_dim, 1), group).double()
    x = torch.randn(8, 6, group.matrix_dim, dtype=torch.float64)
    mirrored = x * torch.tensor([-1.0] + [1.0] * (group.matrix_dim - 1), dtype=torch.float64)
    assert (model(mirrored) - model(x)).abs().max() > 1e-3


def test_averaging_twice_or_an_invariant_changes_nothing():
    x = torch.randn(4, 6, 3, dtype=torch.float64)
    once = symmetrize_points(mlp(6, 3).double(), E(3), "points")
    torch.testing.assert_close(symmetrize_points(once, E(3), "points")(x), once(x), rtol=1e-10, atol=1e-10)

    class Distances(nn.Module):
        def forward(self, x):
            return torch.cdist(x, x).sum((1, 2))

    torch.testing.assert_close(symmetrize_points(Distances(), E(3))(x), Distances()(x), rtol=1e-12, atol=1e-12)


def test_all_signs_leave_only_the_diagonal_of_a_linear_map():
    class Times(nn.Module):
        def __init__(self, w):
            super().__init__()
            self.register_buffer("w", w)

        def forward(self, y):
            return y @ self.w

    w = torch.randn(3, 3, dtype=torch.float64)
    x = torch.randn(2, 6, 3, dtype=torch.float64)
    off = w - w.diag().diag()
    assert symmetrize_points(Times(off), O(3), "vector")(x).abs().max() < 1e-14
    axes = torch.linalg.eigh(x.mT @ x).eigenvectors
    want = x @ axes @ w.diag().diag() @ axes.mT
    torch.testing.assert_close(symmetrize_points(Times(w), O(3), "vector")(x), want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("group", [Cyclic(4), Cyclic(2)], ids=str)
@pytest.mark.parametrize("output", ["scalar", "image"])
def test_images_equal_the_mean_over_turns(group, output):
    torch.manual_seed(0)
    net = nn.Conv2d(2, 3, 3, padding=1).double()
    net = net if output == "image" else nn.Sequential(net, nn.Flatten(), nn.Linear(75, 4).double())
    x = torch.randn(4, 2, 5, 5, dtype=torch.float64)
    terms = []
    for k in range(0, 4, 4 // group.n):
        y = net(x.rot90(-k, (-2, -1)))
        terms.append(y.rot90(k, (-2, -1)) if output == "image" else y)
    model = symmetrize_images(net, group, output)
    torch.testing.assert_close(model(x), torch.stack(terms).mean(0), rtol=1e-12, atol=1e-12)
    assert audit(model, x).verdict == "exact"


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("levels", [None, 2])
def test_sorting_keeps_permutations_and_equals_the_average_over_sorting_ones(n, levels):
    group = Symmetric("n")
    rng = torch.Generator().manual_seed(n)
    x = torch.randn(5, n, 2, generator=rng, dtype=torch.float64)
    if levels:
        x = (x > 0).double()
    for action, net in ((Nodes(group), mlp(n, 2).double()), (Scalar(group), mlp(n, 2, 3).double())):
        model = symmetrize(net, Symmetry(group, Nodes(group), action), SortFrame(group))
        for p in itertools.permutations(range(n)):
            g = torch.tensor(p)
            bound = action.bind({"n": n})
            torch.testing.assert_close(model(Nodes(Symmetric(n))(g, x)), bound(g, model(x)), rtol=1e-12, atol=1e-12)


def test_the_whole_of_a_finite_group_by_default():
    group = SignedPermutation(3)
    model = symmetrize_points(mlp(4, 3), group, "vector")
    assert isinstance(model.frame, WholeGroup)
    assert audit(model, torch.randn(5, 4, 3)).verdict == "exact"
    assert isinstance(symmetrize(mlp(3, 2, 1), Symmetry(Symmetric(3), Nodes(Symmetric(3)), Fixed())).frame, WholeGroup)


class Graph(nn.Module):
    """Sees coordinates as plain features: equivariant to relabelling, to nothing else."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.message = nn.Linear(10, 8)
        self.update = nn.Linear(13, 3)

    def forward(self, h, pos, edge_index, batch):
        x = torch.cat([h, pos], -1)
        i, j = edge_index
        m = torch.tanh(self.message(torch.cat([x[i], x[j]], -1)))
        m = x.new_zeros(len(x), 8).index_add(0, i, m)
        y = torch.tanh(self.update(torch.cat([x, m], -1)))
        return y, x.new_zeros(int(batch.max()) + 1, 3).index_add(0, batch, y)


def graphs(sizes=(3, 5, 4)):
    rng = torch.Generator().manual_seed(1)
    batch = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    edges = [s + torch.randint(n, (2, 3 * n), generator=rng) for s, n in zip(starts, sizes, strict=True)]
    h = torch.randn(sum(sizes), 2, generator=rng, dtype=torch.float64)
    pos = torch.randn(sum(sizes), 3, generator=rng, dtype=torch.float64)
    return h, pos, torch.cat(edges, 1), batch


S = Symmetric("n")
GRAPH = Symmetry(
    S * E(3),
    (Nodes(S), Nodes(S) & Points(E(3)), EdgeIndex(S), BatchVector(S)),
    (Nodes(S) & Vector(E(3)), Scalar(E(3))),
)


def test_graphs_of_different_sizes_run_as_one_batch():
    net, inputs = Graph().double(), graphs()
    model = symmetrize(net, GRAPH, PCAFrame(E(3), points=1, batch=3))
    assert audit(net, *inputs, symmetry=GRAPH).verdict == "breaks"
    report = audit(model, *inputs)
    assert report.verdict == "exact" and report.alone < 1e-12
    h, pos, edges, batch = inputs
    vectors, sums = model(*inputs)
    for i in range(3):
        nodes = batch == i
        first = int(nodes.nonzero()[0])
        own = edges[:, nodes[edges[0]]] - first
        terms = []
        for g in PCAFrame(E(3))(pos[nodes])[0][0]:
            moved = Points(E(3))(E(3).inverse(g), pos[nodes])
            y, total = net(h[nodes], moved, own, torch.zeros(int(nodes.sum()), dtype=torch.long))
            terms.append((Vector(E(3))(g, y), total))
        torch.testing.assert_close(vectors[nodes], torch.stack([a for a, _ in terms]).mean(0), rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(sums[i : i + 1], torch.stack([b for _, b in terms]).mean(0), rtol=1e-9, atol=1e-10)


def test_pyg_data_in_and_out():
    pytest.importorskip("torch_geometric")
    from torch_geometric.data import Batch, Data

    h, pos, edges, batch = graphs()
    items = []
    for i in range(3):
        nodes = batch == i
        first = int(nodes.nonzero()[0])
        items.append(Data(h=h[nodes], pos=pos[nodes], edge_index=edges[:, nodes[edges[0]]] - first))
    data = Batch.from_data_list(items)

    class OnData(Graph):
        def forward(self, data):
            assert data.ptr[-1] == data.num_nodes == len(data.pos)
            y, total = super().forward(data.h, data.pos, data.edge_index, data.batch)
            out = data.clone()
            out.pos = y
            return out, total

    fields = {"h": Nodes(S), "edge_index": EdgeIndex(S), "batch": BatchVector(S), "ptr": Fixed()}
    moving = Fields(**fields, pos=Nodes(S) & Points(E(3)))

    class TotalOnly(OnData):
        def forward(self, data):
            return super().forward(data)[1]

    promise = Symmetry(S * E(3), (moving,), Scalar(E(3)))
    model = symmetrize(TotalOnly().double(), promise, PCAFrame(E(3), points="pos"))
    assert audit(model, data).verdict == "exact"
    before = data.pos.clone()
    got = model(data)
    assert torch.equal(data.pos, before)
    want = symmetrize(Graph().double(), GRAPH, PCAFrame(E(3), points=1, batch=3))(h, pos, edges, batch)[1]
    torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("edges_only", [True, False])
def test_inputs_without_a_batch_axis_run_copy_by_copy(edges_only):
    class Turn(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 3)

        def forward(self, pos, edge_index=None):
            y = torch.tanh(self.linear(pos))
            return y if edge_index is None else y.index_add(0, edge_index[0], y[edge_index[1]])

    inputs = (torch.randn(6, 3),) + ((torch.randint(6, (2, 9)),) if edges_only else ())
    actions = (Points(E(3)), EdgeIndex())[: len(inputs)]
    model = symmetrize(Turn(), Symmetry(E(3), actions, Vector(E(3))), PCAFrame(E(3)))
    assert audit(model, *inputs).verdict == "exact"


def test_one_element_per_call_keeps_the_promise_in_expectation():
    x = torch.randn(3, 6, 3, dtype=torch.float64)
    net = mlp(6, 3, 2).double()
    model = symmetrize_points(net, SO(3), average="sample", generator=torch.Generator().manual_seed(0))
    assert model.symmetry.kind == "in_expectation"
    assert audit(symmetrize_points(net, SO(3), average="sample"), x).verdict == "in_expectation"
    elements, _ = PCAFrame(SO(3))(x)
    every = torch.stack([net(Points(SO(3))(SO(3).inverse(elements[:, f]), x)) for f in range(4)])
    draws = torch.stack([model(x) for _ in range(64)])
    gap = (draws[:, None] - every).abs().amax(-1)
    assert gap.amin(1).max() < 1e-12
    assert set(gap.argmin(1).flatten().tolist()) == {0, 1, 2, 3}
    again = symmetrize_points(net, SO(3), average="sample", generator=torch.Generator().manual_seed(0))
    assert torch.equal(again(x), draws[0])


class Weighted:
    """Two fixed turns with unequal weights: not a frame, but a fine test of the weights."""

    group, holds_where, shared = SO(2), "", True

    def __call__(self, x):
        angle = torch.tensor([0.3, 1.1], dtype=torch.float64)
        c, s = angle.cos(), angle.sin()
        g = torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)
        return g[None], torch.tensor([[0.25, 0.75]], dtype=torch.float64)


@pytest.mark.parametrize("average", ["full", "weighted"])
def test_weights_of_a_frame_are_used(average):
    net, x = mlp(4, 2, 3).double(), torch.randn(5, 4, 2, dtype=torch.float64)
    promise = Symmetry(SO(2), Points(SO(2)), Scalar(SO(2)))
    a, b = (net(Points(SO(2))(g.mT, x)) for g in Weighted()(x)[0][0])
    torch.testing.assert_close(symmetrize(net, promise, Weighted(), average)(x), 0.25 * a + 0.75 * b)


def test_gradients_reach_parameters_and_inputs():
    model = symmetrize_points(mlp(5, 3, 1), E(3))
    x = torch.randn(2, 5, 3, requires_grad=True)
    model(x).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    # The centroid is differentiated, so moving the whole cloud changes nothing to first order.
    assert x.grad.sum(1).abs().max() < 1e-5


class Counted(nn.Module):
    """Says how many rows each call got."""

    def __init__(self, network):
        super().__init__()
        self.network, self.rows = network, []

    def forward(self, x):
        self.rows.append(len(x))
        return self.network(x)


@pytest.mark.parametrize("average", ["full", "weighted"])
@pytest.mark.parametrize("group", [E(3), SO(3)], ids=str)
def test_copies_run_in_pieces_of_any_size(group, average):
    x = torch.randn(5, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    frame = PCAFrame(group) if average == "full" else WeightedFrame(group)
    promise = Symmetry(group, (Points(group),), Points(group))
    counted = Counted(mlp(6, 3).double())
    copies, found = frame(x)[0].shape[1], []
    for chunk in (1, 3, copies, copies + 5, None):
        counted.rows.clear()
        y = symmetrize(counted, promise, frame, average, chunk=chunk)(x)
        found.append((y, *torch.autograd.grad(y.square().sum(), [x, *counted.parameters()])))
        size = min(copies, chunk or copies)
        pieces = [size] * (copies // size) + [copies % size] * (copies % size > 0)
        assert counted.rows == [5 * n for n in pieces]
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_large_copies_run_one_by_one_unless_batches_are_counted():
    x = torch.randn(64, 200, 3, generator=torch.Generator().manual_seed(0))  # 38400 numbers
    for network, train, rows in (
        (nn.Linear(3, 3), True, [64] * 8),
        (nn.Sequential(nn.BatchNorm1d(200), nn.Linear(3, 3)), True, [512]),
        (nn.Sequential(nn.BatchNorm1d(200), nn.Linear(3, 3)), False, [64] * 8),
    ):
        counted = Counted(network)
        model = symmetrize_points(counted, E(3), "vector").train(train)
        model(x)
        assert counted.rows == rows
        counted.rows.clear()
        model(x[:2])
        assert counted.rows == [16]


def test_one_cloud_of_nodes_is_no_batch_of_vectors():
    V = Vector(SO(3))
    model = symmetrize(nn.Linear(3, 3), Symmetry(SO(3), V, V), PCAFrame(SO(3)))
    with pytest.raises(ValueError, match=r"for 1 sample, the inputs hold 5; .* read \(nodes, dim\) as one cloud"):
        model(torch.randn(5, 3))


def test_graphs_without_nodes_at_the_end_of_a_batch():
    data = pytest.importorskip("torch_geometric.data")
    graphs = [data.Data(pos=torch.randn(n, 3)) for n in (4, 5, 0)]
    nodes = Symmetric("n")
    moved = Fields(pos=Nodes(nodes) & Points(E(3)), batch=BatchVector(nodes), ptr=Fixed())
    promise = Symmetry(nodes * E(3), moved, Scalar(nodes * E(3)))
    model = symmetrize(nn.Identity(), promise, PCAFrame(E(3), points="pos"))
    with pytest.raises(ValueError, match="the batch has 3 graphs, but no nodes belong to the last 1"):
        model(data.Batch.from_data_list(graphs))


def test_gradients_of_weights_are_the_same_without_a_batch_axis():
    x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    net, group = mlp(6, 3, 1).double(), SO(3)
    frame = WeightedFrame(group, grad="full")
    batched = symmetrize(net, Symmetry(group, Points(group), Scalar(group)), frame)
    (want,) = torch.autograd.grad(batched(x[None]).sum(), x)
    alone = symmetrize(_Squeezed(net), Symmetry(group, Points(group), Scalar(group)), _First(frame))
    (found,) = torch.autograd.grad(alone(x).sum(), x)
    torch.testing.assert_close(found, want, rtol=1e-9, atol=1e-12)


class _Squeezed(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x[None])[0]


class _First:
    """A frame of batches, for one cloud."""

    def __init__(self, frame):
        self.frame, self.group, self.holds_where = frame, frame.group, frame.holds_where

    def __call__(self, x):
        return self.frame(x[None])


@pytest.mark.parametrize("chunk", [0, -1, True])
def test_a_piece_holds_at_least_one_copy(chunk):
    promise = Symmetry(E(3), (Points(E(3)),), Scalar(E(3)))
    with pytest.raises(ValueError, match=rf"symmetrize\(chunk\): a whole number from 1, or None, got {chunk!r}"):
        symmetrize(mlp(4, 3, 1), promise, PCAFrame(E(3)), chunk=chunk)


def test_state_dict_and_empty_batch():
    model, other = (symmetrize_points(mlp(5, 3, 2, seed), E(3)) for seed in (0, 1))
    other.load_state_dict(model.state_dict())
    x = torch.randn(2, 5, 3)
    assert torch.equal(other(x), model(x))
    assert model(x[:0]).shape == (0, 2)
    assert "E(3)" in repr(model)


def test_what_was_assumed_of_the_backbone_is_said():
    model = symmetrize(Graph(), GRAPH, PCAFrame(E(3), points=1, batch=3))
    assert model.symmetry.holds_where == "distinct principal moments, the backbone keeps S(n)"


POINTS = Symmetry(E(3), Points(E(3)), Scalar(E(3)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: symmetrize(mlp(5, 3, 1), POINTS), "E\\(3\\) is infinite; pass a frame, for instance PCAFrame"),
        (lambda: symmetrize(mlp(5, 3, 1), POINTS, PCAFrame(SO(3))), "a frame of E\\(3\\), got one of SO\\(3\\)"),
        (lambda: symmetrize(mlp(5, 3, 1), POINTS, PCAFrame(E(3)), "mean"), "one of full, sample, weighted, got 'mean'"),
        (lambda: symmetrize(mlp(5, 3, 1), GRAPH, PCAFrame(SE(3))), "must be one factor of S\\(n\\)\\*E\\(3\\)"),
        # The sentence is the type checker's while tests run.
        (lambda: symmetrize(mlp(5, 3, 1), E(3)), "Symmetry"),
        (
            lambda: symmetrize(
                mlp(5, 3, 1), Symmetry(Cyclic(4), Pixels(Cyclic(4)), Scalar(Cyclic(4)), "approximate"), None
            ),
            "resamples, and a frame of it would not be exact",
        ),
        (
            lambda: symmetrize(mlp(5, 3, 1), POINTS, PCAFrame(E(3)), "weighted")(torch.randn(2, 5, 3)),
            "this frame gives no weights",
        ),
        (lambda: symmetrize_points(mlp(5, 3, 1), E(3))(torch.randn(2, 5, 2)), "last axis .* has size 3"),
        (lambda: symmetrize_points(mlp(5, 3, 1), E(3))(torch.full((2, 5, 3), float("nan"))), "holds NaN or infinity"),
        (lambda: symmetrize_points(mlp(5, 3, 1), E(3))(torch.ones(2, 5, 3).long()), "real floating-point tensors"),
        (lambda: symmetrize_points(nn.Flatten(0), E(3))(torch.randn(2, 5, 3)), "must return a row per sample, 16 here"),
        (lambda: symmetrize_points(mlp(5, 3, 1), E(3), "tensor"), "'scalar', 'vector', 'points' or an Action"),
        (lambda: symmetrize_points(mlp(5, 3, 1), Symmetric("n") * E(3)), "O\\(d\\), SO\\(d\\), E\\(d\\), SE\\(d\\)"),
        (lambda: symmetrize_images(nn.Identity(), Cyclic(3)), "Cyclic\\(4\\), Cyclic\\(2\\)"),
        (lambda: symmetrize_images(nn.Identity())(torch.randn(1, 1, 3, 4)), "square images, got height 3 and width 4"),
    ],
)
def test_refusals(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_quarter_turns_are_promised_exactly():
    model = symmetrize_images(nn.Flatten())
    assert model.symmetry == Symmetry(Cyclic(4), QuarterTurns(), Scalar(Cyclic(4)))
