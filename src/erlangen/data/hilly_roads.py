r"""Vehicles on hilly roads: tracks that turn about the vertical as they like, and that gravity keeps on the ground.

A vehicle starts anywhere, with heading :math:`\phi \sim U(-\pi, \pi)`, speed :math:`v \sim U(3, 12)` m/s and yaw rate
:math:`\omega \sim N(0, 0.15)` rad/s. On the ground plane it drives along an arc: after time :math:`t` it is

.. math:: v t \, \frac{\sin(\omega t / 2)}{\omega t / 2}

away from its start, in direction :math:`\phi + \omega t / 2`. Below it the road has slope
:math:`\beta \sim N(0, 0.05)` rad and waves of 0.3 m, so that at arc length :math:`s = v t`

.. math:: z = s \tan\beta + 0.3 \sin(2 \pi s / 30 + \psi), \qquad \psi \sim U(-\pi, \pi).

Positions are recorded every 0.2 s, twelve of them, each with noise of 2 cm. Rotations and reflections about the
vertical change nothing in how likely a track is; all other rotations do.

A stand-in for tracks of vehicles in the Waymo Open Motion Dataset, which `erlangen.data.tracks` reads and selects.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from erlangen.data.tracks import STEPS, moving

SECONDS = 0.2
SPEED, YAW, SLOPE = (3.0, 12.0), 0.15, 0.05
WAVE, WAVELENGTH = 0.3, 30.0
NOISE = 0.02
_AREA = 100.0  # metres, to each side


def hilly_roads(
    tracks: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "tracks 12 3"]:
    """Draws tracks of vehicles, of those that `moving` keeps, in metres.

    Args:
        tracks: Number of tracks.
        generator: The randomness.
        dtype: Of the result; computed in float64.

    Raises:
        ValueError: If there is no track.

    >>> hilly_roads(5, torch.Generator().manual_seed(0)).shape
    torch.Size([5, 12, 3])
    """
    if tracks < 1:
        raise ValueError(f"hilly_roads(tracks): a whole number from 1, got {tracks}")
    found: list[Tensor] = []
    while sum(map(len, found)) < tracks:
        drawn = drives(4 * tracks, generator)
        found.append(drawn[moving(drawn)])
    return torch.cat(found)[:tracks].to(dtype)


def drives(tracks: int, generator: torch.Generator, noise: float = NOISE) -> Float[Tensor, "tracks 12 3"]:
    """Draws tracks before any selection, in float64."""

    def uniform(low: float, high: float, columns: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(tracks, columns, generator=generator, dtype=torch.float64)

    def normal(*size: int) -> Tensor:
        return torch.randn(tracks, *size, generator=generator, dtype=torch.float64)

    start = uniform(-_AREA, _AREA, 3)
    heading, speed, phase = uniform(-math.pi, math.pi), uniform(*SPEED), uniform(-math.pi, math.pi)
    yaw, slope = YAW * normal(1), SLOPE * normal(1)
    time = SECONDS * torch.arange(STEPS, dtype=torch.float64)
    along, half = speed * time, yaw * time / 2
    chord = along * torch.sinc(half / math.pi)
    height = along * slope.tan() + WAVE * (2 * math.pi * along / WAVELENGTH + phase).sin()
    road = torch.stack([chord * (heading + half).cos(), chord * (heading + half).sin(), height], -1)
    return start[:, None] + road + noise * normal(STEPS, 3)
