"""Loaders of graphs: tiny files in each layout, whole and broken; the generated pairs against networkx."""

import networkx
import numpy as np
import pytest
import torch

from erlangen.data import MissingDataError
from erlangen.data.graph6 import decode_graph6, read_graph6
from erlangen.data.graph_pairs import cycle_pairs, load_exp
from erlangen.data.small_graphs import load_graph7c, load_graph8c


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "graph_separation").mkdir()
    return tmp_path / "graph_separation"


@pytest.mark.parametrize("nodes", [1, 2, 5, 8, 13, 62])
def test_graph6_as_networkx_writes_it(nodes):
    graph = networkx.gnp_random_graph(nodes, 0.4, seed=nodes)
    line = networkx.to_graph6_bytes(graph, header=False).strip()
    assert torch.equal(decode_graph6(line), torch.from_numpy(networkx.to_numpy_array(graph)).float())


@pytest.mark.parametrize(
    ("line", "message"),
    [(b"", "not a line"), (b"B w", "not a line"), (b"Bww", "3 characters for a graph of 3 nodes, which takes 2"),
     (b"~??~", "more than 62")],
)  # fmt: skip
def test_broken_lines_of_graph6(line, message):
    with pytest.raises(ValueError, match=message):
        decode_graph6(line)


def test_graph6_files_name_the_broken_line(tmp_path):
    path = tmp_path / "some.g6"
    path.write_bytes(b">>graph6<<Bw\nA_\n>>graph6<<Bw\n")
    assert [len(graph) for graph in read_graph6(path)] == [3, 2, 3]
    path.write_bytes(b"Bw\nB\n")
    with pytest.raises(MissingDataError, match=r"some\.g6: line 2: 1 characters"):
        read_graph6(path)
    with pytest.raises(MissingDataError, match=r"none\.g6: cannot be read"):
        read_graph6(tmp_path / "none.g6")


def test_graph8c_from_a_file(folder):
    with pytest.raises(MissingDataError, match=r"'graph8c'.*graph8c\.g6 in graph_separation/ .*Frame-Averaging"):
        load_graph8c(folder.parent)
    graphs = [networkx.cycle_graph(8), networkx.complete_graph(8)]
    (folder / "graph8c.g6").write_bytes(b"".join(networkx.to_graph6_bytes(graph, header=False) for graph in graphs))
    assert load_graph8c(folder.parent).sum((1, 2)).tolist() == [16, 56]
    (folder / "graph8c.g6").write_bytes(b"Bw\n")
    with pytest.raises(MissingDataError, match=r"graphs of 8 nodes, got \[3\]"):
        load_graph8c(folder.parent)


def test_graph7c_holds_each_connected_graph_once():
    graphs = load_graph7c()
    assert graphs.shape == (853, 7, 7) and torch.equal(graphs, graphs.mT)  # 853: sequence A001349 of the OEIS
    assert all(networkx.is_connected(networkx.from_numpy_array(graph.numpy())) for graph in graphs[::50])


def exp_arrays():
    # A triangle and a path of three, then the same with a fourth, lonely node.
    edges = [[0, 1, 1, 2, 0, 2], [1, 0, 2, 1, 2, 0]], [[0, 1, 1, 2], [1, 0, 2, 1]]
    return {
        "x": np.array([1, 0, 0, 0, 1, 0, 1, 1, 1, 1, 0, 0, 0, 1], np.int8),
        "edge_index": np.concatenate([np.array(e) for e in (*edges, *edges)], 1).astype(np.int16),
        "y": np.array([1, 0, 1, 0], np.int8),
        "node_ptr": np.array([0, 3, 6, 10, 14], np.int32),
        "edge_ptr": np.array([0, 6, 10, 16, 20], np.int32),
    }


def test_exp_from_a_file(folder):
    with pytest.raises(MissingDataError, match=r"'exp'.*exp\.npz in graph_separation/"):
        load_exp(folder.parent)
    np.savez(folder / "exp.npz", **exp_arrays())
    pairs = load_exp(folder.parent)
    assert pairs.sizes.tolist() == [3, 3, 4, 4] and pairs.labels.tolist() == [1, 0, 1, 0]
    assert pairs.adjacency.shape == (4, 4, 4) and pairs.adjacency.sum((1, 2)).tolist() == [6, 4, 6, 4]
    assert pairs.adjacency[1].nonzero().tolist() == [[0, 1], [1, 0], [1, 2], [2, 1]]
    assert pairs.bits[..., 0].tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]]
    assert len(pairs.first(2).labels) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": None}, "no array 'y'"),
        ({"x": np.zeros(3, np.int8)}, "do not fit together"),
        ({"edge_ptr": np.array([0, 6, 10, 16, 21])}, "do not fit together"),
        ({"edge_index": np.full((2, 20), 3)}, "do not fit together"),
        ({"edge_index": np.array([[0] * 20, [1] * 20])}, "both ways"),
    ],
    ids=["no labels", "few nodes", "wrong borders", "beyond the nodes", "one way"],
)
def test_broken_arrays_of_exp(folder, change, message):
    arrays = {key: value for key, value in (exp_arrays() | change).items() if value is not None}
    np.savez(folder / "exp.npz", **arrays)
    with pytest.raises(MissingDataError, match=message):
        load_exp(folder.parent)


@pytest.mark.parametrize("content", [b"", b"no file of numpy's", b"PK\x03\x04 cut off"])
def test_exp_that_is_no_npz(folder, content):
    (folder / "exp.npz").write_bytes(content)
    with pytest.raises(MissingDataError, match="cannot be read"):
        load_exp(folder.parent)


def as_networkx(pairs, index):
    n = int(pairs.sizes[index])
    graph = networkx.from_numpy_array(pairs.adjacency[index, :n, :n].numpy())
    for node in graph:
        graph.nodes[node]["bit"] = str(int(pairs.bits[index, node, 0]))
    return graph


def test_generated_pairs_differ_where_colour_refinement_sees_nothing():
    pairs = cycle_pairs(40, seed=3)
    for index in range(0, 40, 2):
        first, second = as_networkx(pairs, index), as_networkx(pairs, index + 1)
        hashes = {
            networkx.weisfeiler_lehman_graph_hash(graph, node_attr="bit", iterations=10) for graph in (first, second)
        }
        assert len(hashes) == 1 and not networkx.is_isomorphic(first, second)
        assert networkx.number_connected_components(first) == 2 and networkx.number_connected_components(second) == 3
    assert float(pairs.adjacency[0, int(pairs.sizes[0]) :].abs().sum()) == 0


@pytest.mark.parametrize("arguments", [(3,), (0,), (4, 0, (2, 8)), (4, 0, (5, 4)), (4, 0, (3, 8), 1)])
def test_pairs_that_cannot_be_generated(arguments):
    with pytest.raises(ValueError, match="take"):
        cycle_pairs(*arguments)
