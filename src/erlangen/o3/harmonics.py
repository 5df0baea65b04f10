"""Real spherical harmonics of all degrees up to a largest one, and the numbering of their components."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor


def real_spherical_harmonics(lmax: int, xyz: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch components"]:
    r"""Orthonormal real spherical harmonics of the directions of vectors, all degrees from 0 to ``lmax``.

    The polar axis is ``y``, the azimuth is ``atan2(x, z)``, there is no Condon-Shortley sign: e3nn's basis with
    ``normalization="integral"``. Component ``(l, m)`` stands at ``l * l + l + m``. For unit vectors, with
    :math:`c_m + i s_m = (z + i x)^m`,

    .. math:: Y_{l,0} = Q_l^0(y), \quad Y_{l,m} = \sqrt 2\, Q_l^m(y)\, c_m, \quad Y_{l,-m} = \sqrt 2\, Q_l^m(y)\, s_m

    where :math:`Q_l^m` is the normalised Legendre function divided by :math:`(1 - y^2)^{m/2}`. The recursions over l
    and m are stable, and polynomials in x, y, z, so that all derivatives are finite at the poles, too.

    A vector of length zero has no direction: there every degree but 0 is set to zero, with derivatives of zero.

    Args:
        lmax: largest degree; tested to degree 24 in both precisions.
        xyz: vectors of any length, shape ``(*, 3)``.

    Returns:
        Shape ``(*, (lmax + 1) ** 2)``, in the dtype of ``xyz``.

    Raises:
        ValueError: when ``lmax`` is negative or the last axis is not three.
        TypeError: when ``xyz`` is not of a real floating-point dtype.

    Example:
        >>> y = real_spherical_harmonics(3, torch.tensor([[0.0, 2.0, 0.0]]))
        >>> y.shape, round(float(y[0, 0]) ** 2 * 4 * math.pi, 5)
        (torch.Size([1, 16]), 1.0)
    """
    if isinstance(lmax, bool) or not isinstance(lmax, int) or lmax < 0:
        raise ValueError(f"real_spherical_harmonics(lmax): a degree >= 0, got {lmax!r}")
    if not xyz.is_floating_point():
        raise TypeError(f"real_spherical_harmonics(xyz): a real floating-point dtype, got {xyz.dtype}")
    if xyz.ndim < 1 or xyz.shape[-1] != 3:
        raise ValueError(f"real_spherical_harmonics(xyz): shape (*, 3), got {tuple(xyz.shape)}")
    # One row per component while computing: every operation runs along points.
    v = xyz.reshape(-1, 3).mT
    # Directions do not depend on a factor, so this one may be a constant; it keeps squares from under- and overflowing.
    size = v.detach().abs().amax(0)
    zero = size == 0
    v = v / torch.where(zero, 1.0, size)
    length = torch.where(zero, 1.0, v.square().sum(0)).sqrt()
    x, y, z = torch.where(zero, 0.0, v / length).unbind(0)
    cosines, sines = [torch.ones_like(y)], [torch.zeros_like(y)]
    for _ in range(lmax):
        c, s = cosines[-1], sines[-1]
        cosines.append(c * z - s * x)
        sines.append(c * x + s * z)
    cosines[0] = math.sqrt(0.5) * cosines[0]
    cosine, sine = torch.stack(cosines), torch.stack(sines)
    one = (~zero).to(y.dtype)  # the square of the length, which makes every degree homogeneous
    top = math.sqrt(1 / (2 * math.pi))
    below = here = torch.full_like(y, top)[None]
    rows = [math.sqrt(0.5) * here]
    for l in range(1, lmax + 1):
        a, b = _recursion(l, xyz.dtype, xyz.device)
        above = a * y * here
        if l > 1:
            above = torch.cat([above[:-1] - b * one * below, above[-1:]])
        top *= math.sqrt((2 * l + 1) / (2 * l))  # Q_l^l does not depend on the point
        below, here = here, torch.cat([above, torch.full_like(y, top)[None]])
        turned = (here * sine[: l + 1])[1:].flip(0)
        rows += [turned, here * cosine[: l + 1]]
    return torch.cat(rows).mT.reshape(*xyz.shape[:-1], (lmax + 1) ** 2)


def _recursion(l: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """The factors in Q_l^m = a y Q_{l-1}^m - b Q_{l-2}^m, for m < l and m < l - 1."""
    a = [math.sqrt((4 * l * l - 1) / (l * l - m * m)) for m in range(l)]
    b = [a[m] * math.sqrt(((l - 1) ** 2 - m * m) / (4 * (l - 1) ** 2 - 1)) for m in range(l - 1)]
    column = {"dtype": dtype, "device": device}
    return torch.tensor(a, **column)[:, None], torch.tensor(b, **column)[:, None]


def components(degrees: Sequence[int]) -> list[int]:
    """Where the components of some degrees stand among those of all degrees, in the order of ``degrees``."""
    return [i for l in degrees for i in range(l * l, (l + 1) ** 2)]


@cache
def degree_of_component(degrees: tuple[int, ...]) -> tuple[int, ...]:
    """For each component of some degrees, the place of its degree in ``degrees``."""
    return tuple(place for place, l in enumerate(degrees) for _ in range(2 * l + 1))
