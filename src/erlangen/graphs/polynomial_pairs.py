"""Polynomial features of a batch of graphs as flat features of pairs of nodes."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from erlangen.graphs.pairs import pair_rows
from erlangen.graphs.polynomial_matrices import read_polynomials


def polynomial_pairs(data: Any, normalize: bool = True) -> Float[Tensor, "pairs channels"]:
    """The fields of :class:`PolynomialFeatures` for every pair of nodes, as :class:`PPGN` takes them.

    Those of graphs stand at all pairs, those of nodes at pairs of a node with itself; see `erlangen.graphs.pairs` for
    the order of rows.

    Args:
        data: a graph or a batch of graphs that the transform has been through.
        normalize: scale each graph's channels as :func:`normalize_pairs` does.

    Raises:
        ValueError: for data without such a field.

    Example:
        >>> from torch_geometric.data import Data
        >>> from erlangen.graphs import PolynomialFeatures, missing_polynomials
        >>> edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> data = PolynomialFeatures(missing_polynomials("edge", 6))(Data(edge_index=edge_index, num_nodes=3))
        >>> polynomial_pairs(data).shape
        torch.Size([9, 12])
    """
    graph, node, pair, sizes = read_polynomials(data, "polynomial_pairs")
    batch = torch.arange(len(sizes), device=sizes.device).repeat_interleave(sizes)
    nodes = torch.arange(len(batch), device=sizes.device)
    diagonal = node.new_zeros(len(pair), node.shape[1]).index_copy(0, pair_rows(sizes, batch, nodes, nodes), node)
    rows = torch.cat([graph.repeat_interleave(sizes.square(), 0), diagonal, pair], 1)
    return normalize_pairs(rows, sizes) if normalize else rows


def normalize_pairs(
    rows: Float[Tensor, "pairs channels"], sizes: Int[Tensor, " graphs"]
) -> Float[Tensor, "pairs channels"]:
    """Divides the channels of each pair by their norm, then each channel of a graph by its norm; zeros stay zeros.

    The same as :func:`normalize_matrices` for flat features: values of polynomials grow fast with the size of a graph.
    A single channel only gets the second step, as the first would leave nothing of it but its signs.

    Args:
        rows: flat features of pairs.
        sizes: nodes of each graph.
    """
    if rows.shape[1] > 1:
        length = rows.norm(dim=1, keepdim=True)
        rows = rows / torch.where(length == 0, 1, length)
    graph = torch.arange(len(sizes), device=rows.device).repeat_interleave(sizes.square())
    size = rows.new_zeros(len(sizes), rows.shape[1]).index_add(0, graph, rows.square()).sqrt()
    return rows / torch.where(size == 0, 1, size)[graph]
