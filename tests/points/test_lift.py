"""Edges that become nodes, against loops; and the transform that does it to graphs of PyG."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.points.solids import randn
from torch_geometric.data import Batch, Data

from erlangen.points import LiftToPositionOrientation, lift_edges, orientation_grid
from erlangen.points.flat import all_pairs


@given(nodes=st.integers(1, 5), count=st.integers(0, 12), loops=st.booleans())
def test_by_hand(nodes, count, loops):
    pos = randn(nodes, 3)
    edge_index = torch.randint(nodes, (2, count), generator=torch.Generator().manual_seed(count))
    if loops:
        edge_index = torch.cat([edge_index, torch.arange(nodes).expand(2, -1)], 1)
    lifted = lift_edges(pos, edge_index)
    pairs = edge_index.T.tolist()
    places = sorted([(t, k) for k, (s, t) in enumerate(pairs) if s != t])
    assert lifted.node.tolist() == [t for t, _ in places]
    for row, (t, k) in enumerate(places):
        direction = pos[pairs[k][0]] - pos[t]
        assert torch.allclose(lifted.orientation[row], direction / direction.norm(), atol=1e-15)
    expected = sorted(
        (a, b, e)
        for e, (i, j) in enumerate(pairs)
        for a, (t, _) in enumerate(places)
        for b, (u, _) in enumerate(places)
        if (t, u) == (i, j)
    )
    found = sorted(zip(*lifted.edge_index.tolist(), lifted.edge.tolist(), strict=True))
    assert found == expected


def test_how_many_edges():
    batch = torch.zeros(29, dtype=torch.long)
    edge_index = torch.cat([all_pairs(batch), torch.arange(29).expand(2, -1)], 1)
    lifted = lift_edges(randn(29, 3), edge_index)
    assert len(lifted.node) == 812 and lifted.edge_index.shape[1] == 659_344


def test_too_many_edges_are_refused():
    with pytest.raises(ValueError, match=r"\(edge_index\): at most 5000000 edges between lifted nodes, got 12"):
        lift_edges(randn(60, 3), all_pairs(torch.zeros(60, dtype=torch.long)))


def test_points_at_the_same_place_have_no_direction():
    pos = torch.tensor([[0.0, 0], [1, 1], [1, 1]])
    with pytest.raises(ValueError, match=r"\(pos\): connected points that differ, got points \[1, 2\]"):
        lift_edges(pos, torch.tensor([[0, 1], [1, 2]]))
    assert len(lift_edges(pos, torch.tensor([[0, 1], [1, 1]])).node) == 1


def graph(seed=0):
    pos, edge_index = randn(4, 3, seed=seed).float(), torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    return Data(x=randn(4, 2).float(), pos=pos, edge_index=edge_index, edge_attr=randn(4, 1).float(), y=torch.ones(1))


def test_the_transform_over_edges():
    data = graph()
    before = data.clone()
    lifted = LiftToPositionOrientation()(data)
    own = torch.arange(4).expand(2, -1)
    expected = lift_edges(data.pos, torch.cat([data.edge_index, own], 1))
    assert lifted.base.tolist() == [0, 1, 1, 2] and torch.equal(lifted.ori, expected.orientation)
    assert torch.equal(lifted.x, data.x[lifted.base]) and torch.equal(lifted.pos, data.pos[lifted.base])
    attr = torch.cat([data.edge_attr, torch.zeros(4, 1)])[expected.edge]
    assert torch.equal(lifted.edge_index, expected.edge_index) and torch.equal(lifted.edge_attr, attr)
    assert lifted.num_nodes == 4 and lifted.y.item() == 1 and lifted.num_edges == 1 + 4 + 1 + 2 * 2 + 2 * 2
    assert all(torch.equal(before[key], data[key]) for key in ("x", "pos", "edge_index", "edge_attr"))
    both = Batch.from_data_list([lifted, LiftToPositionOrientation()(graph(1))])
    assert both.num_nodes == 8 and int(both.edge_index.max()) == 7
    again = LiftToPositionOrientation()(Batch.from_data_list([graph(), graph(1)]))
    assert again.ptr.tolist() == [0, 4, 8] and torch.equal(again.base, both.base)
    for one, other in zip(again.to_data_list(), both.to_data_list(), strict=True):
        assert all(torch.equal(one[key], other[key]) for key in other.keys())


def test_the_transform_over_a_grid():
    data = graph()
    data.vec = randn(4, 2, 3).float()
    lifted = LiftToPositionOrientation(12, "icosahedron")(data)
    grid = orientation_grid(12, kind="icosahedron").float()
    assert lifted.x.shape == (4, 12, 4) and torch.equal(lifted.ori[0], grid) and lifted.num_nodes == 4
    assert torch.equal(lifted.x[2, 5, :2], data.x[2])
    assert torch.allclose(lifted.x[2, 5, 2:], data.vec[2] @ grid[5])


def test_errors():
    for number in (0, -2, 1.5):
        with pytest.raises((ValueError, TypeError), match="num_ori"):
            LiftToPositionOrientation(number)
    with pytest.raises(ValueError, match=r"\(data\): a graph with edge_index"):
        LiftToPositionOrientation()(Data(pos=torch.ones(2, 3)))
    with pytest.raises(ValueError, match=r"\(data\): a graph with pos"):
        LiftToPositionOrientation(4)(Data(x=torch.ones(2, 3)))
    assert repr(LiftToPositionOrientation(6, "octahedron")) == "LiftToPositionOrientation(num_ori=6, grid='octahedron')"
