"""Partitions: numbering, refinement by brute force, Voronoi cells, uniform parts, and measures of how good they are."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from erlangen.groups import E
from erlangen.points import (
    Partition,
    bad_partition_probability,
    draw_partition,
    pair_purity,
    partition_uncertainty,
    uniform_bad_probability,
    uniform_partition,
    voronoi_partition,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@st.composite
def labelled(draw, labels=2):
    """Clouds of different sizes, and some labels of their points."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    numbers = st.lists(st.integers(-2, 3), min_size=len(batch), max_size=len(batch))
    return batch, *(torch.tensor(draw(numbers)) for _ in range(labels))


def pairs(part, cloud):
    """All pairs of points of a cloud, and which of them are in one part."""
    rows = (part.batch == cloud).nonzero().flatten().tolist()
    return {(i, j): bool(part.index[i] == part.index[j]) for i, j in itertools.combinations(rows, 2)}


@given(labelled())
def test_refinement_and_purity_are_what_pairs_say(case):
    batch, first, second = case
    fine, coarse = Partition.from_labels(first, batch), Partition.from_labels(second, batch)
    for cloud, (refines, purity) in enumerate(zip(fine.refines(coarse), pair_purity(fine, coarse), strict=True)):
        mine, theirs = pairs(fine, cloud), pairs(coarse, cloud)
        together = [theirs[pair] for pair, same in mine.items() if same]
        assert bool(refines) == all(together)
        assert float(purity) == pytest.approx(sum(together) / len(together) if together else 1.0)
    meet = Partition.from_labels(10 * first + second, batch)
    assert meet.refines(fine).all() and meet.refines(coarse).all() and fine.refines(fine).all()


@given(labelled(labels=1))
def test_parts_are_numbered_within_their_clouds_and_none_is_empty(case):
    batch, labels = case
    part = Partition.from_labels(labels, batch)
    assert Partition.of(part.index, batch).num_parts.equal(part.num_parts)
    assert part.cell.unique().tolist() == list(range(part.num_cells)) == list(range(len(part.sizes)))
    assert part.sizes.min() >= 1 and part.sizes.sum() == len(batch)
    assert part.cloud_of_cell[part.cell].equal(batch)
    for cloud in range(len(part.num_parts)):
        mine = batch == cloud
        order = sorted(set(labels[mine].tolist()))
        assert part.index[mine].tolist() == [order.index(label) for label in labels[mine].tolist()]
    z = part.one_hot(torch.float64)
    assert z.sum(1).eq(1).all() and z.argmax(1).equal(part.index)


def test_partitions_of_no_points():
    nothing = torch.zeros(0, dtype=torch.long)
    for part in (Partition.of(nothing), Partition.from_labels(nothing), voronoi_partition(torch.zeros(0, 3), 4)):
        assert part.num_cells == 0 and part.refines(part).shape == (0,) and part.one_hot().shape == (0, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Partition.of(torch.tensor([0, 2])), "got no point in part 1 of cloud 0, which has 3"),
        (lambda: Partition.of(torch.tensor([0, 1]), torch.tensor([0, 1])), "got no point in part 0 of cloud 1"),
        (lambda: Partition.of(torch.tensor([0, -1])), "numbered from 0, got -1"),
        (lambda: Partition.of(torch.tensor([0, 0]), torch.tensor([1, 0])), r"batch\): ascending numbers"),
        (lambda: voronoi_partition(torch.randn(3, 3), 4), "got 4 for a cloud of 3"),
        (lambda: voronoi_partition(torch.randn(3, 3), 0), r"num_parts\): a whole number from 1, got 0"),
        (lambda: voronoi_partition(torch.tensor([[0.0, torch.nan]]), 1), r"finite coordinates, got .* at point 0"),
        (lambda: voronoi_partition(torch.zeros(2, 1), 1, torch.tensor([1, 0])), "ascending"),
        (lambda: uniform_partition(torch.zeros(2, dtype=torch.long), 0), "from 1, got 0"),
        (lambda: uniform_bad_probability([2, 0], 3), r"sizes\): numbers of points from 1"),
        (lambda: uniform_bad_probability([2], 0), "from 1, got 0"),
        (lambda: partition_uncertainty(torch.tensor([[0.5, 0.4]])), "rows that sum to one, got one that sums to 0.9"),
        (lambda: partition_uncertainty(torch.tensor([[1.5, -0.5]])), "probabilities of shape"),
        (lambda: partition_uncertainty(torch.eye(2), torch.tensor([1, 0])), "ascending"),
        (lambda: TRUTH.refines(Partition.of(torch.zeros(3, dtype=torch.long))), "the same 4 points in 1 clouds"),
        (lambda: bad_partition_probability(torch.eye(3), TRUTH), "a row for each of 4 points, got 3"),
        (lambda: bad_partition_probability(torch.eye(4), TRUTH, draws=0), "from 1, got 0"),
    ],
)
def test_errors_name_what_they_got(call, message):
    with pytest.raises(ValueError, match=message):
        call()


TRUTH = Partition.of(torch.tensor([0, 0, 1, 1]))


def test_only_long_labels():
    with pytest.raises(TypeError, match=r"int64, got torch\.int32"):
        Partition.of(torch.zeros(2, dtype=torch.int32))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cells_hold_what_is_nearest_to_their_seeds(dtype):
    pos = torch.randn(70, 3, generator=seeded(), dtype=dtype)
    batch = torch.tensor([0] * 40 + [1] * 30)
    part = voronoi_partition(pos, 6, batch)
    assert part.num_parts.tolist() == [6, 6]
    for cloud in range(2):
        x, index = pos[batch == cloud].double(), part.index[batch == cloud]
        # Farthest points by hand, from the one farthest from the centroid.
        seeds = [int((x - x.mean(0)).norm(dim=1).argmax())]
        for _ in range(5):
            seeds.append(int(torch.cdist(x, x[seeds]).amin(1).argmax()))
        assert index.equal(torch.cdist(x, x[seeds]).argmin(1))


@given(st.integers(0, 1000), st.integers(1, 12))
def test_cells_move_with_the_cloud_and_do_not_see_the_order_of_points(seed, num_parts):
    rng = seeded(seed)
    sizes = torch.tensor([20, 12])
    batch = torch.arange(2).repeat_interleave(sizes)
    pos = torch.randn(32, 3, generator=rng, dtype=torch.float64)
    part = voronoi_partition(pos, num_parts, batch)
    g = E(3).sample(2, generator=rng)
    moved = (E(3).matrix(g)[batch] @ pos[..., None])[..., 0] + E(3).translation(g)[batch]
    assert voronoi_partition(moved, num_parts, batch).index.equal(part.index)
    order = torch.cat([torch.randperm(20, generator=rng), 20 + torch.randperm(12, generator=rng)])
    assert voronoi_partition(pos[order], num_parts, batch).index.equal(part.index[order])


def test_points_that_coincide_stay_together():
    pos = torch.tensor([[0.0, 0], [1, 0], [0, 0], [1, 0], [0, 0]])
    part = voronoi_partition(pos, 4)
    assert part.num_parts.tolist() == [2] and part.refines(Partition.of(torch.tensor([0, 1, 0, 1, 0]))).all()


@pytest.mark.parametrize(("sizes", "k"), [([2, 2], 3), ([1, 3], 2), ([2, 1, 2], 3), ([3, 2], 4)])
def test_uniform_parts_are_bad_as_often_as_all_assignments_say(sizes, k):
    truth = Partition.of(torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)))
    every = torch.tensor(list(itertools.product(range(k), repeat=sum(sizes))))
    batch = torch.arange(len(every)).repeat_interleave(sum(sizes))
    all_true = Partition.of(truth.index.repeat(len(every)), batch)
    bad = ~Partition.from_labels(every.flatten(), batch).refines(all_true)
    assert uniform_bad_probability(sizes, k) == pytest.approx(float(bad.double().mean()), abs=1e-12)
    drawn = bad_partition_probability(
        lambda generator: uniform_partition(truth.batch, k, generator), truth, 400, seeded()
    )
    p = uniform_bad_probability(sizes, k)
    assert abs(float(drawn) - p) < 3 * math.sqrt(p * (1 - p) / 400)


def test_probability_of_bad_draws_from_rows():
    """One point of two wavers between the parts: drawn to the other side, the partition is bad."""
    soft = torch.tensor([[1.0, 0, 0], [0.7, 0.3, 0], [0, 1, 0], [0, 0, 1]])
    found = bad_partition_probability(soft, TRUTH, 500, seeded())
    assert abs(float(found) - 0.3) < 3 * math.sqrt(0.21 / 500)
    assert bad_partition_probability(draw_partition(soft.round(), TRUTH.batch), TRUTH).tolist() == [0.0]


@given(st.integers(0, 1000), st.booleans())
def test_uncertainty_is_the_probability_of_another_draw(seed, certain):
    soft = torch.rand(4, 3, generator=seeded(seed), dtype=torch.float64).square()
    soft = torch.eye(3, dtype=torch.float64)[soft.argmax(1)] if certain else soft / soft.sum(1, keepdim=True)
    batch = torch.tensor([0, 0, 1, 1])
    found = partition_uncertainty(soft, batch)
    for cloud in range(2):
        rows = soft[batch == cloud]
        likely = rows.argmax(1).tolist()
        other = sum(float(rows[0, i] * rows[1, j]) for i in range(3) for j in range(3) if [i, j] != likely)
        assert float(found.any[cloud]) == pytest.approx(other, abs=1e-12)
        assert float(found.mean[cloud]) == pytest.approx(float(1 - rows.max(1).values.mean()))
    assert bool((found.any == 0).all()) == bool((found.mean == 0).all()) == certain
