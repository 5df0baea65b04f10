"""Equivariant bases against counts known in closed form, group averages, and each other's routes."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from erlangen.audit import audit
from erlangen.groups import (
    GL,
    SL,
    SO,
    Cyclic,
    E,
    Embed,
    EquivariantLinear,
    Irreps,
    O,
    PseudoScalar,
    Regular,
    Scalar,
    SignedPermutation,
    Symmetric,
    Vector,
    equivariant_basis,
)
from erlangen.groups import basis as basis_module
from erlangen.groups.basis import null_vectors


def perm(n):
    return Vector(Symmetric(n))


@pytest.mark.parametrize(("n", "dim"), [(1, 1), (2, 8), (3, 14), (4, 15), (5, 15), (9, 15)])
def test_pairs_to_pairs(n, dim):
    assert equivariant_basis(perm(n) ** 2, perm(n) ** 2).dim == dim


@pytest.mark.parametrize(("order", "bell"), [(1, 1), (2, 2), (3, 5), (4, 15), (5, 52)])
def test_bell_numbers(order, bell):
    V = perm(6)
    for into in range(order + 1):
        assert equivariant_basis(V**into, V ** (order - into)).dim == bell


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_catalan_numbers(k):
    V = Vector(GL(2))
    assert equivariant_basis(V**k, V**k).dim == math.comb(2 * k, k) // (k + 1)


def test_duals():
    V = Vector(GL(3))
    assert equivariant_basis(V, V.dual).dim == 0
    assert equivariant_basis(V * V.dual, Scalar(GL(3))).dim == 1
    assert equivariant_basis(V * V, Scalar(GL(3))).dim == 0
    W = Vector(SL(2))
    assert equivariant_basis(W, W.dual).dim == 1  # the area form
    assert equivariant_basis(Vector(O(3)), Vector(O(3)).dual).dim == 1


def test_schur():
    kinds = [Irreps(f"{l}{p}") for l in range(4) for p in "eo"]
    for a, b in itertools.product(kinds, repeat=2):
        assert equivariant_basis(a, b).dim == int(a == b)
    found = equivariant_basis(kinds[5], kinds[5]).dense()[0]
    torch.testing.assert_close(found.abs(), torch.eye(5, dtype=torch.float64) / math.sqrt(5), rtol=0, atol=1e-12)


def test_path_counts_of_e3nn():
    o3 = pytest.importorskip("e3nn.o3")
    for given_in, given_out in [("4x0e+3x1o+2x2e", "2x0e+5x1o+1x2e+1x1e"), ("8x0o+1x3o", "2x0o+7x3o+1x1o")]:
        linear = o3.Linear(given_in, given_out)
        assert equivariant_basis(Irreps(given_in), Irreps(given_out)).dim == linear.weight_numel


def test_e3nn_products_are_combinations_of_ours():
    o3 = pytest.importorskip("e3nn.o3")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        w = o3.wigner_3j(1, 1, 2).reshape(9, 5).T.contiguous()
    finally:
        torch.set_default_dtype(before)
    found = equivariant_basis(Irreps("1o") * Irreps("1o"), Irreps("2e"))
    assert found.dim == 1
    torch.testing.assert_close(found.project(w), w, rtol=0, atol=1e-7)


@pytest.mark.parametrize(("k", "count"), list(enumerate([1, 1, 2, 4, 10, 26])))
def test_restriction(k, count):
    V = Vector(O(3)).along(Embed(O(2), O(3), axes=(0, 1)))
    assert equivariant_basis(Scalar(O(2)), V**k).dim == count


PAIRS = [
    (3 * Vector(O(2)) + Scalar(O(2)), Vector(O(2)) ** 2 + 2 * PseudoScalar(O(2))),
    (Irreps("2x0e+1x1o+1x2e"), Irreps("1x1e+2x1o+1x0e")),
    (Vector(SL(2)) ** 2, Scalar(SL(2)) + Vector(SL(2)) * Vector(SL(2)).dual),
    (perm(4) ** 2 + 2 * perm(4), perm(4) + Scalar(Symmetric(4))),
    (Regular(Cyclic(5)), 2 * Vector(Cyclic(5)) + Scalar(Cyclic(5))),
    (Vector(SignedPermutation(3)) ** 2, Vector(SignedPermutation(3)) ** 2),
    (Vector(E(3)) ** 2, 2 * Scalar(E(3)) + Vector(E(3))),
    (Regular(Symmetric(3)), Regular(Symmetric(3))),
]


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_every_map_commutes_and_the_basis_is_orthonormal(pair):
    a, b = pair
    found = equivariant_basis(a, b)
    maps = found.dense()
    g = a.group.sample(5, generator=torch.Generator().manual_seed(0))
    left = torch.einsum("koi,dij->kdoj", b.rho(g), maps)
    right = torch.einsum("doi,kij->kdoj", maps, a.rho(g))
    torch.testing.assert_close(left, right, rtol=0, atol=1e-10)
    torch.testing.assert_close(
        torch.einsum("dij,eij->de", maps, maps), torch.eye(found.dim, dtype=torch.float64), rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("pair", [p for p in PAIRS if p[0].group.order is not None], ids=str)
def test_projection_is_the_group_average(pair):
    a, b = pair
    every = a.group.elements()
    w = torch.randn(b.dim, a.dim, dtype=torch.float64)
    average = (b.rho(every) @ w @ a.rho(a.group.inverse(every))).mean(0)
    torch.testing.assert_close(equivariant_basis(a, b).project(w), average, rtol=0, atol=1e-10)


def test_no_map_is_missing_from_a_compact_group():
    # The dimension is the integral of the product of characters.
    a = Vector(SO(3)) ** 3
    g = SO(3).sample(40_000, generator=torch.Generator().manual_seed(0))
    mean = Vector(SO(3)).rho(g).diagonal(dim1=-2, dim2=-1).sum(-1).pow(6).mean()
    assert equivariant_basis(a, a).dim == round(mean.item()) == 15


def test_orbits_and_eigenvectors_agree(monkeypatch):
    a, b = perm(4) ** 2, perm(4) ** 2
    by_orbits = equivariant_basis(a, b)
    w = torch.randn(16, 16, dtype=torch.float64)
    by_eigenvectors = basis_module.DenseBlock(basis_module._null_space(a, b))
    assert by_eigenvectors.dim == by_orbits.dim
    torch.testing.assert_close(by_eigenvectors.combine(by_eigenvectors.coefficients(w)), by_orbits.project(w))


@settings(max_examples=10)
@given(n=st.integers(2, 60), rank=st.integers(0, 60), seed=st.integers(0, 1000))
def test_inverse_iteration_finds_every_null_vector(n, rank, seed):
    rng = torch.Generator().manual_seed(seed)
    q = torch.linalg.qr(torch.randn(n, n, generator=rng, dtype=torch.float64)).Q
    values = torch.zeros(n, dtype=torch.float64)
    values[: min(rank, n)] = torch.rand(min(rank, n), generator=rng, dtype=torch.float64) + 0.01
    gram = q @ values.diag() @ q.T
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(basis_module, "DIAGONALISED", 1)
        found = null_vectors(gram)
    assert found.shape == (n, n - min(rank, n))
    assert found.numel() == 0 or (gram @ found).abs().max() < 1e-10
    torch.testing.assert_close(found.T @ found, torch.eye(found.shape[1], dtype=torch.float64), rtol=0, atol=1e-10)


def test_a_constraint_that_is_all_zero():
    assert equivariant_basis(Scalar(SO(3)), Scalar(SO(3))).dim == 1
    assert equivariant_basis(4 * Scalar(SO(3)), 3 * Scalar(SO(3))).dim == 12
    assert equivariant_basis(Vector(SO(1)), Vector(SO(1))).dim == 1


def test_a_million_unknowns_by_orbits():
    found = equivariant_basis(perm(1000), perm(1000))
    assert found.dim == 2
    w = found.matrix(torch.tensor([1.0, 2.0]))
    assert w.shape == (1000, 1000) and len(w.unique()) == 2


@pytest.mark.parametrize("pair", PAIRS[:4], ids=str)
def test_coefficients_and_matrices_are_inverse(pair):
    found = equivariant_basis(*pair)
    c = torch.randn(found.dim, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(found.coefficients(found.matrix(c)), c)
    assert torch.autograd.gradcheck(found.matrix, (c,))


LAYERS = [*PAIRS, (8 * Scalar(O(3)) + 4 * Vector(O(3)), 2 * Scalar(O(3)) + 3 * Vector(O(3)))]


@pytest.mark.parametrize("pair", LAYERS, ids=str)
def test_linear_layers_keep_their_promise(pair):
    layer = EquivariantLinear(*pair, generator=torch.Generator().manual_seed(0))
    if layer.bias is not None:
        torch.nn.init.normal_(layer.bias)
    report = audit(layer, torch.randn(7, pair[0].dim))
    assert report.verdict == "exact", report


def test_outputs_start_with_variance_one():
    G = O(3)
    layer = EquivariantLinear(
        64 * Scalar(G) + 32 * Vector(G), 16 * Scalar(G) + 24 * Vector(G), generator=torch.Generator().manual_seed(0)
    )
    y = layer(torch.randn(2000, 160, generator=torch.Generator().manual_seed(1)))
    assert y[:, :16].var().item() == pytest.approx(1, abs=0.25)
    assert y[:, 16:].var().item() == pytest.approx(1, abs=0.25)


def test_bias_is_every_invariant_vector():
    V = perm(5)
    layer = EquivariantLinear(V, V**2 + V)
    assert layer.bias.shape == (3,)
    assert EquivariantLinear(Vector(O(3)), Vector(O(3))).bias is None
    assert EquivariantLinear(V, V, bias=False).bias is None


def test_linear_layers_save_move_and_learn():
    layer = EquivariantLinear(perm(4), perm(4) ** 2)
    other = EquivariantLinear(perm(4), perm(4) ** 2)
    other.load_state_dict(layer.state_dict())
    x = torch.randn(3, 4)
    assert torch.equal(layer(x), other(x))
    assert layer.double()(x.double()).dtype == torch.float64
    layer(x.double()).square().sum().backward()
    assert layer.weight.grad.abs().min() > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: equivariant_basis(Vector(O(3)), Vector(SO(3))), "both of one group, got O\\(3\\) and SO\\(3\\)"),
        (lambda: equivariant_basis(Vector(Symmetric("n")), Vector(Symmetric("n"))), "bind the sizes of S\\(n\\) first"),
        (lambda: equivariant_basis(Vector(O(3)) ** 4, Vector(O(3)) ** 4).dim, "6561 unknowns, more than the 4096"),
        (lambda: equivariant_basis(Vector(O(3)), Vector(O(3))).matrix(torch.ones(2)), "shape \\(1,\\), got \\(2,\\)"),
        (lambda: equivariant_basis(Vector(O(3)), Vector(O(3))).project(torch.ones(2, 3)), "shape \\(3, 3\\), got"),
        (lambda: EquivariantLinear(Vector(O(3)), Scalar(O(3))), "only zero is equivariant"),
        (lambda: EquivariantLinear(Vector(O(3)), Vector(O(3)))(torch.ones(2, 4)), "last axis must have size 3"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()
