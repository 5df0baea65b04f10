"""The permutation equivariant network on all pairs of nodes of a graph."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Int
from torch import Tensor

from erlangen.graphs.ego import whole_graphs
from erlangen.graphs.spen import SPEN
from erlangen.graphs.subgraphs import Subgraphs


class IGN2(SPEN):
    """The invariant graph network of order 2: :class:`SPEN` whose one subgraph is the whole graph.

    Weights are shared by graphs of all sizes. Memory grows with the sum of the squares of the numbers of nodes. Its
    weights fit a :class:`SPEN` with ``sizes=(1,)``, and where every ego-network is the whole graph both compute the
    same.

    Args:
        in_channels: features of a node; 0 for none.
        hidden: channels of each order.
        num_layers: layers before the last one.
        num_classes: numbers that come out.
        reps: orders of the features in between: 1, 2 or both.
        norm: "batch", "graph" or "none".
        in_edge: features of an edge.
        head: widths of the perceptron's hidden layers.
        dropout: before each layer of the perceptron but the first.

    Raises:
        ValueError: as for :class:`SPEN`; when called, for graphs with too many pairs in all.
        TypeError: as for :class:`SPEN`.

    Source: Maron, Ben-Hamu, Shamir, Lipman, "Invariant and Equivariant Graph Networks", 2019.

    Example:
        >>> import torch
        >>> net = IGN2(in_channels=2, hidden=8, num_layers=2, num_classes=3)
        >>> net(torch.randn(3, 2), torch.tensor([[0, 1], [1, 0]])).shape
        torch.Size([1, 3])
    """

    def __init__(
        self,
        in_channels: int,
        hidden: int,
        num_layers: int,
        num_classes: int,
        reps: Sequence[int] = (1, 2),
        norm: str = "batch",
        in_edge: int = 0,
        head: Sequence[int] = (64,),
        dropout: float = 0.0,
    ) -> None:
        super().__init__(
            in_channels, hidden, num_layers, num_classes, sizes=(1,), reps=reps, norm=norm, in_edge=in_edge, head=head,
            dropout=dropout,
        )  # fmt: skip

    def subgraphs(self, edge_index: Int[Tensor, "2 edges"], batch: Int[Tensor, " nodes"]) -> Subgraphs:
        """Each graph as one set."""
        return whole_graphs(batch)
