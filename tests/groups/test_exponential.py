"""The matrix exponential is right to rounding, for one matrix and for many."""

import math

import pytest
import torch
from tests.groups.catalogue import seeded

from erlangen.groups.exponential import matrix_exp


@pytest.mark.parametrize("angle", [1e-9, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.3, 0.7, 1.0, 3.0, 20.0, -2.0])
def test_plane_rotations(angle):
    c, s = math.cos(angle), math.sin(angle)
    expected = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
    got = matrix_exp(torch.tensor([[0, -angle], [angle, 0]], dtype=torch.float64))
    torch.testing.assert_close(got, expected, rtol=0, atol=2e-16 * max(4, 8 * abs(angle)))


@pytest.mark.parametrize("size", [1e-3, 0.03, 0.1, 0.5, 2.0])
def test_symmetric_matrices(size):
    A = size * torch.randn(50, 4, 4, generator=seeded(0), dtype=torch.float64)
    A = A + A.mT
    values, vectors = torch.linalg.eigh(A)
    expected = (vectors * values.exp()[:, None]) @ vectors.mT
    scale = expected.abs().amax((-2, -1))
    for got in (matrix_exp(A), torch.stack([matrix_exp(a) for a in A])):
        assert float(((got - expected).abs().amax((-2, -1)) / scale).max()) <= 3e-14


def test_one_and_many_agree():
    A = torch.randn(5, 3, 3, generator=seeded(1), dtype=torch.float64) * torch.logspace(-6, 0.5, 5)[:, None, None]
    torch.testing.assert_close(matrix_exp(A), torch.stack([matrix_exp(a) for a in A]), rtol=1e-14, atol=1e-14)


def test_edges():
    assert torch.equal(matrix_exp(torch.zeros(2, 2)), torch.eye(2))
    assert matrix_exp(torch.zeros(0, 3, 3)).shape == (0, 3, 3)
    assert matrix_exp(torch.zeros(2, 2)).dtype == torch.float32
    assert matrix_exp(torch.full((1, 1), math.nan)).isnan().all()


@pytest.mark.parametrize("size", [0.0, 0.3, 3.0])
def test_derivatives(size):
    A = (size * torch.randn(2, 3, 3, generator=seeded(2), dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(matrix_exp, A, check_forward_ad=True)
