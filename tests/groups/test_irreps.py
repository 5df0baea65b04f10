"""Irreducible representations of O(3): against e3nn, against their own harmonics, and under differentiation."""

import math

import numpy as np
import pytest
import torch
from tests.groups.catalogue import gap, random_tangent, seeded

from erlangen.groups import SE, SO, E, Hom, Irreps, O, Vector, wigner_d
from erlangen.groups.irreps import MAX_DEGREE, harmonics

degrees = pytest.mark.parametrize("degree", range(MAX_DEGREE + 1))


def sphere(count, seed=0):
    return torch.nn.functional.normalize(torch.randn(count, 3, generator=seeded(seed), dtype=torch.float64), dim=-1)


@pytest.fixture
def float64_default():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def test_first_harmonics_are_the_known_polynomials():
    p = sphere(20)
    x, y, z = p.unbind(-1)
    one = math.sqrt(1 / (4 * math.pi))
    assert gap(harmonics(0, p), torch.full((20, 1), one, dtype=torch.float64)) <= 1e-15
    assert gap(harmonics(1, p), math.sqrt(3) * one * p) <= 1e-15
    s = math.sqrt(15) * one
    second = [s * x * z, s * x * y, s * (3 * y * y - 1) / math.sqrt(12), s * y * z, s * (z * z - x * x) / 2]
    assert gap(harmonics(2, p), torch.stack(second, -1)) <= 1e-15


@degrees
def test_harmonics_are_orthonormal(degree):
    # Gauss-Legendre along the axis and equal steps around it integrate products of two harmonics exactly.
    n = degree + 1
    nodes, weights = np.polynomial.legendre.leggauss(n)
    y = torch.tensor(nodes).repeat_interleave(2 * n)
    w = torch.tensor(weights).repeat_interleave(2 * n) * math.pi / n
    angle = torch.arange(2 * n, dtype=torch.float64).repeat(n) * math.pi / n
    r = (1 - y * y).sqrt()
    Y = harmonics(degree, torch.stack([r * angle.sin(), y, r * angle.cos()], -1))
    gram = Y.mT @ (w[:, None] * Y)
    assert gap(gram, torch.eye(2 * degree + 1)) <= 1e-13


@degrees
def test_wigner_turns_the_harmonics(degree):
    g = O(3).sample(20, generator=seeded(degree))
    p = sphere(30, seed=1)
    turned = harmonics(degree, torch.einsum("kij,pj->kpi", g, p))
    expected = torch.einsum("kij,pj->kpi", wigner_d(degree, g), harmonics(degree, p))
    assert gap(turned, expected) <= 1e-12


@degrees
def test_wigner_is_an_orthogonal_representation(degree):
    g, h = O(3).sample(20, generator=seeded(0)), O(3).sample(20, generator=seeded(1))
    D = wigner_d(degree, g)
    assert gap(wigner_d(degree, g @ h), D @ wigner_d(degree, h)) <= 1e-12
    assert gap(D.mT @ D, torch.eye(2 * degree + 1).expand(20, -1, -1)) <= 1e-12
    assert gap(wigner_d(degree, torch.eye(3).double()), torch.eye(2 * degree + 1)) <= 1e-13
    # The character of a rotation by t is sin((l + 1/2) t) / sin(t / 2).
    R = SO(3).sample(20, generator=seeded(2))
    t = ((R.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).clamp(-1, 1).acos()
    trace = wigner_d(degree, R).diagonal(dim1=-2, dim2=-1).sum(-1)
    torch.testing.assert_close(trace, ((degree + 0.5) * t).sin() / (t / 2).sin(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("degree", range(12))
def test_wigner_is_e3nns(degree, float64_default):
    o3 = pytest.importorskip("e3nn.o3")
    g = O(3).sample(10, generator=seeded(degree))
    for parity in "eo":
        theirs = o3.Irreps(f"{degree}{parity}").D_from_matrix(g)
        ours = Irreps(f"{degree}{parity}").rho(g)
        assert gap(ours, theirs) <= 1e-10, parity


def test_sums_are_e3nns(float64_default):
    o3 = pytest.importorskip("e3nn.o3")
    irreps = o3.Irreps("2x0e+0o+3x1o+1e+2x2e+5o")
    ours = Irreps(irreps)
    assert ours.dim == irreps.dim
    g = O(3).sample(4, generator=seeded(3))
    assert gap(ours.rho(g), irreps.D_from_matrix(g)) <= 1e-10
    x = torch.randn(4, 6, irreps.dim, generator=seeded(4))
    assert gap(ours(g, x), x @ irreps.D_from_matrix(g).mT) <= 1e-10


@degrees
def test_wigner_is_differentiable_at_the_identity(degree):
    for g in (torch.eye(3).double(), O(3).sample(generator=seeded(0))):
        assert torch.autograd.gradcheck(
            lambda m: wigner_d(degree, m), g.clone().requires_grad_(), check_forward_ad=True, fast_mode=True
        )


@degrees
def test_the_algebra_has_the_casimir_of_its_degree(degree):
    rep = Irreps(f"{degree}e")
    J = [rep.drho(A) for A in O(3).algebra_basis()]
    casimir = -sum(j @ j for j in J)
    assert gap(casimir, degree * (degree + 1) * torch.eye(rep.dim)) <= 1e-12
    A, B = random_tangent(O(3), seeded(0)), random_tangent(O(3), seeded(1))
    bracket = rep.drho(A) @ rep.drho(B) - rep.drho(B) @ rep.drho(A)
    assert float((rep.drho(A @ B - B @ A) - bracket).abs().max()) <= 1e-11


def test_degree_one_is_the_vector():
    g = O(3).sample(5, generator=seeded(0))
    assert gap(Irreps("1o").rho(g), Vector(O(3)).rho(g)) <= 1e-14
    assert gap(Irreps("1e").rho(g), Vector(O(3)).rho(g) * torch.linalg.det(g)[:, None, None]) <= 1e-14


def test_parity():
    mirror = -torch.eye(3).double()
    for degree in range(5):
        assert gap(Irreps(f"{degree}e").rho(mirror), torch.eye(2 * degree + 1)) <= 1e-14
        assert gap(Irreps(f"{degree}o").rho(mirror), -torch.eye(2 * degree + 1)) <= 1e-14
    assert Irreps("3y+2y") == Irreps("3o+2e")


def test_notation():
    rep = Irreps(" 2x0e + 1x1o+1o +0x4e+ 3e")
    assert rep == Irreps("2x0e+2x1o+3e") and rep.dim == 2 + 6 + 7
    assert [m for m, _ in rep.parts] == [2, 2, 1]
    assert Irreps("").dim == 0 and Irreps("").parts == ()
    assert repr(Irreps("2x0e+1o")) == "2 * 0e + 1o"
    assert Irreps("2x0e+1o") == 2 * Irreps("0e") + Irreps("1o")
    assert Irreps("1o", E(3)) == Irreps("1o").along(Hom.canonical(E(3), O(3)))
    assert Irreps("1o", SE(3)).group == SE(3) and Irreps("2e", SO(3)).group == SO(3)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("2x1", r"'2x1' in '2x1' is not of the form '2x1o'"), ("1o+", "'' in"), ("1o++1e", "''"), ("-1o", "'-1o'"),
        ("ax1o", "'ax1o'"), ("1o 1e", "'1o 1e'"), (None, "'None'"), ("1.5o", "'1.5o'"),
    ],
)  # fmt: skip
def test_bad_notation_names_the_term(spec, problem):
    with pytest.raises(ValueError, match=problem):
        Irreps(spec)


def test_other_groups_have_other_irreps():
    with pytest.raises(ValueError, match=r"O\(3\), SO\(3\), E\(3\) or SE\(3\), got O\(2\)"):
        Irreps("1o", O(2))


def test_float32_elements_lose_no_more_than_their_rounding():
    g = O(3).sample(10, generator=seeded(0), dtype=torch.float32)
    D = Irreps("12e").rho(g)
    assert D.dtype == torch.float32
    assert gap(D, Irreps("12e").rho(g.double())) <= 2 * torch.finfo(torch.float32).eps


def test_what_is_cached_in_inference_mode_serves_autograd():
    from erlangen.groups.irreps import _fit, _turns

    for cached in (_fit, _turns):
        cached.cache_clear()
    rep = Irreps("7e")
    with torch.inference_mode():
        rep.rho(torch.eye(3).double())
        rep.drho(O(3).algebra_basis()[0])
    g = torch.eye(3).double().requires_grad_()
    rep.rho(g).sum().backward()
    A = random_tangent(O(3), seeded(0)).requires_grad_()
    (rep.drho(A) ** 2).sum().backward()
    assert g.grad.isfinite().all() and A.grad.isfinite().all()


def test_many_copies_of_a_few_irreps_act_part_by_part(monkeypatch):
    # 64 copies of each degree cost one matrix per degree, never one of the whole feature axis.
    rep = Irreps("64x0e+64x1o+64x2e")
    x = torch.randn(1000, rep.dim, generator=seeded(0))
    g = O(3).sample(1000, generator=seeded(1))
    monkeypatch.setattr(type(rep), "rho", None)
    y = rep(g, x)
    monkeypatch.undo()
    assert gap(y[:5], (rep.rho(g[:5]) @ x[:5, :, None].double())[..., 0].float()) <= 1e-6
