"""Tracks of vehicles in space: six positions that are known, six that follow, every 0.2 s.

Tracks come from `erlangen.data.hilly_roads`, or from an export of the Waymo Open Motion Dataset, which needs a
registration and is not handed on: of each vehicle the positions at every second of the first 24 steps (10 Hz), stored
as an array ``(tracks, 12, 3)`` in metres, one file ``.npy`` per part (training, validation, test).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from erlangen.data.sources import find_source

STEPS, KNOWN = 12, 6
LEAST_CLIMB, LARGEST_DRIVE = 0.05, 5.0
PARTS = ("training", "validation", "test")

Positions = Float[Tensor, "tracks 12 3"]


class Motion(NamedTuple):
    """Positions that are known and those that follow, relative to the mean of the known ones."""

    past: Float[Tensor, "tracks 6 3"]
    future: Float[Tensor, "tracks 6 3"]


def read_tracks(file: str | os.PathLike[str]) -> Float[Tensor, "tracks 12 3"]:
    """Reads tracks from a ``.npy`` file, as float64.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no ``.npy`` file of numbers, or its array is not of finite numbers ``(tracks, 12, 3)``
            with at least one track.
    """
    try:
        array = np.load(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{file} is not an array of numbers in the format .npy: {error}") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        got = f"numbers of type {array.dtype}" if isinstance(array, np.ndarray) else "several arrays"
        raise ValueError(f"{file} takes one array of real numbers, got {got}")
    if array.ndim != 3 or array.shape[1:] != (STEPS, 3) or not len(array):
        raise ValueError(f"{file} takes an array of shape (tracks, {STEPS}, 3), got {array.shape}")
    tracks = torch.from_numpy(array.astype(np.float64))
    wrong = (~tracks.isfinite()).flatten(1).any(1)
    if wrong.any():
        raise ValueError(f"{file}: track {int(wrong.nonzero()[0])} holds numbers that are not finite")
    return tracks


def load_waymo_tracks(part: str, root: Path | None = None) -> Float[Tensor, "tracks 12 3"]:
    """Reads one part of exported Waymo tracks below the data root.

    Args:
        part: ``"training"``, ``"validation"`` or ``"test"``.
        root: The data root; ``ERLANGEN_DATA`` by default.

    Raises:
        MissingDataError: If the files are not there; says where they belong and where to get them.
        ValueError: If there is no such part, or as `read_tracks`.
    """
    if part not in PARTS:
        raise ValueError(f"load_waymo_tracks(part): one of {', '.join(PARTS)}, got {part!r}")
    return read_tracks(find_source("waymo-tracks", root) / f"{part}.npy")


def moving(tracks: Positions) -> Bool[Tensor, " tracks"]:
    """Which tracks climb or fall by over 5 cm while they are known, and drive less than 5 m along x and along y.

    The choice depends on known positions alone, so it does not change what follows on what.
    """
    drive = (tracks[:, KNOWN - 1] - tracks[:, 0]).abs()
    return (drive[:, 2] > LEAST_CLIMB) & (drive[:, :2] < LARGEST_DRIVE).all(1)


def motions(tracks: Positions) -> Motion:
    """Cuts tracks into what is known and what follows, each seen from the mean of its known positions.

    >>> made = motions(torch.arange(12.0)[None, :, None].expand(1, 12, 3))
    >>> made.past[0, :, 0].tolist(), made.future[0, 0].tolist()
    ([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], [3.5, 3.5, 3.5])
    """
    centred = tracks - tracks[:, :KNOWN].mean(1, keepdim=True)
    return Motion(centred[:, :KNOWN], centred[:, KNOWN:])


def spread(vectors: Float[Tensor, "tracks points 3"], per_axis: bool = False) -> Float[Tensor, " 3"]:
    """The root mean square of coordinates, the unit in which a network sees them.

    Args:
        vectors: Positions, or differences of positions, of tracks to learn from.
        per_axis: One number for each axis, which makes height as large as the rest, and which rotations do not keep;
            by default one number for all, thrice.

    Raises:
        ValueError: If an axis has no spread.

    >>> spread(torch.tensor([[[3.0, 4.0, 5.0]]]), per_axis=True)
    tensor([3., 4., 5.])
    """
    square = vectors.flatten(0, 1).square()
    found = square.mean(0) if per_axis else square.mean().expand(3)
    if not bool((found > 0).all()):
        raise ValueError("spread(vectors): vectors that have some size along each axis, got tracks that stand still")
    return found.sqrt()
