"""All connected graphs of a few nodes, one of each kind: no two of them are isomorphic."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from erlangen.data.graph6 import read_graph6
from erlangen.data.sources import MissingDataError, find_source
from erlangen.extras import require


def load_graph8c(root: Path | None = None) -> Float[Tensor, "graphs 8 8"]:
    """GRAPH8c: adjacency matrices of the 11117 connected graphs on eight nodes (McKay's lists), float32.

    Args:
        root: The data root; ``ERLANGEN_DATA`` by default.

    Raises:
        MissingDataError: If the file is not there, or holds something else.
    """
    path = find_source("graph8c", root) / "graph8c.g6"
    graphs = read_graph6(path)
    sizes = {len(graph) for graph in graphs}
    if sizes != {8}:
        raise MissingDataError(f"{path.name}: graphs of 8 nodes, got {sorted(sizes)}; get it again")
    return torch.stack(graphs)


def load_graph7c() -> Float[Tensor, "graphs 7 7"]:
    """Adjacency matrices of the 853 connected graphs on seven nodes, from the atlas in networkx, float32.

    Source: Read, Wilson, "An Atlas of Graphs", 1998.
    """
    networkx = require("networkx", "graphs", "the atlas of graphs")
    atlas = [
        graph for graph in networkx.graph_atlas_g() if graph.number_of_nodes() == 7 and networkx.is_connected(graph)
    ]
    return torch.stack([torch.from_numpy(networkx.to_numpy_array(graph)).float() for graph in atlas])
