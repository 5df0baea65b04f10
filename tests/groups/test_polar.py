"""The polar decomposition and its derivatives, also where singular values coincide."""

import jaxtyping
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import polar as scipy_polar
from tests.groups.catalogue import seeded

from erlangen.groups import SO, polar

SIZES = [1, 2, 3, 4]
PRECISE = {torch.float32: 5e-6, torch.float64: 1e-14}


def matrices(n, *shape, seed=0):
    """Normal entries, the first row turned over where the determinant would be negative."""
    A = torch.randn(*shape, n, n, generator=seeded(seed), dtype=torch.float64)
    turned = A.clone()
    turned[..., 0, :] *= torch.linalg.det(A).sign()[..., None]
    return turned


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", PRECISE)
def test_factors(n, dtype):
    A = matrices(n, 200).to(dtype)
    P, R = polar(A)
    size = A.abs().amax((-2, -1), keepdim=True)
    assert P.dtype == R.dtype == dtype
    assert ((P @ R - A).abs() / size).max() <= PRECISE[dtype]
    assert (R.mT @ R - torch.eye(n, dtype=dtype)).abs().max() <= PRECISE[dtype]
    assert (torch.linalg.det(R.double()) - 1).abs().max() <= PRECISE[dtype]
    assert torch.equal(P, P.mT)
    assert dtype == torch.float32 or torch.linalg.eigvalsh(P).min() > 0


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_as_scipy(n, side):
    A = matrices(n, 20, seed=1)
    stretch, rotation = polar(A, side)
    for a, p, r in zip(A, stretch, rotation, strict=True):
        expected_rotation, expected_stretch = scipy_polar(a.numpy(), side=side)
        torch.testing.assert_close(p, torch.from_numpy(expected_stretch), rtol=0, atol=1e-13)
        torch.testing.assert_close(r, torch.from_numpy(expected_rotation), rtol=0, atol=1e-11)


def test_right_and_left_share_the_rotation():
    A = matrices(3, 5)
    (P, R), (Q, again) = polar(A), polar(A, "right")
    assert torch.equal(R, again) and torch.equal(Q, Q.mT)
    torch.testing.assert_close(R @ Q, A, rtol=0, atol=1e-13)
    torch.testing.assert_close(R.mT @ P @ R, Q, rtol=0, atol=1e-13)


@given(n=st.sampled_from([2, 3]), shape=st.lists(st.integers(0, 3), max_size=2).map(tuple), seed=st.integers(0, 99))
def test_shapes(n, shape, seed):
    A = matrices(n, *shape, seed=seed)
    P, R = polar(A)
    assert P.shape == R.shape == A.shape
    torch.testing.assert_close(P @ R, A, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [1e-180, 1e180])
@pytest.mark.parametrize("n", [2, 3])
def test_huge_and_tiny(n, size):
    A = matrices(n, 3)
    (P, R), (Q, again) = polar(A), polar(A * size)
    torch.testing.assert_close(Q / size, P, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(again, R, rtol=1e-13, atol=1e-13)


# ---------------------------------------------------------------- derivatives
def where_it_is_delicate(n):
    one, turn = torch.eye(n, dtype=torch.float64), SO(n).sample(generator=seeded(3))
    near = one + 1e-4 * torch.randn(n, n, generator=seeded(4), dtype=torch.float64)
    return {"one": one, "multiple": 2.5 * one, "turned": 0.5 * turn, "near": near, "random": matrices(n, seed=5)}


@pytest.mark.parametrize("case", ["one", "multiple", "turned", "near", "random"])
@pytest.mark.parametrize("n, side", [(1, "left"), (2, "left"), (3, "left"), (3, "right")])
def test_derivatives(n, case, side):
    A = where_it_is_delicate(n)[case].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda a: polar(a, side), A, check_forward_ad=True)


@pytest.mark.parametrize("case", ["one", "multiple", "turned", "near", "random"])
def test_second_derivatives_in_the_plane(case):
    A = where_it_is_delicate(2)[case].clone().requires_grad_()
    assert torch.autograd.gradgradcheck(polar, A)


def test_second_derivatives_in_space_are_refused():
    A = matrices(3).requires_grad_()
    (grad,) = torch.autograd.grad(polar(A)[0].square().sum(), A, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


@pytest.mark.parametrize("n", SIZES)
def test_gradients_of_many_are_finite(n):
    A = torch.cat([matrices(n, 50), 3 * torch.eye(n, dtype=torch.float64)[None]]).float().requires_grad_()
    P, R = polar(A)
    (P.sum() + R.square().sum() + R[..., 0, 0].sum()).backward()
    assert A.grad is not None and A.grad.isfinite().all()


# ---------------------------------------------------------------- refusals
def test_errors(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # what users see, who have no run-time checks
    with pytest.raises(ValueError, match=r"polar\(side\): 'left' or 'right', got 'top'"):
        polar(torch.eye(2), "top")
    with pytest.raises(TypeError, match=r"polar\(A\): matrices of float32 or float64, got torch.int64"):
        polar(torch.eye(2, dtype=torch.long))
    for bad in (torch.zeros(3, 2), torch.zeros(4), torch.zeros(5, 0, 0)):
        with pytest.raises(ValueError, match=r"square matrices of shape \(\*K, n, n\), got"):
            polar(bad)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_determinants(n):
    A = torch.eye(n).repeat(2, 3, 1, 1)
    A[1, 2, 0, 0] = -2
    with pytest.raises(ValueError, match=r"a positive determinant, got -2 at batch index \(1, 2\)"):
        polar(A)
    with pytest.raises(ValueError, match=r"a positive determinant, got -2 at batch index 2$"):
        polar(A[1])
    with pytest.raises(ValueError, match=r"a positive determinant, got -2$"):
        polar(A[1, 2])
    with pytest.raises(ValueError, match=r"a positive determinant, got 0 at batch index 0"):
        polar(torch.zeros(2, n, n))
    for bad in (float("nan"), float("inf")):
        A[1, 2, 0, 0] = bad
        with pytest.raises(ValueError, match=rf"finite entries, got {bad} at batch index \(1, 2\)"):
            polar(A)
