"""What fit promises besides surviving: numbers, the best epoch, early stop, data of all kinds, clear errors."""

import copy
import csv
import functools
import math
import os
import random
import signal
import subprocess
import sys

import jaxtyping
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from erlangen.train import CheckpointError, DivergedError, fit, load_weights, task

X = torch.linspace(-1, 1, 30)[:, None]
DATA = (X, X.square())


@pytest.fixture
def as_users_have_it(monkeypatch):
    """Without the run-time checks of types that only tests have, which would refuse wrong types earlier."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda handle: None)


def make(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))


def loss(model, batch):
    return (model(batch[0]) - batch[1]).square().mean()


def run(model=None, data=DATA, loss=loss, **changes):
    settings = {"epochs": 3, "batch_size": 8, "lr": 0.01, "progress": False}
    return fit(make() if model is None else model, data, loss, **settings | changes)


def numbers(fitted):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in fitted.history]


def same(first, second):
    return all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def test_it_is_the_loop_one_would_write():
    from erlangen.train.randomness import ORDER, derive_seed

    model = make()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    total, rows = 3 * 4, []
    for epoch in range(3):
        order = torch.randperm(30, generator=torch.Generator().manual_seed(derive_seed(7, ORDER, epoch)))
        seen = 0.0
        for step, index in enumerate(order.split(8)):
            factor = 0.5 * (1 + math.cos(math.pi * (4 * epoch + step) / total))
            optimizer.param_groups[0]["lr"] = 0.01 * factor
            value = loss(model, (X[index], DATA[1][index]))
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.2)
            optimizer.step()
            seen += value.item() * len(index)
        rows.append(seen / 30)
    fitted = run(optimizer="adamw", weight_decay=0.1, schedule="cosine", clip=0.2, seed=7)
    assert same(fitted.model, model)
    assert [row["loss"] for row in fitted.history] == rows
    assert [row["epoch"] for row in fitted.history] == [1, 2, 3] and fitted.best_epoch == 3 and fitted.best is None


def test_best_weights_come_back_and_patience_stops(tmp_path):
    far = (X, X.square() + 1.0)  # validation gets better, then worse: what is learned is not what is wanted
    calls = []

    def metrics(model, batch):
        calls.append(copy.deepcopy(model.state_dict()))
        return {"score": torch.tensor(-((len(calls) - 4.0) ** 2))}

    fitted = run(
        val_data=far, metrics=metrics, monitor="val_score", mode="max", patience=3, epochs=50, out=tmp_path,
        val_batch_size=30,
    )  # fmt: skip
    assert fitted.best_epoch == 4 and fitted.best == 0.0 and len(fitted.history) == 7
    assert all(torch.equal(calls[3][name], value) for name, value in fitted.model.state_dict().items())
    assert same(load_weights(make(1), tmp_path / "best.safetensors"), fitted.model)
    assert not fitted.model.training
    again = run(
        val_data=far, metrics=metrics, monitor="val_score", mode="max", patience=3, epochs=50, out=tmp_path,
        val_batch_size=30, resume=True,
    )  # fmt: skip
    assert numbers(again) == numbers(fitted) and same(again.model, fitted.model) and len(calls) == 7


def test_validation_is_a_mean_over_items_and_sees_the_same_noise_each_time():
    model = make()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    model[2].bias.requires_grad_(True)

    def noisy(model, batch):
        return (model(batch[0]) + torch.rand(len(batch[0]), 1) - batch[1]).square().mean()

    fitted = run(model, loss=noisy, val_data=DATA, lr=1e-30, metrics=lambda m, b: {"items": float(b[0].mean())})
    values = [row["val_loss"] for row in fitted.history]
    assert values[0] == values[1] == values[2]
    assert fitted.history[0]["val_items"] == pytest.approx(X.mean().item(), abs=1e-6)
    losses = [row["loss"] for row in fitted.history]
    assert len(set(losses)) == 3


def test_the_same_again_and_global_random_numbers_are_left_alone():
    state = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    first = run(nn.Sequential(nn.Dropout(0.5), *(model := make()), nn.Dropout(0.1)), seed=4)
    torch.manual_seed(99)
    np.random.seed(1)
    second = run(nn.Sequential(nn.Dropout(0.5), *make(), nn.Dropout(0.1)), seed=4)
    third = run(nn.Sequential(nn.Dropout(0.5), *make(), nn.Dropout(0.1)), seed=5)
    assert numbers(first) == numbers(second) != numbers(third)
    assert same(first.model[1:4], model)  # trained in place
    torch.set_rng_state(state[0])
    run(model)
    make()
    torch.set_rng_state(state[0])
    before = torch.get_rng_state()
    run(make_without_drawing())
    assert torch.equal(before, torch.get_rng_state())


def make_without_drawing():
    with torch.random.fork_rng():
        return make()


class Interrupted(Exception):
    pass


def interrupted_at(step):
    count = [0]

    def stopping(model, batch):
        count[0] += model.training
        if count[0] == step:
            raise Interrupted
        return loss(model, batch)

    stopping.__qualname__ = loss.__qualname__
    return stopping


@pytest.mark.parametrize("look", [1, 3])  # as on accelerators, losses may be looked at now and then
@pytest.mark.parametrize("step", [1, 4, 5, 11])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": "sgd", "schedule": "linear", "val_data": DATA},
        {"optimizer": functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9), "patience": 2, "val_data": DATA},
        {"optimizer": functools.partial(torch.optim.LBFGS, lr=0.1, max_iter=2), "epochs": 2},
    ],
)
def test_an_exception_loses_nothing(tmp_path, monkeypatch, settings, step, look):
    whole = run(**settings)
    monkeypatch.setitem(task._LOOK_EVERY, "cpu", look)
    try:
        run(loss=interrupted_at(step), out=tmp_path, checkpoint_every=0.0, **settings)
    except Interrupted:
        pass
    model = make(1 if (tmp_path / "last.safetensors").exists() else 0)  # weights it comes with do not matter
    again = run(model, out=tmp_path, resume=True, checkpoint_every=0.0, **settings)
    assert numbers(again) == numbers(whole) and same(again.model, whole.model)


def test_ctrl_c_arrives_as_such_and_is_heard_again():
    def pressing(model, batch):
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(loss=pressing)
    assert signal.getsignal(signal.SIGINT) is handler


def test_sigterm_is_no_success(tmp_path):
    def terminated(model, batch):
        os.kill(os.getpid(), signal.SIGTERM)
        return loss(model, batch)

    with pytest.raises(SystemExit) as caught:
        run(loss=terminated)
    assert caught.value.code == 143


def test_history_is_a_table_on_disk(tmp_path):
    fitted = run(val_data=DATA, out=tmp_path / "new" / "folder")
    rows = list(csv.DictReader((tmp_path / "new" / "folder" / "history.csv").open()))
    assert [float(row["val_loss"]) for row in rows] == [row["val_loss"] for row in fitted.history]
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == [
        "best.safetensors",
        "history.csv",
        "last.safetensors",
    ]


def test_without_out_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(val_data=DATA)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", [0, 1])
def test_data_sets_with_items(workers):
    items = [{"x": x, "y": y} for x, y in zip(*DATA, strict=True)]
    by_item = run(
        data=items, loss=lambda model, batch: loss(model, (batch["x"], batch["y"])), workers=workers, epochs=1
    )
    assert numbers(by_item) == numbers(run(epochs=1))
    assert numbers(run(data=TensorDataset(*DATA), epochs=1)) == numbers(by_item)

    def pairs(items):
        return tuple(map(torch.stack, zip(*items, strict=True)))

    assert numbers(run(data=list(zip(*DATA, strict=True)), collate=pairs, epochs=1)) == numbers(by_item)


def test_graphs_of_pyg():
    from torch_geometric.data import Data

    graphs = [
        Data(x=torch.randn(n, 2), edge_index=torch.tensor([[0, 1], [1, 0]]), y=torch.tensor([float(n)]))
        for n in range(2, 12)
    ]
    seen = []

    def count(model, batch):
        seen.append((batch.num_graphs, batch.batch.max().item() + 1))
        total = torch.zeros(batch.num_graphs).index_add(0, batch.batch, model(batch.x).squeeze(-1))
        return (total - batch.y).square().mean()

    fitted = run(nn.Linear(2, 1), data=graphs, loss=count, batch_size=4, epochs=2)
    assert seen == [(4, 4), (4, 4), (2, 2)] * 2 and len(fitted.history) == 2


def test_a_trainer_of_ones_own_sees_the_numbers(tmp_path):
    from lightning.pytorch import Callback, Trainer

    watched = []

    class Watch(Callback):
        def on_train_epoch_end(self, trainer, module):
            watched.append((trainer.current_epoch, float(trainer.callback_metrics["val_loss"])))

    def trainer():
        return Trainer(
            accelerator="cpu", max_epochs=999, callbacks=[Watch()], logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip

    with pytest.raises(Interrupted):
        run(loss=interrupted_at(7), val_data=DATA, out=tmp_path, checkpoint_every=0.0, trainer=trainer())
    fitted = run(val_data=DATA, out=tmp_path, resume=True, trainer=trainer())
    assert numbers(fitted) == numbers(run(val_data=DATA))
    assert [epoch for epoch, _ in watched] == [0, 1, 2]
    assert watched[-1][1] == pytest.approx(fitted.history[-1]["val_loss"])
    with pytest.raises(ValueError, match="devices, num_nodes and strategy are its own"):
        run(trainer=trainer(), devices=2)


def test_progress_can_be_a_function_of_ones_own():
    ticks = []
    run(progress=lambda: ticks.append(1))
    assert len(ticks) == 12


def test_what_goes_on_counts_the_steps_that_are_behind(tmp_path):
    ticks = []
    first = run(out=tmp_path)
    again = run(out=tmp_path, resume=True, progress=lambda: ticks.append(1))
    assert len(ticks) == 12 and same(first.model, again.model)
    assert (again.seconds, again.processor_seconds) == (first.seconds, first.processor_seconds)
    assert first.processor_seconds > 0


def test_progress_is_quiet_when_it_is_soon_over(capfd):
    run(progress=True)
    assert capfd.readouterr() == ("", "")


def test_generators_and_dtype_and_eval_mode():
    model = make().double().eval()
    fitted = run(model, data=(DATA[0].double(), DATA[1].double()))
    assert fitted.model is model and model[0].weight.dtype == torch.float64


@pytest.mark.parametrize(("bad", "look"), [(math.nan, 1), (math.inf, 1), (math.nan, 3)])
def test_a_loss_that_is_not_finite_names_epoch_and_step(tmp_path, monkeypatch, bad, look):
    monkeypatch.setitem(task._LOOK_EVERY, "cpu", look)
    count, model = [0], make()

    def diverging(model, batch):
        count[0] += 1
        return loss(model, batch) * (bad if count[0] == 6 else 1.0)

    with pytest.raises(DivergedError, match=r"the loss is (nan|inf) at epoch 2 of 3, step 2 of 4"):
        run(model, loss=diverging, out=tmp_path, checkpoint_every=0.0)
    assert look > 1 or all(torch.isfinite(value).all() for value in model.state_dict().values())
    reached = run(make(), loss=renamed(loss, diverging), out=tmp_path, resume=True, checkpoint_every=0.0)
    assert numbers(reached) == numbers(run())


def renamed(function, like):
    def same_name(model, batch):
        return function(model, batch)

    same_name.__qualname__ = like.__qualname__
    return same_name


def test_a_validation_that_is_never_finite_is_an_error():
    def metrics(model, batch):
        return {"score": torch.tensor(math.nan)}

    with pytest.raises(DivergedError, match="val_score was not a finite number after any of 3 epochs"):
        run(val_data=DATA, metrics=metrics, monitor="val_score")


def trainer_of_ones_own(**settings):
    from lightning.pytorch import Trainer

    return Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, **settings,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"check_val_every_n_epoch": 10},
            "trainer would end after 3 epochs without a validation.*: check_val_every_n_epoch=10",
        ),
        ({"limit_val_batches": 0}, "trainer would end after 3 epochs without a validation.*limit_val_batches=0"),
        (
            {"check_val_every_n_epoch": 3, "max_steps": 4},
            "trainer stopped after 1 epochs without a validation.*max_steps=4",
        ),
    ],
)
def test_a_trainer_that_never_validates_is_told_so(settings, message):
    with pytest.raises(ValueError, match=message):
        run(val_data=DATA, trainer=trainer_of_ones_own(**settings))


def test_a_trainer_that_validates_now_and_then_counts_its_validations():
    fitted = run(val_data=DATA, epochs=4, trainer=trainer_of_ones_own(check_val_every_n_epoch=2))
    assert ["val_loss" in row for row in fitted.history] == [False, True, False, True] and fitted.best_epoch == 4
    with pytest.raises(DivergedError, match="val_score was not a finite number after any of 2 epochs"):
        run(
            val_data=DATA, epochs=4, trainer=trainer_of_ones_own(check_val_every_n_epoch=2), monitor="val_score",
            metrics=lambda model, batch: {"score": math.nan},
        )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": (X[:0], X[:0])}, "train_data is empty"),
        ({"data": []}, "train_data is empty"),
        ({"val_data": X[:0]}, "val_data is empty"),
        ({"data": (X, X[:5])}, r"train_data holds tensors of different lengths: \(30, 1\), \(5, 1\)"),
        ({"batch_size": 0}, "batch_size is 0; it takes a whole number from 1"),
        ({"val_batch_size": 0, "val_data": DATA}, "batch_size is 0"),
        ({"epochs": 0}, "epochs is 0; it takes a whole number from 1"),
        ({"patience": 0, "val_data": DATA}, "patience is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"strategy": "dpp"}, "strategy is 'dpp'; Lightning takes auto, ddp, "),
        ({"clip": 0.0}, "clip is 0.0; it takes a positive number"),
        ({"optimizer": "adamm"}, "optimizer is 'adamm'; it takes adam, adamw, sgd, or a callable"),
        ({"schedule": "cosin"}, "schedule is 'cosin'; it takes cosine, linear"),
        ({"lr": 0.0}, "lr is 0.0; it takes a positive number"),
        ({"lr": math.nan}, "lr is nan"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0"),
        ({"patience": 3}, "patience is given, and needs val_data"),
        ({"monitor": "val_score"}, "monitor is given, and needs val_data"),
        ({"monitor": "score", "val_data": DATA}, "monitor is 'score'; it takes val_loss, or val_"),
        ({"monitor": "val_score", "val_data": DATA}, "monitor is 'val_score'; it takes val_loss"),
        ({"resume": True}, "resume and overwrite need out"),
        ({"model": nn.ReLU()}, "model has no parameter that requires a gradient"),
        ({"loss": lambda model, batch: torch.tensor(1.0)}, "does not depend on the model's parameters"),
    ],
)
def test_what_has_no_meaning_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        run(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": DataLoader(X)}, "train_data is a DataLoader; .*pass its data set"),
        ({"data": {"x": X}}, r"train_data is a dict; it takes a tensor.* \(pass a list with one dict for each item\)"),
        ({"data": "digits"}, "train_data is a str; it takes a tensor"),
        ({"val_data": {"x": X}}, "val_data is a dict; it takes a tensor"),
        ({"epochs": 1.5}, "epochs is 1.5; it takes a whole number from 1"),
        ({"epochs": True}, "epochs is True; it takes a whole number from 1"),
        ({"epochs": "3"}, "epochs is '3'; it takes a whole number from 1"),
        ({"epochs": None}, "epochs is None; it takes a whole number from 1"),
        ({"epochs": np.ones(2, int)}, r"epochs is array\(\[1, 1\]\); it takes a whole number from 1"),
        ({"seed": 0.5}, "seed is 0.5; it takes a whole number from 0"),
        ({"patience": 2.5, "val_data": DATA}, "patience is 2.5; it takes a whole number from 1"),
        ({"batch_size": 2.5}, "batch_size is 2.5; it takes a whole number from 1"),
        ({"workers": None}, "workers is None; it takes a whole number from 0"),
        ({"clip": "1"}, "clip is '1'; it takes a positive number, or None"),
        ({"checkpoint_every": None}, "checkpoint_every is None; it takes seconds, from 0"),
        ({"data": iter([X])}, "train_data is a .*iterator; it takes a tensor"),
        ({"loss": lambda model, batch: model(batch[0])}, r"scalar tensor, got shape \(8, 1\)"),
        ({"optimizer": lambda parameters: None}, "optimizer returned NoneType"),
    ],
)
def test_what_has_the_wrong_type_is_refused(as_users_have_it, changes, message):
    with pytest.raises(TypeError, match=message):
        run(**changes)


def test_whole_numbers_of_numpy_are_whole_numbers(as_users_have_it, tmp_path):
    fitted = run(epochs=np.int64(2), batch_size=np.int32(8), seed=np.int64(0), out=tmp_path)
    assert numbers(fitted) == numbers(run(epochs=2)) == numbers(run(epochs=2, out=tmp_path, resume=True))


def test_importing_it_loads_no_extra():
    program = "import sys, erlangen.train; print({'lightning', 'safetensors', 'rich', 'sklearn'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "set()\n"


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="file/below cannot be written to"):
        run(out=tmp_path / "file" / "below")
