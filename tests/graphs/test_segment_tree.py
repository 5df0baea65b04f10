"""The reducer against a recursion set by set, and against operators whose reduction is known."""

import math

import jaxtyping
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from erlangen.graphs import (
    BinaryGRU,
    PlanCache,
    SegmentTreePlan,
    SymmetricMLP,
    lexicographic_order,
    segment_tree_reduce,
)

COUNTS = [0, 1, 2, 3, 7, 0, 8, 16, 13]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def filled(counts, channels=5, seed=0, dtype=torch.float64):
    """Elements of sets of these sizes, set by set, and their sets."""
    index = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts, dtype=torch.long))
    return torch.randn(len(index), channels, generator=seeded(seed), dtype=dtype), index


def tree(op, rows):
    """The definition, one set at a time: neighbours combine, an odd last one is carried."""
    while len(rows) > 1:
        combined = [op(torch.stack(rows[i : i + 2])[None])[0] for i in range(0, len(rows) - 1, 2)]
        rows = combined + ([rows[-1]] if len(rows) % 2 else [])
    return rows[0]


def naive(op, x, index, num_segments, identity):
    sets = [[x[i] for i in (index == s).nonzero()[:, 0]] for s in range(num_segments)]
    return torch.stack([tree(op, rows) if rows else identity for rows in sets])


def operator(kind=BinaryGRU, channels=5, dtype=torch.float64):
    torch.manual_seed(0)
    return kind(channels).to(dtype)


def uneven(pairs):
    """Neither commutative nor associative: sees every mistake in the order."""
    return 0.6 * pairs[:, 0] - 0.3 * pairs[:, 1] + 0.1 * pairs[:, 0] * pairs[:, 1]


# ---------------------------------------------------------------- the value
@pytest.mark.parametrize("op", [uneven, BinaryGRU, SymmetricMLP])
def test_the_recursion_by_hand(op):
    op = op if op is uneven else operator(op)
    x, index = filled(COUNTS)
    e = torch.arange(5.0).double()
    found = segment_tree_reduce(x, SegmentTreePlan.from_index(index), op, e)
    assert (found - naive(op, x, index, len(COUNTS), e)).abs().max() < 1e-14


@given(st.lists(st.integers(0, 21), max_size=12), st.integers(0, 2**20), st.sampled_from([torch.int32, torch.int64]))
def test_any_sizes_in_any_order(counts, seed, dtype):
    x, index = filled(counts, seed=seed)
    mixed = torch.randperm(len(index), generator=seeded(seed))
    x, index = x[mixed], index[mixed]
    plan = SegmentTreePlan.from_index(index.to(dtype), len(counts))
    e = torch.full((5,), 7.0).double()
    found = segment_tree_reduce(x, plan, uneven, e)
    if counts:
        assert (found - naive(uneven, x, index, len(counts), e)).abs().max() < 1e-14
    assert found.shape == (len(counts), 5)
    assert plan.counts.tolist() == counts
    assert plan.num_pairs == sum(max(c - 1, 0) for c in counts)
    assert plan.depth == math.ceil(math.log2(max([1, *counts])))


def test_counts_how_often_the_operator_is_applied():
    x, index = filled(COUNTS)
    seen = []

    def counting(pairs):
        seen.append(len(pairs))
        return pairs.sum(1)

    segment_tree_reduce(x, SegmentTreePlan.from_index(index), counting)
    assert sum(seen) == sum(max(c - 1, 0) for c in COUNTS) and len(seen) == 4


def test_blocks_do_not_change_the_value(monkeypatch):
    x, index = filled([3000, 1, 700])
    plan = SegmentTreePlan.from_index(index)
    whole = segment_tree_reduce(x, plan, uneven)
    monkeypatch.setattr("erlangen.graphs.segment_tree._BLOCK", 1)  # 256 pairs
    assert torch.equal(segment_tree_reduce(x, plan, uneven), whole)


def test_a_set_does_not_know_which_others_share_its_batch():
    op = operator()
    x, index = filled(COUNTS)
    together = segment_tree_reduce(x, SegmentTreePlan.from_index(index), op)
    for s, count in enumerate(COUNTS):
        own = x[index == s]
        alone = segment_tree_reduce(own, SegmentTreePlan.from_ptr(torch.tensor([0, count])), op)
        assert (alone[0] - together[s]).abs().max() < 1e-14


def test_borders_sorted_and_unsorted_indices_agree():
    op = operator()
    x, index = filled(COUNTS)
    ptr = torch.tensor([0, *COUNTS]).cumsum(0)
    by_ptr = SegmentTreePlan.from_ptr(ptr.int())
    by_index = SegmentTreePlan.from_index(index)
    assert torch.equal(segment_tree_reduce(x, by_ptr, op), segment_tree_reduce(x, by_index, op))
    # The sets the other way round; within each, elements keep their order.
    scattered = torch.cat([(index == s).nonzero()[:, 0] for s in reversed(range(len(COUNTS)))])
    again = segment_tree_reduce(x[scattered], SegmentTreePlan.from_index(index[scattered], len(COUNTS)), op)
    assert (again - segment_tree_reduce(x, by_index, op)).abs().max() < 1e-14


EXACT = {
    "sum": (lambda p: p.sum(1), lambda x: x.sum(0), 0.0),
    "max": (lambda p: p.amax(1), lambda x: x.amax(0), -math.inf),
    "logsumexp": (lambda p: p.logsumexp(1), lambda x: x.logsumexp(0), -math.inf),
    "cube root of cubes": (
        lambda p: _root(p.pow(3).sum(1)),
        lambda x: _root(x.pow(3).sum(0)),
        0.0,
    ),
}


def _root(x):
    return x.sign() * x.abs().pow(1 / 3)


@pytest.mark.parametrize("name", EXACT)
def test_monoids_are_reduced_whatever_the_order(name):
    op, whole, neutral = EXACT[name]
    x, index = filled(COUNTS)
    e = torch.full((5,), neutral).double()
    expected = torch.stack([whole(x[index == s]) if count else e for s, count in enumerate(COUNTS)])
    plan = SegmentTreePlan.from_index(index)
    torch.testing.assert_close(segment_tree_reduce(x, plan, op, e), expected, rtol=1e-12, atol=1e-12)
    mixed = torch.randperm(len(index), generator=seeded(4))
    again = segment_tree_reduce(x[mixed], SegmentTreePlan.from_index(index[mixed]), op, e)
    torch.testing.assert_close(again, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_empty_sets_and_single_elements_are_exact(dtype):
    x, index = filled([1, 0, 1, 4, 0], dtype=dtype)
    e = torch.randn(5, generator=seeded(1), dtype=dtype)
    found = segment_tree_reduce(x, SegmentTreePlan.from_index(index, 5), operator(dtype=dtype), e)
    assert found.dtype == dtype
    assert torch.equal(found[[0, 2]], x[:2]) and torch.equal(found[[1, 4]], e.expand(2, -1))
    zeros = segment_tree_reduce(x, SegmentTreePlan.from_index(index, 5), operator(dtype=dtype))
    assert torch.equal(zeros[1], torch.zeros(5, dtype=dtype))


@pytest.mark.parametrize("sets", [0, 3])
def test_nothing_at_all(sets):
    plan = SegmentTreePlan.from_index(torch.zeros(0, dtype=torch.long), sets)
    assert plan.depth == plan.num_pairs == plan.max_count == 0
    assert segment_tree_reduce(torch.zeros(0, 5), plan, operator(dtype=torch.float32)).shape == (sets, 5)


def test_a_star():
    leaves = 100_000
    x = torch.randn(leaves + 2, 2, generator=seeded(), dtype=torch.float64)
    index = torch.full((leaves + 2,), 1)
    index[7] = 0
    plan = SegmentTreePlan.from_index(index, 4)
    assert plan.depth == 17 and plan.num_pairs == leaves
    found = segment_tree_reduce(x, plan, lambda p: p.sum(1))
    torch.testing.assert_close(found[1], x.sum(0) - x[7], rtol=1e-10, atol=1e-10)
    assert torch.equal(found[0], x[7])


# ---------------------------------------------------------------- gradients
def test_gradients():
    x, index = filled([0, 1, 2, 5], channels=4)
    plan, op, e = SegmentTreePlan.from_index(index), operator(channels=4), torch.randn(4, dtype=torch.float64)
    names, weights = zip(*op.named_parameters(), strict=True)

    def reduce(x, e, *weights):
        named = dict(zip(names, weights, strict=True))
        return segment_tree_reduce(x, plan, lambda p: torch.func.functional_call(op, named, (p,)), e)

    inputs = [t.detach().clone().requires_grad_() for t in (x, e, *weights)]
    assert torch.autograd.gradcheck(reduce, inputs)
    assert torch.autograd.gradgradcheck(lambda x: reduce(x, *inputs[1:]).square().sum(), inputs[:1])


# ---------------------------------------------------------------- the order
def test_reordering_stays_inside_sets():
    x, index = filled(COUNTS)
    mixed = torch.randperm(len(index), generator=seeded(5))
    plan = SegmentTreePlan.from_index(index)
    found = segment_tree_reduce(x, plan.reordered(mixed), uneven)
    again = segment_tree_reduce(x[mixed], SegmentTreePlan.from_index(index[mixed], len(COUNTS)), uneven)
    assert (found - again).abs().max() < 1e-14
    assert (found - segment_tree_reduce(x, plan, uneven)).abs().max() > 0.1
    back = segment_tree_reduce(x, plan.reordered(torch.arange(len(index))), uneven)
    assert torch.equal(back, segment_tree_reduce(x, plan, uneven))


def test_shuffles_are_uniform_inside_a_set():
    plan, generator = SegmentTreePlan.from_index(torch.tensor([1, 0, 1, 0, 1])), seeded()
    counts = {}
    for _ in range(6000):
        order = tuple(plan.reordered(torch.randperm(5, generator=generator)).order.tolist())
        assert set(order[:2]) == {1, 3}
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 12
    assert max(abs(n - 500) for n in counts.values()) < 110  # five deviations


def test_lexicographic_order_is_that_of_lists():
    x = torch.randint(0, 3, (200, 4), generator=seeded()).double()
    order = lexicographic_order(x)
    assert sorted(order.tolist()) == list(range(200))
    assert x[order].tolist() == sorted(x.tolist())
    assert lexicographic_order(torch.zeros(0, 3)).tolist() == []
    with pytest.raises(ValueError, match="NaN"):
        lexicographic_order(torch.tensor([[math.nan]]))


# ---------------------------------------------------------------- plans
def test_a_cache_takes_a_plan_again_for_the_same_index_alone(monkeypatch):
    cache = PlanCache(2)
    index = torch.tensor([0, 2, 2, 0])
    plan = cache.plan(index, 3)
    assert cache.plan(index.clone(), 3) is plan and cache.plan(index.int(), 3) is plan
    assert cache.plan(index) is plan
    longer = cache.plan(index, 5)
    assert longer.num_segments == 5 and cache.plan(index, 5) is longer
    assert cache.plan(index).num_segments == 3
    index[0] = 1  # the same tensor, another index
    assert cache.plan(index, 3).counts.tolist() == [1, 1, 2]
    assert len(cache.plans) == 2
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    for wrong in (index.double(), index[None]):  # also where the plan of these numbers is there
        with pytest.raises((TypeError, ValueError), match=r"index: (integers|one axis), got"):
            cache.plan(wrong, 3)


def test_plans_do_not_notice_that_their_index_is_changed():
    index = torch.tensor([0, 1, 1])
    plan = SegmentTreePlan.from_index(index)
    index.zero_()
    assert plan.index.tolist() == [0, 1, 1]


def test_plans_move():
    x, index = filled(COUNTS)
    plan = SegmentTreePlan.from_index(index)
    meta = plan.to("meta")
    assert {t.device.type for t in (meta.index, meta.counts, meta.roots)} == {"meta"}
    assert all(level.order is None or level.order.device.type == "meta" for level in meta.levels)
    assert torch.equal(segment_tree_reduce(x, plan.to("cpu"), uneven), segment_tree_reduce(x, plan, uneven))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SegmentTreePlan.from_index(torch.tensor([0, -1])), ValueError, "start at 0, got -1"),
        (lambda: SegmentTreePlan.from_index(torch.tensor([0, 3]), 3), ValueError, "at least 4.*got 3"),
        (lambda: SegmentTreePlan.from_ptr(torch.tensor([1, 2])), ValueError, "from 0 on, got \\[1\\]"),
        (lambda: SegmentTreePlan.from_ptr(torch.tensor([0, 2, 1])), ValueError, "ascending.*-1 elements in set 1"),
        (lambda: SegmentTreePlan.from_ptr(torch.zeros(0, dtype=torch.long)), ValueError, "from 0 on"),
        (lambda: SegmentTreePlan.from_index(torch.tensor([0.0])), TypeError, "integers, got torch.float32"),
        (lambda: SegmentTreePlan.from_index(torch.tensor([[0]])), ValueError, "one axis"),
        (lambda: _reduce(torch.zeros(2)), ValueError, "two axes"),
        (lambda: PlanCache(0), ValueError, "capacity"),
        (lambda: _reduce(torch.zeros(3, 2)), ValueError, "made for 2 elements, got 3"),
        (lambda: _reduce(torch.zeros(2, 2), op=lambda p: p), ValueError, r"op: must return shape \(1, 2\)"),
        (lambda: _reduce(torch.zeros(2, 2), op=lambda p: None), ValueError, "got NoneType"),
        (lambda: _reduce(torch.zeros(2, 2), e=torch.zeros(3)), ValueError, r"identity: shape \(2,\), got \(3,\)"),
        (lambda: SegmentTreePlan.from_index(torch.tensor([0])).reordered(torch.tensor([0, 1])), ValueError, "order"),
    ],
)  # fmt: skip
def test_refuses(make, error, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # what users see, who have no run-time checks
    with pytest.raises(error, match=message):
        make()


def _reduce(x, op=uneven, e=None):
    return segment_tree_reduce(x, SegmentTreePlan.from_index(torch.tensor([0, 0])), op, e)
