"""Coordinates of SO(n), SL(n) and GL+(n): they cover the group, and carry its invariant measure."""

import math

import jaxtyping
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.groups.catalogue import seeded
from tests.groups.test_polar import matrices, where_it_is_delicate

from erlangen.groups import GL, SL, SO, CartanCoordinates, GLPlus, polar, sample_group
from erlangen.groups.exponential import matrix_exp

GROUPS = [family(n) for family in (SO, SL, GLPlus) for n in (1, 2, 3, 4)]
LIE = [group for group in GROUPS if group.algebra_basis()]
ROUNDING = {torch.float32: 3e-4, torch.float64: 1e-11}
every_group = pytest.mark.parametrize("group", GROUPS, ids=str)


def elements(group, num, seed=0):
    """Elements of condition below 1000, far out as well as close."""
    A = matrices(group.n, num, seed=seed)
    if isinstance(group, SL):
        A = A / torch.linalg.det(A)[:, None, None] ** (1 / group.n)
    if isinstance(group, SO):
        A = polar(A)[1]
    return A[torch.linalg.cond(A) < 1e3]


def coordinates(at, num, generator):
    """Coordinates with all angles below pi."""
    c = torch.randn(num, at.dim, generator=generator, dtype=torch.float64)
    if at.n > 1:
        X = at.hat(c)
        angle = torch.linalg.svdvals(X - X.mT)[:, :1] / 2
        c[:, at.symmetric_dim :] *= (3.1 / angle).clamp(max=1)
    return c


# ---------------------------------------------------------------- there and back
@every_group
@pytest.mark.parametrize("dtype", ROUNDING)
def test_elements_from_their_coordinates(group, dtype):
    at, A = CartanCoordinates(group), elements(group, 200).to(dtype)
    c = at.coordinates(A)
    assert c.shape == (len(A), at.dim) and c.dtype == dtype
    assert ((at.matrix(c) - A).abs().amax((-2, -1)) / A.abs().amax((-2, -1))).max() <= ROUNDING[dtype]


@every_group
@pytest.mark.parametrize("dtype", ROUNDING)
def test_coordinates_from_their_elements(group, dtype):
    at = CartanCoordinates(group)
    c = coordinates(at, 100, seeded(1)).to(dtype) / 2
    A = at.matrix(c)
    assert group.contains(A.double(), 1e-4).all() and A.dtype == dtype
    assert at.dim == 0 or (at.coordinates(A) - c).abs().max() <= ROUNDING[dtype]


@given(
    group=st.sampled_from([SO(2), SL(2), GLPlus(2), GLPlus(3)]),
    shape=st.lists(st.integers(0, 3), max_size=2).map(tuple),
)
def test_shapes(group, shape):
    at = CartanCoordinates(group)
    A = group.sample(*shape, generator=seeded(0))
    c = at.coordinates(A)
    assert c.shape == (*shape, at.dim) and at.log_density(c).shape == shape
    assert at.matrix(c).shape == at.hat(c).shape == A.shape and at.vee(at.hat(c)).shape == c.shape
    torch.testing.assert_close(at.matrix(c), A, rtol=0, atol=1e-12)


def test_documented_coordinates_of_the_plane():
    Y, angle = torch.tensor([[0.3, 0.2], [0.2, -0.1]], dtype=torch.float64), 0.7
    turn = matrix_exp(torch.tensor([[0, -angle], [angle, 0]], dtype=torch.float64))
    root = math.sqrt(2)
    got = CartanCoordinates(GLPlus(2)).coordinates(matrix_exp(Y) @ turn)
    torch.testing.assert_close(got, torch.tensor([0.3, root * 0.2, -0.1, angle], dtype=torch.float64))
    Y = Y - Y.diagonal().mean() * torch.eye(2)
    got = CartanCoordinates(SL(2)).coordinates(matrix_exp(Y) @ turn)
    torch.testing.assert_close(got, torch.tensor([0.4 / root, root * 0.2, angle], dtype=torch.float64))
    got = CartanCoordinates(SO(2)).coordinates(turn)
    torch.testing.assert_close(got, torch.tensor([angle], dtype=torch.float64))


@pytest.mark.parametrize("dtype", ROUNDING)
def test_what_has_no_logarithm(dtype):
    at = CartanCoordinates(SL(2))
    for entries, y in (((-2.0, -0.5), math.log(2)), ((-1.0, -1.0), 0.0), ((-0.25, -4.0), -math.log(4))):
        A = torch.diag(torch.tensor(entries, dtype=dtype))
        c = at.coordinates(A)
        torch.testing.assert_close(c, torch.tensor([math.sqrt(2) * y, 0, math.pi], dtype=dtype))
        torch.testing.assert_close(at.matrix(c), A)


def test_the_branch_of_half_turns_is_kept_through_products():
    # Quarter turns composed in every way: rounding must not decide between pi and -pi.
    at = CartanCoordinates(SO(2))
    for dtype in ROUNDING:
        angle = torch.arange(16, dtype=dtype) * math.pi / 8
        R = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1).unflatten(-1, (2, 2))
        got = at.coordinates(R.mT[:, None] @ R)[..., 0]
        step = (torch.arange(16) - torch.arange(16)[:, None]) % 16
        expected = torch.where(step > 8, step - 16, step).to(dtype) * math.pi / 8
        torch.testing.assert_close(got, expected, rtol=0, atol=2e-6 if dtype == torch.float32 else 1e-14)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_coordinates_of_unit_determinant_have_no_trace(n):
    at = CartanCoordinates(SL(n))
    X = at.hat(at.coordinates(elements(SL(n), 200)))
    assert X.diagonal(dim1=-2, dim2=-1).sum(-1).abs().max() < 1e-12


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("family", [SL, GLPlus])
def test_against_eigenvalues(family, n):
    at, A = CartanCoordinates(family(n)), elements(family(n), 300)
    values, axes = torch.linalg.eigh(A @ A.mT)
    Y = (axes * values.log()[:, None] / 2) @ axes.mT
    X = at.hat(at.coordinates(A))
    assert ((X + X.mT) / 2 - Y).abs().max() < 1e-9
    R = matrix_exp(-Y) @ A
    assert (matrix_exp((X - X.mT) / 2) - R).abs().max() < 1e-9


def test_small_determinants_keep_their_digits():
    # Through A A^T nothing would be left of a stretch of 1e-9 beside one of 1.
    A = torch.diag(torch.tensor([1.0, 1e-9], dtype=torch.float64))
    got = CartanCoordinates(GLPlus(2)).coordinates(A)
    torch.testing.assert_close(
        got, torch.tensor([0, 0, math.log(1e-9), 0], dtype=torch.float64), rtol=1e-14, atol=1e-14
    )


@pytest.mark.parametrize("size", [1e-200, 1e-140, 1e140, 1e200])
@pytest.mark.parametrize("n", [2, 3])
def test_huge_and_tiny(n, size):
    at, A = CartanCoordinates(GLPlus(n)), elements(GLPlus(n), 5)
    expected = at.coordinates(A) + math.log(size) * at.vee(torch.eye(n, dtype=torch.float64))
    torch.testing.assert_close(at.coordinates(size * A), expected, rtol=1e-13, atol=1e-11)


# ---------------------------------------------------------------- the algebra
@every_group
def test_hat_and_vee(group):
    at = CartanCoordinates(group)
    c = torch.randn(20, at.dim, generator=seeded(2), dtype=torch.float64)
    torch.testing.assert_close(at.vee(at.hat(c)), c, rtol=0, atol=1e-14)
    algebra = torch.stack([torch.zeros(group.n, group.n).double(), *group.algebra_basis()]).flatten(1)
    span = torch.linalg.matrix_rank(algebra)
    assert at.dim == int(span) == int(torch.linalg.matrix_rank(torch.cat([algebra, at.hat(c).flatten(1)])))
    basis = at.hat(torch.eye(at.dim, dtype=torch.float64))
    gram = torch.einsum("aij,bij->ab", basis, basis)
    lengths = torch.tensor([1.0] * at.symmetric_dim + [2.0] * (at.dim - at.symmetric_dim), dtype=torch.float64)
    torch.testing.assert_close(gram, torch.diag(lengths), rtol=0, atol=1e-14)


@pytest.mark.parametrize("group", LIE, ids=str)
def test_brackets(group):
    at = CartanCoordinates(group)
    basis = at.hat(torch.eye(at.dim, dtype=torch.float64))
    m, k = basis[: at.symmetric_dim], basis[at.symmetric_dim :]
    for left, right, kind in ((k, k, "k"), (k, m, "m"), (m, m, "k")):
        bracket = left[:, None] @ right - right @ left[:, None]
        c = at.vee(bracket)
        torch.testing.assert_close(at.hat(c), bracket, rtol=0, atol=1e-14)  # closed
        outside = c[..., : at.symmetric_dim] if kind == "k" else c[..., at.symmetric_dim :]
        assert outside.numel() == 0 or outside.abs().max() <= 1e-14


# ---------------------------------------------------------------- the measure
def density_of_rotations(at, c):
    """Of left-invariant frames of SO(n), over its volume."""
    slopes = torch.autograd.functional.jacobian(at.matrix, c).movedim(-1, 0)
    volume = math.prod(2 * math.pi ** ((k + 1) / 2) / math.gamma((k + 1) / 2) for k in range(1, at.n))
    return torch.linalg.det(at.vee(at.matrix(c).mT @ slopes)).abs() / volume


def density_of_matrices(at, c):
    """Of dA / |det A|^n; for SL(n) the logarithm of the determinant is the coordinate that is missing."""
    if isinstance(at.group, SL):
        function, start = lambda p: (p[:1] / at.n).exp() * at.matrix(p[1:]), torch.cat([c.new_tensor([0.3]), c])
    else:
        function, start = at.matrix, c
    slopes = torch.autograd.functional.jacobian(function, start).flatten(0, 1)
    return torch.linalg.det(slopes).abs() / torch.linalg.det(function(start)) ** at.n


@pytest.mark.parametrize("group", LIE, ids=str)
def test_density_by_differentiation(group):
    at = CartanCoordinates(group)
    expected = density_of_rotations if isinstance(group, SO) else density_of_matrices
    for c in coordinates(at, 4, seeded(3)):
        torch.testing.assert_close(at.log_density(c).exp(), expected(at, c), rtol=1e-9, atol=1e-12)


def test_density_is_smooth_where_eigenvalues_coincide():
    for group in (SL(2), GLPlus(2), GLPlus(3)):
        at = CartanCoordinates(group)
        c = torch.zeros(at.dim, dtype=torch.float64)
        c[-1] = 0.4
        assert torch.autograd.gradcheck(at.log_density, c.requires_grad_())


@pytest.mark.parametrize("n", [2, 3, 4])
def test_no_density_beyond_half_turns(n):
    at = CartanCoordinates(SO(n))
    c = torch.zeros(2, at.dim)
    c[:, 0] = torch.tensor([3.14, 3.15])
    inside, outside = at.log_density(c)
    assert inside.isfinite() and outside == -math.inf


# ---------------------------------------------------------------- derivatives
@pytest.mark.parametrize("case", ["one", "multiple", "turned", "near", "random"])
@pytest.mark.parametrize("n", [2, 3])
def test_derivatives(n, case):
    A = where_it_is_delicate(n)[case].clone().requires_grad_()
    at = CartanCoordinates(GLPlus(n))
    assert torch.autograd.gradcheck(at.coordinates, A, check_forward_ad=True)
    assert torch.autograd.gradcheck(at.matrix, at.coordinates(A).detach().requires_grad_())
    if n == 2:
        assert torch.autograd.gradgradcheck(at.coordinates, A)


@pytest.mark.parametrize("case", ["one", "turned", "random"])
def test_derivatives_on_unit_determinants(case):
    A = where_it_is_delicate(2)[case]
    at = CartanCoordinates(SL(2))
    along = lambda Z: at.coordinates(A / torch.linalg.det(A) ** 0.5 @ matrix_exp(at.hat(Z)))
    assert torch.autograd.gradcheck(along, torch.zeros(3, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("group", [SL(2), GLPlus(2), GLPlus(3)], ids=str)
def test_gradients_are_finite(group, dtype):
    A = torch.cat([elements(group, 50), group.identity(1)]).to(dtype).requires_grad_()
    CartanCoordinates(group).coordinates(A).sum().backward()
    assert A.grad is not None and A.grad.isfinite().all() and A.grad.dtype == dtype


def test_derivatives_of_both_modes_as_matrices():
    at, A = CartanCoordinates(GLPlus(3)), torch.eye(3, dtype=torch.float64) + torch.diag(torch.tensor([0.5, 0, 0]))
    torch.testing.assert_close(torch.func.jacfwd(at.coordinates)(A), torch.func.jacrev(at.coordinates)(A))


def test_after_inference():
    at = CartanCoordinates(SL(6))  # of which nothing was asked before
    with torch.inference_mode():
        at.hat(torch.zeros(at.dim))
        sample_group(SO(2), 77)
    c = torch.zeros(at.dim, requires_grad=True)
    at.hat(c).sum().backward()
    assert c.grad is not None
    (sample_group(SO(2), 77).matrix @ torch.ones(2, 1, dtype=torch.float64, requires_grad=True)).sum().backward()


# ---------------------------------------------------------------- refusals
def test_errors(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # what users see, who have no run-time checks
    with pytest.raises(ValueError, match=r"CartanCoordinates\(group\): SO\(n\), SL\(n\) or GLPlus\(n\), got GL\(2\)"):
        CartanCoordinates(GL(2))  # type: ignore[arg-type]
    at = CartanCoordinates(SL(2))
    with pytest.raises(ValueError, match=r"hat\(c\): coordinates of shape \(\*K, 3\), got \(4,\)"):
        at.hat(torch.zeros(4))
    for method in (at.hat, at.matrix, at.log_density):
        with pytest.raises(TypeError, match=r"coordinates of float32 or float64, got torch.int64"):
            method(torch.zeros(3, dtype=torch.long))
    for method in (at.vee, at.coordinates):
        with pytest.raises(ValueError, match=r"square matrices of shape \(\*K, 2, 2\), got \(3, 3\)"):
            method(torch.eye(3))
        with pytest.raises(TypeError, match=r"matrices of float32 or float64, got torch.int64"):
            method(torch.eye(2, dtype=torch.long))


@pytest.mark.parametrize("n", [2, 3])
def test_determinants(n):
    at = CartanCoordinates(SL(n))
    A = torch.eye(n).repeat(2, 3, 1, 1)
    A[1, 2, 0, 0] = 1.0002
    with pytest.raises(
        ValueError, match=rf"SL\({n}\) have determinant 1 to 0.0001, got 1.0002 at batch index \(1, 2\)"
    ):
        at.coordinates(A)
    A[1, 2, 0, 0] = 1.00005
    at.coordinates(A)
    A[1, 2, 0, 0] = -1
    with pytest.raises(ValueError, match=r"a positive determinant, got -1 at batch index \(1, 2\)"):
        at.coordinates(A)
    A[1, 2, 0, 0] = math.nan
    with pytest.raises(ValueError, match=r"finite entries, got nan at batch index \(1, 2\)"):
        at.coordinates(A)


def test_rounding_of_large_entries_is_no_wrong_determinant():
    A = CartanCoordinates(SL(2)).matrix(torch.tensor([9.0, 0.5, 1.0]))
    assert abs(float(torch.linalg.det(A.double())) - 1) > 1e-4
    torch.testing.assert_close(CartanCoordinates(SL(2)).coordinates(A)[-1], torch.tensor(1.0), rtol=0, atol=1e-3)


def test_only_rotations_are_rotations():
    with pytest.raises(ValueError, match=r"coordinates\(A\): rotations, .* at batch index 1"):
        CartanCoordinates(SO(2)).coordinates(torch.stack([torch.eye(2), 2 * torch.eye(2)]))
