"""Sums over the points of every cloud, whether clouds are rows of a batch or lie one after another in a flat one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from erlangen.groups.action import require_finite


@dataclass(frozen=True)
class Clouds:
    """Coordinates of several clouds, and which of them belong together.

    Attributes:
        x: coordinates, ``(B, n, d)``; with a batch vector ``(nodes, d)``.
        graph: the cloud of every point, ``(nodes,)``, in any order.
        weight: how much every point counts, ``(B, n)`` or ``(nodes,)``; None where all count alike.
        count: number of clouds.
    """

    x: Tensor
    graph: Tensor | None
    weight: Tensor | None
    count: int

    @classmethod
    def of(cls, x: Tensor, graph: Tensor | None = None, weight: Tensor | None = None, caller: str = "Clouds") -> Clouds:
        """Reads coordinates, a batch vector, and weights or a boolean mask.

        Raises:
            ValueError: when a cloud has no points, or none that counts.
        """
        if graph is None:
            if x.shape[1] == 0 and x.shape[0]:
                raise ValueError(f"{caller}(points): a cloud has no points")
            clouds = cls(x, None, weight, x.shape[0])
        else:
            clouds = cls(x, graph, weight, int(graph.max()) + 1 if graph.numel() else 0)
            empty = torch.bincount(graph, minlength=clouds.count) == 0
            if bool(empty.any()):
                raise ValueError(f"{caller}(batch): graph {int(empty.nonzero()[0])} has no nodes")
        if weight is not None:
            nothing = clouds.mass() <= 0
            if bool(nothing.any()):
                raise ValueError(f"{caller}(mask): sample {int(nothing.nonzero()[0])} has no valid point")
        return clouds

    def total(self, values: Tensor) -> Tensor:
        """Weighted sums over the points of every cloud, from one row of features per point to ``(B, features)``."""
        if self.weight is not None:
            values = values * self.weight[..., None].to(values.dtype)
        if self.graph is None:
            return values.sum(1)
        return values.new_zeros(self.count, *values.shape[1:]).index_add(0, self.graph, values)

    def mass(self) -> Tensor:
        """Total weight of every cloud, ``(B,)``: the number of its points where all count alike."""
        if self.graph is None and self.weight is None:
            return self.x.new_full((self.count,), self.x.shape[1], dtype=torch.float64)
        ones = self.x.new_ones((), dtype=torch.float64).expand(*self.x.shape[:-1], 1)
        return self.total(ones)[:, 0]

    def each(self, values: Tensor) -> Tensor:
        """Values of every cloud, ``(B, ...)``, seen from its points: they broadcast with one row per point."""
        return values[:, None] if self.graph is None else values[self.graph]

    def centre(self) -> Tensor:
        """Centroids, ``(B, d)``."""
        if self.graph is None and self.weight is None:
            return self.x.mean(1)
        return self.total(self.x) / self.mass()[:, None]

    def moments(self) -> Tensor:
        r"""Second moments :math:`\sum_i w_i x_i x_i^T` about the origin, ``(B, d, d)``."""
        if self.graph is None:
            weighted = self.x if self.weight is None else self.x * self.weight[..., None].to(self.x.dtype)
            return weighted.mT @ self.x
        d = self.x.shape[-1]
        outer = (self.x[:, :, None] * self.x[:, None, :]).flatten(1)
        return self.total(outer).unflatten(1, (d, d))

    def largest(self, values: Tensor) -> Tensor:
        """Largest values among the points that count, from one row of non-negative features per point."""
        if self.weight is not None:
            values = values * (self.weight > 0)[..., None].to(values.dtype)
        if self.graph is None:
            return values.amax(1)
        place = self.graph[:, None].expand_as(values)
        return values.new_zeros(self.count, values.shape[1]).scatter_reduce(0, place, values, "amax")

    def first(self, values: Tensor, chosen: Tensor) -> Tensor:
        """Value of the first point of every cloud that counts and is chosen, feature by feature; zero without one."""
        if self.weight is not None:
            chosen = chosen & (self.weight > 0)[..., None]
        n, f = values.shape[-2:]
        if self.graph is None:
            place = chosen.to(torch.uint8).argmax(1)
            return torch.where(chosen.any(1), values.gather(1, place[:, None])[:, 0], 0)
        number = torch.arange(n, device=values.device)[:, None].expand(n, f)
        number = torch.where(chosen, number, n)
        none = number.new_full((self.count, f), n)
        place = none.scatter_reduce(0, self.graph[:, None].expand(n, f), number, "amin")
        return torch.cat([values, values.new_zeros(1, f)]).gather(0, place)

    def split(self, numbers: int) -> list[Clouds]:
        """Parts of about so many numbers, if clouds are rows of a batch on the CPU; else all of them in one."""
        size = self.x.shape[-2:].numel()
        step = max(1, numbers // max(1, size))
        if self.graph is not None or self.x.device.type != "cpu" or self.count <= step:
            return [self]
        weights = [None] * self.count if self.weight is None else self.weight.split(step)
        return [Clouds(x, None, w, len(x)) for x, w in zip(self.x.split(step), weights, strict=False)]

    def moved(self, x: Tensor) -> Clouds:
        """The same clouds with other coordinates."""
        return Clouds(x, self.graph, self.weight, self.count)


def require_mask(mask: Any, x: Tensor, caller: str) -> Tensor:
    """Checks a mask of the points of clouds.

    Raises:
        ValueError: when it is not boolean, or has another shape than the points.
    """
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != x.shape[:-1]:
        got = f"{mask.dtype} {tuple(mask.shape)}" if isinstance(mask, Tensor) else type(mask).__name__
        raise ValueError(f"{caller}(mask): torch.bool {tuple(x.shape[:-1])}, got {got}")
    return mask


def require_clouds(x: Any, d: int | None, caller: str) -> Tensor:
    """Checks coordinates, ``(B, n, d)`` or ``(nodes, d)``.

    Raises:
        TypeError: when they are not a tensor of real floating-point numbers.
        ValueError: when their shape is another.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        got = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"{caller}(x): real floating-point coordinates, got {got}")
    if x.ndim not in (2, 3) or x.shape[-1] < 1 or (d is not None and x.shape[-1] != d):
        size = "d" if d is None else str(d)
        raise ValueError(f"{caller}(x): shape (B, n, {size}) or (nodes, {size}), got {tuple(x.shape)}")
    return x


def require_batch(batch: Any, x: Tensor, caller: str) -> Tensor:
    """Checks a batch vector of coordinates ``(nodes, d)``.

    Raises:
        TypeError: when it is not a long tensor.
        ValueError: when its shape or its smallest number is wrong, or the coordinates are not flat.
    """
    if not isinstance(batch, Tensor) or batch.dtype != torch.long:
        got = batch.dtype if isinstance(batch, Tensor) else type(batch).__name__
        raise TypeError(f"{caller}(batch): torch.int64, got {got}")
    if x.ndim != 2 or batch.shape != x.shape[:1]:
        wanted = f"the cloud of each point, shape {tuple(x.shape[:1])}" if x.ndim == 2 else "only with x of (nodes, d)"
        raise ValueError(f"{caller}(batch): {wanted}, got {tuple(batch.shape)}")
    if batch.numel() and int(batch.min()) < 0:
        raise ValueError(f"{caller}(batch): clouds are numbered from 0, got {int(batch.min())}")
    return batch


def read_clouds(caller: str, x: Any, d: int | None, batch: Any = None, mask: Any = None, weight: Any = None) -> Clouds:
    """Coordinates in float64 with all checks; what a mask leaves out becomes zero, whatever it was.

    Raises:
        TypeError: for tensors of a wrong dtype.
        ValueError: for wrong shapes, numbers that are not finite, negative weights, and clouds without points.
    """
    x = require_clouds(x, d, caller)
    graph = None if batch is None else require_batch(batch, x, caller)
    if x.ndim == 2 and graph is None:
        graph = torch.zeros(x.shape[0], dtype=torch.long, device=x.device)
        if not x.shape[0]:
            raise ValueError(f"{caller}(x): at least one point, got shape {tuple(x.shape)}")
    counts: Tensor | None = None
    # Coordinates innermost-last are slow to reduce: the points of a cloud are laid side by side, for each coordinate.
    y = x.mT.to(torch.float64, memory_format=torch.contiguous_format, copy=True).mT if x.ndim == 3 else x.double()
    if mask is not None:
        counts = require_mask(mask, x, caller)
        y = torch.where(counts[..., None], y, 0)
    if not bool(y.detach().sum().isfinite()):  # one pass over the data; the slower check names the place
        require_finite(y.detach(), f"{caller}(x)")
    if weight is not None:
        if not isinstance(weight, Tensor) or not weight.is_floating_point() or weight.shape != x.shape[:-1]:
            got = f"{weight.dtype} {tuple(weight.shape)}" if isinstance(weight, Tensor) else type(weight).__name__
            raise ValueError(f"{caller}(weight): floating point, shape {tuple(x.shape[:-1])}, got {got}")
        weight = weight.double() if counts is None else torch.where(counts, weight.double(), 0)
        if not bool(((weight >= 0) & weight.isfinite()).all()):
            raise ValueError(f"{caller}(weight): finite and not negative, got {float(weight.detach().min()):g}")
        counts = weight
    return Clouds.of(y, graph, counts, caller)
