"""Where the samples sit: batch axes, PyG batches, whole things; moving, copying and picking out samples."""

import pytest
import torch
from tests.groups.catalogue import gap, seeded

from erlangen.groups import (
    SO,
    BatchVector,
    E,
    EdgeIndex,
    Fields,
    Fixed,
    Nodes,
    O,
    Points,
    QuarterTurns,
    Scalar,
    Symmetric,
    Vector,
)
from erlangen.groups.element import map_element
from erlangen.groups.samples import Samples, leaves


def real(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


# Three ragged graphs, their nodes not in order.
GRAPH = torch.tensor([0, 2, 0, 1, 2, 2])
EDGES = torch.tensor([[0, 2, 1, 4, 5], [2, 0, 4, 5, 1]])
EDGE_GRAPH = torch.tensor([0, 0, 2, 2, 2])
POS = real(6, 3)


def ragged():
    return {
        "pos": POS, "h": real(6, 2, seed=1), "edge_index": EDGES, "edge_vec": real(5, 3, seed=2), "batch": GRAPH,
        "dipole": real(3, 3, seed=3), "energy": real(3, 1, seed=4), "scale": torch.tensor(2.0),
    }  # fmt: skip


FIELDS = Fields(
    pos=Points(E(3)), h=Fixed(), edge_index=EdgeIndex(), edge_vec=Vector(E(3)), batch=BatchVector(),
    dipole=Vector(E(3)), energy=Scalar(E(3)), scale=Fixed(),
)  # fmt: skip


def test_leaves_open_containers_and_name_them():
    actions = (Points(O(2)), Fields(a=Fixed(), b=Fields(Vector(O(2)), Fixed())))
    x = (real(2, 2), {"a": 1, "b": (real(3, 2), "word")})
    assert [name for name, _, _ in leaves(actions, x)] == [
        "input 0",
        "input 1['a']",
        "input 1['b'][0]",
        "input 1['b'][1]",
    ]
    assert [name for name, _, _ in leaves(actions, x, names=("pos", "rest"))][:2] == ["pos", "rest['a']"]


def test_a_shared_batch_axis_is_found():
    found = Samples.find(
        (Points(O(3)), Fixed(), Nodes(Symmetric(4)) & Vector(O(3))), (real(5, 4, 3), real(2), real(5, 4, 3))
    )
    assert found.count == 5 and found.graph is None and found.reason == ""
    assert Samples.find((QuarterTurns(),), (real(7, 1, 4, 4),)).count == 7
    assert Samples.find((Points(O(3)),), (real(0, 4, 3),)).count == 0


@pytest.mark.parametrize(
    ("actions", "inputs", "reason"),
    [
        ((Points(O(3)),), (real(4, 3),), r"input 0 of shape \(4, 3\) is one sample of Points"),
        (
            (Points(O(3)), Points(O(3))),
            (real(4, 2, 3), real(5, 2, 3)),
            r"share no batch axis, their first sizes are \[4, 5\]",
        ),
        ((Fixed(),), (real(4, 3),), "no input is moved"),
        ((Points(O(3)), EdgeIndex()), (real(4, 3), EDGES), "an edge index without a batch vector is one graph"),
        ((QuarterTurns(),), (real(4, 4),), "one sample"),
    ],
    ids=str,
)
def test_why_there_is_no_batch_axis(actions, inputs, reason):
    found = Samples.find(actions, inputs)
    assert found.count is None
    with pytest.raises(ValueError, match=reason):
        found.repeat(actions, inputs, 2)
    assert found.draw(O(3), seeded(0)).shape == (3, 3)


def test_a_graph_batch_is_found():
    found = Samples.find((FIELDS,), (ragged(),))
    assert found.count == 3
    assert torch.equal(found.graph, GRAPH) and torch.equal(found.edge_graph, EDGE_GRAPH)
    places = {name: found.place(name, action, x) for name, action, x in leaves((FIELDS,), (ragged(),))}
    expected = {"pos": GRAPH, "h": GRAPH, "edge_vec": EDGE_GRAPH, "batch": GRAPH}
    for name, place in places.items():
        wanted = expected.get(name.split("'")[1])
        assert (place is None and wanted is None) or torch.equal(place, wanted), name


def test_every_sample_moves_by_its_own_element():
    found, x = Samples.find((FIELDS,), (ragged(),)), ragged()
    g = found.draw(E(3), seeded(0))
    assert g.shape == (3, 4, 4)
    (y,) = found.act_all((FIELDS,), g, (x,))
    for i, k in enumerate(GRAPH.tolist()):
        assert gap(y["pos"][i], Points(E(3))(g[k], x["pos"][i])) <= 1e-15
    for i, k in enumerate(EDGE_GRAPH.tolist()):
        assert gap(y["edge_vec"][i], Vector(E(3))(g[k], x["edge_vec"][i])) <= 1e-15
    for k in range(3):
        assert gap(y["dipole"][k], Vector(E(3))(g[k], x["dipole"][k])) <= 1e-15
    for name in ("h", "edge_index", "batch", "energy", "scale"):
        assert torch.equal(y[name], x[name])


def test_one_element_moves_all_samples():
    found, g = Samples.find((FIELDS,), (ragged(),)), E(3).sample(generator=seeded(0))
    (y,) = found.act_all((FIELDS,), g, (ragged(),))
    assert gap(y["pos"], Points(E(3))(g, POS)) <= 1e-15


def test_permutations_of_a_graph_batch_stay_within_graphs():
    group = Symmetric(6) * E(3)
    action = Fields(
        pos=Nodes(Symmetric(6)) & Points(E(3)), edge_index=EdgeIndex(Symmetric(6)), batch=BatchVector(Symmetric(6))
    )
    x = {"pos": POS, "edge_index": EDGES, "batch": GRAPH}
    found = Samples.find((action,), (x,))
    seen = set()
    for seed in range(120):
        p, m = found.draw(group, seeded(seed))
        assert m.shape == (3, 4, 4) and torch.equal(p.sort().values, torch.arange(6))
        assert torch.equal(GRAPH[p], GRAPH)
        seen.add(tuple(p.tolist()))
    assert len(seen) == 12, "2! * 1! * 3! permutations"
    y = found.act(action, (p, m), x)
    assert torch.equal(y["batch"], GRAPH)
    for i in range(6):
        assert gap(y["pos"][p[i]], Points(E(3))(m[GRAPH[i]], POS[i])) <= 1e-15
    swap, cycle = (g[0] for g in found.generators(group)[:2])
    assert swap.tolist() == [2, 4, 0, 3, 1, 5] and cycle.tolist() == [2, 4, 0, 3, 5, 1]
    assert len(found.generators(group)) == 2 + len(E(3).generators())


def test_generators_of_plain_batches_are_the_groups():
    found = Samples.find((Points(O(3)),), (real(5, 4, 3),))
    group = Symmetric(4) * O(3)
    for ours, theirs in zip(found.generators(group), group.generators(), strict=True):
        assert gap(ours, theirs) == 0


def test_dense_copies_are_one_larger_batch():
    actions = (Points(O(3)), Fixed(), Fixed(), EdgeIndex(Symmetric(4)))
    inputs = (real(2, 4, 3), real(2, 1), "word", torch.randint(4, (2, 2, 5), generator=seeded(0)))
    found = Samples(2)
    x, label, word, edges = found.repeat(actions, inputs, 3)
    assert torch.equal(x, inputs[0].repeat(3, 1, 1)) and torch.equal(label, inputs[1].repeat(3, 1)) and word == "word"
    assert torch.equal(edges, inputs[3].repeat(3, 1, 1))
    constant = torch.tensor([1.0, 2.0, 3.0])
    assert torch.equal(found.repeat((Fixed(),), (constant,), 3)[0], constant)


def test_graph_copies_are_one_larger_batch():
    found = Samples.find((FIELDS,), (ragged(),))
    (y,) = found.repeat((FIELDS,), (ragged(),), 2)
    assert torch.equal(y["pos"], POS.repeat(2, 1)) and torch.equal(y["batch"], torch.cat([GRAPH, GRAPH + 3]))
    assert torch.equal(y["edge_index"], torch.cat([EDGES, EDGES + 6], 1))
    assert y["dipole"].shape == (6, 3) and y["edge_vec"].shape == (10, 3) and y["h"].shape == (12, 2)
    assert y["scale"].shape == ()
    again = Samples.find((FIELDS,), (y,))
    assert again.count == 6 and torch.equal(again.edge_graph, torch.cat([EDGE_GRAPH, EDGE_GRAPH + 3]))


@pytest.mark.parametrize("sample", range(3))
def test_one_sample_alone(sample):
    found, x = Samples.find((FIELDS,), (ragged(),)), ragged()
    (y,) = found.alone((FIELDS,), (x,), sample)
    nodes = (GRAPH == sample).nonzero().flatten()
    assert torch.equal(y["pos"], POS[nodes]) and torch.equal(y["batch"], torch.zeros(len(nodes)).long())
    assert torch.equal(nodes[y["edge_index"]], EDGES[:, EDGE_GRAPH == sample])
    assert torch.equal(y["dipole"], x["dipole"][sample : sample + 1])
    assert torch.equal(found.rows("output", Vector(E(3)), POS, sample), POS[nodes])
    assert torch.equal(found.rows("output", Vector(E(3)), x["dipole"], sample), x["dipole"][sample : sample + 1])


def test_dense_samples_alone():
    x = real(4, 5, 3)
    found = Samples.find((Points(O(3)), Fixed()), (x, real(2)))
    alone, constant = found.alone((Points(O(3)), Fixed()), (x, real(2)), 2)
    assert torch.equal(alone, x[2:3]) and constant.shape == (2,)


def test_pyg_batches_keep_their_books():
    geometric = pytest.importorskip("torch_geometric.data")
    sizes = (2, 4, 3)
    graphs = [
        geometric.Data(pos=real(n, 3, seed=n), edge_index=torch.tensor([[0, 1], [1, n - 1]]), num_nodes=n)
        for n in sizes
    ]
    x = geometric.Batch.from_data_list(graphs)
    action = Fields(pos=Points(E(3)), edge_index=EdgeIndex(), batch=BatchVector(), ptr=Fixed())
    found = Samples.find((action,), (x,))
    (many,) = found.repeat((action,), (x,), 2)
    assert many.num_graphs == 6 and many.num_nodes == 18 and many.ptr.tolist() == [0, 2, 6, 9, 11, 15, 18]
    (one,) = found.alone((action,), (x,), 1)
    assert one.num_graphs == 1 and one.num_nodes == 4 and one.ptr.tolist() == [0, 4]
    assert torch.equal(one.pos, graphs[1].pos) and torch.equal(one.edge_index, graphs[1].edge_index)
    assert (x.num_graphs, x.num_nodes, x.ptr.tolist()) == (3, 9, [0, 2, 6, 9]), "the original is untouched"


def test_which_tensors_can_be_told_apart():
    dense = Samples(4)
    assert dense.fits("y", Vector(O(3)), real(4, 3)) and not dense.fits("y", Vector(O(3)), real(5, 3))
    assert not dense.fits("y", Vector(O(3)), real(3)) and dense.fits("y", Fixed(), real(3))
    graphs = Samples.find((FIELDS,), (ragged(),))
    assert graphs.fits("y", Vector(E(3)), real(6, 3)) and graphs.fits("y", Vector(E(3)), real(3, 3))
    assert not graphs.fits("y", Vector(E(3)), real(4, 3)) and Samples.one("whole").fits("y", Vector(E(3)), real(4, 3))


def test_a_batch_without_graphs():
    action = Fields(pos=Points(E(3)), batch=BatchVector())
    found = Samples.find((action,), ({"pos": real(0, 3), "batch": torch.zeros(0).long()},))
    assert found.count == 0 and found.draw(SO(3), seeded(0)).shape == (0, 3, 3)


def test_drawing_is_decided_by_the_generator():
    found = Samples(3)
    a, b = found.draw(Symmetric(4) * O(3), seeded(1)), found.draw(Symmetric(4) * O(3), seeded(1))
    assert gap(a, b) == 0 and [tuple(t.shape) for t in a] == [(3, 4), (3, 3, 3)]
    first = map_element(lambda t: t[0], a)
    assert gap(first, map_element(lambda t: t[1], a)) > 0.1
