r"""Point clouds of eight kinds of shapes, each in its usual position: upright, but stretched along the axes.

Ellipsoids, surfaces of boxes, open tubes, cones, tori, saddles, right-handed helices and bowls. Some have no skewness
along some of their axes (a torus along none), one is chiral, and two (tube and torus) have two moments that are nearly
equal where they are little stretched: cases that are hard for canonical frames, next to easy ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from erlangen.data.shapes import boxes, tori

KINDS = ("ellipsoid", "box", "tube", "cone", "torus", "saddle", "helix", "bowl")
NOISE = 0.02
"""Deviation of every coordinate of every point from its surface."""
LEAST, MOST = 0.6, 1.4
"""Between these lie the factors by which a shape is stretched along each axis."""
TUBE = 0.35
"""Radius of the tube of a torus of radius 1."""
WIRE = 0.05
"""Deviation of the points of a helix from its line, before stretching."""


class Surfaces(NamedTuple):
    """Points ``(clouds, points, 3)``, and which of `KINDS` each cloud is."""

    points: Float[Tensor, "clouds points 3"]
    kind: Int[Tensor, " clouds"]


def surfaces(clouds: int, points: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Surfaces:
    """Random shapes; the kinds take turns.

    Args:
        clouds: number of clouds.
        points: points of each.
        generator: the randomness.
        dtype: of the result; computed in float64.

    Raises:
        ValueError: if there are no clouds or points.

    >>> made = surfaces(16, 100, torch.Generator().manual_seed(0))
    >>> made.points.shape, made.kind.tolist()[:9]
    (torch.Size([16, 100, 3]), [0, 1, 2, 3, 4, 5, 6, 7, 0])
    """
    if clouds < 1 or points < 1:
        raise ValueError(f"surfaces(clouds, points): whole numbers from 1, got {clouds} and {points}")
    kind = torch.arange(clouds) % len(KINDS)
    stretch = LEAST + (MOST - LEAST) * torch.rand(clouds, 1, 3, generator=generator, dtype=torch.float64)
    return Surfaces(sampled(kind, stretch, points, generator).to(dtype), kind)


def sampled(
    kind: Int[Tensor, " clouds"],
    stretch: Float[Tensor, "clouds 1 3"],
    points: int,
    generator: torch.Generator,
) -> Float[Tensor, "clouds points 3"]:
    """Points on given shapes, in float64: another sample with each call.

    Args:
        kind: which of `KINDS` each cloud is.
        stretch: factors along the axes.
        points: points of each cloud.
        generator: the randomness.
    """
    x = torch.empty(len(kind), points, 3, dtype=torch.float64)
    for number, name in enumerate(KINDS):
        rows = (kind == number).nonzero().flatten()
        if len(rows):
            x[rows] = _SHAPES[name](len(rows), points, generator)
    noise = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    return x * stretch.double() + NOISE * noise


def _uniform(clouds: int, points: int, generator: torch.Generator) -> Tensor:
    return torch.rand(clouds, points, generator=generator, dtype=torch.float64)


def _around(radius: Tensor, angle: Tensor, height: Tensor) -> Tensor:
    return torch.stack([radius * angle.cos(), radius * angle.sin(), height], -1)


def _sphere(clouds: int, points: int, generator: torch.Generator) -> Tensor:
    u = torch.randn(clouds, points, 3, generator=generator, dtype=torch.float64)
    return u / u.norm(dim=-1, keepdim=True)


def _box(clouds: int, points: int, generator: torch.Generator) -> Tensor:
    return boxes(clouds, points, generator)[0]


def _tube(clouds: int, points: int, generator: torch.Generator) -> Tensor:
    angle, height = (_uniform(clouds, points, generator) for _ in range(2))
    return _around(torch.ones_like(angle), 2 * math.pi * angle, 2 * height - 1)


def _cone(clouds: int, points: int, generator: torch.Generator) -> Tensor:
    # The mantle from the apex at height 1 to a circle of radius 1 at -1: its area grows with the radius squared.
    radius = _uniform(clouds, points, generator).sqrt()
    return _around(radius, 2 * math.pi * _uniform(clouds, points, generator), 1 - 2 * radius)


def _torus(clouds: int, points: int, generator: torch.Generator) -> Tensor:
    return tori(clouds, points, generator, torch.full((clouds, 1), TUBE, dtype=torch.float64))[0]


def _saddle(clouds: int, points: int, generator: torch.Generator) -> Tensor:
    x, y = (2 * _uniform(clouds, points, generator) - 1 for _ in range(2))
    return torch.stack([x, y, x.square() - y.square()], -1)


def _helix(clouds: int, points: int, generator: torch.Generator) -> Tensor:
    along = _uniform(clouds, points, generator)
    line = _around(torch.ones_like(along), 4 * math.pi * along, 2 * along - 1)
    return line + WIRE * torch.randn(line.shape, generator=generator, dtype=torch.float64)


def _bowl(clouds: int, points: int, generator: torch.Generator) -> Tensor:
    u = _sphere(clouds, points, generator)
    return torch.cat([u[..., :2], -u[..., 2:].abs()], -1)


_SHAPES: dict[str, Callable[[int, int, torch.Generator], Tensor]] = {
    "ellipsoid": _sphere,
    "box": _box,
    "tube": _tube,
    "cone": _cone,
    "torus": _torus,
    "saddle": _saddle,
    "helix": _helix,
    "bowl": _bowl,
}
