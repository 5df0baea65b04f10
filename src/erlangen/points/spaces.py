"""Where features of a network in position-orientation space live: at points, on a grid at each point, at edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from erlangen.points.flat import segment_mean
from erlangen.points.invariants import fiber_invariants, num_invariants, po_invariants, safe_norm, spatial_invariants
from erlangen.points.lift import lift_edges, warn_of_isolated, without_loop
from erlangen.points.messages import Links, link


class Lift(NamedTuple):
    """A cloud as a network sees it.

    Attributes:
        features: scalars, and components of vectors along the orientation, ``(places, [orientations,] features)``.
        links: between places.
        invariants: of each link, ``(edges (+ 1), [orientations, [orientations,]] invariants)``; at last of a loop.
        distance: between the points of each link.
        fiber: invariants of each pair of orientations of a grid, the receiver's first; None without one.
        node: the point of each place; None where places are points.
        orientation: unit vectors of the grid, or of the places; None without any.
    """

    features: Tensor
    links: Links
    invariants: Tensor
    distance: Tensor
    fiber: Tensor | None = None
    node: Tensor | None = None
    orientation: Tensor | None = None


def _vectors(pos: Tensor, edge_index: Tensor) -> Tensor:
    """From the target of each edge to its source, and at last the zero of a loop: all loops share one kernel."""
    return torch.cat([pos[edge_index[0]] - pos[edge_index[1]], pos.new_zeros(1, pos.shape[1])])


def _invariants(found: Tensor, edge_attr: Tensor | None) -> Tensor:
    """Invariants with the attributes of their edge, the same for all orientations; zero for those of a loop."""
    if edge_attr is None:
        return found
    edge_attr = nn.functional.pad(edge_attr, (0, 0, 0, len(found) - len(edge_attr)))
    attr = edge_attr.reshape(len(edge_attr), *(1,) * (found.ndim - 2), edge_attr.shape[1])
    return torch.cat([found, attr.expand(*found.shape[:-1], -1)], -1)


def _alike(edge_attr: Tensor | None) -> bool:
    """Whether an edge and its reverse may share a kernel; which have one is not looked up where that breaks a graph."""
    return edge_attr is None and not torch.compiler.is_compiling()


def _unlike(edge_index: Tensor, x: Tensor) -> Links:
    """Links of edges that are not alike, as each has attributes, or an orientation: none stands for another."""
    return Links(edge_index, without_loop(edge_index, len(x)).to(x.dtype))


class PointSpace(nn.Module):
    """Positions alone; pairs are known by their distance.

    Args:
        dim: of the space.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.spatial, self.fiber = num_invariants(f"R{dim}"), 0

    def lift(self, x: Tensor, pos: Tensor, vec: Tensor, edge_index: Tensor, edge_attr: Tensor | None) -> Lift:
        """The cloud as it is."""
        links = link(edge_index, len(pos), x.dtype) if _alike(edge_attr) else _unlike(edge_index, x)
        distance = safe_norm(_vectors(pos, links.edge_index))
        return Lift(x, links, _invariants(distance, edge_attr), distance[:, 0])

    def read(self, values: Tensor, lift: Lift, out_scalar: int, nodes: int) -> tuple[Tensor, Tensor | None]:
        """All values are scalars."""
        return values, None


class GridSpace(nn.Module):
    """Positions and orientations of a grid that all points share.

    Args:
        grid: unit vectors, ``(orientations, dim)``; kept in float64, in the state dict.
        kind: the set of invariants.
        separable: whether the invariants of edges see one orientation, or two.
    """

    def __init__(self, grid: Tensor, kind: str, separable: bool) -> None:
        super().__init__()
        dim = grid.shape[1]
        self.register_buffer("grid", grid.double())
        self.kind, self.separable, self.name = kind, separable, "R2xS1" if dim == 2 else "R3xS2"
        invariants = num_invariants(self.name, kind)
        if separable and kind.startswith("universal"):
            raise ValueError(
                f"PONITA(invariants): {kind!r} mixes positions with both orientations, so it takes separable=False or "
                "num_ori=-1, got separable=True"
            )
        self.spatial, self.fiber = (2, invariants - 2) if separable else (invariants, 0)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> GridSpace:
        # Directions rounded to float32 would have lost their symmetry for good.
        exact = self.get_buffer("grid")
        super()._apply(fn, recurse)
        self.grid = exact.to(self.get_buffer("grid").device)
        return self

    def lift(self, x: Tensor, pos: Tensor, vec: Tensor, edge_index: Tensor, edge_attr: Tensor | None) -> Lift:
        """Scalars are the same for all orientations; a vector becomes its component along each."""
        grid = self.get_buffer("grid").to(pos.dtype)
        if _alike(edge_attr) and self.separable:
            links = self._link(edge_index, x)
        else:
            links = _unlike(edge_index, x)
        rel_pos = _vectors(pos, links.edge_index)
        along = torch.einsum("nvd,od->nov", vec, grid)
        features = torch.cat([x[:, None].expand(-1, len(grid), -1), along], -1)
        fiber = None
        if self.separable:
            found = spatial_invariants(rel_pos[:, None], grid)
            fiber = fiber_invariants(grid[:, None], grid, self.kind)
        else:
            # Positions as the sending orientation sees them: so the separable kernel is a special case of this one.
            found = po_invariants(rel_pos[:, None, None], grid, grid[:, None], self.name, self.kind)
        distance = safe_norm(rel_pos)[:, 0]
        return Lift(features, links, _invariants(found, edge_attr), distance, fiber, orientation=grid)

    def _link(self, edge_index: Tensor, x: Tensor) -> Links:
        """A neighbour seen from the other end lies the other way: one kernel for both, if the grid has opposites."""
        grid = self.get_buffer("grid")
        opposite = (grid @ grid.mT).argmin(1)
        if bool(((grid[opposite] + grid).abs() < 1e-12).all()):
            return link(edge_index, len(x), x.dtype, opposite)
        return _unlike(edge_index, x)

    def read(self, values: Tensor, lift: Lift, out_scalar: int, nodes: int) -> tuple[Tensor, Tensor | None]:
        """Scalars are means over orientations; vectors are means of orientations times values."""
        scalar, along = values[..., :out_scalar].mean(1), values[..., out_scalar:]
        grid = lift.orientation
        assert grid is not None
        return scalar, torch.einsum("nov,od->nvd", along, grid) / len(grid)


class EdgeSpace(nn.Module):
    """Positions with the directions to their neighbours.

    Args:
        dim: of the space.
        kind: the set of invariants.
    """

    def __init__(self, dim: int, kind: str) -> None:
        super().__init__()
        self.name, self.kind = "R2xS1" if dim == 2 else "R3xS2", kind
        self.spatial, self.fiber = num_invariants(self.name, kind), 0

    def lift(self, x: Tensor, pos: Tensor, vec: Tensor, edge_index: Tensor, edge_attr: Tensor | None) -> Lift:
        """Every edge becomes a place, see :func:`lift_edges`."""
        own = without_loop(edge_index, len(pos)).nonzero().flatten()
        lifted = lift_edges(pos, torch.cat([edge_index, own.expand(2, -1)], 1))
        if edge_attr is not None:
            edge_attr = nn.functional.pad(edge_attr, (0, 0, 0, len(own)))[lifted.edge]
        warn_of_isolated("PONITA(edge_index)", lifted.node, len(pos))
        n = lifted.orientation
        source, target = lifted.edge_index
        rel_pos = pos[lifted.node[source]] - pos[lifted.node[target]]
        found = po_invariants(rel_pos, n[target], n[source], self.name, self.kind)
        along = torch.einsum("nvd,nd->nv", vec[lifted.node], n)
        features = torch.cat([x[lifted.node], along], -1)
        invariants = _invariants(found, edge_attr)
        links = Links(lifted.edge_index)
        return Lift(features, links, invariants, safe_norm(rel_pos)[:, 0], node=lifted.node, orientation=n)

    def read(self, values: Tensor, lift: Lift, out_scalar: int, nodes: int) -> tuple[Tensor, Tensor | None]:
        """Means over the places of each point: of scalars, and of orientations times values."""
        assert lift.node is not None and lift.orientation is not None
        vectors = values[:, out_scalar:, None] * lift.orientation[:, None]
        return (
            segment_mean(values[:, :out_scalar], lift.node, nodes),
            segment_mean(vectors, lift.node, nodes),
        )
