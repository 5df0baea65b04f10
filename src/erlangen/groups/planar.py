r"""Closed forms for 2 by 2 matrices, with derivatives of every order also where eigenvalues coincide.

A symmetric matrix of the plane is :math:`l I + \begin{pmatrix} u & v \\ v & -u \end{pmatrix}`; the second part has the
square :math:`(u^2 + v^2) I`, so that its functions are functions of :math:`q = u^2 + v^2` alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

#: Below this square a function is read off its power series, whose first five terms are then exact to rounding.
SERIES_BELOW = 1e-3
#: Angles this many roundings away from -pi are pi: products of rotations through pi must not flip between the two.
BRANCH = 64


def sinhc(q: Tensor) -> Tensor:
    r"""The entire function :math:`\sinh(\sqrt q) / \sqrt q` of :math:`q \ge 0`."""
    return _of_square(q, torch.sinh, (1.0, 1 / 6, 1 / 120, 1 / 5040, 1 / 362880))


def log_sinhc(q: Tensor) -> Tensor:
    r"""The logarithm of :func:`sinhc`, without overflow."""
    small = q < SERIES_BELOW
    x = torch.where(small, 1.0, q).sqrt()
    far = x + torch.log1p(-(-2 * x).exp()) - (2 * x).log()
    near = torch.where(small, q, 0.0)
    series = near * (1 / 6 + near * (-1 / 180 + near * (1 / 2835 - near / 37800)))
    return torch.where(small, series, far)


def asinhc(q: Tensor) -> Tensor:
    r"""The function :math:`\operatorname{asinh}(\sqrt q) / \sqrt q` of :math:`q \ge 0`."""
    return _of_square(q, torch.asinh, (1.0, -1 / 6, 3 / 40, -5 / 112, 35 / 1152))


def _of_square(q: Tensor, function: Callable[[Tensor], Tensor], series: tuple[float, ...]) -> Tensor:
    # Each branch gets arguments at which its derivatives are finite: a zero times infinity would be no zero.
    small = q < SERIES_BELOW
    x = torch.where(small, 1.0, q).sqrt()
    near = torch.where(small, q, 0.0)
    total = near * series[-1] + series[-2]
    for coefficient in series[-3::-1]:
        total = near * total + coefficient
    return torch.where(small, total, function(x) / x)


def principal_angle(sine: Tensor, cosine: Tensor) -> Tensor:
    r"""The angle in :math:`(-\pi, \pi]` of a vector; rounding does not turn :math:`\pi` into :math:`-\pi`."""
    angle = torch.atan2(sine, cosine)
    edge = angle <= -math.pi * (1 - BRANCH * torch.finfo(angle.dtype).eps)
    return torch.where(edge, math.pi + (angle - angle.detach()), angle)


def rotation_of_angle(angle: Tensor) -> Tensor:
    """Rotations of the plane, shape ``(*K, 2, 2)``; from the first axis to the second through a positive angle."""
    return square_of(angle.cos(), -angle.sin(), angle.sin(), angle.cos())


def square_of(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """The matrices ``[[a, b], [c, d]]``."""
    return torch.stack([a, b, c, d], -1).unflatten(-1, (2, 2))


def polar_of_plane(A: Tensor) -> tuple[Tensor, Tensor]:
    r"""The factors of :math:`A = P R`, where the determinant is positive.

    The cosine and the sine of the rotation are proportional to :math:`(a + d, c - b)`, whose length
    :math:`(|A|^2 + 2 \det A)^{1/2}` is the trace of P and never zero.
    """
    scale = A.detach().abs().amax((-2, -1))
    a, b, c, d = (A / scale[..., None, None]).flatten(-2).unbind(-1)
    trace = torch.hypot(a + d, c - b)
    cosine, sine = (a + d) / trace, (c - b) / trace
    first, second = scale * (a * cosine - b * sine), scale * (c * sine + d * cosine)
    off = scale * (a * c + b * d) / trace
    return square_of(first, off, off, second), square_of(cosine, -sine, sine, cosine)


class PlaneEntries(NamedTuple):
    r"""A matrix of the plane as :math:`\tfrac12 \begin{pmatrix} p + f & g - m \\ g + m & p - f \end{pmatrix}`.

    As complex numbers, :math:`p + i m` is its conformal part, which holds the rotation, and :math:`f + i g` the rest.
    """

    p: Tensor
    m: Tensor
    f: Tensor
    g: Tensor
    determinant: Tensor


def entries_of_plane(A: Tensor) -> PlaneEntries:
    """Reads a matrix of the plane."""
    a, b, c, d = A.flatten(-2).unbind(-1)
    return PlaneEntries(a + d, c - b, a - d, b + c, a * d - b * c)


def log_of_plane(of: PlaneEntries) -> tuple[Tensor, Tensor, Tensor]:
    r"""The logarithm :math:`\tfrac12 \log A A^T = l I + \begin{pmatrix} u & v \\ v & -u \end{pmatrix}`, as (l, u, v).

    With :math:`s = \sqrt{\det A}` and
    :math:`w = \frac{p + i m}{|p + i m|} \cdot \frac{f + i g}{2 s}`, the stretch along the principal axes is
    :math:`\operatorname{asinh} |w|`, and :math:`u + i v` is w with that length; :math:`l = \ln s`. The condition number
    is not squared on the way.
    """
    s = of.determinant.sqrt()
    scale = 0.5 / (torch.hypot(of.p, of.m) * s)
    u, v = (of.p * of.f - of.m * of.g) * scale, (of.p * of.g + of.m * of.f) * scale
    factor = asinhc(u * u + v * v)
    return s.log(), factor * u, factor * v


def exp_of_plane(l: Tensor, u: Tensor, v: Tensor) -> Tensor:
    r"""The exponential of :math:`l I + \begin{pmatrix} u & v \\ v & -u \end{pmatrix}`, shape ``(*K, 2, 2)``."""
    q = u * u + v * v
    grow = l.exp()
    # cosh(x) = 1 + 2 sinh(x / 2)^2 has no square root of q that would need a derivative at zero.
    middle = grow * (1 + q / 2 * sinhc(q / 4).square())
    side = grow * sinhc(q)
    return square_of(middle + side * u, side * v, side * v, middle - side * u)
