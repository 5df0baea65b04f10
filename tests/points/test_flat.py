"""Flat clouds: pairs and sums against loops, and each wrong input with its message."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from erlangen.points import flat
from erlangen.points.flat import all_pairs, centred, read_inputs, segment_max, segment_mean, segment_sum


def batches():
    """Sorted batch vectors, also without points, and with clouds that have none."""
    return st.lists(st.integers(0, 4), max_size=5).map(
        lambda sizes: torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes, dtype=torch.long))
    )


@given(batches())
def test_all_pairs(batch):
    names = batch.tolist()
    expected = [(j, i) for i in range(len(names)) for j in range(len(names)) if i != j and names[i] == names[j]]
    assert list(map(tuple, all_pairs(batch).T.tolist())) == expected


@given(batches(), st.sampled_from([torch.float32, torch.float64]), st.sampled_from([(), (2,), (3, 2)]))
def test_segments(batch, dtype, shape):
    count = int(batch.max()) + 2 if len(batch) else 2
    values = torch.randn(len(batch), *shape, dtype=dtype, generator=torch.Generator().manual_seed(len(batch)))
    for found, reduce in (
        (segment_sum, lambda rows: rows.sum(0)),
        (segment_mean, lambda rows: rows.mean(0)),
        (segment_max, lambda rows: rows.amax(0)),
    ):
        expected = torch.stack(
            [reduce(values[batch == i]) if (batch == i).any() else values.new_zeros(shape) for i in range(count)]
        )
        torch.testing.assert_close(found(values, batch, count), expected)


def test_segments_in_any_order_have_gradients():
    index = torch.tensor([2, 0, 2, 0, 3])
    values = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    for segment in (segment_sum, segment_mean, segment_max):
        assert torch.autograd.gradcheck(lambda v, segment=segment: segment(v, index, 4), values)


def test_centroids_are_zero():
    batch = torch.tensor([0, 0, 2, 2, 2])
    pos = 100 + torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    place = centred(pos, batch, 3)
    assert segment_mean(place, batch, 3).abs().max() < 1e-13
    torch.testing.assert_close(place[0] - place[1], pos[0] - pos[1])


def test_centroids_far_from_the_origin_in_float32():
    batch = torch.arange(3).repeat_interleave(1000)
    # Sixty-fourths are exact there, so that rounding is the function's own.
    pos = (64 * torch.randn(3000, 3, generator=torch.Generator().manual_seed(0))).round() / 64
    here, there = centred(pos, batch, 3), centred(pos + 2**13, batch, 3)
    assert (here - there).abs().max() < 1e-5


class Weights(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


def read(**changes):
    given = {
        "x": torch.zeros(4, 2),
        "pos": torch.zeros(4, 3),
        "edge_index": torch.tensor([[0, 1], [1, 0]]),
        "batch": torch.tensor([0, 0, 1, 1]),
        "vec": None,
    }
    network = changes.pop("network", Weights())
    kind = {"in_scalar": 2, "in_vector": 0, "dim": 3} | {k: changes.pop(k) for k in ("in_vector",) if k in changes}
    return read_inputs(network, **{**given, **changes}, **kind)


def test_what_is_left_out_is_filled_in():
    clouds = read(edge_index=None, batch=None)
    assert clouds.num_graphs == 1 and clouds.batch.tolist() == [0, 0, 0, 0] and clouds.edge_index.shape == (2, 12)
    assert clouds.vec.shape == (4, 0, 3)
    none = read(x=torch.zeros(0, 2), pos=torch.zeros(0, 3), edge_index=None, batch=torch.zeros(0, dtype=torch.long))
    assert none.num_graphs == 0 and none.edge_index.shape == (2, 0)
    assert read(batch=torch.tensor([1, 1, 4, 4])).num_graphs == 5


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"pos": torch.zeros(4, 2)}, ValueError, r"Weights\(pos\): shape \(nodes, 3\), got \(4, 2\)"),
        ({"pos": torch.zeros(4)}, ValueError, r"pos\): shape \(nodes, 3\), got \(4,\)"),
        ({"pos": torch.zeros(4, 3).long()}, TypeError, r"pos\): real floating point numbers, got torch.int64"),
        ({"pos": torch.zeros(4, 3).double()}, TypeError, r"pos\): torch.float32, as the weights are, got .*float64"),
        ({"pos": torch.zeros(4, 3, device="meta")}, ValueError, r"pos\): on cpu, as the weights are, got meta"),
        ({"x": None}, TypeError, r"x\): shape \(4, 2\), got None"),
        ({"x": torch.zeros(4, 3)}, ValueError, r"x\): shape \(4, 2\), got \(4, 3\)"),
        ({"x": torch.zeros(4, 2).double()}, TypeError, r"x\): torch.float32, as pos is, got torch.float64"),
        ({"x": torch.zeros(4, 2, device="meta")}, ValueError, r"x\): on cpu, as pos is, got meta"),
        ({"vec": torch.zeros(4, 1, 3)}, ValueError, r"vec\): shape \(4, 0, 3\), got \(4, 1, 3\)"),
        ({"in_vector": 1}, TypeError, r"vec\): shape \(4, 1, 3\), got None"),
        ({"batch": torch.tensor([0, 1, 0, 1])}, ValueError, r"batch\): ascending numbers, got 1 before 0 at point 1"),
        ({"batch": torch.tensor([-1, 0, 0, 0])}, ValueError, r"batch\): clouds are numbered from 0, got -1"),
        ({"batch": torch.zeros(3).long()}, ValueError, r"batch\): the cloud of each of the 4 points, got shape \(3,\)"),
        ({"batch": torch.zeros(4)}, TypeError, r"batch\): torch.int64, got torch.float32"),
        ({"batch": torch.zeros(4, device="meta").long()}, ValueError, r"batch\): on cpu, as pos is, got meta"),
        ({"edge_index": torch.zeros(2, 3)}, TypeError, r"edge_index\): torch.int64, got torch.float32"),
        ({"edge_index": torch.zeros(3, 2).long()}, ValueError, r"edge_index\): shape \(2, edges\), got \(3, 2\)"),
        ({"edge_index": torch.tensor([[0], [4]])}, ValueError, r"edge_index\): points from 0 to 3, got 4"),
        ({"edge_index": torch.tensor([[-1], [0]])}, ValueError, r"edge_index\): points from 0 to 3, got -1"),
        ({"edge_index": torch.zeros(2, 1, device="meta").long()}, ValueError, r"edge_index\): on cpu, as pos is"),
        (
            {"edge_index": torch.tensor([[0, 1], [1, 2]])},
            ValueError,
            r"edge_index\): ends in one cloud, got edge 1 between points \[1, 2\] of two clouds",
        ),
    ],
)
def test_wrong_inputs(changes, error, message):
    with pytest.raises(error, match=message):
        read(**changes)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("name", ["pos", "x"])
def test_numbers_that_are_not_finite(name, value):
    wrong = torch.zeros(4, 3 if name == "pos" else 2)
    wrong[2, 1] = value
    with pytest.raises(ValueError, match=rf"{name}\): finite numbers, got .*(nan|inf).* at point 2"):
        read(**{name: wrong})


def test_too_many_pairs_are_refused(monkeypatch):
    monkeypatch.setattr(flat, "MOST_PAIRS", 7)
    with pytest.raises(ValueError, match=r"edge_index\): None means all pairs .* 8.0e\+00 here; pass edges"):
        read(edge_index=None)
