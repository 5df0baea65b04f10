r"""The route through two-dimensional Fourier series.

Walking over the pole continues a function on the sphere to a torus, :math:`f(\theta, \phi)` with both angles in
:math:`[0, 2 \pi)`, where a harmonic of degree l is a trigonometric polynomial of degree l: with
:math:`p = (\sin\theta \sin\phi, \cos\theta, \sin\theta \cos\phi)`,

.. math:: f(\theta, \phi) = \sum_{u,v} F_{uv} e^{i(u\theta + v\phi)}

and order m meets only :math:`v = \pm m`. Fast Fourier transforms to a torus fine enough for the result multiply without
aliasing. The way back is an integral over the sphere, :math:`\theta \in [0, \pi]`, of trigonometric polynomials: exact.

Source: Luo, Chen, Krishnapriyan, "Enabling Efficient Equivariant Operations in the Fourier Basis via Gaunt Tensor
Products", 2024.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from erlangen.o3.apart import kept_apart
from erlangen.o3.harmonics import components, real_spherical_harmonics
from erlangen.o3.operation import FIRST, SECOND, VALUE, Operation
from erlangen.o3.polynomial import plain_sum


@kept_apart
def profiles(lmax: int) -> Tensor:
    r"""Fourier coefficients in :math:`\theta` of the harmonics at :math:`\phi = 0`.

    Returns:
        Complex, shape ``(l, m, u)`` = ``(lmax + 1, lmax + 1, 2 * lmax + 1)``, ``u`` from ``-lmax``; zero for m > l.
    """
    count = 4 * lmax + 4
    theta = torch.arange(count, dtype=torch.float64, device="cpu") * (2 * math.pi / count)
    ring = torch.stack([torch.zeros_like(theta), theta.cos(), theta.sin()], -1)
    series = torch.fft.fft(real_spherical_harmonics(lmax, ring).mT, norm="forward")
    series = torch.cat([series[:, count - lmax :], series[:, : lmax + 1]], 1) if lmax else series[:, :1]
    out = torch.zeros(lmax + 1, lmax + 1, 2 * lmax + 1, dtype=torch.complex128, device="cpu")
    for l in range(lmax + 1):
        out[l, : l + 1] = series[l * l + l : (l + 1) ** 2]
    return out


@kept_apart
def integrals(lmax: int, degree: int, measure: bool) -> Tensor:
    r""":math:`2 \pi \int_0^\pi \Theta_{lm}(\theta)\, e^{iu\theta} w\, d\theta` for ``|u| <= degree``.

    Args:
        lmax: largest degree of the harmonics.
        degree: largest frequency.
        measure: whether ``w`` is the sine of the surface measure; otherwise it is one, because the slope along the
            azimuth was not divided by the sine.

    Returns:
        Complex, shape ``(l, m, u)``, with ``u`` from ``-degree``.
    """
    k = torch.arange(-degree - lmax - 1, degree + lmax + 2, dtype=torch.float64, device="cpu")
    odd = k.remainder(2) == 1
    arc = torch.where(odd, 2j / torch.where(odd, k, 1.0), torch.where(k == 0, math.pi, 0.0) + 0j)
    arc = (arc[2:] - arc[:-2]) / 2j if measure else arc[1:-1]
    windows = arc.unfold(0, 2 * lmax + 1, 1)  # row u, column u': the integral of exp(i (u + u') theta)
    return 2 * math.pi * torch.einsum("lmk,uk->lmu", profiles(lmax), windows)


def by_fourier(
    operation: Operation,
    inputs: Sequence[Tensor],
    degrees_in: Sequence[tuple[int, ...]],
    degrees_out: tuple[int, ...],
) -> tuple[Tensor, ...]:
    """Applies an operation to rows of components through the torus; one tensor per output."""
    lmaxes = [max(degrees) for degrees in degrees_in]
    degree = sum(n * l for n, l in zip(operation.powers, lmaxes, strict=True))
    size = 2 * degree + 2
    values = []
    for i, kind in operation.factors:
        lmax = lmaxes[i]
        half = torch.zeros(inputs[i].shape[0], size, size // 2 + 1, dtype=_complex(inputs[i]), device=inputs[i].device)
        series = _series(inputs[i], degrees_in[i], lmax)
        if kind == FIRST:
            series = series * (1j * torch.arange(-lmax, lmax + 1, device=series.device))[:, None]
        elif kind == SECOND:
            series = series * (1j * torch.arange(lmax + 1, device=series.device))
        half[:, torch.arange(-lmax, lmax + 1) % size, : lmax + 1] = series
        values.append(torch.fft.irfft2(half, s=(size, size), norm="forward"))
    measure = all(kind == VALUE for _, kind in operation.factors)
    return tuple(_project(plain_sum(q, values), degree, degrees_out, measure) for q in operation.polynomials)


def _complex(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.complex64)


def _series(x: Tensor, degrees: tuple[int, ...], lmax: int) -> Tensor:
    """Coefficients ``(rows, u, v)`` for v >= 0."""
    every = x.new_zeros(x.shape[0], (lmax + 1) ** 2).index_copy(
        1, torch.tensor(components(degrees), device=x.device), x
    )
    theta = profiles(lmax).to(x.device, _complex(x))
    columns = []
    for m in range(lmax + 1):
        cosine = every[:, [l * l + l + m for l in range(m, lmax + 1)]]
        if m:
            cosine = torch.complex(cosine, -every[:, [l * l + l - m for l in range(m, lmax + 1)]]) / 2
        columns.append(cosine.to(theta.dtype) @ theta[m:, m])
    return torch.stack(columns, -1)


def _project(values: Tensor, degree: int, degrees: tuple[int, ...], measure: bool) -> Tensor:
    lmax, size = max(degrees), values.shape[-1]
    # Orders above the degree of the result have no part in it.
    orders = min(lmax, degree)
    series = torch.fft.rfft2(values, norm="forward")[:, torch.arange(-degree, degree + 1) % size, : orders + 1]
    back = integrals(lmax, degree, measure).to(values.device, series.dtype)
    found = [series[:, :, m] @ back[m:, m].mT for m in range(orders + 1)]
    out = []
    for l in degrees:
        cosine = [found[m][:, l - m].real for m in range(min(l, orders) + 1)]
        sine = [-found[m][:, l - m].imag for m in range(min(l, orders), 0, -1)]
        zeros = [torch.zeros_like(cosine[0])] * (l - min(l, orders))
        out += [*zeros, *sine, *cosine, *zeros]
    return torch.stack(out, -1)
