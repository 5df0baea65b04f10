"""Polynomials and the window at the radius."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.points.solids import randn

from erlangen.points import PolynomialCutoff, PolynomialFeatures


@given(degree=st.integers(1, 4), width=st.integers(1, 4))
def test_all_products(degree, width):
    x = randn(3, width)
    found = PolynomialFeatures(degree)(x)
    products = [
        math.prod(x[2, list(chosen)].tolist())
        for k in range(1, degree + 1)
        for chosen in itertools.product(range(width), repeat=k)
    ]
    assert torch.allclose(found[2], torch.tensor(products, dtype=torch.float64), rtol=1e-13)
    assert found.shape == (3, PolynomialFeatures(degree).out_features(width))


def test_how_many():
    assert [PolynomialFeatures(3).out_features(k) for k in (1, 2, 3)] == [3, 14, 39]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_of_the_window(dtype):
    d = torch.tensor([0.0, 1.0, 2.5, 4.0, 5.0, 7.0, 1e30], dtype=dtype)
    expected = torch.tensor([1, 0.99876864, 0.85546875, 0.20308224, 0, 0, 0], dtype=dtype)
    found = PolynomialCutoff(5.0)(d)
    assert (found - expected).abs().max() < (1e-12 if dtype == torch.float64 else 1e-6)
    assert torch.equal(found[4:], torch.zeros(3, dtype=dtype))


def test_the_window_ends_with_zero_slope_and_curvature():
    d = torch.tensor([5.0 - 1e-6, 5.0, 5.0 + 1e-6, 2.0], dtype=torch.float64, requires_grad=True)
    w = PolynomialCutoff(5.0)(d)
    (slope,) = torch.autograd.grad(w.sum(), d, create_graph=True)
    (curve,) = torch.autograd.grad(slope.sum(), d)
    assert w[:3].abs().max() < 1e-14 and slope[:3].abs().max() < 1e-9 and curve[:3].abs().max() < 1e-4
    assert slope[3] < -1e-3
    assert torch.autograd.gradcheck(PolynomialCutoff(5.0), d[3:])


def test_no_radius_no_window():
    assert torch.equal(PolynomialCutoff(None)(torch.tensor([0.0, 1e9])), torch.ones(2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PolynomialFeatures(0), r"\(degree\): a whole number from 1, got 0"),
        (lambda: PolynomialCutoff(0.0), r"\(radius\): a positive, finite distance or None, got 0.0"),
        (lambda: PolynomialCutoff(math.nan), r"\(radius\)"),
        (lambda: PolynomialCutoff(1.0, p=1), r"\(p\): a power from 2, got 1"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
