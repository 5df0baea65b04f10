"""Small graphs of many kinds with questions about their nodes and about the whole, whose answers are computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from erlangen.extras import require

if TYPE_CHECKING:
    from torch_geometric.data import Data

NODE_TASKS = ("distance", "eccentricity", "laplacian")
GRAPH_TASKS = ("connected", "diameter", "radius")

# From networkx, a random generator and a number of nodes, roughly, to a graph.
_Kind = Callable[..., "object"]


def _cliques(nx, rng: np.random.Generator, n: int):
    size = int(rng.integers(3, 6))
    return nx.connected_caveman_graph(max(2, n // size), size)


def _grid(nx, rng: np.random.Generator, n: int):
    rows = int(rng.integers(2, 6))
    return nx.grid_2d_graph(rows, max(2, n // rows))


def _bushy_line(nx, rng: np.random.Generator, n: int, depth: int):
    """A path with leaves (depth 1: a caterpillar) or with twigs of two (depth 2: a lobster)."""
    spine = max(2, n // (depth + 1))
    graph = nx.path_graph(spine)
    while len(graph) < n:
        at = int(rng.integers(spine))
        for _ in range(depth):
            if len(graph) < n:
                graph.add_edge(at, len(graph))
                at = len(graph) - 1
    return graph


KINDS: dict[str, _Kind] = {
    "Erdős-Rényi": lambda nx, rng, n: nx.gnp_random_graph(n, rng.uniform(0.08, 0.4), seed=_seed(rng)),
    "Barabási-Albert": lambda nx, rng, n: nx.barabasi_albert_graph(n, int(rng.integers(1, 5)), seed=_seed(rng)),
    "grid": _grid,
    "caveman": _cliques,
    "tree": lambda nx, rng, n: nx.random_labeled_tree(n, seed=_seed(rng)),
    "ladder": lambda nx, rng, n: nx.ladder_graph(n // 2),
    "line": lambda nx, rng, n: nx.path_graph(n),
    "star": lambda nx, rng, n: nx.star_graph(n - 1),
    "caterpillar": lambda nx, rng, n: _bushy_line(nx, rng, n, 1),
    "lobster": lambda nx, rng, n: _bushy_line(nx, rng, n, 2),
}


def multitask_graphs(per_kind: int, seed: int = 0, nodes: tuple[int, int] = (15, 25)) -> list[Data]:
    """As many graphs of each of ten kinds, with three questions about each node and three about each graph.

    Kinds are Erdős-Rényi, Barabási-Albert, grids, cavemen, trees, ladders, lines, stars, caterpillars and lobsters.
    Half of all graphs lose a tenth of their edges, at least one, so that all kinds can fall apart. Nodes are shuffled.

    Each is PyG's ``Data``: ``x``, a random number and the mark of one node; ``edge_index``, both ways; ``y_node``, the
    distance from the marked node, the eccentricity, and the graph Laplacian of the random number; ``y_graph``, whether
    the graph is connected, its diameter, and its spectral radius. Distances between parts that are not connected do not
    count, and are zero. Answers are as they are: scale them.

    Source: Corso, Cavalleri, Beaini, Liò, Veličković, "Principal Neighbourhood Aggregation for Graph Nets", 2020.

    Args:
        per_kind: Graphs of each kind.
        seed: Of everything.
        nodes: Least and largest number of nodes, roughly: a grid or ladder may have fewer.

    Raises:
        ValueError: If there are no graphs, or graphs of fewer than six nodes.
        MissingExtra: If networkx or PyTorch Geometric is not installed.

    >>> graphs = multitask_graphs(2)
    >>> len(graphs), graphs[0].y_graph.shape
    (20, torch.Size([1, 3]))
    """
    if per_kind < 1:
        raise ValueError(f"per_kind is {per_kind}; it takes a whole number from 1")
    if not 6 <= nodes[0] <= nodes[1]:
        raise ValueError(f"nodes is {nodes}; graphs take at least 6 nodes, and the least first")
    nx = require("networkx", "graphs", "graphs of many kinds")
    data = require("torch_geometric.data", "graphs", "graphs of many kinds")
    rng = np.random.default_rng(seed)
    found = []
    for kind in KINDS.values():
        for _ in range(per_kind):
            graph = kind(nx, rng, int(rng.integers(nodes[0], nodes[1] + 1)))
            adjacency = nx.to_numpy_array(graph)
            order = rng.permutation(len(adjacency))
            adjacency = _thinned(adjacency[order][:, order], rng)
            mark, value = int(rng.integers(len(adjacency))), rng.uniform(size=len(adjacency))
            at_nodes, of_graph = answers(adjacency, mark, value)
            found.append(
                data.Data(
                    x=torch.stack([torch.from_numpy(value), torch.arange(len(value)) == mark], 1).float(),
                    edge_index=torch.from_numpy(np.stack(adjacency.nonzero())),
                    y_node=torch.from_numpy(at_nodes).float(),
                    y_graph=torch.from_numpy(of_graph)[None].float(),
                )
            )
    return found


def answers(adjacency: np.ndarray, mark: int, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `NODE_TASKS` and `GRAPH_TASKS` ask, ``(nodes, 3)`` and ``(3,)``.

    >>> line = np.diag([1.0, 1.0], 1) + np.diag([1.0, 1.0], -1)
    >>> at_nodes, of_graph = answers(line, 0, np.array([1.0, 0.0, 0.0]))
    >>> at_nodes.tolist(), of_graph.round(3).tolist()
    ([[0.0, 2.0, 1.0], [1.0, 1.0, -1.0], [2.0, 2.0, 0.0]], [1.0, 2.0, 1.414])
    """
    distance = _distances(adjacency)
    connected = bool(np.isfinite(distance).all())
    distance = np.where(np.isfinite(distance), distance, 0.0)
    far = distance.max(1)
    laplacian = adjacency.sum(1) * value - adjacency @ value
    radius = float(np.abs(np.linalg.eigvalsh(adjacency)).max())
    return np.stack([distance[mark], far, laplacian], 1), np.array([connected, far.max(), radius], dtype=np.float64)


def _distances(adjacency: np.ndarray) -> np.ndarray:
    """Steps between all pairs of nodes, infinite where there is no way."""
    within = np.eye(len(adjacency), dtype=bool)
    distance = np.where(within, 0.0, np.inf)
    for steps in range(1, len(adjacency)):
        further = within | (within @ (adjacency > 0))
        if (further == within).all():
            break
        distance[further & ~within] = steps
        within = further
    return distance


def _thinned(adjacency: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half of all graphs lose a tenth of their edges."""
    ends = np.stack(np.triu(adjacency).nonzero())
    if rng.random() < 0.5 and ends.shape[1]:
        lost = rng.permutation(ends.shape[1])[: max(1, ends.shape[1] // 10)]
        i, j = ends[:, lost]
        adjacency[i, j] = adjacency[j, i] = 0
    return adjacency


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
