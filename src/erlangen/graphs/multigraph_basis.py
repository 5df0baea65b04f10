"""Bases of equivariant polynomials: all marked multigraphs of a degree, one of each kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import permutations

from erlangen.graphs.multigraph import MarkedMultigraph

#: Largest degrees that are enumerated without being forced: beyond them are tens of thousands.
MAX_DEGREE, MAX_SIMPLE_DEGREE = 4, 7


def enumerate_basis(
    degree: int,
    order: int,
    symmetric: bool = False,
    simple: bool = False,
    connected: bool = False,
    force: bool = False,
) -> list[MarkedMultigraph]:
    r"""All marked multigraphs with ``degree`` edges and ``order`` marks, one per class of isomorphism.

    Their polynomials are a basis of the equivariant polynomials that are homogeneous of this degree in the entries of
    a matrix, if it is large enough: :math:`n \ge 2 d + k` rows suffice. Degree one and order two are the fifteen linear
    maps of invariant graph networks.

    Args:
        degree: number of edges, :math:`d`.
        order: number of marks, :math:`k`: 0, 1 or 2.
        symmetric: the matrix is symmetric, so that directions of edges do not matter.
        simple: the matrix holds zeros and ones, is symmetric, and zero on the diagonal: loops vanish, and repeated
            edges count once.
        connected: only connected multigraphs whose marks are different nodes. The others are products of these,
            and, where two marks are one node, polynomials of lower order on the diagonal: nothing new for networks that
            multiply features point by point.
        force: enumerate beyond degree 4 (7 with ``simple``), where it takes minutes and more.

    Returns:
        Canonical multigraphs, in a fixed order.

    Raises:
        ValueError: for a negative degree, a degree that is too large and not forced, or another order.

    Source: Puny, Lim, Kiani, Maron, Lipman, "Equivariant Polynomials for Graph Neural Networks", 2023.

    Example:
        >>> [len(enumerate_basis(degree, order=2)) for degree in range(3)]
        [2, 15, 117]
        >>> [str(graph) for graph in enumerate_basis(2, order=1, simple=True, connected=True)]
        ['0-1 0-2; marks 0', '0-1 1-2; marks 0']
    """
    if isinstance(degree, bool) or not isinstance(degree, int) or degree < 0:
        raise ValueError(f"enumerate_basis(degree): a whole number from 0, got {degree!r}")
    require_order(order, "enumerate_basis(order)")
    largest = MAX_SIMPLE_DEGREE if simple else MAX_DEGREE
    if degree > largest and not force:
        raise ValueError(
            f"enumerate_basis(degree): at most {largest} for {'simple graphs' if simple else 'multigraphs'}, "
            f"got {degree}; force=True goes beyond"
        )
    symmetric = symmetric or simple
    if not connected:
        return list(_all(degree, order, symmetric, simple))
    unmarked = _connected(degree, symmetric, simple)
    return _distinct((marked for graph in unmarked for marked in _markings(graph, order)), symmetric)


def require_order(order: int, name: str) -> None:
    """Refuses orders other than 0, 1 and 2.

    Raises:
        ValueError: for another order.
    """
    if isinstance(order, bool) or order not in (0, 1, 2):
        raise ValueError(f"{name}: 0 (graph), 1 (nodes) or 2 (pairs of nodes), got {order!r}")


@lru_cache(maxsize=64)
def _all(degree: int, order: int, symmetric: bool, simple: bool) -> tuple[MarkedMultigraph, ...]:
    # Without its last edge, a multigraph is one of a degree less: each of those is extended in every way.
    if degree == 0:
        marks = {0: [()], 1: [(0,)], 2: [(0, 0), (0, 1)]}[order]
        return tuple(MarkedMultigraph(len(set(mark)), (), mark) for mark in marks)
    smaller = _all(degree - 1, order, symmetric, simple)
    grown = (one for graph in smaller for one in _extensions(graph, simple, connected=False))
    return tuple(_distinct(grown, symmetric))


@lru_cache(maxsize=64)
def _connected(degree: int, symmetric: bool, simple: bool) -> tuple[MarkedMultigraph, ...]:
    # A connected multigraph has an edge without which it is connected, or loses a leaf besides. The single node without
    # edges has to be marked to be allowed; the mark is dropped where an edge is added.
    if degree == 0:
        return (MarkedMultigraph(1, (), (0,)),)
    smaller = _connected(degree - 1, symmetric, simple)
    grown = (one for graph in smaller for one in _extensions(graph, simple, connected=True))
    return tuple(_distinct((MarkedMultigraph(one.num_nodes, one.edges) for one in grown), symmetric))


def _extensions(graph: MarkedMultigraph, simple: bool, connected: bool) -> Iterator[MarkedMultigraph]:
    n = graph.num_nodes
    ends = [(a, b) for a in range(n + 1) for b in range(n + 1)]
    if connected:
        ends.remove((n, n))
    else:
        ends.append((n, n + 1))
    there = {frozenset(edge) for edge in graph.edges}
    for a, b in ends:
        if not (simple and (a == b or frozenset((a, b)) in there)):
            yield MarkedMultigraph(max(n, a + 1, b + 1), (*graph.edges, (a, b)), graph.marks)


def _markings(graph: MarkedMultigraph, order: int) -> Iterator[MarkedMultigraph]:
    for marks in permutations(range(graph.num_nodes), order):
        if graph.edges or marks:
            yield MarkedMultigraph(graph.num_nodes, graph.edges, marks)


def _distinct(graphs: Iterable[MarkedMultigraph], symmetric: bool) -> list[MarkedMultigraph]:
    found = {graph.canonical(symmetric) for graph in graphs}
    return sorted(found, key=lambda graph: (graph.num_nodes, graph.marks, graph.edges))
