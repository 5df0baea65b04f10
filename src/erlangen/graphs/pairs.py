"""Features of all pairs of nodes of a graph: flat, as PyG joins graphs, and dense, as products of matrices take them.

Flat, a graph of n nodes has n^2 rows behind one another, pair (i, j) in row i n + j, and the graphs of a batch follow
each other: what ``Batch`` makes of tensors of shape ``(n * n, channels)``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

#: More pairs than this are refused: a network on pairs is not made for graphs of so many nodes.
MOST_PAIRS = 2 * 10**8


class PairGroup(NamedTuple):
    """Graphs of about the same size, whose pairs fit into one dense tensor.

    Attributes:
        graphs: which graphs, ``(b,)``.
        nodes: the node of the batch in each place, ``(b, n)``; any node in places of padding.
        pairs: the flat row of each pair, ``(b, n, n)``; any row for padding.
        sizes: nodes of each graph, ``(b,)``.
        mask: which places hold a node, ``(b, n)``; None where all do.
    """

    graphs: Int[Tensor, " b"]
    nodes: Int[Tensor, "b n"]
    pairs: Int[Tensor, "b n n"]
    sizes: Int[Tensor, " b"]
    mask: Bool[Tensor, "b n"] | None

    def dense(self, rows: Float[Tensor, "pairs channels"]) -> Float[Tensor, "b channels n n"]:
        """The flat features of these graphs as matrices, zero in places of padding."""
        values = rows[self.pairs].permute(0, 3, 1, 2)
        if self.mask is not None:
            values = values * (self.mask[:, None, :, None] & self.mask[:, None, None, :])
        return values.contiguous()


def count_pairs(sizes: Int[Tensor, " graphs"], name: str) -> int:
    """How many pairs there are in all.

    Raises:
        ValueError: if there are too many for features of each; ``name`` says for whom.
    """
    pairs = int(sizes.square().sum())
    if pairs > MOST_PAIRS:
        raise ValueError(
            f"{name}: features of all pairs of nodes, of which these graphs have {pairs:.1e} (the largest has "
            f"{int(sizes.max())} nodes); at most {MOST_PAIRS:.0e} are taken"
        )
    return pairs


def pair_rows(
    sizes: Int[Tensor, " graphs"], batch: Int[Tensor, " nodes"], i: Int[Tensor, " k"], j: Int[Tensor, " k"]
) -> Int[Tensor, " k"]:
    """The flat row of each pair of nodes, which are numbered through the batch.

    >>> sizes, batch = torch.tensor([2, 1]), torch.tensor([0, 0, 1])
    >>> pair_rows(sizes, batch, torch.tensor([0, 1, 2]), torch.tensor([1, 0, 2])).tolist()
    [1, 2, 4]
    """
    graph = batch[i]
    first_node, first_pair = sizes.cumsum(0) - sizes, sizes.square().cumsum(0) - sizes.square()
    return first_pair[graph] + (i - first_node[graph]) * sizes[graph] + j - first_node[graph]


def group_pairs(sizes: Int[Tensor, " graphs"], padding: float = 0.25, most_pairs: int | None = None) -> list[PairGroup]:
    """Sorts graphs by size into groups that waste little on padding; graphs without nodes are in none.

    Args:
        sizes: nodes of each graph.
        padding: pairs of padding in a group, at most, as a share of its real ones.
        most_pairs: pairs of a group at most, if it has several graphs; any number by default.
    """
    order = sizes.argsort(descending=True, stable=True)
    groups: list[list[int]] = []
    real = 0
    for graph, n in zip(order.tolist(), sizes[order].tolist(), strict=True):
        if n == 0:
            break
        if groups:
            padded = int(sizes[groups[-1][0]]) ** 2 * (len(groups[-1]) + 1)
            fits = padded <= (1 + padding) * (real + n * n) and (most_pairs is None or padded <= most_pairs)
        if not groups or not fits:
            groups.append([])
            real = 0
        groups[-1].append(graph)
        real += n * n
    return [_group(sizes, torch.tensor(graphs, device=sizes.device)) for graphs in groups]


def _group(sizes: Tensor, graphs: Tensor) -> PairGroup:
    own = sizes[graphs]
    n = int(own[0])
    place = torch.arange(n, device=sizes.device)
    mask = place < own[:, None]
    inside = torch.where(mask, place, 0)
    first_node, first_pair = sizes.cumsum(0) - sizes, sizes.square().cumsum(0) - sizes.square()
    nodes = first_node[graphs, None] + inside
    pairs = first_pair[graphs, None, None] + inside[:, :, None] * own[:, None, None] + inside[:, None, :]
    return PairGroup(graphs, nodes, pairs, own, None if int(own[-1]) == n else mask)
