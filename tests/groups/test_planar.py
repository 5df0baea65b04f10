"""Functions of squares: right to rounding on both sides of where their series end, with every derivative at zero."""

import math

import numpy as np
import pytest
import torch

from erlangen.groups.planar import SERIES_BELOW, asinhc, log_sinhc, principal_angle, sinhc

#: Each function of x = sqrt(q), in the extended precision of numpy, and its limit at zero.
FUNCTIONS = {
    sinhc: (lambda x: np.sinh(x) / x, 1.0),
    asinhc: (lambda x: np.arcsinh(x) / x, 1.0),
    log_sinhc: (lambda x: np.log(np.sinh(x) / x), 0.0),
}
every_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)


@every_function
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values(function, dtype):
    exact, limit = FUNCTIONS[function]
    q = torch.logspace(-8, 2, 301, dtype=torch.float64)
    q = torch.cat([q, SERIES_BELOW * torch.linspace(0.9, 1.1, 50, dtype=torch.float64)]).to(dtype)
    expected = exact(np.sqrt(q.numpy().astype(np.longdouble))).astype(np.float64)
    error = (function(q).double() - torch.from_numpy(expected)).abs()
    assert (error / (1 + torch.from_numpy(abs(expected)))).max() <= 16 * torch.finfo(dtype).eps
    assert float(function(torch.zeros(1, dtype=dtype))) == limit


@every_function
def test_derivatives(function):
    q = torch.tensor([0.0, 1e-6, 0.9, 1.1, 1e3], dtype=torch.float64) * SERIES_BELOW
    assert torch.autograd.gradcheck(function, q.clone().requires_grad_(), eps=1e-7, atol=1e-7, check_forward_ad=True)
    # At zero the derivatives are the coefficients of the power series.
    x = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(function(x), x, create_graph=True)
    (second,) = torch.autograd.grad(first, x)
    known = {sinhc: (1 / 6, 1 / 60), asinhc: (-1 / 6, 3 / 20), log_sinhc: (1 / 6, -1 / 90)}[function]
    assert math.isclose(float(first.detach()), known[0]) and math.isclose(float(second), known[1])


@every_function
@pytest.mark.parametrize("size", [1e20, 1e30])
def test_gradients_of_large_arguments(function, size):
    if function is sinhc:
        size = 1e3
    q = torch.tensor([size], requires_grad=True)
    function(q).sum().backward()
    assert q.grad is not None and q.grad.isfinite().all()


def test_logarithms_do_not_overflow():
    q = torch.tensor([1e6])
    torch.testing.assert_close(log_sinhc(q), torch.tensor([1000 - math.log(2000)]))


def test_principal_angles():
    angle = torch.linspace(-math.pi, math.pi, 101, dtype=torch.float64)
    got = principal_angle(3 * angle.sin(), 3 * angle.cos())
    torch.testing.assert_close(got[1:], angle[1:], rtol=0, atol=1e-15)
    assert got[0] == math.pi
