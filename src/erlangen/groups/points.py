"""The affine action on coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from erlangen.groups.action import Action, require_field
from erlangen.groups.element import Element, apply_matrix
from erlangen.groups.group import Group


@dataclass(frozen=True)
class Points(Action):
    r"""Coordinates on the last axis, moved as points: :math:`x \mapsto H x + t`.

    For groups without translations it moves like ``Vector``. A sample is a cloud, ``(*K, points, dim)``.

    Example:
        >>> import torch
        >>> from erlangen.groups import SE
        >>> g = SE(2).exp(torch.tensor([[0.0, 0.0, 5.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
        >>> Points(SE(2))(g, torch.zeros(1, 2))
        tensor([[5., 0.]])
    """

    group: Group
    event_dim = 1
    site_dim = 1

    def __post_init__(self) -> None:
        _ = self.group.matrix_dim

    def __call__(self, g: Element, x: Any) -> Any:
        matrix = self.group.matrix(g)
        y = apply_matrix(matrix, x)
        shift = self.group.translation(g)
        if shift is not None:
            k = matrix.ndim - 2
            y = y + shift.reshape(*shift.shape[:-1], *(1,) * (y.ndim - 1 - k), shift.shape[-1]).to(y.dtype)
        return y.to(x.dtype).contiguous()

    def tangent(self, A: Element, x: Any) -> Any:
        matrix = self.group.matrix_tangent(A)
        y = apply_matrix(matrix, x)
        shift = self.group.translation(A)
        if shift is not None:
            k = matrix.ndim - 2
            y = y + shift.reshape(*shift.shape[:-1], *(1,) * (y.ndim - 1 - k), shift.shape[-1]).to(y.dtype)
        return y.to(x.dtype).contiguous()

    def check(self, x: Any, name: str = "x") -> None:
        require_field(x, name, repr(self), self.group)
        if x.ndim < 1 or x.shape[-1] != self.group.matrix_dim:
            raise ValueError(
                f"{name}: the last axis of {self!r} has size {self.group.matrix_dim}, got shape {tuple(x.shape)}"
            )

    def __repr__(self) -> str:
        return f"Points({self.group})"
