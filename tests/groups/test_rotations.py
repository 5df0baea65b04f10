"""The principal logarithm of rotations: right at every angle, and chosen by a rule where there are two."""

import math

import jaxtyping
import pytest
import torch
from tests.groups.catalogue import seeded

from erlangen.groups import SO, log_rotation
from erlangen.groups.exponential import matrix_exp

SIZES = [1, 2, 3, 4, 5, 6]
ROUNDING = {torch.float32: 2e-6, torch.float64: 2e-14}


def turned_by(angle, axis):
    """The rotation of space about an axis, by the series of its exponential."""
    x, y, z = (torch.tensor(axis, dtype=torch.float64) / math.sqrt(sum(a * a for a in axis))).tolist()
    return matrix_exp(angle * torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", ROUNDING)
def test_exponential_of_the_logarithm(n, dtype):
    R = SO(n).sample(100, generator=seeded(n)).to(dtype)
    X = log_rotation(R)
    assert X.dtype == dtype and X.shape == R.shape
    assert (X + X.mT).abs().max() <= ROUNDING[dtype]
    assert (matrix_exp(X) - R).abs().max() <= 4 * ROUNDING[dtype]
    # Angles are at most pi: singular values of a skew matrix are its angles, each twice.
    assert torch.linalg.svdvals(X).max() <= math.pi + ROUNDING[dtype]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-5, 0.03, 1.0, 2.5, math.pi - 1e-3, math.pi - 1e-7])
def test_logarithm_of_the_exponential(n, angle):
    A = torch.randn(20, n, n, generator=seeded(n), dtype=torch.float64)
    X = A - A.mT
    X = X * angle / torch.linalg.svdvals(X)[:, :1, None].clamp(min=1e-9)
    got = log_rotation(matrix_exp(X))
    # Next to pi, n > 3 only knows the angle to the square root of rounding over the gap.
    torch.testing.assert_close(got, X, rtol=0, atol=2e-14 if n <= 3 else 1e-13 if angle < 3 else 1e-8)


@pytest.mark.parametrize("dtype", ROUNDING)
def test_half_turns_of_the_plane_are_positive(dtype):
    tiny = 4 * torch.finfo(dtype).eps
    for sine in (-tiny, -0.0, 0.0, tiny):
        R = torch.tensor([[-1.0, -sine], [sine, -1.0]], dtype=dtype)
        assert abs(float(log_rotation(R)[1, 0]) - math.pi) <= 2 * tiny
    three = 1000 * torch.finfo(dtype).eps  # farther away it is another rotation
    assert log_rotation(torch.tensor([[-1.0, three], [-three, -1.0]], dtype=dtype))[1, 0] < 0


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 3, -4), (1, -1, 0), (2, 1, -2), (0.01, -1, 1)])
@pytest.mark.parametrize("dtype", ROUNDING)
def test_half_turns_of_space_have_one_axis(axis, dtype):
    unit = torch.tensor(axis, dtype=torch.float64) / math.sqrt(sum(a * a for a in axis))
    for sign in (1, -1):
        for angle in (math.pi, math.pi - 1e-16, math.pi + 1e-15):
            R = (turned_by(sign * angle, axis)).to(dtype)
            X = log_rotation(R).double()
            w = torch.stack([X[2, 1], X[0, 2], X[1, 0]])
            torch.testing.assert_close(w, math.pi * unit, rtol=0, atol=20 * ROUNDING[dtype])


def test_several_half_turns():
    for signs in ([-1, -1, 1, 1], [-1, -1, -1, -1], [-1, 1, -1, 1, 1], [-1, -1, -1, 1, 1, -1]):
        turn = SO(len(signs)).sample(generator=seeded(1))
        R = turn @ torch.diag(torch.tensor(signs, dtype=torch.float64)) @ turn.mT
        X = log_rotation(R)
        torch.testing.assert_close(matrix_exp(X), R, rtol=0, atol=1e-13)
        angles = torch.linalg.svdvals(X)[: signs.count(-1)]
        torch.testing.assert_close(angles, torch.full_like(angles, math.pi), rtol=0, atol=1e-13)


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("size", [0.0, 1e-3, 2.9])
def test_derivatives(n, size):
    start = torch.randn(n, n, generator=seeded(n), dtype=torch.float64)
    skew = start - start.mT
    R = matrix_exp(size * skew / torch.linalg.svdvals(skew)[0])

    def moved(Z):
        return log_rotation(matrix_exp(Z - Z.mT) @ R)

    Z = torch.zeros(n, n, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(moved, Z, check_forward_ad=True)
    if size and n <= 3:
        assert torch.autograd.gradgradcheck(moved, Z)


def test_derivative_at_a_half_turn_of_the_plane():
    angle = torch.tensor(math.pi, dtype=torch.float64, requires_grad=True)
    R = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).reshape(2, 2)
    (slope,) = torch.autograd.grad(log_rotation(R)[1, 0], angle)
    assert abs(float(slope) - 1) <= 1e-14


@pytest.mark.parametrize("n", [4, 5])
def test_derivative_as_a_plane_reaches_a_half_turn(n):
    turn = SO(n).sample(generator=seeded(n))
    plane, other = torch.zeros(2, n, n, dtype=torch.float64)
    plane[1, 0], plane[0, 1], other[3, 2], other[2, 3] = 1, -1, 1, -1
    plane, other = turn @ plane @ turn.mT, turn @ other @ turn.mT
    for rest in (0.0, 0.5):
        R = matrix_exp((math.pi - 1e-15) * plane + rest * other)
        # Which of two ways the plane is said to turn is arbitrary here; how it goes on is not.
        _, slope = torch.func.jvp(log_rotation, (R,), (R @ plane,))
        torch.testing.assert_close(slope, plane, rtol=0, atol=1e-13)


@pytest.mark.parametrize("n", SIZES)
def test_none(n):
    assert log_rotation(torch.zeros(0, n, n)).shape == (0, n, n)


def test_errors(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # what users see, who have no run-time checks
    with pytest.raises(TypeError, match=r"log_rotation\(R\): matrices of float32 or float64, got torch.int64"):
        log_rotation(torch.eye(2, dtype=torch.long))
    with pytest.raises(ValueError, match=r"square matrices of shape \(\*K, n, n\), got \(2, 3\)"):
        log_rotation(torch.zeros(2, 3))
    R = torch.eye(3).repeat(4, 1, 1)
    R[2] *= -1
    with pytest.raises(ValueError, match=r"rotations, .* error of 0 and determinant -1 at batch index 2"):
        log_rotation(R)
    R[2] *= -1.1
    with pytest.raises(ValueError, match=r"error of 0.21 and determinant 1.33 at batch index 2"):
        log_rotation(R)
    R[2, 0, 0] = math.nan
    with pytest.raises(ValueError, match="at batch index 2"):
        log_rotation(R)
