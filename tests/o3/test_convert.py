"""From e3nn: exact where weights factorise, the nearest map otherwise, a clear refusal where there is none."""

from types import SimpleNamespace

import pytest
import torch
from e3nn import o3
from tests.o3.signals import natural, randn, relative

from erlangen.o3 import from_e3nn, gaunt_coefficients, poisson_coefficients


def _product(channels, lmax, irreps_out, mode="uuu", weighted=True, channels2=None):
    one, two = o3.Irreps(natural(channels, lmax)), o3.Irreps(natural(channels2 or channels, lmax))
    out = o3.Irreps(irreps_out)
    paths = [
        (i, j, k, mode, weighted)
        for i, (_, a) in enumerate(one)
        for j, (_, b) in enumerate(two)
        for k, (_, c) in enumerate(out)
        if c in a * b
    ]
    return o3.TensorProduct(one, two, out, paths).double()


def _block(l1, l2, l3):
    return (gaunt_coefficients if (l1 + l2 + l3) % 2 == 0 else poisson_coefficients)(l1, l2, l3)


def _set_factors(tp, channels, zero=False):
    """Weights for which the product is a Gaunt product with known weights, of both signs."""
    factors = [randn(channels, len(irreps), seed=s) for s, irreps in
               enumerate((tp.irreps_in1, tp.irreps_in2, tp.irreps_out))]  # fmt: skip
    if zero:
        factors[0][:, 1], factors[2][0, 0] = 0, 0
    weights = []
    for p in tp.instructions:
        l1, l2, l3 = tp.irreps_in1[p.i_in1].ir.l, tp.irreps_in2[p.i_in2].ir.l, tp.irreps_out[p.i_out].ir.l
        size = float((_block(l1, l2, l3) * o3.wigner_3j(l1, l2, l3, dtype=torch.float64)).sum())
        weights.append(size * factors[0][:, p.i_in1] * factors[1][:, p.i_in2] * factors[2][:, p.i_out] / p.path_weight)
    tp.weight.data = torch.cat(weights)


@pytest.mark.parametrize("irreps_out", [natural(3, 2), "3x1e+3x2o", "3x0e+3x1o+3x1e+3x2e+3x2o+3x3o+3x4e"])
@pytest.mark.parametrize("zero", [False, True])
def test_exact_where_weights_factorise(irreps_out, zero):
    tp = _product(3, 2, irreps_out)
    _set_factors(tp, 3, zero)
    product, residual = from_e3nn(tp)
    x, y = tp.irreps_in1.randn(10, -1).double(), tp.irreps_in2.randn(10, -1).double()
    assert residual < 1e-12
    # e3nn's constants, and the weights of a module made in float32, are rounded.
    assert relative(product.double()(x, y), tp(x, y)) < 2e-6


def test_least_squares_otherwise():
    torch.manual_seed(0)
    tp = _product(3, 2, natural(3, 2))
    product, residual = from_e3nn(tp)
    assert 0.05 < residual < 1
    x, y = (torch.randn(4000, tp.irreps_in1.dim, dtype=torch.float64) for _ in range(2))
    ours, theirs = product.double()(x, y).detach(), tp(x, y).detach()
    assert abs(float((ours - theirs).norm() / theirs.norm()) - residual) < 0.05
    # No small change of any weight does better.
    for parameter in product.parameters():
        shift = 1e-3 * torch.randn_like(parameter)
        for sign in (1, -2):
            with torch.no_grad():
                parameter += sign * shift
            assert (product(x, y) - theirs).norm() > (ours - theirs).norm() * (1 - 1e-4)
        with torch.no_grad():
            parameter += shift


def test_multiplicities_of_one():
    for tp in (_product(3, 1, "3x0e", "uvu", channels2=1), _product(1, 1, "1x0e", "uvw")):
        _set_factors(tp, tp.irreps_out[0].mul)
        product, residual = from_e3nn(tp)
        x, y = tp.irreps_in1.randn(5, -1).double(), tp.irreps_in2.randn(5, -1).double()
        assert residual < 1e-12 and relative(product.double()(x, y), tp(x, y)) < 2e-6


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: torch.nn.Linear(2, 2), TypeError, "an e3nn TensorProduct, got Linear"),
        (lambda: o3.FullTensorProduct("2x0e+2x1o", "2x0e+2x1o"), ValueError, "every irrep once"),
        (lambda: o3.FullyConnectedTensorProduct("2x0e+2x1o", "2x1o", "2x0e"), ValueError, r"path 0 .*'uvw'"),
        (lambda: o3.TensorProduct("2x0e+2x0o", "2x0e", "2x0e", [(0, 0, 0, "uuu", True)]), ValueError,
         r"irreps_in1\): parities"),
        (lambda: o3.TensorProduct("2x0e", "2x0e", "2x0e", [(0, 0, 0, "uuu", True)], shared_weights=False), ValueError,
         "given at each call"),
    ],
)  # fmt: skip
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        from_e3nn(make())


def test_by_its_shape_alone():
    """Any object that looks like e3nn's is taken; no class is asked for."""
    tp = _product(2, 1, "2x0e")
    names = ("irreps_in1", "irreps_in2", "irreps_out", "instructions", "weight", "internal_weights")
    likeness = SimpleNamespace(**{name: getattr(tp, name) for name in names})
    assert from_e3nn(likeness).residual == from_e3nn(tp).residual


def test_signs_are_those_of_the_e3nn_that_is_installed(monkeypatch):
    """Versions differ in the sign of some coupling coefficients: weights of such a path change their sign with it."""
    tp = _product(2, 1, "2x1e+2x0e")
    _set_factors(tp, 2)
    x, y = tp.irreps_in1.randn(5, -1).double(), tp.irreps_in2.randn(5, -1).double()
    expected = from_e3nn(tp).product.double()(x, y)
    original = o3.wigner_3j
    flipped = lambda *degrees, **options: (1 if sum(degrees) % 2 == 0 else -1) * original(*degrees, **options)
    monkeypatch.setattr(o3, "wigner_3j", flipped)
    odd = next(k for k, p in enumerate(tp.instructions) if (p.i_in1, p.i_in2) == (1, 1) and tp.irreps_out[p.i_out].ir.l)
    weight = tp.weight.detach().clone().view(len(tp.instructions), 2)
    weight[odd] = -weight[odd]
    names = ("irreps_in1", "irreps_in2", "irreps_out", "instructions", "internal_weights")
    other = SimpleNamespace(weight=weight, **{name: getattr(tp, name) for name in names})
    product, residual = from_e3nn(other)
    assert residual < 1e-12 and relative(product.double()(x, y), expected) < 1e-6
