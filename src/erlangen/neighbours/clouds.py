"""Points of several clouds in one tensor: read, checked, and laid so far apart that one search serves all of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def read_clouds(caller: str, position: Tensor, batch: Tensor | None) -> tuple[np.ndarray, np.ndarray]:
    """The points in float64, and the number of the cloud of each, both on the CPU.

    Args:
        caller: The function that a user called, for messages.
        position: Coordinates, of shape ``(points, dim)``.
        batch: The cloud of each point, in any order, of shape ``(points,)``; one cloud by default.

    Raises:
        TypeError: If positions are not real floating point numbers, or the batch vector holds no integers.
        ValueError: If shapes are wrong, a coordinate is not finite, or a cloud has a negative number.
    """
    if not position.is_floating_point():
        raise TypeError(f"{caller}(position): real floating point numbers, got {position.dtype}")
    if position.ndim != 2 or position.shape[1] < 1:
        raise ValueError(f"{caller}(position): shape (points, dim), got {tuple(position.shape)}")
    points = position.detach().to("cpu", torch.float64).numpy()
    finite = np.isfinite(points).all(1)
    if not finite.all():
        first = int(np.argmin(finite))
        raise ValueError(f"{caller}(position): finite coordinates, got {points[first].tolist()} at point {first}")
    if batch is None:
        return points, np.zeros(len(points), np.int64)
    if batch.is_floating_point() or batch.is_complex() or batch.dtype == torch.bool:
        raise TypeError(f"{caller}(batch): whole numbers, got {batch.dtype}")
    if batch.shape != position.shape[:1]:
        raise ValueError(
            f"{caller}(batch): the cloud of each of the {len(points)} points, got shape {tuple(batch.shape)}"
        )
    cloud = batch.detach().to("cpu", torch.int64).numpy()
    if len(cloud) and cloud.min() < 0:
        raise ValueError(f"{caller}(batch): clouds are numbered from 0, got {cloud.min()}")
    return points, cloud


def diameter_bound(points: np.ndarray) -> float:
    """The diagonal of the box around all points: no two are farther apart. Zero without points."""
    return float(np.linalg.norm(np.ptp(points, axis=0))) if len(points) else 0.0


def laid_apart(points: np.ndarray, cloud: np.ndarray, apart: float) -> np.ndarray:
    """The points with one more coordinate, in which neighbouring clouds are ``apart`` from each other.

    Distances within a cloud stay as they are, to the last bit.
    """
    return np.concatenate([points, (cloud * apart)[:, None]], axis=1)
