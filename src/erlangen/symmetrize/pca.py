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
from erlangen.symmetrize.clouds import Clouds, require_mask
from erlangen.symmetrize.frame import pick, require_policy
from erlangen.symmetrize.principal import principal_axes


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
        moves, valid = isinstance(self.group, E | SE), self._valid(inputs, x)
        if graph is None:
            x = x.reshape(x.shape[0], x.shape[1:-1].numel(), d)
        valid = None if valid is None else valid.reshape(x.shape[:-1])
        clouds = Clouds.of(x.double(), graph, valid, "PCAFrame")
        found = principal_axes(clouds, centred=moves, degenerate=self.degenerate, grad=self.grad, caller="PCAFrame")
        frames = self._signed(found.axes)
        if not moves:
            return frames, None
        assert isinstance(self.group, E | SE)
        return self.group.pack(frames, found.centre[:, None].expand(*frames.shape[:-1])), None

    def _batch_vector(self, inputs: tuple[Any, ...]) -> Tensor | None:
        if self.batch is not None:
            return pick(inputs, self.batch, "PCAFrame(batch)")
        if isinstance(self.points, str):
            owner = next((x for x in inputs if is_graph_data(x) and self.points in field_names(x)), None)
            if owner is not None and "batch" in field_names(owner):
                return owner["batch"]
        return None

    def _valid(self, inputs: tuple[Any, ...], x: Tensor) -> Tensor | None:
        return None if self.mask is None else require_mask(pick(inputs, self.mask, "PCAFrame(mask)"), x, "PCAFrame")

    def _signed(self, axes: Tensor) -> Tensor:
        d = axes.shape[-1]
        signs = torch.tensor(list(itertools.product((1.0, -1.0), repeat=d)), dtype=axes.dtype, device=axes.device)
        if isinstance(self.group, O | E):
            return axes[:, None] * signs[:, None, :]
        # Every sample keeps the half whose determinant is one; which half depends on the handedness of its axes.
        even = signs[signs.prod(-1) > 0]
        turned = torch.cat([axes[..., :1] * torch.linalg.det(axes).sign()[:, None, None], axes[..., 1:]], -1)
        return turned[:, None] * even[:, None, :]
