"""Figures of six ellipsoids with joints: bodies that take poses, and subjects that differ in their measures."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from erlangen.groups import SO

LIMBS = ("torso", "head", "left arm", "right arm", "left leg", "right leg")
#: What kind each limb is of: left and right are mirror images, so that reflections tell nothing but kinds apart.
KINDS = ("torso", "head", "arm", "leg")
KIND = (0, 1, 2, 2, 3, 3)
#: Half axes of the mean figure at rest: across, front to back, up.
HALF = ((0.32, 0.2, 0.5), (0.2, 0.2, 0.26), *((0.42, 0.1, 0.1),) * 2, *((0.13, 0.13, 0.5),) * 2)
#: Where each limb is joined to the torso, in its half axes, and the direction in which it points when at rest.
JOINT = ((0.0, 0.0, 0.0), (0.0, 0.0, 1.05), (-1.0, 0.0, 0.7), (1.0, 0.0, 0.7), (-0.6, 0.0, -1.0), (0.6, 0.0, -1.0))
#: Arms are stretched out to the sides.
REST = ((0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (-1.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 0.0, -1.0))
SPREAD = 0.25
NOISE = 0.01


class Figures(NamedTuple):
    """Points of figures, to which of the `LIMBS` each belongs, the centre of that limb, and whose figure it is."""

    points: Float[Tensor, "figures points 3"]
    limb: Int[Tensor, "figures points"]
    center: Float[Tensor, "figures points 3"]
    subject: Int[Tensor, " figures"]


def measures(subjects: int, generator: torch.Generator) -> Float[Tensor, "subjects 6 3"]:
    """Half axes of the limbs of each subject: those of the mean figure times factors from 0.75 to 1.25.

    Left and right are alike.

    >>> measures(5, torch.Generator().manual_seed(0)).shape
    torch.Size([5, 6, 3])
    """
    factor = 1 + SPREAD * (2 * torch.rand(subjects, len(LIMBS), 3, generator=generator, dtype=torch.float64) - 1)
    factor[:, [3, 5]] = factor[:, [2, 4]]
    return torch.tensor(HALF, dtype=torch.float64) * factor


def figures(
    half: Float[Tensor, "subjects 6 3"],
    count: int,
    points: int,
    angles: tuple[int | float, int | float],
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> Figures:
    """Figures in random poses: each limb is turned about its joint, by an angle from a range about a random axis.

    The torso stays upright. Points lie on the surfaces of the ellipsoids, with a noise of 0.01, and are numbered limb
    after limb, on each about as many as on another.

    Args:
        half: half axes, see `measures`; subjects take turns.
        count: number of figures.
        points: points of each.
        angles: smallest and largest angle, in degrees.
        generator: the randomness.
        dtype: of the result; computed in float64.

    Raises:
        ValueError: if the range is empty or not within 0 to 180, or there are fewer points than limbs.

    >>> rng = torch.Generator().manual_seed(0)
    >>> made = figures(measures(5, rng), 10, 60, (0, 40), rng)
    >>> made.points.shape, made.subject.tolist(), made.limb[0].bincount().tolist()
    (torch.Size([10, 60, 3]), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4], [10, 10, 10, 10, 10, 10])
    """
    limbs = len(LIMBS)
    if not 0 <= angles[0] <= angles[1] <= 180:
        raise ValueError(f"figures(angles): two angles from 0 to 180, ascending, got {angles}")
    if points < limbs or count < 1:
        raise ValueError(f"figures(count, points): at least one figure of {limbs} points, got {count} of {points}")
    subject = torch.arange(count) % len(half)
    axes = half.double()[subject]
    limb = torch.arange(points) * limbs // points
    sphere = torch.randn(count, points, 3, generator=generator, dtype=torch.float64)
    sphere = sphere / sphere.norm(dim=-1, keepdim=True)
    turn = _poses(count, angles, generator)
    joint = torch.tensor(JOINT, dtype=torch.float64) * axes[:, :1]
    rest = torch.tensor(REST, dtype=torch.float64) * axes
    center = joint + (turn @ rest[..., None])[..., 0]
    local = (turn[:, limb] @ (sphere * axes[:, limb])[..., None])[..., 0]
    noise = NOISE * torch.randn(local.shape, generator=generator, dtype=torch.float64)
    middle = center[:, limb]
    return Figures((local + middle + noise).to(dtype), limb.expand(count, -1).clone(), middle.to(dtype), subject)


def _poses(count: int, angles: tuple[int | float, int | float], generator: torch.Generator) -> Tensor:
    """A rotation for each limb; none for the torso."""
    shape = (count, len(LIMBS))
    low, high = (math.radians(angle) for angle in angles)
    angle = low + (high - low) * torch.rand(*shape, 1, 1, generator=generator, dtype=torch.float64)
    axis = torch.randn(*shape, 1, 3, generator=generator, dtype=torch.float64)
    axis = axis / axis.norm(dim=-1, keepdim=True)
    across = torch.linalg.cross(axis, torch.eye(3, dtype=torch.float64).expand(*shape, 3, 3)).mT
    turn = SO(3).exp(angle * across)
    turn[:, 0] = torch.eye(3, dtype=torch.float64)
    return turn
