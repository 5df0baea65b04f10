"""Spaces of positive matrices: one-to-one with symmetric ones, with a measure that no linear map changes."""

import math

import jaxtyping
import pytest
import torch
from tests.groups.catalogue import seeded

from erlangen.groups import SPD, SSPD, GLPlus, LogNormal
from erlangen.groups.spectral import mean_slope_of_log

SPACES = [SPD(1), SPD(2), SPD(3), SPD(4), SSPD(2), SSPD(3)]
ROUNDING = {torch.float32: 2e-5, torch.float64: 1e-12}
every_space = pytest.mark.parametrize("space", SPACES, ids=str)


def orthonormal(space):
    """An orthonormal basis of the tangents, found without the library."""
    n = space.n
    every = torch.eye(n * n, dtype=torch.float64).reshape(-1, n, n)
    flat = space._tangent(every).flatten(1)
    values, axes = torch.linalg.eigh(flat)
    return axes.mT[values > 0.5].reshape(-1, n, n)


@every_space
@pytest.mark.parametrize("dtype", ROUNDING)
def test_exponential_and_logarithm(space, dtype):
    X = LogNormal(2.0).sample(space.n, 100, traceless=space.traceless, generator=seeded(0)).to(dtype)
    S = space.exp(X)
    assert S.dtype == dtype and space.contains(S, 1e-3).all()
    assert (space.log(S) - X).abs().max() <= ROUNDING[dtype] * 100
    if dtype == torch.float64:
        torch.testing.assert_close(S, torch.linalg.matrix_exp(X), rtol=1e-10, atol=1e-10)


@every_space
def test_density_by_differentiation(space):
    basis, half = orthonormal(space), (space.n + 1) / 2
    assert len(basis) == space.dim
    rows, columns = torch.triu_indices(space.n, space.n)

    def element(p):  # of the special space the first coordinate is the logarithm of the determinant, which is missing
        S = space.exp(torch.einsum("c,cij->ij", p[-space.dim :], basis))
        return (p[0] / space.n).exp() * S if space.traceless else S

    for p in torch.randn(4, space.dim + space.traceless, generator=seeded(1), dtype=torch.float64):
        slopes = torch.autograd.functional.jacobian(lambda q: element(q)[rows, columns], p)
        expected = torch.linalg.det(slopes).abs() / torch.linalg.det(element(p)) ** half
        got = space.log_density(torch.einsum("c,cij->ij", p[-space.dim :], basis)).exp()
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=0)


@every_space
def test_elements_are_carried_to_elements(space):
    S = space.sample(5, 2, generator=seeded(2))
    B = GLPlus(space.n).sample(2, generator=seeded(3))
    if space.traceless:
        B = B / torch.linalg.det(B)[:, None, None] ** (1 / space.n)
    assert S.shape == (5, 2, space.n, space.n) and space.contains(space.act(B, S)).all()
    A = GLPlus(space.n).sample(generator=seeded(4))
    torch.testing.assert_close(space.act(A, space.act(B, S)), space.act(A @ B, S), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("space", [SPD(2), SPD(3), SSPD(2), SSPD(3)], ids=str)
@pytest.mark.parametrize("where", [0.0, 1.0])
def test_derivatives(space, where):
    X = where * LogNormal(1.0).sample(space.n, traceless=space.traceless, generator=seeded(5))
    assert torch.autograd.gradcheck(space.exp, X.detach().requires_grad_())
    Z = torch.zeros(space.n, space.n, dtype=torch.float64, requires_grad=True)
    moved = lambda z: space.log(space.exp(X + z))
    assert torch.autograd.gradcheck(moved, Z, check_forward_ad=True)
    assert torch.autograd.gradcheck(space.log_density, X.detach().requires_grad_())


@pytest.mark.parametrize("gap", [0.0, 1e-12, 1e-6, 1e-3, 0.03, 0.5, 3.0])
@pytest.mark.parametrize("dtype", ROUNDING)
def test_mean_slopes(gap, dtype):
    a = torch.tensor(1.7 + gap, dtype=dtype)
    b = torch.tensor(1.7, dtype=dtype)
    exact_a, exact_b = float(a), float(b)
    expected = 1 / exact_b if exact_a == exact_b else math.log1p((exact_a - exact_b) / exact_b) / (exact_a - exact_b)
    assert abs(float(mean_slope_of_log(a, b)) / expected - 1) <= 4 * torch.finfo(dtype).eps


def test_what_is_contained():
    good = torch.tensor([[2.0, 1.0], [1.0, 1.0]])
    cases = {"plain": good, "skewed": good + torch.tensor([[0, 0.1], [0, 0]]), "negative": good - 2 * torch.eye(2)}
    cases |= {"singular": torch.ones(2, 2), "nan": good * math.nan, "scaled": 2 * good, "infinite": good / 0}
    matrices = torch.stack(list(cases.values()))
    assert dict(zip(cases, SPD(2).contains(matrices).tolist(), strict=True)) == {
        name: name in ("plain", "scaled") for name in cases
    }
    assert dict(zip(cases, SSPD(2).contains(matrices).tolist(), strict=True)) == {
        name: name == "plain" for name in cases
    }


def test_errors(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # what users see, who have no run-time checks
    with pytest.raises(ValueError, match=r"SSPD\(n\): n must be an integer of at least 1, got 0"):
        SSPD(0)
    S = torch.eye(2).repeat(3, 1, 1)
    S[1, 0, 0] = -1
    with pytest.raises(ValueError, match=r"log\(S\): elements of SPD\(2\), got \[\[-1.0, 0.0\], .* at batch index 1"):
        SPD(2).log(S)
    with pytest.raises(ValueError, match=r"log\(S\): elements of SSPD\(2\), got \[\[2.0, 0.0\]"):
        SSPD(2).log(2 * torch.eye(2))
    for method in (SPD(2).log, SPD(2).exp, SPD(2).contains, SPD(2).log_density):
        with pytest.raises(ValueError, match=r"square matrices of shape \(\*K, 2, 2\), got \(3, 3\)"):
            method(torch.eye(3))
        with pytest.raises(TypeError, match=r"matrices of float32 or float64, got torch.int64"):
            method(torch.eye(2, dtype=torch.long))
