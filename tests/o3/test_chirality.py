"""What natural-parity Gaunt products cannot see, and what the Poisson product regains: the two chiral Tetris pieces."""

import pytest
import torch
from tests.o3.signals import natural
from torch import nn

from erlangen.o3 import DegreeLinear, GauntConv, GauntSelfMix, GauntTensorProduct, poisson_product
from erlangen.o3 import real_spherical_harmonics as harmonics

PIECES = [
    "000 001 100 110", "111 112 211 201", "000 100 010 110", "000 001 002 003", "000 001 010 100", "000 001 002 010",
    "000 001 002 011", "000 100 110 210",
]  # fmt: skip
CHIRAL = (0, 1)


def _points(piece):
    return torch.tensor([[int(digit) for digit in block] for block in piece.split()], dtype=torch.float64)


def _neighbours(points):
    """Ordered pairs of different blocks: their difference, the number of the first."""
    i, j = (1 - torch.eye(len(points))).nonzero().T
    return points[j] - points[i], i, j


def _triple(points, lmax=2):
    """The integral of f1 {f2, f3} at every block, for three weightings of its neighbours, summed."""
    vectors, i, _ = _neighbours(points)
    length = vectors.norm(dim=-1, keepdim=True)
    values = harmonics(lmax, vectors)
    densities = [torch.zeros(4, 9).double().index_add(0, i, (-a * length).exp() * values) for a in (0.3, 1.0, 2.0)]
    bracket = poisson_product(densities[1], densities[2], lmax, lmax, lmax)
    return float((densities[0] * bracket).sum())


class Network(nn.Module):
    """Two rounds of messages and products between them; one number for a piece."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        features = natural(4, 2)
        self.first = GauntConv("4x0e", natural(1, 2), features, nn.Sequential(nn.Linear(1, 12), nn.Tanh()))
        self.mix = GauntSelfMix(features, 8)
        self.second = GauntConv(features, natural(1, 2), features, nn.Sequential(nn.Linear(1, 12), nn.Tanh()))
        self.double()

    def forward(self, points):
        vectors, i, j = _neighbours(points)
        x, edges, length = torch.ones(4, 4).double(), torch.stack([j, i]), vectors.norm(dim=-1, keepdim=True)
        x = self.mix(self.first(x, edges, vectors, length))
        return self.mix(self.second(x, edges, vectors, length))


def test_the_triple_integral_tells_the_pieces_apart():
    values = [_triple(_points(piece)) for piece in PIECES]
    assert values[0] == pytest.approx(-values[1], abs=1e-15)
    assert abs(values[0]) == pytest.approx(3.2889e-4, abs=1e-8)
    assert max(abs(v) for k, v in enumerate(values) if k not in CHIRAL) < 1e-12


def test_a_network_of_gaunt_products_cannot():
    network = Network()
    invariants = [network(_points(piece))[:, :4].sum(0) for piece in PIECES]
    assert (invariants[0] - invariants[1]).abs().max() < 1e-11
    others = [(invariants[0] - v).abs().max() for v in invariants[2:]]
    assert min(others) > 1e-4, "other pieces must be told apart, or the test shows nothing"


class Handed(Network):
    """A round of messages, and of the features there a product with the bracket of two others: pseudo-scalars."""

    def __init__(self):
        super().__init__()
        features, pseudo = natural(4, 2), "4x1e+4x2o"
        self.ways = nn.ModuleList(DegreeLinear(features, features) for _ in range(3))
        self.bracket = GauntTensorProduct(features, features, pseudo, antisymmetric=True)
        self.close = GauntTensorProduct(features, pseudo, "4x0o")
        self.double()

    def forward(self, points):
        vectors, i, j = _neighbours(points)
        x = self.first(torch.ones(4, 4).double(), torch.stack([j, i]), vectors, vectors.norm(dim=-1, keepdim=True))
        a, b, c = (way(x) for way in self.ways)
        return self.close(a, self.bracket(b, c))


def test_with_odd_paths_a_network_can():
    network = Handed()
    seen = [network(_points(piece)).sum(0) for piece in PIECES]
    assert seen[0].abs().max() > 1e-6
    assert (seen[0] + seen[1]).abs().max() < 1e-12
    assert max(float(s.detach().abs().max()) for s in seen[2:]) < 1e-12
