"""The files of a training: there and back, readable by others, refused with the reason, never overwritten."""

import json
import math
import pickle
from typing import NamedTuple

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from erlangen.train import CheckpointError, fit, load_weights
from erlangen.train.checkpoint import read_checkpoint, write_checkpoint
from erlangen.train.fingerprint import describe_items
from erlangen.train.tree import pack

X = torch.linspace(-1, 1, 12)[:, None]


def make(width=4):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, 1))


def loss(model, batch):
    return (model(batch[0]) - batch[1]).square().mean()


def other_loss(model, batch):
    return loss(model, batch)


def run(out, model=None, data=(X, X.square()), loss=loss, **changes):
    settings = {"epochs": 2, "batch_size": 5, "val_data": (X, X), "progress": False, "out": out}
    return fit(model or make(), data, loss, **settings | changes)


@pytest.fixture
def trained(tmp_path):
    run(tmp_path)
    return tmp_path


def content(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def equal(first, second):
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second) and first.dtype == second.dtype
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second) and first.dtype == second.dtype
    if isinstance(first, dict):
        return list(first) == list(second) and all(equal(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)):
        return type(first) is type(second) and len(first) == len(second) and all(map(equal, first, second))
    return first == second and type(first) is type(second)


STATE = {
    "numbers": (1, 2.5, math.inf, -0.0, True, None, 0.1 + 0.2, 2**70),
    "optimizer": {"state": {0: {"step": torch.tensor(3.0), "average": torch.randn(2, 3)}}, "betas": (0.9, 0.99)},
    "kinds": [torch.arange(3), torch.ones(2, dtype=torch.bool), torch.randn(2, dtype=torch.cfloat), torch.zeros(0, 4)],
    "half": {"bf16": torch.randn(3).bfloat16(), "complex": torch.randn(2, 2, dtype=torch.cdouble).mH},
    "turned": torch.randn(3, 2).T,
    "array": np.array([1, 2**32 - 1], dtype=np.uint32),
    "empty": {},
    "words": {"ünï/cøde": "€", "$odd": 1},
}  # fmt: skip


def test_there_and_back(tmp_path):
    path = write_checkpoint(tmp_path / "a.safetensors", "training", STATE)
    assert equal(read_checkpoint(path, "training"), STATE)


def test_tensors_that_share_memory_come_back_apart_and_the_same(tmp_path):
    tensor = torch.randn(4)
    path = write_checkpoint(tmp_path / "a", "training", {"a": tensor, "b": tensor, "c": tensor[1:3]})
    assert equal(read_checkpoint(path, "training"), {"a": tensor, "b": tensor, "c": tensor[1:3]})


@pytest.mark.parametrize("value", [object(), {1.5: 2}, print, torch.eye(2).to_sparse(), {1, 2}, b"bytes"])
def test_other_things_are_refused_with_their_place(value):
    with pytest.raises(TypeError, match="deep/inside/1"):
        pack({"deep": {"inside": [0, value]}})


def test_best_weights_are_safetensors_for_everybody(trained):
    weights = safetensors.torch.load_file(trained / "best.safetensors")
    model = make()
    model.load_state_dict(weights)
    assert equal(dict(load_weights(make(), trained / "best.safetensors").state_dict()), dict(model.state_dict()))
    with safetensors.safe_open(trained / "best.safetensors", "pt") as file:
        about = json.loads(file.metadata()["about"])
    assert about["monitor"] == "val_loss" and about["epoch"] in (1, 2)
    with pytest.raises(
        CheckpointError, match=r"another model: 0.bias is float32 \(4,\) in the file and float32 \(6,\)"
    ):
        load_weights(make(6), trained / "best.safetensors")


FOREIGN = {
    "empty": (lambda data: b"", "cut off: it is empty"),
    "cut in the header": (lambda data: data[:200], "cut off within its header"),
    "cut in the tensors": (lambda data: data[:-100], r"cut off: it has \d+ bytes, its header promises \d+"),
    "one byte short": (lambda data: data[:-1], "cut off"),
    "a byte more": (lambda data: data + b"\0", "damaged: it has"),
    "a bit in a tensor": (lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], "damaged .its checksum"),
    "a word in the document": (lambda data: data.replace(b"val_loss", b"val_lose", 1), "damaged .its checksum"),
    "a pickle": (lambda data: pickle.dumps({"weights": [1, 2, 3] * 100}), "not a checkpoint of erlangen"),
    "text": (lambda data: b"epoch,loss\n1,0.5\n", "not a checkpoint of erlangen"),
    "zeros": (lambda data: b"\0" * 4096, "not a checkpoint of erlangen"),
    "odd JSON": (lambda data: (9).to_bytes(8, "little") + b'{"a": 12}', "its header is not that of safetensors"),
    "another program's": (lambda data: safetensors.torch.save({"a": torch.ones(2)}), "safetensors of another program"),
    "a later version": (
        lambda data: safetensors.torch.save({}, {"format": "erlangen.train", "version": "7", "kind": "training"}),
        "format version 7; this release reads 1",
    ),
}


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_whole_or_not_ours_is_refused_and_left_alone(trained, name, resume):
    change, message = FOREIGN[name]
    last = trained / "last.safetensors"
    last.write_bytes(change(last.read_bytes()))
    before = content(trained)
    for settings in ({"resume": resume}, {"resume": resume, "overwrite": True}):
        with pytest.raises(CheckpointError, match=message) as caught:
            run(trained, **settings)
        assert str(caught.value).startswith(str(last))
    assert content(trained) == before


def test_every_cut_is_noticed(trained):
    last = trained / "last.safetensors"
    data = last.read_bytes()
    for length in range(0, len(data), 97):
        last.write_bytes(data[:length])
        with pytest.raises(CheckpointError):
            read_checkpoint(last, "training")


def test_files_in_the_way_and_earlier_trainings_are_not_overwritten(trained):
    before = content(trained)
    with pytest.raises(CheckpointError, match="holds a finished training; resume=True goes on, overwrite=True begins"):
        run(trained)
    assert content(trained) == before
    run(trained, epochs=3, overwrite=True)
    assert content(trained) != before
    (trained / "last.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"holds best.safetensors and no last.safetensors"):
        run(trained, resume=True)
    (trained / "best.safetensors").rename(trained / "last.safetensors")
    with pytest.raises(CheckpointError, match="holds weights, and training is wanted"):
        run(trained, resume=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "seed was 0, is 1"),
        ({"epochs": 5}, "epochs was 2, is 5"),
        ({"batch_size": 6}, "batch_size was 5, is 6; val_batch_size was 5, is 6"),
        ({"lr": 0.1}, r"optimizer was Adam\(.*lr=0.001.*, is Adam\(.*lr=0.1"),
        ({"optimizer": "sgd"}, r"optimizer was Adam\(.* is SGD\("),
        ({"schedule": "cosine"}, "schedule was None, is cosine"),
        ({"clip": 1.0}, "clip was None, is 1.0"),
        ({"patience": 4}, "patience was None, is 4"),
        ({"loss": other_loss}, "loss was loss, is other_loss"),
        ({"data": (X[:-1], X[:-1])}, "train_data was 12 items: .*is 11 items"),
        ({"data": (X, X)}, "train_data was 12 items: .* with sum"),
        ({"val_data": None}, "val_data was 12 items: .*, is None"),
        ({"model": make(6)}, r"weights: 0.bias was float32 \(4,\), is float32 \(6,\)"),
        ({"model": nn.Linear(1, 1)}, "model was Sequential, is Linear"),
    ],
)
def test_a_training_with_other_settings_is_not_taken_up(trained, changes, message):
    before = content(trained)
    with pytest.raises(CheckpointError, match=f"belongs to a training with other settings: .*{message}"):
        run(trained, resume=True, **changes)
    assert content(trained) == before


class Pair(NamedTuple):
    x: torch.Tensor
    y: torch.Tensor


class Noisy(torch.utils.data.Dataset):
    """Draws from a generator of its own (or from the global one), so that no item is the same twice."""

    def __init__(self, generator=None):
        self.generator = generator

    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        return X[index] + 0.1 * torch.rand(1, generator=self.generator), X[index]


def graph(x, y):
    from torch_geometric.data import Data

    return Data(x=x[None], y=y[None], num_nodes=1)


def loss_of(batch):
    if isinstance(batch, dict):
        return batch["x"], batch["y"]
    return (batch.x, batch.y) if hasattr(batch, "num_nodes") else batch


@pytest.mark.parametrize("wrap", [lambda x, y: (x, y), lambda x, y: {"x": x, "y": y}, Pair, graph, lambda x, y: [x, y]])
@pytest.mark.parametrize("as_data_set", [False, True])
def test_items_of_other_content_are_other_data(tmp_path, wrap, as_data_set):
    class Items(torch.utils.data.Dataset):
        def __init__(self, scale):
            self.items = [wrap(x, scale * x) for x in X]

        def __len__(self):
            return len(self.items)

        def __getitem__(self, index):
            return self.items[index]

    def items(scale):
        return Items(scale) if as_data_set else Items(scale).items

    def go(scale):
        measured = lambda model, batch: loss(model, loss_of(batch))
        return run(tmp_path, data=items(scale), loss=measured, val_data=None, resume=True)

    first = go(1.0)
    assert go(1.0).history == first.history
    with pytest.raises(
        CheckpointError, match=r"train_data was 12 items: \w+ with digest \w+ of 8, is 12 items: \w+ with"
    ):
        go(2.0)


@pytest.mark.parametrize("generator", [None, torch.Generator().manual_seed(3)])
def test_noise_does_not_make_data_other_data(tmp_path, generator):
    first = run(tmp_path, data=Noisy(generator), val_data=None)
    assert run(tmp_path, data=Noisy(generator), val_data=None, resume=True).history == first.history
    state = torch.get_rng_state()
    assert "never twice the same" in describe_items(Noisy(generator).__getitem__, 12) or generator is None
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (torch.zeros(2), torch.zeros(2, 1)),
        (torch.zeros(2), torch.zeros(2, dtype=torch.int32)),
        (torch.zeros(2, dtype=torch.cfloat), torch.tensor([0, 1j])),
        (torch.zeros(2).bfloat16(), torch.ones(2).bfloat16()),
        (torch.tensor(True), torch.tensor(False)),
        (np.zeros(2), np.ones(2)),
        (np.float32(1), np.float32(2)),
        (1, 1.0),
        ("C", "N"),
        (None, 0),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        ([(1, 2), 3], [(1,), 2, 3]),
        (nn.ReLU(), object()),
    ],
)
def test_what_tells_items_apart(one, other):
    assert describe_items([one].__getitem__, 1) == describe_items([one].__getitem__, 1)
    assert describe_items([one, one].__getitem__, 2) != describe_items([one, other].__getitem__, 2)


def test_a_tensor_that_wraps_others_is_read():
    from torch_geometric import EdgeIndex

    one, other = (EdgeIndex([[0, 1], [1, end]], sparse_size=(3, 3)) for end in (0, 2))
    assert describe_items([one].__getitem__, 1) != describe_items([other].__getitem__, 1)


def test_the_order_of_names_is_no_content():
    assert describe_items([{"a": 1, "b": 2}].__getitem__, 1) == describe_items([{"b": 2, "a": 1}].__getitem__, 1)


def test_what_a_killed_writer_left_is_cleaned_up(tmp_path):
    left = tmp_path / ".last.safetensors.abc123.tmp"
    left.write_bytes(b"half")
    other = tmp_path / "notes.txt"
    other.write_text("mine")
    run(tmp_path, resume=True)
    assert not left.exists() and other.read_text() == "mine"


def test_a_full_disk_leaves_the_last_state(tmp_path, monkeypatch):
    whole = run(tmp_path / "whole")
    out, writes = tmp_path / "out", []

    def full(handle):
        writes.append(handle)
        if len(writes) == 5:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        run(out, checkpoint_every=0.0)
    assert not list(out.glob(".*.tmp"))
    again = run(out, resume=True)
    assert [row["val_loss"] for row in again.history] == [row["val_loss"] for row in whole.history]
