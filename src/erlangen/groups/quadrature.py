"""Quadrature on rotations, and on the stretches and linear groups of the plane."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from erlangen.groups.group import Group
from erlangen.groups.haar import log_polar_constant, log_positive_density
from erlangen.groups.matrix import SL, SO, GLPlus
from erlangen.groups.planar import exp_of_plane, rotation_of_angle
from erlangen.groups.positive import SPD, SSPD


@dataclass(frozen=True, eq=False)
class Quadrature:
    """Elements and weights, whose weighted sums are integrals for the invariant measure.

    Args:
        matrix: the elements.
        weight: their weights.
    """

    matrix: Float[Tensor, "num n n"]
    weight: Float[Tensor, " num"]

    def __len__(self) -> int:
        return len(self.matrix)

    def integrate(self, function: Callable[[Tensor], Tensor]) -> Tensor:
        """The weighted sum of a function from elements, shape ``(num, n, n)``, to values ``(num, *event)``.

        Raises:
            ValueError: if the function gives another number of values.
        """
        values = function(self.matrix)
        if values.ndim < 1 or len(values) != len(self):
            raise ValueError(f"integrate(function): values of shape ({len(self)}, *event), got {tuple(values.shape)}")
        return torch.tensordot(self.weight.to(values.dtype), values, dims=1)


def quadrature(
    space: Group | SPD,
    degree: int,
    radius: float | None = None,
    nodes: int | None = None,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
) -> Quadrature:
    r"""A deterministic rule for integrals over rotations, positive matrices and linear maps of the plane.

    * SO(2): equidistant angles; SO(3): equidistant Euler angles :math:`\alpha, \gamma` and Gauss-Legendre nodes in
      :math:`\cos\beta`. Exact for polynomials of the given degree in the entries of the matrix.
    * SSPD(2): :math:`S = e^{2Y}` with polar coordinates of the plane of traceless Y, Gauss-Legendre up to
      :math:`|Y| \le` ``radius`` and equidistant in angle. SPD(2): times Gauss-Legendre in the trace,
      :math:`|\operatorname{tr} Y| / \sqrt 2 \le` ``radius``.
    * SL(2), GL+(2): these times SO(2).

    Angles have ``degree + 1`` nodes each, and :math:`\cos\beta` half as many. For functions that are smooth and
    negligible beyond the radius the error falls faster than any power of the numbers of nodes. Which multiples of the
    measures are meant is said in :mod:`erlangen.groups.haar`.

    Args:
        space: SO(2), SO(3), SPD(2), SSPD(2), SL(2) or GLPlus(2).
        degree: of the polynomials that are integrated exactly over rotations, at least zero.
        radius: where the stretches end; needed but for rotations.
        nodes: of the rule of Gauss and Legendre in each length of a stretch; ``degree + 1`` by default.
        dtype: of elements and weights, which are computed in float64.
        device: of elements and weights.

    Raises:
        ValueError: for another space, a negative degree, no nodes, or a radius that is missing, not needed or not
            positive.

    Example:
        >>> from erlangen.groups import SO
        >>> rule = quadrature(SO(3), degree=2)
        >>> len(rule), round(float(rule.integrate(lambda R: R[:, 0, 0] ** 2)), 12)
        (18, 0.333333333333)
    """
    if isinstance(degree, bool) or not isinstance(degree, int) or degree < 0:
        raise ValueError(f"quadrature(degree): a whole number from 0, got {degree!r}")
    rotations = space in (SO(2), SO(3))
    if not rotations and space not in (SPD(2), SSPD(2), SL(2), GLPlus(2)):
        raise ValueError(f"quadrature(space): SO(2), SO(3), SPD(2), SSPD(2), SL(2) or GLPlus(2), got {space!r}")
    if rotations and radius is not None:
        raise ValueError(f"quadrature(radius): none for {space}, whose measure is finite, got {radius!r}")
    if not rotations and (radius is None or not 0 < radius < math.inf):
        raise ValueError(f"quadrature(radius): a positive number for {space}, got {radius!r}")
    nodes = degree + 1 if nodes is None else nodes
    if isinstance(nodes, bool) or not isinstance(nodes, int) or nodes < 1:
        raise ValueError(f"quadrature(nodes): a whole number from 1, got {nodes!r}")
    if radius is None:
        matrix, weight = _plane_turns(degree) if space == SO(2) else _space_turns(degree)
    elif isinstance(space, SPD):
        Y, weight = _stretches(degree, nodes, radius, space.traceless)
        matrix = _exp(2 * Y)
    else:
        special = isinstance(space, SL)
        Y, weight = _stretches(degree, nodes, radius, special)
        turns, share = _plane_turns(degree)
        matrix = (_exp(Y)[:, None] @ turns).flatten(0, 1)
        constant = math.exp(log_polar_constant(2)) * (2 if special else 1)
        weight = constant * (weight[:, None] * share).flatten()
    return Quadrature(matrix.to(dtype=dtype, device=device), weight.to(dtype=dtype, device=device))


def _plane_turns(degree: int) -> tuple[Tensor, Tensor]:
    angles = 2 * math.pi / (degree + 1) * torch.arange(degree + 1, dtype=torch.float64)
    return rotation_of_angle(angles), torch.full_like(angles, 1 / (degree + 1))


def _space_turns(degree: int) -> tuple[Tensor, Tensor]:
    turns, share = _plane_turns(degree)
    height, half = _gauss(degree // 2 + 1)
    tilt = rotation_of_angle(torch.acos(height))
    about_z, about_y = _padded(turns), _padded(tilt)[:, [0, 2, 1]][:, :, [0, 2, 1]]
    matrix = about_z[:, None, None] @ about_y[None, :, None] @ about_z[None, None, :]
    weight = share[:, None, None] * (half / 2)[None, :, None] * share
    return matrix.flatten(0, 2), weight.flatten()


def _padded(turns: Tensor) -> Tensor:
    out = torch.eye(3, dtype=turns.dtype).repeat(len(turns), 1, 1)
    out[:, :2, :2] = turns
    return out


def _stretches(degree: int, nodes: int, radius: float, traceless: bool) -> tuple[Tensor, Tensor]:
    r"""Logarithms :math:`Y = \tfrac12 \log S` and weights for the measure of S, shapes ``(N, 2, 2)`` and ``(N,)``."""
    node, share = _gauss(nodes)
    length, ring = radius * (node + 1) / 2, radius * share / 2
    angle = 2 * math.pi / (degree + 1) * torch.arange(degree + 1, dtype=torch.float64)
    u, v = (length[:, None] * torch.stack([angle.cos(), angle.sin()])[:, None] / math.sqrt(2)).flatten(1)
    weight = (length * ring)[:, None].expand(-1, degree + 1).flatten() * 2 * math.pi / (degree + 1)
    if traceless:
        m = torch.zeros_like(u)
    else:
        m = (radius * node / math.sqrt(2)).repeat_interleave(len(u))
        u, v = u.repeat(nodes), v.repeat(nodes)
        weight = (radius * share)[:, None].mul(weight).flatten()
    Y = torch.stack([m + u, v, v, m - u], -1).unflatten(-1, (2, 2))
    dim = 2 if traceless else 3
    return Y, weight * 2**dim * log_positive_density(2 * Y, traceless).exp()


def _gauss(num: int) -> tuple[Tensor, Tensor]:
    node, weight = np.polynomial.legendre.leggauss(num)
    return torch.from_numpy(node), torch.from_numpy(weight)


def _exp(Y: Tensor) -> Tensor:
    return exp_of_plane((Y[:, 0, 0] + Y[:, 1, 1]) / 2, (Y[:, 0, 0] - Y[:, 1, 1]) / 2, Y[:, 0, 1])
