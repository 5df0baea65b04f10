"""Contraction paths, and what families of networks can compute."""

import itertools

import jaxtyping
import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from erlangen.graphs import (
    NETWORKS,
    MarkedMultigraph,
    contraction_sequence,
    enumerate_basis,
    evaluate,
    exactness_degree,
    find_network,
    is_computable,
    missing_polynomials,
)
from erlangen.graphs.contraction import path_along
from erlangen.graphs.expressivity import _replaced, _whatever_order

MISSING = {
    "node": {1: (0, 0, 0), 2: (0, 0, 1), 3: (1, 1, 5), 4: (2, 4, 23)},
    "edge": {1: (0, 0, 0), 2: (0, 0, 0), 3: (0, 0, 0), 4: (0, 0, 0), 5: (0, 0, 1), 6: (1, 1, 9)},
}

# The twelve up to degree six that products of matrices do not reach, written out: edges, marks.
TWELVE = [
    ("01 02 03 12 23", "13"),
    ("01 02 03 12 13 23", ""),
    ("01 02 03 12 13 23", "0"),
    ("01 02 03 12 13 23", "01"),
    ("01 12 13 14 23 24", "34"),
    ("02 03 04 12 13 14", "23"),
    ("01 13 14 23 24 34", "02"),
    ("01 13 14 23 24 34", "12"),
    ("01 13 14 23 24 34", "20"),
    ("01 13 14 23 24 34", "21"),
    ("01 03 04 12 23 34", "14"),
    ("01 03 04 12 23 34", "41"),
]


def multigraph(edges, marks=""):
    pairs = tuple((int(a), int(b)) for a, b in edges.split())
    return MarkedMultigraph(1 + max(map(max, pairs)), pairs, tuple(map(int, marks)))


def connected(degrees, orders=(0, 1, 2)):
    return [g for d in degrees for order in orders for g in enumerate_basis(d, order, simple=True, connected=True)]


def joined(graph):
    """As a graph of networkx in which all marks are joined."""
    plain = nx.Graph(graph.edges)
    plain.add_nodes_from(range(graph.num_nodes))
    plain.add_edges_from(itertools.combinations(set(graph.marks), 2))
    plain.remove_edges_from(nx.selfloop_edges(plain))
    return plain


def least_width(graph):
    """By all orders of the unmarked nodes."""

    def width(order):
        left, most = joined(graph), 0
        for node in order:
            around = list(left[node])
            most = max(most, len(around))
            left.remove_node(node)
            left.add_edges_from(itertools.combinations(around, 2))
        return most

    return min(map(width, itertools.permutations(graph.unmarked)))


@pytest.mark.parametrize("bank", MISSING)
def test_how_many_cannot_be_computed(bank):
    for degree, counts in MISSING[bank].items():
        found = [[g for g in connected([degree], [order]) if not is_computable(g, bank)] for order in (0, 1, 2)]
        assert tuple(map(len, found)) == counts


def test_the_first_that_cannot_be_computed():
    assert missing_polynomials("node", 2) == [multigraph("01 12", "02").canonical(symmetric=True)]
    assert missing_polynomials("node", 3, order=0) == [multigraph("01 12 20").canonical(symmetric=True)]
    twelve = {multigraph(*one).canonical(symmetric=True) for one in TWELVE}
    assert len(twelve) == 12 and set(missing_polynomials("edge", 6)) == twelve
    assert missing_polynomials(3, 6) == []


def test_degrees_of_exactness():
    assert [exactness_degree("node", order) for order in (0, 1, 2)] == [2, 2, 1]
    assert [exactness_degree("edge", order) for order in (0, 1, 2)] == [5, 5, 4]
    assert [exactness_degree(3, order) for order in (0, 1, 2)] == [6, 6, 6]
    assert exactness_degree("edge", 1, max_degree=3) == 3


def test_message_passing_computes_forests_and_products_of_matrices_treewidth_two():
    for graph in connected(range(1, 6)):
        plain = joined(graph)
        if graph.order < 2:
            assert is_computable(graph, "node") == nx.is_forest(plain)
        # Treewidth at most two: no minor is a four-clique, so series and parallel reductions leave no edge.
        reduced = plain.copy()
        while small := [node for node in reduced if reduced.degree(node) <= 2]:
            around = list(reduced[small[0]])
            reduced.remove_node(small[0])
            reduced.add_edges_from(itertools.combinations(around, 2))
        assert is_computable(graph, "edge") == (len(reduced) == 0)


def test_least_widths_are_those_of_all_orders():
    for graph in connected(range(1, 5)) + connected([5], [2])[::3]:
        width = least_width(graph)
        assert contraction_sequence(graph).width <= width
        for bank, number in (("node", 1), ("edge", 2), (1, 1), (2, 2), (3, 3)):
            assert is_computable(graph, bank) == (width <= number)


@settings(max_examples=25)
@given(st.integers(5, 6), st.floats(0.3, 0.9), st.integers(0, 10**6), st.integers(0, 2))
def test_widths_of_larger_graphs_are_those_of_all_orders(n, density, seed, order):
    plain = nx.gnp_random_graph(n, density, seed=seed)
    plain.remove_nodes_from([node for node in list(nx.isolates(plain))])
    if len(plain) < 3:
        return
    plain = nx.convert_node_labels_to_integers(plain)
    graph = MarkedMultigraph(len(plain), tuple(plain.edges), tuple(range(order)))
    width = least_width(graph)
    for bank in range(1, 6):
        assert is_computable(graph, bank) == (width <= bank)
        path = contraction_sequence(graph, bank)
        assert (path is None) == (width > bank)
        if path is not None:
            assert sorted(path.order) == list(graph.unmarked) and path.width <= bank


def test_from_three_neighbours_on_the_first_node_matters():
    """Four corners of a cube, no two joined, leave a four-clique; two opposite ones first leave an octahedron."""
    cube = MarkedMultigraph(8, tuple(nx.convert_node_labels_to_integers(nx.hypercube_graph(3)).edges))
    opposite = next(node for node in range(8) if nx.shortest_path_length(nx.Graph(cube.edges), 0, node) == 3)
    path = path_along(cube, (0, opposite, *(node for node in range(8) if node not in (0, opposite))))
    left = nx.Graph(cube.edges)
    for step in path.steps[:2]:
        left.remove_node(step.node)
        left.add_edges_from(itertools.combinations(step.neighbours, 2))
    assert nx.is_isomorphic(left, nx.octahedral_graph()) and path.width == 4
    assert contraction_sequence(MarkedMultigraph(6, tuple(nx.octahedral_graph().edges))).width == 4
    assert not is_computable(cube, "edge") and is_computable(cube, 3)
    assert contraction_sequence(cube).width == 3


def test_loops_directions_and_repetitions_change_nothing():
    for graph in connected(range(1, 5)):
        more = (*graph.edges, *(edge[::-1] for edge in graph.edges[:2]), (0, 0))
        thick = MarkedMultigraph(graph.num_nodes, more, graph.marks)
        assert is_computable(thick, "node") == is_computable(graph, "node")
        assert is_computable(thick, "edge") == is_computable(graph, "edge")


def contract(path, X):
    """Follows the steps of a path, as they are written."""
    factors = dict(enumerate([X] * path.graph.degree))
    for place, step in enumerate(path.steps):
        operands = [factors.pop(operand) for operand in step.operands]
        factors[path.graph.degree + place] = torch.einsum(step.equation, *operands)
    (result,) = factors.values()
    return result


def test_steps_of_a_path_are_the_sum_over_all_indices(monkeypatch):
    """All connected marked graphs with up to six edges, on four rows."""
    monkeypatch.setattr(torch.backends.opt_einsum, "enabled", False)  # looking for a path takes longer than going any
    X = torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for graph in connected(range(1, 7)):
        letters = "".join("abcdefg"[node] for edge in graph.edges for node in edge)
        inputs = ",".join(letters[i : i + 2] for i in range(0, len(letters), 2))
        whole = torch.einsum(f"{inputs}->{''.join('abcdefg'[mark] for mark in graph.marks)}", *[X] * graph.degree)
        path = contraction_sequence(graph)
        assert (contract(path, X) - whole).norm() <= 1e-12 * whole.norm()
        costs = [step.exponent for step in path.steps if step.node is not None]
        assert not costs or max(costs) == path.width + 1


def test_steps_multiply_loops_and_repeated_edges():
    X = torch.randn(5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    graph = MarkedMultigraph(3, ((0, 1), (1, 0), (1, 1), (1, 2), (1, 2)), (0, 2))
    found = contract(contraction_sequence(graph, "edge"), X)
    torch.testing.assert_close(found, (X * X.T) @ torch.diag(X.diagonal()) @ (X * X))


def test_a_path_says_what_it_does():
    text = str(contraction_sequence(multigraph("01 12", "02"), "edge"))
    assert text == "sum over node 1: ab,bc->ac, n^3"
    assert str(contraction_sequence(multigraph("01", "01"))) == "nothing to sum over"
    assert contraction_sequence(multigraph("01", "10")).steps[0].equation == "ab->ba"


def test_inputs_stand_for_the_parts_that_they_are():
    """Seven of the eleven of degree six are products and sums of the one of degree five, and are found as such."""
    twelve = missing_polynomials("edge", 6)
    common, others = twelve[0], twelve[1:]
    left = missing_polynomials("edge", 6, given=[common])
    assert len(left) == 4 and set(left) < set(others)
    assert missing_polynomials("edge", 6, given=twelve) == []
    upper = torch.rand(8, 8, generator=torch.Generator().manual_seed(0)).lt(0.7).triu(1).double()
    A = upper + upper.T
    D = evaluate(common, A)
    for graph in set(others) - set(left):
        rest, filled = next(
            (rest, filled)
            for rest, filled in _replaced(graph, frozenset(), {_whatever_order(common)})
            if is_computable(rest, "edge")
        )
        (edge,) = filled
        inputs = ",".join("abcdef"[a] + "abcdef"[b] for a, b in rest.edges)
        factors = [D if place == len(rest.edges) - 1 else A for place in range(len(rest.edges))]
        assert rest.edges[-1] == edge
        found = torch.einsum(f"{inputs}->{''.join('abcdef'[mark] for mark in rest.marks)}", *factors)
        assert torch.equal(found, evaluate(graph, A))


def test_inputs_of_nodes_and_graphs():
    triangles = missing_polynomials("node", 3, order=1)
    assert [exactness_degree("node", order, given=triangles) for order in (0, 1, 2)] == [3, 3, 1]
    # A triangle hung on a node is a number of that node; one that hangs on a sum over its corners is not.
    hung = multigraph("01 12 23 31", "0")
    assert not is_computable(hung, "node") and is_computable(hung, "node", given=triangles)
    assert not is_computable(multigraph("01 12 20 23", "0"), "node", given=triangles)
    alone = multigraph("01 12 23 30")
    assert is_computable(alone, "node", given=[alone]) and not is_computable(alone, "node", given=triangles)
    # Two known parts in one graph, and an input that is not the part.
    assert is_computable(multigraph("01 12 20 03 34 40", "0"), "node", given=triangles)
    assert not is_computable(multigraph("01 12 23 30", "0"), "node", given=triangles)


def test_well_known_networks():
    table = {network.name: [network.exactness_degree(order) for order in (0, 1, 2)] for network in NETWORKS}
    assert table["GCN"] == table["GIN"] == [2, 2, None]
    assert table["GatedGCN"] == table["2-IGN"] == [2, 2, 1]
    assert table["PPGN"] == table["2-FWL"] == table["3-IGN"] == [5, 5, 4]
    assert table["PPGN++ (5)"] == [6, 6, 5] and table["PPGN++ (6)"] == [6, 6, 6]
    assert find_network("3-wl").bank == 2 and find_network("ppgn++(6)").missing() == []
    assert len(find_network("PPGN++ (5)").missing()) == 4
    assert {graph.order for graph in find_network("gin").missing(4)} == {0, 1}
    for name in ("transformer", "1-WL", "0-FWL", "1-IGN"):
        with pytest.raises(ValueError, match=r"find_network\(name\): GCN, GIN, .*got"):
            find_network(name)


def test_wrong_banks_and_paths_are_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # a user's own calls are not checked by it
    path = multigraph("01 12", "02")
    for bank in ("edges", 0, True, 1.5):
        with pytest.raises(ValueError, match="bank: 'node', 'edge' or a whole number from 1, got"):
            missing_polynomials(bank, 2)
    with pytest.raises(ValueError, match=r"path_along\(order\): each of the unmarked nodes \(1,\) once, got \(0,\)"):
        path_along(path, (0,))
    with pytest.raises(ValueError, match=r"order\): 0 \(graph\)"):
        exactness_degree("node", 3)
    for degree in (-1, 8, 2.0, True):
        with pytest.raises(ValueError, match=r"exactness_degree\(max_degree\): a whole number from 0 to 7, got"):
            exactness_degree("node", 1, degree)
        with pytest.raises(ValueError, match=r"missing_polynomials\(max_degree\): a whole number from 0 to 7, got"):
            missing_polynomials("node", degree)
    clique = MarkedMultigraph(20, tuple(itertools.combinations(range(20), 2)))
    assert contraction_sequence(clique).width == 19
    assert not is_computable(clique, 3)
    cubic = nx.random_regular_graph(3, 26, seed=0)
    with pytest.raises(ValueError, match="orders of 26 unmarked nodes are too many to search through; at most 16"):
        is_computable(MarkedMultigraph(26, tuple(cubic.edges)), 3)
