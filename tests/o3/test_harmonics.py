"""Harmonics against scipy's and e3nn's, in both precisions; their gradients, at the poles too."""

import math

import numpy as np
import pytest
import torch
from e3nn import o3
from scipy.special import sph_harm_y
from tests.o3.signals import randn, unchecked

from erlangen.groups import wigner_d
from erlangen.o3 import real_spherical_harmonics


def _scipy(lmax, points):
    """The definition, from scipy's complex harmonics about the z axis: its angles, without its sign (-1)^m."""
    p = (points / points.norm(dim=-1, keepdim=True)).numpy()
    theta, phi = np.arccos(p[:, 1]), np.arctan2(p[:, 0], p[:, 2])
    columns = []
    for l in range(lmax + 1):
        for m in range(-l, l + 1):
            value = (-1) ** m * sph_harm_y(l, abs(m), theta, phi)
            columns.append(value.real if m == 0 else math.sqrt(2) * (value.real if m > 0 else value.imag))
    return torch.from_numpy(np.stack(columns, -1))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 5e-5), (torch.float64, 2e-13)])
def test_scipy_to_degree_24(dtype, tolerance):
    points = randn(200, 3)
    actual = real_spherical_harmonics(24, points.to(dtype))
    assert actual.dtype == dtype
    assert (actual.double() - _scipy(24, points)).abs().max() < tolerance


def test_e3nn_to_its_last_degree():
    points = randn(50, 3)
    expected = o3.spherical_harmonics(list(range(12)), points, normalize=True, normalization="integral")
    assert (real_spherical_harmonics(11, points) - expected).abs().max() < 1e-13


def test_orthonormal_by_an_independent_quadrature():
    nodes, weights = np.polynomial.legendre.leggauss(13)
    phi = np.arange(26) * 2 * math.pi / 26
    y, angle = (t.flatten() for t in np.meshgrid(nodes, phi, indexing="ij"))
    r = np.sqrt(1 - y * y)
    values = real_spherical_harmonics(12, torch.from_numpy(np.stack([r * np.sin(angle), y, r * np.cos(angle)], -1)))
    w = torch.from_numpy(np.repeat(weights, 26) * 2 * math.pi / 26)
    assert (values.T @ (w[:, None] * values) - torch.eye(169)).abs().max() < 1e-13


def test_they_turn_as_wigner_says():
    points, g = randn(20, 3), torch.linalg.qr(randn(3, 3, seed=1)).Q
    before, after = real_spherical_harmonics(8, points), real_spherical_harmonics(8, points @ g.T)
    for l in range(9):
        part = slice(l * l, (l + 1) ** 2)
        assert (before[:, part] @ wigner_d(l, g).T - after[:, part]).abs().max() < 1e-12


def test_gradients_at_the_poles_and_elsewhere():
    poles = torch.tensor([[0.0, 1, 0], [0, -1, 0], [0, 3, 0], [1, 0, 0]], dtype=torch.float64)
    points = torch.cat([poles, randn(3, 3)]).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: real_spherical_harmonics(5, p), points)
    assert torch.autograd.gradgradcheck(lambda p: real_spherical_harmonics(3, p), points)


@pytest.mark.parametrize("length", [1e-30, 1e-20, 1.0, 1e20, 1e30])
def test_length_does_not_matter(length):
    points = randn(10, 3, dtype=torch.float32)
    assert torch.allclose(real_spherical_harmonics(6, length * points), real_spherical_harmonics(6, points), atol=1e-5)


def test_the_zero_vector_is_finite_with_its_derivatives():
    points = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    values = real_spherical_harmonics(4, points)
    assert torch.equal(values[0, 1:], torch.zeros(24)) and abs(values[0, 0].item() - (4 * math.pi) ** -0.5) < 1e-15
    (gradient,) = torch.autograd.grad(values.sum(), points, create_graph=True)
    assert torch.equal(gradient, torch.zeros_like(points))
    assert not gradient.requires_grad or torch.autograd.grad(gradient.sum(), points)[0].isfinite().all()


def test_shapes():
    assert real_spherical_harmonics(2, torch.zeros(0, 3)).shape == (0, 9)
    assert real_spherical_harmonics(0, torch.zeros(3)).shape == (1,)
    assert real_spherical_harmonics(1, torch.zeros(2, 5, 3)).shape == (2, 5, 4)


@pytest.mark.parametrize(
    ("lmax", "xyz", "error", "words"),
    [
        (-1, torch.zeros(1, 3), ValueError, r"lmax\): a degree >= 0, got -1"),
        (2, torch.zeros(1, 2), ValueError, r"shape \(\*, 3\), got \(1, 2\)"),
        (2, torch.zeros(1, 3, dtype=torch.long), TypeError, "int64"),
    ],
)
def test_bad_input(lmax, xyz, error, words):
    with pytest.raises(error, match=words):
        unchecked(real_spherical_harmonics)(lmax, xyz)
