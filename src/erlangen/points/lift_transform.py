"""Lifting to position-orientation space as a transform of PyTorch Geometric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from erlangen.extras import require
from erlangen.points.lift import lift_edges, without_loop
from erlangen.points.orientations import orientation_grid

_PURPOSE = "a transform of PyTorch Geometric"
if TYPE_CHECKING:
    from torch_geometric.data import Batch
    from torch_geometric.transforms import BaseTransform
else:
    Batch = require("torch_geometric.data", "graphs", _PURPOSE).Batch
    BaseTransform = require("torch_geometric.transforms", "graphs", _PURPOSE).BaseTransform


class LiftToPositionOrientation(BaseTransform):
    r"""Gives the nodes of a graph orientations.

    With ``num_ori = -1`` every edge becomes a node, see :func:`lift_edges`: fields of nodes follow the point that the
    edge leads to, fields of edges the edge that a lifted edge lies over (zero over the loops that it adds), ``ori``
    holds the orientations and ``base`` the points, numbered within their graph; graphs of a batch are lifted one by
    one. With ``num_ori > 0`` the graph stays,
    ``ori`` of shape ``(1, num_ori, dim)`` holds the grid, and ``x`` of shape ``(nodes, num_ori, features + vectors)``
    the features and, where the graph has ``vec`` of shape ``(nodes, vectors, dim)``, its components.

    :class:`PONITA` lifts by itself; this is for networks of one's own.

    Args:
        num_ori: number of orientations of the grid, or -1 for those of edges.
        grid: kind of grid, see :func:`orientation_grid`.
        generator: draws a grid of repelling points.

    Raises:
        ValueError: for another number of orientations; when called, for a graph without positions (and edges, with
            ``num_ori = -1``), or connected points at the same place.

    Source: Bekkers, Vadgama, Hesselink, van der Linden, Romero, "Fast, Expressive SE(n) Equivariant Networks through
    Weight-Sharing in Position-Orientation Space", 2024.

    Example:
        >>> from torch_geometric.data import Data
        >>> data = Data(pos=torch.eye(3), edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]))
        >>> lifted = LiftToPositionOrientation(-1)(data)
        >>> lifted.base.tolist(), lifted.ori.shape, lifted.num_edges
        ([0, 1, 1, 2], torch.Size([4, 3]), 14)
    """

    def __init__(self, num_ori: int = -1, grid: str | None = None, generator: torch.Generator | None = None) -> None:
        if isinstance(num_ori, bool) or not isinstance(num_ori, int) or num_ori < -1 or num_ori == 0:
            raise ValueError(
                f"LiftToPositionOrientation(num_ori): orientations of a grid, or -1 for those of edges, got {num_ori!r}"
            )
        self.num_ori, self.grid, self.generator = num_ori, grid, generator

    def forward(self, data: Any) -> Any:
        """The graph, lifted; the call copies it first."""
        for field in ("pos", "edge_index") if self.num_ori < 0 else ("pos",):
            if data[field] is None if field in data else True:
                raise ValueError(f"LiftToPositionOrientation(data): a graph with {field}, got {data}")
        if self.num_ori > 0:
            return self._over_grid(data)
        if isinstance(data, Batch):  # which knows where its graphs begin, and would no longer
            return Batch.from_data_list([self._over_edges(graph) for graph in data.to_data_list()])
        return self._over_edges(data)

    def _over_edges(self, data: Any) -> Any:
        pos, edge_index = data.pos, data.edge_index
        own = without_loop(edge_index, len(pos)).nonzero().flatten()
        lifted = lift_edges(pos, torch.cat([edge_index, own.expand(2, -1)], 1))
        of_nodes = [key for key in data.keys() if key != "edge_index" and data.is_node_attr(key)]
        of_edges = [key for key in data.keys() if key != "edge_index" and data.is_edge_attr(key)]
        moved: dict[str, Tensor] = {key: data[key][lifted.node] for key in of_nodes}
        for key in of_edges:
            value = data[key]
            moved[key] = torch.cat([value, value.new_zeros(len(own), *value.shape[1:])])[lifted.edge]
        for key, value in moved.items():
            data[key] = value
        data.edge_index, data.ori, data.base = lifted.edge_index, lifted.orientation, lifted.node
        if "num_nodes" in data:
            data.num_nodes = len(lifted.node)
        return data

    def _over_grid(self, data: Any) -> Any:
        pos = data.pos
        grid = orientation_grid(self.num_ori, pos.shape[1], self.grid, self.generator).to(pos)
        parts = []
        if "x" in data and data.x is not None:
            parts.append(data.x[:, None].expand(-1, len(grid), -1))
        if "vec" in data and data.vec is not None:
            parts.append(torch.einsum("nvd,od->nov", data.vec, grid))
        data.ori = grid[None]
        if parts:
            data.x = torch.cat(parts, -1)
        return data

    def __repr__(self) -> str:
        return f"LiftToPositionOrientation(num_ori={self.num_ori}, grid={self.grid!r})"
