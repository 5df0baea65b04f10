"""Ego-networks: for each node all nodes within a few hops; and whole graphs, as the sets that know no locality."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Int
from scipy.sparse import csr_matrix
from torch import Tensor

from erlangen.graphs.subgraphs import MOST_PAIRS, Subgraphs


def ego_subgraphs(
    edge_index: Int[Tensor, "2 edges"],
    num_nodes: int,
    num_hops: int = 1,
    max_size: int | None = None,
    max_pairs: int = MOST_PAIRS,
    seed: int = 0,
) -> Subgraphs:
    r"""The closed neighbourhoods :math:`N_k(v) = \{u : \mathrm{dist}(u, v) \le k\}` of all nodes, by sparse products.

    Set v belongs to node v, its members ascend. Self-loops and repeated edges change nothing; an isolated node is
    alone. Time and memory grow with the sum of the squares of the sizes, which a hub makes large: more than
    ``max_pairs`` are refused before they are made.

    Args:
        edge_index: edges, each in both directions; graphs of a batch may lie beside one another.
        num_nodes: nodes of the graph.
        num_hops: k.
        max_size: larger sets keep their node and a random choice of the others, hop by hop. Relabelled graphs then get
            other choices, and an edge may share no set: results keep the symmetry in distribution only.
        max_pairs: most places of pairs, the sum of the squares of all sizes.
        seed: of the choice.

    Raises:
        ValueError: if there is no node, an edge goes one way only or has an end out of range, an argument has no
            meaning, or there are too many pairs.
        TypeError: if the edges are no whole numbers.

    Example:
        >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> ego_subgraphs(path, 4).size.tolist(), ego_subgraphs(path, 4, num_hops=2).size.tolist()
        ([2, 3, 2, 1], [3, 3, 3, 1])
    """
    require_graph("ego_subgraphs", edge_index, num_nodes)
    for name, value in (("num_hops", num_hops), ("max_size", 1 if max_size is None else max_size)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"ego_subgraphs({name}): a whole number from 1, got {value!r}")
    source, target = edge_index.cpu().numpy().astype(np.int64)
    loops = np.arange(num_nodes)
    near = _pattern(np.concatenate([source, loops]), np.concatenate([target, loops]), num_nodes)
    require_symmetric("ego_subgraphs", near)
    random = np.random.default_rng(seed)
    near = _thinned(near, max_size, random)
    ball = near
    for _ in range(num_hops - 1):
        # A ball holds the neighbourhood of each of its members: too many pairs show before the product is made.
        reach = np.maximum.reduceat(np.diff(near.indptr)[ball.indices], ball.indptr[:-1])
        _require_few(reach, max_pairs, max_size)
        ball = _thinned(csr_matrix(ball @ near), max_size, random)
    sizes = np.diff(ball.indptr).astype(np.int64)
    _require_few(sizes, max_pairs, max_size)
    ball.sort_indices()
    device = edge_index.device
    node, size = (torch.from_numpy(a).to(device) for a in (ball.indices.astype(np.int64), sizes))
    return Subgraphs.from_sets(node, size, num_nodes, max_pairs)


def whole_graphs(batch: Int[Tensor, " nodes"], max_pairs: int = MOST_PAIRS) -> Subgraphs:
    """Each graph of a batch as one set of nodes, with all its pairs.

    Args:
        batch: the graph of each node, ascending.
        max_pairs: most pairs, the sum of the squares of all numbers of nodes.

    Raises:
        ValueError: if there is no node, or there are too many pairs.

    Example:
        >>> whole_graphs(torch.tensor([0, 0, 1])).pair_index.tolist()
        [[0, 0, 1, 1, 2], [0, 1, 0, 1, 2]]
    """
    if not len(batch):
        raise ValueError("whole_graphs(batch): at least one node, got none")
    size = batch.unique_consecutive(return_counts=True)[1]
    return Subgraphs.from_sets(torch.arange(len(batch), device=batch.device), size, len(batch), max_pairs)


def require_graph(name: str, edge_index: Tensor, num_nodes: int) -> None:
    """Refuses edges that are no edges of a graph of so many nodes.

    Raises:
        ValueError: if there is no node, or the shape or an end of an edge is wrong.
        TypeError: if the edges are no whole numbers.
    """
    if edge_index.is_floating_point() or edge_index.is_complex() or edge_index.dtype == torch.bool:
        raise TypeError(f"{name}(edge_index): whole numbers, got {edge_index.dtype}")
    if edge_index.ndim != 2 or edge_index.shape[0] != 2:
        raise ValueError(f"{name}(edge_index): shape (2, edges), got {tuple(edge_index.shape)}")
    if num_nodes < 1:
        raise ValueError(f"{name}: a graph of at least one node, got {num_nodes}")
    if edge_index.numel():
        low, high = (int(value) for value in edge_index.aminmax())
        if low < 0 or high >= num_nodes:
            raise ValueError(f"{name}(edge_index): numbers of {num_nodes} nodes, from 0, got {low} to {high}")


def require_symmetric(name: str, near: csr_matrix) -> None:
    """Refuses a pattern that is not its own transpose; names an edge that has no reverse.

    Raises:
        ValueError: if there is one.
    """
    there, back = near.sorted_indices(), near.T.tocsr().sorted_indices()
    if np.array_equal(there.indptr, back.indptr) and np.array_equal(there.indices, back.indices):
        return
    lone = (near.astype(np.int8) - near.T.astype(np.int8)).tocoo()
    first = int(np.flatnonzero(lone.data > 0)[0])
    raise ValueError(
        f"{name}(edge_index): each edge in both directions, but {lone.row[first]} -> {lone.col[first]} goes one way; "
        "torch_geometric.transforms.ToUndirected() adds the other"
    )


def _pattern(row: np.ndarray, column: np.ndarray, nodes: int) -> csr_matrix:
    return csr_matrix((np.ones(len(row), dtype=bool), (row, column)), (nodes, nodes))  # repeated entries are one


def _thinned(near: csr_matrix, most: int | None, random: np.random.Generator) -> csr_matrix:
    """Rows of at most so many entries: the diagonal one and a random choice of the others."""
    sizes = np.diff(near.indptr)
    if most is None or sizes.max() <= most:
        return near
    row = np.repeat(np.arange(len(sizes)), sizes)
    rank = np.where(row == near.indices, -1.0, random.random(len(row)))
    order = np.lexsort((rank, row))
    kept = order[np.arange(len(row)) - np.repeat(near.indptr[:-1], sizes) < most]
    return _pattern(row[kept], near.indices[kept], len(sizes))


def _require_few(sizes: np.ndarray, most: int, max_size: int | None) -> None:
    places = int(np.square(sizes.astype(np.float64)).sum())
    if places > most:
        hint = "a smaller max_size" if max_size else "max_size (a random choice within large sets)"
        raise ValueError(
            f"ego_subgraphs(max_pairs): sets of up to {int(sizes.max())} nodes make at least {places:.1e} places of "
            f"pairs, more than {most:.1e}; take less hops, {hint}, or set max_pairs higher if memory allows"
        )
