"""A progress bar on a terminal; a line every ten seconds elsewhere; nothing for what is over in two."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator

from erlangen.extras import require

_PATIENCE = 1.0  # seconds before a bar appears
_EVERY = 10.0  # seconds between lines where there is no terminal


def is_first_process() -> bool:
    """Whether this process is the one that speaks and writes, where several share a training."""
    rank = next((os.environ[name] for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK") if name in os.environ), "0")
    return rank == "0"


@contextlib.contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[..., None]]:
    """Shows progress on standard error and yields the function to call after each step.

    Args:
        label: What is going on.
        total: Number of steps.

    Raises:
        MissingExtra: If rich is not installed.

    >>> with progress_bar("counting", 3) as tick:
    ...     for _ in range(3):
    ...         tick()
    """
    if not is_first_process():
        yield lambda steps=1: None
        return
    with _bar(label, total) if sys.stderr.isatty() else _lines(label, total) as tick:
        yield tick


@contextlib.contextmanager
def _bar(label: str, total: int) -> Iterator[Callable[..., None]]:
    rich_progress = require("rich.progress", "recipes", "a progress bar")
    from rich.console import Console

    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.TaskProgressColumn(),
        rich_progress.TimeRemainingColumn(),
    )
    bar = rich_progress.Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(label, total=total)
    started = time.monotonic()

    def tick(steps: int = 1) -> None:
        bar.advance(task, steps)
        if not bar.live.is_started and time.monotonic() - started > _PATIENCE:
            bar.start()

    try:
        yield tick
    finally:
        bar.stop()


@contextlib.contextmanager
def _lines(label: str, total: int) -> Iterator[Callable[..., None]]:
    done, said = 0, time.monotonic()

    def tick(steps: int = 1) -> None:
        nonlocal done, said
        done += steps
        if time.monotonic() - said > _EVERY:
            said = time.monotonic()
            print(f"{label}: {100 * done // total} %", file=sys.stderr, flush=True)

    yield tick
