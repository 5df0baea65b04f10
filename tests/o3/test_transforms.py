"""Products under torch.func: forward derivatives, per-sample gradients, Hessians."""

import pytest
import torch
from tests.o3.signals import relative, signal

from erlangen.audit import lie_derivative
from erlangen.o3 import GauntTensorProduct, gaunt_product, poisson_product, spherical_power

FUNCTIONS = [
    lambda x: gaunt_product(x, x.flip(-1), 2, 2, 3),
    lambda x: gaunt_product(x, x.flip(-1), 2, 2, 3, method="grid:half"),
    lambda x: poisson_product(x, x.flip(-1), 2, 2),
    lambda x: spherical_power(x, 3, 2),
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_forward_derivatives(function):
    x, v = signal(2, 3), signal(2, 3, seed=1)
    value, slope = torch.func.jvp(function, (x,), (v,))
    assert relative(value, function(x)) < 1e-14
    assert relative(slope, (function(x + 1e-5 * v) - function(x - 1e-5 * v)) / 2e-5) < 1e-8
    assert relative(torch.func.jacfwd(function)(x), torch.func.jacrev(function)(x)) < 1e-12
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, v)
        assert relative(torch.autograd.forward_ad.unpack_dual(function(dual)).tangent, slope) < 1e-14


@pytest.mark.parametrize("function", FUNCTIONS)
def test_gradients_of_every_sample_and_hessians(function):
    x = signal(2, 3)
    energy = lambda x: function(x).square().sum()
    each = torch.func.vmap(torch.func.grad(energy))(x)
    assert relative(each, torch.func.grad(energy)(x)) < 1e-13
    hessian = torch.func.hessian(energy)(x[0])
    assert relative(hessian, torch.autograd.functional.hessian(energy, x[0])) < 1e-12
    with torch.no_grad():
        assert relative(torch.func.vmap(function)(x[:, None])[:, 0], function(x)) < 1e-13


@pytest.mark.parametrize("method", ["difference", "jvp"])
def test_lie_derivative_of_a_layer(method):
    layer = GauntTensorProduct("2x0e+2x1o+2x2e", "2x0e+2x1o", antisymmetric=True)
    report = lie_derivative(layer, torch.randn(3, 18), torch.randn(3, 8), method=method)
    assert report.error < 1e-8
