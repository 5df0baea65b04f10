"""The loader of TU sets: tiny sets in their layout, whole and broken, and the same by PyG's own reader."""

import shutil

import pytest
import torch
from torch_geometric.datasets import TUDataset

from erlangen.data import MissingDataError, data_root
from erlangen.data.tu import load_tu, read_tu

# A triangle, an isolated node, and a path with a self-loop and an edge that is listed twice.
FILES = {
    "A": "1, 2\n2, 1\n1, 3\n3, 1\n2, 3\n3, 2\n6, 5\n5, 6\n5, 6\n6, 6\n6, 7\n7, 6\n",
    "graph_indicator": "1\n1\n1\n2\n3\n3\n3\n",
    "graph_labels": "1\n-1\n1\n",
    "node_labels": "2\n3\n5\n2\n2\n2\n3\n",
    "edge_labels": "0\n0\n1\n1\n0\n0\n1\n1\n1\n0\n0\n0\n",
    "node_attributes": "".join(f"{i}.5, -{i}\n" for i in range(7)),
}


def write(folder, name="MUTAG", **change):
    folder.mkdir(parents=True, exist_ok=True)
    for part, text in (FILES | change).items():
        if text is not None:
            (folder / f"{name}_{part}.txt").write_text(text)
    return folder


@pytest.mark.parametrize("attributes", [False, True])
def test_as_pyg_reads_it(tmp_path, attributes):
    folder = write(tmp_path / "MUTAG" / "raw")
    theirs = TUDataset(str(tmp_path), "MUTAG", use_node_attr=attributes)
    ours = read_tu(folder, "MUTAG", attributes)
    assert len(ours) == len(theirs) == 3
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one.edge_index, other.edge_index)
        assert torch.equal(one.edge_attr, other.edge_attr.clamp(max=1))  # PyG adds up labels of edges listed twice
        assert torch.equal(one.x, other.x) and torch.equal(one.y, other.y) and one.num_nodes == other.num_nodes


def test_values_by_hand(tmp_path):
    triangle, alone, path = read_tu(write(tmp_path), "MUTAG")
    assert [int(graph.y) for graph in (triangle, alone, path)] == [1, 0, 1]
    assert (alone.num_nodes, alone.edge_index.shape, alone.edge_attr.shape) == (1, (2, 0), (0, 2))
    assert path.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert triangle.x.argmax(1).tolist() == [0, 1, 3] and triangle.x.shape == (3, 4)


def test_a_set_without_labels_has_no_features(tmp_path):
    gone = dict.fromkeys(("node_labels", "edge_labels", "node_attributes"))
    graphs = read_tu(write(tmp_path, "SOME", **gone), "SOME", attributes=True)
    assert graphs[0].x is None and graphs[0].edge_attr is None and graphs[2].num_nodes == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"A": "1, 2\n2, nought\n"}, r"MUTAG_A\.txt: cannot be read"),
        ({"A": "1\n2\n"}, r"MUTAG_A\.txt: 2 columns, got 1"),
        ({"A": "1, 8\n"}, r"MUTAG_A\.txt: numbers from 1 to 7"),
        ({"A": "0, 1\n"}, r"MUTAG_A\.txt: numbers from 1 to 7"),
        ({"A": "1, 4\n"}, r"MUTAG_A\.txt: an edge joins two graphs"),
        ({"graph_indicator": "1\n3\n2\n1\n1\n1\n1\n"}, r"MUTAG_graph_indicator\.txt: ascending numbers from 1 to 3"),
        ({"graph_labels": "1\n"}, r"MUTAG_graph_indicator\.txt: ascending numbers from 1 to 1"),
        ({"node_labels": "1\n"}, r"MUTAG_node_labels\.txt or _attributes\.txt: 7 rows"),
        ({"edge_labels": "1\n"}, r"MUTAG_edge_labels\.txt or _attributes\.txt: 12 rows"),
    ],
)
def test_broken_files_are_named(tmp_path, change, message):
    write(tmp_path / "tu" / "MUTAG" / "raw", **change)
    with pytest.raises(MissingDataError, match=message):
        load_tu("MUTAG", tmp_path)


def test_missing_files_and_other_names(tmp_path):
    with pytest.raises(MissingDataError, match=r"'proteins'.*PROTEINS_A\.txt.*in tu/PROTEINS/raw/"):
        load_tu("PROTEINS", tmp_path)
    with pytest.raises(ValueError, match="one of MUTAG, PROTEINS, got 'mutag'"):
        load_tu("mutag", tmp_path)


@pytest.mark.skipif(data_root() is None, reason="ERLANGEN_DATA is not set")
@pytest.mark.parametrize(
    ("name", "graphs", "nodes", "squares"), [("MUTAG", 188, 3371, 64381), ("PROTEINS", 1113, 43471, 4028305)]
)
def test_the_real_sets(name, graphs, nodes, squares, tmp_path):
    ours = load_tu(name)
    assert (len(ours), sum(graph.num_nodes for graph in ours)) == (graphs, nodes)
    assert sum(graph.num_nodes**2 for graph in ours) == squares
    if name == "MUTAG":
        shutil.copytree(data_root() / "tu" / name / "raw", tmp_path / name / "raw")
        for one, other in zip(ours, TUDataset(str(tmp_path), name), strict=True):
            assert torch.equal(one.edge_index, other.edge_index) and torch.equal(one.x, other.x)
            assert torch.equal(one.y, other.y) and torch.equal(one.edge_attr, other.edge_attr)
