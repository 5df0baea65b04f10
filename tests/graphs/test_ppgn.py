"""PPGN: blocks against the formula written out, batches against graphs alone, and what 3-WL does not see."""

import inspect

import networkx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data
from torch_geometric.utils import from_networkx, to_dense_adj

from erlangen.graphs import PPGN, PPGNBlock
from erlangen.graphs.pairs import MOST_PAIRS, group_pairs, pair_rows
from erlangen.testing import assert_equivariant

DTYPES = [torch.float32, torch.float64]


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def with_biases(module, dtype=torch.float64, seed=0):
    """As after a training: with biases of zero, padding would stay zero by itself."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5, generator=generator)
    return module.to(dtype)


def network(dtype=torch.float64, **changes):
    sizes = {"in_channels": 2, "hidden_channels": 5, "num_layers": 2, "out_channels": 3} | changes
    return with_biases(PPGN(**sizes), dtype)


def graphs(sizes, seed=0, dtype=torch.float64, density=0.4, edge_dim=0, pair_dim=0):
    """Directed graphs with loops and repeated edges."""
    generator, found = torch.Generator().manual_seed(seed), []
    for number, n in enumerate(sizes):
        count = int(density * n * n)
        edges = torch.randint(max(n, 1), (2, count), generator=generator)
        data = Data(randn(n, 2, seed=seed + number, dtype=dtype), edges, num_nodes=n)
        if edge_dim:
            data.edge_attr = randn(count, edge_dim, seed=number, dtype=dtype)
        if pair_dim:
            data.pair_attr = randn(n * n, pair_dim, seed=number, dtype=dtype)
        found.append(data)
    return found


def run(net, data):
    batch = data.batch if isinstance(data, Batch) else torch.zeros(data.num_nodes, dtype=torch.long)
    count = data.num_graphs if isinstance(data, Batch) else 1
    given = (data.edge_attr if net.edge_dim else None, data.pair_attr if net.pair_dim else None)
    return net(data.x, data.edge_index, batch, *given, batch_size=count)


def formula(block, x):
    """The block for matrices without padding, pair by pair."""

    def mapped(layer, z):
        return torch.einsum("hc,bcij->bhij", layer.weight, z) + layer.bias[:, None, None]

    eye = torch.eye(x.shape[-1], dtype=x.dtype).expand(len(x), 1, -1, -1)
    z = torch.cat([x, eye], 1) if block.identity else x
    both = torch.cat([x, x.transpose(2, 3)], 1) if block.transpose else x
    both = torch.cat([both, eye], 1) if block.identity else both
    left = mapped(block.left_out, mapped(block.left_in, both).relu()).relu()
    right = mapped(block.right_out, mapped(block.right_in, z).relu()).relu()
    return mapped(block.out, torch.cat([z, torch.einsum("bhij,bhjk->bhik", left, right)], 1))


# ---------------------------------------------------------------- blocks


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("identity", [False, True])
def test_a_block_is_its_formula(transpose, identity, dtype):
    block = with_biases(PPGNBlock(3, 4, transpose, identity), dtype)
    x = randn(2, 3, 5, 5, dtype=dtype)
    torch.testing.assert_close(block(x), formula(block, x))


@pytest.mark.parametrize("transpose", [False, True])
def test_padding_changes_nothing_and_stays_zero(transpose):
    block = with_biases(PPGNBlock(3, 4, transpose, identity=True))
    x, mask = randn(2, 3, 6, 6), torch.ones(2, 6, dtype=torch.bool)
    mask[1, 4:] = False
    held = block(x, mask)
    x[1, :, 4:], x[1, :, :, 4:] = 0, 0
    found = block(x, mask)
    assert torch.equal(found, held)  # whatever finite numbers places of padding hold
    torch.testing.assert_close(found[0], block(x[:1])[0])
    torch.testing.assert_close(found[1, :, :4, :4], block(x[1:, :, :4, :4])[0])
    assert not found[1, :, 4:].any() and not found[1, :, :, 4:].any()


def test_a_block_moves_with_the_nodes_of_each_graph():
    mask = torch.arange(5) < torch.tensor([[5], [3]])
    for dtype in DTYPES:
        block = with_biases(PPGNBlock(2, 4, transpose=True, identity=True), dtype)
        assert_equivariant(block, randn(2, 2, 5, 5, dtype=dtype), mask)


def test_gradients_of_a_block():
    block = with_biases(PPGNBlock(2, 3, transpose=True, identity=True))
    x, mask = randn(2, 2, 3, 3).requires_grad_(), torch.tensor([[True, True, True], [True, True, False]])
    parameters = list(block.parameters())
    names = [name for name, _ in block.named_parameters()]

    def value(x, *values):
        return torch.func.functional_call(block, dict(zip(names, values, strict=True)), (x, mask))

    torch.autograd.gradcheck(value, (x, *parameters))


def test_weights_by_hand_count_triangles():
    """The square of the matrix in the first block, its cube on the diagonal after the second."""
    net = PPGN(0, 2, 2, 1).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        for block in net.blocks:
            for first, second in ((block.left_in, block.left_out), (block.right_in, block.right_out)):
                first.weight[:, : block.in_channels] = torch.eye(2, dtype=torch.float64)[:, : block.in_channels]
                second.weight.copy_(torch.eye(2))
        net.blocks[0].out.weight[0, 0] = 1  # A itself
        net.blocks[0].out.weight[1, 1] = 1  # and its square
        net.blocks[1].left_in.weight.copy_(torch.tensor([[1.0, 0], [0, 0]]))
        net.blocks[1].right_in.weight.copy_(torch.tensor([[0.0, 1], [0, 0]]))
        net.blocks[1].out.weight[0, 2] = 1  # A times its square
        net.readout[0].weight[0, 0] = net.readout[2].weight[0, 0] = 1
    for graph in (networkx.complete_graph(5), networkx.petersen_graph(), networkx.karate_club_graph()):
        edges = from_networkx(networkx.Graph(graph.edges)).edge_index
        n = graph.number_of_nodes()
        closed = 2 * sum(networkx.triangles(graph).values()) / n
        assert float(net(None, edges, torch.zeros(n, dtype=torch.long)).detach()) == pytest.approx(closed)


# ---------------------------------------------------------------- networks


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("task", ["graph", "node"])
def test_a_graph_in_a_batch_is_the_graph_alone(task, dtype):
    net = network(dtype, task=task, edge_dim=1, pair_dim=2, transpose=True, identity=True)
    every = graphs([6, 1, 9, 2, 0, 5, 6], dtype=dtype, edge_dim=1, pair_dim=2)
    together = run(net, Batch.from_data_list(every))
    alone = torch.cat([run(net, graph) for graph in every])
    torch.testing.assert_close(together, alone)
    assert together.shape == (7 if task == "graph" else 29, 3)


@pytest.mark.parametrize("task", ["graph", "node"])
def test_what_is_read_out(task):
    net, every = network(task=task, transpose=True), graphs([4, 1, 6])
    rows = []
    for data in every:
        n = data.num_nodes
        adjacency = torch.zeros(n, n, dtype=torch.float64)
        for i, j in data.edge_index.T.tolist():
            adjacency[i, j] += 1
        z = torch.cat([adjacency[None], torch.diag_embed(data.x.T)])[None]
        for block in net.blocks:
            z = formula(block, z)
        z = z[0]
        node = []
        for i in range(n):
            others = [j for j in range(n) if j != i]
            sides = [sum((side[:, j] for j in others), 0 * z[:, i, i]) for side in (z[:, i], z[:, :, i])]
            node.append(torch.cat([z[:, i, i], *(side / max(n - 1, 1) for side in sides)]))
        pairs = [z[:, i, j] for i in range(n) for j in range(n) if i != j]
        apart = sum(pairs) / len(pairs) if pairs else 0 * z[:, 0, 0]
        graph = torch.cat([sum(z[:, i, i] for i in range(n)) / n, apart])
        rows += [graph] if task == "graph" else node
    torch.testing.assert_close(run(net, Batch.from_data_list(every)), net.readout(torch.stack(rows)))


def test_small_groups_are_the_same_function(monkeypatch):
    net, batch = network(transpose=True), Batch.from_data_list(graphs([7, 5, 7, 3, 6]))
    whole = run(net, batch)
    monkeypatch.setattr("erlangen.graphs.ppgn._CACHED", 1)
    torch.testing.assert_close(run(net, batch), whole)


@pytest.mark.parametrize("task", ["graph", "node"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_relabelling(task, dtype):
    net, batch = network(dtype, task=task), Batch.from_data_list(graphs([4, 6, 5], dtype=dtype))
    assert_equivariant(net, batch.x, batch.edge_index, batch.batch)


def test_features_of_pairs_move_with_their_nodes():
    net, graph = network(pair_dim=2), graphs([5], pair_dim=2)[0]
    order = torch.tensor([3, 0, 4, 1, 2])
    pairs = torch.zeros(5, 5, 2, dtype=torch.float64)
    pairs[order[:, None], order] = graph.pair_attr.view(5, 5, 2)
    x = torch.zeros_like(graph.x)
    x[order] = graph.x
    moved = net(x, order[graph.edge_index], pair_attr=pairs.flatten(0, 1))
    torch.testing.assert_close(moved, run(net, graph))
    assert net.symmetry is None
    other = net(x, order[graph.edge_index], pair_attr=graph.pair_attr)
    assert (other - moved).abs().max() > 1e-3


def test_matrices_of_a_batch():
    """Against PyG's dense batches: edges from rows to columns, repeated ones added up, features on the diagonal."""
    net = network(edge_dim=1, pair_dim=1)
    batch = Batch.from_data_list(graphs([4, 4], edge_dim=1, pair_dim=1, density=1.5))
    seen = []
    net.blocks[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    run(net, batch)
    (z,) = seen
    torch.testing.assert_close(z[:, 0], to_dense_adj(batch.edge_index, batch.batch).double())
    torch.testing.assert_close(z[:, 1], to_dense_adj(batch.edge_index, batch.batch, batch.edge_attr)[..., 0])
    torch.testing.assert_close(z[:, 2:4], torch.diag_embed(batch.x.view(2, 4, 2).mT))
    torch.testing.assert_close(z[:, 4], batch.pair_attr.view(2, 4, 4))
    assert z[:, 0].max() > 1 and z[:, 0].diagonal(dim1=1, dim2=2).max() >= 1


def test_nothing_at_all():
    none = torch.zeros(2, 0, dtype=torch.long)
    for task, rows in (("graph", 2), ("node", 0)):
        net = network(task=task)
        empty = net(torch.zeros(0, 2).double(), none, torch.zeros(0, dtype=torch.long), batch_size=2)
        assert empty.shape == (rows, 3)
        if rows:
            head = net.readout(torch.zeros(1, 10).double())
            torch.testing.assert_close(empty, head.expand(2, 3))
    point = network()(randn(1, 2), none)
    assert point.isfinite().all()


def test_whole_numbers_of_any_width():
    net, batch = network(), Batch.from_data_list(graphs([4, 3]))
    short = net(batch.x, batch.edge_index.int(), batch.batch.int())
    torch.testing.assert_close(short, run(net, batch))


def test_gradients_reach_every_weight_and_input():
    net = network(edge_dim=1, pair_dim=1, transpose=True, identity=True, out_channels=1)
    batch = Batch.from_data_list(graphs([5, 3, 6], edge_dim=1, pair_dim=1))
    inputs = [batch.x.requires_grad_(), batch.edge_attr.requires_grad_(), batch.pair_attr.requires_grad_()]
    run(net, batch).sum().backward()
    for tensor in (*net.parameters(), *inputs):
        assert tensor.grad is not None and tensor.grad.any()


def test_state_dict_and_reset():
    net, other, batch = network(), network(), Batch.from_data_list(graphs([5, 4]))
    other.reset_parameters()
    assert not torch.equal(run(other, batch), run(net, batch))
    assert all(not layer.bias.any() for layer in other.modules() if isinstance(layer, torch.nn.Linear))
    other.load_state_dict(net.state_dict())
    torch.testing.assert_close(run(other, batch), run(net, batch), rtol=0, atol=0)


# ---------------------------------------------------------------- what it cannot see


def rook_and_shrikhande():
    """The two strongly regular graphs on 16 nodes of degree six."""
    rook = networkx.line_graph(networkx.complete_bipartite_graph(4, 4))
    steps = [(0, 1), (0, 3), (1, 0), (3, 0), (1, 1), (3, 3)]
    shrikhande = networkx.Graph(
        ((i, j), ((i + a) % 4, (j + b) % 4)) for i in range(4) for j in range(4) for a, b in steps
    )
    return [torch.from_numpy(networkx.to_numpy_array(graph)) for graph in (rook, shrikhande)]


def inside_common_neighbours(adjacency):
    """How many ordered pairs of adjacent nodes two nodes have in common as neighbours."""
    n = len(adjacency)
    both = [[adjacency[i] * adjacency[j] for j in range(n)] for i in range(n)]
    return torch.stack([torch.stack([b @ adjacency @ b for b in row]) for row in both])


def test_strongly_regular_graphs_take_one_more_polynomial():
    plain, more = network(in_channels=0, num_layers=4), network(in_channels=0, num_layers=4, pair_dim=1)
    numbers, with_fifth = [], []
    for adjacency in rook_and_shrikhande():
        edges, batch = adjacency.nonzero().T, torch.zeros(16, dtype=torch.long)
        numbers.append(plain(None, edges, batch))
        fifth = inside_common_neighbours(adjacency).flatten()[:, None]
        with_fifth.append(more(None, edges, batch, pair_attr=fifth))
    assert (numbers[0] - numbers[1]).norm() / numbers[0].norm() < 1e-12
    assert (with_fifth[0] - with_fifth[1]).norm() / with_fifth[0].norm() > 1e-2


# ---------------------------------------------------------------- groups of graphs


@given(st.lists(st.integers(0, 9), max_size=20), st.sampled_from([0.0, 0.25, 10.0]), st.sampled_from([None, 1, 100]))
def test_groups_hold_every_graph_once_and_waste_little(sizes, padding, most_pairs):
    sizes = torch.tensor(sizes, dtype=torch.long)
    batch = torch.arange(len(sizes)).repeat_interleave(sizes)
    groups = group_pairs(sizes, padding, most_pairs)
    graphs = torch.cat([group.graphs for group in groups]) if groups else torch.zeros(0, dtype=torch.long)
    assert sorted(graphs.tolist()) == sizes.nonzero().flatten().tolist()
    rows = torch.randn(int(sizes.square().sum()), 2)
    for group in groups:
        pairs, n = int(group.sizes.square().sum()), group.nodes.shape[1]
        assert group.pairs.numel() <= (1 + padding) * pairs + 1e-9 and n == int(group.sizes.max())
        assert most_pairs is None or len(group.graphs) == 1 or group.pairs.numel() <= most_pairs
        assert (group.mask is None) == bool((group.sizes == n).all())
        dense = group.dense(rows)
        for graph, size, nodes, z in zip(group.graphs, group.sizes, group.nodes, dense, strict=True):
            own = nodes[:size]
            assert own.tolist() == (batch == graph).nonzero().flatten().tolist()
            i, j = own.repeat_interleave(size), own.repeat(int(size))
            expected = rows[pair_rows(sizes, batch, i, j)].view(size, size, 2).permute(2, 0, 1)
            assert torch.equal(z[:, :size, :size], expected)
            assert not z[:, size:].any() and not z[:, :, size:].any()


def test_flat_pairs_are_what_pyg_joins():
    every = graphs([2, 4, 3], pair_dim=1)
    joined = Batch.from_data_list(every)
    sizes = torch.tensor([2, 4, 3])
    rows = pair_rows(sizes, joined.batch, torch.tensor([1, 3, 8]), torch.tensor([0, 5, 7]))
    own = [every[0].pair_attr[1 * 2 + 0], every[1].pair_attr[1 * 4 + 3], every[2].pair_attr[2 * 3 + 1]]
    torch.testing.assert_close(joined.pair_attr[rows], torch.stack(own))


# ---------------------------------------------------------------- errors

POINT = torch.zeros(1, 2)
LOOP = torch.zeros(2, 1, dtype=torch.long)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"in_channels": -1}, r"PPGN\(in_channels\): a whole number from 0, got -1"),
        ({"hidden_channels": 0}, r"PPGN\(hidden_channels\): a whole number from 1, got 0"),
        ({"num_layers": 0}, r"PPGN\(num_layers\): a whole number from 1, got 0"),
        ({"task": "edge"}, r"PPGN\(task\): 'graph' or 'node', got 'edge'"),
    ],
)
def test_arguments_without_meaning(change, message):
    sizes = {"in_channels": 1, "hidden_channels": 2, "num_layers": 1, "out_channels": 1}
    with pytest.raises(ValueError, match=message):
        PPGN(**(sizes | change))


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ((None, LOOP), TypeError, r"PPGN\(batch\): the graph of each node"),
        ((None, LOOP, torch.tensor([0])), TypeError, r"PPGN\(x\): shape \(1, 2\), got None"),
        ((POINT[:, :1], LOOP), ValueError, r"PPGN\(x\): shape \(1, 2\), got \(1, 1\)"),
        ((POINT.double(), LOOP), TypeError, r"PPGN\(x\): torch.float32, as the weights are, got torch.float64"),
        ((POINT / 0, LOOP), ValueError, r"PPGN\(x\): finite numbers"),
        ((POINT, LOOP + 1), ValueError, r"PPGN\(edge_index\): nodes 0 to 0, got 1"),
        ((POINT, LOOP - 1), ValueError, r"PPGN\(edge_index\): nodes 0 to 0, got -1"),
        (
            (torch.zeros(2, 2), torch.tensor([[0], [1]]), torch.tensor([0, 1])),
            ValueError,
            r"PPGN\(edge_index\): edges within graphs, got \[0, 1\] at edge 0",
        ),
        ((torch.zeros(2, 2), LOOP, torch.tensor([1, 0])), ValueError, r"PPGN\(batch\): ascending numbers from 0"),
        ((POINT, LOOP, None, torch.zeros(1, 3)), TypeError, r"PPGN\(edge_attr\): None, as the network takes no"),
        ((POINT, LOOP, None, None, torch.zeros(1, 3)), TypeError, r"PPGN\(pair_attr\): None"),
        ((POINT, LOOP, torch.tensor([2]), None, None, 2), ValueError, r"PPGN\(batch_size\): at least 3"),
    ],
)
def test_inputs_that_do_not_fit(inputs, error, message):
    with pytest.raises(error, match=message):
        PPGN(2, 4, 1, 1)(*inputs)


@pytest.mark.parametrize(
    ("x", "mask", "error", "message"),
    [
        (torch.zeros(1, 2, 3, 3), None, ValueError, r"PPGNBlock\(x\): shape \(batch, 3, n, n\), got \(1, 2, 3, 3\)"),
        (torch.zeros(1, 3, 3, 3).double(), None, TypeError, r"PPGNBlock\(x\): torch.float32"),
        (torch.zeros(1, 3, 3, 3), torch.ones(1, 2, dtype=torch.bool), ValueError, r"PPGNBlock\(mask\): shape \(1, 3\)"),
        (torch.zeros(1, 3, 3, 3), torch.ones(1, 3), TypeError, r"PPGNBlock\(mask\): torch.bool, got torch.float32"),
    ],
)
def test_matrices_that_do_not_fit(x, mask, error, message):
    with pytest.raises(error, match=message):
        inspect.unwrap(PPGNBlock.forward)(PPGNBlock(3, 4), x, mask)  # the tests' own check of shapes left out


def test_a_large_star_is_refused():
    leaves = 100_000
    star = torch.stack([torch.zeros(leaves, dtype=torch.long), torch.arange(1, leaves + 1)])
    with pytest.raises(ValueError, match=r"have 1.0e\+10 \(the largest has 100001 nodes\)"):
        PPGN(0, 4, 1, 1)(None, star, torch.zeros(leaves + 1, dtype=torch.long))
    assert leaves**2 > MOST_PAIRS
