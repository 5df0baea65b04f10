"""The same product elsewhere: e3nn's tensor product, with the paths and weights that make it the Gaunt product."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import nn

from erlangen.extras import require
from erlangen.o3 import gaunt_coefficients


def functions(channels: int, lmax: int) -> str:
    """Irreps of functions on the sphere up to a degree.

    >>> functions(4, 2)
    '4x0e+4x1o+4x2e'
    """
    return "+".join(f"{channels}x{l}{'eo'[l % 2]}" for l in range(lmax + 1))


@lru_cache(maxsize=32)
def e3nn_product(channels: int, lmax: int, lmax_out: int) -> nn.Module:
    r"""e3nn's channel-wise product whose path (l1, l2, l3) has the factor :math:`\langle G, w \rangle`.

    A path's weight enters by its root, so it must not be negative; e3nn's signs are such that none is.
    """
    o3 = require("e3nn.o3", "o3", "the comparison with e3nn")
    paths = []
    for l1 in range(lmax + 1):
        for l2 in range(lmax + 1):
            for l3 in range(abs(l1 - l2), min(l1 + l2, lmax_out) + 1, 2):
                w = o3.wigner_3j(l1, l2, l3, dtype=torch.float64)
                factor = float((gaunt_coefficients(l1, l2, l3) * w).sum())
                assert factor > 0, f"e3nn gives path {(l1, l2, l3)} the other sign"
                paths.append((l1, l2, l3, "uuu", False, factor**2))
    irreps, out = functions(channels, lmax), functions(channels, lmax_out)
    return o3.TensorProduct(irreps, irreps, out, paths, irrep_normalization="none", path_normalization="none")
