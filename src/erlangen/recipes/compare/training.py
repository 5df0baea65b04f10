"""One seed of a comparison: every network trained at the same budget on the same split, and measured."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.audit import audit
from erlangen.points.promise import cloud_symmetry
from erlangen.recipes.compare.clouds import Batch, Cloud, CloudSet, Split, assemble, joined, split
from erlangen.recipes.compare.files import read_records
from erlangen.recipes.compare.methods import METHODS, Answering, Spec, fitting_width, weights
from erlangen.recipes.compare.settings import Comparison
from erlangen.recipes.seeds import Tick
from erlangen.train import DivergedError, fit

#: Test clouds that an audit moves: at most so many, of so many points together, but one at least.
AUDITED, AUDITED_POINTS = 8, 2000


@dataclass
class Outcome:
    """What one seed measured: numbers by metric, and the audits."""

    metrics: dict[str, float] = field(default_factory=dict)
    audits: list[dict[str, Any]] = field(default_factory=list)


def load(config: Comparison) -> CloudSet:
    """The clouds of a config; read once in a process.

    Raises:
        ValueError: if they cannot be read, or hold nothing to learn.
        MissingExtra: if a package is not installed that the format needs.
    """
    assert config.data is not None
    return _load(config.data, config.target, config.target_kind, config.neighbours)


@lru_cache(maxsize=1)
def _load(data: Path, target: str | None, kind: str, neighbours: int | None) -> CloudSet:
    records, name = read_records(data, target)
    return assemble(data.name or str(data), records, name, kind, neighbours)


def forget() -> None:
    """Lets `load` read anew: files change."""
    _load.cache_clear()


def make_spec(config: Comparison, clouds: CloudSet) -> Spec:
    """What the networks of a config are told."""
    return Spec(clouds, config.num_layers, config.group == "SO")


def usable(config: Comparison, spec: Spec) -> tuple[list[str], dict[str, str]]:
    """The networks that can take the data; and why the others cannot.

    Raises:
        ValueError: if one was asked for by name, and cannot, or none can.
    """
    reasons = {name: METHODS[name].unfit(spec) for name in config.asked}
    left_out = {name: reason for name, reason in reasons.items() if reason}
    if config.methods == "all":
        slow = {name: METHODS[name].slow(spec) for name in config.asked if name not in left_out}
        left_out |= {name: reason for name, reason in slow.items() if reason}
    elif left_out:
        name, reason = next(iter(left_out.items()))
        raise ValueError(f"--methods: {name} cannot take these clouds: {reason}")
    return [name for name in config.asked if name not in left_out], left_out


def widths(config: Comparison, spec: Spec, names: Sequence[str]) -> dict[str, int]:
    """How wide each network is, so that all have about as many weights as the GNN of width ``hidden``."""
    wanted = weights(METHODS["gnn"].build(spec, config.hidden))
    return {name: fitting_width(lambda width, name=name: METHODS[name].build(spec, width), wanted) for name in names}


def steps(config: Comparison, clouds: CloudSet, names: Sequence[str]) -> int:
    """Ticks of one seed."""
    train = len(split(clouds, config.seed, config.validation, config.test).train)
    return config.epochs * math.ceil(train / config.batch_size) * sum(METHODS[name].cost for name in names)


def one_seed(config: Comparison, seed: int, tick: Tick) -> Outcome:
    """Trains and measures all networks on one split."""
    clouds = load(config)
    spec = make_spec(config, clouds)
    names, _ = usable(config, spec)
    parts = split(clouds, seed, config.validation, config.test)
    found = Outcome({"guess": parts.guess})
    size = sum(len(cloud.pos) for cloud in parts.train) / len(parts.train) if clouds.task == "graph" else 1.0
    for name, width in widths(config, spec, names).items():
        method = METHODS[name]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = Answering(method.build(spec, width), size if method.sums else 1.0).to(config.device)
        found.metrics[f"{name}_width"] = float(width)
        found.metrics[f"{name}_weights"] = float(weights(network))
        found.metrics[f"{name}_seconds"] = _train(network, name, spec, parts, config, seed, tick)
        found.metrics |= _measure(network, name, spec, parts, config, seed)
        error, report = symmetry_error(network, spec, parts.test, seed)
        found.metrics[f"{name}_symmetry"] = error
        found.audits.append({"name": method.title} | report)
    return found


def loss(network: nn.Module, batch: Batch, spec: Spec) -> Tensor:
    """Cross entropy of classes, mean absolute error of numbers, mean squared error of vectors."""
    answer = network(*batch[:5])
    if spec.clouds.kind == "classes":
        return nn.functional.cross_entropy(answer.scalar, batch.target)
    if spec.clouds.kind == "vectors":
        return (answer.vector - batch.target).square().mean()
    return (answer.scalar - batch.target).abs().mean()


def turned(batch: Batch, spec: Spec, generator: torch.Generator | None = None) -> Batch:
    """Every cloud moved by its own random element of the group, with its vectors, also those to be learned."""
    count = int(batch.batch[-1]) + 1
    turn = spec.group.sample(count, generator=generator)
    assert isinstance(turn, Tensor)
    turn = turn.to(batch.pos).mT  # rows are multiplied from the right

    def act(value: Tensor | None, rows: Tensor) -> Tensor | None:
        return None if value is None else (value.flatten(1, -2) if value.ndim > 2 else value[:, None]) @ turn[rows]

    pos, vec = act(batch.pos, batch.batch), act(batch.vec, batch.batch)
    assert pos is not None
    target = act(batch.target, batch.rows) if spec.clouds.kind == "vectors" else batch.target
    assert target is not None
    return batch._replace(pos=pos[:, 0], vec=vec, target=target)


def _train(network: nn.Module, name: str, spec: Spec, parts: Split, config: Comparison, seed: int, tick: Tick) -> float:
    method = METHODS[name]

    def turning_loss(model: nn.Module, batch: Batch) -> Tensor:
        return loss(model, turned(batch, spec) if method.turned and model.training else batch, spec)

    try:
        fitted = fit(
            network,
            parts.train,
            turning_loss,
            val_data=parts.validation,
            epochs=config.epochs,
            batch_size=config.batch_size,
            lr=config.lr,
            schedule="cosine",
            clip=1.0,
            seed=seed,
            collate=joined,
            progress=lambda: tick(method.cost),
            **config.fit_options("compare", seed, name),
        )
    except DivergedError as error:
        raise DivergedError(f"{method.title} (seed {seed}): {str(error).partition(';')[0]}") from error
    return fitted.processor_seconds if config.device == "cpu" else fitted.seconds


def _measure(
    network: nn.Module, name: str, spec: Spec, parts: Split, config: Comparison, seed: int
) -> dict[str, float]:
    """The error (or accuracy) on test clouds as they are and turned, and the seconds of one look at all of them."""
    generator = torch.Generator().manual_seed(seed)
    batches = [joined(parts.test[i : i + config.batch_size]) for i in range(0, len(parts.test), config.batch_size)]
    started = time.perf_counter()
    upright = _score(network, batches, spec, parts.unit, config.device)
    seconds = time.perf_counter() - started
    moved = _score(network, [turned(batch, spec, generator) for batch in batches], spec, parts.unit, config.device)
    return {name: upright, f"{name}_turned": moved, f"{name}_test_seconds": seconds}


@torch.no_grad()
def _score(network: nn.Module, batches: Sequence[Batch], spec: Spec, unit: float, device: str) -> float:
    """Accuracy, mean absolute error of numbers, or root mean square error of coordinates of vectors, in their unit."""
    total, count = 0.0, 0
    for batch in batches:
        there = [None if value is None else value.to(device) for value in batch[:5]]
        answer, target = network(*there), batch.target.to(device)
        if spec.clouds.kind == "classes":
            values = (answer.scalar.argmax(-1) == target).double()
        elif spec.clouds.kind == "vectors":
            values = (answer.vector - target).double().square()
        else:
            values = (answer.scalar - target).double().abs()
        total, count = total + float(values.sum()), count + values.numel()
    mean = total / count
    return mean if spec.clouds.kind == "classes" else unit * (mean**0.5 if spec.clouds.kind == "vectors" else mean)


def symmetry_error(network: nn.Module, spec: Spec, test: Sequence[Cloud], seed: int) -> tuple[float, dict[str, Any]]:
    """The largest relative error of the answer as test clouds are moved and renumbered, in float64, and the report."""
    few, points = [], 0
    for cloud in test[:AUDITED]:
        points += len(cloud.pos)
        if few and points > AUDITED_POINTS:
            break
        few.append(cloud)
    c = spec.clouds
    promise = cloud_symmetry(
        spec.group,
        in_scalar=c.in_scalar,
        in_vector=c.in_vector,
        out_vector=c.outputs if c.kind == "vectors" else 0,
        task=c.task,
    )
    device = next(network.parameters()).device
    inputs = [None if value is None else value.to(device) for value in joined(few)[: len(promise.inputs)]]
    report = audit(network, *inputs, symmetry=promise, num_elements=12, seed=seed)
    return report.error, report.to_dict()
