"""Containers: dicts, tuples and graph data are moved field by field; nothing is left out in silence."""

from collections import namedtuple

import numpy as np
import pytest
import torch
from tests.groups.catalogue import gap, seeded

from erlangen.groups import (
    BatchVector,
    E,
    EdgeIndex,
    Factor,
    Fields,
    Fixed,
    Nodes,
    O,
    Points,
    Scalar,
    Symmetric,
    Symmetry,
    Vector,
)

Sample = namedtuple("Sample", ["pos", "charge"])
G = E(3).sample(generator=seeded(0))
POS = torch.randn(4, 3, generator=seeded(1), dtype=torch.float64)
CHARGE = torch.randn(4, 1, generator=seeded(2), dtype=torch.float64)
MOVED = POS @ G[:3, :3].mT + G[:3, 3]


def data(**more):
    geometric = pytest.importorskip("torch_geometric.data")
    return geometric.Data(pos=POS.clone(), edge_index=torch.tensor([[0, 1, 2], [1, 2, 3]]), **more)


def test_a_dict():
    x = {"pos": POS.clone(), "charge": CHARGE}
    y = Fields(pos=Points(E(3)), charge=Fixed())(G, x)
    assert type(y) is dict and list(y) == ["pos", "charge"]
    assert gap(y["pos"], MOVED) <= 1e-15 and y["charge"] is CHARGE
    assert torch.equal(x["pos"], POS)


def test_a_dict_with_whole_numbers_for_keys():
    nodes = Symmetric("n")
    promise = Symmetry(nodes, ({1: Nodes(nodes), 2: Nodes(nodes, order=2)},), {2: Nodes(nodes, order=2)})
    x = {1: torch.arange(3.0)[:, None], 2: torch.arange(9.0).reshape(3, 3, 1)}
    bound = promise.bind(x)
    g = torch.tensor([1, 2, 0])
    y = bound.inputs[0](g, x)
    assert y[1][:, 0].tolist() == [2, 0, 1] and float(y[2][1, 2]) == 1 and bound.group == Symmetric(3)
    with pytest.raises(ValueError, match="at least one action, got none"):
        Fields.of({})


def test_tuples_lists_and_named_tuples():
    action = Fields(Points(E(3)), Scalar(E(3)))
    for kind in (tuple, list):
        x = kind([POS.clone(), CHARGE])
        y = action(G, x)
        assert type(y) is kind and gap(y[0], MOVED) <= 1e-15 and torch.equal(y[1], CHARGE)
        assert torch.equal(x[0], POS)
    y = action(G, Sample(POS, CHARGE))
    assert isinstance(y, Sample) and gap(y.pos, MOVED) <= 1e-15


def test_graph_data_in_and_out():
    x = data(y=torch.ones(1), name="water")
    group = Symmetric(4) * E(3)
    action = Fields(pos=Nodes(Symmetric(4)) & Points(E(3)), edge_index=EdgeIndex(Symmetric(4)), y=Fixed())
    assert action.group == group
    g = torch.tensor([1, 2, 3, 0])
    y = action((g, G), x)
    assert type(y) is type(x) and y is not x
    assert gap(y.pos[g], MOVED) <= 1e-15 and torch.equal(y.edge_index, g[x.edge_index])
    assert torch.equal(x.pos, POS) and torch.equal(x.edge_index, torch.tensor([[0, 1, 2], [1, 2, 3]]))
    assert y.name == "water" and y.num_nodes == 4


def test_batches_in_and_out():
    geometric = pytest.importorskip("torch_geometric.data")
    x = geometric.Batch.from_data_list([data(), data(), data()])
    before = x.pos.clone()
    action = Fields(pos=Points(E(3)), edge_index=EdgeIndex(), batch=BatchVector(), ptr=Fixed())
    y = action(G, x)
    assert isinstance(y, geometric.Batch) and y.num_graphs == 3
    assert gap(y.pos, MOVED.repeat(3, 1)) <= 1e-15 and torch.equal(x.pos, before)
    assert gap(y.get_example(2).pos, MOVED) <= 1e-15


@pytest.mark.parametrize(
    "extra",
    [torch.zeros(2), np.zeros(2), 1.5, {"inner": torch.zeros(2)}, [torch.zeros(1)], (1, 2.5), object()],
    ids=lambda v: type(v).__name__,
)
def test_an_unnamed_field_is_an_error(extra):
    with pytest.raises(ValueError, match=r"sample: the field 'extra' has no action; name it in Fields, as Fixed\(\)"):
        Fields(pos=Points(E(3))).check({"pos": POS, "extra": extra}, "sample")
    with pytest.raises(ValueError, match="the field 'extra' has no action"):
        Fields(pos=Points(E(3)), edge_index=EdgeIndex())(G, data(extra=extra))


@pytest.mark.parametrize("note", ["word", 3, True, None, b"raw", ["C", "N"], {"source": "QM9"}, ()], ids=repr)
def test_notes_need_no_action(note):
    y = Fields(pos=Points(E(3)))(G, {"pos": POS, "note": note})
    assert y["note"] == note and gap(y["pos"], MOVED) <= 1e-15


def test_a_missing_field_is_an_error():
    with pytest.raises(ValueError, match="x: has no field 'vel'; its fields are pos"):
        Fields(pos=Points(E(3)), vel=Vector(E(3)))(G, {"pos": POS})
    with pytest.raises(ValueError, match="has no field 'vel'"):
        Fields(vel=Vector(E(3))).check(data())
    with pytest.raises(ValueError, match="has no field 1"):
        Fields(Points(E(3)), Fixed())(G, (POS,))
    with pytest.raises(ValueError, match="the field 1 has no action"):
        Fields(Points(E(3)))(G, (POS, CHARGE))


def test_what_is_no_container_is_an_error():
    with pytest.raises(TypeError, match="a dict, a tuple or a graph data object, got Tensor"):
        Fields(pos=Points(E(3))).check(POS)


def test_check_names_the_field():
    with pytest.raises(ValueError, match=r"input 0\['pos'\]: the last axis"):
        Fields(pos=Points(E(3))).check({"pos": torch.zeros(4, 2)}, "input 0")


def test_containers_nest():
    action = Fields(state={"pos": Points(E(3)), "rest": (Vector(E(3)), Fixed())}, graph=EdgeIndex())
    assert action == Fields(state=Fields(pos=Points(E(3)), rest=Fields(Vector(E(3)), Fixed())), graph=EdgeIndex())
    x = {"state": {"pos": POS, "rest": (POS, CHARGE)}, "graph": torch.tensor([[0], [1]])}
    y = action(G, x)
    assert gap(y["state"]["pos"], MOVED) <= 1e-15 and gap(y["state"]["rest"][0], POS @ G[:3, :3].mT) <= 1e-15
    with pytest.raises(ValueError, match=r"x\['state'\]\['pos'\]: the last axis"):
        action.check({**x, "state": {"pos": torch.zeros(2, 2), "rest": (POS, CHARGE)}})


def test_every_field_sees_its_own_factor():
    pair = O(3) * O(3)
    action = Fields(a=Points(O(3)).along(Factor(pair, 0)), b=Points(O(3)).along(Factor(pair, 1)))
    assert action.group == pair
    g = pair.sample(generator=seeded(0))
    y = action(g, {"a": POS, "b": POS})
    assert gap(y["a"], POS @ g[0].mT) <= 1e-15 and gap(y["b"], POS @ g[1].mT) <= 1e-15


def test_tangents_copies_sizes_and_binding():
    n = Symmetric("n")
    action = Fields(pos=Nodes(n) & Points(E(3)), edge_index=EdgeIndex(n))
    x = {"pos": POS, "edge_index": torch.tensor([[0], [3]])}
    assert action.sizes(x) == {"n": 4}
    bound = action.bind({"n": 4})
    A = (bound.group.factors[0].zero(), E(3).algebra_basis()[-1])
    velocity = bound.tangent(A, x)
    assert torch.equal(velocity["pos"], torch.tensor([0, 0, 1.0]).double().expand(4, 3))
    assert not velocity["edge_index"].any()
    twice = bound.repeat(x, 2, 4)
    assert torch.equal(twice["pos"], POS.repeat(2, 1)) and twice["edge_index"].tolist() == [[0, 4], [3, 7]]


def test_inexact_fields_make_it_inexact():
    from erlangen.groups import SO, Pixels

    assert not Fields(a=Pixels(SO(2)), b=Fixed()).exact and Fields(a=Points(SO(2))).exact


def test_what_fields_takes():
    with pytest.raises(ValueError, match="either positional actions"):
        Fields()
    with pytest.raises(ValueError, match="either positional actions"):
        Fields(Fixed(), pos=Fixed())
    with pytest.raises(TypeError, match=r"Fields\(pos\): an action, or a tuple or dict of actions, got str"):
        Fields(pos="points")
    assert dict(Fields(self=Fixed(), group=Fixed()).items).keys() == {"self", "group"}
