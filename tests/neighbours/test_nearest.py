"""Nearest neighbours: against sorted tables of all distances, and by hand."""

import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.neighbours.test_radius import clouds

from erlangen.neighbours import knn_graph


@given(clouds(), st.integers(1, 30))
def test_it_finds_the_least_distances(cloud, k):
    position, batch = cloud
    source, target = knn_graph(position, k, batch)
    assert source.dtype == torch.long and bool((target.diff() >= 0).all())
    x = position.double()
    for i in range(len(x)):
        mine = source[target == i]
        others = ((batch == batch[i]) & (torch.arange(len(x)) != i)).nonzero().flatten()
        assert len(mine) == len(set(mine.tolist())) == min(k, len(others)) and set(mine.tolist()) <= set(
            others.tolist()
        )
        # Of several equally far any may come: the distances are those of the nearest, in ascending order.
        wanted = (x[others] - x[i]).norm(dim=1).sort().values[:k]
        torch.testing.assert_close((x[mine] - x[i]).norm(dim=1), wanted)


def test_nobody_one_and_coincident_points():
    for n in (0, 1):
        assert knn_graph(torch.zeros(n, 3), 4).shape == (2, 0)
    assert knn_graph(torch.zeros(3, 2), 2, torch.tensor([2, 0, 1])).shape == (2, 0)
    source, target = knn_graph(torch.ones(50, 2), 3)
    assert target.tolist() == [i for i in range(50) for _ in range(3)] and bool((source != target).all())


def test_distant_clouds_do_not_take_each_others_points():
    position = torch.tensor([[0.0], [1e6], [1.0], [1e6 + 1]])
    source, target = knn_graph(position, 1, torch.tensor([0, 1, 1, 0]))
    assert source.tolist() == [3, 2, 1, 0] and target.tolist() == [0, 1, 2, 3]


def test_time_grows_linearly():
    def seconds(n):
        position = torch.rand(n, 3, generator=torch.Generator().manual_seed(0))
        start = time.process_time()
        knn_graph(position, 8)
        return time.process_time() - start

    assert seconds(100_000) < 40 * seconds(10_000) + 0.5


def test_no_neighbour_is_refused():
    with pytest.raises(ValueError, match=r"k\): at least 1 neighbour, got 0"):
        knn_graph(torch.zeros(3, 3), 0)
