"""Polynomial features of a batch of graphs as channels of padded matrices."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from erlangen.graphs.polynomials import PolynomialValues

#: What PolynomialFeatures writes, by the number of marks.
FIELDS = ("graph_polynomials", "node_polynomials", "pair_polynomials")


def read_polynomials(data: Any, name: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The fields of :class:`PolynomialFeatures` in data, without channels where one is absent, and nodes of each graph.

    Raises:
        ValueError: for data without any such field.
    """
    fields = [data[key] if key in data else None for key in FIELDS]
    like = next((field for field in fields if field is not None), None)
    if like is None:
        raise ValueError(f"{name}(data): a graph that PolynomialFeatures has been through, got {data}")
    ptr = data.ptr if "ptr" in data else torch.tensor([0, data.num_nodes or 0], device=like.device)
    sizes = ptr.diff().to(like.device)
    rows = len(sizes), int(sizes.sum()), int(sizes.square().sum())
    graph, node, pair = (
        like.new_zeros(count, 0) if field is None else field for field, count in zip(fields, rows, strict=True)
    )
    return graph, node, pair, sizes


def polynomial_matrices(
    data: Any,
) -> tuple[Float[Tensor, "graphs channels n n"], Bool[Tensor, "graphs n"]]:
    """The fields of :class:`PolynomialFeatures` as matrices: those of graphs as constants, of nodes on the diagonal.

    Args:
        data: a graph or a batch of graphs that the transform has been through.

    Returns:
        The matrices, padded with zeros to the largest graph, and which rows are there.

    Raises:
        ValueError: for data without such a field.

    Example:
        >>> from torch_geometric.data import Data
        >>> from erlangen.graphs import PolynomialFeatures, missing_polynomials
        >>> edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> data = PolynomialFeatures(missing_polynomials("edge", 6))(Data(edge_index=edge_index, num_nodes=3))
        >>> matrices, mask = polynomial_matrices(data)
        >>> matrices.shape, mask.shape
        (torch.Size([1, 12, 3, 3]), torch.Size([1, 3]))
    """
    graph, node, pair, sizes = read_polynomials(data, "polynomial_matrices")
    graphs, n = len(sizes), int(sizes.max()) if len(sizes) else 0
    mask = torch.arange(n, device=sizes.device) < sizes[:, None]
    pairs = mask[:, :, None] & mask[:, None, :]
    padded_node = node.new_zeros(graphs, n, node.shape[-1])
    padded_node[mask] = node
    padded_pair = pair.new_zeros(graphs, n, n, pair.shape[-1])
    padded_pair[pairs] = pair
    return PolynomialValues(graph, padded_node, padded_pair).matrices(mask), mask


def normalize_matrices(matrices: Float[Tensor, "*batch channels n n"]) -> Float[Tensor, "*batch channels n n"]:
    r"""Scales polynomial channels, which grow fast with the size of a graph, to a common size.

    The vector of channels of each pair of nodes is divided by its norm, then each matrix by its Frobenius norm; zeros
    stay zeros. A single channel only gets the second step, as the first would leave nothing of it but its signs.

    Args:
        matrices: such as :func:`polynomial_matrices` returns.

    Example:
        >>> normalize_matrices(torch.full((1, 2, 2), 3.0))
        tensor([[[0.5000, 0.5000],
                 [0.5000, 0.5000]]])
    """
    vectors = matrices
    if matrices.shape[-3] > 1:
        length = torch.linalg.vector_norm(matrices, dim=-3, keepdim=True)
        vectors = matrices / torch.where(length == 0, 1, length)
    size = torch.linalg.matrix_norm(vectors, keepdim=True)
    return vectors / torch.where(size == 0, 1, size)
