"""Every representation keeps the homomorphism law and knows its derivative; their algebra is the one of matrices."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.groups.catalogue import C4_O3, REPRESENTATIONS, S4_E3, SWAP, gap, random_tangent, seeded, times

from erlangen.groups import (
    GL,
    SO,
    Affine,
    Cyclic,
    E,
    Embed,
    Factor,
    Hom,
    Irreps,
    LinearPart,
    O,
    PseudoScalar,
    Regular,
    Representation,
    Scalar,
    Scaling,
    Sign,
    SignedPermutation,
    Symmetric,
    Translation,
    Trivial,
    Vector,
)
from erlangen.groups.element import map_element

every_rep = pytest.mark.parametrize("rep", REPRESENTATIONS, ids=lambda r: f"{r}|{r.group}")


def loss(rep, g, *others) -> float:
    """How much larger than one the matrices and their inverses are: what rounding is multiplied by."""
    group = rep.group
    size = 1.0
    for element in (g, *others):
        for matrix in (rep.rho(element), rep.rho(group.inverse(element))):
            size *= max(1.0, float(matrix.double().abs().max())) if matrix.numel() else 1.0
    return size


@every_rep
@given(
    shape=st.lists(st.integers(0, 3), max_size=2).map(tuple),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 2**31),
)
@pytest.mark.filterwarnings("ignore")
def test_homomorphism_law(rep, shape, dtype, seed):
    generator, group = seeded(seed), rep.group
    g, h = (group.sample(*shape, generator=generator, dtype=dtype) for _ in range(2))
    tolerance = 200 * torch.finfo(dtype).eps * loss(rep, g, h)
    rho = rep.rho(g)
    assert rho.shape == (*shape, rep.dim, rep.dim) and rho.is_floating_point()
    assert gap(rep.rho(group.compose(g, h)), rho @ rep.rho(h).to(rho.dtype)) <= tolerance
    one = torch.eye(rep.dim).expand(*shape, -1, -1)
    assert gap(rep.rho(group.identity(*shape, dtype=dtype)), one) <= 100 * torch.finfo(dtype).eps
    assert gap(rep.rho(group.inverse(g)) @ rho, one) <= tolerance
    if rep.orthogonal:
        assert gap(rho.mT @ rho, one) <= 200 * torch.finfo(dtype).eps


@every_rep
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_acting_is_multiplying(rep, dtype):
    g = rep.group.sample(3, generator=seeded(0))
    x = torch.randn(3, 2, rep.dim, generator=seeded(1), dtype=dtype)
    expected = torch.einsum("kij,ksj->ksi", rep.rho(g).double(), x.double())
    y = rep(g, x)
    assert y.dtype == dtype and y.shape == x.shape
    # An element of float64 and data of float32 meet in float64: only the result is rounded.
    torch.testing.assert_close(y, expected.to(dtype), rtol=2 * torch.finfo(dtype).eps, atol=1e-12)


@every_rep
def test_acting_is_an_action(rep):
    group = rep.group
    g, h = group.sample(2, generator=seeded(0)), group.sample(2, generator=seeded(1))
    x = torch.randn(2, 5, rep.dim, generator=seeded(2), dtype=torch.float64)
    assert gap(rep(group.compose(g, h), x), rep(g, rep(h, x))) <= 1e-14 * loss(rep, g, h)


@every_rep
def test_drho_is_the_derivative(rep):
    group = rep.group
    A = random_tangent(group, seeded(4))
    drho = rep.drho(A)
    assert drho.shape == (rep.dim, rep.dim)
    step = 1e-4
    f = [rep.rho(group.exp(times(k * step, A))) for k in (-2, -1, 1, 2)]
    difference = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * step)
    size = max(1.0, float(drho.abs().max())) if drho.numel() else 1.0
    torch.testing.assert_close(drho, difference, rtol=0, atol=1e-10 * size**3)
    if group.algebra_basis():
        one = torch.tensor(1.0, dtype=torch.float64)
        zero = torch.tensor(0.0, dtype=torch.float64)
        forward = torch.func.jvp(lambda t: rep.rho(group.exp(times(t, A))), (zero,), (one,))[1]
        torch.testing.assert_close(drho, forward, rtol=0, atol=1e-12 * size)


@every_rep
def test_drho_is_linear_and_takes_batches(rep):
    A, B = random_tangent(rep.group, seeded(4)), random_tangent(rep.group, seeded(5))
    pairs = _zip(A, B)
    assert gap(rep.drho(map_element(lambda t: t, _sum(A, times(2.0, B)))), rep.drho(A) + 2 * rep.drho(B)) <= 1e-13
    batch = rep.drho(pairs)
    assert batch.shape == (2, rep.dim, rep.dim)
    assert gap(batch[1], rep.drho(B)) <= 1e-14
    x = torch.randn(2, 3, rep.dim, generator=seeded(1), dtype=torch.float64)
    assert gap(rep.tangent(pairs, x), torch.einsum("kij,ksj->ksi", batch, x)) <= 1e-13


def _sum(A, B):
    return tuple(map(_sum, A, B)) if isinstance(A, tuple) else A + B


def _zip(A, B):
    return tuple(map(_zip, A, B)) if isinstance(A, tuple) else torch.stack([A, B])


@every_rep
def test_the_pairing_with_the_dual_is_invariant(rep):
    g = rep.group.sample(4, generator=seeded(0))
    x, y = torch.randn(2, 4, rep.dim, generator=seeded(1), dtype=torch.float64)
    before, after = (x * y).sum(-1), (rep(g, x) * rep.dual(g, y)).sum(-1)
    assert gap(after, before) <= 1e-14 * loss(rep, g)
    A = random_tangent(rep.group, seeded(2))
    assert gap(rep.dual.drho(A), -rep.drho(A).mT) <= 1e-13
    assert rep.dual.dual == rep and rep.dual.dim == rep.dim and rep.dual.group == rep.group


@every_rep
def test_parts_lie_side_by_side(rep):
    g = rep.group.sample(generator=seeded(0))
    blocks = [part.rho(g).double() for m, part in rep.parts for _ in range(m)]
    assert gap(rep.rho(g), torch.block_diag(*blocks).reshape(rep.dim, rep.dim)) <= 1e-13
    assert sum(m * part.dim for m, part in rep.parts) == rep.dim
    assert all(m > 0 and part.parts == ((1, part),) and part.group == rep.group for m, part in rep.parts)


@every_rep
def test_check_names_the_argument_and_the_axis(rep):
    rep.check(torch.zeros(2, rep.dim), "velocity")
    if not isinstance(rep, Scalar):
        with pytest.raises(
            ValueError, match=rf"velocity: the last axis of .* has size {rep.dim}, got shape \(2, {rep.dim + 1}\)"
        ):
            rep.check(torch.zeros(2, rep.dim + 1), "velocity")


# ---------------------------------------------------------------- the algebra
V, W = Vector(O(3)), Vector(GL(2))


def kron_each(a, b):
    return torch.stack([torch.kron(p.contiguous(), q.contiguous()) for p, q in zip(a, b, strict=True)])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (V, V), (W, W.dual), (Vector(Affine(2)), Vector(Affine(2)).dual), (Regular(Cyclic(3)), Vector(Cyclic(3))),
        (PseudoScalar(O(3)), V), (V, V * V), (V * V, V * V), (Irreps("2e"), Irreps("1o")), (V, Scalar(O(3))),
        (Vector(Cyclic(4)).along(Factor(C4_O3, 0)), V.along(Factor(C4_O3, 1))),
    ],
    ids=str,
)  # fmt: skip
def test_the_tensor_product_is_the_kronecker_product(a, b):
    group = a.group
    g = group.sample(5, generator=seeded(0))
    assert gap((a * b).rho(g), kron_each(a.rho(g), b.rho(g))) <= 1e-14
    A = random_tangent(group, seeded(1))
    one_a, one_b = torch.eye(a.dim, dtype=torch.float64), torch.eye(b.dim, dtype=torch.float64)
    assert (
        gap((a * b).drho(A), torch.kron(a.drho(A).contiguous(), one_b) + torch.kron(one_a, b.drho(A).contiguous()))
        <= 1e-14
    )
    x, y = torch.randn(5, a.dim, dtype=torch.float64), torch.randn(5, b.dim, dtype=torch.float64)
    outer = torch.einsum("ki,kj->kij", x, y).flatten(1)
    moved = torch.einsum("ki,kj->kij", a(g, x), b(g, y)).flatten(1)
    assert gap((a * b)(g, outer), moved) <= 1e-13


def test_multiplicities():
    S = Scalar(O(3))
    assert 3 * V == V + V + V == 2 * V + V == V + 2 * V
    assert (3 * V).parts == ((3, V),) and (2 * (3 * V)).parts == ((6, V),)
    assert 1 * V == V and hash(3 * V) == hash(V + V + V)
    assert (V + S + V).parts == ((1, V), (1, S), (1, V))
    assert (0 * V).dim == 0 and (0 * V).parts == () and 0 * V + V == V and (0 * V + 0 * S).dim == 0
    assert 2 * (V + S) == 2 * V + 2 * S
    assert V + S != S + V and 2 * V != 3 * V


def test_the_product_distributes_over_the_sum():
    S, P, T = Scalar(O(3)), PseudoScalar(O(3)), Irreps("2e")
    assert V * (S + T) == V + V * T
    assert (S + P) * V == V + P * V
    assert (S + V) * (P + T) == P + T + V * P + V * T
    assert (2 * V) * (3 * T) == 6 * (V * T)
    assert (2 * V * T).parts == ((2, V * T),)
    assert (V * (0 * T)).dim == 0


def test_products_associate_and_scalars_are_their_unit():
    S, P, T = Scalar(O(3)), PseudoScalar(O(3)), Irreps("2e")
    assert V * (V * V) == (V * V) * V == V**3
    assert (V * T) * (P * V) == V * T * P * V
    assert S * V == V * S == V and S * S == S
    assert V**0 == S and V**1 == V and (S + V) ** 2 == S + 2 * V + V * V


def test_duals_distribute():
    assert V.dual == V and (V * V).dual == V * V and Regular(Symmetric(3)).dual == Regular(Symmetric(3))
    assert (2 * W + W * W.dual).dual == 2 * W.dual + W.dual * W
    hom = Embed(Scaling(), GL(2))
    assert W.dual.along(hom) == W.along(hom).dual


@pytest.mark.parametrize("n", range(1, 6))
def test_restriction_to_o2_leaves_as_many_invariants_as_characters_say(n):
    # The mean over O(2) of (1 + 2 cos t)^n for rotations and 1 for reflections, halved: 1, 2, 4, 10, 26.
    group = O(2)
    rep = V.along(Embed(O(2), O(3), axes=(0, 1))) ** n
    one = torch.eye(rep.dim, dtype=torch.float64)
    constraints = [rep.rho(g) - one for g in group.generators()] + [rep.drho(A) for A in group.algebra_basis()]
    values = torch.linalg.svdvals(torch.cat(constraints))
    assert int((values < 1e-9).sum()) == [1, 2, 4, 10, 26][n - 1]


@pytest.mark.parametrize(
    ("rep", "dimension"),
    [
        (V * V, 1), (V**3, 0), (PseudoScalar(O(3)) * V**3, 1), (V**4, 3), (W * W.dual, 1), (W * W, 0),
        (Vector(Symmetric(4)) ** 2, 2), (Vector(Symmetric(4)) ** 3, 5), (Regular(Symmetric(3)) ** 2, 6),
        (PseudoScalar(Symmetric(3)) * Vector(Symmetric(3)) ** 2, 1), (3 * Scalar(O(3)) + V, 3), (Vector(SO(3)) ** 3, 1),
    ],
    ids=str,
)  # fmt: skip
def test_known_numbers_of_invariants(rep, dimension):
    one = torch.eye(rep.dim, dtype=torch.float64)
    constraints = [rep.rho(g) - one for g in rep.group.generators()] + [rep.drho(A) for A in rep.group.algebra_basis()]
    assert int((torch.linalg.svdvals(torch.cat(constraints)) < 1e-9).sum()) == dimension


# ---------------------------------------------------------------- particular representations
def test_vectors_of_affine_groups_do_not_feel_translations():
    g = E(3).sample(5, generator=seeded(0))
    assert torch.equal(Vector(E(3)).rho(g), g[:, :3, :3])
    assert torch.equal(Vector(Translation(3)).rho(Translation(3).sample(2)), torch.eye(3).double().expand(2, 3, 3))
    assert V.along(Hom.canonical(E(3), O(3))) == Vector(E(3))
    # The two ways to the linear part through a product are one representation, hence merge.
    assert V.along(Hom.canonical(S4_E3, O(3))) == Vector(E(3)).along(Factor(S4_E3, 1))


def test_an_automorphism_changes_the_representation():
    flipped = Vector(O(2)).along(Embed(O(2), O(2), axes=(1, 0)))
    assert flipped != Vector(O(2)) and flipped.along(Hom.canonical(O(2), O(2))) == flipped
    g = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    assert flipped.rho(g).tolist() == [[0, 1], [-1, 0]]
    second = V.along(Factor(O(3) * O(3), 0)).along(SWAP)
    a, b = O(3).sample(2, generator=seeded(0))
    assert torch.equal(second.rho((a, b)), b)


@pytest.mark.parametrize(
    "group", [Cyclic(6), Symmetric(4), SignedPermutation(2), Cyclic(2) * Symmetric(3), O(1), Trivial(), SO(1)], ids=str
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_regular_representation_permutes_the_elements(group, dtype):
    rep = Regular(group)
    assert rep.dim == group.order
    g = group.sample(2, 3, generator=seeded(0), dtype=dtype)
    places = rep.permutation(g)
    assert places.shape == (2, 3, group.order)
    assert torch.equal(places.sort(-1).values, torch.arange(group.order).expand(2, 3, -1))
    every = group.elements()
    for i in range(2):
        for j in range(3):
            one = map_element(lambda t, i=i, j=j: t[i, j], g)
            for h in range(group.order):
                image = group.compose(map_element(lambda t: t.double() if t.is_floating_point() else t, one),
                                      map_element(lambda t, h=h: t[h], every))  # fmt: skip
                assert places[i, j, h] == group.index(image)
                assert rep.rho(one)[places[i, j, h], h] == 1
    x = torch.arange(group.order, dtype=torch.float64)
    first = map_element(lambda t: t[0, 0], g)
    assert rep(first, x)[places[0, 0]].tolist() == x.tolist()


def test_pseudoscalars():
    P = PseudoScalar(O(3))
    assert P.rho(-torch.eye(3)).tolist() == [[-1]] and P.rho(torch.eye(3)).tolist() == [[1]]
    assert P == Vector(O(1)).along(Sign(O(3)))
    assert PseudoScalar(E(3)).rho(E(3).generators()[0]).tolist() == [[-1]]
    named = PseudoScalar(Symmetric("n"))
    assert named.bind({"n": 3}) == PseudoScalar(Symmetric(3))


def test_dtypes_follow_the_element_and_promote():
    f32, f64 = torch.float32, torch.float64
    for rep in (
        V,
        2 * Scalar(O(3)) + V,
        V + Scalar(O(3)),
        V * V,
        Irreps("2e+1o"),
        PseudoScalar(O(3)) + V,
        Scalar(O(3)),
    ):
        for dtype in (f32, f64):
            assert rep.rho(O(3).sample(generator=seeded(0), dtype=dtype)).dtype == dtype
            assert rep.drho(O(3).algebra_basis(dtype)[0]).dtype == dtype
    # Angles of counters are float64; beside matrices of float32 the wider wins, whatever comes first.
    g = C4_O3.sample(generator=seeded(0), dtype=f32)
    a, b = Vector(Cyclic(4)).along(Factor(C4_O3, 0)), V.along(Factor(C4_O3, 1))
    assert (a * b).rho(g).dtype == (b * a).rho(g).dtype == (a + b).rho(g).dtype == (b + a).rho(g).dtype == f64


def test_named_sizes():
    n = Symmetric("n")
    N = Vector(n)
    for rep, size, expected in ((N, 5, {"n": 5}), (N * N, 16, {"n": 4}), (3 * N, 12, {"n": 4}), (Scalar(n), 1, {})):
        assert rep.sizes(torch.zeros(2, size)) == expected
        assert rep.bind({"n": 4}).group == Symmetric(4)
    assert (N * N + 2 * N).bind({"n": 3}).dim == 15
    with pytest.raises(ValueError, match=r"S\(n\) has no size yet"):
        _ = N.dim


@pytest.mark.parametrize(
    ("make", "error", "problem"),
    [
        (lambda: V + Vector(O(2)), ValueError, r"both of one group, got O\(3\) and O\(2\); pull one back"),
        (lambda: V * Vector(E(3)), ValueError, "both of one group"), (lambda: V * 3, TypeError, "got int"),
        (lambda: V + 1, TypeError, "a representation, got int"),
        (lambda: -1 * V, ValueError, "number of copies, got -1"),
        (lambda: True * V, ValueError, "got True"), (lambda: V**-1, ValueError, "a whole number, got -1"),
        (lambda: Vector(S4_E3), ValueError, "no defining matrix: take Vector of one of its factors"),
        (lambda: Vector(Trivial()), ValueError, "no defining matrix"),
        (lambda: Regular(O(2)), ValueError, "infinitely many"), (lambda: Regular(Symmetric(9)), ValueError, "362880"),
        (lambda: V.along(LinearPart(E(2))), ValueError, r"a map into O\(3\), which acts here, got one into O\(2\)"),
    ],
)  # fmt: skip
def test_what_has_no_meaning(make, error, problem):
    with pytest.raises(error, match=problem):
        make()


@pytest.mark.parametrize(
    "rep",
    [Vector(SO(1)), Vector(O(1)) ** 3, Vector(Symmetric(1)), Regular(Cyclic(1)), Vector(GL(1)).dual, Vector(E(1))],
    ids=str,
)
def test_size_one(rep):
    assert (isinstance(rep, Representation) and rep.dim == 1) or rep.group == Cyclic(1)
    g = rep.group.sample(3, generator=seeded(0))
    x = torch.randn(3, rep.dim, dtype=torch.float64)
    assert gap(rep(rep.group.inverse(g), rep(g, x)), x) <= 1e-14


def test_gradients_reach_elements_and_data():
    for rep in (V * V, Irreps("1o+2e"), Vector(GL(3)).dual, 2 * V + Scalar(O(3))):
        g = rep.group.exp(0.3 * rep.group.algebra_basis()[1]).requires_grad_()
        x = torch.randn(2, rep.dim, generator=seeded(0), dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(rep, (g, x))
