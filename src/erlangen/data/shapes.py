r"""Point clouds on simple solids with their exact normals: superquadrics, boxes, cylinders and tori, axis-aligned.

Every surface is first sampled in a standard size, with points :math:`p`, unit normals :math:`n` and weights :math:`w`
that make up for uneven sampling. Stretching by :math:`D = \mathrm{diag}(a, b, c)` then gives

.. math:: p \mapsto D p, \qquad n \mapsto \frac{D^{-1} n}{\|D^{-1} n\|}, \qquad w \mapsto w\, \|D^{-1} n\|

since an area element with normal :math:`n` grows by :math:`\det D \, \|D^{-1} n\|`. From many candidates the points are
drawn in proportion to their weights, without repetition, so that they lie nearly uniformly on the stretched surface.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

KINDS = ("superquadric", "box", "cylinder", "torus")
CANDIDATES = 16
"""How many candidates are made for every point that is kept."""
_TINY = 1e-12

Vectors = Float[Tensor, "clouds points 3"]
Sampled = tuple[Tensor, Tensor, Tensor]
"""Points and unit normals ``(clouds, points, 3)``, and weights ``(clouds, points)``, of surfaces in standard size."""


class Clouds(NamedTuple):
    """Points, their unit normals (outward), and which of `KINDS` each cloud is."""

    points: Vectors
    normals: Vectors
    kind: Int[Tensor, " clouds"]


def solids(
    clouds: int,
    points: int,
    generator: torch.Generator,
    kinds: tuple[str, ...] = KINDS,
    dtype: torch.dtype = torch.float32,
) -> Clouds:
    """Random solids, each stretched along the axes by factors from 0.4 to 1 and then scaled to unit deviation.

    Args:
        clouds: Number of clouds; the kinds take turns.
        points: Points of each.
        generator: The randomness.
        kinds: Which solids to make, of `KINDS`.
        dtype: Of the result; computed in float64.

    Raises:
        ValueError: If a kind is unknown, or there are no clouds or points.

    >>> made = solids(8, 100, torch.Generator().manual_seed(0))
    >>> made.points.shape, made.kind.tolist()
    (torch.Size([8, 100, 3]), [0, 1, 2, 3, 0, 1, 2, 3])
    """
    if clouds < 1 or points < 1:
        raise ValueError(f"solids(clouds, points): whole numbers from 1, got {clouds} and {points}")
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        raise ValueError(f"solids(kinds): some of {', '.join(KINDS)}, got {', '.join(unknown) or 'none'}")
    kind = torch.tensor([KINDS.index(kinds[i % len(kinds)]) for i in range(clouds)])
    position, normal = torch.empty(2, clouds, points, 3, dtype=torch.float64)
    for number, name in enumerate(KINDS):
        rows = (kind == number).nonzero().flatten()
        if len(rows):
            sampled = _SURFACES[name](len(rows), CANDIDATES * points, generator)
            scale = 0.4 + 0.6 * _uniform((len(rows), 1, 3), generator)
            position[rows], normal[rows] = thinned(stretched(sampled, scale), points, generator)
    deviation = position.square().mean((1, 2), keepdim=True).sqrt()
    return Clouds((position / deviation).to(dtype), normal.to(dtype), kind)


def turned(clouds: Clouds, rotation: Float[Tensor, "clouds 3 3"]) -> Clouds:
    """The clouds and their normals, each turned by its own rotation."""
    turn = rotation.to(clouds.points).mT
    return clouds._replace(points=clouds.points @ turn, normals=clouds.normals @ turn)


def stretched(sampled: Sampled, scale: Tensor) -> Sampled:
    """Surfaces stretched along the axes; ``scale`` has shape ``(clouds, 1, 3)``."""
    points, normals, weight = sampled
    normals = normals / scale
    length = normals.norm(dim=-1)
    return points * scale, normals / length[..., None], weight * length


def thinned(sampled: Sampled, points: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """``points`` of the candidates, drawn without repetition in proportion to their weights."""
    position, normals, weight = sampled
    chosen = torch.multinomial(weight, points, generator=generator)[..., None].expand(-1, -1, 3)
    return position.gather(1, chosen), normals.gather(1, chosen)


def superquadric_level(x: Tensor, roundness: Tensor) -> Tensor:
    r"""The function that is 1 on a superquadric with exponents :math:`(\epsilon_1, \epsilon_2)`, the last axis of both.

    .. math:: F(x) = \left(|x_1|^{2/\epsilon_2} + |x_2|^{2/\epsilon_2}\right)^{\epsilon_2/\epsilon_1}
       + |x_3|^{2/\epsilon_1}

    A ball for exponents of 1, nearly a box for small ones, an octahedron for 2.
    """
    up, around = roundness.unbind(-1)
    flat = x[..., 0].abs() ** (2 / around) + x[..., 1].abs() ** (2 / around)
    return flat ** (around / up) + x[..., 2].abs() ** (2 / up)


def superquadrics(clouds: int, points: int, generator: torch.Generator, roundness: Tensor | None = None) -> Sampled:
    r"""Superquadrics (Barr, "Superquadrics and Angle-Preserving Transformations", 1981) as seen from their centre.

    :math:`F` is homogeneous of degree :math:`2/\epsilon_1`, so the surface lies in direction :math:`u` at the distance
    :math:`r = F(u)^{-\epsilon_1/2}`. Directions are uniform; a unit of solid angle covers the area
    :math:`r^2 / (u \cdot n)`.

    Args:
        clouds: Number of surfaces.
        points: Points of each.
        generator: The randomness.
        roundness: Both exponents of each, ``(clouds, 1, 2)``; drawn from 0.25 to 1.5 by default.
    """
    if roundness is None:
        roundness = 0.25 + 1.25 * _uniform((clouds, 1, 2), generator)
    u = torch.randn(clouds, points, 3, generator=generator, dtype=torch.float64)
    u = u / u.norm(dim=-1, keepdim=True)
    up, around = roundness.unbind(-1)
    distance = superquadric_level(u, roundness) ** (-up / 2)
    x = distance[..., None] * u
    size = x.abs().clamp_min(_TINY)
    flat = size[..., 0] ** (2 / around) + size[..., 1] ** (2 / around)
    side = flat[..., None] ** (around / up - 1)[..., None] * size[..., :2] ** (2 / around - 1)[..., None]
    gradient = x.sign() * torch.cat([side, size[..., 2:] ** (2 / up - 1)[..., None]], -1)
    normals = gradient / gradient.norm(dim=-1, keepdim=True)
    return x, normals, distance**2 / (u * normals).sum(-1)


def boxes(clouds: int, points: int, generator: torch.Generator) -> Sampled:
    """Surfaces of cubes with edges from -1 to 1."""
    x = 2 * _uniform((clouds, points, 3), generator) - 1
    face = torch.randint(6, (clouds, points), generator=generator)
    normals = torch.nn.functional.one_hot(face // 2, 3).double() * (2.0 * (face % 2) - 1)[..., None]
    return torch.where(normals != 0, normals, x), normals, torch.ones(clouds, points, dtype=torch.float64)


def cylinders(clouds: int, points: int, generator: torch.Generator) -> Sampled:
    """Closed cylinders of radius 1, from -1 to 1 in height: two thirds of the area is round, a third in the lids."""
    angle = 2 * math.pi * _uniform((clouds, points), generator)
    radius = _uniform((clouds, points), generator).sqrt()
    height = 2 * _uniform((clouds, points), generator) - 1
    around = torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)], -1)
    along = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    lid = (_uniform((clouds, points), generator) < 1 / 3)[..., None]
    up = height.sign()[..., None] * along
    x = torch.where(lid, radius[..., None] * around + up, around + height[..., None] * along)
    return x, torch.where(lid, up, around), torch.ones(clouds, points, dtype=torch.float64)


def tori(clouds: int, points: int, generator: torch.Generator, tube: Tensor | None = None) -> Sampled:
    """Tori around the third axis, of radius 1.

    Args:
        clouds: Number of surfaces.
        points: Points of each.
        generator: The randomness.
        tube: Radius of each tube, ``(clouds, 1)``; drawn from 0.25 to 0.6 by default.
    """
    tube = 0.25 + 0.35 * _uniform((clouds, 1), generator) if tube is None else tube
    angle, turn = 2 * math.pi * _uniform((2, clouds, points), generator)
    around = torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)], -1)
    along = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    normals = turn.cos()[..., None] * around + turn.sin()[..., None] * along
    return around + tube[..., None] * normals, normals, 1 + tube * turn.cos()


def _uniform(size: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(size, generator=generator, dtype=torch.float64)


_SURFACES: dict[str, Callable[[int, int, torch.Generator], Sampled]] = {
    "superquadric": superquadrics,
    "box": boxes,
    "cylinder": cylinders,
    "torus": tori,
}
