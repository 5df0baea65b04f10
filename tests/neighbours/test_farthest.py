"""Farthest-point sampling: against a slow loop, and what it promises of covering."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.neighbours.test_radius import clouds

from erlangen.neighbours import farthest_points


@given(clouds(), st.integers(1, 5), st.booleans())
def test_each_point_is_the_farthest_from_those_before(cloud, count, drawn):
    position, batch = cloud
    keep = batch.bincount()[batch] >= count if len(batch) else batch > 0
    position, batch = position[keep], batch[keep]
    generator = torch.Generator().manual_seed(0) if drawn else None
    chosen = farthest_points(position, count, batch, generator)
    numbers = batch.unique()
    assert batch[chosen].tolist() == [n for n in numbers.tolist() for _ in range(count)]
    assert len(chosen.unique()) == len(chosen)
    for number, mine in zip(numbers.tolist(), chosen.view(-1, count), strict=True):
        rows = (batch == number).nonzero().flatten()
        if not drawn:
            assert mine[0] == rows[0]
        for step in range(1, count):
            apart = (position[rows][:, None] - position[mine[:step]]).norm(dim=-1).amin(1)
            mine_apart = (position[mine[step]] - position[mine[:step]]).norm(dim=-1).amin()
            torch.testing.assert_close(mine_apart, apart.max())


def test_the_first_is_drawn_evenly():
    position = torch.arange(4.0)[:, None].repeat(1000, 1)
    batch = torch.arange(1000).repeat_interleave(4)
    first = farthest_points(position, 1, batch, torch.Generator().manual_seed(0)) % 4
    assert first.bincount(minlength=4).min() > 190
    again = farthest_points(position, 1, batch, torch.Generator().manual_seed(0)) % 4
    assert torch.equal(first, again)


def test_all_points_of_coincident_ones():
    chosen = farthest_points(torch.ones(6, 3), 6)
    assert chosen.sort().values.tolist() == list(range(6))
    assert farthest_points(torch.zeros(0, 3), 2).shape == (0,)
    assert farthest_points(torch.randn(5, 2).bfloat16(), 5).sort().values.tolist() == list(range(5))


def test_more_than_there_are_is_refused():
    with pytest.raises(ValueError, match=r"got 3, but cloud 7 has 2"):
        farthest_points(torch.zeros(5, 1), 3, torch.tensor([7, 2, 2, 2, 7]))
    with pytest.raises(ValueError, match=r"count\): at least 1 point, got 0"):
        farthest_points(torch.zeros(5, 1), 0)
