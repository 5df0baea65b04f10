"""Modules that are not ours: e3nn, PyG, torch.nn, and networks written here without knowing the library."""

import warnings

import pytest
import torch
from tests.audit import models
from torch import Tensor, nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from e3nn import nn as enn
    from e3nn import o3
    from torch_geometric.data import Batch, Data
    from torch_geometric.nn import EGConv, GCNConv
    from torch_geometric.nn.aggr import GRUAggregation, LCMAggregation

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
    O,
    Pixels,
    Points,
    QuarterTurns,
    Scalar,
    Symmetric,
    Symmetry,
    Vector,
)

S = Symmetric("n")
SE3 = S * E(3)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


# ---------------------------------------------------------------- e3nn, its irreps read off the module


def test_e3nn_linear_is_exact_and_a_matrix_in_its_place_is_not():
    linear = o3.Linear("4x0e+3x1o+2x2e", "2x0e+2x1o+1x2e")
    x = o3.Irreps("4x0e+3x1o+2x2e").randn(8, -1)
    report = audit(linear, x, symmetry="O(3)")
    assert report.verdict == "exact"
    assert any("irreps" in sentence for sentence in report.symmetry.assumed)
    mixed = nn.Linear(linear.irreps_in.dim, linear.irreps_out.dim)
    mixed.irreps_in, mixed.irreps_out = linear.irreps_in, linear.irreps_out
    assert audit(mixed, x, symmetry="O(3)").verdict == "breaks"


def test_e3nn_gate_holds():
    gate = enn.Gate("4x0e", [torch.tanh], "3x0e", [torch.sigmoid], "2x1o+1x2e")
    x = gate.irreps_in.randn(8, -1)
    assert audit(gate, x, symmetry="O(3)").verdict in ("exact", "float32")


def test_e3nn_full_tensor_product_has_float32_constants_and_is_no_false_alarm():
    product = o3.FullTensorProduct("2x0e+1x1o", "1x1o+1x2e")
    x, y = product.irreps_in1.randn(8, -1), product.irreps_in2.randn(8, -1)
    report = audit(product, x, y, symmetry="O(3)")
    assert report.verdict == "float32"
    assert 1e-11 < report.error < 1e-6 and report.holds()


# ---------------------------------------------------------------- graphs


def ring(n: int) -> Tensor:
    i = torch.arange(n)
    there = torch.stack([i, (i + 1) % n])
    return torch.cat([there, there.flip(0)], 1)


@pytest.mark.parametrize(
    "conv", [GCNConv(4, 5), EGConv(4, 8, num_heads=2, num_bases=2)], ids=lambda c: type(c).__name__
)
def test_pyg_convolutions_keep_permutations_of_nodes(conv):
    promise = Symmetry(S, (Nodes(S), EdgeIndex(S)), Nodes(S))
    x, edges = torch.randn(7, 4), ring(7)
    report = audit(conv, x, edges, symmetry=promise)
    assert report.holds() and report.verdict in ("exact", "float32")
    assert any("one graph" in note for note in report.notes)
    numbered = lambda x, edges: conv(x.float(), edges) + torch.arange(7.0)[:, None]
    assert audit(numbered, x, edges, symmetry=promise).verdict == "breaks"


class OnData(nn.Module):
    """A batch of graphs to the same batch with new positions, and an energy for each graph."""

    def __init__(self) -> None:
        super().__init__()
        self.net = models.RaggedEGNN()

    def forward(self, data: Data) -> Data:
        pos, energy = self.net(data.pos, data.x, data.edge_index, data.batch)
        return Data(pos=pos, energy=energy)


def test_a_pyg_batch_goes_in_and_data_comes_out():
    graphs = [Data(pos=torch.randn(n, 3), x=torch.randn(n, 4), edge_index=ring(n), name=f"g{n}") for n in (4, 6, 5)]
    batch = Batch.from_data_list(graphs)
    inputs = Fields(pos=Nodes(S) & Points(E(3)), x=Nodes(S), edge_index=EdgeIndex(S), batch=BatchVector(S), ptr=Fixed())
    output = Fields(pos=Nodes(S) & Points(E(3)), energy=Scalar(SE3))
    report = audit(OnData(), batch, symmetry=Symmetry(SE3, (inputs,), output))
    assert report.verdict == "exact"
    assert set(report.per_output) == {"output['pos']", "output['energy']"}
    assert report.alone is not None and report.alone < 1e-9
    with pytest.raises(ValueError, match="field 'x' has no action"):
        bare = Fields(pos=Nodes(S) & Points(E(3)), edge_index=EdgeIndex(S), batch=BatchVector(S), ptr=Fixed())
        audit(OnData(), batch, symmetry=Symmetry(SE3, (bare,), output))


def test_egnn_dense_and_ragged():
    moved, nodes = Nodes(S) & Points(E(3)), Nodes(S)
    dense = Symmetry(SE3, (moved, nodes), (moved, nodes))
    x, h = torch.randn(4, 5, 3), torch.randn(4, 5, 4)
    assert audit(models.EGNN(), x, h, symmetry=dense).verdict == "exact"
    assert audit(models.EGNN(absolute=0.01), x, h, symmetry=dense).verdict == "breaks"

    counts = torch.tensor([4, 6])
    batch = torch.repeat_interleave(torch.arange(2), counts)
    edges = torch.cat([ring(4), ring(6) + 4], 1)
    ragged = Symmetry(SE3, (moved, nodes, EdgeIndex(S), BatchVector(S)), (moved, Scalar(SE3)))
    inputs = torch.randn(10, 3), torch.randn(10, 4), edges, batch
    assert audit(models.RaggedEGNN(), *inputs, symmetry=ragged).verdict == "exact"

    class Leaky(models.RaggedEGNN):
        def forward(self, pos, h, edge_index, batch):
            moved, energy = super().forward(pos, h, edge_index, batch)
            return moved, energy + 0.01 * pos.mean()

    assert audit(Leaky(), *inputs, symmetry=ragged).verdict == "breaks"


def test_ppgn_pairs():
    pairs = Nodes(S, order=2)
    x = torch.randn(4, 5, 5, 3)
    net = models.PairNet()
    assert audit(net, x, symmetry=Symmetry(S, (pairs,), pairs)).verdict == "exact"
    assert audit(lambda x: net(x.float()).triu(), x, symmetry=Symmetry(S, (pairs,), pairs)).verdict == "breaks"


@pytest.mark.parametrize("name", ["LCM", "GRU"])
def test_aggregations_that_see_what_else_is_in_the_batch(name):
    aggregate = LCMAggregation(4, 4) if name == "LCM" else GRUAggregation(4, 4)
    index = torch.tensor([0, 0, 1, 1, 1, 1, 1, 2, 2, 2])
    x = torch.randn(10, 4)
    report = audit(aggregate, x, index, symmetry=Symmetry(S, (Nodes(S), BatchVector(S)), Scalar(S)))
    assert report.alone is not None and report.alone > 1e-3
    assert any("depends on what else is in its batch" in note for note in report.notes)
    assert "alone or in a batch" in report.table()


# ---------------------------------------------------------------- sets and sequences


def test_a_transformer_encoder_is_a_set_model_without_positions():
    promise = Symmetry(S, (Nodes(S),), Nodes(S))
    x = torch.randn(4, 6, 8)
    encoder = models.Attention()
    assert audit(encoder, x, symmetry=promise).verdict == "exact"
    assert encoder.training

    class Positioned(models.Attention):
        def forward(self, x):
            return super().forward(x + 0.01 * torch.arange(6, dtype=x.dtype)[:, None])

    report = audit(Positioned(), x, symmetry=promise)
    assert report.verdict == "breaks" and report.num_bad >= 30


def test_a_gru_is_no_set_model_and_its_state_is_not_per_sample():
    report = audit(
        nn.GRU(4, 6, batch_first=True), torch.randn(3, 5, 4), symmetry=Symmetry(S, (Nodes(S),), (Nodes(S), Scalar(S)))
    )
    assert report.verdict == "breaks"
    assert any("output[1] has no row per sample" in note for note in report.notes)
    assert set(report.per_output) == {"output[0]", "output[1]"}


# ---------------------------------------------------------------- images


def test_a_cnn_under_quarter_turns():
    x = torch.randn(6, 1, 8, 8)
    promise = Symmetry(Cyclic(4), (QuarterTurns(),), Scalar(Cyclic(4)))
    plain = models.Plain()
    assert audit(models.Turned(plain), x, symmetry=promise).verdict == "exact"
    report = audit(plain, x, symmetry=promise)
    assert report.verdict == "breaks" and report.action_floor is None


def blobs(count: int, size: int) -> Tensor:
    """Smooth images that are dark at the border."""
    p = torch.linspace(-1, 1, size)
    y, x = torch.meshgrid(p, p, indexing="ij")
    at, width = 0.8 * torch.rand(count, 3, 2) - 0.4, 0.15
    squares = (x - at[..., 0, None, None]).square() + (y - at[..., 1, None, None]).square()
    return (torch.rand(count, 3, 1, 1) * (-squares / (2 * width**2)).exp()).sum(1, keepdim=True)


def test_a_cnn_under_rotations_is_approximate_and_resampling_has_its_floor():
    G = SO(2)
    x = blobs(6, 24)
    promise = Symmetry(G, (Pixels(G),), Scalar(G), kind="approximate")
    report = audit(models.Turned(models.Plain()), x, symmetry=promise)
    assert report.verdict == "approximate" and report.holds()
    assert report.action_floor is not None and 1e-4 < report.action_floor < 0.1
    assert "resampling alone" in report.table()
    # Pooling a smooth image forgets where things were: far less than a promise of one half, far more than one of 1e-4.
    smooth = nn.AvgPool2d(24)
    round_up = promise.replace(bound=0.5)
    assert audit(smooth, x, symmetry=round_up).verdict == "approximate"
    assert audit(smooth, x, symmetry=promise.replace(bound=1e-9)).verdict == "breaks"


def test_only_pixels_that_stayed_inside_are_compared():
    G = SO(2)
    promise = Symmetry(G, (Pixels(G),), Pixels(G), kind="approximate", bound=0.05)
    image = 1 + blobs(4, 24)  # bright at the border, where turning brings in zeros
    same = audit(lambda x: x + 3, image, symmetry=promise)  # zeros from outside become threes
    assert same.holds() and same.error < 1e-9
    shifted = audit(lambda x: x.roll(1, -1), image, symmetry=promise)
    assert shifted.verdict == "breaks"


# ---------------------------------------------------------------- outputs with several parts


def test_heads_in_a_tuple_and_in_a_dict_are_judged_apart():
    G = SO(3)
    x = torch.randn(8, 3)
    pair = lambda x: (x.norm(dim=-1), 1e-3 * x * x[:, :1])
    report = audit(pair, x, symmetry=Symmetry(G, (Vector(G),), (Scalar(G), Vector(G))))
    assert report.verdict == "breaks"
    # The broken head is a thousand times smaller than the other; its error is as large as if it stood alone.
    assert report.per_output["output[0]"] < 1e-12 and report.per_output["output[1]"] > 0.5
    assert report.worst is not None and report.worst.output == "output[1]"
    named = lambda x: {"length": x.norm(dim=-1), "direction": x / x.norm(dim=-1, keepdim=True), "kind": "point"}
    promise = Symmetry(G, (Vector(G),), {"length": Scalar(G), "direction": Vector(G), "kind": Fixed()})
    report = audit(named, x, symmetry=promise)
    assert report.verdict == "exact"
    assert set(report.per_output) == {"output['length']", "output['direction']"}


def test_twins_with_permuted_weights():
    net = models.mlp(4, 16, 3)
    twin = models.mlp(4, 16, 3)
    order = torch.randperm(16)
    with torch.no_grad():
        twin[0].weight.copy_(net[0].weight[order])
        twin[0].bias.copy_(net[0].bias[order])
        twin[2].weight.copy_(net[2].weight[:, order])
        twin[2].bias.copy_(net[2].bias)
    x = torch.randn(8, 4)
    G = O(4)
    still = Symmetry(G, (Fixed(), Vector(G)), Scalar(G))
    both = lambda f: lambda x, v: f(x.float()) + v.float().norm(dim=-1, keepdim=True)
    assert audit(both(net), x, torch.randn(8, 4), symmetry=still, other=both(twin)).verdict == "float32"
    assert audit(both(net), x, torch.randn(8, 4), symmetry=still, other=both(models.mlp(4, 16, 3))).verdict == "breaks"

    # Inputs in secret order: the twin undoes it in its first layer.
    P = Symmetric(4)
    secret = torch.tensor([1, 2, 3, 0])
    knows = models.mlp(4, 16, 3)
    knows.load_state_dict(net.state_dict())
    with torch.no_grad():
        knows[0].weight.copy_(net[0].weight[:, secret.argsort()])
    promise = Symmetry(P, (Vector(P),), Scalar(P))
    assert audit(net, x, symmetry=promise, other=knows, elements=[secret]).verdict == "exact"
    assert audit(net, x, symmetry=promise, other=knows).verdict == "breaks"


def test_eigenvectors_up_to_sign():
    G = O(3)
    axes = lambda x: torch.linalg.eigh(x.mT @ x)[1].mT.sum(1)  # a sum of axes whose signs are arbitrary
    first = lambda x: torch.linalg.eigh(x.mT @ x)[1][..., -1]
    up_to_sign = lambda a, b: torch.minimum((a - b).norm(dim=-1), (a + b).norm(dim=-1))
    x = torch.randn(8, 6, 3) * torch.tensor([1.0, 2.0, 4.0])
    promise = Symmetry(G, (Points(G),), Vector(G))
    assert audit(first, x, symmetry=promise).verdict == "breaks"
    assert audit(first, x, symmetry=promise.replace(compare=up_to_sign)).verdict == "exact"
    assert audit(axes, x, symmetry=promise.replace(compare=up_to_sign)).verdict == "breaks"
