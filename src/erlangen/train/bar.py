"""Progress: a line that renews itself on a terminal, one every ten seconds elsewhere, nothing for what is soon over."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from erlangen.train.journey import Journey

_PATIENCE = 1.0  # seconds before anything is shown
_RENEW, _EVERY = 0.2, 10.0  # seconds between lines on a terminal, and elsewhere


class Bar:
    """Shows how far a training is, on standard error.

    Args:
        shown: True, False, or a function to call after each step instead.
    """

    def __init__(self, shown: bool | Callable[[], object]) -> None:
        self.call = shown if callable(shown) else None
        self.shown = shown is True
        self.drawn = False

    def start(self, epochs: int, steps: int, journey: Journey, first_process: bool) -> None:
        """Before the first step."""
        self.epochs, self.steps = epochs, steps
        self.shown &= first_process
        self.terminal = sys.stderr.isatty()
        self.begun = time.monotonic()
        self.before = journey.epoch * steps + journey.step
        self.next = self.begun + (_PATIENCE if self.terminal else _EVERY)

    def behind(self, steps: int) -> None:
        """Before a training goes on: how many steps it has made."""
        if self.call is not None:
            for _ in range(steps):
                self.call()

    def step(self, journey: Journey) -> None:
        """After each step."""
        if self.call is not None:
            self.call()
        elif self.shown and time.monotonic() >= self.next:
            self._draw(journey)

    def epoch(self, journey: Journey) -> None:
        """After each epoch."""
        if self.shown and time.monotonic() >= self.next:
            self._draw(journey)

    def close(self) -> None:
        """After the last step."""
        if self.drawn and self.terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        self.drawn = False

    def _draw(self, journey: Journey) -> None:
        now = time.monotonic()
        self.next = now + (_RENEW if self.terminal else _EVERY)
        line = progress_line(journey, self.epochs, self.steps, self.before, now - self.begun)
        start, end = ("\r\x1b[K", "") if self.terminal else ("", "\n")
        print(f"{start}{line}", end=end, file=sys.stderr, flush=True)
        self.drawn = True


def progress_line(journey: Journey, epochs: int, steps: int, before: int, seconds: float) -> str:
    """One line about a training.

    >>> journey = Journey(epoch=2, step=5, history=[{"epoch": 2, "loss": 0.5, "val_loss": 0.625}], best_epoch=1)
    >>> progress_line(journey, epochs=10, steps=10, before=0, seconds=50.0)
    'epoch 3/10, 25 %, 2:30 left, loss 0.5, val_loss 0.625, best epoch 1'
    """
    done, total = journey.epoch * steps + journey.step, epochs * steps
    parts = [f"epoch {min(journey.epoch + 1, epochs)}/{epochs}", f"{100 * done // total} %"]
    if done > before:
        left = round(seconds * (total - done) / (done - before))
        hours, minutes = left // 3600, left // 60 % 60
        parts.append(f"{hours}:{minutes:02d}:{left % 60:02d} left" if hours else f"{minutes}:{left % 60:02d} left")
    if journey.history:
        row = journey.history[-1]
        parts += [f"{name} {row[name]:.4g}" for name in row if name == "loss" or name.startswith("val_")]
    if journey.best_epoch is not None and "val_loss" in (journey.history or [{}])[-1]:
        parts.append(f"best epoch {journey.best_epoch}")
    return ", ".join(parts)
