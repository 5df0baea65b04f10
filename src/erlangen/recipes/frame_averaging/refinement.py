"""Colour refinement (1-WL): what no message passing network can see more than."""

from __future__ import annotations

import torch
from torch import Tensor


def refined(adjacency: Tensor) -> Tensor:
    """Classes of graphs that colour refinement takes for the same, ``(graphs, n, n)`` to ``(graphs,)``.

    All nodes begin with one colour. In each round nodes get the same new colour if their colours and the numbers of
    their neighbours of each colour agree; n rounds are enough. Graphs are told apart by how many nodes of each colour
    they have.

    >>> hexagon, n = torch.zeros(6, 6), torch.arange(6)
    >>> hexagon[n, (n + 1) % 6] = hexagon[(n + 1) % 6, n] = 1
    >>> triangles = torch.block_diag(1 - torch.eye(3), 1 - torch.eye(3))
    >>> refined(torch.stack([hexagon, triangles, 1 - torch.eye(6)])).tolist()
    [0, 0, 1]
    """
    graphs, n, _ = adjacency.shape
    colours = torch.zeros(graphs, n, dtype=torch.long)
    for _ in range(n):
        seen = torch.where(adjacency > 0, colours[:, None], -1).sort(-1).values
        signature = torch.cat([colours[..., None], seen], -1).flatten(0, 1)
        colours = signature.unique(dim=0, return_inverse=True)[1].unflatten(0, (graphs, n))
    return colours.sort(-1).values.unique(dim=0, return_inverse=True)[1]


def pairs_alike(classes: Tensor) -> int:
    """How many pairs are of one class.

    >>> pairs_alike(torch.tensor([0, 1, 0, 0]))
    3
    """
    count = torch.bincount(classes)
    return int((count * (count - 1) // 2).sum())
