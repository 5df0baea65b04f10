"""Layers that move each part of a cloud by itself: any backbone, averaged over the principal frames of every part."""

from __future__ import annotations

import itertools
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from erlangen.groups import SE, BatchVector, E, Fixed, Nodes, Points, Symmetric, Symmetry, Vector
from erlangen.groups.action import require_finite
from erlangen.points.flat import segment_max, segment_sum
from erlangen.points.output import PointOutput
from erlangen.points.partition import Partition
from erlangen.symmetrize import PCAFrame
from erlangen.symmetrize.principal import GAP

NODES = Symmetric("nodes")
#: Distances below this share of the largest coordinate are rounding, in float64.
ROUNDING = 1e-13


class PartBackbone(Protocol):
    """A network on the points of many parts at once, which sees every point several times, in different frames.

    Called as ``backbone(x, views, cell, num_cells)`` with features ``(nodes, in_scalar)``, the same in all views,
    coordinates ``(views, nodes, dim * (1 + in_vector))``, first those of the point, then those of its vectors, and the
    part of each point. Points of different parts, and different views, must not see each other, and the order of points
    must not matter. Returns ``(views, nodes, out_scalar + out_vector * dim)``.
    """

    def __call__(self, x: Tensor, views: Tensor, cell: Tensor, num_cells: int) -> Tensor:
        """Numbers for every point in every view."""
        ...


class PiecewiseEquivariant(nn.Module):
    r"""A backbone made equivariant under independent motions of the parts, by frame averaging in each part.

    With the principal axes :math:`R_j` and the centroid :math:`t_j` of part j, all :math:`2^d` choices of signs s
    (those of determinant one for SE), and :math:`j = j(i)`,

    .. math::
        \psi(X, Z)_i = \frac{1}{|S|} \sum_{s \in S} (R_j s) \cdot
        \psi_b\big(\{ s R_j^T (x_{i'} - t_j) : j(i') = j \}\big)_i

    All parts of all clouds run in one call, by index; nothing is of size points times parts. As axes are the same in
    all frames but for their signs, a frame costs a sign, not a rotation.

    **Degenerate parts.** Where principal moments agree (single points, collinear points, squares, cubes) the axes of
    their eigenspace are arbitrary. There each point is seen in its own axes, the first of which points to its own
    projection on that space. Its coordinates, and what is carried back, are then well defined, since the mean over
    signs cancels the other axes, along which all its coordinates vanish; of input vectors those components are left
    out. A point on the axis of a symmetric part (the centre of a cube, the tip of a pyramid) has no direction
    there, and nothing is carried back along those axes. So the layer keeps its promise for all parts;
    :func:`~erlangen.points.degenerate_cells` counts them.

    Args:
        backbone: see :class:`PartBackbone`.
        out_scalar: invariant numbers that come out.
        out_vector: vectors that come out; the last ``out_vector * dim`` numbers of the backbone.
        group: E(d) or SE(d), d = 2 or 3.

    Raises:
        ValueError: for other groups; when called, if shapes do not fit, coordinates are not finite, or a part has no
            points.

    Source: Atzmon, Huang, Williams, Litany, "Approximately Piecewise E(3) Equivariant Point Networks", 2024.

    Example:
        >>> from erlangen.points import PartPointNet
        >>> layer = PiecewiseEquivariant(PartPointNet(0, 3, 16, 4 + 3), out_scalar=4, out_vector=1)
        >>> pos, part = torch.randn(10, 3), Partition.of(torch.tensor([0, 1] * 5))
        >>> pushed = pos + part.index[:, None]  # the second part moves away
        >>> before, after = layer(None, pos, part), layer(None, pushed, part)
        >>> all(torch.allclose(a, b, atol=1e-4) for a, b in zip(before, after, strict=True))
        True
    """

    signs: Tensor

    def __init__(self, backbone: nn.Module, out_scalar: int, out_vector: int = 0, group: E | SE = E(3)) -> None:
        super().__init__()
        if not isinstance(group, E | SE) or group.n not in (2, 3):
            raise ValueError(f"PiecewiseEquivariant(group): E(d) or SE(d) with d 2 or 3, got {group}")
        if out_scalar < 0 or out_vector < 0 or out_scalar + out_vector < 1:
            raise ValueError(
                f"PiecewiseEquivariant(out_scalar, out_vector): at least one output, got {out_scalar}, {out_vector}"
            )
        self.backbone = backbone
        self.out_scalar, self.out_vector, self.group, self.dim = out_scalar, out_vector, group, group.n
        self.frame = PCAFrame(group, points=0, batch=1, degenerate="keep")
        signs = torch.tensor(list(itertools.product((1.0, -1.0), repeat=self.dim)))
        self.register_buffer("signs", signs if isinstance(group, E) else signs[signs.prod(1) > 0], persistent=False)
        numbers, vectors = Nodes(NODES), Nodes(NODES, features=2) & Vector(group)
        inputs = [numbers if getattr(backbone, "in_scalar", 0) else Fixed(), Nodes(NODES) & Points(group)]
        inputs += [BatchVector(NODES)] + [vectors] * bool(getattr(backbone, "in_vector", 0))
        where = "principal moments of a part that clearly differ or agree"
        output = (numbers, vectors) if out_vector else (numbers,)
        self.symmetry = Symmetry(NODES * group, tuple(inputs), output, holds_where=where)

    def forward(
        self,
        x: Float[Tensor, "nodes in_scalar"] | None,
        pos: Float[Tensor, "nodes dim"],
        part: Partition | Int[Tensor, " nodes"],
        vec: Float[Tensor, "nodes in_vector dim"] | None = None,
    ) -> PointOutput:
        """Invariant numbers ``(nodes, out_scalar)`` and vectors ``(nodes, out_vector, dim)`` of every point.

        Args:
            x: invariant features; None if there are none.
            pos: coordinates.
            part: the partition, or the part of each point as numbers that go through all clouds: as a batch vector, so
                that an audit moves every part by itself.
            vec: vectors, which turn with their part; None if there are none.
        """
        cell, count = (part.cell, part.num_cells) if isinstance(part, tuple) else (part, _count(part))
        if pos.ndim != 2 or pos.shape[1] != self.dim or cell.shape != pos.shape[:1]:
            raise ValueError(
                f"PiecewiseEquivariant(pos, part): shapes (nodes, {self.dim}) and (nodes,), got {tuple(pos.shape)} and "
                f"{tuple(cell.shape)}"
            )
        require_finite(pos.detach(), "PiecewiseEquivariant(pos)")
        if cell.numel() and int(cell.min()) < 0:
            raise ValueError(f"PiecewiseEquivariant(part): parts are numbered from 0, got {int(cell.min())}")
        self._require("x", x, (len(pos),), "in_scalar", ())
        self._require("vec", vec, (len(pos),), "in_vector", (self.dim,))
        local, axes, known, lost = self._local(pos, cell, count)
        seen = [torch.where(lost, 0.0, local)[:, None]]
        if vec is not None:
            turned = vec.to(axes.dtype) @ axes
            seen.append(torch.where(known[:, None], turned, 0.0))
        coordinates = torch.cat([part.to(pos.dtype) for part in seen], 1)
        views = (coordinates * self.signs[:, None, None].to(pos.dtype)).flatten(2)
        y = self.backbone(pos.new_zeros(len(pos), 0) if x is None else x, views, cell, count)
        wanted = self.out_scalar + self.out_vector * self.dim
        if tuple(y.shape) != (len(self.signs), len(pos), wanted):
            raise ValueError(
                f"PiecewiseEquivariant(backbone): must return shape {(len(self.signs), len(pos), wanted)}, got "
                f"{tuple(y.shape)}"
            )
        scalar = y[..., : self.out_scalar].mean(0)
        if not self.out_vector:
            return PointOutput(scalar, None)
        vector = y[..., self.out_scalar :].unflatten(-1, (self.out_vector, self.dim))
        vector = (vector * self.signs[:, None, None].to(y.dtype)).mean(0)
        return PointOutput(scalar, torch.where(lost[:, None], 0.0, vector) @ axes.mT.to(y.dtype))

    def _require(
        self, name: str, value: Tensor | None, before: tuple[int, ...], width: str, after: tuple[int, ...]
    ) -> None:
        """Refuses features or vectors of another width than the backbone takes, where it says so."""
        takes = getattr(self.backbone, width, None)
        shape = None if value is None else tuple(value.shape)
        if takes is None or shape == (*before, takes, *after) or (takes == 0 and value is None):
            return
        raise ValueError(f"PiecewiseEquivariant({name}): shape {(*before, takes, *after)}, got {shape}")

    def _local(self, pos: Tensor, cell: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Every point relative to the centroid of its part, in the axes of its part, or its own where those are not.

        Returns:
            Coordinates ``(nodes, dim)``, axes as columns ``(nodes, dim, dim)``, both in float64; which axes the points
            determine, and which are arbitrary for a point without a direction of its own, both ``(nodes, dim)``.
        """
        elements, _ = self.frame(pos, cell)
        axes = self.group.matrix(elements)[:, 0]
        shift = self.group.translation(elements)
        assert isinstance(axes, Tensor) and shift is not None
        axes = axes[cell]
        offset = pos.double() - shift[:, 0][cell]
        local = (offset[:, None] @ axes)[:, 0]
        moments = segment_sum(local.detach().square(), cell, count)
        sizes = torch.bincount(cell, minlength=count)
        # Points that coincide are apart by the rounding of their centroid, which is no direction.
        largest = segment_max(pos.detach().double().abs().amax(1), cell, count)
        alone = moments[:, -1] <= sizes * (ROUNDING * largest).square()
        near = (moments.diff(dim=1) <= GAP * moments[:, -1:]) | alone[:, None]
        if not bool(near.any()):
            every = torch.ones_like(local, dtype=torch.bool)
            return local, axes, every, ~every
        edge = near.new_zeros(count, 1)
        arbitrary = torch.cat([near, edge], 1) | torch.cat([edge, near], 1)
        size = torch.where(alone, torch.inf, moments[:, -1] / sizes)
        own, known, lost = _own_axes(local.detach(), arbitrary[cell], size[cell])
        if isinstance(self.group, SE):
            own = _proper(own, arbitrary[cell])
        axes = axes @ own
        return (offset[:, None] @ axes)[:, 0], axes, known, lost


def _count(cell: Tensor) -> int:
    return int(cell.max()) + 1 if len(cell) else 0


def _own_axes(local: Tensor, arbitrary: Tensor, size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Reflections that take the last arbitrary axis to each point's own direction among the arbitrary axes.

    Args:
        local: coordinates, ``(nodes, dim)``.
        arbitrary: which of the axes are, ``(nodes, dim)``.
        size: mean square of the largest coordinate of the part, ``(nodes,)``.

    Returns:
        Orthogonal matrices ``(nodes, dim, dim)``, the identity where no axis is arbitrary; which of the new axes the
        points determine; and which mean nothing for a point, as it has no direction among them.
    """
    dim = local.shape[1]
    eye = torch.eye(dim, dtype=local.dtype, device=local.device)
    inside = local * arbitrary
    length = inside.norm(dim=1)
    # A point on the axis of its part, up to rounding, has no direction of its own.
    directed = arbitrary.any(1) & (length.square() > 4 * GAP * size)
    last = dim - 1 - arbitrary.flip(1).long().argmax(1)
    to = eye[last]
    difference = to - inside / length.clamp_min(torch.finfo(local.dtype).tiny)[:, None]
    square = difference.square().sum(1)
    turned = directed & (square > 0)
    outer = difference[:, :, None] * difference[:, None, :] / torch.where(turned, square, 1.0)[:, None, None]
    reflection = torch.where(turned[:, None, None], eye - 2 * outer, eye)
    return reflection, ~arbitrary | (directed[:, None] & (to > 0)), arbitrary & ~directed[:, None]


def _proper(own: Tensor, arbitrary: Tensor) -> Tensor:
    """The same with determinant one: the first arbitrary axis, which is no point's own, is turned round if need be."""
    first = torch.nn.functional.one_hot(arbitrary.long().argmax(1), own.shape[-1]).to(own.dtype)
    flip = (torch.linalg.det(own) < 0)[:, None] * first
    return own * (1 - 2 * flip)[:, None]
