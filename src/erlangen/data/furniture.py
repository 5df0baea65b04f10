"""Scenes of four pieces of furniture, each somewhere and turned somehow: rigid parts that move independently."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from erlangen.groups import SO

PIECES = ("chair", "table", "box", "ball")
GRID, SPACING, JITTER = 3, 2.3, 0.2
NOISE = 0.01


class Arrangement(NamedTuple):
    """Where each of the `PIECES` of each scene stands: rotations and positions."""

    rotation: Float[Tensor, "scenes 4 3 3"]
    position: Float[Tensor, "scenes 4 3"]


class Scenes(NamedTuple):
    """Points of scenes, to which of the `PIECES` each belongs, and the centre of that piece.

    The centre is the mean of the piece's points without noise, moved with the piece.
    """

    points: Float[Tensor, "scenes points 3"]
    piece: Int[Tensor, "scenes points"]
    center: Float[Tensor, "scenes points 3"]


def arrangements(scenes: int, generator: torch.Generator) -> Arrangement:
    """Random places on a grid of three by three, no two pieces in one, and random rotations.

    Args:
        scenes: how many.
        generator: the randomness.

    >>> arrangements(5, torch.Generator().manual_seed(0)).position.shape
    torch.Size([5, 4, 3])
    """
    pieces = len(PIECES)
    places = torch.rand(scenes, GRID * GRID, generator=generator).argsort(1)[:, :pieces]
    grid = torch.stack([places % GRID, places // GRID, torch.zeros_like(places)], -1).double()
    jitter = JITTER * torch.randn(scenes, pieces, 3, generator=generator, dtype=torch.float64)
    return Arrangement(SO(3).sample(scenes, pieces, generator=generator), SPACING * (grid - 1) + jitter)


def furniture(
    arrangement: Arrangement, points: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> Scenes:
    """Scans of arranged furniture, with a noise of 0.01 that moves along: equal generators scan equal points.

    Args:
        arrangement: where the pieces stand.
        points: points of each piece.
        generator: the randomness of the points.
        dtype: of the result; computed in float64.

    Raises:
        ValueError: if there are no points.

    >>> scenes = furniture(arrangements(2, torch.Generator().manual_seed(0)), 64, torch.Generator().manual_seed(1))
    >>> scenes.points.shape, scenes.piece[0].bincount().tolist()
    (torch.Size([2, 256, 3]), [64, 64, 64, 64])
    """
    if points < 1:
        raise ValueError(f"furniture(points): a whole number from 1, got {points}")
    scenes = len(arrangement.position)
    models = torch.stack([_MODELS[name](scenes, points, generator) for name in PIECES], 1)
    noisy = models + NOISE * torch.randn(models.shape, generator=generator, dtype=torch.float64)
    turn, shift = arrangement.rotation.double().mT, arrangement.position.double()[:, :, None]
    center = (models.mean(2, keepdim=True) @ turn + shift).expand_as(models)
    piece = torch.arange(len(PIECES)).repeat_interleave(points).expand(scenes, -1)
    return Scenes((noisy @ turn + shift).flatten(1, 2).to(dtype), piece.clone(), center.flatten(1, 2).to(dtype))


def _uniform(shape: tuple[int, ...], generator: torch.Generator, low: float = 0.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)


def _sphere(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    x = torch.randn(*shape, 3, generator=generator, dtype=torch.float64)
    return x / x.norm(dim=-1, keepdim=True)


def _chair(scenes: int, points: int, generator: torch.Generator) -> Tensor:
    """A square seat, a square back on its far edge, and four legs: each point on one of the six."""
    shape = (scenes, points)
    group = torch.randint(6, shape, generator=generator)
    along = _uniform(shape, generator)
    across = _uniform(shape, generator, -0.5, 0.5)
    seat = torch.stack([across, along - 0.5, torch.zeros_like(along)], -1)
    back = torch.stack([across, torch.full_like(along, 0.5), along], -1)
    leg = (group - 2).clamp_min(0)
    legs = torch.stack([0.9 * (leg % 2) - 0.45, 0.9 * (leg // 2) - 0.45, -0.8 * along], -1)
    which = group[..., None]
    return torch.where(which == 0, seat, torch.where(which == 1, back, legs))


def _table(scenes: int, points: int, generator: torch.Generator) -> Tensor:
    """A disc on one thick leg."""
    shape = (scenes, points)
    top = torch.rand(shape, generator=generator) < 0.7
    angle, height = _uniform(shape, generator, 0.0, 2 * math.pi), _uniform(shape, generator)
    radius = torch.where(top, 0.8 * height.sqrt(), 0.12)
    return torch.stack([radius * angle.cos(), radius * angle.sin(), torch.where(top, 0.0, -height)], -1)


def _box(scenes: int, points: int, generator: torch.Generator) -> Tensor:
    """The surface of a box, evenly."""
    half = torch.tensor([0.35, 0.5, 0.7], dtype=torch.float64)
    area = half.prod() / half
    axis = torch.multinomial(area, scenes * points, replacement=True, generator=generator)
    x = _uniform((scenes * points, 3), generator, -1.0, 1.0)
    side = x.gather(1, axis[:, None]).sign()
    return (x.scatter(1, axis[:, None], side) * half).unflatten(0, (scenes, points))


def _ball(scenes: int, points: int, generator: torch.Generator) -> Tensor:
    """A flattened sphere."""
    return 0.55 * _sphere((scenes, points), generator) * torch.tensor([1.0, 1.0, 0.6], dtype=torch.float64)


_MODELS: dict[str, Callable[[int, int, torch.Generator], Tensor]] = {
    "chair": _chair,
    "table": _table,
    "box": _box,
    "ball": _ball,
}
