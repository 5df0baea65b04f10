"""Values of equivariant polynomials: against the sum that defines them, closed forms, and one another."""

import itertools
import math

import jaxtyping
import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from erlangen.graphs import (
    EquivariantPolynomials,
    MarkedMultigraph,
    enumerate_basis,
    evaluate,
    missing_polynomials,
    normalize_matrices,
)
from erlangen.graphs.sparse_contraction import SparseTensor, sparse_einsum
from erlangen.groups import Nodes, Symmetric

TRIANGLE = MarkedMultigraph(3, ((0, 1), (1, 2), (2, 0)))
CLIQUE = MarkedMultigraph(4, tuple(itertools.combinations(range(4), 2)))
COMMON = MarkedMultigraph(4, ((0, 1), (0, 2), (0, 3), (1, 2), (2, 3)), (1, 3))


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def adjacency(n, density=0.5, seed=0, batch=(), dtype=torch.float64):
    upper = torch.rand(*batch, n, n, generator=torch.Generator().manual_seed(seed)).lt(density).triu(1).to(dtype)
    return upper + upper.mT


def relative(found, expected):
    return (found - expected).norm() / expected.norm().clamp_min(1e-30)


def by_definition(graph, X, injective=False):
    """The sum over all maps of the nodes, or over all injective ones."""
    n = len(X)
    found = X.new_zeros((n,) * graph.order)
    for j in (
        itertools.permutations(range(n), graph.num_nodes)
        if injective
        else itertools.product(range(n), repeat=graph.num_nodes)
    ):
        found[tuple(j[mark] for mark in graph.marks)] += math.prod(X[j[a], j[b]].item() for a, b in graph.edges)
    return found


def quotients(graph):
    """The multigraphs that arise when nodes become one, in every way."""
    sequences = [()]
    for _ in range(graph.num_nodes):
        sequences = [(*s, value) for s in sequences for value in range(max(s, default=-1) + 2)]
    for block in sequences:
        edges = tuple((block[a], block[b]) for a, b in graph.edges)
        yield MarkedMultigraph(max(block, default=-1) + 1, edges, tuple(block[mark] for mark in graph.marks))


@pytest.mark.parametrize("degree, order", itertools.product(range(3), range(3)))
def test_values_are_sums_over_all_maps(degree, order):
    X = randn(4, 4)
    graphs = enumerate_basis(degree, order)
    together = EquivariantPolynomials(graphs)(X)[order]
    for place, graph in enumerate(graphs):
        expected = by_definition(graph, X)
        assert relative(together[..., place], expected) < 1e-12
        assert relative(evaluate(graph, X), expected) < 1e-12


def test_values_of_degree_three_and_more_are_sums_over_all_maps():
    X, A = randn(3, 3), adjacency(5, 0.7)
    graphs = enumerate_basis(3, 2)[::20] + enumerate_basis(3, 1)[::10]
    for graph in graphs:
        assert relative(evaluate(graph, X), by_definition(graph, X)) < 1e-12
    missing = missing_polynomials("edge", 6)
    together = EquivariantPolynomials(missing, simple=True)(A)
    columns = [iter(value.unbind(-1)) for value in together]
    for graph in missing:
        torch.testing.assert_close(next(columns[graph.order]), by_definition(graph, A), rtol=1e-12, atol=0)


def test_every_polynomial_is_the_sum_of_injective_ones_over_quotients():
    X = randn(4, 4)
    graphs = [graph for degree in (1, 2) for order in (0, 1, 2) for graph in enumerate_basis(degree, order)]
    for graph in graphs[::3]:
        total = sum(by_definition(quotient, X, injective=True) for quotient in quotients(graph))
        assert relative(evaluate(graph, X), total) < 1e-12


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 2e-5)])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_renaming_nodes_renames_values(order, dtype, tolerance):
    """All of degree up to three, twenty permutations of six nodes."""
    X = randn(6, 6, dtype=dtype)
    polynomials = EquivariantPolynomials([graph for degree in range(4) for graph in enumerate_basis(degree, order)])
    group = Symmetric(6)
    g = group.sample(20, generator=torch.Generator().manual_seed(1))
    moved = polynomials(Nodes(group, 2, 0)(g, X.expand(20, 6, 6)))[order]
    values = polynomials(X)[order].expand_as(moved)
    expected = Nodes(group, order, 1)(g, values) if order else values
    axes = tuple(range(1, order + 1))
    size = expected.double().square().sum(axes).sqrt() if axes else expected.double().abs()
    error = (moved - expected).double().square()
    error = (error.sum(axes) if axes else error).sqrt()
    assert (error <= tolerance * size.clamp_min(1e-6)).all()


def test_closed_forms():
    A = adjacency(9, 0.6)
    graph = nx.from_numpy_array(A.numpy())
    assert evaluate(TRIANGLE, A) == torch.trace(A @ A @ A)
    assert torch.equal(evaluate(MarkedMultigraph(3, ((0, 1), (1, 2)), (0, 2)), A), A @ A)
    cliques = sum(len(clique) == 4 for clique in nx.enumerate_all_cliques(graph))
    assert cliques > 0 and evaluate(CLIQUE, A) == 24 * cliques
    for u, w in itertools.product(range(9), repeat=2):
        both = set(graph[u]) & set(graph[w])
        assert evaluate(COMMON, A)[u, w] == sum(graph.has_edge(i, j) for i, j in itertools.permutations(both, 2))
    assert torch.equal(evaluate(MarkedMultigraph(1, ((0, 0),), (0, 0)), randn(3, 3)), randn(3, 3).diagonal().diag())
    assert torch.equal(evaluate(MarkedMultigraph(2, ((0, 1),), (1, 0)), randn(3, 3)), randn(3, 3).T)
    assert torch.equal(evaluate(MarkedMultigraph(2, (), (0, 1)), A), torch.ones_like(A))
    assert torch.equal(evaluate(MarkedMultigraph(1, (), (0, 0)), A), torch.eye(9).to(A))
    assert evaluate(MarkedMultigraph(0, ()), A) == 1


def test_integers_are_counted_exactly():
    """Beyond what float32, and here even float64, can hold."""
    n = 400
    complete = (1 - torch.eye(n, dtype=torch.long)).expand(1, n, n)
    walks = MarkedMultigraph(8, tuple((i, i + 1) for i in range(7)), (0,))
    assert evaluate(walks, complete)[0, 0].item() == 399**7 > 2**53


@given(st.integers(0, 3), st.integers(1, 3), st.integers(0, 6), st.integers(0, 100))
def test_batches_and_padding(outer, inner, n, seed):
    X = randn(outer, inner, n, n, seed=seed)
    sizes = torch.randint(0, n + 1, (outer, inner), generator=torch.Generator().manual_seed(seed))
    mask = torch.arange(n) < sizes[..., None]
    graphs = [*enumerate_basis(1, 0), *enumerate_basis(2, 1)[::4], *enumerate_basis(1, 2), *enumerate_basis(0, 2)]
    polynomials = EquivariantPolynomials([*graphs, CLIQUE])
    values = polynomials(X.masked_fill(~(mask[..., None] & mask[..., None, :]), float("nan")), mask)
    assert values.graph.shape == (outer, inner, 3)
    assert values.node.shape == (outer, inner, n, 8) and values.pair.shape == (outer, inner, n, n, 17)
    for i, j in itertools.product(range(outer), range(inner)):
        m = int(sizes[i, j])
        alone = polynomials(X[i, j, :m, :m])
        torch.testing.assert_close(values.graph[i, j], alone.graph)
        torch.testing.assert_close(values.node[i, j], torch.nn.functional.pad(alone.node, (0, 0, 0, n - m)))
        padded = torch.nn.functional.pad(alone.pair, (0, 0, 0, n - m, 0, n - m))
        torch.testing.assert_close(values.pair[i, j], padded)


def test_many_matrices_are_computed_in_pieces(monkeypatch):
    X = randn(7, 5, 5)
    polynomials = EquivariantPolynomials([CLIQUE, COMMON])
    whole = polynomials(X)
    monkeypatch.setattr("erlangen.graphs.polynomials.TOGETHER", 2 * 5**3)
    for one, other in zip(whole, polynomials(X), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-13)


def test_what_is_known_of_matrices_changes_no_value_and_saves_work():
    A = adjacency(8, 0.6, batch=(3,))
    missing = missing_polynomials("edge", 6)
    general, symmetric, simple = (
        EquivariantPolynomials(missing, **known) for known in ({}, {"symmetric": True}, {"simple": True})
    )
    for other in (symmetric, simple):
        for one, same in zip(general(A), other(A), strict=True):
            assert torch.equal(one, same)
    operations = [len(one._plan.operations) for one in (general, symmetric)]
    alone = sum(len(EquivariantPolynomials([graph], simple=True)._plan.operations) for graph in missing)
    assert operations[1] <= operations[0] and operations[1] < alone / 2


def test_simple_graphs_lose_loops_and_repetitions():
    A = adjacency(6)
    loop = MarkedMultigraph(2, ((0, 1), (1, 1)), (0,))
    twice = MarkedMultigraph(2, ((0, 1), (1, 0), (0, 1)), (0,))
    values = EquivariantPolynomials([loop, twice], simple=True)(A).node
    assert torch.equal(values, torch.stack([torch.zeros(6), A.sum(1)], -1))
    assert torch.equal(evaluate(loop, A), values[:, 0]) and torch.equal(evaluate(twice, A), values[:, 1])


def test_gradients():
    X = randn(2, 3, 3).requires_grad_()
    graphs = [TRIANGLE, CLIQUE, COMMON, MarkedMultigraph(2, ((0, 1), (1, 1)), (0, 0))]
    assert torch.autograd.gradcheck(EquivariantPolynomials(graphs), (X,))


def test_values_as_matrices():
    A = adjacency(4, 0.9)
    graphs = [COMMON, MarkedMultigraph(2, ((0, 1),), (0,)), TRIANGLE]
    values = EquivariantPolynomials(graphs)(A)
    matrices = values.matrices()
    assert matrices.shape == (3, 4, 4)
    assert torch.equal(matrices[0], torch.full((4, 4), evaluate(TRIANGLE, A).item()).to(A))
    assert torch.equal(matrices[1], A.sum(1).diag()) and torch.equal(matrices[2], evaluate(COMMON, A))
    mask = torch.tensor([True, True, True, False])
    assert values.matrices(mask)[:, 3].count_nonzero() == values.matrices(mask)[:, :, 3].count_nonzero() == 0


def test_scaled_matrices():
    matrices = randn(2, 3, 4, 4)
    matrices[0, :, 1, 2] = 0
    matrices[1, 1] = 0
    scaled = normalize_matrices(matrices)
    expected = torch.zeros_like(matrices)
    for b, i, j in itertools.product(range(2), range(4), range(4)):
        length = matrices[b, :, i, j].square().sum().sqrt()
        expected[b, :, i, j] = matrices[b, :, i, j] / length if length else 0
    for b, c in itertools.product(range(2), range(3)):
        length = expected[b, c].square().sum().sqrt()
        expected[b, c] = expected[b, c] / length if length else 0
    torch.testing.assert_close(scaled, expected)


def strongly_regular():
    """The rook's graph and Shrikhande's, on sixteen nodes: no test of order two tells them apart."""
    rook = nx.line_graph(nx.complete_bipartite_graph(4, 4))
    steps = [(0, 1), (1, 0), (1, 1)]
    places = list(itertools.product(range(4), repeat=2))
    shrikhande = nx.Graph(
        [((a, b), ((a + s * x) % 4, (b + s * y) % 4)) for a, b in places for x, y in steps for s in (1, -1)]
    )
    return torch.stack([torch.from_numpy(nx.to_numpy_array(graph)) for graph in (rook, shrikhande)])


def test_strongly_regular_graphs_differ_in_what_matrix_products_cannot_compute():
    pair = strongly_regular()
    reached = [g for d in range(1, 7) for g in enumerate_basis(d, 0, simple=True, connected=True) if g.num_nodes < 7]
    values = EquivariantPolynomials(reached, simple=True)(pair).graph
    differ = (values[0] != values[1]).tolist()
    assert [graph for graph, differs in zip(reached, differ, strict=True) if differs] == missing_polynomials(
        "edge", 6, 0
    )
    # On edges, neighbours in common are joined in the one, and never in the other.
    assert (evaluate(COMMON, pair) * pair).sum((1, 2)).tolist() == [192, 0]


@settings(max_examples=10)
@given(st.integers(0, 9), st.floats(0, 1), st.integers(0, 50))
def test_sparse_intermediates_give_the_same_values(n, density, seed):
    A = adjacency(n, density, seed)
    polynomials = EquivariantPolynomials(
        [*missing_polynomials("node", 3), *missing_polynomials("edge", 6)], simple=True
    )
    for one, other in zip(polynomials(A), polynomials.on_edges(A.nonzero().T, n), strict=True):
        assert torch.equal(one, other)


def test_sparse_intermediates_of_directed_graphs_and_products_without_a_common_node():
    A = (randn(6, 6) > 0.3).double().fill_diagonal_(0)
    graphs = [g for degree in range(4) for g in enumerate_basis(degree, 2)[::5] if all(a != b for a, b in g.edges)]
    polynomials = EquivariantPolynomials(graphs)
    assert torch.equal(polynomials(A).pair, polynomials.on_edges(A.nonzero().T.int(), 6).pair)


def test_large_graphs():
    """Ten thousand nodes on a ring, each joined to the next three."""
    n = 10_000
    start = torch.arange(n).repeat(3)
    end = (start + torch.arange(1, 4).repeat_interleave(n)) % n
    edge_index = torch.stack([torch.cat([start, end]), torch.cat([end, start])])
    values = EquivariantPolynomials(missing_polynomials("edge", 6, (0, 1)), simple=True).on_edges(edge_index, n)
    assert values.graph.item() == 24 * n and (values.node == 24).all()


@pytest.mark.parametrize(
    "equation", ["ab,bc->ac", "ab,cb->acb", "abc,bc->a", "ab,cd->ad", "ab->b", "ab->", "ab->ba", "ab,ab->"]
)
def test_sparse_products_are_products(equation):
    inputs = equation.partition("->")[0].split(",")
    dense = [randn(*[4] * len(letters), seed=seed).relu() for seed, letters in enumerate(inputs)]
    sparse = [SparseTensor(one.nonzero().T, one[one != 0], 4) for one in dense]
    torch.testing.assert_close(sparse_einsum(equation, *sparse).to_dense(), torch.einsum(equation, *dense))


def test_a_star_is_counted_or_refused_by_name():
    leaves = 100_000
    edge_index = torch.stack([torch.zeros(leaves, dtype=torch.long), torch.arange(1, leaves + 1)])
    star = torch.cat([edge_index, edge_index.flip(0)], 1)
    degree = EquivariantPolynomials([MarkedMultigraph(2, ((0, 1),), (0,))], simple=True)
    assert degree.on_edges(star, leaves + 1).node[:3, 0].tolist() == [leaves, 1, 1]
    with pytest.raises(
        ValueError, match="has 10000100000 entries, more than 134217728; nodes with very many neighbours"
    ):
        EquivariantPolynomials([TRIANGLE], simple=True).on_edges(star, leaves + 1)


def test_places_that_64_bits_do_not_number_are_refused():
    clique = MarkedMultigraph(5, tuple(itertools.combinations(range(5), 2)))
    values = EquivariantPolynomials([clique], simple=True)
    assert values.largest == 4
    for n, step in ((1000, 199), (50_000, 9_999)):  # a clique of six nodes far apart
        edge_index = torch.combinations(torch.arange(6) * step).T
        assert values.on_edges(torch.cat([edge_index, edge_index.flip(0)], 1), n).graph.tolist() == [720]
    edge_index = torch.combinations(torch.arange(6) * 13_999).T
    with pytest.raises(ValueError, match=r"fewer than 2\^63 places, got 4 axes of length 70000"):
        values.on_edges(torch.cat([edge_index, edge_index.flip(0)], 1), 70_000)


def test_edges_that_are_not_as_promised_are_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    both = torch.tensor([[0, 1, 1, 2, 2, 0], [1, 0, 2, 1, 0, 2]])
    simple, symmetric, plain = (
        EquivariantPolynomials([TRIANGLE], **promise) for promise in ({"simple": True}, {"symmetric": True}, {})
    )
    loop = torch.cat([both, torch.tensor([[1], [1]])], 1)
    assert plain.on_edges(both[:, ::2], 3).graph.tolist() == [3]
    assert symmetric.on_edges(loop, 3).graph.tolist() == [6 + 3 * 2 + 1] == plain.on_edges(loop, 3).graph.tolist()
    for values, edges, message in (
        (plain, both[:, [0, 0]], "each edge once"),
        (symmetric, both[:, ::2], "both directions, as promised"),
        (simple, both[:, :5], "both directions, as promised"),
        (simple, loop, "no loops, as simple=True promises"),
    ):
        with pytest.raises(ValueError, match=message):
            values.on_edges(edges, 3)
    with pytest.raises(TypeError, match=r"whole numbers, got torch.float32"):
        plain.on_edges(both.float(), 3)


def test_refused_matrices(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # a user's own calls are not checked by it
    A = adjacency(4)
    with pytest.raises(ValueError, match=r"X\): square matrices, got shape \(3, 4\)"):
        evaluate(TRIANGLE, A[:3])
    with pytest.raises(TypeError, match=r"X\): numbers, got booleans"):
        evaluate(TRIANGLE, A.bool())
    with pytest.raises(ValueError, match=r"mask\): booleans of shape \(4,\), got torch.bool of shape \(3,\)"):
        evaluate(TRIANGLE, A, torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match="symmetric matrices, as promised"):
        EquivariantPolynomials([TRIANGLE], symmetric=True)(A.triu())
    for bad in (2 * A, A + torch.eye(4)):
        with pytest.raises(ValueError, match="zeros and ones with a zero diagonal, as simple=True promises"):
            EquivariantPolynomials([TRIANGLE], simple=True)(bad)
    with pytest.raises(ValueError, match=r"number of marks of 0-1; marks 0, 1, 0: 0 \(graph\)"):
        EquivariantPolynomials([MarkedMultigraph(2, ((0, 1),), (0, 1, 0))])
    with pytest.raises(ValueError, match=r"edge_index\): nodes 0 to 1, got 0 to 2"):
        EquivariantPolynomials([TRIANGLE]).on_edges(torch.tensor([[0], [2]]), 2)
    with pytest.raises(ValueError, match="polynomials without loops"):
        EquivariantPolynomials([MarkedMultigraph(1, ((0, 0),))]).on_edges(torch.tensor([[0], [1]]), 2)
