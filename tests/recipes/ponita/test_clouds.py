"""Batches of clouds: what is joined can be taken apart, and turning moves what has a direction and nothing else."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from erlangen.groups import SO
from erlangen.points import EGNN
from erlangen.recipes.ponita.clouds import Clouds, answer, cloud, joined, moved_to, turned, turned_at_random


def some(*sizes, dim=3, dtype=torch.float64):
    g = torch.Generator().manual_seed(len(sizes))

    def randn(*shape):
        return torch.randn(*shape, generator=g, dtype=dtype)

    return [
        cloud(randn(n, dim), x=randn(n, 2), vec=randn(n, 1, dim), scalar=randn(1), vector=randn(n, 2, dim))
        for n in sizes
    ]


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=5), dim=st.sampled_from([2, 3]))
def test_what_is_joined_can_be_taken_apart(sizes, dim):
    clouds = some(*sizes, dim=dim)
    batch = joined(clouds)
    assert batch.batch.bincount().tolist() == sizes
    for i, one in enumerate(clouds):
        own = batch.batch == i
        first = int(own.nonzero()[0])
        for name in ("pos", "x", "vec", "vector"):
            assert torch.equal(getattr(batch, name)[own], getattr(one, name))
        assert torch.equal(batch.scalar[i : i + 1], one.scalar)
        edges = batch.edge_index[:, own[batch.edge_index[0]]]
        assert torch.equal(edges - first, one.edge_index)


def test_batches_of_batches_are_batches():
    a, b, c = some(2, 1, 3)
    for left, right in zip(joined([joined([a, b]), c]), joined([a, b, c]), strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize("dim", [2, 3])
def test_every_cloud_is_turned_by_its_own_rotation(dim):
    clouds = some(2, 3, dim=dim)
    turns = SO(dim).sample(2, generator=torch.Generator().manual_seed(0))
    moved = turned(joined(clouds), turns)
    for name in ("pos", "vec", "vector"):
        apart = torch.cat([getattr(one, name) @ turn.mT for one, turn in zip(clouds, turns, strict=True)])
        torch.testing.assert_close(getattr(moved, name), apart)
    for name in ("x", "edge_index", "batch", "scalar"):
        assert torch.equal(getattr(moved, name), getattr(joined(clouds), name))
    torch.testing.assert_close(turned(clouds[1], turns[1]).pos, clouds[1].pos @ turns[1].mT)


def test_random_turns_are_the_generators_and_keep_distances():
    batch = joined(some(4, 3, dtype=torch.float32))
    first, again, other = (turned_at_random(batch, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(first.pos, again.pos) and not torch.allclose(first.pos, other.pos)
    torch.testing.assert_close(torch.cdist(first.pos, first.pos)[:4, :4], torch.cdist(batch.pos, batch.pos)[:4, :4])
    assert first.pos.dtype == torch.float32


def test_what_a_task_does_not_have_has_no_columns():
    one = cloud(torch.zeros(3, 2))
    assert [tuple(t.shape) for t in one] == [(3, 2), (3, 0), (3, 0, 2), (2, 6), (3,), (1, 0), (3, 0, 2)]
    network = EGNN(0, 4, 1, 1, dim=2)
    assert answer(network, joined([one, one])).scalar.shape == (2, 1)  # which refuses features it was not made for
    assert isinstance(moved_to(one, "cpu"), Clouds)
