"""Clouds of different sizes, flat in one tensor: checked, all pairs as edges, sums, means and maxima per cloud."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor, nn

#: More pairs than this are refused where nobody has asked for them in so many words.
MOST_PAIRS = 2 * 10**7


class FlatClouds(NamedTuple):
    """Checked inputs of a network on points.

    Attributes:
        x: features, ``(nodes, in_scalar)``; of width zero where there are none.
        pos: coordinates, ``(nodes, dim)``.
        edge_index: edges, ``(2, edges)``, sources then targets; None only if they were neither given nor needed.
        batch: the cloud of each point, ``(nodes,)``, ascending.
        vec: vectors, ``(nodes, in_vector, dim)``; with no vector where there are none.
        num_graphs: how many clouds there are.
    """

    x: Tensor
    pos: Tensor
    edge_index: Tensor | None
    batch: Tensor
    vec: Tensor
    num_graphs: int


def read_inputs(
    network: nn.Module,
    x: Tensor | None,
    pos: Tensor,
    edge_index: Tensor | None,
    batch: Tensor | None,
    vec: Tensor | None,
    *,
    in_scalar: int,
    in_vector: int,
    dim: int,
    edges: bool = True,
) -> FlatClouds:
    """Checks the inputs that all networks on points share, and fills in what was left out.

    Args:
        network: the network, for messages and for the dtype and device of its weights.
        x: features, or None where ``in_scalar`` is zero.
        pos: coordinates.
        edge_index: edges; None means all pairs within each cloud, without loops.
        batch: the cloud of each point; one cloud by default.
        vec: vectors, or None where ``in_vector`` is zero.
        in_scalar: how many features the network takes.
        in_vector: how many vectors.
        dim: of the space.
        edges: whether the network needs edges.

    Raises:
        TypeError: if a dtype is wrong, or an input is missing or was not expected.
        ValueError: if a shape or a device is wrong, a coordinate, feature or vector is not finite, the batch vector is
            not sorted, or an edge has an end out of range or two ends in different clouds.
    """
    name = type(network).__name__
    if not isinstance(pos, Tensor) or not pos.is_floating_point():
        got = pos.dtype if isinstance(pos, Tensor) else type(pos).__name__
        raise TypeError(f"{name}(pos): real floating point numbers, got {got}")
    if pos.ndim != 2 or pos.shape[1] != dim:
        raise ValueError(f"{name}(pos): shape (nodes, {dim}), got {tuple(pos.shape)}")
    weight = next((p for p in network.parameters() if p.is_floating_point()), pos)
    if pos.device != weight.device:
        raise ValueError(f"{name}(pos): on {weight.device}, as the weights are, got {pos.device}")
    if pos.dtype != weight.dtype and not torch.is_autocast_enabled(pos.device.type):
        raise TypeError(f"{name}(pos): {weight.dtype}, as the weights are, got {pos.dtype}")
    nodes = pos.shape[0]
    x = _read_values(f"{name}(x)", x, pos, (nodes, in_scalar))
    vec = _read_values(f"{name}(vec)", vec, pos, (nodes, in_vector, dim))
    batch, num_graphs = _read_batch(name, batch, pos)
    for what, value in (("pos", pos), ("x", x), ("vec", vec)):
        if not torch.compiler.is_compiling() and not bool(value.isfinite().all()):
            first = int((~value.isfinite()).flatten(1).any(1).nonzero()[0])
            raise ValueError(f"{name}({what}): finite numbers, got {value[first].tolist()} at point {first}")
    if edge_index is not None:
        _require_edges(name, edge_index, batch)
    elif edges:
        pairs = int(torch.bincount(batch).square().sum()) if nodes else 0
        if pairs > MOST_PAIRS:
            raise ValueError(
                f"{name}(edge_index): None means all pairs of each cloud, which are {pairs:.1e} here; pass edges, as "
                "erlangen.neighbours.knn_graph or radius_graph find them"
            )
        edge_index = all_pairs(batch)
    return FlatClouds(x, pos, edge_index, batch, vec, num_graphs)


def _read_values(name: str, value: Tensor | None, pos: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Features or vectors of the dtype and device of the coordinates; empty ones where the network takes none."""
    if value is None:
        if shape[1]:
            raise TypeError(f"{name}: shape {shape}, got None")
        return pos.new_zeros(shape)
    if value.dtype != pos.dtype:
        raise TypeError(f"{name}: {pos.dtype}, as pos is, got {value.dtype}")
    if tuple(value.shape) != shape:
        raise ValueError(f"{name}: shape {shape}, got {tuple(value.shape)}")
    if value.device != pos.device:
        raise ValueError(f"{name}: on {pos.device}, as pos is, got {value.device}")
    return value


def read_edge_attr(
    network: nn.Module, pos: Tensor, edge_index: Tensor | None, edge_attr: Tensor | None, in_edge: int
) -> Tensor | None:
    """Attributes of the given edges, None where the network takes none.

    Raises:
        TypeError: for attributes that are missing, not expected, or of another dtype, and for missing edges.
        ValueError: for another shape or device, or numbers that are not finite.
    """
    name = type(network).__name__
    if not in_edge:
        if edge_attr is not None:
            raise TypeError(f"{name}(edge_attr): None, as in_edge is 0, got a tensor")
        return None
    if edge_index is None:
        raise TypeError(f"{name}(edge_index): a tensor, as in_edge is {in_edge}, got None")
    edge_attr = _read_values(f"{name}(edge_attr)", edge_attr, pos, (edge_index.shape[1], in_edge))
    if not torch.compiler.is_compiling() and not bool(edge_attr.isfinite().all()):
        raise ValueError(f"{name}(edge_attr): finite numbers, got others")
    return edge_attr


def _read_batch(name: str, batch: Tensor | None, pos: Tensor) -> tuple[Tensor, int]:
    nodes = pos.shape[0]
    if batch is None:
        return torch.zeros(nodes, dtype=torch.long, device=pos.device), 1
    if batch.dtype != torch.long:
        raise TypeError(f"{name}(batch): torch.int64, got {batch.dtype}")
    if tuple(batch.shape) != (nodes,):
        raise ValueError(f"{name}(batch): the cloud of each of the {nodes} points, got shape {tuple(batch.shape)}")
    if batch.device != pos.device:
        raise ValueError(f"{name}(batch): on {pos.device}, as pos is, got {batch.device}")
    if not nodes:
        return batch, 0
    if torch.compiler.is_compiling():
        return batch, int(batch[-1]) + 1
    if int(batch[0]) < 0:
        raise ValueError(f"{name}(batch): clouds are numbered from 0, got {int(batch[0])}")
    falls = batch[1:] < batch[:-1]
    if bool(falls.any()):
        first = int(falls.nonzero()[0])
        raise ValueError(
            f"{name}(batch): ascending numbers, got {int(batch[first])} before {int(batch[first + 1])} at point {first}"
        )
    return batch, int(batch[-1]) + 1


def _require_edges(name: str, edge_index: Tensor, batch: Tensor) -> None:
    nodes = len(batch)
    if edge_index.dtype != torch.long:
        raise TypeError(f"{name}(edge_index): torch.int64, got {edge_index.dtype}")
    if edge_index.ndim != 2 or edge_index.shape[0] != 2:
        raise ValueError(f"{name}(edge_index): shape (2, edges), got {tuple(edge_index.shape)}")
    if edge_index.device != batch.device:
        raise ValueError(f"{name}(edge_index): on {batch.device}, as pos is, got {edge_index.device}")
    if torch.compiler.is_compiling() or not edge_index.numel():
        return
    for end in (int(edge_index.min()), int(edge_index.max())):
        if not 0 <= end < nodes:
            raise ValueError(f"{name}(edge_index): points from 0 to {nodes - 1}, got {end}")
    source, target = edge_index
    strange = batch[source] != batch[target]
    if bool(strange.any()):
        edge = int(strange.nonzero()[0])
        ends = edge_index[:, edge].tolist()
        raise ValueError(f"{name}(edge_index): ends in one cloud, got edge {edge} between points {ends} of two clouds")


def all_pairs(batch: Int[Tensor, " nodes"]) -> Int[Tensor, "2 edges"]:
    """Edges from every point to every other of its cloud, ordered by target, then source.

    Args:
        batch: the cloud of each point, ascending.

    >>> all_pairs(torch.tensor([0, 0, 0, 1, 2, 2]))
    tensor([[1, 2, 0, 2, 0, 1, 5, 4],
            [0, 0, 1, 1, 2, 2, 4, 5]])
    """
    size = torch.bincount(batch)
    others = size[batch]
    node = torch.arange(len(batch), device=batch.device)
    target = node.repeat_interleave(others)
    rank = torch.arange(len(target), device=batch.device) - (others.cumsum(0) - others)[target]
    source = (size.cumsum(0) - size)[batch][target] + rank
    different = source != target
    return torch.stack([source[different], target[different]])


def segment_sum(values: Tensor, index: Tensor, count: int) -> Tensor:
    """Sums of the rows that share a number, ``(count, ...)``; zero where there are none.

    >>> segment_sum(torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([0, 0, 2]), 3).flatten()
    tensor([3., 0., 4.])
    """
    return values.new_zeros(count, *values.shape[1:]).index_add(0, index, values)


def segment_mean(values: Tensor, index: Tensor, count: int) -> Tensor:
    """Means of the rows that share a number, ``(count, ...)``; zero where there are none.

    >>> segment_mean(torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([0, 0, 2]), 3).flatten()
    tensor([1.5000, 0.0000, 4.0000])
    """
    size = torch.bincount(index, minlength=count).clamp_min(1).to(values.dtype)
    return segment_sum(values, index, count) / size.reshape(-1, *(1,) * (values.ndim - 1))


def segment_max(values: Tensor, index: Tensor, count: int) -> Tensor:
    """Largest of the rows that share a number, entry by entry, ``(count, ...)``; zero where there are none.

    >>> segment_max(torch.tensor([[1.0], [2.0], [-4.0]]), torch.tensor([0, 0, 2]), 3).flatten()
    tensor([ 2.,  0., -4.])
    """
    place = index.reshape(-1, *(1,) * (values.ndim - 1)).expand_as(values)
    return values.new_zeros(count, *values.shape[1:]).scatter_reduce(0, place, values, "amax", include_self=False)


def centred(pos: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
    """Coordinates relative to the centroid of their cloud; what rounding left of it far from the origin goes, too."""
    near = pos - segment_mean(pos, batch, num_graphs)[batch]
    return near - segment_mean(near, batch, num_graphs)[batch]


def require_task(name: str, task: str, **sizes: int) -> None:
    """Refuses tasks and sizes that have no meaning.

    Args:
        name: of the network.
        task: "graph" or "node".
        sizes: arguments; those that start with ``in_`` or ``out_`` may be zero, the others are at least one.

    Raises:
        ValueError: naming the argument.
    """
    if task not in ("graph", "node"):
        raise ValueError(f"{name}(task): 'graph' or 'node', got {task!r}")
    for argument, value in sizes.items():
        least = 0 if argument.startswith(("in_", "out_")) else 1
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name}({argument}): a whole number from {least}, got {value!r}")
    if not sizes.get("out_scalar", 1) and not sizes.get("out_vector", 1):
        raise ValueError(f"{name}(out_scalar, out_vector): at least one output, got none")
