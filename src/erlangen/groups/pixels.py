"""Images: quarter turns, which are exact, and resampling under plane groups, which is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from erlangen.groups.action import Action, require_real
from erlangen.groups.discrete import Cyclic
from erlangen.groups.element import Element, join_batch
from erlangen.groups.group import Group


def _require_image(x: Tensor, name: str = "x") -> None:
    if x.ndim < 2:
        raise ValueError(f"{name}: an image has at least the axes (height, width), got shape {tuple(x.shape)}")


@dataclass(frozen=True)
class QuarterTurns(Action):
    """Turns of square images ``(*K, *sites, height, width)`` by multiples of 90 degrees, counter-clockwise as seen.

    Rows point down, columns right; ``k = 1`` moves the upper right corner to the upper left. Exact: no resampling.
    """

    group: Cyclic = Cyclic(4)
    event_dim = 2
    site_dim = 1

    def __post_init__(self) -> None:
        if self.group.n not in (1, 2, 4):
            raise ValueError(f"QuarterTurns(group): Cyclic(4), Cyclic(2) or Cyclic(1), got {self.group}")

    def __call__(self, g: Element, x: Any) -> Any:
        assert isinstance(g, Tensor)
        self._require_shape(x, "x")
        step, turns = 4 // self.group.n, g % self.group.n
        if turns.ndim == 0:
            return x.rot90(step * int(turns), (-2, -1))
        k = turns.ndim
        batch = join_batch(turns.shape, x, 2)
        turns = turns.expand(batch).flatten().to(x.device)
        flat = x.expand(*batch, *x.shape[k:]).reshape(batch.numel(), *x.shape[k:])
        out = torch.empty_like(flat)
        for turn in range(self.group.n):
            chosen = turns == turn
            out[chosen] = flat[chosen].rot90(step * turn, (-2, -1))
        return out.reshape(*batch, *x.shape[k:])

    def tangent(self, A: Element, x: Any) -> Any:
        return torch.zeros_like(x)

    def check(self, x: Any, name: str = "x") -> None:
        self._require_shape(require_real(x, name, repr(self)), name)

    def _require_shape(self, x: Tensor, name: str) -> None:
        _require_image(x, name)
        if self.group.n == 4 and x.shape[-1] != x.shape[-2]:
            raise ValueError(
                f"{name}: quarter turns need square images, got height {x.shape[-2]} and width {x.shape[-1]}"
            )

    def __repr__(self) -> str:
        return "QuarterTurns()" if self.group.n == 4 else f"QuarterTurns({self.group})"


@dataclass(frozen=True)
class Pixels(Action):
    r"""Images ``(*K, *sites, height, width)`` as functions of the plane: :math:`(g \cdot f)(p) = f(g^{-1} p)`.

    The origin is the image's centre, the first coordinate points right, the second up, and the unit is half the longer
    side, so a translation by (1, 0) moves a square image by half its width to the right. Resampled bilinearly with
    zeros outside: not an exact action, ``exact`` is ``False``.

    Args:
        group: a group of the plane: SO(2), O(2), SE(2), E(2), GLPlus(2), Affine(2), Translation(2), Cyclic(n), ...
        mode: interpolation, as in ``torch.nn.functional.grid_sample``: "bilinear", "bicubic" or "nearest".
    """

    group: Group
    mode: str = "bilinear"
    event_dim = 2
    site_dim = 1
    exact = False

    def __post_init__(self) -> None:
        if self.group.matrix_dim != 2:
            raise ValueError(f"Pixels(group): a group of the plane, got {self.group}")
        if self.mode not in ("bilinear", "bicubic", "nearest"):
            raise ValueError(f"Pixels(mode): 'bilinear', 'bicubic' or 'nearest', got {self.mode!r}")

    def _sources(self, g: Element, height: int, width: int) -> Tensor:
        """Where each pixel of ``g.x`` is read from, in pixels (column, row) of ``x``; shape ``(*K, H, W, 2)``."""
        inverse = self.group.inverse(g)
        matrix, shift = self.group.matrix(inverse), self.group.translation(inverse)
        half = max(height, width) / 2
        options = {"dtype": matrix.dtype, "device": matrix.device}
        right = (torch.arange(width, **options) - (width - 1) / 2) / half
        up = ((height - 1) / 2 - torch.arange(height, **options)) / half
        p = torch.stack(torch.meshgrid(right, up, indexing="xy"), -1)
        q = torch.einsum("...ij,hwj->...hwi", matrix, p)
        if shift is not None:
            q = q + shift[..., None, None, :]
        return torch.stack([q[..., 0] * half + (width - 1) / 2, (height - 1) / 2 - q[..., 1] * half], -1)

    def __call__(self, g: Element, x: Any) -> Any:
        _require_image(x)
        if not x.is_floating_point():
            raise TypeError(f"resampling moves floating-point images, got dtype {x.dtype}")
        height, width = x.shape[-2:]
        source = self._sources(g, height, width)
        k = source.ndim - 3
        batch = join_batch(source.shape[:k], x, 2)
        size = torch.tensor([width, height], dtype=source.dtype, device=source.device)
        grid = (2 * source + 1) / size - 1
        grid = grid.expand(*batch, *grid.shape[k:]).reshape(batch.numel(), height, width, 2).to(x.device)
        dtype = torch.promote_types(grid.dtype, x.dtype)
        flat = x.expand(*batch, *x.shape[k:]).reshape(batch.numel(), x.shape[k:-2].numel(), height, width)
        if flat.numel() == 0:
            return flat.reshape(*batch, *x.shape[k:])
        y = grid_sample(flat.to(dtype), grid.to(dtype), mode=self.mode, padding_mode="zeros", align_corners=False)
        return y.reshape(*batch, *x.shape[k:]).to(x.dtype)

    def inside(self, g: Element, height: int, width: int, margin: float = 0.0) -> Tensor:
        """Which pixels of ``g.x`` were read with their whole neighbourhood inside ``x``; boolean, ``(*K, H, W)``.

        Args:
            g: the elements.
            height: rows of the image.
            width: columns of the image.
            margin: extra pixels to stay away from the border, for instance half a network's receptive field.
        """
        source = self._sources(g, height, width)
        limit = torch.tensor([width - 1, height - 1], dtype=source.dtype, device=source.device)
        slack = 1e-9
        # Bicubic interpolation reads one pixel further on every side.
        margin = margin + (self.mode == "bicubic")
        return ((source >= margin - slack) & (source <= limit - margin + slack)).all(-1)

    def check(self, x: Any, name: str = "x") -> None:
        _require_image(require_real(x, name, repr(self)), name)

    def __repr__(self) -> str:
        return f"Pixels({self.group})"
