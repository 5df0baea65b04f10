"""Averaged weights: against the recursion by hand, within a training, and through an interruption."""

import copy

import pytest
import torch
from torch import nn

from erlangen.train import AveragedWeights, fit

X = torch.linspace(-1, 1, 24)[:, None]
DATA = (X, X.square())


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda handle: None)


def make(seed=0):
    torch.manual_seed(seed)
    return AveragedWeights(nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1)), 0.8)


def loss(model, batch):
    return (model(batch[0]) - batch[1]).square().mean()


def run(model, **changes):
    return fit(model, DATA, loss, **{"epochs": 4, "batch_size": 8, "lr": 0.05, "progress": False} | changes)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_recursion(dtype):
    model = AveragedWeights(nn.Linear(1, 1, bias=False), 0.5).to(dtype)
    expected, one = None, torch.ones(1, 1, dtype=dtype)
    for k, weight in enumerate((1.0, 4.0, -2.0, 8.0, 3.0, 0.5, 7.0, 1.0, 2.0, 9.0)):
        model.module.weight.data.fill_(weight)
        assert model.train()(one).item() == pytest.approx(weight)
        decay = min(0.5, (1 + k) / (10 + k))
        expected = weight if expected is None else decay * expected + (1 - decay) * weight
        assert model.eval()(one).item() == pytest.approx(expected, rel=1e-6)
        assert model.eval()(one).dtype == dtype


def test_only_the_module_learns_and_evaluation_changes_nothing():
    model = make()
    model.train()(X).sum().backward()
    assert all(p.grad is not None for p in model.module.parameters())
    assert all(p.grad is None and not p.requires_grad for p in model.average.parameters())
    before = copy.deepcopy(model.state_dict())
    model.eval()(X)
    assert all(torch.equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True))


def test_in_a_training_the_average_is_what_is_validated_and_kept():
    fitted = run(make(), val_data=DATA, val_batch_size=24)
    with torch.no_grad():
        found = float(loss(fitted.model, DATA))
    assert not fitted.model.training and found == pytest.approx(fitted.best, rel=1e-6)
    plain = run(make().module)
    for a, b in zip(run(make()).model.module.parameters(), plain.model.parameters(), strict=True):
        assert torch.equal(a, b)  # the average does not touch what learns


def test_an_interruption_changes_nothing(tmp_path):
    """Killed within an epoch, with a checkpoint at every step: the average goes on bit by bit."""
    whole = run(make())
    calls = []

    def killed(model, batch):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return loss(model, batch)

    killed.__qualname__ = loss.__qualname__
    options = {"out": tmp_path, "checkpoint_every": 0.0}
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(make(), DATA, killed, epochs=4, batch_size=8, lr=0.05, progress=False, **options)
    again = run(make(1), resume=True, **options)
    assert len(calls) == 8
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    assert int(again.model.average.n_averaged) == 12


def test_buffers_symmetry_copies_and_errors():
    model = AveragedWeights(nn.BatchNorm1d(1), 0.9)
    for _ in range(3):
        model.train()(X)
    model(X)
    assert torch.equal(model.average.module.num_batches_tracked, torch.tensor(3))  # all steps but the last
    assert model.symmetry is None
    model.module.symmetry = "said"
    assert model.symmetry == "said"
    twin = copy.deepcopy(model)
    twin.module.weight.data.fill_(5.0)
    twin.train()(X)
    assert float(twin.average.module.weight) > float(model.average.module.weight) == 1.0
    for decay in (1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match=r"AveragedWeights\(decay\): from 0 to below 1, got"):
            AveragedWeights(nn.Linear(1, 1), decay)
