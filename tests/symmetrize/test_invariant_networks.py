"""Backbones on invariant coordinates: what comes out does not change, or moves as it should."""

import jaxtyping
import pytest
import torch
from tests.symmetrize.test_mds_coordinates import seeded, similar, skewed
from torch import nn

from erlangen.audit import audit
from erlangen.groups import CO, SE, Affine, E
from erlangen.points import APEN, PONITA, PointGNN, PointNet, PointOutput
from erlangen.points.flat import all_pairs
from erlangen.symmetrize import TransformationInvariant, mds_coordinates


class Attention(nn.Module):
    """A transformer on a set of points, with a mask; a number or a vector for each."""

    def __init__(self, out=4):
        super().__init__()
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.embed, self.layers = nn.Linear(3, 16), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = nn.Linear(16, out)

    def forward(self, x, mask=None):
        padded = None if mask is None else ~mask
        return self.out(self.layers(self.embed(x), src_key_padding_mask=padded))


class PlainPointNet(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.each, self.all = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 32)), nn.Linear(32, 4)

    def forward(self, coords):
        return self.all(self.each(coords).amax(1))


@pytest.mark.parametrize("make", [Attention, PlainPointNet])
@pytest.mark.parametrize("sign", ["moment", "moment-so", "average", "random"])
def test_any_backbone_becomes_invariant(make, sign):
    backbone = make().double().eval()
    model = TransformationInvariant(backbone, sign=sign).eval()
    x = skewed(20, 50, 3)
    moved, _ = similar(x, 1, proper=sign == "moment-so", spread=1.0)
    assert (model(moved) - model(x)).abs().max() < 1e-9
    assert (backbone(moved) - backbone(x)).abs().max() > 1e-2


@pytest.mark.parametrize(("out", "scaled", "shifted"), [("vector", 1, 0), ("direction", 0, 0), ("position", 1, 1)])
@pytest.mark.parametrize("sign", ["moment", "average"])
def test_outputs_in_space_move_along(out, scaled, shifted, sign):
    model = TransformationInvariant(Attention(out=3).double().eval(), sign=sign, out=out)
    x = skewed(10, 20, 3)
    moved, (s, q, b) = similar(x, 1, spread=1.0)
    want = model(x) @ q.mT * (s if scaled else 1) + (b if shifted else 0)
    assert (model(moved) - want).abs().max() < 1e-9
    assert (model(moved) - model(x)).abs().max() > 1e-2


def test_chirality_is_kept_where_asked():
    x = skewed(6, 20, 3)
    mirrored = x.flip(-1)
    backbone = PlainPointNet().double()
    blind, seeing = TransformationInvariant(backbone), TransformationInvariant(backbone, sign="moment-so")
    assert (blind(mirrored) - blind(x)).abs().max() < 1e-9
    assert (seeing(mirrored) - seeing(x)).abs().amax(1).min() > 1e-3


def test_padding_is_not_seen():
    x, mask = skewed(3, 12, 3), torch.arange(12) < torch.tensor([[7], [12], [9]])
    model = TransformationInvariant(Attention().double().eval())
    y, other = model(x, mask=mask), model(x.masked_fill(~mask[..., None], 1e6), mask)
    assert torch.equal(y[mask], other[mask])
    alone = model(x[:1, :7])
    torch.testing.assert_close(y[:1, :7], alone, rtol=0, atol=1e-10)


def flat(seed=0):
    batch = torch.arange(3).repeat_interleave(torch.tensor([6, 9, 7]))
    pos = torch.cat([skewed(n, 3, seed=seed + n) for n in (6, 9, 7)])
    return torch.randn(22, 2, generator=seeded(), dtype=torch.float64), pos, batch


def moved_flat(pos, batch, seed):
    q = E(3).linear.sample(3, generator=seeded(seed))
    s = torch.rand(3, 1, generator=seeded(seed), dtype=torch.float64) + 0.5
    b = torch.randn(3, 3, generator=seeded(seed), dtype=torch.float64)
    return (s[batch] * (q[batch] @ pos[..., None])[..., 0] + b[batch]), (s, q, b)


@pytest.mark.parametrize("task", ["graph", "node"])
@pytest.mark.parametrize("network", [PointGNN, PointNet])
def test_networks_on_flat_clouds(network, task):
    torch.manual_seed(0)
    backbone = network(2, 8, 3, 2, in_vector=1, out_vector=2, task=task).double()
    model = TransformationInvariant(backbone)
    x, pos, batch = flat()
    vec = torch.randn(22, 1, 3, generator=seeded(5), dtype=torch.float64)
    moved, (s, q, _) = moved_flat(pos, batch, 3)
    y = model(x, pos, batch=batch, vec=vec)
    z = model(x, pos=moved, batch=batch, vec=s[batch][..., None] * (vec @ q[batch].mT))
    assert isinstance(y, PointOutput)
    place = torch.arange(3) if task == "graph" else batch
    torch.testing.assert_close(z.scalar, y.scalar, rtol=0, atol=1e-9)
    torch.testing.assert_close(z.vector, s[place][..., None] * (y.vector @ q[place].mT), rtol=0, atol=1e-9)
    raw = backbone(x, moved, batch=batch, vec=vec).scalar - backbone(x, pos, batch=batch, vec=vec).scalar
    assert raw.abs().max() > 1e-2


def test_one_flat_cloud_needs_no_batch_vector():
    torch.manual_seed(0)
    model = TransformationInvariant(PointNet(0, 8, 3, 2, out_vector=1).double(), out="direction", sign="average")
    pos = skewed(15, 3)
    a, b = model(None, pos), model(None, 3 * pos.flip(-1) + 1)
    torch.testing.assert_close(a.scalar, b.scalar)
    torch.testing.assert_close(a.vector.flip(-1), b.vector)


def test_what_is_promised_follows_from_settings_and_backbone():
    flat = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    assert TransformationInvariant(flat).symmetry.group == Affine(3, CO(3))
    assert TransformationInvariant(flat, dim=2, scale=None).symmetry.group == E(2)
    assert TransformationInvariant(flat, scale=None, sign="moment-so").symmetry.group == SE(3)
    assert TransformationInvariant(flat, sign="none").symmetry is None
    assert "eval mode" in TransformationInvariant(flat, sign="random").symmetry.holds_where
    # Backbones that keep the order of nodes are renumbered, too.
    said = TransformationInvariant(PointGNN(2, 8, 3, 2)).symmetry
    assert repr(said.group) == "S(nodes)*Affine(3, CO(3))" and len(said.inputs) == 4


def test_without_signs_the_audit_finds_a_break():
    flat = nn.Sequential(nn.Flatten(), nn.Linear(24, 2))
    said = TransformationInvariant(flat).symmetry
    x = skewed(16, 8, 3)
    assert audit(TransformationInvariant(flat, sign="none"), x, symmetry=said).verdict == "breaks"
    assert audit(TransformationInvariant(flat), x, symmetry=said).verdict == "exact"


def test_weights_learn_through_it():
    model = TransformationInvariant(Attention())
    x = skewed(4, 10, 3, dtype=torch.float32).requires_grad_()
    model(x).square().mean().backward()
    assert x.grad.isfinite().all() and x.grad.abs().max() > 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert {name.split(".")[0] for name in model.state_dict()} == {"backbone"}


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: TransformationInvariant(Attention(), out="force"), "one of invariant, vector, direction, position"),
        (
            lambda: TransformationInvariant(Attention(), points="pos"),
            r"points\): an argument of the backbone \(x, mask\)",
        ),
        (lambda: TransformationInvariant(Attention(), directions="normals"), "directions"),
        (lambda: TransformationInvariant(Attention(), sign="plus"), "one of moment"),
        (lambda: TransformationInvariant(Attention(), dim=2)(skewed(2, 8, 3)), r"dim\): 2, but x has shape"),
        (lambda: TransformationInvariant(Attention(4), out="vector")(skewed(2, 8, 3).float()), "a last axis of 3"),
    ],
)
def test_what_has_no_meaning_is_refused(make, problem, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=problem):
        make()


def test_the_backbone_sees_canonical_coordinates_and_no_others():
    seen = {}

    class Spy(nn.Module):
        def forward(self, x, pos, batch=None, vec=None, charge=None):
            seen.update(x=x, pos=pos, batch=batch, vec=vec, charge=charge)
            return pos.sum(1)

    x, pos, batch = flat()
    vec, charge = skewed(22, 1, 3), torch.ones(22)
    TransformationInvariant(Spy())(x, pos, batch, vec=vec, charge=charge)
    placed = mds_coordinates(pos, batch, vectors=vec)
    assert torch.equal(seen["pos"], placed.coords) and torch.equal(seen["vec"], placed.vectors)
    assert seen["x"] is x and seen["batch"] is batch and seen["charge"] is charge


def test_a_backbone_must_name_its_arguments():
    class Anything(nn.Module):
        def forward(self, *inputs):
            return inputs[0]

    with pytest.raises(ValueError, match=r"takes \*inputs, which names no coordinates"):
        TransformationInvariant(Anything())


def of_points(n, *shape):
    return torch.randn(n, *shape, generator=seeded(3), dtype=torch.float64)


@pytest.mark.parametrize("out_vector", [0, 1])
def test_votes_and_partitions_stay_in_canonical_coordinates(out_vector):
    model = TransformationInvariant(APEN(2, 8, 3, 2, 0, out_vector, task="node", parts=3).double())
    _, pos, batch = flat()
    report = audit(model, of_points(len(pos), 2), pos, None, batch)
    assert report.verdict == "exact", report
    model = TransformationInvariant(model.backbone, sign="average")
    with pytest.raises(TypeError, match=r"outputs with a mean for 'average', got torch.int64"):
        model(of_points(len(pos), 2), pos, None, batch)


def test_a_backbone_with_several_promises():
    model = TransformationInvariant(
        PONITA(2, 8, 3, 1, in_vector=1, out_vector=1, num_ori=6, grid="octahedron", calibrate=False).double()
    )
    assert str(model.symmetry.group) == "S(nodes)*Affine(3, CO(3))" and len(model.symmetry.inputs) == 5
    _, pos, batch = flat()
    n = len(pos)
    report = audit(model, of_points(n, 2), pos, all_pairs(batch), batch, of_points(n, 1, 3))
    assert report.verdict == "exact", report


def test_containers_of_outputs():
    class Pair(nn.Module):
        def forward(self, x):
            return {"sum": x.square().sum((1, 2)), "parts": (x.amax((1, 2)), [x.amin((1, 2))])}

    x = skewed(3, 9, 3)
    model = TransformationInvariant(Pair(), sign="average")
    y, z = model(x), model(2 - x)
    torch.testing.assert_close(y, z)
    with pytest.raises(TypeError, match="'vector' needs a tensor"):
        TransformationInvariant(Pair(), out="vector")(x)
