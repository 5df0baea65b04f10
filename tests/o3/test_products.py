"""The Gaunt product and powers: what they are by definition, and what must follow. Numbers in float64 unless said."""

import math
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import lebedev_rule
from tests.o3.signals import DTYPES, METHODS, randn, relative, signal, turn, unchecked, wigner_gaunt

from erlangen.groups import O
from erlangen.o3 import (
    GauntTensorProduct,
    gaunt_coefficients,
    gaunt_product,
    real_spherical_harmonics,
    spherical_power,
)
from erlangen.o3.operation import PRODUCT
from erlangen.o3.route import choose

ONE = torch.tensor([math.sqrt(4 * math.pi)], dtype=torch.float64)


def _exact_3j_size(l1, l2, l3):
    """|3j(l1 l2 l3; 0 0 0)| in closed form."""
    if (l1 + l2 + l3) % 2:
        return 0.0
    f, g = math.factorial, (l1 + l2 + l3) // 2
    triangle = f(2 * g - 2 * l1) * f(2 * g - 2 * l2) * f(2 * g - 2 * l3) / f(2 * g + 1)
    return math.sqrt(triangle) * f(g) / (f(g - l1) * f(g - l2) * f(g - l3))


def test_coefficients_are_multiples_of_e3nns():
    for l1, l2 in [(0, 0), (1, 1), (2, 1), (3, 2), (5, 4), (5, 5)]:
        for l3 in range(abs(l1 - l2), l1 + l2 + 1):
            block, gamma = wigner_gaunt(l1, l2, l3)
            assert (gaunt_coefficients(l1, l2, l3) - block).abs().max() < 1e-13
            size = math.sqrt((2 * l1 + 1) * (2 * l2 + 1) * (2 * l3 + 1) / (4 * math.pi)) * _exact_3j_size(l1, l2, l3)
            assert abs(abs(gamma) - size) < 1e-12, (l1, l2, l3)


@pytest.mark.parametrize("lmax", [1, 2, 3, 4, 5])
def test_einsum_with_e3nns_coefficients(lmax):
    x, y = signal(lmax, 4), signal(lmax, 4, seed=1)
    expected = torch.zeros(4, (2 * lmax + 1) ** 2, dtype=torch.float64)
    for l1 in range(lmax + 1):
        for l2 in range(lmax + 1):
            for l3 in range(abs(l1 - l2), l1 + l2 + 1, 2):
                one, two, out = (slice(l * l, (l + 1) ** 2) for l in (l1, l2, l3))
                expected[:, out] += torch.einsum("ijk,bi,bj->bk", wigner_gaunt(l1, l2, l3)[0], x[:, one], y[:, two])
    assert (gaunt_product(x, y, lmax, lmax) - expected).abs().max() < 1e-12


@pytest.mark.parametrize("lmax", [1, 4, 7, 10])
def test_integrals_by_lebedevs_rule(lmax):
    """Values at points of a rule that the default route does not use here, integrated against harmonics."""
    points, weights = (torch.from_numpy(t.copy()) for t in lebedev_rule({1: 5, 4: 17, 7: 29, 10: 41}[lmax]))
    harmonics = real_spherical_harmonics(2 * lmax, points.T)
    x, y = signal(lmax, 3), signal(lmax, 3, seed=1)
    few = harmonics[:, : (lmax + 1) ** 2]
    expected = ((x @ few.T) * (y @ few.T) * weights) @ harmonics
    assert relative(gaunt_product(x, y, lmax, lmax), expected) < 1e-11


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_all_methods_agree(dtype, data):
    l1, l2 = data.draw(st.integers(0, 8)), data.draw(st.integers(0, 5))
    lmax_out = data.draw(st.integers(0, l1 + l2))
    batch = data.draw(st.lists(st.integers(0, 3), max_size=2))
    method = data.draw(st.sampled_from(METHODS))
    x, y = signal(l1, *batch, dtype=dtype), signal(l2, *batch, seed=1, dtype=dtype)
    actual = gaunt_product(x, y, l1, l2, lmax_out, method=method)
    assert actual.shape == (*batch, (lmax_out + 1) ** 2) and actual.dtype == dtype
    if actual.numel():
        expected = gaunt_product(x.double(), y.double(), l1, l2, lmax_out, method="dense")
        size = (x.double().norm(dim=-1) * y.double().norm(dim=-1)).max()
        assert (actual.double() - expected).abs().max() < (1e-11 if dtype == torch.float64 else 1e-5) * size


@pytest.mark.parametrize("rows", [1, 5000])
def test_blocks_of_large_batches(rows):
    x, y = signal(6, rows), signal(6, rows, seed=1)
    few = torch.arange(rows)[:: max(1, rows // 7)]
    actual = gaunt_product(x, y, 6, 6)[few]
    assert relative(actual, gaunt_product(x[few], y[few], 6, 6, method="grid:gl")) < 1e-12


def test_leading_axes_broadcast_and_inputs_stay():
    x, y = signal(2, 3, 1), signal(1, 4, seed=1)
    before = x.clone(), y.clone()
    whole = gaunt_product(x, y, 2, 1)
    assert whole.shape == (3, 4, 16) and torch.equal(x, before[0]) and torch.equal(y, before[1])
    assert torch.allclose(whole[1, 2], gaunt_product(x[1, 0], y[2], 2, 1))


@pytest.mark.parametrize("method", ["auto", "grid:half", "fourier"])
def test_equivariance(method):
    g = O(3).sample(20, generator=torch.Generator().manual_seed(0))
    g[0] = -torch.eye(3)
    x, y = signal(3, 5), signal(4, 5, seed=1)
    expected = turn(g, gaunt_product(x, y, 3, 4, 6, method=method))
    assert (gaunt_product(turn(g, x), turn(g, y), 3, 4, 6, method=method) - expected).abs().max() < 1e-10


def test_a_commutative_ring():
    x, y, z = (signal(l, 6, seed=l) for l in (1, 2, 3))
    assert (gaunt_product(x, y, 1, 2) - gaunt_product(y, x, 2, 1)).abs().max() < 1e-13
    assert (gaunt_product(x, ONE, 1, 0) - x).abs().max() < 1e-14
    left = gaunt_product(gaunt_product(x, y, 1, 2), z, 3, 3)
    assert (left - gaunt_product(x, gaunt_product(y, z, 2, 3), 1, 5)).abs().max() < 1e-11
    truncated = gaunt_product(gaunt_product(x, y, 1, 2, 1), z, 1, 3)
    assert relative(truncated, left[:, :25]) > 1e-3


def test_parseval_and_values_at_points():
    x, y = signal(4, 5), signal(3, 5, seed=1)
    assert (gaunt_product(x, x, 4, 4, 0)[:, 0] * ONE - x.square().sum(-1)).abs().max() < 1e-12
    at = real_spherical_harmonics(7, randn(50, 3, seed=2)).T
    values = gaunt_product(x, y, 4, 3) @ at
    assert (values - (x @ at[:25]) * (y @ at[:16])).abs().max() < 1e-12


def test_paths_of_odd_sum_are_absent():
    for l1, l2, l3 in [(1, 1, 1), (2, 1, 2), (2, 2, 1), (3, 4, 4), (5, 5, 9)]:
        x, y = torch.zeros((l1 + 1) ** 2).double(), torch.zeros((l2 + 1) ** 2).double()
        x[l1 * l1 :], y[l2 * l2 :] = randn(2 * l1 + 1), randn(2 * l2 + 1, seed=1)
        for method in METHODS:
            out = gaunt_product(x, y, l1, l2, method=method)
            assert out[l3 * l3 : (l3 + 1) ** 2].abs().max() < 1e-13 * max(1, float(out.abs().max()) * 10)
            assert out.abs().max() > 0.01


@pytest.mark.parametrize("method", [*METHODS, "dense"])
def test_powers_are_repeated_products(method):
    x = signal(2, 3, 4)
    expected = x
    for n in range(1, 5):
        assert (spherical_power(x, n, method=method) - expected).abs().max() < 1e-11
        assert (spherical_power(x, n, 1, method=method) - expected[..., :4]).abs().max() < 1e-11
        expected = gaunt_product(expected, x, 2 * n, 2)


@pytest.mark.parametrize("method", [*METHODS, "dense"])
def test_derivatives(method):
    x, y = signal(2, 2).requires_grad_(), signal(1, 2, seed=1).requires_grad_()
    product = lambda x, y: gaunt_product(x, y, 2, 1, 2, method=method)
    cube = lambda x: spherical_power(x, 3, 1, method=method)
    assert torch.autograd.gradcheck(product, (x, y)) and torch.autograd.gradgradcheck(product, (x, y))
    assert torch.autograd.gradcheck(cube, x) and torch.autograd.gradgradcheck(cube, x)


def test_derivatives_at_zero():
    x = torch.zeros(1, 9, dtype=torch.float64, requires_grad=True)
    for n in (1, 2, 3, 4):
        (first,) = torch.autograd.grad(spherical_power(x, n, 2).sum(), x, create_graph=True)
        assert first.isfinite().all()
        if first.requires_grad:
            assert torch.autograd.grad(first.sum(), x)[0].isfinite().all()
    assert relative(torch.autograd.functional.hessian(lambda x: gaunt_product(x, x, 2, 2, 0).sum(), x)[0, :, 0],
                    2 * torch.eye(9).double() / ONE) < 1e-13  # fmt: skip


@pytest.mark.parametrize("lmax", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("method", ["auto", "grid:half", "grid:interpolation", "grid:lebedev", "fourier"])
def test_float32(lmax, method):
    x, y = signal(lmax, 200), signal(lmax, 200, seed=1)
    single = gaunt_product(x.float(), y.float(), lmax, lmax, method=method)
    assert single.dtype == torch.float32
    assert relative(single.double(), gaunt_product(x, y, lmax, lmax, method="grid:gl")) < 1e-5


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(dtype):
    x, y = signal(3, 50, dtype=dtype), signal(3, 50, seed=1, dtype=dtype)
    actual = gaunt_product(x, y, 3, 3)
    assert actual.dtype == dtype
    assert relative(actual.double(), gaunt_product(x.double(), y.double(), 3, 3)) < 2e-2
    with pytest.raises(TypeError, match="float32 or float64"):
        gaunt_product(x, y, 3, 3, method="fourier")


BAD = [
    (torch.zeros(2, 8), torch.zeros(2, 9), 2, 2, 2, "auto", ValueError, r"gaunt_product\(x\): last axis 9 .*\(2, 8\)"),
    (torch.zeros(2, 9), torch.zeros(2, 8), 2, 2, 2, "auto", ValueError, r"\(y\): last axis 9"),
    (torch.zeros(2, 9), torch.zeros(3, 9), 2, 2, 2, "auto", ValueError, "broadcast"),
    (torch.zeros(2, 9), torch.zeros(2, 9), 2, 2, 5, "auto", ValueError, r"lmax_out\): at most 4, .* got 5"),
    (torch.zeros(2, 9), torch.zeros(2, 9), -1, 2, 2, "auto", ValueError, r"lmax_in1\): a degree >= 0, got -1"),
    (torch.zeros(2, 9), torch.zeros(2, 9), 2, 2, 2, "fast", ValueError, r"method\): one of auto, .* got 'fast'"),
    (torch.zeros(2, 9).long(), torch.zeros(2, 9), 2, 2, 2, "auto", TypeError, "real floating-point dtype, got .*int64"),
    (torch.zeros(2, 9).cfloat(), torch.zeros(2, 9), 2, 2, 2, "auto", TypeError, "got torch.complex64"),
    (torch.zeros(2, 9), torch.zeros(2, 9).double(), 2, 2, 2, "auto", TypeError, "of one dtype"),
]


@pytest.mark.parametrize(("x", "y", "l1", "l2", "lmax_out", "method", "error", "words"), BAD)
def test_bad_input(x, y, l1, l2, lmax_out, method, error, words):
    with pytest.raises(error, match=words):
        unchecked(gaunt_product)(x, y, l1, l2, lmax_out, method=method)


def test_bad_powers():
    with pytest.raises(ValueError, match=r"spherical_power\(n\): a whole number >= 1, got 0"):
        spherical_power(torch.zeros(2, 9), 0)
    with pytest.raises(ValueError, match=r"lmax_out\): at most 6"):
        spherical_power(torch.zeros(2, 9), 3, 7)
    with pytest.raises(ValueError, match="last axis 4"):
        spherical_power(torch.zeros(2, 5), 3)
    with pytest.raises(ValueError, match="whole numbers >= 0"):
        gaunt_coefficients(1, -1, 1)


@pytest.mark.parametrize("method", [*METHODS, "dense"])
def test_first_asked_for_in_inference_mode(method):
    """What is kept from the first call serves autograd later."""
    degrees = {m: (7, 5, 6 + k) for k, m in enumerate([*METHODS, "dense"])}[method]
    x, y = signal(7, 2), signal(5, 2, seed=1)
    with torch.inference_mode():
        first = gaunt_product(x, y, *degrees, method=method)
    y.requires_grad_()
    second = gaunt_product(x, y, *degrees, method=method)
    assert torch.autograd.grad(second.sum(), y)[0].isfinite().all() and torch.equal(first, second.detach())


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        ((1, 1, 2), "grid:interpolation"),
        ((3, 3, 6), "grid:interpolation"),
        ((4, 4, 8), "grid:half"),
        ((3, 3, 3), "grid:lebedev"),
        ((6, 6, 6), "grid:half"),
        ((0, 0, 0), "grid:interpolation"),
    ],
)
def test_the_choice_of_auto(degrees, expected):
    every = [tuple(range(l + 1)) for l in degrees]
    assert choose(PRODUCT, (every[0], every[1]), every[2]) == expected


def test_made_quickly():
    start = time.perf_counter()
    GauntTensorProduct("128x0e+128x1o+128x2e+128x3o+128x4e+128x5o+128x6e", "1x0e+1x1o+1x2e+1x3o+1x4e+1x5o+1x6e")
    assert time.perf_counter() - start < 2  # 0.2 s where nothing else runs
