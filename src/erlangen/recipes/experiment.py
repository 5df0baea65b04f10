"""A recipe of several experiments: what each one is, what it hands back, and the run of those that a config chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from erlangen.recipes.config import Config
from erlangen.report import Check, Claim, Result, Table, capture_environment, judge_claims


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
    """One experiment: ``claims`` were written before its first run, ``run(config)`` measures all seeds of a config."""

    name: str
    summary: str
    claims: tuple[Claim, ...]
    run: Callable[[Any], Findings]


def run_experiments(recipe: str, experiments: Sequence[Experiment], config: Config) -> Result:
    """Runs the chosen experiments one after another and judges all claims.

    Args:
        recipe: Its name in the catalogue.
        experiments: All that the recipe has; ``config.chosen`` names those to run.
        config: The settings. Figures are written if ``config.out`` is set; its folder must exist.
    """
    found = {experiment.name: experiment.run(config) for experiment in experiments if experiment.name in config.chosen}
    metrics = {name: findings.metrics for name, findings in found.items()}
    result = Result(
        recipe=recipe,
        size=config.size,
        config=config.to_dict(),
        seeds=config.seed_list,
        environment=capture_environment(),
        metrics=metrics,
        claims=judge_claims([claim for experiment in experiments for claim in experiment.claims], metrics),
        status="complete" if config.chosen == config.experiments else "partial",
    )
    for findings in found.values():
        result.tables += findings.tables
        result.figures |= findings.figures
        result.checks += findings.checks
        result.audits += findings.audits
    return result


def by_metric(measured: list[dict[str, float]]) -> dict[str, list[float]]:
    """From metrics of each seed to numbers of each metric.

    >>> by_metric([{"a": 1.0}, {"a": 2.0}])
    {'a': [1.0, 2.0]}
    """
    return {name: [numbers[name] for numbers in measured] for name in measured[0]}
