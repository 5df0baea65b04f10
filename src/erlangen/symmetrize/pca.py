"""Frames of O(d), SO(d), E(d) and SE(d) from the principal axes of a point cloud.

Puny, Atzmon, Ben-Hamu, Misra, Grover, Smith, Lipman: Frame Averaging for Invariant and Equivariant Network Design
(2022).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from erlangen.groups import SE, SO, E, Element, Group, O
from erlangen.groups.fields import field_names, is_graph_data
from erlangen.symmetrize.frame import pick, report_degenerate, require_policy

#: Relative gap of neighbouring eigenvalues below which principal axes are arbitrary.
GAP = 1e-6
#: Size of the deterministic shift, relative to the cloud, under policy "perturb".
SHIFT = 1e-4


@dataclass(frozen=True)
class PCAFrame:
    r"""Principal axes with every choice of signs: 2^d elements for O(d) and E(d), half of them for SO(d) and SE(d).

    With the centroid :math:`t` (zero for O and SO) and :math:`C = \sum_i (x_i - t)(x_i - t)^T = V \Lambda V^T`,
    eigenvalues ascending, the elements are :math:`x \mapsto V \mathrm{diag}(s)\, x + t` with
    :math:`s \in \{\pm 1\}^d`, for the special groups only those of determinant one. The order of the points does not
    matter, so a backbone that respects permutations still does afterwards. Axes are computed in float64.

    Args:
        group: O(d), SO(d), E(d) or SE(d).
        points: which input holds the coordinates, shape ``(B, ..., d)``, or ``(nodes, d)`` for graphs: its position, or
            a field of a dict or data object.
        batch: which input is the batch vector of a PyG batch; found by itself in a data object. Without one,
            coordinates of shape ``(nodes, d)`` are one cloud.
        degenerate: what to do when two eigenvalues agree to a relative 1e-6 (single points, collinear points in space,
            cubes, spheres): "raise", "warn" and go on, "keep" the arbitrary axes without a word, for callers who deal
            with them, or "perturb" every point by a fixed shift of relative size 1e-4, so that axes exist and only
            depend on the order of the points.
        mask: which input tells the valid points of padded clouds, boolean, shape ``(B, n)``; the others count neither
            for the centroid nor for the axes. A backbone sees them moved along: see :class:`ZeroPadding`.
        grad: "detach" (the axes are constants, the centroid is differentiated) or "full"; gradients of axes grow with
            the inverse gap of their eigenvalues, and ambiguous axes stay constants.
        axes: the coordinates that the group acts on, where that is a part of the space: ``(0, 1)`` with SO(2) for
            rotations about the third axis, whose action on the points is ``Points(SO(3))`` seen through an
            :class:`~erlangen.groups.Embed`.

    Raises:
        ValueError: for other groups; when called, for degenerate inputs under policy "raise".
    """

    group: Group
    points: int | str = 0
    batch: int | str | None = None
    degenerate: str = "raise"
    mask: int | str | None = None
    grad: str = "detach"
    axes: tuple[int, ...] | None = None
    holds_where: str = "distinct principal moments"

    def __post_init__(self) -> None:
        if not isinstance(self.group, O | SO | E | SE):
            raise ValueError(f"PCAFrame(group): O(d), SO(d), E(d) or SE(d), got {self.group}")
        require_policy(self.degenerate, "PCAFrame")
        if self.axes is not None and (
            len(set(self.axes)) != len(self.axes) or len(self.axes) != self.group.n or min(self.axes, default=0) < 0
        ):
            raise ValueError(f"PCAFrame(axes): {self.group.n} different coordinates from 0, got {self.axes}")
        if self.grad not in ("detach", "full"):
            raise ValueError(f"PCAFrame(grad): 'detach' or 'full', got {self.grad!r}")

    def __call__(self, *inputs: Any) -> tuple[Element, Tensor | None]:
        """Elements of shape ``(B, F, d, d)``, or ``(B, F, d + 1, d + 1)`` for E and SE; no weights."""
        x = pick(inputs, self.points, "PCAFrame(points)")
        d = self.group.matrix_dim
        if self.axes is not None and isinstance(x, Tensor) and x.ndim and x.shape[-1] > max(self.axes):
            x = x[..., list(self.axes)]
        if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim < 2 or x.shape[-1] != d:
            got = f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
            which = "" if self.axes is None else f" and of those the axes {self.axes}"
            raise ValueError(f"PCAFrame(points): coordinates of shape (B, ..., {d}){which}, got {got}")
        graph = self._batch_vector(inputs)
        if graph is None and x.ndim == 2:
            x = x[None]
        moves = isinstance(self.group, E | SE)
        valid = self._valid(inputs, x)
        centre, covariance = self._moments(x.double(), graph, moves, valid)
        values, axes = torch.linalg.eigh(covariance.detach())
        ambiguous = self._ambiguous(values)
        if self.grad == "full" and covariance.requires_grad:
            # Axes that are arbitrary have no derivative; those of another matrix in their place keep NaN out.
            other = torch.arange(1.0, d + 1, dtype=covariance.dtype, device=covariance.device).diag()
            clear = torch.where(ambiguous[:, None, None], other, covariance)
            axes = torch.where(ambiguous[:, None, None], axes, torch.linalg.eigh(clear).eigenvectors)
        if bool(ambiguous.any()):
            where = ambiguous.nonzero().flatten().tolist()
            report_degenerate(
                self.degenerate,
                f"PCAFrame: the principal axes of {len(where)} of {len(values)} samples are ambiguous (first: sample "
                f"{where[0]}, moments {[float(f'{v:.3g}') for v in values[where[0]]]})",
            )
            if self.degenerate == "perturb":
                shifted = x.detach().double() + self._shift(x.detach(), graph, values)
                _, covariance = self._moments(shifted, graph, moves, valid)
                axes = torch.where(ambiguous[:, None, None], torch.linalg.eigh(covariance).eigenvectors, axes)
        frames = self._signed(axes)
        if not moves:
            return frames, None
        assert isinstance(self.group, E | SE)
        return self.group.pack(frames, centre[:, None].expand(*frames.shape[:-1])), None

    def _batch_vector(self, inputs: tuple[Any, ...]) -> Tensor | None:
        if self.batch is not None:
            return pick(inputs, self.batch, "PCAFrame(batch)")
        if isinstance(self.points, str):
            owner = next((x for x in inputs if is_graph_data(x) and self.points in field_names(x)), None)
            if owner is not None and "batch" in field_names(owner):
                return owner["batch"]
        return None

    def _valid(self, inputs: tuple[Any, ...], x: Tensor) -> Tensor | None:
        if self.mask is None:
            return None
        mask = pick(inputs, self.mask, "PCAFrame(mask)")
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != x.shape[:-1]:
            got = f"{mask.dtype} {tuple(mask.shape)}" if isinstance(mask, Tensor) else type(mask).__name__
            raise ValueError(f"PCAFrame(mask): torch.bool {tuple(x.shape[:-1])}, got {got}")
        empty = ~mask.flatten(1).any(1)
        if bool(empty.any()):
            raise ValueError(f"PCAFrame(mask): sample {int(empty.nonzero()[0])} has no valid point")
        return mask

    def _moments(self, x: Tensor, graph: Tensor | None, moves: bool, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """Centroid (B, d) and second moments (B, d, d) of every sample."""
        d = x.shape[-1]
        if graph is None:
            cloud = x.reshape(x.shape[0], x.shape[1:-1].numel(), d)
            if cloud.shape[1] == 0 and cloud.shape[0]:
                raise ValueError("PCAFrame(points): a cloud has no points")
            if valid is None:
                centre = cloud.mean(1) if moves else cloud.new_zeros(cloud.shape[0], d)
                offset = cloud - centre[:, None]
                return centre, offset.mT @ offset
            weight = valid.flatten(1)[..., None].to(cloud.dtype)
            centre = (weight * cloud).sum(1) / weight.sum(1) if moves else cloud.new_zeros(cloud.shape[0], d)
            offset = weight * (cloud - centre[:, None])
            return centre, offset.mT @ offset
        count = int(graph.max()) + 1 if graph.numel() else 0
        sizes = torch.bincount(graph, minlength=count)
        if bool((sizes == 0).any()):
            raise ValueError(f"PCAFrame(batch): graph {int((sizes == 0).nonzero()[0])} has no nodes")
        centre = x.new_zeros(count, d)
        if moves:
            centre = centre.index_add(0, graph, x) / sizes[:, None]
        offset = x - centre[graph]
        outer = (offset[:, :, None] * offset[:, None, :]).flatten(1)
        return centre, x.new_zeros(count, d * d).index_add(0, graph, outer).unflatten(1, (d, d))

    @staticmethod
    def _ambiguous(values: Tensor) -> Tensor:
        if values.shape[-1] == 1:
            return torch.zeros(values.shape[0], dtype=torch.bool, device=values.device)
        gap = (values[:, 1:] - values[:, :-1]).amin(1)
        return gap <= GAP * values[:, -1]

    def _shift(self, x: Tensor, graph: Tensor | None, values: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        shape = x.shape if graph is not None else x.shape[1:]
        noise = torch.randn(shape, generator=generator, dtype=torch.float64).to(x.device)
        size = SHIFT * values[:, -1].clamp_min(0).sqrt()
        size = torch.where(size > 0, size, SHIFT)
        return noise * (size[graph][:, None] if graph is not None else size.reshape(-1, *(1,) * (x.ndim - 1)))

    def _signed(self, axes: Tensor) -> Tensor:
        d = axes.shape[-1]
        signs = torch.tensor(list(itertools.product((1.0, -1.0), repeat=d)), dtype=axes.dtype, device=axes.device)
        if isinstance(self.group, O | E):
            return axes[:, None] * signs[:, None, :]
        # Every sample keeps the half whose determinant is one; which half depends on the handedness of its axes.
        even = signs[signs.prod(-1) > 0]
        turned = torch.cat([axes[..., :1] * torch.linalg.det(axes).sign()[:, None, None], axes[..., 1:]], -1)
        return turned[:, None] * even[:, None, :]
