"""Unitary groups: axioms, Haar moments, and representations over the complex numbers."""

import pickle

import pytest
import torch

from erlangen.audit import audit
from erlangen.groups import SU, Lorentz, Scalar, Symmetry, U, Vector, equivariant_basis, parse_group

GROUPS = [U(1), U(2), U(3), SU(1), SU(2), SU(3), SU(4)]
every_group = pytest.mark.parametrize("group", GROUPS, ids=str)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@every_group
@pytest.mark.parametrize(
    ("dtype", "made", "tol"), [(torch.float32, torch.complex64, 1e-5), (torch.float64, torch.complex128, 1e-12)]
)
def test_axioms(group, dtype, made, tol):
    g, h, k = (group.sample(4, generator=seeded(s), dtype=dtype) for s in range(3))
    e = group.identity(4, dtype=dtype)
    assert g.dtype == e.dtype == made
    assert group.contains(g, tol).all() and group.contains(group.compose(g, h), tol).all()
    assert not group.contains(1.5 * g).any()
    for left, right in (
        (group.compose(group.compose(g, h), k), group.compose(g, group.compose(h, k))),
        (group.compose(g, group.inverse(g)), e),
        (group.compose(e, g), g),
    ):
        torch.testing.assert_close(left, right, rtol=0, atol=tol)
    assert pickle.loads(pickle.dumps(group)) == group == parse_group(repr(group)).source


@every_group
def test_the_algebra(group):
    basis = group.algebra_basis()
    assert len(basis) == (group.n**2 if isinstance(group, U) else group.n**2 - 1)
    if not basis:
        return
    real = torch.stack([torch.view_as_real(a).flatten() for a in basis])
    assert torch.linalg.matrix_rank(real) == len(basis)
    for a in basis:
        torch.testing.assert_close(a.mH, -a)
        assert group.contains(group.exp(0.7 * a), 1e-12)
        torch.testing.assert_close(group.exp(a) @ group.exp(a), group.exp(2 * a), rtol=0, atol=1e-12)


@pytest.mark.parametrize("group", [U(2), U(3), SU(2), SU(3)], ids=str)
def test_haar_moments(group):
    g = group.sample(40_000, generator=seeded())
    assert g.mean(0).abs().max() < 0.02
    torch.testing.assert_close(
        g.abs().square().mean(0), torch.full((group.n,) * 2, 1 / group.n).double(), rtol=0, atol=0.01
    )


@pytest.mark.parametrize("group", [U(2), SU(3)], ids=str)
def test_representations(group):
    V = Vector(group)
    for rep in (V, V.dual, V * V.dual, 2 * V + Scalar(group) + V**2):
        g, h = group.sample(3, generator=seeded()), group.sample(3, generator=seeded(1))
        torch.testing.assert_close(rep.rho(group.compose(g, h)), rep.rho(g) @ rep.rho(h), rtol=0, atol=1e-12)
        x = torch.randn(3, 5, rep.dim, dtype=torch.complex64)
        assert rep(g, x).dtype == torch.complex64
        torch.testing.assert_close(rep(g, x)[1, 2], (rep.rho(g)[1] @ x[1, 2].to(g.dtype)).to(x.dtype))
        for a in group.algebra_basis():
            step = 1e-5
            ahead, behind = (rep.rho(group.exp(s * step * a)) for s in (1, -1))
            torch.testing.assert_close((ahead - behind) / (2 * step), rep.drho(a) + 0 * ahead, rtol=0, atol=1e-8)
    x, y = (torch.randn(3, group.n, dtype=torch.complex128) for _ in range(2))
    pairing = (V.dual(g, y) * V(g, x)).sum(-1)
    torch.testing.assert_close(pairing, (y * x).sum(-1))


def test_complex_modules_are_audited():
    z = torch.randn(6, 3, dtype=torch.complex64)
    promise = Symmetry(U(3), Vector(U(3)), Vector(U(3)))
    assert audit(lambda z: z * z.abs().square().sum(-1, keepdim=True), z, symmetry=promise).verdict == "exact"
    assert audit(lambda z: z.conj(), z, symmetry=promise).verdict == "breaks"
    assert audit(lambda z: 1j * z, z, symmetry=promise).verdict == "exact"


def test_the_interval_is_invariant_under_lorentz():
    group = Lorentz(4)
    x = torch.randn(6, 4)
    eta = group.metric(torch.float64)
    promise = Symmetry(group, Vector(group), Scalar(group))
    assert audit(lambda x: (x * x * eta.to(x)).sum(-1), x, symmetry=promise).verdict == "exact"
    assert audit(lambda x: (x * x).sum(-1), x, symmetry=promise).verdict == "breaks"
    assert equivariant_basis(Vector(group), Vector(group).dual).dim == 1


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Vector(U(2)).check(torch.ones(3, 2)), TypeError, "complex tensors, got dtype torch.float32"),
        (lambda: Vector(U(2)).check(torch.ones(3, 3).cfloat()), ValueError, "last axis of Vector.* has size 2"),
        (lambda: Vector(U(2)).check(torch.full((3, 2), float("nan")).cfloat()), ValueError, "NaN or infinity"),
        (lambda: equivariant_basis(Vector(U(2)), Vector(U(2))), ValueError, "U\\(2\\) is complex"),
        (lambda: Lorentz(1), ValueError, "at least 2"),
        (lambda: U(0), ValueError, "at least 1"),
    ],
)
def test_refusals(make, error, message):
    with pytest.raises(error, match=message):
        make()
