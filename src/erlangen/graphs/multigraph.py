"""Directed multigraphs with marked nodes: the index set of equivariant polynomials of a matrix."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from erlangen.extras import require

Edge = tuple[int, int]


@dataclass(frozen=True)
class MarkedMultigraph:
    r"""A directed multigraph with ordered marked nodes; it stands for one equivariant polynomial of a matrix.

    With edges :math:`E` and marks :math:`b_1, \dots, b_k` it stands for

    .. math::
        P_H(X)_{i_1 \dots i_k} = \sum_{j : V \to [n],\; j(b_l) = i_l} \; \prod_{(r, s) \in E} X_{j(r)\, j(s)},

    which is zero where equal marks get different indices. For an adjacency matrix it counts homomorphisms: maps of the
    nodes that keep edges, and need not be injective. Loops and repeated edges are factors like any other.

    Args:
        num_nodes: number of nodes, which are called 0, 1, ...
        edges: pairs of nodes, one per factor.
        marks: the nodes that the axes of the output stand for, in this order; the same node may be marked twice.

    Raises:
        ValueError: for an edge or a mark outside the nodes, or a node that has neither an edge nor a mark (it would
            multiply the polynomial by the number of nodes).

    Source: Puny, Lim, Kiani, Maron, Lipman, "Equivariant Polynomials for Graph Neural Networks", 2023.

    Example:
        >>> path = MarkedMultigraph(3, edges=((0, 1), (1, 2)), marks=(0, 2))  # the square of the matrix
        >>> path.degree, path.order
        (2, 2)
        >>> print(path)
        0-1 1-2; marks 0, 2
        >>> print(path.canonical())
        0-2 2-1; marks 0, 1
    """

    num_nodes: int
    edges: tuple[Edge, ...]
    marks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", tuple((int(a), int(b)) for a, b in self.edges))
        object.__setattr__(self, "marks", tuple(int(mark) for mark in self.marks))
        nodes = range(self.num_nodes)
        for edge in self.edges:
            if not (edge[0] in nodes and edge[1] in nodes):
                raise ValueError(f"MarkedMultigraph(edges): nodes 0 to {self.num_nodes - 1}, got the edge {edge}")
        for mark in self.marks:
            if mark not in nodes:
                raise ValueError(f"MarkedMultigraph(marks): nodes 0 to {self.num_nodes - 1}, got the mark {mark}")
        lonely = set(nodes) - {node for edge in self.edges for node in edge} - set(self.marks)
        if lonely:
            raise ValueError(
                f"MarkedMultigraph(num_nodes): every node has an edge or a mark; node {min(lonely)} of "
                f"{self.num_nodes} has neither"
            )

    @property
    def degree(self) -> int:
        """Number of edges: the degree of the polynomial."""
        return len(self.edges)

    @property
    def order(self) -> int:
        """Number of marks: 0 for a number per graph, 1 for one per node, 2 for one per pair of nodes."""
        return len(self.marks)

    @property
    def unmarked(self) -> tuple[int, ...]:
        """The nodes that are summed over."""
        return tuple(node for node in range(self.num_nodes) if node not in self.marks)

    @cached_property
    def neighbours(self) -> tuple[frozenset[int], ...]:
        """The other ends of each node's edges, whatever their direction and number."""
        found: list[set[int]] = [set() for _ in range(self.num_nodes)]
        for a, b in self.edges:
            if a != b:
                found[a].add(b)
                found[b].add(a)
        return tuple(map(frozenset, found))

    @property
    def is_simple(self) -> bool:
        """Whether there are no loops and no two edges between the same nodes."""
        return len({frozenset(edge) for edge in self.edges if edge[0] != edge[1]}) == self.degree

    @property
    def is_connected(self) -> bool:
        """Whether every node can be reached from every other along edges of any direction; false without nodes."""
        return self.num_nodes > 0 and len(_reached(self.neighbours, {0})) == self.num_nodes

    def canonical(self, symmetric: bool = False) -> MarkedMultigraph:
        """The same multigraph with nodes renamed, the same for all that are isomorphic as marked multigraphs.

        Nodes are numbered in the order in which they appear when the marks are read, then the edges; of all orders of
        the edges (and, for symmetric matrices, all directions) the one with the smallest sequence of numbers is taken.

        Args:
            symmetric: whether the direction of an edge does not matter, as for polynomials of symmetric matrices.
        """
        return _canonical(self, symmetric)

    def networkx(self) -> Any:
        """As ``networkx.MultiDiGraph``; attribute ``marks`` of a node lists the places at which it is marked."""
        graph = require("networkx", "graphs", "a multigraph for networkx").MultiDiGraph()
        for node in range(self.num_nodes):
            graph.add_node(node, marks=tuple(place for place, mark in enumerate(self.marks) if mark == node))
        graph.add_edges_from(self.edges)
        return graph

    def __str__(self) -> str:
        edges = " ".join(f"{a}-{b}" for a, b in self.edges) or "no edges"
        return f"{edges}; marks {', '.join(map(str, self.marks))}" if self.marks else edges


def _reached(neighbours: tuple[frozenset[int], ...], start: set[int]) -> set[int]:
    reached, border = set(start), set(start)
    while border:
        border = {other for node in border for other in neighbours[node]} - reached
        reached |= border
    return reached


@lru_cache(maxsize=200_000)
def _canonical(graph: MarkedMultigraph, symmetric: bool) -> MarkedMultigraph:
    # The smallest sequence is found edge by edge: all beginnings that tie for the smallest are kept. A beginning is the
    # numbers of the nodes (-1 for none yet), and the edges that are left, with how often.
    number = {mark: place for place, mark in enumerate(dict.fromkeys(graph.marks))}
    marks = tuple(number[mark] for mark in graph.marks)
    labels = tuple(number.get(node, -1) for node in range(graph.num_nodes))
    beginnings = {(labels, tuple(sorted(Counter(graph.edges).items())))}
    edges: list[Edge] = []
    new = len(number)  # the next number
    for _ in graph.edges:
        best: Edge = (graph.num_nodes, graph.num_nodes)
        kept: set[tuple[tuple[int, ...], tuple[tuple[Edge, int], ...]]] = set()
        for labels, left in beginnings:
            ends: Counter[int] = Counter()
            for (a, b), count in left:
                ends[a] += count
                ends[b] += count if a != b else 0
            tried: set[Edge] = set()
            for edge, _ in left:
                for a, b in (edge, edge[::-1]) if symmetric else (edge,):
                    first = labels[a] if labels[a] >= 0 else new
                    second = labels[b] if labels[b] >= 0 else first if a == b else new + (labels[a] < 0)
                    step = (first, second)
                    if step > best:
                        continue
                    # New nodes without further edges can be exchanged: one of them stands for all.
                    if max(step) >= new and all(ends[node] == 1 for node in (a, b) if labels[node] < 0):
                        if step in tried:
                            continue
                        tried.add(step)
                    if step < best:
                        best, kept = step, set()
                    named = tuple(
                        first if node == a else second if node == b else label for node, label in enumerate(labels)
                    )
                    kept.add((named, tuple((e, c - (e == edge)) for e, c in left if c > (e == edge))))
        beginnings = kept
        edges.append(best)
        new = max(new, max(best) + 1)
    return MarkedMultigraph(graph.num_nodes, tuple(edges), marks)
