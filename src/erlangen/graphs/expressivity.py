"""What families of networks cannot compute: the missing polynomials, and the degree up to which none is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations, permutations

from erlangen.graphs.contraction import Bank, bank_width, elimination_order
from erlangen.graphs.multigraph import Edge, MarkedMultigraph
from erlangen.graphs.multigraph_basis import MAX_SIMPLE_DEGREE, enumerate_basis, require_order


def is_computable(graph: MarkedMultigraph, bank: Bank, given: Sequence[MarkedMultigraph] = ()) -> bool:
    """Whether a family of networks can compute the polynomial of a multigraph, see :func:`contraction_sequence`.

    Args:
        graph: the multigraph.
        bank: "node" (message passing), "edge" (PPGN) or k (k-folklore networks).
        given: polynomials of simple graphs that the networks have as inputs, with at most two marks. They stand for
            the part of a simple graph that they are: a network that is given the common neighbours of two nodes that
            are joined, and multiplies matrices, counts four-cliques.

    Raises:
        ValueError: for another bank, or too many unmarked nodes.

    Example:
        >>> common = MarkedMultigraph(4, ((0, 1), (0, 2), (0, 3), (1, 2), (2, 3)), marks=(1, 3))
        >>> is_computable(common, "edge"), is_computable(common, 3)
        (False, True)
        >>> clique = MarkedMultigraph(4, ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)))
        >>> is_computable(clique, "edge"), is_computable(clique, "edge", given=[common])
        (False, True)
    """
    known = {_whatever_order(one) for one in given}
    return _is_computable(graph, frozenset(), bank_width(bank), known)


def missing_polynomials(
    bank: Bank,
    max_degree: int,
    order: int | Sequence[int] = (0, 1, 2),
    given: Sequence[MarkedMultigraph] = (),
) -> list[MarkedMultigraph]:
    """The connected polynomials of simple graphs up to a degree that a family of networks cannot compute.

    Given as additional inputs, they make up for what the networks lack: with the twelve up to degree six that PPGN
    lacks it becomes PPGN++.

    Args:
        bank: "node" (message passing), "edge" (PPGN) or k (k-folklore networks).
        max_degree: largest number of edges.
        order: number of marks, or several.
        given: polynomials that the networks have as inputs already, see :func:`is_computable`.

    Returns:
        Canonical simple graphs, by degree, then by order.

    Raises:
        ValueError: for another bank or order, or a degree that is not from 0 to 7.

    Source: Puny, Lim, Kiani, Maron, Lipman, "Equivariant Polynomials for Graph Neural Networks", 2023.

    Example:
        >>> [str(graph) for graph in missing_polynomials("node", 3, order=1)]
        ['0-1 0-2 1-2; marks 0']
        >>> len(missing_polynomials("edge", 6))
        12
    """
    bank_width(bank)
    _require_degree("missing_polynomials(max_degree)", max_degree)
    orders = (order,) if isinstance(order, int) else tuple(order)
    for one in orders:
        require_order(one, "missing_polynomials(order)")
    return [
        graph
        for degree in range(1, max_degree + 1)
        for one in orders
        for graph in enumerate_basis(degree, one, simple=True, connected=True)
        if not is_computable(graph, bank, given)
    ]


def exactness_degree(bank: Bank, order: int, max_degree: int = 6, given: Sequence[MarkedMultigraph] = ()) -> int:
    """The largest degree up to which a family of networks computes every polynomial of an order.

    Without inputs besides the matrix it is the same for matrices of any kind: a multigraph can be computed if and only
    if the simple graph can that is left without its loops, directions and repetitions, and that has no more edges.

    Args:
        bank: "node" (message passing), "edge" (PPGN) or k (k-folklore networks).
        order: 0 for invariants, 1 for numbers of nodes ("node-polynomial exact"), 2 for pairs ("edge-polynomial").
        max_degree: where to stop; an answer of this size says "at least".
        given: polynomials that the networks have as inputs, see :func:`is_computable`.

    Raises:
        ValueError: for another bank or order, or a degree that is not from 0 to 7.

    Example:
        >>> [exactness_degree("node", 1), exactness_degree("node", 2)]
        [2, 1]
        >>> [exactness_degree("edge", 1), exactness_degree("edge", 2)]
        [5, 4]
    """
    bank_width(bank)
    require_order(order, "exactness_degree(order)")
    _require_degree("exactness_degree(max_degree)", max_degree)
    for degree in range(1, max_degree + 1):
        graphs = enumerate_basis(degree, order, simple=True, connected=True)
        if not all(is_computable(graph, bank, given) for graph in graphs):
            return degree - 1
    return max_degree


def _require_degree(name: str, degree: int) -> None:
    if isinstance(degree, bool) or not isinstance(degree, int) or not 0 <= degree <= MAX_SIMPLE_DEGREE:
        raise ValueError(f"{name}: a whole number from 0 to {MAX_SIMPLE_DEGREE}, got {degree!r}")


def _is_computable(graph: MarkedMultigraph, filled: frozenset[Edge], width: int, known: set[MarkedMultigraph]) -> bool:
    if elimination_order(graph, width) is not None:
        return True
    return any(_is_computable(rest, new, width, known) for rest, new in _replaced(graph, filled, known))


def _replaced(
    graph: MarkedMultigraph, filled: frozenset[Edge], known: set[MarkedMultigraph]
) -> Iterator[tuple[MarkedMultigraph, frozenset[Edge]]]:
    """With a part of the graph replaced by a known polynomial: an edge between its marks, or a loop at its mark.

    Such edges are filled: they do not stand for entries of the matrix, so no known polynomial may hold them.
    """
    if not known:
        return
    sizes = range(1, len(graph.unmarked) + 1)
    for inside in map(set, chain.from_iterable(combinations(graph.unmarked, size) for size in sizes)):
        own = [edge for edge in graph.edges if edge[0] in inside or edge[1] in inside]
        around = tuple(sorted({end for edge in own for end in edge} - inside))
        if len(around) > 2 or not filled.isdisjoint(own):
            continue
        between = [edge for edge in graph.edges if set(edge) == set(around) and edge not in filled]
        if any(_whatever_order(_part(part, around)) in known for part in ([own, own + between] if between else [own])):
            new = [] if not around else [(around[0], around[-1])]
            edges = [edge for edge in graph.edges if edge not in own] + new
            nodes = sorted({end for edge in edges for end in edge} | set(graph.marks))
            name = {node: place for place, node in enumerate(nodes)}
            left = frozenset((name[a], name[b]) for a, b in [*filled, *new])
            renamed = tuple((name[a], name[b]) for a, b in edges)
            yield MarkedMultigraph(len(nodes), renamed, tuple(name[mark] for mark in graph.marks)), left


def _part(edges: Sequence[Edge], marks: tuple[int, ...]) -> MarkedMultigraph:
    nodes = sorted({end for edge in edges for end in edge})
    name = {node: place for place, node in enumerate(nodes)}
    renamed = tuple((name[a], name[b]) for a, b in edges)
    return MarkedMultigraph(len(nodes), renamed, tuple(name[mark] for mark in marks))


def _whatever_order(graph: MarkedMultigraph) -> MarkedMultigraph:
    """The canonical form up to the order of marks: a network can transpose."""
    orders = (MarkedMultigraph(graph.num_nodes, graph.edges, marks) for marks in permutations(graph.marks))
    return min((one.canonical(symmetric=True) for one in orders), key=lambda one: one.edges)
