"""The trivial frame: a finite group, whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from erlangen.groups import Element, Group
from erlangen.groups.element import map_element


@dataclass(frozen=True)
class WholeGroup:
    """All elements of a finite group, whatever the input: averaging over it is the Reynolds operator.

    Raises:
        ValueError: when the group is infinite or too large to list.
    """

    group: Group
    holds_where: str = ""
    shared = True

    def __post_init__(self) -> None:
        if not self.group.names:
            self.group.require_enumerable()

    def __call__(self, *inputs: Any) -> tuple[Element, Tensor | None]:
        """All elements, shape ``(1, order, ...)``."""
        return map_element(lambda t: t[None], self.group.elements()), None
