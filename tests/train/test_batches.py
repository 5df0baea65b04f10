"""Batches: a pure function of seed, epoch and step; shared out among processes without loss."""

import pytest
import torch

from erlangen.train.batches import Batches


def indices(epoch=0, first=0, rank=0, world=1, seed=3, count=23, size=5):
    batches = Batches(torch.arange(count), size, seed=seed)
    batches.epoch, batches.first, batches.rank, batches.world = epoch, first, rank, world
    return [batch.tolist() for batch in batches]


def joined(lists):
    return [item for part in lists for item in part]


def test_every_item_once_in_an_order_of_its_own_in_each_epoch():
    epochs = [joined(indices(epoch)) for epoch in range(4)]
    assert all(sorted(order) == list(range(23)) for order in epochs)
    assert len({tuple(order) for order in epochs}) == 4
    assert indices(2) == indices(2) != indices(2, seed=4)
    assert joined(indices(1, seed=None)) == list(range(23))


@pytest.mark.parametrize("first", range(5))
def test_any_step_can_be_the_first(first):
    assert indices(1, first) == indices(1)[first:]


@pytest.mark.parametrize("world", [2, 3, 7])
def test_processes_share_each_batch_out(world):
    whole = indices(1)
    parts = [indices(1, rank=rank, world=world) for rank in range(world)]
    batches = Batches(torch.arange(23), 5, seed=3)
    batches.world = world
    for step, batch in enumerate(whole):
        shares = []
        for rank in range(world):
            batches.rank = rank
            shares.append(parts[rank][step][: batches.share(step)])
            assert len(parts[rank][step]) >= 1  # everybody makes every step
        assert sorted(joined(shares)) == sorted(batch)


def test_global_random_numbers_are_not_drawn():
    before = torch.get_rng_state()
    indices()
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("workers", [0, 1])
def test_processes_that_fetch_give_the_same(workers):
    batches = Batches([torch.tensor(i) for i in range(7)], 3, seed=1, workers=workers)
    assert [b.tolist() for b in batches] == indices(count=7, size=3, seed=1)
