"""Ego-networks against networkx and PyTorch Geometric, in batches, at hubs, and on real graphs."""

import subprocess
import sys

import networkx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data, InMemoryDataset
from torch_geometric.loader import DataLoader
from torch_geometric.utils import k_hop_subgraph

from erlangen.data import data_root
from erlangen.data.tu import load_tu
from erlangen.graphs import EgoSubgraphs, SubgraphData, Subgraphs, ego_subgraphs, whole_graphs
from erlangen.graphs.ego import require_graph

EDGE = torch.tensor([[0, 1], [1, 0]])


def edges_of(graph):
    edges = [(i, j) for i, j in graph.edges] + [(j, i) for i, j in graph.edges if i != j]
    return torch.tensor(edges, dtype=torch.long).reshape(-1, 2).T


def random_graph(n, p, seed):
    return edges_of(networkx.gnp_random_graph(n, p, seed=seed))


def sets_of(subgraphs):
    return [part.tolist() for part in subgraphs.node.split(subgraphs.size.tolist())]


@given(n=st.integers(1, 9), p=st.floats(0, 0.6), seed=st.integers(0, 99), hops=st.integers(1, 4))
def test_they_are_those_of_networkx_and_pyg(n, p, seed, hops):
    graph = networkx.gnp_random_graph(n, p, seed=seed)
    edge_index = edges_of(graph)
    found = ego_subgraphs(edge_index, n, hops)
    assert sets_of(found) == [sorted(networkx.ego_graph(graph, v, radius=hops)) for v in range(n)]
    theirs = [k_hop_subgraph(v, hops, edge_index, num_nodes=n)[0].tolist() for v in range(n)]
    assert sets_of(found) == theirs
    # Every pair that shares a set is listed once, in order; every place in a set points to it.
    pairs = sorted({(i, j) for members in sets_of(found) for i in members for j in members})
    assert found.pair_index.T.tolist() == [list(pair) for pair in pairs]
    places = [[i, j] for members in sets_of(found) for i in members for j in members]
    assert found.pair_index[:, found.pair].T.tolist() == places
    assert found.find_pairs(found.pair_index).tolist() == list(range(len(pairs)))


def test_bags_hold_each_set_once():
    found = ego_subgraphs(random_graph(30, 0.15, 0), 30)
    seen = []
    for bag in found.bags:
        for which, node, pair in zip(bag.which.tolist(), bag.node, bag.pair, strict=True):
            assert node.tolist() == sets_of(found)[which] and len(node) == bag.size
            assert torch.equal(found.pair_index[0, pair], node[:, None].expand(-1, bag.size))
            assert torch.equal(found.pair_index[1, pair], node[None].expand(bag.size, -1))
            seen.append(which)
    assert sorted(seen) == list(range(30)) and len(found.bags) > 2


def test_batches_of_the_transform_are_the_sets_of_the_batch():
    graphs = [Data(edge_index=random_graph(n, 0.4, n), num_nodes=n, x=torch.randn(n, 2)) for n in (4, 1, 7, 5)]
    made = [EgoSubgraphs(2)(graph) for graph in graphs]
    assert all("subgraph_node" not in graph for graph in graphs) and made[0].num_nodes == 4
    batch = Batch.from_data_list(made)
    at_once = ego_subgraphs(batch.edge_index, batch.num_nodes, 2)
    read, on_batch = Subgraphs.of(batch), Subgraphs.of(EgoSubgraphs(2)(Batch.from_data_list(graphs)))
    for one in (read, on_batch):
        assert all(torch.equal(a, b) for a, b in zip(one.fields().values(), at_once.fields().values(), strict=True))
        assert one.num_nodes == 17
    loaded = next(iter(DataLoader(made, batch_size=4)))
    assert torch.equal(loaded.subgraph_pair, read.pair) and torch.equal(batch[2].x, graphs[2].x)
    assert torch.equal(batch[2].subgraph_pair, made[2].subgraph_pair)  # taken apart again


def test_a_batch_is_transformed_graph_by_graph():
    star = torch.tensor([[0] * 9 + [*range(1, 10)], [*range(1, 10)] + [0] * 9])
    graphs = [Data(edge_index=star, num_nodes=10), Data(edge_index=star, num_nodes=10)]
    transform = EgoSubgraphs(max_size=4, seed=1)  # what is drawn in one graph has nothing to do with the others
    batch = transform(Batch.from_data_list(graphs))
    for part, graph in zip(batch.to_data_list(), graphs, strict=True):
        assert all(torch.equal(part[name], value) for name, value in Subgraphs.of(transform(graph)).fields().items())


class Rooted(SubgraphData):
    def __inc__(self, key, value, *args, **kwargs):
        return self.num_nodes if key == "root" else super().__inc__(key, value, *args, **kwargs)


class Foreign(Data):
    """Might number fields in its own way."""


def test_graphs_of_other_classes_keep_their_numbering_or_are_refused():
    graph = EgoSubgraphs()(Rooted(edge_index=EDGE, num_nodes=2, root=torch.tensor([1])))
    batch = Batch.from_data_list([graph, graph])
    assert batch.root.tolist() == [1, 3] and batch.subgraph_pair.tolist() == [0, 1, 2, 3] * 2 + [4, 5, 6, 7] * 2
    with pytest.raises(TypeError, match=r"extends erlangen.graphs.SubgraphData, got Foreign"):
        EgoSubgraphs()(Foreign(edge_index=EDGE, num_nodes=2))


class Stored(InMemoryDataset):
    def __init__(self, root):
        super().__init__(root)
        self.load(self.processed_paths[0])

    @property
    def processed_file_names(self):
        return "graphs.pt"

    def process(self):
        graphs = [Data(edge_index=random_graph(n, 0.5, n), num_nodes=n) for n in (3, 5)]
        self.save([EgoSubgraphs()(graph) for graph in graphs], self.processed_paths[0])


@pytest.mark.filterwarnings("ignore:Weights only load failed")
def test_data_sets_on_disk_keep_what_numbers_batches(tmp_path):
    for stored in (Stored(str(tmp_path)), Stored(str(tmp_path))):  # made, then read
        batch = next(iter(DataLoader(stored, batch_size=2)))
        expected = ego_subgraphs(batch.edge_index, 8)
        assert all(torch.equal(batch[name], value) for name, value in expected.fields().items())


def test_sets_of_short_integers_are_those_of_long_ones():
    node, size = torch.tensor([0, 69_999]), torch.tensor([2])  # the square of the number of nodes takes 33 bits
    for one in (Subgraphs.from_sets(node, size, 70_000), Subgraphs.from_sets(node.int(), size.int(), 70_000)):
        assert one.pair_index.tolist() == [[0, 0, 69_999, 69_999], [0, 69_999, 0, 69_999]]
        assert one.find_pairs(node.int()[:, None]).tolist() == [1]
        assert one == one and one != Subgraphs.from_sets(node, size, 70_000)


def test_loops_and_repeated_edges_change_nothing_and_short_integers_do():
    edge_index = random_graph(8, 0.4, 1)
    plain = ego_subgraphs(edge_index, 8)
    more = torch.cat([edge_index, edge_index[:, :5], edge_index[:, :5].flip(0), torch.tensor([[3], [3]])], 1)
    for other in (ego_subgraphs(more, 8), ego_subgraphs(edge_index.int(), 8)):
        assert all(torch.equal(a, b) for a, b in zip(plain.fields().values(), other.fields().values(), strict=True))


def test_without_edges_every_node_is_alone():
    found = ego_subgraphs(torch.zeros(2, 0, dtype=torch.long), 3, num_hops=3)
    assert sets_of(found) == [[0], [1], [2]] and found.pair_index.tolist() == [[0, 1, 2]] * 2


def test_whole_graphs_are_all_pairs():
    batch = torch.tensor([0, 0, 0, 2, 2])
    found = whole_graphs(batch)
    assert sets_of(found) == [[0, 1, 2], [3, 4]] and found.num_pairs == 13
    graph = networkx.path_graph(6)
    near, whole = ego_subgraphs(edges_of(graph), 6, 5), whole_graphs(torch.zeros(6, dtype=torch.long))
    assert torch.equal(near.pair_index, whole.pair_index) and sets_of(near) == 6 * sets_of(whole)


def star(leaves):
    spokes = torch.stack([torch.zeros(leaves, dtype=torch.long), torch.arange(1, leaves + 1)])
    return torch.cat([spokes, spokes.flip(0)], 1)


@pytest.mark.parametrize("hops", [1, 2])
def test_a_hub_is_refused_before_memory_is_gone(hops):
    with pytest.raises(ValueError, match=r"sets of up to 100001 nodes make at least 1\.0e\+(10|15) places.*max_size"):
        ego_subgraphs(star(10**5), 10**5 + 1, hops)


@pytest.mark.parametrize("hops", [1, 2])
def test_a_hub_of_which_a_part_is_drawn(hops):
    found = ego_subgraphs(star(10**5), 10**5 + 1, hops, max_size=6)
    assert int(found.size.max()) == 6 and int(found.size.min()) == (2 if hops == 1 else 6)
    own = torch.arange(10**5 + 1).repeat_interleave(found.size)
    assert torch.equal(own[found.node == own], torch.arange(10**5 + 1))  # each keeps its node
    again, other = (ego_subgraphs(star(99), 100, hops, max_size=6, seed=seed).node.tolist() for seed in (0, 1))
    assert again == ego_subgraphs(star(99), 100, hops, max_size=6).node.tolist() != other


def test_drawn_parts_are_parts():
    edge_index = random_graph(40, 0.2, 0)
    whole, part = (sets_of(ego_subgraphs(edge_index, 40, 2, max_size=size)) for size in (None, 5))
    assert all(set(few) <= set(many) and len(few) == min(5, len(many)) for few, many in zip(part, whole, strict=True))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ego_subgraphs(EDGE, 0), ValueError, "at least one node, got 0"),
        (lambda: ego_subgraphs(EDGE, 1), ValueError, "numbers of 1 nodes, from 0, got 0 to 1"),
        (lambda: ego_subgraphs(EDGE - 1, 2), ValueError, "got -1 to 0"),
        (lambda: ego_subgraphs(torch.tensor([[0, 1, 1], [1, 0, 2]]), 3), ValueError, "1 -> 2 goes one way"),
        (lambda: ego_subgraphs(EDGE, 2, 0), ValueError, r"num_hops\): a whole number from 1, got 0"),
        (lambda: ego_subgraphs(EDGE, 2, max_size=0), ValueError, r"max_size\): a whole number from 1, got 0"),
        (lambda: ego_subgraphs(EDGE, 2, max_pairs=7), ValueError, "at least 8.0e.00 places of pairs, more than 7.0e"),
        (lambda: require_graph("f", EDGE[:1], 2), ValueError, r"f\(edge_index\): shape \(2, edges\), got \(1, 2\)"),
        (lambda: require_graph("f", EDGE.float(), 2), TypeError, r"f\(edge_index\): whole numbers, got torch.float32"),
        (lambda: whole_graphs(torch.zeros(0, dtype=torch.long)), ValueError, "at least one node, got none"),
        (lambda: whole_graphs(torch.zeros(4, dtype=torch.long), max_pairs=15), ValueError, "16 places.*more than 15"),
        (lambda: EgoSubgraphs()(Data(num_nodes=3)), ValueError, "edge_index, which may be empty, got None"),
        (lambda: EgoSubgraphs()(Data(edge_index=EDGE[:, :0], num_nodes=0)), ValueError, "at least one node"),
        (lambda: Subgraphs.of(Data(edge_index=EDGE)), ValueError, "no field 'subgraph_node'; apply EgoSubgraphs"),
        (lambda: Subgraphs.from_sets(EDGE[0], EDGE[0], 2), ValueError, "2 members.* 1 in all, the smallest 0"),
        (lambda: Subgraphs.from_sets(EDGE[0], EDGE[0][1:], 2), ValueError, "make 2 members in all, got 1 in all"),
        (lambda: Subgraphs.from_sets(EDGE[0], 2 * EDGE[0][1:], 1), ValueError, "numbers of 1 nodes.* got 0 to 1"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_tensors_that_do_not_fit_together_are_named():
    graph = EgoSubgraphs()(Data(edge_index=EDGE, num_nodes=2))
    for name, value, message in (
        ("subgraph_size", torch.tensor([2]), "do not fit together"),
        ("subgraph_node", torch.tensor([0, 1, 0, 2]), "subgraph_node: numbers from 0 to 1, got 0 to 2"),
        ("subgraph_pair", graph.subgraph_pair + 1, "subgraph_pair: numbers from 0 to 3, got 1 to 4"),
    ):
        broken = graph.clone()
        broken[name] = value
        with pytest.raises(ValueError, match=message):
            Subgraphs.of(broken)


@pytest.mark.skipif(data_root() is None, reason="ERLANGEN_DATA is not set")
@pytest.mark.parametrize(
    ("name", "hops", "squares", "largest"),
    [("MUTAG", 1, 36553, 5), ("MUTAG", 2, 149711, None), ("PROTEINS", 1, 1029467, 26), ("PROTEINS", 2, 4907443, None)],
)
def test_counts_on_real_graphs(name, hops, squares, largest):
    batch = Batch.from_data_list(load_tu(name))
    found = ego_subgraphs(batch.edge_index, batch.num_nodes, hops)
    assert int(found.size.square().sum()) == squares and (largest is None or int(found.size.max()) == largest)


def test_networks_on_graphs_do_not_need_pyg_to_be_loaded():
    script = "import sys, erlangen.graphs; print('torch_geometric' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "False"
