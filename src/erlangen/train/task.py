"""What Lightning is given: a module around the user's own, which counts, validates, and keeps checkpoints."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from erlangen.train.bar import Bar
from erlangen.train.batches import Batches
from erlangen.train.folder import Folder
from erlangen.train.journey import Journey, Row
from erlangen.train.optimizers import find_schedule
from erlangen.train.plan import Plan
from erlangen.train.quiet import silence_lightning
from erlangen.train.randomness import (
    EPOCH,
    VALIDATION,
    generators_of,
    random_state,
    seed_everything,
    set_random_state,
)
from erlangen.train.tree import pack, unpack

_LOOK_EVERY = {"cpu": 1}  # steps between looks at the losses, by device; elsewhere a look makes an accelerator wait
_LOOK_SELDOM = 50
_EPOCH_EVERY = 1.0  # seconds between checkpoints at ends of epochs


class Task(LightningModule):
    """The training of one model.

    Args:
        model: The user's module.
        plan: What to do.
        settings: `Plan.settings`, for checkpoints.
        bar: Shows progress.
        stored: A checkpoint to go on from; its weights are in the model already.
        unwatched: Whether the trainer has no loggers or callbacks that want to see the numbers, and is to be quiet.
    """

    def __init__(
        self,
        model: nn.Module,
        plan: Plan,
        settings: dict[str, Any],
        bar: Bar,
        stored: dict[str, Any] | None,
        unwatched: bool,
    ) -> None:
        super().__init__()
        self.model, self.plan, self.settings, self.bar, self.unwatched = model, plan, settings, bar, unwatched
        self.stored = stored
        self.journey = Journey() if stored is None else Journey.from_dict(stored["journey"])
        self.best = None if stored is None else best_weights(stored)
        self.schedule = find_schedule(plan.schedule)
        self.folder = None if plan.out is None else Folder(plan.out)
        self.base_lr: list[float] = []
        self.losses: list[Tensor] = []  # of the steps since the last look
        self.validated: Row = {}
        self.sums: dict[str, float] = {}
        self.ran = False  # whether it was this process that trained

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self.unwatched:  # in a process that has just been started
            silence_lightning()

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes the name of each hook it calls in an attribute; a module's way of setting one is slow.
        if isinstance(value, (nn.Module, Tensor)):
            super().__setattr__(name, value)
        else:
            object.__setattr__(self, name, value)

    # ------------------------------------------------------------ before
    def configure_optimizers(self) -> torch.optim.Optimizer:
        optimizer = self.plan.new_optimizer(self.model)
        self.base_lr = [group["lr"] for group in optimizer.param_groups]
        return optimizer

    def on_fit_start(self) -> None:
        self.ran, trainer = True, self.trainer
        self.alone, self.first_process = trainer.world_size == 1, trainer.is_global_zero
        self.look_every = _LOOK_EVERY.get(self.device.type, _LOOK_SELDOM)
        for batches in (self.plan.train, self.plan.val):
            if batches is not None:
                batches.rank, batches.world = trainer.global_rank, trainer.world_size
        self.steps = self.plan.train.steps
        if self.stored is not None:
            self._go_on(self.stored)
            self.stored = None
        if self.first_process and self.folder is not None:
            self.folder.clean()
        self.bar.start(self.plan.epochs, self.steps, self.journey, self.first_process)
        self.started, self.processor_started = time.monotonic(), time.process_time()
        self.resumed = self.journey.seconds, self.journey.processor_seconds
        self.last_write, self.write_seconds = self.started, 0.0

    def _go_on(self, stored: dict[str, Any]) -> None:
        trainer: Any = self.trainer
        journey = self.journey
        # Tensors that a started process was handed are shared with the others; an optimizer writes into its state.
        optimizer = unpack(*pack(stored["optimizer"]))
        trainer.strategy.load_optimizer_state_dict({"optimizer_states": [optimizer]})
        for name, generator in generators_of(self.model).items():
            generator.set_state(stored["generators"][name])
        progress = trainer.fit_loop.epoch_progress
        progress.current.processed = progress.current.completed = journey.epoch
        if journey.step:  # the first epoch is shorter: have Lightning ask for its length, and again for the next one's
            trainer.reload_dataloaders_every_n_epochs = 1
            self.plan.train.first = journey.step
            self.plan.train.before_first = lambda: set_random_state(stored["random"])

    def train_dataloader(self) -> Batches:
        return self.plan.train

    def val_dataloader(self) -> Any:
        return [] if self.plan.val is None else self.plan.val

    # ------------------------------------------------------------ training
    def on_train_epoch_start(self) -> None:
        self.plan.train.epoch, self.epoch_started = self.journey.epoch, time.monotonic()
        if self.journey.step == 0:
            seed_everything(self.plan.seed, EPOCH, self.journey.epoch, self.plan.train.rank)
        self.validated = {}

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        if self.schedule is not None:
            self._set_lr()
        loss = self.plan.loss(self.model, batch)
        if not isinstance(loss, Tensor) or loss.dim():
            got = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise TypeError(f"loss(model, batch) returns a scalar tensor, got {got}; take the mean over the batch")
        if not loss.requires_grad:
            raise ValueError("loss(model, batch) returned a tensor that does not depend on the model's parameters")
        self.loss_now = loss.detach()
        if self.look_every == 1:  # before a loss that is not finite changes anything
            self.journey.add_loss(self.loss_now.item(), 0, self.journey.step, (self.plan.epochs, self.steps))
        if self.alone:
            return loss
        train, step = self.plan.train, self.journey.step  # Lightning means over processes; we over the whole batch
        return loss * (train.share(step) * train.world / train.size(step))

    def _set_lr(self) -> None:
        assert self.schedule is not None
        done = (self.journey.epoch * self.steps + self.journey.step) / (self.plan.epochs * self.steps)
        factor = float(self.schedule(done))
        for group, lr in zip(self._optimizer().param_groups, self.base_lr, strict=True):
            group["lr"] = lr * factor

    def _optimizer(self) -> torch.optim.Optimizer:
        return self.trainer.optimizers[0]

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        if self.plan.clip is not None:
            self.clip_gradients(optimizer, gradient_clip_val=self.plan.clip, gradient_clip_algorithm="norm")
        elif gradient_clip_val is not None:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        journey = self.journey
        journey.step += 1
        self.losses.append(self.loss_now)
        if len(self.losses) >= self.look_every:
            self._look()
        self.bar.step(journey)
        if self._due(self.plan.checkpoint_every) and self.alone and not self.plan.train.workers:
            self._look()
            if journey.step < self.steps:
                self._write()

    def _look(self) -> None:
        """Counts the losses of the last steps, and stops at the first that is not a finite number."""
        if self.losses:
            values = [self.losses[0].item()] if len(self.losses) == 1 else torch.stack(self.losses).tolist()
            first = self.journey.step - len(values)
            self.losses.clear()
            for step, value in enumerate(values, first):
                self.journey.add_loss(value, self.plan.train.share(step), step, (self.plan.epochs, self.steps))

    # ------------------------------------------------------------ validation
    def on_validation_epoch_start(self) -> None:
        self.sums, self.random_before = {}, random_state()
        seed_everything(self.plan.seed, VALIDATION, self.plan.train.rank)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        assert self.plan.val is not None
        values: dict[str, Any] = {"loss": self.plan.loss(self.model, batch)}
        if self.plan.metrics is not None:
            values |= self.plan.metrics(self.model, batch)
        share = self.plan.val.share(batch_idx)
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + share * _number(name, value)

    def on_validation_epoch_end(self) -> None:
        set_random_state(self.random_before)
        if self.trainer.sanity_checking or not self.sums:
            return
        assert self.plan.val is not None
        totals = self._over_processes(list(self.sums.values()))
        self.validated = {f"val_{name}": t / self.plan.val.count for name, t in zip(self.sums, totals, strict=True)}
        if self.plan.monitor not in self.validated:
            known = ", ".join(self.validated)
            raise ValueError(f"monitor is {self.plan.monitor!r}; it takes {known}")
        if not self.unwatched:
            self.log_dict(self.validated, rank_zero_only=False)

    def _over_processes(self, values: list[float]) -> list[float]:
        """Sums of numbers over all processes."""
        if self.alone:
            return values
        together = torch.tensor(values, dtype=torch.float64, device=self.device)
        total = self.trainer.strategy.reduce(together, reduce_op="sum")
        assert isinstance(total, Tensor)
        return total.tolist()

    # ------------------------------------------------------------ after each epoch
    def on_train_epoch_end(self) -> None:
        self._look()
        journey, plan = self.journey, self.plan
        seen = min(journey.step * plan.train.batch_size, plan.train.count)
        loss = self._over_processes([journey.total])[0] / seen
        now = time.monotonic()
        row = {"epoch": journey.epoch + 1, "loss": loss, **self.validated}
        row |= {"lr": float(self._optimizer().param_groups[0]["lr"]), "seconds": round(now - self.epoch_started, 4)}
        if not self.unwatched:
            self.log("loss", loss)
        plan.train.first = 0
        if plan.val is None:
            journey.close_epoch(row, None, True)
            self.best = None  # the last weights are
        elif not self.validated:  # a trainer that validates only now and then
            journey.epoch, journey.step, journey.total = journey.epoch + 1, 0, 0.0
            journey.history.append(row)
        elif journey.close_epoch(row, self.validated[plan.monitor], plan.mode == "min"):
            self.best = {name: value.to("cpu", copy=True) for name, value in self._weights().items()}
        if plan.patience is not None and journey.waited >= plan.patience:
            self.trainer.should_stop = True
        self.bar.epoch(journey)
        if not self.alone or self._due(min(_EPOCH_EVERY, plan.checkpoint_every)):
            self._write()

    def on_train_end(self) -> None:
        self.journey.finished = True
        self._write()
        if not self.alone:
            self.trainer.strategy.barrier("files written")  # nobody looks for them, or is gone, before they are there
        self.bar.close()

    # ------------------------------------------------------------ checkpoints
    def _due(self, seconds: float) -> bool:
        """Whether a checkpoint is due; writing takes at most a tenth of the time, unless every step was asked for."""
        if self.folder is None:
            return False
        return time.monotonic() - self.last_write >= (max(seconds, 10 * self.write_seconds) if seconds else 0.0)

    def _weights(self) -> dict[str, Any]:
        state: Mapping[str, Any] = self.trainer.strategy.lightning_module_state_dict()
        return {name.removeprefix("model."): value for name, value in state.items()}

    def _write(self) -> None:
        started = time.monotonic()
        self.journey.seconds = self.resumed[0] + started - self.started
        self.journey.processor_seconds = self.resumed[1] + time.process_time() - self.processor_started
        if self.folder is None:
            return
        weights, optimizer = self._weights(), self.trainer.strategy.optimizer_state(self._optimizer())
        if self.first_process:
            best_is_now = self.journey.best_epoch == self.journey.epoch and self.journey.step == 0
            self.folder.write(
                {
                    "settings": self.settings,
                    "journey": self.journey.to_dict(),
                    "model": weights,
                    "best": None if best_is_now else self.best,
                    "optimizer": optimizer,
                    "random": random_state(),
                    "generators": {name: g.get_state() for name, g in generators_of(self.model).items()},
                }
            )
        self.last_write = time.monotonic()
        self.write_seconds = self.last_write - started


def best_weights(stored: dict[str, Any]) -> dict[str, Any] | None:
    """The best weights of a checkpoint, which are not stored twice where they are the last ones."""
    journey = stored["journey"]
    last_is_best = journey["step"] == 0 and journey["best_epoch"] == journey["epoch"] > 0
    return stored["model"] if last_is_best else stored["best"]


def _number(name: str, value: Any) -> float:
    if isinstance(value, Tensor) and value.numel() != 1:
        raise TypeError(f"{name!r} on val_data has shape {tuple(value.shape)}; take its mean over the batch")
    return float(value)
