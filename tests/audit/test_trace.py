"""An audit leaves no trace: the module, its buffers, its mode, its inputs and the random states stay as they were."""

import copy
import random

import numpy as np
import pytest
import torch
from tests.audit import models
from torch import Tensor, nn

from erlangen.audit import audit, lie_derivative
from erlangen.audit.runner import seed_all, untouched_randomness
from erlangen.groups import SO, Points, Scalar, Symmetry, Vector

PROMISE = Symmetry(SO(3), (Points(SO(3)),), Scalar(SO(3)))
BAD = Symmetry(SO(3), (Points(SO(3)),), Vector(SO(3)))


class Stateful(nn.Module):
    """Batch statistics, a counter that goes up in every call, and a layer that is frozen in eval mode."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 2))
        self.register_buffer("calls", torch.zeros(1))
        self.register_buffer("nothing", None)
        self.net[0].eval()

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.calls = self.calls + 0
        return self.net(x.norm(dim=-1).mean(-1, keepdim=True))


class Uncopiable(Stateful):
    def __deepcopy__(self, memo):
        raise TypeError("holds a handle")


def snapshot(module: nn.Module) -> tuple:
    modes = [m.training for m in module.modules()]
    state = {k: v.clone() for k, v in module.state_dict().items()}
    identity = [id(p) for p in module.parameters()] + [id(b) for b in module.buffers()]
    grads = [p.grad is None and p.requires_grad for p in module.parameters()]
    return modes, identity, grads, state


def same(before: tuple, after: tuple) -> bool:
    equal = before[3].keys() == after[3].keys() and all(torch.equal(v, after[3][k]) for k, v in before[3].items())
    return before[:3] == after[:3] and equal


@pytest.mark.parametrize("kind", [Stateful, Uncopiable])
@pytest.mark.parametrize("training", [True, False])
def test_the_module_stays_as_it_was(kind, training):
    torch.manual_seed(0)
    module, x = kind(), torch.randn(8, 5, 3)
    module(x)  # batch statistics that are not the initial ones
    module.train(training)
    module.net[0].eval()
    before = snapshot(module)
    report = audit(
        module, x, symmetry=PROMISE, per_layer=True, hidden={"net.0": Symmetry(SO(3), (Vector(SO(3)),), Scalar(SO(3)))}
    )
    assert report.verdict == ("exact" if kind is Stateful else "float32")
    assert same(before, snapshot(module))
    if kind is Uncopiable:
        assert any("cannot be copied (TypeError)" in note for note in report.notes)
    lie_derivative(module, x, symmetry=PROMISE)
    assert same(before, snapshot(module))


@pytest.mark.parametrize("kind", [Stateful, Uncopiable])
def test_also_when_the_audit_fails(kind):
    module, x = kind(), torch.randn(8, 5, 3)
    before = snapshot(module)
    with pytest.raises(ValueError, match="output"):
        audit(module, x, symmetry=BAD)
    assert same(before, snapshot(module))

    class Refuses(kind):
        def forward(self, x):
            y = super().forward(x)
            if not torch.allclose(x.float(), given):
                raise KeyError("only the example")
            return y

    given = x.clone()
    module = Refuses()
    before = snapshot(module)
    with pytest.raises(KeyError):
        audit(module, x, symmetry=PROMISE)
    assert same(before, snapshot(module))


def test_random_states_stay():
    torch.manual_seed(3)
    np.random.seed(3)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    noisy = lambda x: x.norm(dim=-1).mean(-1) + torch.rand(()) + random.random() + np.random.rand()
    x = torch.zeros(4, 5, 3) + torch.arange(3.0)
    audit(noisy, x, symmetry=PROMISE)
    audit(noisy, x, symmetry=PROMISE.replace(kind="in_expectation"), num_elements=1)
    lie_derivative(noisy, x, symmetry=PROMISE)
    audit(noisy, x, symmetry="SO(3)")
    with pytest.raises(ValueError):
        audit(noisy, x, symmetry=BAD)
    assert torch.equal(states[0], torch.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])
    # Python's own is drawn from by the run-time checks of the tests, also when audit() returns: so one floor lower.
    before = random.getstate()
    with pytest.raises(KeyError), untouched_randomness():
        seed_all(7)
        assert random.getstate() != before
        raise KeyError
    assert random.getstate() == before


def test_no_seed_is_left_for_an_accelerator_that_is_not_in_use(monkeypatch):
    if torch.cuda.is_initialized():
        pytest.skip("the accelerator is in use")
    seeds: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    audit(lambda x: x.norm(dim=-1).mean(-1), torch.randn(4, 5, 3), symmetry=PROMISE)
    assert seeds == []
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
    assert seeds == [0]  # what torch does by itself


def test_inputs_stay_even_when_the_module_writes_on_them():
    x = torch.randn(4, 5, 3, requires_grad=True)
    before = x.detach().clone()

    def scribble(x: Tensor) -> Tensor:
        x *= 2
        return x.norm(dim=-1).mean(-1)

    assert audit(scribble, x, symmetry=PROMISE).verdict == "exact"
    assert torch.equal(x, before) and x.grad is None and x.requires_grad


def test_a_bound_method_is_run_on_a_copy_of_its_owner():
    module = Stateful()
    before = snapshot(module)
    report = audit(module.forward, torch.randn(8, 5, 3), symmetry=PROMISE)
    assert report.verdict == "exact"
    assert same(before, snapshot(module))


def test_generators_that_a_module_holds_are_not_advanced():
    class Sampler(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.generator = torch.Generator().manual_seed(5)

        def forward(self, x: Tensor) -> Tensor:
            return x.norm(dim=-1).mean(-1) + 1e-3 * torch.rand((), generator=self.generator, dtype=x.dtype)

    module = Sampler()
    before = module.generator.get_state()
    assert audit(module, torch.randn(4, 5, 3), symmetry=PROMISE).verdict == "unsteady"
    assert torch.equal(before, module.generator.get_state())


def test_twins_stay_too():
    one, two = models.Normalised(), models.Normalised()
    two.load_state_dict(one.state_dict())
    before = snapshot(one), snapshot(two)
    assert audit(one, torch.randn(6, 4, 3), symmetry=PROMISE, other=two).verdict == "exact"
    assert same(before[0], snapshot(one)) and same(before[1], snapshot(two))
    assert copy.deepcopy(two).training
