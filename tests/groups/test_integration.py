"""Integrals for the invariant measure: closed forms, invariance, and the constants that join groups and spaces."""

import math

import jaxtyping
import pytest
import torch
from tests.groups.catalogue import seeded

from erlangen.groups import (
    GL,
    SE,
    SL,
    SO,
    SPD,
    SSPD,
    SU,
    Affine,
    CartanCoordinates,
    Cyclic,
    GLPlus,
    LogNormal,
    O,
    integrate,
    quadrature,
)
from erlangen.groups.haar import log_polar_constant

MANY = 100_000


def gaussian(power, linear=None):
    r"""The function :math:`|\det A|^s e^{-\operatorname{tr} A A^T}`, after a linear map of A if one is given."""

    def function(A):
        B = A if linear is None else linear(A)
        return torch.linalg.det(B).abs() ** power * (-B.square().sum((-2, -1))).exp()

    return function


def of_positive(power, B=None):
    """The same as a function of S = A A^T."""

    def function(S):
        T = S if B is None else B @ S @ B.mT
        return torch.linalg.det(T).abs() ** (power / 2) * (-T.diagonal(dim1=-2, dim2=-1).sum(-1)).exp()

    return function


def over_matrices(n, power):
    r"""The integral over GL+(n): :math:`\beta_n \Gamma_n(s / 2)`, by the multivariate gamma function of torch."""
    return math.exp(log_polar_constant(n) + float(torch.mvlgamma(torch.tensor(power / 2).double(), n)))


def agrees(integral, expected):
    assert float((integral.value - expected).abs().max() / integral.standard_error.abs().max()) <= 5
    assert float(integral.standard_error.max()) <= 0.03 * abs(expected)


# ---------------------------------------------------------------- closed forms
def test_known_constants():
    assert math.isclose(over_matrices(2, 4), math.pi**2 / 4) and math.isclose(over_matrices(2, 6), 3 * math.pi**2 / 4)
    for n, beta in ((1, 1 / 2), (2, math.pi / 2), (3, math.pi**2)):
        assert math.isclose(math.exp(log_polar_constant(n)), beta)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("power", [4, 6])
def test_over_matrices_of_the_plane(power, dtype):
    draw = {"num": MANY, "dtype": dtype}
    integral = integrate(gaussian(power), GLPlus(2), generator=seeded(0), **draw)
    assert integral.value.dtype == integral.standard_error.dtype == dtype
    agrees(integral, over_matrices(2, power))
    agrees(integrate(of_positive(power), SPD(2), generator=seeded(1), **draw), over_matrices(2, power) * 2 / math.pi)


def test_over_matrices_of_other_sizes():
    agrees(integrate(gaussian(3), GLPlus(1), 20_000, generator=seeded(0)), over_matrices(1, 3))
    agrees(integrate(gaussian(6), GLPlus(3), 40_000, generator=seeded(0)), over_matrices(3, 6))
    agrees(integrate(gaussian(6), GL(3), 40_000, generator=seeded(2)), 2 * over_matrices(3, 6))
    agrees(integrate(gaussian(4), GL(2), 40_000, generator=seeded(3)), 2 * over_matrices(2, 4))


def test_over_unit_determinants():
    # In polar coordinates the integral over SL(2) is elementary.
    expected = math.pi**2 * math.exp(-2)
    agrees(integrate(gaussian(0), SL(2), MANY, generator=seeded(0)), expected)
    agrees(integrate(of_positive(0), SSPD(2), MANY, generator=seeded(1)), expected / math.pi)


def test_unit_determinants_and_factors_make_all_matrices():
    # GL+(3) is SL(3) times the factors t: the determinant is t^3, and its logarithm the coordinate.
    nodes = torch.linspace(-4, 6, 200, dtype=torch.float64)
    step = float(nodes[1] - nodes[0])

    def over_factors(B):
        scaled = (nodes / 3).exp()[:, None]
        return (step * (6 * nodes).exp()[:, None] * (-(scaled**2) * B.square().sum((-2, -1))).exp()).sum(0)

    agrees(integrate(over_factors, SL(3), 20_000, generator=seeded(0)), over_matrices(3, 6))


@pytest.mark.parametrize("linear", [GLPlus(2), GL(2)], ids=str)
def test_over_affine_maps(linear):
    def function(g):
        h, t = g[:, :2, :2], g[:, :2, 2]
        return gaussian(5)(h) * (-t.square().sum(-1) / 2).exp()

    twice = 2 if linear == GL(2) else 1
    agrees(integrate(function, Affine(2, linear), MANY, generator=seeded(0)), twice * 2 * math.pi * over_matrices(2, 4))


def test_over_motions():
    function = lambda g: (-(g[:, :2, 2] - 0.5).square().sum(-1)).exp() * g[:, 0, 0] ** 2
    agrees(integrate(function, SE(2), MANY, generator=seeded(0), spread=2.0), math.pi / 2)


@pytest.mark.parametrize("family", [SO, O])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_over_rotations(family, n):
    found = integrate(lambda R: torch.stack([R[:, 0, 0] ** 2, R[:, 0, 1]], -1), family(n), 20_000, generator=seeded(n))
    off = (found.value - torch.tensor([1 / n, 0])).abs() / found.standard_error
    assert off.max() <= 5 and found.standard_error.max() < 0.01


# ---------------------------------------------------------------- invariance
def test_invariance_from_both_sides():
    A = torch.tensor([[1.2, 0.5], [-0.3, 0.9]], dtype=torch.float64)
    special = A / torch.linalg.det(A) ** 0.5
    B = torch.tensor([[1.0, 0.7], [0.0, 1.0]], dtype=torch.float64)
    for linear in (lambda X: A @ X, lambda X: X @ A, lambda X: A @ X @ B):
        agrees(integrate(gaussian(4, linear), GLPlus(2), MANY, generator=seeded(0)), over_matrices(2, 4))
    for linear in (lambda X: special @ X, lambda X: X @ special):
        agrees(integrate(gaussian(0, linear), SL(2), MANY, generator=seeded(0)), math.pi**2 * math.exp(-2))


def test_invariance_of_positive_matrices():
    for n, B in ((2, [[1.2, 0.5], [-0.3, 0.9]]), (3, [[1.0, 0.4, 0.0], [0.0, 0.8, 0.3], [0.2, 0.0, 1.1]])):
        power, B = 2 * n, torch.tensor(B, dtype=torch.float64)
        expected = math.exp(float(torch.mvlgamma(torch.tensor(float(n)).double(), n)))
        for linear in (None, B):
            agrees(integrate(of_positive(power, linear), SPD(n), 40_000, generator=seeded(n)), expected)


def test_the_affine_measure_is_invariant_from_the_left_only():
    h, t = torch.tensor([[1.2, 0.3], [-0.2, 0.7]], dtype=torch.float64), torch.tensor([0.4, -0.3], dtype=torch.float64)
    map_ = Affine(2).pack(h, t)

    def function(g):
        return gaussian(5)(g[:, :2, :2]) * (-g[:, :2, 2].square().sum(-1)).exp()

    expected = math.pi * over_matrices(2, 4)
    group = Affine(2, GLPlus(2))
    agrees(integrate(lambda g: function(map_ @ g), group, MANY, generator=seeded(0)), expected)
    # The modular function: from the right the integral is divided by |det h|.
    agrees(
        integrate(lambda g: function(g @ map_), group, MANY, generator=seeded(0)), expected * float(torch.linalg.det(h))
    )


# ---------------------------------------------------------------- quadrature
@pytest.mark.parametrize("degree", [0, 1, 2, 5, 8])
def test_rotations_of_the_plane(degree):
    rule = quadrature(SO(2), degree)
    assert len(rule) == degree + 1
    for k in range(degree + 1):
        for j in range(k + 1):
            # cos^(k-j) sin^j: a ratio of gamma functions if both powers are even, else zero
            a, b = (k - j + 1) / 2, (j + 1) / 2
            even = math.gamma(a) * math.gamma(b) / math.gamma(a + b) / math.pi if k % 2 == j % 2 == 0 else 0.0
            found = rule.integrate(lambda R: R[:, 0, 0] ** (k - j) * R[:, 1, 0] ** j)  # noqa: B023
            assert abs(float(found) - even) <= 1e-14


@pytest.mark.parametrize("degree", [0, 1, 2, 3, 4, 6])
def test_rotations_of_space(degree):
    rule = quadrature(SO(3), degree)
    assert SO(3).contains(rule.matrix, 1e-12).all() and math.isclose(float(rule.weight.sum()), 1)
    fine = quadrature(SO(3), 12)
    weights = torch.randn(9, generator=seeded(degree), dtype=torch.float64)
    polynomial = lambda R: (R.flatten(1) @ weights) ** degree
    # A product of two rules of high degree, and random rotations, agree with it.
    torch.testing.assert_close(rule.integrate(polynomial), fine.integrate(polynomial), rtol=1e-12, atol=1e-12)
    drawn = integrate(polynomial, SO(3), 20_000, generator=seeded(1))
    assert abs(drawn.value - rule.integrate(polynomial)) <= 5 * drawn.standard_error + 1e-12
    for i in range(3):  # known moments of one entry
        known = 0.0 if degree % 2 else 1 / (degree + 1)
        assert abs(float(rule.integrate(lambda R: R[:, i, 1] ** degree)) - known) <= 1e-13  # noqa: B023


@pytest.mark.parametrize("space, function, power, expected", [
    (SPD(2), of_positive, 4, math.pi / 2), (SPD(2), of_positive, 6, 3 * math.pi / 2),
    (GLPlus(2), gaussian, 4, math.pi**2 / 4), (GLPlus(2), gaussian, 6, 3 * math.pi**2 / 4),
    (SSPD(2), of_positive, 0, math.pi * math.exp(-2)), (SL(2), gaussian, 0, math.pi**2 * math.exp(-2)),
], ids=lambda value: getattr(value, "__name__", str(value)))  # fmt: skip
def test_stretches_of_the_plane(space, function, power, expected):
    rule = quadrature(space, 2, radius=5.0, nodes=60)
    assert abs(float(rule.integrate(function(power))) / expected - 1) <= 1e-6
    single = quadrature(space, 2, radius=5.0, nodes=60, dtype=torch.float32)
    assert single.matrix.dtype == single.weight.dtype == torch.float32
    assert abs(float(single.integrate(function(power))) / expected - 1) <= 1e-3


def test_quadrature_sees_angles():
    # Neither alike in all directions nor from both sides.
    B = torch.tensor([[1.1, 0.4], [-0.2, 0.9]], dtype=torch.float64)
    rule = quadrature(GLPlus(2), 14, radius=4.0, nodes=24)
    found = float(rule.integrate(gaussian(4, lambda A: B @ A @ B)))
    assert abs(found / over_matrices(2, 4) - 1) <= 2e-3


def test_density_of_coordinates_is_the_same_measure():
    # Uniform points of a box of coordinates, weighted by the density: the integral of a function within the box.
    at = CartanCoordinates(SL(2))
    c = (torch.rand(MANY, 3, generator=seeded(0), dtype=torch.float64) * 2 - 1) * torch.tensor([3.0, 3.0, math.pi])
    terms = at.log_density(c).exp() * gaussian(0)(at.matrix(c)) * 6 * 6 * 2 * math.pi
    expected = math.pi**2 * math.exp(-2)
    assert abs(float(terms.mean()) - expected) <= 5 * float(terms.std()) / math.sqrt(MANY) <= 0.1 * expected


# ---------------------------------------------------------------- refusals
def test_errors(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # what users see, who have no run-time checks
    one = lambda g: g[:, 0, 0]
    for space in (Cyclic(3), SU(2), Affine(2, GLPlus(2)) * SO(2)):
        with pytest.raises(ValueError, match=r"integrate\(space\): SO\(n\), .* with one of these groups, got"):
            integrate(one, space)
        with pytest.raises(ValueError, match=r"quadrature\(space\): SO\(2\), SO\(3\), .* got"):
            quadrature(space, 3)
    for num in (1, 0, 2.5, True):
        with pytest.raises(ValueError, match=rf"integrate\(num\): a whole number from 2, got {num}"):
            integrate(one, SO(2), num)  # type: ignore[arg-type]
    for spread in (0.0, math.inf):
        with pytest.raises(ValueError, match=r"integrate\(spread\): a positive number, got"):
            integrate(one, SE(2), spread=spread)
    with pytest.raises(ValueError, match=r"integrate\(function\): values of shape \(9, \*event\), .* got \(\)"):
        integrate(lambda g: g.sum(), SO(2), 9)
    with pytest.raises(ValueError, match=r"integrate\(function\): values of shape \(4, \*event\), got \(2,\)"):
        quadrature(SO(2), 3).integrate(lambda g: g[:2, 0, 0])
    for degree in (-1, 1.5):
        with pytest.raises(ValueError, match=rf"quadrature\(degree\): a whole number from 0, got {degree}"):
            quadrature(SO(2), degree)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"quadrature\(nodes\): a whole number from 1, got 0"):
        quadrature(SL(2), 3, radius=1.0, nodes=0)
    for radius in (None, 0.0, math.inf):
        with pytest.raises(ValueError, match=r"quadrature\(radius\): a positive number for SL\(2\), got"):
            quadrature(SL(2), 3, radius=radius)
    with pytest.raises(ValueError, match=r"quadrature\(radius\): none for SO\(3\), whose measure is finite, got 1.0"):
        quadrature(SO(3), 3, radius=1.0)
    with pytest.raises(ValueError, match=r"LogNormal\(variance\)"):
        integrate(one, SL(2), proposal=LogNormal(-1.0))
