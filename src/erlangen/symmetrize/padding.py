"""Padded clouds: keeping what is no point at zero."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from erlangen.symmetrize.frame import pick


class ZeroPadding(nn.Module):
    """A backbone that gets its padded points as zeros, wherever they were moved.

    Moving a padded cloud moves its padding too. Backbones that read it in spite of their mask are wrapped in this
    first: ``symmetrize(ZeroPadding(backbone), promise, PCAFrame(E(3), mask=1))``.

    Args:
        backbone: called with the same inputs.
        points: position of the padded input, shape ``(B, n, ...)``.
        mask: position of the mask, boolean, ``(B, n)``.
    """

    def __init__(self, backbone: nn.Module, points: int = 0, mask: int = 1) -> None:
        super().__init__()
        self.backbone = backbone
        self.points, self.mask = points, mask

    def forward(self, *inputs: Any) -> Any:
        """The backbone's output."""
        x: Tensor = pick(inputs, self.points, "ZeroPadding(points)")
        valid: Tensor = pick(inputs, self.mask, "ZeroPadding(mask)")
        clean = x * valid.reshape(*valid.shape, *(1,) * (x.ndim - valid.ndim)).to(x.dtype)
        return self.backbone(*(clean if i == self.points else value for i, value in enumerate(inputs)))
