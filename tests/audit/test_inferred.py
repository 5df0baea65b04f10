"""A symmetry inferred from names, irreps and shapes: what is assumed, and that it is said."""

import warnings

import pytest
import torch
from tests.audit import models
from torch import Tensor, nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch_geometric.data import Batch, Data

from erlangen.audit import audit
from erlangen.groups import (
    SO,
    BatchVector,
    Cyclic,
    E,
    EdgeIndex,
    Fields,
    Fixed,
    Nodes,
    Pixels,
    Points,
    QuarterTurns,
    Scalar,
    Symmetric,
    Vector,
    infer_symmetry,
)

S = Symmetric("n")


def ring(n: int) -> Tensor:
    i = torch.arange(n)
    return torch.stack([i, (i + 1) % n])


def graph(n: int) -> Data:
    return Data(
        pos=torch.randn(n, 3), vel=torch.randn(n, 3), z=torch.randint(5, (n,)), x=torch.randn(n, 4),
        charge=torch.rand(n) + 1, edge_index=ring(n), edge_attr=torch.randn(n, 2), y=torch.randn(1), name=f"g{n}",
    )  # fmt: skip


@pytest.fixture
def batch() -> Batch:
    torch.manual_seed(0)
    return Batch.from_data_list([graph(n) for n in (4, 6, 5)])


def test_pyg_names(batch):
    promise = infer_symmetry("S*E(3)", batch)
    (fields,) = promise.inputs
    assert isinstance(fields, Fields)
    found = {key: repr(action) for key, action in fields.items}
    assert found["pos"] == repr(Nodes(S) & Points(E(3))) and found["vel"] == repr(Nodes(S) & Vector(E(3)))
    assert found["x"] == repr(Nodes(S)) and found["z"] == found["charge"] == repr(Nodes(S, features=0))
    assert found["edge_index"] == repr(EdgeIndex(S)) and found["batch"] == repr(BatchVector(S))
    assert {found[key] for key in ("edge_attr", "y", "ptr")} == {"Fixed()"}
    assert list(found) == sorted(found)
    assert "name" not in found
    assert len(promise.assumed) == len(found) + 1  # one sentence for each, and one for the output


class Energy(nn.Module):
    """Charges times speeds, summed per graph; a mutant adds heights."""

    def __init__(self, height: float = 0.0) -> None:
        super().__init__()
        self.height = height

    def forward(self, data: Data) -> Data:
        each = data.charge * data.z * data.vel.norm(dim=-1) + self.height * data.pos[:, 2]
        energy = each.new_zeros(int(data.batch.max()) + 1).index_add(0, data.batch, each)
        return Data(energy=energy, pos=data.pos + data.vel, vel=data.vel)


def test_data_in_and_out(batch):
    report = audit(Energy(), batch, symmetry="S*E(3)")
    assert report.verdict == "exact", report.table()
    assert any("output['pos']" in said and "Points" in said for said in report.symmetry.assumed)
    assert any("output['vel']" in said and "Vector" in said for said in report.symmetry.assumed)
    assert report.table().count("assumed") == len(report.symmetry.assumed)
    assert audit(Energy(1e-3), batch, symmetry="S*E(3)").verdict == "breaks"


def test_names_of_arguments():
    net = models.RaggedEGNN()
    edges = torch.cat([ring(4), ring(5) + 4], 1)
    batch = torch.repeat_interleave(torch.arange(2), torch.tensor([4, 5]))
    inputs = torch.randn(9, 3), torch.randn(9, 4), edges, batch
    report = audit(net, *inputs, symmetry="S*O(3)")
    assert report.verdict == "exact"
    assert report.symmetry.assumed[0].startswith("pos: Nodes(S(n)) & Points(O(3)) (named 'pos')")
    # An output shaped like positions is taken for vectors: wrong under translations, and the report says what it took.
    moved = audit(net, *inputs, symmetry="S*E(3)")
    assert moved.verdict == "breaks" and moved.per_output["output[1]"] < 1e-9
    assert any("vectors that turn but do not move" in said for said in moved.symmetry.assumed)


def test_irreps_count_before_shapes():
    class Takes(nn.Module):
        irreps_in, irreps_out = "1x1o", "1x1e"

        def forward(self, x: Tensor) -> Tensor:
            return x

    assert audit(Takes(), torch.randn(5, 3), symmetry="SO(3)").verdict == "exact"
    assert audit(Takes(), torch.randn(5, 3), symmetry="O(3)").verdict == "breaks"


@pytest.mark.parametrize(
    ("group", "shape", "action"),
    [
        ("SO(3)", (8, 3), Vector(SO(3))),
        ("SO(3)", (8, 5, 3), Points(SO(3))),
        ("SO(3)", (8, 5), Fixed(SO(3))),
        ("C(4)", (8, 1, 6, 6), QuarterTurns(Cyclic(4))),
        ("SO(2)", (8, 1, 6, 6), Pixels(SO(2))),
        ("S", (8, 5, 4), Nodes(S)),
    ],
)
def test_shapes(group, shape, action):
    promise = infer_symmetry(group, torch.randn(shape))
    assert promise.inputs == (action,)
    assert promise.kind == ("approximate" if isinstance(action, Pixels) else "exact")


def test_outputs():
    x = torch.randn(8, 3)
    G = SO(3)
    assert infer_symmetry(G, x, output=x).output == Vector(G)
    assert infer_symmetry(G, x, output=torch.randn(8, 2)).output == Scalar(G)
    nodes = torch.randn(8, 5, 4)
    assert infer_symmetry("S", nodes, output=torch.randn(8, 5, 7)).output == Nodes(S)
    assert infer_symmetry("S", nodes, output=torch.randn(8, 7)).output == Scalar(S)
    data = {"pos": torch.randn(2, 5, 3), "h": torch.randn(2, 5, 6)}  # features are no vectors, of whatever size
    assert repr(infer_symmetry("S*SO(3)", data, output=torch.randn(2, 5, 6)).output) == repr(Nodes(S))
    images = torch.randn(8, 1, 6, 6)
    assert infer_symmetry("C(4)", images, output=torch.randn(8, 2, 6, 6)).output == QuarterTurns(Cyclic(4))
    several = infer_symmetry(G, x, output={"e": torch.randn(8), "f": x}).output
    assert several == Fields(e=Scalar(G), f=Vector(G))


def test_a_broken_module_is_not_told_that_its_samples_leak():
    torch.manual_seed(0)
    plain, x = models.Plain(), torch.randn(4, 1, 8, 8)
    for seed in range(24):  # among few half turns often all do nothing, the generator never
        report = audit(plain, x, symmetry="C(2)", seed=seed, num_elements=3)
        assert report.verdict == "breaks" and not any("leak" in note for note in report.notes)


def test_containers_within_containers():
    x = {
        "graph": {"pos": torch.randn(2, 5, 3), "h": torch.randn(2, 5, 4)},
        "around": [torch.randn(2, 7, 3)],
        "name": "x",
    }
    promise = infer_symmetry("SO(3)", x)
    g = promise.group.sample(generator=torch.Generator().manual_seed(0))
    moved = promise.inputs[0](g, x)
    for before, after in ((x["graph"]["pos"], moved["graph"]["pos"]), (x["around"][0], moved["around"][0])):
        torch.testing.assert_close(after, (before.double() @ g.mT).float())
    assert moved["graph"]["h"] is x["graph"]["h"] and moved["name"] == "x"
    assert [said.partition(":")[0] for said in promise.assumed[:3]] == [
        "input 0['graph']['pos']", "input 0['graph']['h']", "input 0['around'][0]",
    ]  # fmt: skip
