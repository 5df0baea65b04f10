"""Training and measuring one network of a task."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.recipes.seeds import Tick
from erlangen.recipes.soft_equivariance.arms import Arm, Learner, Soft, Task, Training
from erlangen.recipes.soft_equivariance.settings import Config
from erlangen.symmetrize import equivariance_error
from erlangen.train import fit

MEASURED = 200
"""Inputs of the test on which symmetry is measured."""
ELEMENTS = 16
SPREAD = {"scale": 0.3}
"""Deviation of the logarithm of what is drawn from groups that are not compact."""

Score = Callable[[Tensor, Tensor], float]


@dataclass
class Learned:
    """A trained network: numbers of it by name, and for the soft one what happened on the way.

    Args:
        metrics: ``""`` is the error of the test; others are named after what they measure.
        weights: Number of parameters.
        steps: Steps at which the network was looked at.
        course: The error on the validation at these steps; of a soft network violations and strengths.
    """

    metrics: dict[str, float]
    weights: int
    steps: list[int] = field(default_factory=list)
    course: dict[str, list[float]] = field(default_factory=dict)


def learn(
    arm: Arm, task: Task, training: Training, config: Config, seed: int, tick: Tick, name: tuple[str, ...], score: Score
) -> Learned:
    """Trains the network of an arm and measures it.

    Args:
        arm: Which network.
        task: What it learns.
        training: Its budget.
        config: Where the training is kept, and on what it runs.
        seed: Of first weights and batches.
        tick: Called once per step.
        name: What tells this training from the recipe's others; the arm's name is last.
        score: The error of a prediction, reported on the test.
    """
    learner = arm.build(task, training, torch.Generator().manual_seed(seed)).to(config.device)
    x, y = task.train
    passes = max(1, round(training.record * training.batch / len(x)))
    per_epoch = math.ceil(passes * len(x) / training.batch)
    fitted = fit(
        learner,
        (x.repeat(passes, 1), y.repeat(passes, 1)),
        partial(loss, training=training),
        val_data=task.validation,
        val_batch_size=len(task.validation[0]),
        metrics=metrics,
        monitor="val_eligible",
        epochs=max(1, round(training.steps / per_epoch)),
        batch_size=training.batch,
        lr=training.lr_of.get(name[-1], training.lr),
        weight_decay=arm.decays * training.decay,
        schedule="cosine",
        seed=seed,
        progress=tick,
        **config.fit_options(*name[:1], seed, *name[1:]),
    )
    network = learner.network.cpu()
    with torch.no_grad():
        error, learned = (score(network(x), y) for x, y in (task.test, task.train))
    found = {
        "": error,
        "_train": learned,
        "_seconds": fitted.processor_seconds,
        "_epoch": fitted.best_epoch / len(fitted.history),
    }
    found |= {f"_{symmetry}": value for symmetry, value in broken(network, task, seed).items()}
    found |= {f"_{note}": value for note, value in learner.notes().items()}
    if isinstance(learner, Soft):
        least = zip(learner.names, learner.tuner.least.tolist(), strict=True)
        found |= {f"_tuned_at_{symmetry}": value for symmetry, value in least}
    course = {
        key.removeprefix("val_"): [float(row[key]) for row in fitted.history]
        for key in fitted.history[0]
        if key.startswith(("val_error", "val_violation_", "val_strength_"))
    }
    steps = [per_epoch * (i + 1) for i in range(len(fitted.history))]
    return Learned(found, sum(p.numel() for p in network.parameters()), steps, course)


def loss(learner: nn.Module, batch: Any, training: Training) -> Tensor:
    """The mean squared error, and what the arm adds to it."""
    assert isinstance(learner, Learner)
    x, y = batch
    if learner.training:
        learner.look(training)
    return (learner(x) - y).square().mean() + learner.extra(training)


def metrics(learner: nn.Module, batch: Any) -> Mapping[str, Tensor | float]:
    """The error on the validation, nothing where these weights may not be chosen, and the arm's own notes."""
    assert isinstance(learner, Learner)
    x, y = batch
    error = float((learner(x) - y).square().mean())
    return {"error": error, "eligible": error if learner.eligible else math.inf} | learner.notes()


def broken(network: Callable[[Tensor], Tensor], task: Task, seed: int) -> dict[str, float]:
    """How far a function is from each candidate symmetry, between 0 and 1."""
    x = task.test[0][:MEASURED].double()
    if isinstance(network, nn.Module):
        network.double()
    return {
        name: float(
            equivariance_error(
                network, task.rep_in, task.rep_out, hom, x, ELEMENTS, spread=SPREAD.get(name), seed=seed
            ).mean()
        )
        for name, hom in task.candidates.items()
    }


def mean_squared_error(predicted: Tensor, true: Tensor) -> float:
    """Of a coordinate."""
    return float((predicted - true).square().mean())
