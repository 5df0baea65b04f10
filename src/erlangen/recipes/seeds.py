"""Running an experiment once per seed: one seed after another, or side by side in processes.

The numbers do not depend on which: every seed computes on one thread and draws from its own generator.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import queue
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from erlangen.recipes.config import Config
from erlangen.recipes.progress import progress_bar

T = TypeVar("T")
K = TypeVar("K", bound=Config)
Tick = Callable[..., None]  # ``tick()`` after each step, ``tick(n)`` after n


class SeedError(RuntimeError):
    """A seed's process failed; the message holds its traceback or its exit code."""


def over_seeds(
    experiment: Callable[[K, int, Tick], T], config: K, label: str, steps: int, workers: int | None = None
) -> list[T]:
    """Runs ``experiment(config, seed, tick)`` for every seed of the config.

    Args:
        experiment: A function of a module (processes have to find it by name); its return value must pickle. It calls
            ``tick()`` once per step.
        config: The recipe's config.
        label: Shown beside the progress bar.
        steps: Steps per seed, for the bar.
        workers: Processes; ``config.workers`` by default. One runs all seeds in this process.

    Returns:
        What the experiment returned, in the order of ``config.seed_list``.

    Raises:
        SeedError: If a process died. An exception of the experiment itself is passed on as it is.
    """
    seeds, workers = config.seed_list, config.workers if workers is None else workers
    with progress_bar(label, len(seeds) * steps) as tick:
        if workers == 1 or len(seeds) == 1:
            with _one_thread():
                return [experiment(config, seed, tick) for seed in seeds]
        return _side_by_side(experiment, config, seeds, min(workers, len(seeds)), tick)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _side_by_side(
    experiment: Callable[[K, int, Tick], T], config: K, seeds: Sequence[int], workers: int, tick: Tick
) -> list[T]:
    context = multiprocessing.get_context("spawn")
    jobs, news = context.Queue(), context.Queue()
    for index, seed in enumerate(seeds):
        jobs.put((index, seed))
    for _ in range(workers):
        jobs.put(None)
    arguments = (experiment, config, jobs, news, os.getpid())
    processes = [context.Process(target=_work, args=arguments, daemon=True) for _ in range(workers)]
    try:
        with _interrupts_ignored():
            for process in processes:
                process.start()
        return _collect(processes, news, len(seeds), tick)
    finally:
        for process in processes:
            if process.pid is not None:
                process.terminate()
                process.join()
        for channel in (jobs, news):
            channel.close()
            channel.cancel_join_thread()


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """What is started here is deaf to Ctrl-C from its first moment: the parent hears it, and ends its processes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _collect(processes: Sequence[Any], news: Any, expected: int, tick: Tick) -> list[Any]:
    """Waits for every seed's result; notices a process that died without a word."""
    results: dict[int, Any] = {}
    while len(results) < expected:
        try:
            kind, index, value = news.get(timeout=0.5)
        except queue.Empty:
            dead = [process.exitcode for process in processes if process.exitcode not in (None, 0)]
            if dead and news.empty():
                raise SeedError(f"a process that ran a seed ended with exit code {dead[0]} (out of memory?)") from None
            continue
        if kind == "steps":
            tick(value)
        elif kind == "result":
            results[index] = pickle.loads(value)
        else:
            error, text = value
            raise SeedError(text) if error is None else error
    return [results[index] for index in range(expected)]


def _work(experiment: Callable[..., Any], config: Config, jobs: Any, news: Any, parent: int) -> None:
    """What a process does: take seeds until there are none left."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    tick = _Steps(news, parent)
    while (job := jobs.get()) is not None:
        index, seed = job
        try:
            value = experiment(config, seed, tick)
            tick.flush()
            # As bytes: a tensor would be handed over by a socket of this process, which may be gone before it is read.
            news.put(("result", index, pickle.dumps(value)))
        except Exception as error:
            news.put(("error", index, (_picklable(error), traceback.format_exc())))
            return


class _Steps:
    """Ticks of a process, sent in lumps; ends the process when its parent is gone."""

    def __init__(self, news: Any, parent: int) -> None:
        self.news, self.parent, self.waiting, self.sent = news, parent, 0, time.monotonic()

    def __call__(self, steps: int = 1) -> None:
        self.waiting += steps
        if time.monotonic() - self.sent > 0.2:
            self.flush()
            if os.getppid() != self.parent:
                os._exit(1)

    def flush(self) -> None:
        self.news.put(("steps", 0, self.waiting))
        self.waiting, self.sent = 0, time.monotonic()


def _picklable(error: Exception) -> Exception | None:
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:
        return None
