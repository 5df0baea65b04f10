"""What the tests of this folder share: random signals, tolerances, names of irreps."""

import torch
from e3nn import o3

from erlangen.groups import wigner_d
from erlangen.o3 import gaunt_coefficients

DTYPES = (torch.float32, torch.float64)
METHODS = ("auto", "fourier", "grid:gl", "grid:lebedev", "grid:interpolation", "grid:half")


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def signal(lmax, *batch, seed=0, dtype=torch.float64):
    return randn(*batch, (lmax + 1) ** 2, seed=seed, dtype=dtype)


def natural(channels, lmax, sign=1):
    """0e+1o+2e+..., or the opposite parities."""
    return "+".join(f"{channels}x{l}{'e' if sign * (-1) ** l == 1 else 'o'}" for l in range(lmax + 1))


def turn(g, x, natural_parity=True):
    """Moves coefficients of all degrees by orthogonal matrices ``(K, 3, 3)``: shape ``(K, *x.shape)``."""
    lmax = round(x.shape[-1] ** 0.5) - 1
    parts = [torch.einsum("kab,...b->k...a", wigner_d(l, g), x[..., l * l : (l + 1) ** 2]) for l in range(lmax + 1)]
    moved = torch.cat(parts, -1)
    sign = torch.linalg.det(g).sign().reshape(-1, *(1,) * x.ndim)
    return moved if natural_parity else sign * moved


def wigner_gaunt(l1, l2, l3):
    """A block of Gaunt coefficients as e3nn's coupling coefficients times the size that theory gives."""
    w = o3.wigner_3j(l1, l2, l3, dtype=torch.float64)
    gamma = (gaunt_coefficients(l1, l2, l3) * w).sum()
    return gamma * w, float(gamma)


def relative(actual, expected):
    """Largest difference over the largest number expected."""
    return float((actual - expected).detach().abs().max() / expected.detach().abs().max().clamp_min(1e-30))


def unchecked(function):
    """The function as users have it: tests check shapes and dtypes of signatures before its own checks see them."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function
