"""How far a training has come: counters, history, the best epoch, and whether to go on."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any

Row = dict[str, Any]


class DivergedError(ArithmeticError):
    """A loss is not a finite number; the message names the epoch and the step."""


@dataclass
class Journey:
    """State of a training between two steps. Epochs and steps count those that are behind.

    Args:
        epoch: Whole epochs.
        step: Steps of the epoch that is going on.
        total: Sum of the losses of that epoch, each times the size of its batch.
        history: One row per epoch: ``epoch`` (from 1), ``loss``, ``val_...``, ``lr``, ``seconds``.
        best_epoch: The best epoch so far, from 1; None before the first.
        best: What was monitored, at that epoch.
        waited: Validations since then.
        finished: Whether there is nothing left to do.
        seconds: Wall time, over all parts of an interrupted training.
        processor_seconds: The same, of this process's processor time (all its threads).
    """

    epoch: int = 0
    step: int = 0
    total: float = 0.0
    history: list[Row] = field(default_factory=list)
    best_epoch: int | None = None
    best: float | None = None
    waited: int = 0
    finished: bool = False
    seconds: float = 0.0
    processor_seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Journey:
        """What `to_dict` returned."""
        return cls(**{item.name: values[item.name] for item in fields(cls)})

    def add_loss(self, value: float, size: int, step: int, of: tuple[int, int]) -> None:
        """Counts the loss of a step.

        Args:
            value: The loss.
            size: Items it is the mean of.
            step: Steps of this epoch before it.
            of: Epochs, and steps per epoch.

        Raises:
            DivergedError: If it is not a finite number.
        """
        if not math.isfinite(value):
            at = f"epoch {self.epoch + 1} of {of[0]}, step {step + 1} of {of[1]}"
            raise DivergedError(f"the loss is {value} at {at}; try a smaller lr, or clip the gradients (clip=1.0)")
        self.total += value * size

    def close_epoch(self, row: Row, monitored: float | None, lower_is_better: bool) -> bool:
        """Ends an epoch.

        Args:
            row: Its row of the history.
            monitored: What decides which epoch is best; None where nothing was validated: then this one is.
            lower_is_better: How to decide.

        Returns:
            Whether this epoch is the best so far.
        """
        self.epoch, self.step, self.total = self.epoch + 1, 0, 0.0
        self.history.append(row)
        if monitored is None:
            self.best_epoch = self.epoch
            return True
        better = math.isfinite(monitored) and (
            self.best is None or (monitored < self.best if lower_is_better else monitored > self.best)
        )
        if better:
            self.best, self.best_epoch, self.waited = monitored, self.epoch, 0
        else:
            self.waited += 1
        return better

    def to_csv(self) -> str:
        """The history, one line per epoch.

        >>> print(Journey(history=[{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]).to_csv())
        epoch,loss
        1,0.5
        2,0.25
        """
        columns = list(dict.fromkeys(name for row in self.history for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.history)
        return text.getvalue()
