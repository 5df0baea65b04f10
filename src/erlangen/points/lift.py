r"""From points to pairs of position and orientation: every edge becomes a node that looks along it."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

#: More edges between lifted nodes than this are refused: they would fill the memory.
MOST_LIFTED_EDGES = 5 * 10**6


class LiftedGraph(NamedTuple):
    """Nodes with orientations, and their edges.

    Attributes:
        node: the point of each lifted node, ``(lifted,)``.
        orientation: where it looks, unit vectors, ``(lifted, dim)``.
        edge_index: edges between lifted nodes, ``(2, lifted_edges)``.
        edge: which of the given edges each of them lies over, ``(lifted_edges,)``.
    """

    node: Tensor
    orientation: Tensor
    edge_index: Tensor
    edge: Tensor


def lift_edges(pos: Float[Tensor, "nodes dim"], edge_index: Int[Tensor, "2 edges"]) -> LiftedGraph:
    r"""Lifts a graph to position-orientation space.

    Every edge from s to t, loops apart, becomes a node at :math:`p_t` with orientation
    :math:`(p_s - p_t) / \|p_s - p_t\|`. Two lifted nodes are connected where an edge, or a loop, leads from the point
    of one to that of the other: :math:`\sum_{(i, j)} \deg_i \deg_j` edges. Points without neighbours have no lifted
    node.

    Args:
        pos: coordinates.
        edge_index: edges, sources then targets, with a loop at each point that shall hear its own.

    Raises:
        ValueError: if the ends of an edge coincide, so that it has no direction, or there would be more than five
            million edges.

    Example:
        >>> pos, edge_index = torch.eye(3), torch.tensor([[0, 1, 0], [1, 2, 0]])
        >>> lifted = lift_edges(pos, edge_index)
        >>> lifted.node.tolist(), lifted.edge_index.tolist(), lifted.edge.tolist()
        ([1, 2], [[0], [1]], [1])
    """
    source, target = edge_index
    apart = source != target
    order = target[apart].argsort(stable=True)
    node, looks_at = target[apart][order], source[apart][order]
    vector = pos[looks_at] - pos[node]
    length = torch.linalg.vector_norm(vector, dim=-1, keepdim=True)
    if not torch.compiler.is_compiling() and bool((length == 0).any()):
        first = int((length[:, 0] == 0).nonzero()[0])
        ends = [int(looks_at[first]), int(node[first])]
        raise ValueError(f"lift_edges(pos): connected points that differ, got points {ends} at the same place")
    degree = torch.bincount(node, minlength=len(pos))
    begin = degree.cumsum(0) - degree
    count = degree[source] * degree[target]
    total = int(count.sum())
    if total > MOST_LIFTED_EDGES:
        raise ValueError(
            f"lift_edges(edge_index): at most {MOST_LIFTED_EDGES} edges between lifted nodes, got {total}; "
            "take fewer neighbours or a grid of orientations (num_ori > 0)"
        )
    edge = torch.repeat_interleave(count)
    rank = torch.arange(total, device=pos.device) - (count.cumsum(0) - count)[edge]
    start, end = source[edge], target[edge]
    lifted = torch.stack([begin[start] + rank // degree[end], begin[end] + rank % degree[end]])
    return LiftedGraph(node, vector / length, lifted, edge)


def without_loop(edge_index: Tensor, nodes: int) -> Tensor:
    """Which points no edge leads from themselves to themselves.

    Args:
        edge_index: edges.
        nodes: number of points.

    Returns:
        Boolean, ``(nodes,)``.

    >>> without_loop(torch.tensor([[0, 1, 2], [1, 1, 2]]), 4)
    tensor([ True, False, False,  True])
    """
    source, target = edge_index
    loops = torch.zeros(nodes, dtype=torch.long, device=edge_index.device)
    return loops.index_add(0, target, (source == target).long()) == 0


def warn_of_isolated(name: str, node: Tensor, nodes: int) -> None:
    """Says so if points have no lifted node."""
    lonely = nodes - len(torch.unique(node))
    if lonely:
        warnings.warn(f"{name}: {lonely} of {nodes} points have no neighbour; their output is zero", stacklevel=4)
