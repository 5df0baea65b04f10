"""Networks on subgraphs: against one written with loops, against each other, and what they tell apart."""

import networkx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data

from erlangen.graphs import IGN2, SPEN, EgoSubgraphs, SPENConv, Subgraphs, ego_subgraphs, pair_features, whole_graphs

DOUBLE = torch.float64


def edges_of(graph):
    return torch.tensor([*graph.edges, *((j, i) for i, j in graph.edges)], dtype=torch.long).reshape(-1, 2).T


def some(n, p=0.3, seed=0, dtype=DOUBLE):
    """Features and edges of a random graph."""
    generator = torch.Generator().manual_seed(seed)
    edge_index = edges_of(networkx.gnp_random_graph(n, p, seed=seed))
    return torch.randn(n, 3, generator=generator, dtype=dtype), edge_index


def network(kind=SPEN, seed=0, **options):
    torch.manual_seed(seed)
    return kind(3, 8, 2, 4, **options).to(DOUBLE).eval()


def renumbered(x, edge_index, order):
    """Node i becomes order[i]."""
    moved = torch.empty_like(x)
    moved[order] = x
    return moved, order[edge_index]


# ------------------------------------------------------------ one layer
@given(n=st.integers(1, 8), p=st.floats(0, 0.7), seed=st.integers(0, 99), hops=st.integers(1, 2))
def test_a_layer_is_the_mean_over_ego_networks_one_by_one(n, p, seed, hops):
    torch.manual_seed(seed)
    graph = networkx.gnp_random_graph(n, p, seed=seed)
    sets = ego_subgraphs(edges_of(graph), n, hops)
    conv = SPENConv({1: 2, 2: 3}, {0: 2, 1: 3, 2: 2}, sizes=(2, 3, 4)).to(DOUBLE)
    x1, x2 = torch.randn(n, 2, dtype=DOUBLE), torch.randn(sets.num_pairs, 3, dtype=DOUBLE)
    found = conv({1: x1, 2: x2}, sets)
    of_pair = {tuple(pair): x2[i] for i, pair in enumerate(sets.pair_index.T.tolist())}
    nodes, pairs = {}, {}
    for v in range(n):
        members = sorted(networkx.ego_graph(graph, v, radius=hops))
        own = {1: x1[members], 2: torch.stack([torch.stack([of_pair[i, j] for j in members]) for i in members])}
        out = conv.maps[min(max(len(members), 2), 4) - 2](own)
        torch.testing.assert_close(found[0][v], out[0])
        for a, i in enumerate(members):
            nodes.setdefault(i, []).append(out[1][a])
            for b, j in enumerate(members):
                pairs.setdefault((i, j), []).append(out[2][a, b])
    torch.testing.assert_close(found[1], torch.stack([torch.stack(nodes[i]).mean(0) for i in range(n)]))
    wanted = [torch.stack(pairs[tuple(pair)]).mean(0) for pair in sets.pair_index.T.tolist()]
    torch.testing.assert_close(found[2], torch.stack(wanted))


def test_the_order_within_a_set_and_the_order_of_sets_do_not_matter():
    x, edge_index = some(9)
    sets = ego_subgraphs(edge_index, 9)
    torch.manual_seed(1)
    parts = [part[torch.randperm(len(part))] for part in sets.node.split(sets.size.tolist())]
    order = torch.randperm(9)
    mixed = Subgraphs.from_sets(torch.cat([parts[i] for i in order]), sets.size[order], 9)
    conv = SPENConv({1: 3, 2: 1}, {0: 2, 1: 2, 2: 2}, sizes=range(1, 4)).to(DOUBLE)
    features = {1: x, 2: torch.randn(sets.num_pairs, 1, dtype=DOUBLE)}
    one, other = conv(features, sets), conv(features, mixed)
    torch.testing.assert_close(one[0][order], other[0], rtol=0, atol=1e-12)
    for k in (1, 2):
        torch.testing.assert_close(one[k], other[k], rtol=0, atol=1e-12)


def test_nodes_and_pairs_of_relabelled_graphs_are_relabelled():
    x, edge_index = some(12)
    conv = SPENConv({1: 3, 2: 4}, {1: 2, 2: 2}, sizes=range(1, 5)).to(DOUBLE)
    sets = ego_subgraphs(edge_index, 12)
    one = conv({1: x, 2: pair_features(x, edge_index, sets)}, sets)
    for seed in range(20):
        order = torch.randperm(12, generator=torch.Generator().manual_seed(seed))
        moved, edges = renumbered(x, edge_index, order)
        again = ego_subgraphs(edges, 12)
        other = conv({1: moved, 2: pair_features(moved, edges, again)}, again)
        torch.testing.assert_close(other[1][order], one[1], rtol=0, atol=1e-10)
        torch.testing.assert_close(other[2][again.find_pairs(order[sets.pair_index])], one[2], rtol=0, atol=1e-10)


def test_a_node_in_no_set_has_zeros():
    sets = Subgraphs.from_sets(torch.tensor([0, 2]), torch.tensor([2]), 3)
    out = SPENConv({1: 1}, {1: 2}, sizes=(1,))({1: torch.ones(3, 1)}, sets)[1]
    assert out[1].tolist() == [0, 0] and bool(out[0].any()) and not bool(out.isnan().any())


# ------------------------------------------------------------ what pairs begin with
def test_pairs_begin_with_the_normalised_adjacency_features_and_attributes():
    x, edge_index = some(7, 0.5)
    attr = torch.randn(edge_index.shape[1], 2, dtype=DOUBLE)
    sets = whole_graphs(torch.zeros(7, dtype=torch.long))
    found = pair_features(x, edge_index, sets, attr).reshape(7, 7, 6)
    adjacency = torch.zeros(7, 7, dtype=DOUBLE)
    adjacency[edge_index[0], edge_index[1]] = 1
    scale = adjacency.sum(0).clamp_min(1).rsqrt()
    torch.testing.assert_close(found[..., 0], scale[:, None] * adjacency * scale)
    torch.testing.assert_close(found.diagonal(dim1=0, dim2=1)[1:4].T, x)
    assert not bool(found[..., 1:4][~torch.eye(7, dtype=torch.bool)].any())
    torch.testing.assert_close(found[edge_index[0], edge_index[1], 4:], attr)


def test_loops_lie_on_the_diagonal_and_edges_listed_twice_count_twice():
    edge_index = torch.tensor([[0, 1, 0, 1, 2], [1, 0, 1, 0, 2]])
    sets = ego_subgraphs(edge_index, 4)
    found = pair_features(torch.zeros(4, 0), edge_index, sets)[:, 0]
    values = {tuple(pair): value for pair, value in zip(sets.pair_index.T.tolist(), found.tolist(), strict=True)}
    assert values == pytest.approx({(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 0, (2, 2): 1, (3, 3): 0})


def test_an_edge_that_shares_no_set_does_not_count():
    hub = torch.stack([torch.zeros(9, dtype=torch.long), torch.arange(1, 10)])
    edge_index = torch.cat([hub, hub.flip(0)], 1)
    sets = Subgraphs.from_sets(torch.tensor([0, 1, 2]), torch.tensor([3]), 10)
    assert float(pair_features(torch.zeros(10, 0), edge_index, sets).sum()) == pytest.approx(4 / 3)


# ------------------------------------------------------------ networks
@pytest.mark.parametrize(
    "options", [{}, {"norm": "graph"}, {"reps": (2,), "norm": "none"}, {"reps": (1,), "num_hops": 2}]
)
@pytest.mark.parametrize("kind", [SPEN, IGN2])
def test_relabelling_leaves_logits_and_the_batch_has_no_part(kind, options):
    options = {name: value for name, value in options.items() if kind is SPEN or name != "num_hops"}
    net = network(kind, **options)
    sizes, batch = [6, 1, 9], torch.tensor([0, 1, 2]).repeat_interleave(torch.tensor([6, 1, 9]))
    parts = [some(n, 0.3, n) for n in sizes]
    x = torch.cat([part[0] for part in parts])
    edge_index = torch.cat([part[1] + start for part, start in zip(parts, (0, 6, 7), strict=True)], 1)
    with torch.no_grad():
        together = net(x, edge_index, batch)
        apart = torch.cat([net(*part) for part in parts])
        torch.testing.assert_close(together, apart, rtol=0, atol=1e-12)
        assert float((apart[0] - apart[2]).abs().max()) > 1e-4
        for seed in range(20):
            order = torch.randperm(9, generator=torch.Generator().manual_seed(seed))
            torch.testing.assert_close(net(*renumbered(*parts[2], order)), apart[2:], rtol=0, atol=1e-10)


def test_sets_that_were_found_before_give_the_same():
    graphs = [Data(x=x, edge_index=e) for x, e in (some(5), some(8, seed=1))]
    batch = Batch.from_data_list([EgoSubgraphs()(graph) for graph in graphs])
    net = network()
    found = net(batch.x, batch.edge_index, batch.batch, subgraphs=Subgraphs.of(batch))
    assert torch.equal(found, net(batch.x, batch.edge_index.int(), batch.batch))


def test_where_ego_networks_are_the_whole_graph_it_is_the_global_network():
    x, edge_index = some(9, 0.4, 2)
    assert edge_index.unique().numel() == 9
    diameter = networkx.diameter(networkx.Graph(edge_index.T.tolist()))
    whole = network(IGN2)
    for hops in (diameter, diameter + 2):
        near = network(SPEN, seed=5, num_hops=hops, sizes=(1,))
        near.load_state_dict(whole.state_dict())
        torch.testing.assert_close(near(x, edge_index), whole(x, edge_index), rtol=0, atol=1e-10)
    less = network(SPEN, num_hops=diameter - 1, sizes=(1,))
    less.load_state_dict(whole.state_dict())
    assert not torch.allclose(less(x, edge_index), whole(x, edge_index), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("hops", "layers"), [(1, 1), (1, 2), (2, 1)])
def test_a_node_hears_of_twice_the_hops_for_each_layer(hops, layers):
    n = 14
    edge_index = edges_of(networkx.path_graph(n))
    sets = ego_subgraphs(edge_index, n, hops)
    torch.manual_seed(0)
    convs = [SPENConv({1: 1} if i == 0 else {1: 4, 2: 4}, {1: 4, 2: 4}, range(1, 6)).to(DOUBLE) for i in range(layers)]

    def first(x):
        features = {1: x}
        for conv in convs:
            features = {k: torch.nn.functional.elu(value) for k, value in conv(features, sets).items()}
        return features[1][0]

    x = torch.randn(n, 1, dtype=DOUBLE)
    reach = 2 * hops * layers
    for node in range(n):
        changed = x.clone()
        changed[node] += 1
        assert torch.equal(first(changed), first(x)) == (node > reach), node


PAIRS = {
    "hexagon": (networkx.cycle_graph(6), networkx.disjoint_union(*[networkx.cycle_graph(3)] * 2), (1, 2, 3)),
    "octagon": (networkx.cycle_graph(8), networkx.disjoint_union(*[networkx.cycle_graph(4)] * 2), (2, 3)),
    "C41(1,2)": (networkx.circulant_graph(41, [1, 2]), networkx.circulant_graph(41, [1, 3]), (1, 2, 3)),
    "C41(1,4)": (networkx.circulant_graph(41, [1, 4]), networkx.circulant_graph(41, [1, 5]), (2, 3)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_which_regular_graphs_it_tells_apart(name):
    one, other, seen = PAIRS[name]
    for hops in (None, 1, 2, 3):
        torch.manual_seed(0)
        kind = IGN2(0, 16, 3, 4) if hops is None else SPEN(0, 16, 3, 4, num_hops=hops, sizes=range(1, 42))
        net = kind.to(DOUBLE).eval()
        with torch.no_grad():
            logits = [net(None, edges_of(g), torch.zeros(len(g), dtype=torch.long)) for g in (one, other)]
        apart = float((logits[0] - logits[1]).abs().max())
        assert apart > 1e-4 if hops in seen else apart < 1e-12, (hops, apart)


def test_all_pairs_take_edges_that_go_one_way():
    x, edge_index = some(6, 0.5)
    one_way = edge_index[:, : edge_index.shape[1] // 2]
    net = network(IGN2)
    with torch.no_grad():
        found = net(x, one_way)
        order = torch.randperm(6, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(net(*renumbered(x, one_way, order)), found, rtol=0, atol=1e-10)
        assert not torch.allclose(net(x, one_way.flip(0)), found, atol=1e-6)


def test_sizes_without_weights_take_those_of_the_next_smaller_one():
    conv = SPENConv({1: 1}, {1: 1}, sizes=(40, 2, 3))
    assert [conv.weights_of(m) for m in (1, 2, 3, 4, 39, 40, 41)] == [0, 0, 1, 1, 1, 2, 2]
    net = network(SPEN, sizes=(1, 2))
    x, edge_index = some(9, 0.8)
    assert int(ego_subgraphs(edge_index, 9).size.max()) > 5 and bool(net(x, edge_index).isfinite().all())


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_every_weight_learns_and_weights_go_there_and_back(dtype):
    torch.manual_seed(0)
    net = SPEN(3, 4, 2, 2, sizes=range(1, 6)).to(dtype)
    # A star has sizes 2 and 5, a cycle 3, a path with a chord 4; a single node 1.
    graphs = [networkx.star_graph(4), networkx.cycle_graph(5), networkx.complete_graph(4), networkx.empty_graph(1)]
    whole = networkx.disjoint_union_all(graphs)
    batch = torch.arange(4).repeat_interleave(torch.tensor([5, 5, 4, 1]))
    x = torch.randn(15, 3, dtype=dtype)
    out = net(x, edges_of(whole), batch)
    assert out.dtype == dtype
    out.square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in net.parameters())
    assert all(bool(conv.maps[i].bias.grad.any()) for conv in (*net.convs, net.readout) for i in range(5))
    other = SPEN(3, 4, 2, 2, sizes=range(1, 6)).to(dtype)
    assert not torch.equal(other(x, edges_of(whole), batch), out)
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(x, edges_of(whole), batch), out)
    other.reset_parameters()
    assert not any(torch.equal(a.maps[0].bias, a.maps[0].node_weight) for a in other.convs)
    assert not torch.equal(other.convs[0].maps[0].node_weight, net.convs[0].maps[0].node_weight)


def test_forgetting_everything():
    net = network()
    net.train()(*some(9))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert bool(net.norms[0]["1"].running_mean.any())
    net.reset_parameters()
    assert not bool(net.norms[0]["1"].running_mean.any())
    random = [name for name in before if name.endswith("node_weight") or name == "head.0.weight"]
    assert all(not torch.equal(before[name], net.state_dict()[name]) for name in random)


def test_the_weights_of_the_card():
    net = SPEN(7, 16, 3, 2, sizes=range(2, 6))
    assert sum(p.numel() for p in net.parameters()) == 74818
    assert sum(p.numel() for p in IGN2(7, 16, 3, 2).parameters()) == 20530


@pytest.mark.parametrize("kind", [SPEN, IGN2])
def test_graphs_without_nodes_at_the_end_are_counted(kind):
    net, (x, edge_index) = network(kind), some(4, 0.9)
    batch = torch.ones(4, dtype=torch.long)  # the first has none either
    found = net(x, edge_index, batch, batch_size=4)
    torch.testing.assert_close(found[:2], net(x, edge_index, batch))
    torch.testing.assert_close(found[2:], found[:1].expand(2, -1))
    assert not torch.allclose(found[0], found[1])
    with pytest.raises(ValueError, match=r"batch_size\): at least 2, as batch tells, got 1"):
        net(x, edge_index, batch, batch_size=1)


X, EDGES = some(4, 0.9)
ONE = torch.zeros(4, dtype=torch.long)
NAN = torch.full((EDGES.shape[1], 1), float("nan"), dtype=DOUBLE)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: SPEN(3, 8, 0, 2), ValueError, r"SPEN\(num_layers\): a whole number from 1, got 0"),
        (lambda: SPEN(3, 8, 1, 2, norm="layer"), ValueError, r"SPEN\(norm\): one of batch, graph, none, got 'layer'"),
        (lambda: IGN2(3, 8, 1, 2, reps=(0, 1)), ValueError, r"IGN2\(reps\): 1, 2 or both"),
        (lambda: SPEN(3, 8, 1, 2, sizes=()), ValueError, r"SPENConv\(sizes\): numbers of nodes from 1, got \[\]"),
        (lambda: SPENConv({0: 2, 1: 2}, {1: 2}, (1,)), ValueError, r"in_channels\): features of nodes \(1\)"),
        (lambda: SPENConv({1: 2}, {1: 2}, (1,))({2: X}, whole_graphs(ONE)), ValueError, "got nothing"),
        (lambda: network()(None, EDGES, ONE), TypeError, r"shape \(nodes, 3\), got None"),
        (lambda: SPEN(0, 8, 1, 2)(None, EDGES), TypeError, "without features it tells how many nodes"),
        (lambda: network()(X.float(), EDGES), TypeError, "float64, as the weights are, got torch.float32"),
        (lambda: network()(X[:, :2], EDGES), ValueError, r"shape \(nodes, 3\), got \(4, 2\)"),
        (lambda: network()(X * float("nan"), EDGES), ValueError, "finite numbers"),
        (lambda: network()(X, EDGES + 1), ValueError, "numbers of 4 nodes, from 0, got 1 to 4"),
        (lambda: network()(X, EDGES[:, :3]), ValueError, "goes one way"),
        (lambda: network()(X[:0], EDGES[:, :0]), ValueError, "at least one node"),
        (lambda: network()(X, EDGES, torch.tensor([0, 1, 0, 1])), ValueError, "ascending"),
        (lambda: network()(X, EDGES, torch.tensor([0, 0, 1, 1])), ValueError, "between two of them"),
        (lambda: network(in_edge=2)(X, EDGES), TypeError, "edge_attr"),
        (lambda: network(in_edge=1)(X, EDGES, None, NAN), ValueError, r"edge_attr\): finite numbers"),
        (lambda: network()(X, EDGES, edge_attr=X[:, :0]), TypeError, "edge_attr"),
        (lambda: network()(X, EDGES, subgraphs=whole_graphs(torch.zeros(5).long())), ValueError, "of 4 nodes, got 5"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
