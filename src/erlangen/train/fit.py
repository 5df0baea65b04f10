"""`fit`: the one training loop."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from erlangen.extras import require
from erlangen.train.bar import Bar
from erlangen.train.batches import Batches, Collate
from erlangen.train.checkpoint import CheckpointError, weight_differences
from erlangen.train.folder import LAST, Folder
from erlangen.train.journey import DivergedError, Journey, Row
from erlangen.train.optimizers import MakeOptimizer, Schedule
from erlangen.train.placement import placement
from erlangen.train.plan import Loss, Metrics, Plan, differences
from erlangen.train.quiet import quiet_lightning
from erlangen.train.randomness import random_state_kept
from erlangen.train.signals import signals_passed_on

_NEVER = "without a validation, so val_data say nothing about which epoch is best"


@dataclass
class Fitted:
    """A finished training.

    Args:
        model: The model that was handed in, with the weights of the best epoch, in eval mode.
        history: One row per epoch: ``epoch`` (from 1), ``loss``, ``val_loss`` and other ``val_``, ``lr``, ``seconds``.
        best_epoch: The epoch of the weights; the last one where nothing was validated.
        best: What was monitored, at that epoch; None where nothing was validated.
        seconds: Wall time, over all parts of an interrupted training.
        processor_seconds: The same, of this process's processor time (all its threads); unlike wall time it hardly
            depends on what else the machine does.
    """

    model: nn.Module
    history: list[Row]
    best_epoch: int
    best: float | None
    seconds: float
    processor_seconds: float


def fit(
    model: nn.Module,
    train_data: Any,
    loss: Loss,
    *,
    val_data: Any = None,
    metrics: Metrics | None = None,
    monitor: str = "val_loss",
    mode: Literal["min", "max"] = "min",
    epochs: int,
    batch_size: int,
    val_batch_size: int | None = None,
    optimizer: str | MakeOptimizer = "adam",
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    schedule: str | Schedule | None = None,
    clip: float | None = None,
    patience: int | None = None,
    seed: int = 0,
    collate: Collate | None = None,
    workers: int = 0,
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    checkpoint_every: float = 30.0,
    accelerator: str | None = None,
    devices: int | str | list[int] = 1,
    num_nodes: int = 1,
    strategy: Any = "auto",
    trainer: Any = None,
    progress: bool | Callable[[], object] = True,
) -> Fitted:
    """Trains a module, keeps its best weights, and goes on after an interruption as if there had been none.

    The order of batches is a function of the seed and the epoch alone. Global random numbers (dropout, noise in the
    loss) are seeded in each epoch, and left as they were found; each validation sees the same ones. A training in one
    process that is killed at any moment and called again with ``resume=True`` ends in the same weights and history, bit
    by bit where the device computes deterministically.

    What ``out`` holds is taken up only by the same training. Compared are the model's class and the names, shapes and
    types of its weights; the optimizer and all other settings that decide numbers; of data the number of items and what
    some of them hold: up to 16 rows of tensors, up to 8 items of a data set, each fetched twice before the training.
    Functions (``loss``, ``metrics``, ``schedule``) are compared by name and by the arguments of ``functools.partial``
    alone; ``collate``, and what the other items hold, are not compared. Whoever changes those begins anew.

    Args:
        model: Any module; it is trained in place, in train mode. Weights, buffers in its state dict and
            ``torch.Generator`` attributes of its modules are kept in checkpoints; what else it remembers is not.
        train_data: A tensor; a tuple of tensors (a batch is a tuple of slices); or anything with a length and items:
            a data set, a list of PyG's ``Data``.
        loss: ``loss(model, batch)``, a scalar: the mean over the batch.
        val_data: The same for validation, after each epoch. Without it the last weights count as the best.
        metrics: ``metrics(model, batch)``, a dict of further means over the batch, on ``val_data``.
        monitor: What decides which epoch is best: ``"val_loss"``, or ``"val_"`` and the name of a metric.
        mode: Whether less (``"min"``) or more of it is better.
        epochs: Passes through the data; at most, if there is ``patience``.
        batch_size: Items per step, over all processes together: numbers do not depend on how many share the work,
            but for rounding and for random numbers of the model. The last batch holds what is left.
        val_batch_size: Items per step of validation; ``batch_size`` by default.
        optimizer: ``"adam"``, ``"adamw"``, ``"sgd"``, or a callable that takes the parameters:
            ``functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9)``.
        lr: Learning rate of an optimizer by name.
        weight_decay: Weight decay of an optimizer by name.
        schedule: Factor of the learning rate at each step: ``"cosine"`` or ``"linear"`` (both from 1 to 0),
            ``"one-cycle"`` (up, then down), or a function of the fraction of all ``epochs`` that is done, in [0, 1).
        clip: Largest norm of the gradient over all parameters.
        patience: Stops after so many validations in a row without a better one.
        seed: Of batches and global random numbers. The weights the model begins with are the caller's.
        collate: Makes a batch of a list of items; by default PyG's way for graphs, torch's for everything else.
        workers: Processes that fetch items of a data set. With any, checkpoints are written at ends of epochs only.
        out: Folder for ``last.safetensors`` (to go on from), ``best.safetensors`` (see `load_weights`) and
            ``history.csv``. None writes nothing.
        resume: Goes on from what ``out`` holds: the beginning, some step, or the end of a training.
        overwrite: Begins anew where ``out`` holds a training of `fit`.
        checkpoint_every: Seconds between checkpoints within an epoch (0: after each step).
        accelerator: Lightning's; by default where the model's parameters are.
        devices: Lightning's.
        num_nodes: Lightning's.
        strategy: Lightning's: ``"ddp"`` (starts the script again for each further process), ``"ddp_spawn"``, ... With
            several processes, checkpoints are written at ends of epochs only.
        trainer: A Lightning ``Trainer`` instead, with its own devices, loggers, callbacks; ``epochs`` replaces its
            ``max_epochs``. Its loggers and callbacks see ``loss``, ``val_loss``, ...; they are not in the checkpoints.
        progress: Whether to show a line on standard error; or a function to call after each step instead (once for each
            step that is behind, too, where a training is resumed).

    Returns:
        The model with the best weights, and how it got there.

    Raises:
        CheckpointError: If ``out`` cannot be written to, or holds a training (without ``resume`` and ``overwrite``), a
            training with other settings, or a file that is cut off, damaged or not ours. Nothing is overwritten.
        DivergedError: If a loss is not a finite number; names the epoch and the step.
        MissingExtra: If Lightning or safetensors is not installed.
        TypeError: If data have no length, if an argument is of another type than it takes (``epochs=1.5``), or if
            ``loss`` does not return a scalar tensor.
        ValueError: If an argument has no meaning; if ``trainer`` never validates, and there is something to validate.
    """
    require("lightning.pytorch", "recipes", "training")
    with random_state_kept():
        train = Batches(train_data, batch_size, seed=seed, collate=collate, workers=workers)
        val = None
        if val_data is not None:
            size = batch_size if val_batch_size is None else val_batch_size
            val = Batches(val_data, size, collate=collate, workers=workers, name="val_data")
        plan = Plan(
            train=train,
            val=val,
            loss=loss,
            metrics=metrics,
            monitor=monitor,
            mode=mode,
            optimizer=optimizer,
            lr=lr,
            weight_decay=weight_decay,
            schedule=schedule,
            clip=clip,
            epochs=epochs,
            patience=patience,
            seed=seed,
            out=None if out is None else Path(out),
            checkpoint_every=checkpoint_every,
        )
        if plan.out is None and (resume or overwrite):
            raise ValueError("resume and overwrite need out, the folder of the training")
        own = dict(accelerator=accelerator, devices=devices, num_nodes=num_nodes, strategy=strategy)
        if trainer is not None and own != dict(accelerator=None, devices=1, num_nodes=1, strategy="auto"):
            raise ValueError("trainer is given, and accelerator, devices, num_nodes and strategy are its own")
        with contextlib.ExitStack() as stack:
            stack.enter_context(quiet_lightning(trainer is None))
            ours = trainer is None
            if ours:
                trainer = _new_trainer(model, plan, own)
            else:
                _require_validation(plan, trainer)
                trainer.fit_loop.max_epochs = plan.epochs
            if (
                plan.out is None and trainer.world_size > 1
            ):  # a process that is started hands its results back in a file
                plan.out = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            return _fit(model, plan, trainer, ours, Bar(progress), resume, overwrite)


def _fit(model: nn.Module, plan: Plan, trainer: Any, ours: bool, bar: Bar, resume: bool, overwrite: bool) -> Fitted:
    from erlangen.train.task import Task, best_weights

    settings = plan.settings(model, trainer.world_size)
    folder = None if plan.out is None else Folder(plan.out)
    stored = None if folder is None else folder.open(resume, overwrite)
    if stored is not None:
        assert folder is not None
        if different := differences(stored["settings"], settings):
            raise CheckpointError(f"{folder.path / LAST} belongs to a training with other settings: {different}")
        if different := weight_differences(stored["model"], model.state_dict()):
            raise CheckpointError(f"{folder.path / LAST} holds another model: {different}")
        model.load_state_dict(stored["model"])
        journey, best = Journey.from_dict(stored["journey"]), best_weights(stored)
        bar.behind(journey.epoch * plan.train.steps + journey.step)
        if not journey.finished and _is_over(journey, plan, trainer):
            # It was killed after the checkpoint of its last epoch, and before the note that this was the last.
            journey.finished = True
            if trainer.is_global_zero:
                folder.clean()
                folder.write(stored | {"journey": journey.to_dict()})
    if stored is None or not journey.finished:
        device = next(model.parameters()).device
        model.train()
        task = Task(model, plan, settings, bar, stored, unwatched=ours)
        try:
            with signals_passed_on(trainer):
                trainer.fit(task)
        finally:
            bar.close()
            model.to(device)
        journey, best = task.journey, task.best
        if not task.ran:  # other processes did
            assert folder is not None
            stored = folder.open(resume=True, overwrite=False)
            assert stored is not None
            model.load_state_dict(stored["model"])
            journey, best = Journey.from_dict(stored["journey"]), best_weights(stored)
    if journey.best_epoch is None:
        validations = sum(plan.monitor in row for row in journey.history)
        if not validations:
            raise ValueError(f"trainer stopped after {journey.epoch} epochs {_NEVER}: {_how_often(trainer)}")
        raise DivergedError(f"{plan.monitor} was not a finite number after any of {validations} epochs")
    if best is not None:
        model.load_state_dict(best)
    return Fitted(
        model.eval(), journey.history, journey.best_epoch, journey.best, journey.seconds, journey.processor_seconds
    )


def _require_validation(plan: Plan, trainer: Any) -> None:
    """Refuses a trainer of the caller's that is known to leave ``val_data`` alone, before any work."""
    every = trainer.check_val_every_n_epoch
    if plan.val is not None and ((every is not None and every > plan.epochs) or trainer.limit_val_batches == 0):
        raise ValueError(f"trainer would end after {plan.epochs} epochs {_NEVER}: {_how_often(trainer)}")


def _how_often(trainer: Any) -> str:
    names = ("check_val_every_n_epoch", "val_check_interval", "limit_val_batches", "max_steps")
    return ", ".join(f"{name}={getattr(trainer, name)}" for name in names)


def _is_over(journey: Journey, plan: Plan, trainer: Any) -> bool:
    """Whether nothing is left to train; a trainer of the caller's may ask for more epochs or steps than patience."""
    if journey.epoch >= plan.epochs:
        return True
    enough = journey.epoch >= (trainer.min_epochs or 0) and not trainer.min_steps
    return enough and journey.step == 0 and plan.patience is not None and journey.waited >= plan.patience


def _new_trainer(model: nn.Module, plan: Plan, own: dict[str, Any]) -> Any:
    """A trainer that does what `Task` asks for and nothing else."""
    from lightning.pytorch import Trainer

    device = next(model.parameters(), torch.empty(0)).device
    return Trainer(
        **placement(device, **own),
        max_epochs=plan.epochs,
        logger=False,
        callbacks=[],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0 if plan.val is None else 1.0,
        use_distributed_sampler=False,
        inference_mode=False,
        default_root_dir=plan.out,
    )
