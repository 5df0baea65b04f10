"""Polynomials as fields of PyG's graphs."""

import networkx as nx
import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader
from torch_geometric.transforms import Compose, ToUndirected
from torch_geometric.utils import from_networkx, to_dense_adj

from erlangen.graphs import (
    EquivariantPolynomials,
    MarkedMultigraph,
    PolynomialFeatures,
    missing_polynomials,
    polynomial_matrices,
)

TRIANGLES = missing_polynomials("node", 3, order=(0, 1))
TWELVE = missing_polynomials("edge", 6)


def graphs():
    made = [nx.gnp_random_graph(n, 0.7, seed=n) for n in (5, 9, 7)]
    made.append(nx.empty_graph(3))  # isolated nodes
    made.append(nx.star_graph(4))
    plain = [from_networkx(graph) for graph in made]
    plain[3].edge_index = torch.zeros(2, 0, dtype=torch.long)
    return [Data(x=torch.ones(one.num_nodes, 2), edge_index=one.edge_index) for one in plain]


def test_closed_walks_of_three_steps_are_triangles():
    for data in graphs():
        enriched = PolynomialFeatures(TRIANGLES)(data)
        count = nx.triangles(nx.Graph(data.edge_index.T.tolist()))
        expected = [2 * count.get(node, 0) for node in range(data.num_nodes)]
        assert enriched.node_polynomials.flatten().tolist() == expected
        assert enriched.graph_polynomials.tolist() == [[sum(expected)]]
        assert "node_polynomials" not in data and "pair_polynomials" not in enriched
        assert enriched.num_nodes == data.num_nodes


@pytest.mark.parametrize("index", [torch.int32, torch.int64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batches_join_fields_and_fields_make_padded_matrices(index, dtype):
    dataset = graphs()
    for data in dataset:
        data.x, data.edge_index = data.x.to(dtype), data.edge_index.to(index)
    transform = PolynomialFeatures(TWELVE)
    batch = next(iter(DataLoader([transform(data) for data in dataset], batch_size=len(dataset))))
    again = transform(Batch.from_data_list(dataset))
    for key in ("graph_polynomials", "node_polynomials", "pair_polynomials", "edge_polynomials"):
        assert batch[key].dtype == dtype and torch.equal(batch[key], again[key])
    matrices, mask = polynomial_matrices(batch)
    assert matrices.shape == (5, 12, 9, 9) and mask.sum(1).tolist() == [5, 9, 7, 3, 5]
    # The same from the other side: padded matrices, then polynomials.
    dense = to_dense_adj(batch.edge_index.long(), batch.batch, batch_size=5).double()
    values = EquivariantPolynomials(TWELVE, simple=True)(dense, mask)
    assert torch.equal(matrices.double(), values.matrices(mask))
    row, column = batch.edge_index.long()
    place, first = row - batch.ptr[batch.batch[row]], column - batch.ptr[batch.batch[row]]
    assert torch.equal(batch.edge_polynomials.double(), values.pair[batch.batch[row], place, first])


def test_one_graph_is_a_batch_of_one():
    data = PolynomialFeatures(TWELVE)(graphs()[0])
    alone, mask = polynomial_matrices(data)
    batched, _ = polynomial_matrices(Batch.from_data_list([data]))
    assert torch.equal(alone, batched) and mask.all()
    with pytest.raises(ValueError, match="a graph that PolynomialFeatures has been through"):
        polynomial_matrices(graphs()[0])


def test_large_graphs_are_computed_from_sparse_intermediates(monkeypatch):
    dense = [PolynomialFeatures(TWELVE)(data) for data in graphs()]
    monkeypatch.setattr("erlangen.graphs.polynomial_features.DENSE", 0)
    for one, data in zip(dense, graphs(), strict=True):
        sparse = PolynomialFeatures(TWELVE)(data)
        for key in ("graph_polynomials", "node_polynomials", "pair_polynomials", "edge_polynomials"):
            assert torch.equal(one[key], sparse[key])


def test_channels_that_are_zero_on_all_graphs_are_dropped():
    triangle_free = [from_networkx(nx.cycle_graph(n)) for n in (4, 5, 6)]
    transform = PolynomialFeatures(missing_polynomials("node", 4, order=(0, 1)))
    kept = transform.nonzero_on([*triangle_free, Batch.from_data_list(triangle_free)])
    assert {graph.num_nodes for graph in kept.polynomials} == {4} and len(kept.polynomials) == 2  # cycles of four
    clique = from_networkx(nx.complete_graph(4))
    assert kept(clique).node_polynomials.shape == (4, 1)
    assert transform.nonzero_on([clique]).polynomials == transform.polynomials
    assert transform.nonzero_on([]).polynomials == ()
    assert "node_polynomials" not in PolynomialFeatures([])(clique)


def test_graphs_that_are_not_simple_are_refused():
    transform = PolynomialFeatures(TRIANGLES)
    ring = torch.tensor([[0, 1, 2], [1, 2, 0]])
    with pytest.raises(ValueError, match=r"an undirected graph, with each edge in both directions; .*ToUndirected"):
        transform(Data(edge_index=ring, num_nodes=3))
    assert Compose([ToUndirected(), transform])(Data(edge_index=ring, num_nodes=3)).graph_polynomials.item() == 6
    both = torch.cat([ring, ring.flip(0)], 1)
    with pytest.raises(ValueError, match=r"a graph without loops; .*RemoveSelfLoops"):
        transform(Data(edge_index=torch.cat([both, torch.tensor([[1], [1]])], 1), num_nodes=3))
    with pytest.raises(ValueError, match=r"each edge once; data\.coalesce"):
        transform(Data(edge_index=both.repeat(1, 2), num_nodes=3))
    with pytest.raises(ValueError, match="edges between the nodes 0 to 1, got 0 to 2"):
        transform(Data(edge_index=both, num_nodes=2))
    with pytest.raises(ValueError, match="edges between the nodes 0 to 2, got -1 to 2"):
        transform(Data(edge_index=both - torch.eye(2, 6, dtype=torch.long), num_nodes=3))
    with pytest.raises(ValueError, match="a graph with edge_index, got Data"):
        transform(Data(x=torch.ones(3, 1)))
    with pytest.raises(ValueError, match="the number of marks of"):
        PolynomialFeatures([MarkedMultigraph(3, ((0, 1), (1, 2)), (0, 1, 2))])


def test_edges_are_whole_numbers():
    with pytest.raises(TypeError, match=r"edge_index of whole numbers, got torch.float32"):
        PolynomialFeatures([])(Data(edge_index=torch.tensor([[0.0, 1.0], [1.0, 0.0]]), num_nodes=2))


def test_the_empty_graph_and_a_star_of_many_leaves():
    empty = PolynomialFeatures(TWELVE)(Data(x=torch.ones(0, 1), edge_index=torch.zeros(2, 0, dtype=torch.long)))
    assert empty.graph_polynomials.tolist() == [[0.0]] and empty.pair_polynomials.shape == (0, 10)
    leaves = torch.arange(1, 100_001)
    edge_index = torch.stack([torch.zeros_like(leaves), leaves])
    star = Data(edge_index=torch.cat([edge_index, edge_index.flip(0)], 1), num_nodes=100_001)
    degree = PolynomialFeatures([MarkedMultigraph(2, ((0, 1),), (0,))])
    assert degree(star).node_polynomials[:2, 0].tolist() == [100_000, 1]
    with pytest.raises(ValueError, match="nodes with very many neighbours"):
        PolynomialFeatures(TRIANGLES)(star)


def test_what_it_says_of_itself():
    assert repr(PolynomialFeatures(TWELVE)) == "PolynomialFeatures(12 polynomials)"
