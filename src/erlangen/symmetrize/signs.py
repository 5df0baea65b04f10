"""Signs of principal axes from odd moments of the cloud along them."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from erlangen.symmetrize.clouds import Clouds

#: Odd moments in the order in which they are tried: the sums of z |z|^p.
POWERS = (2.0, 0.5, 4.0)


def odd_moment(clouds: Clouds, z: Tensor, power: float) -> Tensor:
    r"""Normalised odd moments :math:`\sum_i w_i z_i |z_i|^p \big/ \sum_i w_i |z_i|^{p+1}`, in [-1, 1], ``(B, d)``.

    Args:
        clouds: which points belong together.
        z: coordinates, in the layout of the clouds.
        power: the exponent p.
    """
    odd = z * z * z if power == 2.0 else z * z.abs() ** power
    size = clouds.total(odd.abs())
    return clouds.total(odd) / torch.where(size > 0, size, 1)


def moment_signs(
    clouds: Clouds, z: Tensor, values: Tensor, axes: Tensor, *, proper: bool, tol: float
) -> tuple[Tensor, Tensor]:
    r"""The signs that make odd moments positive, and the normalised moments that decided, both ``(B, d)``.

    A moment below ``tol`` decides nothing, and the next of `POWERS` is asked. Where all vanish, the first point that
    lies off the centre gets a positive coordinate: this still moves with the cloud, but depends on the order of its
    points. Axes along which the cloud has no extent get the sign that makes the determinant one.

    Args:
        clouds: which points belong together.
        z: coordinates along the axes, in the layout of the clouds.
        values: second moments along the axes, ``(B, d)``.
        axes: unit columns, ``(B, d, d)``.
        proper: whether the determinant shall be one: if it is not, the axis whose moment is smallest is turned round.
        tol: the least moment that decides.
    """
    moment = odd_moment(clouds, z, POWERS[0])
    for power in POWERS[1:]:
        small = moment.abs() < tol
        if not bool(small.any()):
            break
        moment = torch.where(small, odd_moment(clouds, z, power), moment)
    small = moment.abs() < tol
    signs = torch.where(moment < 0, -1.0, 1.0).to(z.dtype)
    if bool(small.any()):
        size = z.abs()
        away = size > clouds.each(tol * clouds.largest(size))
        signs = torch.where(small, torch.where(clouds.first(z, away) < 0, -1.0, 1.0).to(z.dtype), signs)
    flat = values <= tol**2 * values.amax(1, keepdim=True)
    decided = torch.where(flat | small, 0, moment.abs())
    turned = torch.linalg.det(axes * signs[:, None]) < 0
    turned = turned if proper else turned & flat.any(1)
    least = torch.nn.functional.one_hot(decided.argmin(1), values.shape[1]).bool()
    return torch.where(turned[:, None] & least, -signs, signs), decided


def all_signs(d: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """All 2^d patterns of signs, ``(2^d, d)``, that of ones first."""
    return torch.tensor(list(itertools.product((1.0, -1.0), repeat=d)), dtype=dtype, device=device)
