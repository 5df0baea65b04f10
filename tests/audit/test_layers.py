"""Layers are held to what they declare, on the inputs that they receive."""

import pytest
import torch
from tests.audit import models
from torch import Tensor, nn

from erlangen.audit import audit
from erlangen.groups import SO, Nodes, O, Points, Scalar, Symmetric, Symmetry, Vector


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


class Turning(nn.Module):
    """Vectors mixed by numbers: equivariant. With a bias it is not."""

    def __init__(self, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4))
        self.bias = bias
        self.symmetry = Symmetry(O(3), (Points(O(3)),), Points(O(3)))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight @ x + self.bias


class Net(nn.Module):
    """Two turning layers, lengths, and a head that promises nothing."""

    def __init__(self, bias: float = 0.0) -> None:
        super().__init__()
        self.first, self.second, self.spare = Turning(), Turning(bias), Turning()
        self.head = nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 1))
        self.symmetry = Symmetry(O(3), (Points(O(3)),), Scalar(O(3)))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(x)).norm(dim=-1))


def test_declared_layers_are_checked_and_the_others_are_listed():
    report = audit(Net(), torch.randn(6, 4, 3), per_layer=True)
    found = {layer.name: layer for layer in report.layers}
    assert found["first"].verdict == found["second"].verdict == "exact"
    assert found["spare"].verdict == "not checked" and found["spare"].note == "was not called"
    for name in ("head.0", "head.1", "head.2"):
        assert found[name].verdict == "not checked" and found[name].note == "declares no symmetry"
        assert found[name].error is None
    assert "head" not in found  # a container is its layers
    assert list(found)[:2] == ["first", "second"]


def test_the_broken_layer_is_named():
    report = audit(Net(bias=0.01), torch.randn(6, 4, 3), per_layer=True)
    assert report.verdict == "breaks"
    broken = [layer.name for layer in report.layers if layer.verdict == "breaks"]
    assert broken == ["second"]
    assert any("second" in line and "breaks" in line for line in report.table().splitlines())
    # Layers are local: what comes after a broken one is not blamed for it.
    report = audit(
        nn.Sequential(Turning(0.01), Turning()), torch.randn(6, 4, 3), symmetry=Turning().symmetry, per_layer=True
    )
    assert [layer.verdict for layer in report.layers] == ["breaks", "exact"]


def test_hidden_promises_by_name():
    net = Net()
    invariant = Symmetry(O(3), (Scalar(O(3)),), Scalar(O(3)))
    set_like = Symmetry(Symmetric(4), (Vector(Symmetric(4)),), Vector(Symmetric(4)))
    report = audit(net, torch.randn(6, 4, 3), hidden={"head": invariant, "first": set_like})
    found = {layer.name: layer for layer in report.layers}
    assert found["head"].verdict == "vacuous"  # numbers that no element moves
    assert found["first"].verdict == "not checked" and "last axis" in found["first"].note
    elements = Symmetry(Symmetric("n"), (Nodes(Symmetric("n")),), Nodes(Symmetric("n")))
    report = audit(net, torch.randn(6, 4, 3), hidden={"first": elements})
    assert next(layer.verdict for layer in report.layers if layer.name == "first") == "breaks"
    with pytest.raises(ValueError, match="no layer 'third'; layers are first, second"):
        audit(net, torch.randn(6, 4, 3), hidden={"third": elements})


class Averaged(nn.Module):
    """An MLP averaged over all signed axes of the plane: exact, although no layer inside is."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = models.mlp(2, 16, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        turns = torch.tensor(
            [[[1, 0], [0, 1]], [[0, -1], [1, 0]], [[-1, 0], [0, -1]], [[0, 1], [-1, 0]]], dtype=x.dtype
        )
        return self.inner(x @ turns).mean(0)


def test_a_frame_averaged_network_is_exact_and_its_layers_are_not_blamed():
    from erlangen.groups import Cyclic

    G = Cyclic(4)
    promise = Symmetry(G, (Vector(G),), Scalar(G))
    net, x = Averaged(), torch.randn(8, 2)
    report = audit(net, x, symmetry=promise, per_layer=True)
    assert report.verdict == "exact"
    assert {layer.verdict for layer in report.layers} == {"not checked"}
    seen: list[Tensor] = []
    net.inner[0].register_forward_hook(lambda module, args, y: seen.append(y[0]))
    net(x)
    net(x.flip(-1) * torch.tensor([-1.0, 1.0]))
    assert ((seen[0] - seen[1]).norm() / seen[0].norm()).item() > 0.5


class ByName(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = Turning()

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x=x)


def test_layers_called_by_name_or_not_at_all_are_said_to_be_unchecked():
    report = audit(ByName(), torch.randn(6, 4, 3), symmetry=Turning().symmetry, per_layer=True)
    assert [(layer.verdict, layer.note) for layer in report.layers] == [("not checked", "is called with x by name")]


def test_layers_with_several_promises_and_conditions():
    net = nn.Sequential(Turning())
    net[0].symmetry = (
        Turning().symmetry.replace(holds_where="always"),
        Symmetry(SO(3), (Points(SO(3)),), Points(SO(3))),
    )
    report = audit(net, torch.randn(6, 4, 3), symmetry=Turning().symmetry, per_layer=True)
    assert [layer.verdict for layer in report.layers] == ["exact", "exact"]
    assert "always" in report.layers[0].note


def test_only_modules_have_layers():
    promise = Symmetry(O(3), (Points(O(3)),), Points(O(3)))
    with pytest.raises(TypeError, match=r"an nn.Module has layers, got function"):
        audit(lambda x: x, torch.randn(6, 4, 3), symmetry=promise, per_layer=True)
