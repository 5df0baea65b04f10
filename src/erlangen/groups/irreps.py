"""Irreducible representations of O(3), in the notation of e3nn, without importing it.

The matrices are fitted from spherical harmonics, :math:`Y_l(R p) = D_l(R) Y_l(p)` at enough points ``p``. That is
exact to rounding in float64 and smooth at the identity, where formulas through Euler angles are not.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from erlangen.groups.affine import SE, E
from erlangen.groups.element import Element
from erlangen.groups.group import Group
from erlangen.groups.hom import Hom
from erlangen.groups.matrix import SO, O
from erlangen.groups.representation import Representation, direct_sum

#: Largest degree whose matrices are tested to rounding.
MAX_DEGREE = 12


def harmonics(degree: int, points: Tensor) -> Tensor:
    r"""Real spherical harmonics of one degree at points of the unit sphere, orthonormal for the surface measure.

    The polar axis is ``y``, the azimuth is ``atan2(x, z)``, orders run from ``-l`` to ``l`` with sines first, without
    a Condon-Shortley sign, as in e3nn. With :math:`c_m + i s_m = (z + i x)^m`,

    .. math:: Y_{l,0} = Q_l^0(y), \quad Y_{l,m} = \sqrt 2\, Q_l^m(y)\, c_m, \quad Y_{l,-m} = \sqrt 2\, Q_l^m(y)\, s_m

    where :math:`Q_l^m` is the normalised Legendre function divided by :math:`(1 - y^2)^{m/2}`, by recursion in l.

    Args:
        degree: l >= 0.
        points: shape ``(*, 3)``, of length one.

    Returns:
        Shape ``(*, 2 l + 1)``.
    """
    x, y, z = points.unbind(-1)
    cosines, sines = [torch.ones_like(y)], [torch.zeros_like(y)]
    for _ in range(degree):
        c, s = cosines[-1], sines[-1]
        cosines.append(c * z - s * x)
        sines.append(c * x + s * z)
    legendre = []
    start = math.sqrt(1 / (4 * math.pi))
    for m in range(degree + 1):
        if m:
            start *= math.sqrt((2 * m + 1) / (2 * m))
        below, here = torch.zeros_like(y), torch.full_like(y, start)
        for k in range(m + 1, degree + 1):
            a = math.sqrt((4 * k * k - 1) / (k * k - m * m))
            b = math.sqrt(((k - 1) ** 2 - m * m) / (4 * (k - 1) ** 2 - 1))
            below, here = here, a * (y * here - b * below)
        legendre.append(here)
    root = math.sqrt(2)
    rows = [root * legendre[m] * sines[m] for m in range(degree, 0, -1)]
    rows.append(legendre[0])
    rows.extend(root * legendre[m] * cosines[m] for m in range(1, degree + 1))
    return torch.stack(rows, -1)


@cache
@torch.inference_mode(False)  # what is kept must serve autograd later, whoever asks first
def _fit(degree: int) -> tuple[Tensor, Tensor]:
    """Points spread over the sphere, and the pseudo-inverse of their harmonics."""
    count = 3 * (2 * degree + 1)
    i = torch.arange(count, dtype=torch.float64, device="cpu") + 0.5
    y, angle = 1 - 2 * i / count, i * math.pi * (3 - math.sqrt(5))
    r = (1 - y * y).sqrt()
    points = torch.stack([r * angle.sin(), y, r * angle.cos()], -1)
    return points, torch.linalg.pinv(harmonics(degree, points))


@cache
@torch.inference_mode(False)
def _turns(degree: int) -> Tensor:
    """The derivatives of Wigner's matrices along the basis of the algebra of SO(3), shape ``(3, 2 l + 1, 2 l + 1)``."""
    points, inverse = _fit(degree)
    velocities = [points @ A.mT for A in SO(3).algebra_basis(device="cpu") if isinstance(A, Tensor)]
    moved = [torch.func.jvp(lambda p: harmonics(degree, p), (points,), (v,))[1] for v in velocities]
    return torch.stack([(inverse @ m).mT for m in moved])


def wigner_d(degree: int, rotation: Tensor) -> Tensor:
    r"""Wigner's matrices, :math:`Y_l(R p) = D_l(R) Y_l(p)`, also for reflections (natural parity).

    Args:
        degree: l >= 0; rounding stays below 1e-13 up to l = 12.
        rotation: orthogonal, shape ``(*K, 3, 3)``; computed in float64 and returned in the dtype of the rotation.

    Returns:
        Shape ``(*K, 2 l + 1, 2 l + 1)``.
    """
    points, inverse = (t.to(rotation.device) for t in _fit(degree))
    moved = harmonics(degree, points @ rotation.double().mT)
    return (inverse @ moved).mT.to(rotation.dtype)


@dataclass(frozen=True)
class Irrep(Representation):
    """The irreducible representation of degree ``l`` and parity ``p`` (1 even, -1 odd) of O(3), or of SO(3)."""

    l: int
    p: int
    group: Group = O(3)

    @property
    def dim(self) -> int:
        return 2 * self.l + 1

    def rho(self, g: Element) -> Tensor:
        assert isinstance(g, Tensor)
        d = wigner_d(self.l, g)
        if self.p != (-1) ** self.l:
            d = d * torch.linalg.det(g).sign()[..., None, None]
        return d

    def drho(self, A: Element) -> Tensor:
        assert isinstance(A, Tensor)
        coordinates = torch.stack([A[..., 1, 0], A[..., 2, 0], A[..., 2, 1]], -1)
        return torch.einsum("...a,aij->...ij", coordinates, _turns(self.l).to(A))

    @property
    def orthogonal(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"{self.l}{'e' if self.p == 1 else 'o'}"


_TERM = re.compile(r"\s*(?:(\d+)\s*x\s*)?(\d+)\s*([eoy])\s*")


def Irreps(spec: object, group: Group = O(3)) -> Representation:
    """A direct sum of irreducible representations in e3nn's notation.

    Args:
        spec: ``"2x0e+1x1o"``, or any object whose ``str`` reads so (e3nn's own ``Irreps``).
        group: O(3), SO(3), E(3) or SE(3); the last two act through their linear part. Parities count for O(3) and E(3).

    Raises:
        ValueError: when a term cannot be read (named), or the group is another one.

    Example:
        >>> Irreps("2x0e+1x1o").dim
        5
    """
    if group in (E(3), SE(3)):
        linear = O(3) if group == E(3) else SO(3)
        return Irreps(spec, linear).along(Hom.canonical(group, linear))
    if group not in (O(3), SO(3)):
        raise ValueError(f"Irreps(spec, group): O(3), SO(3), E(3) or SE(3), got {group}")
    text = str(spec)
    parts = []
    for term in text.split("+") if text.strip() else []:
        match = _TERM.fullmatch(term)
        if match is None:
            raise ValueError(
                f"Irreps(spec): {term.strip()!r} in {text!r} is not of the form '2x1o' (multiplicity, degree, parity)"
            )
        copies, degree, parity = match.group(1), match.group(2), match.group(3)
        p = (-1) ** int(degree) if parity == "y" else (1 if parity == "e" else -1)
        parts.append((int(copies or 1), Irrep(int(degree), p, group)))
    return direct_sum(*parts, group=group)
