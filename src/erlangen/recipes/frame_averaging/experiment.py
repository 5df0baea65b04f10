"""What an experiment of this recipe is, and what it hands back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from erlangen.recipes.frame_averaging.settings import Config
from erlangen.report import Check, Claim, Table


@dataclass
class Findings:
    """What one experiment measured.

    Args:
        metrics: One number per seed of each metric; a deterministic metric may have one number.
        tables: Tables to show.
        figures: Caption of each figure by its file name; the experiment has written the files into ``config.out``.
        checks: Identities.
        audits: Reports of the audit as dicts, each with ``"name"`` and ``"verdict"``.
    """

    metrics: dict[str, list[float]]
    tables: list[Table] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    audits: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Experiment:
    """One experiment: ``claims`` were written before its first run, ``run`` measures all seeds of a config."""

    name: str
    summary: str
    claims: tuple[Claim, ...]
    run: Callable[[Config], Findings]


def by_metric(measured: list[dict[str, float]]) -> dict[str, list[float]]:
    """From metrics of each seed to numbers of each metric.

    >>> by_metric([{"a": 1.0}, {"a": 2.0}])
    {'a': [1.0, 2.0]}
    """
    return {name: [numbers[name] for numbers in measured] for name in measured[0]}
