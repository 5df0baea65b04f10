"""The regular representation of a finite group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from erlangen.groups.element import Element, device_of, map_element
from erlangen.groups.element import cast as to_dtype
from erlangen.groups.group import Group, Product
from erlangen.groups.representation import Representation


@dataclass(frozen=True)
class Regular(Representation):
    """Functions on a finite group, one number per element: ``e_h`` goes to ``e_{gh}``. Applied as a permutation."""

    group: Group

    def __post_init__(self) -> None:
        if not self.group.names:
            self.group.require_enumerable()

    @property
    def dim(self) -> int:
        return self.group.require_enumerable()

    @property
    def permutes(self) -> bool:
        return True

    def permutation(self, g: Element) -> Tensor:
        """Where each basis vector goes, long, shape ``(*K, order)``."""
        group = self.group
        k = len(group.batch_shape(g))
        lifted = _insert_axis(group, g, k)
        every = map_element(lambda t: t.reshape(*(1,) * k, *t.shape).to(device_of(g)), group.elements())
        return group.index(group.compose(to_dtype(lifted, torch.float64), every))

    def rho(self, g: Element) -> Tensor:
        return torch.nn.functional.one_hot(self.permutation(g), self.dim).mT.double()

    def drho(self, A: Element) -> Tensor:
        shape = (*self.group.algebra_shape(A), self.dim, self.dim)
        return torch.zeros(shape, dtype=torch.float64, device=device_of(A))

    @property
    def orthogonal(self) -> bool:
        return True

    def bind(self, sizes: Mapping[str, int]) -> Regular:
        return Regular(self.group.bind(sizes))

    def __repr__(self) -> str:
        return f"Regular({self.group})"


def _insert_axis(group: Group, g: Element, k: int) -> Element:
    if isinstance(group, Product):
        return tuple(_insert_axis(f, part, k) for f, part in zip(group.factors, g, strict=True))
    assert isinstance(g, Tensor)
    return g.unsqueeze(k)
