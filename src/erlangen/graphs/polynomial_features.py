"""Polynomials of the adjacency matrix as features of graphs: a transform of PyTorch Geometric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from erlangen.extras import require
from erlangen.graphs.multigraph import MarkedMultigraph
from erlangen.graphs.polynomials import EquivariantPolynomials, PolynomialValues

_PURPOSE = "a transform of PyTorch Geometric"
if TYPE_CHECKING:
    from torch_geometric.data import Batch
    from torch_geometric.transforms import BaseTransform
else:
    Batch = require("torch_geometric.data", "graphs", _PURPOSE).Batch
    BaseTransform = require("torch_geometric.transforms", "graphs", _PURPOSE).BaseTransform

#: Most entries of a dense intermediate; larger graphs are computed from sparse ones.
DENSE = 1 << 21


class PolynomialFeatures(BaseTransform):
    r"""Adds what a network cannot compute: polynomials of the adjacency matrix as fields of a graph.

    Polynomials without marks become ``graph_polynomials``, shape ``(1, channels)``; those with one mark
    ``node_polynomials``, shape ``(nodes, channels)``; those with two ``pair_polynomials``, shape
    ``(nodes * nodes, channels)``, row after row of the matrices, and ``edge_polynomials``, which are their values at
    the edges. Channels stand in the order of the multigraphs. All fields join along their first axis when graphs are
    batched; :func:`polynomial_matrices` makes padded matrices of them. Values are counted in float64, and stored in
    the dtype of ``x`` where that is floating, else in torch's default dtype.

    Args:
        polynomials: the multigraphs, such as ``missing_polynomials("edge", 6)`` for PPGN++ or
            ``missing_polynomials("node", 4, order=1)`` for a message passing network.

    Raises:
        ValueError: for a multigraph with more than two marks; when called, for edges with a node that is not there, or
            a graph that is directed, or has loops or repeated edges: polynomials of simple graphs are not enough there.
        TypeError: when called, for edges that are no whole numbers.

    Source: Puny, Lim, Kiani, Maron, Lipman, "Equivariant Polynomials for Graph Neural Networks", 2023.

    Example:
        >>> from torch_geometric.data import Data
        >>> from erlangen.graphs import missing_polynomials
        >>> edge_index = torch.tensor([[0, 1, 1, 2, 2, 0, 2, 3], [1, 0, 2, 1, 0, 2, 3, 2]])
        >>> features = PolynomialFeatures(missing_polynomials("node", 3, order=1))  # closed walks of three steps
        >>> features(Data(edge_index=edge_index, num_nodes=4)).node_polynomials.T
        tensor([[2., 2., 2., 0.]])
    """

    def __init__(self, polynomials: Sequence[MarkedMultigraph]) -> None:
        self.polynomials = tuple(polynomials)
        self.values = EquivariantPolynomials(self.polynomials, simple=True)

    def forward(self, data: Any) -> Any:
        """The graph with its new fields; the call copies it first."""
        if isinstance(data, Batch):
            return Batch.from_data_list([self.forward(graph) for graph in data.to_data_list()])
        values = self._values_of(data)
        x = data.x if "x" in data else None
        dtype = x.dtype if isinstance(x, Tensor) and x.is_floating_point() else torch.get_default_dtype()
        if values.graph.shape[-1]:
            data.graph_polynomials = values.graph[None].to(dtype)
        if values.node.shape[-1]:
            data.node_polynomials = values.node.to(dtype)
        if values.pair.shape[-1]:
            row, column = data.edge_index.long()
            data.pair_polynomials = values.pair.flatten(0, 1).to(dtype)
            data.edge_polynomials = values.pair[row, column].to(dtype)
        return data

    def nonzero_on(self, dataset: Iterable[Any]) -> PolynomialFeatures:
        """Only those polynomials that are not zero everywhere on some graphs, which should be those of training.

        Args:
            dataset: the graphs.
        """
        seen = [False] * len(self.polynomials)
        for data in dataset:
            for graph in data.to_data_list() if isinstance(data, Batch) else [data]:
                values = self._values_of(graph)
                there = [iter(v.reshape(math.prod(v.shape[:-1]), v.shape[-1]).any(0).tolist()) for v in values]
                here = [next(there[one.order]) for one in self.polynomials]
                seen = [was or now for was, now in zip(seen, here, strict=True)]
        return PolynomialFeatures([one for one, was in zip(self.polynomials, seen, strict=True) if was])

    def _values_of(self, data: Any) -> PolynomialValues:
        edge_index, n = simple_edges(data)
        if n**self.values.largest > DENSE:
            return self.values.on_edges(edge_index, n)
        adjacency = torch.zeros(n, n, dtype=torch.float64, device=edge_index.device)
        adjacency[edge_index[0], edge_index[1]] = 1
        return self.values(adjacency)

    def __repr__(self) -> str:
        return f"PolynomialFeatures({len(self.polynomials)} polynomials)"


def simple_edges(data: Any) -> tuple[Tensor, int]:
    """The edges of a simple graph, int64, and its number of nodes.

    Raises:
        ValueError: for data without edges' ends, edges with a node that is not there, or a graph that is directed, or
            has loops or repeated edges.
        TypeError: for edges that are no whole numbers.
    """
    edge_index = data.edge_index if "edge_index" in data else None
    if edge_index is None:
        raise ValueError(f"PolynomialFeatures(data): a graph with edge_index, got {data}")
    if edge_index.is_floating_point():
        raise TypeError(f"PolynomialFeatures(data): an edge_index of whole numbers, got {edge_index.dtype}")
    n, (row, column) = data.num_nodes or 0, edge_index.long()
    if len(row) and not 0 <= int(edge_index.min()) <= int(edge_index.max()) < n:
        raise ValueError(
            f"PolynomialFeatures(data): edges between the nodes 0 to {n - 1}, got "
            f"{int(edge_index.min())} to {int(edge_index.max())}"
        )
    if (row == column).any():
        raise ValueError(
            "PolynomialFeatures(data): a graph without loops; torch_geometric.transforms.RemoveSelfLoops drops them"
        )
    there = (row * n + column).sort().values
    if (there[1:] == there[:-1]).any():
        raise ValueError("PolynomialFeatures(data): each edge once; data.coalesce() drops repetitions")
    if not torch.equal(there, (column * n + row).sort().values):
        raise ValueError(
            "PolynomialFeatures(data): an undirected graph, with each edge in both directions; "
            "torch_geometric.transforms.ToUndirected adds what is missing"
        )
    return edge_index.long(), n
