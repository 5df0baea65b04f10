"""Permutations of the parts of a graph or a set: node features, node pairs, edge lists, batch vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from erlangen.groups.action import Action, require_finite
from erlangen.groups.discrete import Symmetric
from erlangen.groups.element import Element, join_batch, permute_axis
from erlangen.groups.group import Group, Trivial


def _require_symmetric(group: Group, action: str) -> None:
    if not isinstance(group, Symmetric | Trivial):
        raise ValueError(f"{action}(group): a Symmetric group, got {group}")


def _check_size(group: Group, got: int, name: str, axis: int) -> None:
    if isinstance(group, Symmetric) and isinstance(group.n, int) and group.n != got:
        raise ValueError(f"{name}: axis {axis} has size {got}, but {group} permutes {group.n} things")


@dataclass(frozen=True)
class Nodes(Action):
    r"""Tensors indexed by nodes, :math:`(g \cdot x)_{g(i)} = x_i`, or pairs, :math:`(g \cdot x)_{g(i) g(j)} = x_{ij}`.

    Args:
        group: ``Symmetric(n)`` or ``Symmetric("n")``.
        order: number of node axes (1 for node features, 2 for adjacency matrices and pair features).
        features: number of feature axes to their right.
    """

    group: Group
    order: int = 1
    features: int = 1

    def __post_init__(self) -> None:
        _require_symmetric(self.group, "Nodes")
        if self.order < 1 or self.features < 0:
            raise ValueError(f"Nodes(order, features): order >= 1 and features >= 0, got {self.order}, {self.features}")

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        return self.order + self.features

    def _axes(self) -> range:
        return range(-self.order - self.features, -self.features)

    def __call__(self, g: Element, x: Any) -> Any:
        if isinstance(self.group, Trivial):
            return x
        assert isinstance(g, Tensor)
        for axis in self._axes():
            x = permute_axis(g, x, axis)
        return x

    def tangent(self, A: Element, x: Any) -> Any:
        return torch.zeros_like(x)

    def sizes(self, x: Any) -> dict[str, int]:
        return {name: x.shape[-self.event_dim] for name in self.group.names}

    def check(self, x: Any, name: str = "x") -> None:
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: {self!r} moves a tensor, got {type(x).__name__}")
        if x.ndim < self.event_dim:
            raise ValueError(f"{name}: {self!r} needs at least {self.event_dim} axes, got shape {tuple(x.shape)}")
        sizes = {x.shape[axis] for axis in self._axes()}
        if len(sizes) > 1:
            raise ValueError(f"{name}: the node axes of {self!r} must agree, got shape {tuple(x.shape)}")
        _check_size(self.group, x.shape[-self.event_dim], name, x.ndim - self.event_dim)
        if x.is_floating_point():
            require_finite(x, name)

    def bind(self, sizes: Mapping[str, int]) -> Nodes:
        return Nodes(self.group.bind(sizes), self.order, self.features)

    def __repr__(self) -> str:
        extra = "" if (self.order, self.features) == (1, 1) else f", order={self.order}, features={self.features}"
        return f"Nodes({self.group}{extra})"


@dataclass(frozen=True)
class EdgeIndex(Action):
    """PyG's ``edge_index`` of shape ``(*K, 2, edges)``: the numbers of the nodes change, ``g[edge_index]``."""

    group: Group = Trivial()
    event_dim = 2

    def __post_init__(self) -> None:
        _require_symmetric(self.group, "EdgeIndex")

    def __call__(self, g: Element, x: Any) -> Any:
        if isinstance(self.group, Trivial):
            return x
        assert isinstance(g, Tensor)
        g, k = g.to(x.device), g.ndim - 1
        batch = join_batch(g.shape[:-1], x, 2)
        if k == 0:
            return g[x]
        flat = x.expand(*batch, *x.shape[k:]).flatten(k)
        return g.expand(*batch, -1).gather(-1, flat).reshape(*batch, *x.shape[k:])

    def tangent(self, A: Element, x: Any) -> Any:
        return torch.zeros_like(x)

    def check(self, x: Any, name: str = "x") -> None:
        if not isinstance(x, Tensor) or x.dtype != torch.long:
            got = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(f"{name}: an edge index is a long tensor, got {got}")
        if x.ndim < 2 or x.shape[-2] != 2:
            raise ValueError(f"{name}: an edge index has shape (2, edges), got {tuple(x.shape)}")
        if x.numel() and int(x.min()) < 0:
            raise ValueError(f"{name}: node numbers start at 0, got {int(x.min())}")
        if x.numel() and isinstance(self.group, Symmetric) and isinstance(self.group.n, int):
            if int(x.max()) >= self.group.n:
                raise ValueError(f"{name}: node number {int(x.max())} in a graph of {self.group.n} nodes")

    def bind(self, sizes: Mapping[str, int]) -> EdgeIndex:
        return EdgeIndex(self.group.bind(sizes))

    def repeat(self, x: Any, copies: int, offset: int | None = None) -> Any:
        if x.ndim > 2:  # one graph per row: copies are more rows, and every row numbers its own nodes
            return super().repeat(x, copies)
        step = offset if offset is not None else (int(x.max()) + 1 if x.numel() else 0)
        shifts = step * torch.arange(copies, device=x.device)
        return (x[..., None, :] + shifts[:, None]).flatten(-2)

    def __repr__(self) -> str:
        return f"EdgeIndex({self.group})"


@dataclass(frozen=True)
class BatchVector(Action):
    """PyG's ``batch`` of shape ``(*K, nodes)``: to which graph each node belongs. It moves with the nodes."""

    group: Group = Trivial()
    event_dim = 1

    def __post_init__(self) -> None:
        _require_symmetric(self.group, "BatchVector")

    def __call__(self, g: Element, x: Any) -> Any:
        if isinstance(self.group, Trivial):
            return x
        assert isinstance(g, Tensor)
        return permute_axis(g, x, -1)

    def tangent(self, A: Element, x: Any) -> Any:
        return torch.zeros_like(x)

    def sizes(self, x: Any) -> dict[str, int]:
        return {name: x.shape[-1] for name in self.group.names}

    def check(self, x: Any, name: str = "x") -> None:
        if not isinstance(x, Tensor) or x.dtype != torch.long:
            got = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(f"{name}: a batch vector is a long tensor, got {got}")
        if x.ndim != 1:
            raise ValueError(f"{name}: a batch vector has shape (nodes,), got {tuple(x.shape)}")
        if x.numel() and int(x.min()) < 0:
            raise ValueError(f"{name}: graph numbers start at 0, got {int(x.min())}")
        _check_size(self.group, x.shape[-1], name, 0)

    def bind(self, sizes: Mapping[str, int]) -> BatchVector:
        return BatchVector(self.group.bind(sizes))

    def repeat(self, x: Any, copies: int, offset: int | None = None) -> Any:
        step = offset if offset is not None else (int(x.max()) + 1 if x.numel() else 0)
        return (x + step * torch.arange(copies, device=x.device)[:, None]).flatten()

    def __repr__(self) -> str:
        return f"BatchVector({self.group})"
