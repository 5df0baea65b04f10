"""Every group keeps the axioms, samples what it says, and generates all of itself."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.groups.catalogue import GROUPS, gap, random_tangent, seeded, times

from erlangen.groups import (
    CO,
    CSO,
    GL,
    SE,
    SL,
    SO,
    Affine,
    Cyclic,
    E,
    GLPlus,
    Lorentz,
    O,
    Product,
    Scaling,
    SignedPermutation,
    Symmetric,
    Translation,
    Trivial,
)
from erlangen.groups.element import map_element, tensors

every_group = pytest.mark.parametrize("group", GROUPS, ids=str)
B2 = SignedPermutation(2)
shapes = st.lists(st.integers(0, 3), max_size=2).map(tuple)
dtypes = st.sampled_from([torch.float32, torch.float64])
seeds = st.integers(0, 2**31)


@every_group
@given(shape=shapes, dtype=dtypes, seed=seeds)
def test_axioms(group, shape, dtype, seed):
    # The proposal of GL stretches by e^(2 * 0.3 * 3) at most, so products of three lose four digits at most.
    tolerance = 1e3 * torch.finfo(dtype).eps
    generator = seeded(seed)
    g, h, k = (group.sample(*shape, generator=generator, dtype=dtype) for _ in range(3))
    one = group.identity(*shape, dtype=dtype)
    for element in (g, one, group.compose(g, h), group.inverse(g)):
        assert group.batch_shape(element) == shape
        assert all(t.dtype in (dtype, torch.long) for t in tensors(element))
        inside = group.contains(element, tolerance)
        assert inside.shape == shape and inside.dtype == torch.bool and inside.all()
    assert gap(group.compose(group.compose(g, h), k), group.compose(g, group.compose(h, k))) <= tolerance
    assert gap(group.compose(g, one), g) == gap(group.compose(one, g), g) == 0
    assert gap(group.compose(g, group.inverse(g)), one) <= tolerance
    assert gap(group.compose(group.inverse(g), g), one) <= tolerance


@every_group
def test_batch_axes_broadcast_in_products(group):
    g, h = group.sample(4, 1, generator=seeded(0)), group.sample(3, generator=seeded(1))
    both = group.compose(g, h)
    assert group.batch_shape(both) == (4, 3)
    one = group.compose(map_element(lambda t: t[2, 0], g), map_element(lambda t: t[1], h))
    assert gap(map_element(lambda t: t[2, 1], both), one) <= 1e-14


@every_group
def test_the_generator_decides_the_sample(group):
    assert gap(group.sample(5, generator=seeded(3)), group.sample(5, generator=seeded(3))) == 0


@every_group
def test_samples_default_to_float64(group):
    assert all(t.dtype in (torch.float64, torch.long) for t in tensors(group.sample(2)))


@every_group
def test_exp_lands_in_the_group_and_is_a_one_parameter_subgroup(group):
    A = random_tangent(group, seeded(1), scale=0.7)
    assert group.contains(group.exp(A), 1e-12).all()
    assert gap(group.exp(group.zero()), group.identity()) <= 1e-15
    both = group.compose(group.exp(times(0.3, A)), group.exp(times(-1.1, A)))
    assert gap(both, group.exp(times(-0.8, A))) <= 1e-13


@every_group
def test_exp_keeps_the_dtype(group):
    zero = group.zero(2, dtype=torch.float32)
    one = group.exp(zero)
    assert group.batch_shape(one) == group.algebra_shape(zero) == (2,)
    assert all(t.dtype in (torch.float32, torch.long) for t in tensors(one))


@every_group
def test_exp_takes_batches(group):
    A = random_tangent(group, seeded(1))
    stack = map_element(lambda t: torch.stack([t, 0.5 * t]), A)
    assert group.algebra_shape(stack) == (2,)
    assert group.batch_shape(group.exp(stack)) == (2,)
    assert gap(map_element(lambda t: t[1], group.exp(stack)), group.exp(times(0.5, A))) <= 1e-14


def dimension(group) -> int:
    if isinstance(group, Product):
        return sum(map(dimension, group.factors))
    n = getattr(group, "n", 0)
    match group:
        case SO() | O() | Lorentz():
            return n * (n - 1) // 2
        case SE() | E():
            return n * (n + 1) // 2
        case GL() | GLPlus() | Scaling():
            return n * n
        case CO() | CSO():
            return n * (n - 1) // 2 + 1
        case SL():
            return n * n - 1
        case Affine():
            return dimension(group.linear) + n
        case Translation():
            return n
    return 0


@every_group
def test_the_algebra_basis_is_a_basis(group):
    basis = [torch.cat([t.flatten() for t in tensors(A)]) for A in group.algebra_basis()]
    assert len(basis) == dimension(group)
    if basis:
        assert torch.linalg.matrix_rank(torch.stack(basis)) == len(basis)


def component(group, g) -> tuple:
    """Which connected component an element lies in."""
    if isinstance(group, Product):
        return tuple(component(f, part) for f, part in zip(group.factors, g, strict=True))
    if group.order is not None:
        return (int(group.index(g)),)
    future = g[0, 0].sign() if isinstance(group, Lorentz) else 1
    return (int(torch.linalg.det(group.matrix(g)).sign()), int(future))


@every_group
def test_the_generators_reach_every_component(group):
    seen = {component(group, group.identity()): group.identity()}
    fresh = list(seen.values())
    while fresh:
        grown = [group.compose(s, g) for g in fresh for s in group.generators()]
        fresh = []
        for g in grown:
            if component(group, g) not in seen:
                seen[component(group, g)] = g
                fresh.append(g)
    if group.order is not None:
        assert len(seen) == group.order
    samples = group.sample(600, generator=seeded(0))
    found = {component(group, map_element(lambda t, i=i: t[i], samples)) for i in range(600)}
    assert found <= set(seen)
    if len(seen) <= 16:
        assert found == set(seen)


@every_group
def test_generators_belong_to_the_group(group):
    assert all(group.contains(g, 1e-12) for g in group.generators())
    assert all(t.dtype in (torch.float32, torch.long) for g in group.generators(torch.float32) for t in tensors(g))


def homogeneous(rows):
    return torch.tensor(rows, dtype=torch.float64)


STRANGERS = [
    (SO(3), torch.diag(torch.tensor([-1.0, 1, 1]))), (SO(2), 1.01 * torch.eye(2)), (SO(1), -torch.eye(1)),
    (O(3), 2 * torch.eye(3)), (O(2), homogeneous([[1, 1], [0, 1]])), (GL(2), homogeneous([[0.1, 0.3], [0.7, 2.1]])),
    (GL(1), torch.zeros(1, 1)), (GLPlus(2), torch.diag(torch.tensor([-1.0, 1]))), (GLPlus(2), torch.zeros(2, 2)),
    (SL(2), 2 * torch.eye(2)), (SL(2), torch.diag(torch.tensor([-1.0, 1]))), (Scaling(), -torch.eye(1)),
    (Scaling(), torch.zeros(1, 1)), (SE(2), homogeneous([[-1, 0, 5], [0, 1, 5], [0, 0, 1]])),
    (SE(2), homogeneous([[1, 0, 5], [0, 1, 5], [1, 0, 1]])), (E(2), homogeneous([[1, 1, 0], [0, 1, 0], [0, 0, 1]])),
    (E(2), homogeneous([[1, 0, 0], [0, 1, 0], [0, 0, 2]])), (Affine(2), homogeneous([[0, 0, 1], [0, 1, 0], [0, 0, 1]])),
    (Affine(2, SL(2)), homogeneous([[2, 0, 0], [0, 1, 0], [0, 0, 1]])),
    (Translation(2), homogeneous([[0, -1, 0], [1, 0, 0], [0, 0, 1]])), (Cyclic(4), torch.tensor(4)),
    (Cyclic(4), torch.tensor(-1)), (Trivial(), torch.tensor(1)),
    (Symmetric(3), torch.tensor([0, 0, 1])), (Symmetric(3), torch.tensor([1, 2, 3])),
    (SignedPermutation(2), homogeneous([[0.5, 0], [0, 1]])),
    (SignedPermutation(2), homogeneous([[1, 1], [0, 0]])), (SignedPermutation(2), homogeneous([[1, 0], [1, 0]])),
    (SignedPermutation(2), torch.zeros(2, 2)), (Symmetric(2) * O(1), (torch.tensor([0, 0]), torch.eye(1))),
    (Symmetric(2) * O(1), (torch.tensor([0, 1]), 2 * torch.eye(1))),
    (CO(2), torch.diag(torch.tensor([1.0, 2]))), (CO(3), torch.zeros(3, 3)), (CO(1), torch.zeros(1, 1)),
    (CSO(2), torch.diag(torch.tensor([3.0, -3]))), (CSO(1), -torch.eye(1)),
    (Affine(2, CO(2)), homogeneous([[1, 1, 0], [0, 1, 0], [0, 0, 1]])),
]  # fmt: skip


@pytest.mark.parametrize(("group", "stranger"), STRANGERS, ids=lambda v: str(v) if hasattr(v, "element_dim") else "x")
def test_contains_rejects_strangers(group, stranger):
    assert not group.contains(stranger)
    # One stranger in a batch does not spoil the others.
    batch = map_element(lambda a: torch.stack(list(a)), group.identity(2))
    mixed = tuple(torch.stack([a[0].to(b.dtype), b]) for a, b in zip(tensors(batch), tensors(stranger), strict=True))
    assert group.contains(mixed if isinstance(group, Product) else mixed[0]).tolist() == [True, False]


def test_indices_are_whole_numbers():
    assert not Symmetric(3).contains(torch.tensor([0.0, 1.0, 2.0]))
    assert not Cyclic(4).contains(torch.tensor([0.5, 1.0])).any()


@pytest.mark.parametrize(
    "group",
    [SO(2), O(3), SE(2), E(3), GL(2), GLPlus(2), SL(2), CO(2), Affine(2), Translation(2), Scaling(), B2],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_contains_rejects_what_is_not_finite(group, value):
    g = group.identity(3)
    g[1, 0, 0] = value
    assert group.contains(g).tolist() == [True, False, True]


@pytest.mark.parametrize("group", [SO(2), GL(2), SE(2), SignedPermutation(2), Symmetric(2), Scaling()], ids=str)
def test_contains_says_what_shape_an_element_has(group):
    with pytest.raises(ValueError, match=r"an element of .* has shape \(\*K, .*got \(5, 7\)"):
        group.contains(torch.zeros(5, 7))
    with pytest.raises(ValueError, match="got tuple"):
        group.contains((torch.zeros(2, 2),))


@pytest.mark.parametrize("group", [Cyclic(3), Trivial()], ids=str)
def test_counters_are_tensors(group):
    with pytest.raises(ValueError, match=r"an element of .* is a tensor, got tuple"):
        group.contains((torch.tensor(0),))


def test_product_elements_are_tuples():
    group = Symmetric(3) * O(2)
    with pytest.raises(ValueError, match=r"S\(3\)\*O\(2\) is a tuple of 2 entries, got a Tensor"):
        group.contains(torch.eye(2))
    with pytest.raises(ValueError, match="got a tuple of 1"):
        group.inverse((torch.eye(2),))


# ---------------------------------------------------------------- the measure
def moment(values, expected, variance):
    """Five standard errors around the exact moment."""
    assert abs(float(values.mean()) - expected) <= 5 * math.sqrt(variance / values.numel())


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("family", [SO, O])
def test_haar_moments(family, n):
    R = family(n).sample(20_000, generator=seeded(n))
    for i in range(n):
        for j in range(n):
            moment(R[:, i, j], 0, 1 / n)
            moment(R[:, i, j] ** 2, 1 / n, 3 / (n * (n + 2)) - 1 / n**2)
    moment(R[:, 0, 0] ** 4, 3 / (n * (n + 2)), 1)
    moment(R[:, 0, 0] * R[:, 1, 1], 1 / 2 if (family, n) == (SO, 2) else 0, 1)
    trace = R.diagonal(dim1=-2, dim2=-1).sum(-1)
    moment(trace**2, 2 if (family, n) == (SO, 2) else 1, 15)
    determinant = torch.linalg.det(R)
    moment(determinant, 1 if family is SO else 0, 1)
    assert family is O or determinant.min() > 0.99


@pytest.mark.parametrize(
    "group", [Symmetric(4), Cyclic(5), SignedPermutation(2), Symmetric(3) * Cyclic(2), O(1)], ids=str
)
def test_finite_groups_are_sampled_uniformly(group):
    count = torch.bincount(group.index(group.sample(24_000, generator=seeded(1))), minlength=group.order)
    expected = 24_000 / group.order
    chi2 = float(((count - expected) ** 2 / expected).sum())
    freedom = group.order - 1
    assert abs(chi2 - freedom) <= 5 * math.sqrt(2 * freedom)


def test_the_proposals_are_the_documented_ones():
    n, many = 3, 40_000
    for group in (GL(n), GLPlus(n)):
        g = group.sample(many, generator=seeded(0))
        s = torch.linalg.svdvals(g).log()
        # S is symmetric with standard deviation 0.3: E tr S = 0 and E tr S^2 = 0.09 n (n + 1) / 2.
        moment(s.sum(-1), 0, 0.09 * n)
        moment((s**2).sum(-1), 0.09 * n * (n + 1) / 2, 1)
    moment(torch.linalg.det(GL(n).sample(many, generator=seeded(0))).sign(), 0, 1)
    moment(Scaling().sample(many, generator=seeded(0)).log(), 0, 0.25)
    moment(Scaling().sample(many, generator=seeded(0)).log() ** 2, 0.25, 1)
    t = SE(2).translation(SE(2).sample(many, generator=seeded(0)))
    moment(t, 0, 1)
    moment(t**2, 1, 2)


# ---------------------------------------------------------------- listing
FINITE = [
    Cyclic(1), Cyclic(6), Symmetric(1), Symmetric(4), SignedPermutation(1), SignedPermutation(3), SO(1), SL(1), O(1),
    Trivial(), Cyclic(3) * Symmetric(3), O(1) * SignedPermutation(2) * Cyclic(2),
]  # fmt: skip


@pytest.mark.parametrize("group", FINITE, ids=str)
def test_elements_and_index_are_inverse(group):
    every = group.elements()
    assert group.batch_shape(every) == (group.order,)
    assert group.contains(every).all()
    assert group.index(every).tolist() == list(range(group.order))
    assert gap(map_element(lambda t: t[0], every), group.identity()) == 0
    shaped = group.sample(2, 3, generator=seeded(0), dtype=torch.float32)
    place = group.index(shaped)
    assert place.shape == (2, 3) and place.dtype == torch.long
    assert gap(map_element(lambda t: t[place], every), shaped) == 0


def test_orders():
    orders = {Cyclic(6): 6, Symmetric(5): 120, SignedPermutation(3): 48, O(1): 2, Symmetric(3) * Cyclic(4): 24}
    assert {group: group.order for group in orders} == orders
    assert all(group.order is None for group in (SO(2), O(2), Scaling(), GL(1), Translation(1), Symmetric(3) * SO(2)))


@pytest.mark.parametrize("group", [SO(3), E(1), Scaling(), Cyclic(2) * O(2)], ids=str)
def test_infinite_groups_are_not_listed(group):
    with pytest.raises(ValueError, match="infinitely many"):
        group.elements()


def test_huge_groups_are_not_listed():
    with pytest.raises(ValueError, match="3628800 elements, more than the 50000"):
        Symmetric(10).elements()


# ---------------------------------------------------------------- permutations
def test_a_three_cycle_shows_which_way_permutations_compose():
    S3 = Symmetric(3)
    cycle, swap = torch.tensor([1, 2, 0]), torch.tensor([1, 0, 2])
    # First the swap sends 0 to 1, then the cycle sends 1 to 2.
    assert S3.compose(cycle, swap).tolist() == cycle[swap].tolist() == [2, 1, 0]
    assert S3.compose(swap, cycle).tolist() == [0, 2, 1]
    assert S3.inverse(cycle).tolist() == [2, 0, 1]
    x = torch.tensor([10.0, 20.0, 30.0], dtype=torch.float64)
    assert (S3.matrix(cycle) @ x).tolist() == [30, 10, 20]


def test_named_sizes_are_bound():
    assert Symmetric("n").names == {"n"} and Symmetric(3).names == frozenset()
    group = Symmetric("n") * Symmetric("m") * E(3)
    assert group.names == {"n", "m"}
    assert group.bind({"n": 7, "k": 1}) == Symmetric(7) * Symmetric("m") * E(3)
    with pytest.raises(ValueError, match=r"S\(n\) has no size yet"):
        Symmetric("n").sample(2)
    with pytest.raises(ValueError, match="'n' names two factors"):
        Symmetric("n") * Symmetric("n")


def test_products_are_flat():
    assert (SO(2) * O(3)) * E(1) == SO(2) * (O(3) * E(1)) == Product(SO(2), O(3), E(1))
    with pytest.raises(ValueError, match="at least one factor"):
        Product()


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: SO(0), r"SO\(n\): n must be an integer of at least 1, got 0"), (lambda: E(-1), "got -1"),
        (lambda: Cyclic(0), "got 0"), (lambda: Symmetric(0), "got 0"), (lambda: Symmetric("2n"), "identifier"),
        (lambda: SignedPermutation(0), "got 0"), (lambda: O(True), "got True"),
        (lambda: Affine(2, SO(3)), "2 by 2 matrices"), (lambda: Affine(2, E(2)), "2 by 2 matrices"),
    ],
)  # fmt: skip
def test_bad_sizes(make, problem):
    with pytest.raises(ValueError, match=problem):
        make()


def test_gl_is_the_default_linear_part():
    assert Affine(2, GL(2)) == Affine(2) and hash(Affine(2, GL(2))) == hash(Affine(2))
