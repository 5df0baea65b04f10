"""Sets of points on the sphere that know polynomials exactly: by quadrature, or by interpolation.

Points and weights are numpy arrays in float64. A polynomial of degree D on the sphere is a combination of harmonics of
degree <= D. Quadrature integrates all of them exactly, interpolation finds their coefficients from values at as many
points as there are coefficients.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from erlangen.o3.harmonics import components, real_spherical_harmonics

#: The degrees for which Lebedev's rules exist.
LEBEDEV_DEGREES = (
    3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 35, 41, 47, 53, 59, 65, 71, 77, 83, 89, 95, 101, 107, 113,
    119, 125, 131,
)  # fmt: skip


@torch.no_grad()
def evaluate(lmax: int, points: np.ndarray) -> np.ndarray:
    """Harmonics at points, shape ``(points, (lmax + 1) ** 2)``."""
    return real_spherical_harmonics(lmax, torch.from_numpy(points)).numpy()


def gauss_legendre(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes along the axis, uniform angles around it: exact for polynomials of a degree.

    Returns:
        Points ``(G, 3)`` and weights ``(G,)``, with sum 4 pi and ``G = ((degree + 2) // 2) * (degree + 1)``.
    """
    heights, weights = np.polynomial.legendre.leggauss((degree + 2) // 2)
    around = degree + 1
    angle = 2 * math.pi * np.arange(around) / around
    y = np.repeat(heights, around)
    radius = np.sqrt(1 - y * y)
    angles = np.tile(angle, len(heights))
    points = np.stack([radius * np.sin(angles), y, radius * np.cos(angles)], -1)
    return points, np.repeat(weights, around) * (2 * math.pi / around)


def lebedev(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Lebedev's rule, the smallest that is exact for polynomials of a degree; some rules have negative weights.

    Raises:
        ValueError: above degree 131, the largest rule.
        ImportError: when the installed scipy has no Lebedev rules (before 1.15).

    Source: Lebedev, Laikov, "A quadrature formula for the sphere of the 131st algebraic order of accuracy", 1999.
    """
    try:
        from scipy.integrate import lebedev_rule
    except ImportError as error:
        raise ImportError("method='grid:lebedev' needs scipy >= 1.15: pip install 'scipy>=1.15'") from error
    rule = next((n for n in LEBEDEV_DEGREES if n >= degree), None)
    if rule is None:
        raise ValueError(f"method='grid:lebedev': rules end at degree {LEBEDEV_DEGREES[-1]}, got {degree}")
    points, weights = lebedev_rule(rule)
    return np.ascontiguousarray(points.T), weights


def _spread(matrix: np.ndarray) -> np.ndarray:
    """Rows of a matrix, as many as columns, whose determinant is large: greedily, by pivoted QR."""
    from scipy.linalg import qr  # a tenth of a second, and only needed here

    pivots = qr(matrix.T, mode="r", pivoting=True, check_finite=False)[-1]
    return np.sort(pivots[: matrix.shape[1]])


@cache
def interpolation(degree: int) -> np.ndarray:
    """Points ``((degree + 1) ** 2, 3)`` that determine a polynomial of a degree, well conditioned.

    Approximate Fekete points: the greedy choice among those of a fine quadrature.

    Source: Sommariva, Vianello, "Computing approximate Fekete points by QR factorizations of Vandermonde matrices",
    2009.
    """
    points, weights = gauss_legendre(2 * degree + 2)
    return points[_spread(np.sqrt(weights)[:, None] * evaluate(degree, points))]


@cache
def half_interpolation(degree: int) -> np.ndarray:
    """Points ``((degree + 1) * (degree + 2) / 2, 3)`` of one hemisphere, which with their antipodes determine it.

    Even and odd polynomials are known from their values on a hemisphere. There are most of those of the parity of
    ``degree``; points that are good for them serve the others, too.
    """
    points, weights = gauss_legendre(2 * degree + 2)
    half = points[:, 1] > -1e-12  # no two antipodes on the equator: the number of angles is odd
    points, weights = points[half], weights[half]
    same = components([l for l in range(degree + 1) if (degree - l) % 2 == 0])
    return points[_spread(np.sqrt(weights)[:, None] * evaluate(degree, points)[:, same])]


def half_lebedev(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """One of each pair of antipodes of Lebedev's rule, with the weight of both."""
    points, weights = lebedev(degree)
    rounded = np.round(points, 9)
    first = np.array([tuple(p) > tuple(-p) for p in rounded + 0.0])
    return points[first], 2 * weights[first]


def tangents(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal tangent vectors ``a`` and ``b`` with ``a x b = p`` at each point."""
    across = np.eye(3)[np.abs(points).argmin(-1)]
    a = np.cross(across, points)
    a /= np.linalg.norm(a, axis=-1, keepdims=True)
    return a, np.cross(points, a)


def slopes(lmax: int, points: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Derivatives of the harmonics at points along tangent directions, shape ``(points, (lmax + 1) ** 2)``."""
    where, along = torch.from_numpy(points), torch.from_numpy(directions)
    moved: Tensor = torch.func.jvp(_Harmonics(lmax), (where,), (along,))[1]
    return moved.detach().numpy()


class _Harmonics:
    """Harmonics as a function of points alone."""

    def __init__(self, lmax: int) -> None:
        self.lmax = lmax

    def __call__(self, points: Tensor) -> Tensor:
        return real_spherical_harmonics(self.lmax, points)
