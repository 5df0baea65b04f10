"""Well-known networks on graphs by what they can sum over, and how far that reaches."""

from __future__ import annotations

import re
from dataclasses import dataclass

from erlangen.graphs.contraction import Bank
from erlangen.graphs.expressivity import exactness_degree, missing_polynomials
from erlangen.graphs.multigraph import MarkedMultigraph


@dataclass(frozen=True)
class KnownNetwork:
    """A family of networks: the sums that its layers are made of.

    It bounds what the family can compute with functions of any width between the sums. A layer that normalises, or
    takes means or maxima instead of sums, may compute less.

    Attributes:
        name: as in the literature.
        bank: what it sums over, see :func:`contraction_sequence`.
        orders: what it computes: numbers of graphs (0), of nodes (1), of pairs of nodes (2).
        source: authors, title, year.
        added_degree: it is given the polynomials up to this degree that its sums do not reach.
    """

    name: str
    bank: Bank
    orders: tuple[int, ...]
    source: str
    added_degree: int = 0

    def exactness_degree(self, order: int, max_degree: int = 6) -> int | None:
        """The degree up to which it computes every polynomial of an order; None if it has no outputs of this order.

        Args:
            order: 0, 1 or 2.
            max_degree: where to stop; an answer of this size says "at least".

        Raises:
            ValueError: for another order, or a degree that is not from 0 to 7.
        """
        if order not in self.orders:
            return None
        return exactness_degree(self.bank, order, max_degree, self.given)

    def missing(self, max_degree: int = 6) -> list[MarkedMultigraph]:
        """The polynomials of its orders that it cannot compute."""
        return missing_polynomials(self.bank, max_degree, self.orders, self.given)

    @property
    def given(self) -> list[MarkedMultigraph]:
        """The polynomials that it has as inputs."""
        return missing_polynomials(self.bank, self.added_degree)


_IGN = "Maron, Ben-Hamu, Shamir, Lipman, Invariant and Equivariant Graph Networks, 2019"
_PPGN = "Maron, Ben-Hamu, Serviansky, Lipman, Provably Powerful Graph Networks, 2019"
_PPGNPP = "Puny, Lim, Kiani, Maron, Lipman, Equivariant Polynomials for Graph Neural Networks, 2023"
_FOLKLORE = "Cai, Fürer, Immerman, An Optimal Lower Bound on the Number of Variables for Graph Identification, 1992"

#: The best known ones. Folklore tests of any order, the plain tests of Weisfeiler and Leman, and invariant graph
#: networks of any order are found by :func:`find_network`.
NETWORKS = (
    KnownNetwork(
        "GCN", "node", (0, 1), "Kipf, Welling, Semi-Supervised Classification with Graph Convolutional Networks, 2017"
    ),
    KnownNetwork("GIN", "node", (0, 1), "Xu, Hu, Leskovec, Jegelka, How Powerful are Graph Neural Networks?, 2019"),
    KnownNetwork("GatedGCN", "node", (0, 1, 2), "Bresson, Laurent, Residual Gated Graph ConvNets, 2017"),
    KnownNetwork("2-IGN", "node", (0, 1, 2), _IGN),
    KnownNetwork("3-IGN", "edge", (0, 1, 2), _IGN),
    KnownNetwork("PPGN", "edge", (0, 1, 2), _PPGN),
    KnownNetwork("PPGN++ (5)", "edge", (0, 1, 2), _PPGNPP, added_degree=5),
    KnownNetwork("PPGN++ (6)", "edge", (0, 1, 2), _PPGNPP, added_degree=6),
    KnownNetwork("2-FWL", 2, (0, 1, 2), _FOLKLORE),
    KnownNetwork("3-FWL", 3, (0, 1, 2), _FOLKLORE),
)


def find_network(name: str) -> KnownNetwork:
    """The network of a name: one of ``NETWORKS``, or "k-FWL", "k-WL" or "k-IGN" for a number k.

    The plain test of order k, and an invariant graph network of order k, see as much as the folklore test of order
    k - 1, which sums over a node with k - 1 neighbours.

    Raises:
        ValueError: for another name, or an order that is too small.

    Example:
        >>> find_network("gin").bank, find_network("3-WL").bank
        ('node', 2)
        >>> [find_network("4-FWL").exactness_degree(order) for order in (0, 1, 2)]
        [6, 6, 6]
    """
    plain = name.lower().replace(" ", "")
    for network in NETWORKS:
        if network.name.lower().replace(" ", "") == plain:
            return network
    match = re.fullmatch(r"(\d+)-(fwl|wl|ign)", plain)
    if match:
        number, kind = int(match[1]), match[2]
        order = number if kind == "fwl" else number - 1
        if order >= 1:
            source = _IGN if kind == "ign" else _FOLKLORE
            return KnownNetwork(f"{number}-{kind.upper()}", order, (0, 1, 2) if number > 1 else (0, 1), source)
    known = ", ".join(network.name for network in NETWORKS)
    raise ValueError(f"find_network(name): {known}, or k-FWL, k-WL (k from 2) or k-IGN (k from 2), got {name!r}")
