"""The least time of several functions, over rounds in which all take their turn: what disturbs one disturbs all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence


def fastest(
    competitors: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """The least seconds of each by name, after one call that does not count."""
    for competitor in competitors.values():
        competitor()
    best = dict.fromkeys(competitors, float("inf"))
    for _ in range(rounds):
        for name, competitor in competitors.items():
            start = clock()
            competitor()
            best[name] = min(best[name], clock() - start)
    return best


def interleaved(
    functions: Sequence[Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """The least milliseconds of each, in their order."""
    best = fastest({str(k): function for k, function in enumerate(functions)}, rounds, clock)
    return [1e3 * seconds for seconds in best.values()]
