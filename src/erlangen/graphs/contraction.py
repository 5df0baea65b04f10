"""Contraction paths: nodes of a multigraph summed over one by one, and which networks can do it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from string import ascii_letters
from typing import Literal

from erlangen.graphs.multigraph import MarkedMultigraph

#: What a family of networks can sum over: "node" (message passing), "edge" (PPGN), or k (k-folklore networks).
Bank = Literal["node", "edge"] | int

#: Unmarked nodes, after the safe ones are gone, among which orders are searched through.
MAX_SEARCHED = 16


@dataclass(frozen=True)
class ContractionStep:
    """One node is summed over: the product of all factors that hold it becomes one factor over its neighbours.

    Attributes:
        node: the node, or None for the last step, in which the factors that are left are multiplied.
        neighbours: the axes of the result.
        operands: which factors: an edge of the multigraph by its place, or, counted on from there, an earlier step.
        equation: the step for einsum; edges are matrices, letters are nodes.
    """

    node: int | None
    neighbours: tuple[int, ...]
    operands: tuple[int, ...]
    equation: str

    @property
    def exponent(self) -> int:
        """The step costs of the order of this power of the number of rows."""
        return len(self.neighbours) + (self.node is not None)


@dataclass(frozen=True)
class ContractionPath:
    """A way to compute the polynomial of a multigraph, node by node.

    Attributes:
        graph: the multigraph.
        steps: one per unmarked node; then one that multiplies what is left, if anything is.
    """

    graph: MarkedMultigraph
    steps: tuple[ContractionStep, ...]

    @property
    def order(self) -> tuple[int, ...]:
        """The unmarked nodes as they go."""
        return tuple(step.node for step in self.steps if step.node is not None)

    @property
    def width(self) -> int:
        """The most neighbours of a node when it goes: n rows take time of the order n^(width + 1)."""
        return max((len(step.neighbours) for step in self.steps if step.node is not None), default=0)

    def __str__(self) -> str:
        lines = []
        for step in self.steps:
            what = "multiply what is left" if step.node is None else f"sum over node {step.node}"
            lines.append(f"{what}: {step.equation}, n^{step.exponent}")
        return "\n".join(lines) or "nothing to sum over"


def bank_width(bank: Bank) -> int:
    """The most neighbours that a node may have to be summed over: 1 for "node", 2 for "edge", k for k.

    Raises:
        ValueError: for another bank.
    """
    if bank == "node":
        return 1
    if bank == "edge":
        return 2
    if isinstance(bank, int) and not isinstance(bank, bool) and bank >= 1:
        return bank
    raise ValueError(f"bank: 'node', 'edge' or a whole number from 1, got {bank!r}")


def contraction_sequence(graph: MarkedMultigraph, bank: Bank | None = None) -> ContractionPath | None:
    r"""A path on which no node has more neighbours than the networks of a bank can sum over, or None.

    A network can always multiply factors over the same nodes, read the diagonal and transpose. What sets families
    apart is over which nodes they can sum. Message passing sums over a node with one neighbour,
    :math:`\sum_j X_{ij} h_j`; PPGN, whose features are matrices, over one with two, a matrix product; a k-folklore
    network over one with k. Afterwards those neighbours are joined, as they share the result. The polynomial can be
    computed if the unmarked nodes can go in some order: if the multigraph with all marks joined has no treewidth above
    that number. Up to two neighbours any node may go first. From three on it may not (two opposite corners of a cube
    may not both go before the rest), so orders are searched through.

    Args:
        graph: the multigraph.
        bank: "node", "edge" or k; None for a path of least width.

    Raises:
        ValueError: for another bank, or more than 16 unmarked nodes without a safe one among them.

    Source: Puny, Lim, Kiani, Maron, Lipman, "Equivariant Polynomials for Graph Neural Networks", 2023. Arnborg,
    Proskurowski, "Characterization and Recognition of Partial 3-Trees", 1986.

    Example:
        >>> triangle = MarkedMultigraph(3, ((0, 1), (1, 2), (2, 0)))
        >>> contraction_sequence(triangle, "node") is None
        True
        >>> print(contraction_sequence(triangle, "edge"))
        sum over node 0: ab,ca->bc, n^3
        sum over node 1: bc,bc->c, n^2
        sum over node 2: c->, n^1
    """
    if bank is not None:
        order = elimination_order(graph, bank_width(bank))
        return None if order is None else path_along(graph, order)
    width = 0
    while (order := elimination_order(graph, width)) is None:
        width += 1
    return path_along(graph, order)


def path_along(graph: MarkedMultigraph, order: tuple[int, ...]) -> ContractionPath:
    """The path on which the unmarked nodes go in a given order.

    Raises:
        ValueError: if the order does not name every unmarked node once.
    """
    if sorted(order) != list(graph.unmarked):
        raise ValueError(f"path_along(order): each of the unmarked nodes {graph.unmarked} once, got {order}")
    if graph.num_nodes > len(ascii_letters):
        raise ValueError(f"path_along(graph): at most {len(ascii_letters)} nodes, got {graph.num_nodes}")
    factors: dict[int, tuple[int, ...]] = dict(enumerate(graph.edges))
    steps = []
    for node in order:
        here = tuple(place for place, axes in factors.items() if node in axes)
        neighbours = tuple(sorted({axis for place in here for axis in factors[place]} - {node}))
        inputs = [factors.pop(place) for place in here]
        steps.append(ContractionStep(node, neighbours, here, _equation(inputs, neighbours)))
        factors[graph.degree + len(steps) - 1] = neighbours
    marks = tuple(dict.fromkeys(graph.marks))
    if len(factors) > 1 or any(axes != marks for axes in factors.values()):
        here = tuple(factors)
        reached = {axis for axes in factors.values() for axis in axes}
        result = tuple(mark for mark in marks if mark in reached)
        steps.append(ContractionStep(None, result, here, _equation([factors[place] for place in here], result)))
    return ContractionPath(graph, tuple(steps))


def _equation(inputs: list[tuple[int, ...]], output: tuple[int, ...]) -> str:
    *left, right = ("".join(ascii_letters[axis] for axis in axes) for axes in (*inputs, output))
    return f"{','.join(left)}->{right}"


@lru_cache(maxsize=100_000)
def elimination_order(graph: MarkedMultigraph, width: int) -> tuple[int, ...] | None:
    """An order of the unmarked nodes in which none has more than ``width`` neighbours when it goes, or None."""
    left = {node: set(graph.neighbours[node]) for node in range(graph.num_nodes)}
    for a, b in combinations(set(graph.marks), 2):  # what is left in the end is one tensor over all marks
        left[a].add(b)
        left[b].add(a)
    return _search(left, frozenset(graph.unmarked), width, set())


def _search(
    left: dict[int, set[int]], unmarked: frozenset[int], width: int, failed: set[frozenset[int]]
) -> tuple[int, ...] | None:
    order: list[int] = []
    left = {node: set(others) for node, others in left.items()}
    while (node := next(_safe(left, unmarked, width), None)) is not None:
        _eliminate(left, node)
        unmarked -= {node}
        order.append(node)
    if not unmarked:
        return tuple(order)
    if width <= 2 or unmarked in failed or all(len(left[node]) > width for node in unmarked):
        return None
    if len(unmarked) > MAX_SEARCHED:
        raise ValueError(
            f"contraction_sequence(graph): orders of {len(unmarked)} unmarked nodes are too many to search through; "
            f"at most {MAX_SEARCHED}"
        )
    for node in sorted(unmarked):
        if len(left[node]) <= width:
            without = {other: set(others) for other, others in left.items()}
            _eliminate(without, node)
            rest = _search(without, unmarked - {node}, width, failed)
            if rest is not None:
                return (*order, node, *rest)
    failed.add(unmarked)
    return None


def _safe(left: dict[int, set[int]], unmarked: frozenset[int], width: int) -> Iterator[int]:
    """Nodes that may go first if anything may: with at most two neighbours, or with neighbours that are joined."""
    for size in range(width + 1):
        for node in sorted(unmarked):
            if len(left[node]) == size and (size <= 2 or all(b in left[a] for a, b in combinations(left[node], 2))):
                yield node


def _eliminate(left: dict[int, set[int]], node: int) -> None:
    around = left.pop(node)
    for other in around:
        left[other] |= around
        left[other] -= {other, node}
