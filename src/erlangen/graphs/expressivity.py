"""What families of networks cannot compute: the missing polynomials, and the degree up to which none is missing."""

from __future__ import annotations

from collections.abc import Sequence

from erlangen.graphs.contraction import Bank, bank_width, is_computable
from erlangen.graphs.multigraph import MarkedMultigraph
from erlangen.graphs.multigraph_basis import enumerate_basis, require_order


def missing_polynomials(bank: Bank, max_degree: int, order: int | Sequence[int] = (0, 1, 2)) -> list[MarkedMultigraph]:
    """The connected polynomials of simple graphs up to a degree that a family of networks cannot compute.

    Given as additional inputs, they make up for what the networks lack: with the twelve up to degree six that PPGN
    lacks it becomes PPGN++.

    Args:
        bank: "node" (message passing), "edge" (PPGN) or k (k-folklore networks).
        max_degree: largest number of edges.
        order: number of marks, or several.

    Returns:
        Canonical simple graphs, by degree, then by order.

    Raises:
        ValueError: for another bank or order, or a degree above 7.

    Source: Puny, Lim, Kiani, Maron, Lipman, "Equivariant Polynomials for Graph Neural Networks", 2023.

    Example:
        >>> [str(graph) for graph in missing_polynomials("node", 3, order=1)]
        ['0-1 0-2 1-2; marks 0']
        >>> len(missing_polynomials("edge", 6))
        12
    """
    bank_width(bank)
    orders = (order,) if isinstance(order, int) else tuple(order)
    for one in orders:
        require_order(one, "missing_polynomials(order)")
    return [
        graph
        for degree in range(1, max_degree + 1)
        for one in orders
        for graph in enumerate_basis(degree, one, simple=True, connected=True)
        if not is_computable(graph, bank)
    ]


def exactness_degree(bank: Bank, order: int, max_degree: int = 6) -> int:
    """The largest degree up to which a family of networks computes every polynomial of an order.

    It is the same for matrices of any kind: a multigraph can be computed if and only if the simple graph can that is
    left without its loops, directions and repetitions, and that has no more edges.

    Args:
        bank: "node" (message passing), "edge" (PPGN) or k (k-folklore networks).
        order: 0 for invariants, 1 for numbers of nodes ("node-polynomial exact"), 2 for pairs ("edge-polynomial").
        max_degree: where to stop; an answer of this size says "at least".

    Raises:
        ValueError: for another bank or order, or a degree above 7.

    Example:
        >>> [exactness_degree("node", 1), exactness_degree("node", 2)]
        [2, 1]
        >>> [exactness_degree("edge", 1), exactness_degree("edge", 2)]
        [5, 4]
    """
    bank_width(bank)
    require_order(order, "exactness_degree(order)")
    for degree in range(1, max_degree + 1):
        if not all(is_computable(graph, bank) for graph in enumerate_basis(degree, order, simple=True, connected=True)):
            return degree - 1
    return max_degree
