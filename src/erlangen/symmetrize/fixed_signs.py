"""One element of a frame, picked by a rule instead of by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from erlangen.groups import Element, Group
from erlangen.symmetrize.frame import Frame


@dataclass(frozen=True)
class FixedSigns:
    r"""The element of a matrix frame whose axes have non-negative sums of entries, first axis first.

    One evaluation and no randomness, but the rule itself does not turn with the cloud: the promise becomes approximate.
    For the special groups the last axis follows from the others.

    Source: Duval, Schmidt, Hernandez-Garcia, Miret, Malliaros, Bengio, Rolnick, "FAENet: Frame Averaging Equivariant
    GNN for Materials Modeling", 2023.

    Args:
        frame: a frame of matrices without weights, such as :class:`PCAFrame`.
    """

    frame: Frame
    kind: str = "approximate"

    @property
    def group(self) -> Group:
        """The group of the frame."""
        return self.frame.group

    @property
    def holds_where(self) -> str:
        """Never exactly: the rule looks at coordinates."""
        return ", ".join(filter(None, (self.frame.holds_where, "axes picked by their sums")))

    def __call__(self, *inputs: Any) -> tuple[Element, Tensor | None]:
        """The picked elements, shape ``(B, 1, ...)``.

        Raises:
            ValueError: when the frame has weights.
        """
        elements, weight = self.frame(*inputs)
        if weight is not None:
            raise ValueError("FixedSigns(frame): a frame without weights")
        axes = self.group.matrix(elements)
        d = axes.shape[-1]
        worth = 2.0 ** torch.arange(d, 0, -1, device=axes.device)
        best = ((axes.sum(-2) >= 0) * worth).sum(-1).argmax(1)
        assert isinstance(elements, Tensor)
        return elements[torch.arange(elements.shape[0], device=axes.device), best][:, None], None
