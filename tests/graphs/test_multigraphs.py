"""Marked multigraphs, their canonical forms, and how many there are."""

import itertools

import networkx as nx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from erlangen.graphs import EquivariantPolynomials, MarkedMultigraph, enumerate_basis


def normalised(sequence):
    """Numbers in the order of their first appearance."""
    number = {}
    return tuple(number.setdefault(value, len(number)) for value in sequence)


def smallest_string(marks, edges, symmetric):
    """The definition: over all orders of the edges, and all directions, the smallest normalised sequence."""
    orders = itertools.permutations(edges)
    if symmetric:
        flips = list(itertools.product((1, -1), repeat=len(edges)))
        orders = ([e[::f] for e, f in zip(order, flip, strict=True)] for order in orders for flip in flips)
    return min(normalised((*marks, *itertools.chain.from_iterable(order))) for order in orders)


def as_string(graph):
    return (*graph.marks, *itertools.chain.from_iterable(graph.edges))


def partitions(count):
    """All set partitions, as normalised sequences."""
    sequences = [()]
    for _ in range(count):
        sequences = [(*s, value) for s in sequences for value in range(max(s, default=-1) + 2)]
    return sequences


@st.composite
def multigraphs(draw, max_edges=4, max_marks=2):
    edges = draw(st.integers(0, max_edges))
    marks = draw(st.integers(0 if edges else 1, max_marks))
    nodes = st.integers(0, 4)
    slots = normalised(draw(st.lists(nodes, min_size=marks + 2 * edges, max_size=marks + 2 * edges)))
    pairs = tuple(zip(slots[marks::2], slots[marks + 1 :: 2], strict=True))
    return MarkedMultigraph(max(slots) + 1, pairs, slots[:marks])


@given(multigraphs(), st.booleans(), st.randoms(use_true_random=False))
def test_the_canonical_form_is_the_smallest_sequence_whatever_names_and_order(graph, symmetric, rng):
    names = list(range(graph.num_nodes))
    rng.shuffle(names)
    edges = [(names[a], names[b]) for a, b in graph.edges]
    rng.shuffle(edges)
    if symmetric:
        edges = [edge[:: rng.choice((1, -1))] for edge in edges]
    twin = MarkedMultigraph(graph.num_nodes, tuple(edges), tuple(names[mark] for mark in graph.marks))
    assert twin.canonical(symmetric) == graph.canonical(symmetric)
    assert as_string(twin.canonical(symmetric)) == smallest_string(graph.marks, graph.edges, symmetric)


@given(multigraphs(max_edges=4), multigraphs(max_edges=4))
def test_canonical_forms_are_equal_only_for_isomorphic_ones(one, other):
    isomorphic = nx.is_isomorphic(one.networkx(), other.networkx(), node_match=lambda a, b: a["marks"] == b["marks"])
    assert (one.canonical() == other.canonical()) == (isomorphic and one.order == other.order)


def test_exchangeable_ends_do_not_slow_canonical_forms():
    """Twelve leaves, and nine separate edges: billions of orders, one after pruning."""
    star = MarkedMultigraph(13, tuple((0, leaf) for leaf in range(1, 13)))
    assert star.canonical(symmetric=True).edges == star.edges
    separate = MarkedMultigraph(18, tuple((2 * i + 1, 2 * i) for i in range(9)))
    assert separate.canonical().edges == tuple((2 * i, 2 * i + 1) for i in range(9))


@pytest.mark.parametrize(
    "degree, general, symmetric",
    [
        (0, (1, 1, 2), (1, 1, 2)),
        (1, (2, 5, 15), (2, 4, 11)),
        (2, (11, 32, 117), (7, 17, 56)),
        (3, (52, 199, 877), (23, 69, 266)),
    ],
)
def test_how_many_multigraphs_there_are(degree, general, symmetric):
    assert tuple(len(enumerate_basis(degree, order)) for order in (0, 1, 2)) == general
    assert tuple(len(enumerate_basis(degree, order, symmetric=True)) for order in (0, 1, 2)) == symmetric


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("degree, order", [(1, 2), (2, 0), (2, 1), (2, 2), (3, 0), (3, 2)])
def test_they_are_the_set_partitions_of_slots_up_to_the_order_of_edges(degree, order, symmetric):
    found = set()
    for slots in partitions(order + 2 * degree):
        edges = tuple(zip(slots[order::2], slots[order + 1 :: 2], strict=True))
        found.add(smallest_string(slots[:order], edges, symmetric))
    assert {as_string(graph) for graph in enumerate_basis(degree, order, symmetric)} == found


SIMPLE = {1: (1, 1, 1), 2: (1, 2, 3), 3: (3, 5, 10), 4: (5, 13, 35), 5: (12, 37, 125), 6: (30, 114, 460)}


@pytest.mark.parametrize("degree", SIMPLE)
def test_how_many_connected_simple_graphs_there_are(degree):
    found = [enumerate_basis(degree, order, simple=True, connected=True) for order in (0, 1, 2)]
    assert tuple(map(len, found)) == SIMPLE[degree]
    assert all(graph.is_connected and graph.is_simple and graph.degree == degree for graph in itertools.chain(*found))
    atlas = [g for g in nx.graph_atlas_g() if g.number_of_edges() == degree and nx.is_connected(g)]
    assert len(atlas) == len(found[0])
    for graph in found[0]:
        assert sum(nx.is_isomorphic(nx.Graph(graph.edges), other) for other in atlas) == 1


def test_marks_of_atlas_graphs_up_to_automorphism():
    """Orders one and two by coloured isomorphism, which the enumeration does not use."""
    for degree in (3, 4):
        for order in (1, 2):
            kinds = []
            for graph in (g for g in nx.graph_atlas_g() if g.number_of_edges() == degree and nx.is_connected(g)):
                for marks in itertools.permutations(graph, order):
                    coloured = graph.copy()
                    nx.set_node_attributes(
                        coloured, {node: marks.index(node) if node in marks else -1 for node in graph}, "c"
                    )
                    if not any(nx.is_isomorphic(coloured, k, node_match=lambda a, b: a["c"] == b["c"]) for k in kinds):
                        kinds.append(coloured)
            assert len(kinds) == SIMPLE[degree][order]


def test_disconnected_simple_graphs_are_those_of_the_atlas():
    """All graphs with d edges and no lonely node: partitions of connected ones."""
    for degree in range(5):
        atlas = [g for g in nx.graph_atlas_g() if g.number_of_edges() == degree and 0 not in dict(g.degree).values()]
        small = [graph for graph in enumerate_basis(degree, 0, simple=True) if graph.num_nodes <= 7]
        assert len(small) == len(atlas)


@pytest.mark.parametrize(
    "degree, order, ranks",
    [(1, 2, {4: 15, 3: 14}), (2, 0, {4: 11, 3: 10}), (2, 1, {5: 32, 4: 31}), (3, 0, {6: 52, 5: 51})],
)
def test_polynomials_are_independent_for_large_matrices_and_have_one_relation_below(degree, order, ranks):
    polynomials = EquivariantPolynomials(enumerate_basis(degree, order))
    for n, rank in ranks.items():
        X = torch.randn(150, n, n, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
        values = polynomials(X)[order].reshape(-1, len(polynomials.polynomials))
        assert torch.linalg.matrix_rank(values / values.norm(dim=0), rtol=1e-10) == rank


def test_multigraphs_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match=r"edges\): nodes 0 to 1, got the edge \(0, 2\)"):
        MarkedMultigraph(2, ((0, 2),))
    with pytest.raises(ValueError, match=r"marks\): nodes 0 to 1, got the mark 2"):
        MarkedMultigraph(2, ((0, 1),), (2,))
    with pytest.raises(ValueError, match="node 2 of 3 has neither"):
        MarkedMultigraph(3, ((0, 1),), (0,))
    with pytest.raises(ValueError, match=r"degree.*from 0, got -1"):
        enumerate_basis(-1, 0)
    with pytest.raises(ValueError, match=r"at most 7 for simple graphs, got 8; force=True"):
        enumerate_basis(8, 0, simple=True)
    with pytest.raises(ValueError, match=r"at most 4 for multigraphs, got 5"):
        enumerate_basis(5, 0)
    with pytest.raises(ValueError, match=r"order\): 0 \(graph\), 1 \(nodes\) or 2 .* got 3"):
        enumerate_basis(1, 3)


def test_what_a_multigraph_knows_of_itself():
    graph = MarkedMultigraph(4, ((0, 0), (0, 1), (1, 0), (2, 1)), (3, 0))
    assert (graph.degree, graph.order, graph.unmarked) == (4, 2, (1, 2))
    assert not graph.is_simple and not graph.is_connected
    assert graph.neighbours == (frozenset({1}), frozenset({0, 2}), frozenset({1}), frozenset())
    assert dict(graph.networkx().nodes(data="marks")) == {0: (1,), 1: (), 2: (), 3: (0,)}
    assert graph.networkx().number_of_edges() == 4
    assert hash(graph) == hash(MarkedMultigraph(4, graph.edges, graph.marks))
    empty = MarkedMultigraph(0, ())
    assert empty.canonical() == empty and not empty.is_connected and str(empty) == "no edges"
