"""PPGN with the polynomials that it cannot compute."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from erlangen.graphs.expressivity import missing_polynomials
from erlangen.graphs.multigraph import MarkedMultigraph
from erlangen.graphs.pairs import group_pairs, pair_rows
from erlangen.graphs.polynomial_pairs import normalize_pairs
from erlangen.graphs.polynomials import EquivariantPolynomials
from erlangen.graphs.ppgn import PPGN


class PPGNPlusPlus(PPGN):
    """PPGN++: a :class:`PPGN` that is given the polynomials of the adjacency matrix that it cannot compute itself.

    These are further channels of its input, twelve up to degree six; its blocks read transposes and the identity. On
    simple graphs it then computes all polynomials up to that degree, of graphs, nodes and pairs of nodes.

    The channels are computed in float64 at every call, from ``edge_index``. They depend on the graph alone, so for a
    training compute them once: pass the data through ``PolynomialFeatures(net.polynomials)``, and hand
    ``polynomial_pairs(batch)`` on as ``pair_attr``.

    Args:
        in_channels: features of a node; with none, ``x`` is None.
        hidden_channels: channels of the blocks.
        num_layers: blocks.
        out_channels: numbers that come out.
        edge_dim: attributes of an edge.
        degree: of the polynomials.
        polynomials: these instead, for instance those that are not zero on all graphs to learn from (see
            ``PolynomialFeatures.nonzero_on``).
        readout_channels: width of the hidden layer at the end; ``hidden_channels`` by default.
        task: "graph" or "node".

    Raises:
        ValueError: as :class:`PPGN` does, and when called, for edges that are not those of a simple graph: each once in
            both directions, and no loops.
        TypeError: as :class:`PPGN` does.

    Source: Puny, Lim, Kiani, Maron, Lipman, "Equivariant Polynomials for Graph Neural Networks", 2023.

    Example:
        >>> net = PPGNPlusPlus(in_channels=0, hidden_channels=8, num_layers=2, out_channels=1)
        >>> triangle_and_point = torch.tensor([[0, 1, 1, 2, 2, 0], [1, 0, 2, 1, 0, 2]])
        >>> net(None, triangle_and_point, batch=torch.tensor([0, 0, 0, 1])).shape
        torch.Size([2, 1])
        >>> len(net.polynomials)
        12
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int,
        edge_dim: int = 0,
        degree: int = 6,
        polynomials: Sequence[MarkedMultigraph] | None = None,
        readout_channels: int | None = None,
        task: str = "graph",
    ) -> None:
        given = tuple(missing_polynomials("edge", degree) if polynomials is None else polynomials)
        super().__init__(
            in_channels, hidden_channels, num_layers, out_channels, edge_dim, len(given), transpose=True, identity=True,
            readout_channels=readout_channels, task=task,
        )  # fmt: skip
        # By order, as the fields of the transform are joined.
        self.polynomials = tuple(sorted(given, key=lambda graph: graph.order))
        self._values = EquivariantPolynomials(self.polynomials, simple=True)
        self.symmetry = self._promise()

    def forward(
        self,
        x: Float[Tensor, "nodes in_channels"] | None,
        edge_index: Int[Tensor, "2 edges"],
        batch: Int[Tensor, " nodes"] | None = None,
        edge_attr: Float[Tensor, "edges edge_dim"] | None = None,
        pair_attr: Float[Tensor, "pairs channels"] | None = None,
        batch_size: int | None = None,
    ) -> Float[Tensor, "rows out_channels"]:
        """The numbers of every graph, or of every node; see :class:`PPGN` for the arguments.

        Args:
            x: features of nodes; None without any.
            edge_index: edges of simple graphs.
            batch: the graph of each node, ascending; one graph by default.
            edge_attr: attributes of edges; None without any.
            pair_attr: the polynomials, if they are there already.
            batch_size: number of graphs, where the last ones may have no nodes.
        """
        if pair_attr is None and self.pair_dim:
            pair_attr = self._polynomials(x, edge_index, batch, batch_size)
        return super().forward(x, edge_index, batch, edge_attr, pair_attr, batch_size)

    @torch.no_grad()
    def _polynomials(
        self, x: Tensor | None, edge_index: Tensor, batch: Tensor | None, batch_size: int | None
    ) -> Tensor:
        nodes = self.read_graphs(x, edge_index, batch, batch_size)
        i, j = nodes.edge_index
        adjacency = torch.zeros(nodes.pairs, 1, dtype=torch.float64, device=nodes.batch.device)
        adjacency.index_add_(0, pair_rows(nodes.sizes, nodes.batch, i, j), adjacency.new_ones(len(i), 1))
        rows = adjacency.new_zeros(nodes.pairs, self.pair_dim)
        for group in group_pairs(nodes.sizes):
            try:
                values = self._values(group.dense(adjacency)[:, 0], group.mask)
            except ValueError:
                raise ValueError(
                    "PPGNPlusPlus(edge_index): simple graphs, each edge once in both directions and no loops, got "
                    "others; ToUndirected and RemoveSelfLoops of torch_geometric.transforms make them so"
                ) from None
            channels = values.matrices(group.mask).movedim(1, -1)
            if group.mask is None:
                rows[group.pairs.flatten()] = channels.flatten(0, 2)
            else:
                there = group.mask[:, :, None] & group.mask[:, None, :]
                rows[group.pairs[there]] = channels[there]
        return normalize_pairs(rows, nodes.sizes).to(next(self.parameters()))
