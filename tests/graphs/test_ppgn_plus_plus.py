"""PPGN++: its channels against the transform and by brute force, and what it tells apart that PPGN does not."""

import itertools

import networkx
import pytest
import torch
from tests.graphs.test_ppgn import rook_and_shrikhande, with_biases
from torch_geometric.data import Batch, Data
from torch_geometric.utils import from_networkx

from erlangen.graphs import (
    PPGN,
    PolynomialFeatures,
    PPGNPlusPlus,
    evaluate,
    missing_polynomials,
    normalize_matrices,
    normalize_pairs,
    polynomial_matrices,
    polynomial_pairs,
)

DTYPES = [torch.float32, torch.float64]


def network(dtype=torch.float64, **changes):
    sizes = {"in_channels": 0, "hidden_channels": 6, "num_layers": 2, "out_channels": 2} | changes
    return with_biases(PPGNPlusPlus(**sizes), dtype)


def random_graphs(sizes=(6, 1, 8, 2, 8, 5), density=0.6):
    found = []
    for number, n in enumerate(sizes):
        graph = networkx.gnp_random_graph(n, density, seed=number)
        found.append(Data(edge_index=from_networkx(graph).edge_index, num_nodes=n))
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("degree", [5, 6])
@pytest.mark.parametrize("task", ["graph", "node"])
def test_polynomials_are_computed_where_they_are_not_given(degree, task, dtype):
    net = network(dtype, degree=degree, task=task)
    batch = Batch.from_data_list([PolynomialFeatures(net.polynomials)(data) for data in random_graphs()])
    given = polynomial_pairs(batch).to(dtype)
    found = net(None, batch.edge_index, batch.batch)
    torch.testing.assert_close(found, net(None, batch.edge_index, batch.batch, pair_attr=given), rtol=1e-4, atol=1e-5)
    without = net(None, batch.edge_index, batch.batch, pair_attr=torch.zeros_like(given))
    assert (found - without).abs().max() > 1e-3


def test_channels_by_brute_force():
    """The four-clique at its pairs, and the pairs of neighbours inside common neighbourhoods."""
    graph = networkx.gnp_random_graph(7, 0.7, seed=3)
    data = Data(edge_index=from_networkx(graph).edge_index, num_nodes=7)
    net = network(degree=6)
    rows = polynomial_pairs(PolynomialFeatures(net.polynomials)(data), normalize=False).view(7, 7, 12)
    clique, inside = torch.zeros(7, 7), torch.zeros(7, 7)
    for i, j, k, m in itertools.product(range(7), repeat=4):
        around = all(graph.has_edge(*edge) for edge in ((i, k), (i, m), (j, k), (j, m), (k, m)))
        inside[i, j] += around
        clique[i, j] += around and graph.has_edge(i, j)
    at = {str(one): place for place, one in enumerate(net.polynomials)}
    assert torch.equal(rows[..., at["0-2 0-3 1-2 1-3 2-3; marks 0, 1"]], inside)
    assert torch.equal(rows[..., at["0-1 0-2 0-3 1-2 1-3 2-3; marks 0, 1"]], clique)
    assert torch.equal(rows[..., at["0-1 0-2 0-3 1-2 1-3 2-3; marks 0"]], clique.sum(1).diag())
    assert torch.equal(rows[..., at["0-1 0-2 0-3 1-2 1-3 2-3"]], clique.sum().expand(7, 7))
    cliques = sum(len(c) == 4 for c in networkx.enumerate_all_cliques(graph))
    assert float(clique.sum()) == 24 * cliques > 0


@pytest.mark.parametrize("normalize", [False, True])
def test_flat_pairs_are_the_matrices(normalize):
    polynomials = missing_polynomials("edge", 6)
    batch = Batch.from_data_list([PolynomialFeatures(polynomials)(data) for data in random_graphs((5, 7, 1))])
    rows = polynomial_pairs(batch, normalize).split([25, 49, 1])
    matrices, mask = polynomial_matrices(batch)
    matrices = normalize_matrices(matrices) if normalize else matrices
    for flat, dense, n in zip(rows, matrices, mask.sum(1).tolist(), strict=True):
        torch.testing.assert_close(flat.view(n, n, 12).permute(2, 0, 1), dense[:, :n, :n])


def test_normal_sizes():
    rows, sizes = torch.randn(13, 3), torch.tensor([2, 0, 3])
    rows[4:, 1] = 0
    found = normalize_pairs(rows, sizes)
    unit = rows / rows.norm(dim=1, keepdim=True)
    for part, whole in zip(found.split([4, 9]), unit.split([4, 9]), strict=True):
        size = whole.norm(dim=0)
        torch.testing.assert_close(part * size, whole)
    assert not found[4:, 1].any() and not normalize_pairs(torch.zeros(4, 2), torch.tensor([2])).any()


def test_a_single_channel_keeps_its_values():
    rows = torch.tensor([[1.0], [2.0], [0.0], [2.0]])
    torch.testing.assert_close(normalize_pairs(rows, torch.tensor([2])), rows / 3)
    torch.testing.assert_close(normalize_matrices(rows.view(1, 2, 2)), rows.view(1, 2, 2) / 3)


@pytest.mark.parametrize("degree", [5, 6])
def test_strongly_regular_graphs_are_told_apart(degree):
    numbers = []
    for adjacency in rook_and_shrikhande():
        net = network(degree=degree, num_layers=3)
        numbers.append(net(None, adjacency.nonzero().T, torch.zeros(16, dtype=torch.long)))
    assert (numbers[0] - numbers[1]).norm() > 1e-2 * numbers[0].norm()


def test_up_to_degree_four_nothing_is_missing():
    net, (data, *_) = network(degree=4), random_graphs()
    assert net.pair_dim == 0 and net.polynomials == ()
    plain = PPGN(0, 6, 2, 2, transpose=True, identity=True).double()
    plain.load_state_dict(net.state_dict())
    batch = torch.zeros(6, dtype=torch.long)
    torch.testing.assert_close(net(None, data.edge_index, batch), plain(None, data.edge_index, batch))


def test_own_polynomials():
    triangle, clique = missing_polynomials("node", 3, order=1)[0], missing_polynomials("edge", 6, order=0)[0]
    net, data = network(polynomials=[triangle, clique]), random_graphs((7,))[0]
    assert net.polynomials == (clique, triangle)  # by order, as fields are joined
    rows = polynomial_pairs(PolynomialFeatures([triangle, clique])(data), normalize=False).view(7, 7, 2)
    adjacency = torch.zeros(7, 7).index_put(tuple(data.edge_index), torch.ones(data.num_edges))
    assert float(rows[0, 1, 0]) == float(evaluate(clique, adjacency))
    torch.testing.assert_close(rows[..., 1].diagonal(), evaluate(triangle, adjacency))


@pytest.mark.parametrize("edges", [[[0], [1]], [[0, 1, 1], [1, 0, 1]], [[0, 1, 0, 1], [1, 0, 1, 0]]])
def test_graphs_that_are_not_simple_are_refused(edges):
    with pytest.raises(ValueError, match=r"PPGNPlusPlus\(edge_index\): simple graphs, each edge once"):
        network()(None, torch.tensor(edges), torch.zeros(2, dtype=torch.long))


def test_data_without_fields():
    with pytest.raises(ValueError, match=r"polynomial_pairs\(data\): a graph that PolynomialFeatures has been through"):
        polynomial_pairs(random_graphs()[0])
