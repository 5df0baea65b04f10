"""How several equivariant polynomials are computed together: every intermediate tensor once.

A product of matrix entries that is summed over some nodes is itself a polynomial of a marked multigraph, whose marks
are the axes that are left. Intermediates are therefore known by their canonical multigraph, up to the order of their
axes, and two paths share what is isomorphic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, islice, permutations
from string import ascii_lowercase

from erlangen.graphs.contraction import contraction_sequence
from erlangen.graphs.multigraph import Edge, MarkedMultigraph

#: Orders of elimination that are compared for one polynomial, and the number of rows that costs are compared at.
ORDERS, ROWS = 8, 25


@dataclass(frozen=True)
class Operation:
    """One product of two tensors or one sum, over a batch ``z`` of matrices.

    Attributes:
        equation: for einsum, with at most two operands.
        operands: 0 is the matrix, i the result of operation i - 1.
    """

    equation: str
    operands: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """What is computed, and where the polynomials are found.

    Attributes:
        operations: in the order in which they can be done.
        results: for each polynomial the place of its tensor (None for the number one), and which of its different
            marks the axes of the tensor stand for.
        largest: most axes of a tensor.
    """

    operations: tuple[Operation, ...]
    results: tuple[tuple[int | None, tuple[int, ...]], ...]
    largest: int


@lru_cache(maxsize=256)
def plan_polynomials(graphs: tuple[MarkedMultigraph, ...], symmetric: bool) -> Plan:
    """A plan for several polynomials of one matrix, which may be known to be symmetric."""
    planner = _Planner(symmetric)
    results = []
    for graph in graphs:
        tried = []
        for order in islice(_orders(graph), ORDERS):
            attempt = planner.copy()
            result = attempt.follow(graph, order)
            tried.append((attempt.cost - planner.cost, len(tried), attempt, result))
        _, _, planner, result = min(tried)
        results.append(result)
    largest = max((len(operation.equation.partition("->")[2]) - 1 for operation in planner.operations), default=2)
    return Plan(tuple(planner.operations), tuple(results), max(largest, 2))


def _orders(graph: MarkedMultigraph) -> Iterator[tuple[int, ...]]:
    """Orders of the unmarked nodes of least width."""
    path = contraction_sequence(graph)
    assert path is not None  # without a bank there always is one
    if len(path.order) < 2:
        yield path.order
        return
    beginnings: list[tuple[tuple[int, ...], dict[int, frozenset[int]]]] = [((), dict(enumerate(graph.neighbours)))]
    while beginnings:
        done, left = beginnings.pop()
        unmarked = [node for node in graph.unmarked if node in left]
        if not unmarked:
            yield done
        for node in unmarked[::-1]:
            if len(left[node]) <= path.width:
                joined = {
                    other: (around | left[node]) - {other, node} if other in left[node] else around
                    for other, around in left.items()
                    if other != node
                }
                beginnings.append(((*done, node), joined))


@dataclass(frozen=True)
class _Factor:
    """A tensor: the edges that it is the product of, its axes, and its place."""

    edges: tuple[Edge, ...]
    axes: tuple[int, ...]
    place: int


class _Planner:
    def __init__(self, symmetric: bool) -> None:
        self.symmetric = symmetric
        self.operations: list[Operation] = []
        self.known: dict[MarkedMultigraph, int] = {}
        self.cost = 0

    def copy(self) -> _Planner:
        other = _Planner(self.symmetric)
        other.operations, other.known, other.cost = list(self.operations), dict(self.known), self.cost
        return other

    def follow(self, graph: MarkedMultigraph, order: Sequence[int]) -> tuple[int | None, tuple[int, ...]]:
        """Adds what a polynomial takes beyond what is known."""
        factors = []
        for edge in graph.edges:
            matrix = _Factor((edge,), edge, 0)
            factors.append(matrix if edge[0] != edge[1] else self.combine([matrix]))
        for node in (*order, None):
            here = factors if node is None else [factor for factor in factors if node in factor.axes]
            if not here:
                continue
            factors = [] if node is None else [factor for factor in factors if node not in factor.axes]
            while len(here) > 2:  # products of two, those with the fewest axes first
                pairs = combinations(range(len(here)), 2)
                i, j = min(pairs, key=lambda two: len({*here[two[0]].axes, *here[two[1]].axes}))
                rest = [factor for place, factor in enumerate(here) if place not in (i, j)]
                here = [*rest, self.combine([here[i], here[j]])]
            factors.append(here[0] if node is None and len(here) == 1 else self.combine(here, node))
        if not factors:
            return None, ()
        return factors[0].place, factors[0].axes

    def combine(self, factors: Sequence[_Factor], node: int | None = None) -> _Factor:
        """The product of one or two factors, summed over a node."""
        edges = tuple(edge for factor in factors for edge in factor.edges)
        every = sorted({axis for factor in factors for axis in factor.axes})
        # What is computed is the same whatever its nodes are called and in whatever order its axes stand.
        nodes = sorted({end for edge in edges for end in edge})
        number = {end: place for place, end in enumerate(nodes)}
        renamed = tuple(sorted((number[a], number[b]) for a, b in edges))
        axes = tuple(number[axis] for axis in every if axis != node)
        key, marks = _least(renamed, len(nodes), axes, self.symmetric)
        ordered = tuple(nodes[mark] for mark in marks)
        if key not in self.known:
            letters = dict(zip(every, ascii_lowercase, strict=False))
            inputs = ["z" + "".join(letters[axis] for axis in factor.axes) for factor in factors]
            equation = f"{','.join(inputs)}->z{''.join(letters[axis] for axis in ordered)}"
            self.operations.append(Operation(equation, tuple(factor.place for factor in factors)))
            self.known[key] = len(self.operations)
            self.cost += ROWS ** len(every)
        return _Factor(edges, ordered, self.known[key])


@lru_cache(maxsize=100_000)
def _least(
    edges: tuple[Edge, ...], num_nodes: int, axes: tuple[int, ...], symmetric: bool
) -> tuple[MarkedMultigraph, tuple[int, ...]]:
    candidates = [
        (MarkedMultigraph(num_nodes, edges, marks).canonical(symmetric), marks) for marks in permutations(axes)
    ]
    return min(candidates, key=lambda one: one[0].edges)
