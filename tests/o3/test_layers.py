"""Layers: what they compute, their layouts, dtypes, weights and errors. Their promises are swept by tests/promises."""

import math

import pytest
import torch
from e3nn import o3
from tests.o3.signals import METHODS, natural, randn, relative, signal

from erlangen.o3 import (
    DegreeLinear,
    GauntManyBody,
    GauntSelfMix,
    GauntTensorProduct,
    gaunt_product,
    poisson_product,
    spherical_power,
)
from erlangen.testing import assert_equivariant


def flat(x, lmax):
    """Channels ``(*, C, (lmax + 1) ** 2)`` in e3nn's layout."""
    return torch.cat([x[..., l * l : (l + 1) ** 2].flatten(-2) for l in range(lmax + 1)], -1)


@pytest.mark.parametrize("method", [*METHODS, "dense"])
def test_the_product_of_every_channel(method):
    x, y = signal(3, 5, 4), signal(2, 5, 4, seed=1)
    make = {"method": method, "weights": None, "normalization": "integral"}
    expected = gaunt_product(x, y, 3, 2)
    layer = GauntTensorProduct(natural(4, 3), natural(4, 2), **make).double()
    assert str(layer.irreps_out) == natural(4, 5)
    assert relative(layer(flat(x, 3), flat(y, 2)), flat(expected, 5)) < 1e-12
    layer = GauntTensorProduct(natural(4, 3), natural(4, 2), layout="channels", **make).double()
    assert relative(layer(x, y), expected) < 1e-12


def test_weights_per_degree_and_channel():
    layer = GauntTensorProduct(natural(4, 2), natural(4, 2), normalization="integral", layout="channels").double()
    x, y = signal(2, 5, 4), signal(2, 5, 4, seed=1)
    w1, w2, w3 = randn(4, 3), randn(4, 3, seed=1), randn(4, 5, seed=2)
    layer.branches[0].set_weights(w1, w2, w3)
    wide = [w.repeat_interleave(2 * torch.arange(w.shape[1]) + 1, 1) for w in (w1, w2, w3)]
    assert relative(layer(x, y), wide[2] * gaunt_product(wide[0] * x, wide[1] * y, 2, 2)) < 1e-13


def test_odd_paths_go_to_the_opposite_parity():
    x, y = signal(2, 5, 4), signal(2, 5, 4, seed=1)
    layer = GauntTensorProduct(natural(4, 2), natural(4, 2), "4x1e+4x0e+4x2o+4x1o", antisymmetric=True, weights=None,
                               normalization="integral", layout="channels").double()  # fmt: skip
    even, odd = gaunt_product(x, y, 2, 2), poisson_product(x, y, 2, 2)
    expected = torch.cat([odd[..., 1:4], even[..., :1], odd[..., 4:9], even[..., 1:4]], -1)
    assert relative(layer(x, y), expected) < 1e-13
    assert str(GauntTensorProduct("1o", "1o", antisymmetric=True).irreps_out) == "1x0e+1x1e+1x2e"
    assert str(GauntTensorProduct("2x1e", "2x1o").irreps_out) == "2x0o+2x2o"


def test_missing_degrees_any_order_and_one_for_all():
    x, y = signal(3, 5, 4), signal(2, 5, 1, seed=1)
    x[..., 1:9], y[..., 1:4] = 0, 0
    layer = GauntTensorProduct("4x3o+4x0e", "2e+0e", "4x1o+4x0e", weights=None, normalization="integral").double()
    own = torch.cat([x[..., 9:].flatten(1), x[..., :1].flatten(1)], 1)
    other = torch.cat([y[..., 4:].flatten(1), y[..., :1].flatten(1)], 1)
    expected = gaunt_product(x, y, 3, 2)
    expected = torch.cat([expected[..., 1:4].flatten(1), expected[..., :1].flatten(1)], 1)
    assert relative(layer(own, other), expected) < 1e-13


def test_variance_one():
    layer = GauntTensorProduct(natural(1, 3), natural(1, 3), antisymmetric=True, weights=None).double()
    z = layer(randn(20000, 16), randn(20000, 16, seed=1))
    assert (z.square().mean(0) - 1).abs().max() < 0.15
    body = GauntManyBody("1x0e+1x1o+1x2e", "1x0e+1x1o+1x2e", 3, layout="channels").double()
    for n in range(3):
        with torch.no_grad():
            body.weight.zero_()[n] = 1
        assert (body(randn(20000, 1, 9)).square().mean((0, 1)) - 1).abs().max() < 0.15


def test_against_e3nn_with_equal_weights():
    """e3nn's product of two vectors to a scalar and a tensor, path by path."""
    paths = [(0, 0, 0, "uuu", False), (0, 0, 1, "uuu", False)]
    tp = o3.TensorProduct("8x1o", "8x1o", "8x0e+8x2e", paths).double()
    layer = GauntTensorProduct("8x1o", "8x1o", "8x0e+8x2e", weights=None).double()
    a, b = randn(10, 24), randn(10, 24, seed=1)
    assert relative(layer(a, b), tp(a, b)) < 1e-6  # e3nn's constants are rounded to float32


def test_selfmix_is_what_it_says():
    mix = GauntSelfMix(natural(3, 2), 5, layout="channels").double()
    x = signal(2, 4, 3)
    weights = [m.weight[torch.tensor([0, 1, 1, 1, 2, 2, 2, 2, 2])] for m in (mix.first, mix.second, mix.last)]
    one, two = (torch.einsum("mhc,bcm->bhm", w, x) for w in weights[:2])
    product = mix.product(one, two)
    assert relative(mix(x), x + torch.einsum("mch,bhm->bcm", weights[2], product)) < 1e-13
    bare = gaunt_product(one, two, 2, 2, 2).detach()
    scale = (product.detach()[0, 0] / bare[0, 0])[[0, 1, 4]].repeat_interleave(torch.tensor([1, 3, 5]))
    assert relative(product, scale * bare) < 1e-12


@pytest.mark.parametrize("correlation", [1, 2, 3, 4])
def test_many_body_is_a_polynomial(correlation):
    body = GauntManyBody(natural(3, 2), natural(3, 1), correlation, 2, normalization="integral",
                         layout="channels").double()  # fmt: skip
    x, kinds = signal(2, 5, 3), torch.eye(2).double()[torch.tensor([0, 1, 1, 0, 1])]
    before = x.clone()
    expected = 0
    for n in range(correlation):
        w = body.weight[n][kinds.argmax(1)][..., torch.tensor([0, 1, 1, 1])]
        expected = expected + w * spherical_power(x, n + 1, method="dense")[..., :4]
    assert relative(body(x, kinds), expected) < 1e-12
    assert torch.equal(x, before)
    assert body(x[:1], kinds[:1]).shape == (1, 3, 4) and body(x[:0], kinds[:0]).shape == (0, 3, 4)


def test_derivatives_of_layers():
    x, y = signal(1, 2, 2).requires_grad_(), signal(1, 2, 2, seed=1).requires_grad_()
    product = GauntTensorProduct(natural(2, 1), natural(2, 1), antisymmetric=True, layout="channels").double()
    assert torch.autograd.gradcheck(product, (x, y)) and torch.autograd.gradgradcheck(product, (x, y))
    half = GauntTensorProduct(natural(2, 1), natural(2, 1), method="grid:half").double()
    a, b = randn(2, 8).requires_grad_(), randn(2, 8, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(half, (a, b)) and torch.autograd.gradgradcheck(half, (a, b))
    body = GauntManyBody(natural(2, 1), natural(2, 1), 3).double()
    assert torch.autograd.gradcheck(body, a) and torch.autograd.gradgradcheck(body, a)
    mix = GauntSelfMix(natural(2, 1), 3).double()
    assert torch.autograd.gradcheck(mix, a) and torch.autograd.gradgradcheck(mix, a)


@pytest.mark.parametrize(
    "make",
    [
        lambda: GauntTensorProduct(natural(2, 3), natural(2, 3), antisymmetric=True, method="grid:half"),
        lambda: GauntSelfMix(natural(2, 3), 4),
        lambda: GauntManyBody(natural(2, 3), natural(2, 1), 3),
        lambda: DegreeLinear(natural(2, 3), natural(3, 2)),
    ],
)
def test_made_in_float32_moved_to_float64_as_exact_as_made_there(make):
    layer, inputs = make(), (randn(4, 32),) * (2 if "Tensor" in type(make()).__name__ else 1)
    assert "matrix" not in "".join(layer.state_dict())
    moved = make()
    moved.load_state_dict(layer.state_dict())
    torch.set_default_dtype(torch.float64)
    try:
        born = make()
    finally:
        torch.set_default_dtype(torch.float32)
    born.load_state_dict({k: v.double() for k, v in layer.state_dict().items()})
    expected = born(*inputs)
    assert relative(moved.double()(*inputs), expected) < 1e-14
    assert relative(layer(*(x.float() for x in inputs)).double(), expected) < 1e-5
    again = moved.float()(*(x.float() for x in inputs))
    assert torch.equal(again, layer(*(x.float() for x in inputs)))
    low = layer.to(torch.bfloat16)(*(x.bfloat16() for x in inputs))
    assert low.dtype == torch.bfloat16 and relative(low.double(), expected) < 5e-2


@pytest.mark.parametrize("batch", [(0,), (1,), (5000,), (2, 3), ()])
def test_batches(batch):
    layer = GauntTensorProduct(natural(2, 2), natural(2, 2), antisymmetric=True)
    z = layer(randn(*batch, 18).float(), randn(*batch, 18).float())
    assert z.shape == (*batch, layer.irreps_out.dim)


def test_takes_e3nns_irreps_and_gives_theirs():
    irreps = o3.Irreps("4x0e+4x1o")
    layer = GauntTensorProduct(irreps, irreps)
    out = o3.Irreps(str(layer.irreps_out))
    assert out == o3.Irreps("4x0e+4x1o+4x2e") and out.dim == layer.irreps_out.dim
    assert_equivariant(layer, irreps.randn(5, -1), irreps.randn(5, -1))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: GauntTensorProduct("4x0e+3x1o", "4x0e"), r"irreps_in1\): one multiplicity for all degrees"),
        (lambda: GauntTensorProduct("4x0e+4x0o", "4x0e"), r"irreps_in1\): parities p \* \(-1\) \*\* l"),
        (lambda: GauntTensorProduct("4x0e+4x1e", "4x0e"), r"irreps_in1\): parities p"),
        (lambda: GauntTensorProduct("4x0e+4x1z", "4x0e"), r"irreps_in1\): .*'4x1z'"),
        (lambda: GauntTensorProduct("", "4x0e"), r"irreps_in1\): at least one irrep"),
        (lambda: GauntTensorProduct("4x0e+4x1o+4x0e", "4x0e"), r"irreps_in1\): every irrep once"),
        (lambda: GauntTensorProduct("4x0e", "3x0e"), r"irreps_in2\): multiplicity 4, .* got 3"),
        (lambda: GauntTensorProduct("4x1o", "4x1o", "3x0e"), r"irreps_out\): multiplicity 4"),
        (lambda: GauntTensorProduct("4x1o", "4x1o", "4x1e"), r"irreps_out\): .* got 4x1e; paths of odd sum need"),
        (lambda: GauntTensorProduct("4x1o", "4x1o", "4x3e"), r"irreps_out\): .* got 4x3e"),
        (lambda: GauntTensorProduct("4x1o", "4x1o", method="fast"), r"method\): one of auto"),
        (lambda: GauntTensorProduct("4x1o", "4x1o", weights="path"), r"weights\): 'degree' or None"),
        (lambda: GauntTensorProduct("4x1o", "4x1o", normalization="norm"), r"normalization\): one of component"),
        (lambda: GauntTensorProduct("4x1o", "4x1o", layout="mul_ir"), r"layout\): one of flat, channels"),
        (lambda: GauntSelfMix("4x1e", 3), r"GauntSelfMix\(irreps\): parities \(-1\) \*\* l"),
        (lambda: GauntSelfMix("4x1o", 0), r"hidden_channels\): a whole number >= 1"),
        (lambda: GauntManyBody("4x1e", "4x0e", 2), r"irreps_in\): parities"),
        (lambda: GauntManyBody("4x1o", "4x0e", 0), r"correlation\): a whole number"),
        (lambda: GauntManyBody("4x1o", "4x3o", 2), r"irreps_out\): degrees up to 2"),
        (lambda: GauntManyBody("4x1o", "3x0e", 2), r"irreps_out\): multiplicity"),
        (lambda: DegreeLinear("4x1o", "4x0e"), r"irreps_out\): among 4x1o, got 4x0e"),
    ],
)
def test_bad_arguments(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_bad_inputs():
    layer = GauntTensorProduct("2x0e+2x1o", "2x0e")
    x, y = torch.zeros(3, 8), torch.zeros(3, 2)
    for bad, error, words in [
        ((x[:, :7], y), ValueError, r"x: shape \(\*, 8\), got \(3, 7\)"),
        ((x, y[:, :1]), ValueError, r"y: shape \(\*, 2\)"),
        ((x, y[:2]), ValueError, "leading axes that broadcast"),
        ((x.long(), y), TypeError, "x: a real floating-point dtype, got torch.int64"),
        ((x.cfloat(), y), TypeError, "complex64"),
        ((x, y.double()), TypeError, "of one dtype"),
        ((x.double(), y.double()), TypeError, "call module.to"),
    ]:
        with pytest.raises(error, match=words):
            layer(*bad)
    body = GauntManyBody("2x0e", "2x0e", 2, num_elements=3)
    with pytest.raises(ValueError, match=r"node_attrs: shape \(4, 3\).* got nothing"):
        body(torch.zeros(4, 2))


def test_known_values():
    """The square of the direction z: a constant third and a tensor."""
    product = GauntTensorProduct("1o", "1o", weights=None, normalization="integral").double()
    z = torch.tensor([[0.0, 0.0, 1.0]]).double()
    out = product(z, z)[0]
    assert out[0] == pytest.approx(1 / math.sqrt(4 * math.pi))
    assert float(out[1:].norm()) == pytest.approx(math.sqrt(1 / (5 * math.pi)))


def test_under_autocast():
    """Products stay in the precision of their inputs; only what mixes channels is cast, as autocast casts it."""
    x = randn(4, 18, dtype=torch.float32).requires_grad_()
    product, mix = GauntTensorProduct(natural(2, 2), natural(2, 2)), GauntSelfMix(natural(2, 2), 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert relative(product(x, x), product(x, x).float()) == 0
        assert relative(mix(x).double(), mix.double()(x.double())) < 3e-2
        product(x, x).sum().backward()
    assert x.grad is not None and x.grad.dtype == torch.float32
