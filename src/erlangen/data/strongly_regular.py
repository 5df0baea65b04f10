"""Strongly regular graphs: families of graphs that no network bounded by 3-WL tells apart.

In a family with parameters (n, k, l, m) each of n nodes has k neighbours, two neighbours have l neighbours in common,
and two others m: the square of the adjacency matrix is a combination of it, the identity and ones.
"""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from erlangen.data.graph6 import read_graph6
from erlangen.data.sources import MissingDataError, find_source

#: Parameters of each family, and how many graphs it has.
FAMILIES = {
    "sr16622": ((16, 6, 2, 2), 2),
    "sr251256": ((25, 12, 5, 6), 15),
    "sr261034": ((26, 10, 3, 4), 10),
    "sr281264": ((28, 12, 6, 4), 4),
    "sr291467": ((29, 14, 6, 7), 41),
}


def load_strongly_regular(family: str, root: Path | None = None) -> Float[Tensor, "graphs n n"]:
    """Adjacency matrices of all graphs of a family, no two of which are isomorphic, float32.

    Args:
        family: One of ``FAMILIES``.
        root: The data root; ``ERLANGEN_DATA`` by default.

    Raises:
        ValueError: If there is no such family.
        MissingDataError: If the file is not there, or holds other graphs.
    """
    if family not in FAMILIES:
        raise ValueError(f"load_strongly_regular(family): one of {', '.join(FAMILIES)}, got {family!r}")
    path = find_source("strongly-regular", root) / f"{family}.g6"
    parameters, count = FAMILIES[family]
    graphs = read_graph6(path)
    if len(graphs) != count or any(len(graph) != parameters[0] for graph in graphs):
        raise MissingDataError(f"{path.name}: {count} graphs of {parameters[0]} nodes, got others; get it again")
    adjacency = torch.stack(graphs)
    if not is_strongly_regular(adjacency, *parameters):
        raise MissingDataError(f"{path.name}: a graph is not strongly regular; get it again")
    return adjacency


def rook_and_shrikhande() -> Float[Tensor, "2 16 16"]:
    """The family sr16622 without a file: the rook's graph of a 4 x 4 board, and the Shrikhande graph.

    On the torus of 4 x 4 squares the rook's graph joins squares of a row or column; the Shrikhande graph joins squares
    that differ by (0, 1), (1, 0) or (1, 1), or their negatives.

    >>> is_strongly_regular(rook_and_shrikhande(), 16, 6, 2, 2)
    True
    """
    places = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    difference = (places[:, None] - places) % 4
    rook = (difference == 0).sum(-1) == 1
    steps = torch.tensor([[0, 1], [0, 3], [1, 0], [3, 0], [1, 1], [3, 3]])
    shrikhande = (difference[:, :, None] == steps).all(-1).any(-1)
    return torch.stack([rook, shrikhande]).float()


def is_strongly_regular(adjacency: Float[Tensor, "graphs n n"], n: int, k: int, common: int, apart: int) -> bool:
    r"""Whether :math:`A^2 = k I + \lambda A + \mu (J - I - A)` for all of some graphs.

    Args:
        adjacency: Matrices of zeros and ones.
        n: Number of nodes.
        k: Neighbours of a node.
        common: Common neighbours of two nodes that are joined.
        apart: Those of two that are not.
    """
    if adjacency.shape[1:] != (n, n):
        return False
    eye = torch.eye(n).to(adjacency)
    square = k * eye + common * adjacency + apart * (1 - eye - adjacency)
    simple = bool(((adjacency == 0) | (adjacency == 1)).all()) and not adjacency.diagonal(dim1=1, dim2=2).any()
    return simple and torch.equal(adjacency, adjacency.mT) and torch.equal(adjacency @ adjacency, square)
