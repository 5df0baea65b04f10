r"""The eight pieces of Tetris in space, two of them mirror images, and networks that are to tell them apart."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.extras import require
from erlangen.groups import SO, Points, Scalar, Symmetry
from erlangen.o3 import DegreeLinear, GauntTensorProduct, real_spherical_harmonics

PIECES = {
    "chiral": "000 001 100 110",
    "mirrored": "111 112 211 201",
    "square": "000 100 010 110",
    "line": "000 001 002 003",
    "corner": "000 001 010 100",
    "L": "000 001 002 010",
    "T": "000 001 002 011",
    "zigzag": "000 100 110 210",
}
LMAX, REACH = 2, 1.1  # the largest degree; nodes closer than this are neighbours
MakeProduct = Callable[[str, str, str], nn.Module]
PROMISE = Symmetry(SO(3), (Points(SO(3)),), Scalar(SO(3)))


def pieces(dtype: torch.dtype = torch.float32) -> Tensor:
    """Coordinates of all pieces, ``(8, 4, 3)``, centred.

    >>> pieces().shape
    torch.Size([8, 4, 3])
    """
    places = [[[int(digit) for digit in node] for node in text.split()] for text in PIECES.values()]
    found = torch.tensor(places, dtype=dtype)
    return found - found.mean(1, keepdim=True)


def irreps(channels: int, sign: int = 1, first: int = 0) -> str:
    """Irreps of functions on the sphere, or (sign -1) of functions that also change sign under inversion.

    >>> irreps(4), irreps(4, -1, first=1)
    ('4x0e+4x1o+4x2e', '4x1e+4x2o')
    """
    return "+".join(f"{channels}x{l}{'e' if sign == (-1) ** l else 'o'}" for l in range(first, LMAX + 1))


def gaunt(one: str, two: str, out: str) -> nn.Module:
    """Pointwise multiplication; the paths of odd sum with it where the output asks for them."""
    return GauntTensorProduct(one, two, out, antisymmetric=True)


def clebsch_gordan(one: str, two: str, out: str) -> nn.Module:
    """e3nn's product, channel by channel, every path with a weight of its own."""
    o3 = require("e3nn.o3", "o3", "the Clebsch-Gordan product")
    paths = [
        (i, j, k, "uvu", True)
        for (i, (_, a)), (j, (_, b)), (k, (_, c)) in itertools.product(
            *(enumerate(o3.Irreps(s)) for s in (one, two, out))
        )
        if c in a * b
    ]
    same = all(m == 1 for m, _ in o3.Irreps(two))
    paths = [(i, j, k, "uvu" if same else "uuu", weighted) for i, j, k, _, weighted in paths]
    return o3.TensorProduct(one, two, out, paths)


class TetrisNetwork(nn.Module):
    r"""Two rounds of sums over neighbours, products, and a linear read-out of what is invariant.

    .. math::
        a_i = W \sum_j Y(r_{ij}), \quad b_i = \sum_j a_j \cdot Y(r_{ij}), \quad
        p_i = W a_i \cdot W b_i, \quad \text{logits} = W \sum_i (W a_i \cdot p_i)_{l = 0}

    Args:
        product: makes the product of two irreps.
        odd: whether :math:`p` also has the parts of opposite parity, and the read-out the pseudo-scalars made of them.
        channels: of all features.
    """

    def __init__(self, product: MakeProduct, odd: bool, channels: int = 8) -> None:
        super().__init__()
        even, other, one = irreps(channels), irreps(channels, -1, first=1), irreps(1)
        self.embed = DegreeLinear(one, even)
        self.message = product(even, one, even)
        self.mix = nn.ModuleList(DegreeLinear(even, even) for _ in range(4))
        self.pair = nn.ModuleList([product(even, even, even)])
        self.close = nn.ModuleList([product(even, even, f"{channels}x0e")])
        if odd:
            self.pair.append(product(even, even, other))
            self.close.append(product(even, other, f"{channels}x0o"))
        self.read = nn.Linear(channels * len(self.pair), len(PIECES))
        self.symmetry = PROMISE

    def forward(self, position: Tensor) -> Tensor:
        """Eight logits of each cloud ``(B, nodes, 3)``."""
        apart = position[:, None] - position[:, :, None]
        distance = apart.norm(dim=-1)
        near = ((distance > 0) & (distance < REACH)).to(position.dtype)[..., None]
        axis = torch.tensor([0.0, 1.0, 0.0], dtype=position.dtype, device=position.device)  # for a node and itself
        edges = near * real_spherical_harmonics(LMAX, torch.where(near > 0, apart, axis))
        a = self.embed(edges.sum(2))
        b = self.message(a[:, None].expand(*edges.shape[:3], -1), edges).sum(2)
        one, two, three, four = (mix(x) for mix, x in zip(self.mix, (a, b, a, b), strict=True))
        parts: list[Any] = [
            close(three + four, pair(one, two)) for pair, close in zip(self.pair, self.close, strict=True)
        ]
        return self.read(torch.cat(parts, -1).sum(1))
