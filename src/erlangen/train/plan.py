"""What a training is to do, and which of it must be the same for an interrupted one to go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from erlangen.train.batches import Batches
from erlangen.train.checkpoint import describe_weights
from erlangen.train.fingerprint import describe_items
from erlangen.train.numbers import real_number, whole_number
from erlangen.train.optimizers import (
    MakeOptimizer,
    Schedule,
    describe_callable,
    describe_optimizer,
    find_schedule,
    make_optimizer,
)

Loss = Callable[[nn.Module, Any], Tensor]
Metrics = Callable[[nn.Module, Any], Mapping[str, Tensor | float]]
_ROWS = 16  # rows of tensors that are compared


@dataclass
class Plan:
    """The arguments of `fit`, checked."""

    train: Batches
    val: Batches | None
    loss: Loss
    metrics: Metrics | None
    monitor: str
    mode: Literal["min", "max"]
    optimizer: str | MakeOptimizer
    lr: float
    weight_decay: float
    schedule: str | Schedule | None
    clip: float | None
    epochs: int
    patience: int | None
    seed: int
    out: Path | None
    checkpoint_every: float

    def __post_init__(self) -> None:
        self.epochs = whole_number("epochs", self.epochs, 1)
        self.seed = whole_number("seed", self.seed, 0)
        if self.patience is not None:
            self.patience = whole_number("patience", self.patience, 1)
        if not real_number("checkpoint_every", self.checkpoint_every, "seconds, from 0") >= 0:
            raise ValueError(f"checkpoint_every is {self.checkpoint_every}; it takes seconds, from 0")
        if self.clip is not None and not real_number("clip", self.clip, takes := "a positive number, or None") > 0:
            raise ValueError(f"clip is {self.clip}; it takes {takes}")
        if self.mode not in ("min", "max"):
            raise ValueError(f"mode is {self.mode!r}; it takes min, max")
        if not self.monitor.startswith("val_"):
            raise ValueError(f"monitor is {self.monitor!r}; it takes val_loss, or val_ and the name of a metric")
        find_schedule(self.schedule)
        if self.val is None:
            for name, plain in (("metrics", None), ("patience", None), ("monitor", "val_loss")):
                if getattr(self, name) != plain:
                    raise ValueError(f"{name} is given, and needs val_data")

    def new_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """A fresh optimizer for the model."""
        return make_optimizer(model, self.optimizer, self.lr, self.weight_decay)

    def settings(self, model: nn.Module, processes: int) -> dict[str, Any]:
        """All that decides which numbers come out, as plain values."""
        return {
            "model": type(model).__qualname__,
            "weights": describe_weights(model.state_dict()),
            "train_data": _describe_data(self.train),
            "val_data": None if self.val is None else _describe_data(self.val),
            "batch_size": self.train.batch_size,
            "val_batch_size": None if self.val is None else self.val.batch_size,
            "loss": describe_callable(self.loss),
            "metrics": describe_callable(self.metrics),
            "monitor": self.monitor,
            "mode": self.mode,
            "optimizer": describe_optimizer(self.new_optimizer(model)),
            "schedule": describe_callable(self.schedule),
            "clip": self.clip,
            "epochs": self.epochs,
            "patience": self.patience,
            "seed": self.seed,
            "processes": processes,
        }


def differences(stored: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """What differs between two `Plan.settings`, in words; empty if nothing does."""
    found: list[str] = []
    for key in sorted(stored.keys() | here.keys()):
        first, second = stored.get(key), here.get(key)
        if first != second and isinstance(first, dict) and isinstance(second, dict):
            names = [name for name in sorted(first.keys() | second.keys()) if first.get(name) != second.get(name)]
            found += [f"{key}: {name} was {first.get(name)}, is {second.get(name)}" for name in names[:3]]
            found += [f"{key}: {len(names) - 3} more"] if len(names) > 3 else []
        elif first != second:
            found.append(f"{key} was {first}, is {second}")
    return "; ".join(found)


def _describe_data(batches: Batches) -> str:
    """Number of items; for tensors types, shapes, and the sums of some rows; for a data set what some items hold."""
    if not batches.columns:
        return describe_items(lambda index: batches.data[index], batches.count)
    columns = [batches.data] if isinstance(batches.data, Tensor) else list(batches.data)
    return f"{batches.count} items: " + ", ".join(_describe_column(column) for column in columns)


def _describe_column(column: Tensor) -> str:
    rows = torch.linspace(0, len(column) - 1, min(_ROWS, len(column))).long()
    values = column[rows.to(column.device)].detach().cpu()
    values = torch.view_as_real(values) if values.is_complex() else values
    total = float(values.double().nan_to_num(0.0, 1.0, -1.0).sum())
    return f"{str(column.dtype).removeprefix('torch.')} {tuple(column.shape)} with sum {total!r} of {len(rows)} rows"
