"""The Poisson product: the paths that the Gaunt product lacks, and the laws of a bracket."""

import math

import pytest
import torch
from e3nn import o3
from tests.o3.signals import METHODS, randn, relative, signal, turn

from erlangen.groups import SO, Irreps, O
from erlangen.o3 import gaunt_product, poisson_coefficients, poisson_product, real_spherical_harmonics
from erlangen.o3.coefficients import coefficient_size
from erlangen.o3.operation import POISSON, PRODUCT


def _3j(l1, l2, l3):
    """|3j(l1 l2 l3; 1 -1 0)| from e3nn's real coefficients: the same quantum numbers, as a sum over the real ones."""
    w = o3.wigner_3j(l1, l2, l3, dtype=torch.float64)
    # A generic pair of complex harmonics of orders 1 and -1 meets order 0 of the third.
    plus1, minus1 = torch.zeros(2 * l1 + 1).cdouble(), torch.zeros(2 * l2 + 1).cdouble()
    plus1[l1 + 1], plus1[l1 - 1] = math.sqrt(0.5), 1j * math.sqrt(0.5)
    minus1[l2 + 1], minus1[l2 - 1] = math.sqrt(0.5), -1j * math.sqrt(0.5)
    return abs(complex(torch.einsum("ij,i,j->", w[:, :, l3].cdouble(), plus1, minus1)))


def test_every_odd_path_is_there_and_no_even_one():
    smallest = math.inf
    for l1 in range(1, 6):
        for l2 in range(1, 6):
            for l3 in range(abs(l1 - l2), min(l1 + l2, 5) + 1):
                block, w = poisson_coefficients(l1, l2, l3), o3.wigner_3j(l1, l2, l3, dtype=torch.float64)
                kappa = float((block * w).sum())
                assert (block - kappa * w).abs().max() < 1e-12
                if (l1 + l2 + l3) % 2 == 0:
                    assert block.abs().max() < 1e-13
                    continue
                smallest = min(smallest, abs(kappa))
                size = math.sqrt((2 * l1 + 1) * (2 * l2 + 1) * (2 * l3 + 1) / (4 * math.pi))
                size *= math.sqrt(l1 * (l1 + 1) * l2 * (l2 + 1)) * _3j(l1, l2, l3)
                assert abs(abs(kappa) - size) < 1e-11 * max(1, size), (l1, l2, l3)
    assert 1 < smallest < math.inf


def test_sizes_by_racahs_formula():
    for l1, l2, l3 in [(0, 0, 0), (1, 1, 1), (2, 3, 4), (5, 4, 2), (6, 6, 11), (3, 0, 3)]:
        assert abs(coefficient_size(POISSON, l1, l2, l3) - float(poisson_coefficients(l1, l2, l3).norm())) < 1e-10
        one = o3.wigner_3j(l1, l2, l3, dtype=torch.float64)[l1, l2, l3]
        assert abs(coefficient_size(PRODUCT, l1, l2, l3) / math.sqrt((2 * l1 + 1) * (2 * l2 + 1) * (2 * l3 + 1)
                   / (4 * math.pi)) - abs(float(one))) < 1e-12  # fmt: skip


def test_by_its_definition_at_points():
    x, y, points = signal(3, 1), signal(2, 1, seed=1), randn(20, 3, seed=2)
    points = (points / points.norm(dim=-1, keepdim=True)).requires_grad_()
    at = real_spherical_harmonics(4, points)
    f, g = (at[:, :16] @ x[0]), (at[:, :9] @ y[0])
    # Harmonics of directions do not depend on the length: their gradients are tangential.
    df, dg = (torch.autograd.grad(h.sum(), points, retain_graph=True)[0] for h in (f, g))
    expected = (points * torch.linalg.cross(df, dg)).sum(-1)
    assert (at @ poisson_product(x, y, 3, 2, 4)[0] - expected).abs().max() < 1e-12


@pytest.mark.parametrize("method", METHODS)
def test_methods_agree(method):
    for l1, l2, lmax_out in [(0, 0, 0), (1, 1, 2), (3, 5, 8), (6, 6, 3), (8, 2, 7)]:
        x, y = signal(l1, 3), signal(l2, 3, seed=1)
        expected = poisson_product(x, y, l1, l2, lmax_out, method="dense")
        actual = poisson_product(x, y, l1, l2, lmax_out, method=method)
        assert (actual - expected).abs().max() < 1e-11 * max(1, float(expected.abs().max()))
        single = poisson_product(x.float(), y.float(), l1, l2, lmax_out, method=method)
        assert (single - expected).abs().max() < 1e-5 * max(1, float(expected.abs().max()))


def test_antisymmetric():
    x, y = signal(4, 5), signal(4, 5, seed=1)
    assert (poisson_product(x, y, 4, 4) + poisson_product(y, x, 4, 4)).abs().max() < 1e-11
    assert poisson_product(x, x, 4, 4).abs().max() < 1e-11


def test_leibniz():
    x, y, z = (signal(l, 5, seed=l) for l in (1, 2, 3))
    left = poisson_product(x, gaunt_product(y, z, 2, 3), 1, 5, 6)
    right = gaunt_product(poisson_product(x, y, 1, 2), z, 3, 3) + gaunt_product(y, poisson_product(x, z, 1, 3), 2, 4)
    assert relative(left, right) < 1e-11


def test_jacobi():
    x, y, z = (signal(l, 5, seed=l) for l in (1, 2, 3))
    terms = (
        poisson_product(x, poisson_product(y, z, 2, 3), 1, 5),
        poisson_product(y, poisson_product(z, x, 3, 1), 2, 4),
        poisson_product(z, poisson_product(x, y, 1, 2), 3, 3),
    )
    assert sum(terms).abs().max() < 1e-9 and terms[0].abs().max() > 1


def test_the_cross_product():
    a, b = randn(10, 3), randn(10, 3, seed=1)
    x, y = torch.zeros(10, 4).double(), torch.zeros(10, 4).double()
    x[:, 1:], y[:, 1:] = a, b
    expected = math.sqrt(3 / (4 * math.pi)) * torch.linalg.cross(a, b)
    assert (poisson_product(x, y, 1, 1)[:, 1:4] - expected).abs().max() < 1e-14


def test_with_degree_one_it_turns():
    """{n . p, f} is the velocity of f when it turns about n."""
    n, x = randn(3), signal(5, 4)
    axis = torch.zeros(4).double()
    axis[1:] = n
    velocity = poisson_product(axis, x, 1, 5, 5)
    A = torch.tensor([[0, -n[2], n[1]], [n[2], 0, -n[0]], [-n[1], n[0], 0]], dtype=torch.float64)
    turned = torch.cat([x[:, l * l : (l + 1) ** 2] @ Irreps(f"{l}y", SO(3)).drho(A).T for l in range(6)], -1)
    assert (velocity - math.sqrt(3 / (4 * math.pi)) * turned).abs().max() < 1e-11


def test_equivariance_with_the_parity_of_a_pseudo_tensor():
    g = O(3).sample(20, generator=torch.Generator().manual_seed(0))
    g[0] = -torch.eye(3)
    x, y = signal(3, 5), signal(2, 5, seed=1)
    expected = turn(g, poisson_product(x, y, 3, 2), natural_parity=False)
    assert (poisson_product(turn(g, x), turn(g, y), 3, 2) - expected).abs().max() < 1e-10
    wrong = turn(g, poisson_product(x, y, 3, 2))
    assert (poisson_product(turn(g, x), turn(g, y), 3, 2) - wrong).abs().max() > 0.1


@pytest.mark.parametrize("method", ["auto", "grid:half", "fourier"])
@pytest.mark.parametrize("lmax", [2, 3])
def test_derivatives(method, lmax):
    x, y = signal(lmax, 2).requires_grad_(), signal(1, 2, seed=1).requires_grad_()
    bracket = lambda x, y: poisson_product(x, y, lmax, 1, 3, method=method)
    assert torch.autograd.gradcheck(bracket, (x, y)) and torch.autograd.gradgradcheck(bracket, (x, y))
