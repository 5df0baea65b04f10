"""MACE's symmetric contraction to scalars: every way to couple up to three factors, with a weight for each."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from erlangen.groups import Fixed, Irreps, O, Scalar, Symmetry
from erlangen.o3 import gaunt_coefficients
from erlangen.o3.constants import Constants


class SymmetricContraction(Constants):
    r"""Invariant polynomials of each channel's function, with weights per element, channel and coupling.

    .. math::
        z_c = w_{ec} A_{00} + \sum_l w_{ecl}\, |A_l|^2
            + \sum_{l_1 \le l_2 \le l_3} w_{ec l_1 l_2 l_3} \sum_{m} C^{l_1 l_2 l_3}_{m_1 m_2 m_3}
              A_{l_1 m_1} A_{l_2 m_2} A_{l_3 m_3}

    where C is Wigner's 3j tensor; degrees of odd sum give nothing that is symmetric in its factors and even.

    Args:
        irreps_in: functions on the sphere, ``16x0e+16x1o+16x2e``.
        irreps_out: scalars of the same multiplicity, ``16x0e``.
        correlation: one, two or three factors.
        num_elements: kinds of nodes.

    Source: Batatia, Kovacs, Simm, Ortner, Csanyi, "MACE: Higher Order Equivariant Message Passing Neural Networks for
    Fast and Accurate Force Fields", 2022.
    """

    def __init__(self, irreps_in: str, irreps_out: str, correlation: int, num_elements: int) -> None:
        super().__init__()
        terms = [term.split("x") for term in irreps_in.split("+")]
        self.channels, self.lmax = int(terms[0][0]), len(terms) - 1
        if irreps_out != f"{self.channels}x0e" or not 1 <= correlation <= 3:
            raise ValueError(f"SymmetricContraction: up to three factors to {self.channels}x0e, got {irreps_out}")
        degrees = range(self.lmax + 1)
        ways: list[tuple[int, ...]] = [(0,)]
        if correlation > 1:
            ways += [(l, l) for l in degrees]
        if correlation > 2:
            triples = itertools.combinations_with_replacement(degrees, 3)
            ways += [t for t in triples if sum(t) % 2 == 0 and t[2] <= t[0] + t[1]]
        self.ways = ways
        for way in ways:
            if len(way) == 3:
                block = gaunt_coefficients(*way)
                self.keep(_name(way), block / block.norm())
        self.weight = nn.Parameter(torch.randn(num_elements, self.channels, len(ways)) / math.sqrt(len(ways)))
        rep = Irreps(irreps_in, O(3))
        self.symmetry = Symmetry(O(3), (rep, Fixed()), Scalar(O(3)))

    def forward(self, x: Tensor, node_attrs: Tensor) -> Tensor:
        """From ``(nodes, channels * (lmax + 1) ** 2)`` and one-hot elements to ``(nodes, channels)``."""
        sizes = [self.channels * (2 * l + 1) for l in range(self.lmax + 1)]
        parts = [part.unflatten(-1, (self.channels, -1)) for part in x.split(sizes, -1)]
        found = []
        for way in self.ways:
            if len(way) == 1:
                value = parts[0][..., 0]
            elif len(way) == 2:
                value = parts[way[0]].square().sum(-1) / math.sqrt(2 * way[0] + 1)
            else:
                a, b, c = (parts[l] for l in way)
                block = self.get_buffer(_name(way)).to(x.dtype)
                value = ((c @ block.flatten(0, 1).mT).unflatten(-1, block.shape[:2]) @ b[..., None])[..., 0]
                value = (value * a).sum(-1)
            found.append(value)
        return (torch.stack(found, -1) * torch.einsum("be,ecw->bcw", node_attrs, self.weight)).sum(-1)


def _name(way: tuple[int, ...]) -> str:
    return "coupling_" + "_".join(map(str, way))
