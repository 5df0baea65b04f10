"""The discovery as a result: what was found about every candidate, one table, one figure, every number kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from erlangen.audit import Violation, ratio_interval
from erlangen.audit.discovery import LARGE, Finding
from erlangen.audit.violation import error_interval, relative_error
from erlangen.recipes.discover.drawing import Shown, draw
from erlangen.recipes.discover.rule import HIDDEN, TOLERATED, Evidence, judge
from erlangen.recipes.discover.settings import Discovery
from erlangen.recipes.discover.training import Problem, Trained, forget, load, one_seed, steps
from erlangen.recipes.seeds import over_seeds
from erlangen.report import Result, Table, capture_environment
from erlangen.train.fingerprint import describe_items

RECIPE, EXPERIMENT, FIGURE = "discover", "data", "discover.png"


@dataclass(frozen=True)
class Found:
    """What was found about a candidate.

    Attributes:
        name: of the candidate.
        finding: "exact", "approximate", "absent" or "undecided".
        reason: what decided.
        evidence: the numbers, with intervals.
        strengths: learned, one per seed, where there were penalties.
    """

    name: str
    finding: Finding
    reason: str
    evidence: Evidence
    strengths: list[float]


def discover(config: Discovery) -> Result:
    """Trains on the user's samples and says which candidates hold; writes the figure where ``config.out`` is set.

    Raises:
        ValueError: if the samples cannot be read, or the candidates do not fit them.
    """
    settings = settings_of(config)
    problem = load(config)
    seeds = over_seeds(one_seed, config, RECIPE, steps=steps(config, problem.samples))
    by_start = {one.start: [seed[place] for seed in seeds] for place, one in enumerate(seeds[0])}
    asked, soft = chosen(by_start), chosen({start: runs for start, runs in by_start.items() if start})
    found = [_found(candidate.name, by_start[asked], by_start[soft]) for candidate in problem.candidates]
    result = Result(
        recipe=RECIPE,
        size=config.size,
        config=settings,
        seeds=config.seed_list,
        environment=capture_environment(),
        metrics={EXPERIMENT: _metrics(found, by_start, by_start[asked])},
        tables=[_table(found, problem, explained(by_start[asked])), _networks(by_start, asked, soft)],
        audits=[_audit(one) for one in found],
    )
    if config.out is not None:
        result.figures = {
            FIGURE: "How far moved answers are from the answers, and how their error grows, with intervals; distances "
            "of the weights from each symmetry while they learn (first seed); learned strengths (every seed)"
        }
        shown = [
            Shown(
                one.name,
                one.finding,
                one.evidence.error,
                one.evidence.error_interval,
                one.evidence.growth,
                one.evidence.growth_interval,
            )
            for one in found
        ]
        strengths = {one.name: one.strengths for one in found}
        draw(shown, config.out / FIGURE, by_start[soft][0], strengths)
    return result


def settings_of(config: Discovery) -> dict[str, Any]:
    """All that decides the numbers: the settings, and what the samples hold now.

    Raises:
        ValueError: if the samples cannot be read.
    """
    forget()
    samples = load(config).samples
    return config.to_dict() | {"samples": describe_items(lambda i: (samples.x[i], samples.y[i]), len(samples))}


def chosen(by_start: Mapping[float, Sequence[Trained]]) -> float:
    """The strength whose networks predict best on the samples for validation, over seeds."""
    return min(by_start, key=lambda start: sum(one.validation for one in by_start[start]))


def explained(runs: Sequence[Trained]) -> float:
    """The share of the variance of held-out answers that networks explain, over seeds."""
    return 1 - total([one.own for one in runs]) / total([one.varies for one in runs])


def total(seeds: Sequence[Tensor]) -> float:
    """The sum over seeds of the mean over samples."""
    return sum(float(one.mean()) for one in seeds)


def evidence(name: str, runs: Sequence[Trained]) -> Evidence:
    """What the networks of all seeds say about a candidate."""
    violations = [one.violations[name] for one in runs]
    moved, own = _squared_errors(violations)
    low, high = ratio_interval(moved, own)
    hidden = (max(high - 1, 0.0) * total(own) / (total([one.chance for one in violations]) or 1.0)) ** 0.5
    return Evidence(
        relative_error(violations), error_interval(violations), total(moved) / total(own), (low, high), hidden
    )


def _squared_errors(violations: Sequence[Violation]) -> tuple[list[Tensor], list[Tensor]]:
    """Of moved samples, and of the samples themselves, for each seed."""
    pairs = [(one.moved, one.own) for one in violations if one.moved is not None and one.own is not None]
    return [moved for moved, _ in pairs], [own for _, own in pairs]


def _found(name: str, asked: Sequence[Trained], soft: Sequence[Trained]) -> Found:
    measured = evidence(name, asked)
    finding, reason = judge(measured, explained(asked))
    return Found(name, finding, reason, measured, [one.strengths[name] for one in soft])


def _audit(one: Found) -> dict[str, Any]:
    """What was found, for programs to read."""
    measured = one.evidence
    return {
        "name": one.name,
        "verdict": one.finding,
        "reason": one.reason,
        "error": measured.error,
        "error_interval": measured.error_interval,
        "growth": measured.growth,
        "growth_interval": measured.growth_interval,
        "hidden": measured.hidden,
        "strengths": one.strengths,
    }


def _metrics(
    found: Sequence[Found], by_start: Mapping[float, Sequence[Trained]], asked: Sequence[Trained]
) -> dict[str, list[float]]:
    metrics: dict[str, list[float]] = {}
    for one in found:
        violations = [run.violations[one.name] for run in asked]
        metrics[f"{one.name} error"] = [each.error for each in violations]
        pairs = zip(*_squared_errors(violations), strict=True)
        metrics[f"{one.name} growth"] = [float(moved.mean() / own.mean()) for moved, own in pairs]
        metrics[f"{one.name} strength"] = one.strengths
        for name, (low, high) in (("error", one.evidence.error_interval), ("growth", one.evidence.growth_interval)):
            metrics |= {f"{one.name} {name} low": [low], f"{one.name} {name} high": [high]}
    for start, runs in by_start.items():
        metrics[f"{start:g} validation"] = [one.validation for one in runs]
        metrics[f"{start:g} explained"] = [explained([one]) for one in runs]
        metrics[f"{start:g} seconds"] = [one.seconds for one in runs]
    return metrics


def _table(found: Sequence[Found], problem: Problem, share: float) -> Table:
    rows: list[list[Any]] = [
        [
            one.name,
            one.finding,
            "{:.2g} ({:.2g} to {:.2g})".format(one.evidence.error, *one.evidence.error_interval),
            "{:.2g} ({:.2g} to {:.2g})".format(one.evidence.growth, *one.evidence.growth_interval),
            f"{_mean(one.strengths):.2g}",
        ]
        for one in found
    ]
    lines = [
        "Error: how far answers for moved test samples, moved back, are from the answers:",
        "0 is kept, 1 as far as answers for different samples are.",
        "Growth: of their squared error by moving; about 1 where the data keep the symmetry.",
        f"Exact: no growth (up to {TOLERATED}), and too little room in its interval to hide an error of {HIDDEN}.",
        f"Else approximate where the error is below {LARGE}, absent where it is above.",
        "Whole intervals have to be (95 %, over samples and seeds).",
        f"The network that is asked explains {share:.1%} of the variance.",
        "Strength: of the penalty, learned: the largest is that of what linear maps kept best.",
        *problem.samples.said,
        *(f"{one.name} is undecided: {one.reason}." for one in found if one.finding == "undecided"),
    ]
    columns = ["symmetry", "finding", "error", "growth", "strength"]
    return Table(str(problem.samples), columns, rows, "\n".join(lines))


def _networks(by_start: Mapping[float, Sequence[Trained]], asked: float, soft: float) -> Table:
    rows: list[list[Any]] = [
        [
            f"{start:g}" if start else "0 (no penalties)",
            f"{_mean([one.validation for one in runs]):.3g}",
            f"{explained(runs):.1%}",
            round(_mean([one.seconds for one in runs]), 1),
            " and ".join(["is asked"] * (start == asked) + ["tells strengths"] * (start == soft)),
        ]
        for start, runs in by_start.items()
    ]
    note = "Validation: mean squared error, about 1 for the best constant answer. The least is asked."
    columns = ["penalties at the start", "validation", "explained", "seconds", ""]
    return Table("The networks, mean over seeds", columns, rows, note)


def _mean(numbers: Sequence[float]) -> float:
    return float(torch.tensor(numbers, dtype=torch.float64).mean())
