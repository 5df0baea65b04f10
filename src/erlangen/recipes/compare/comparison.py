"""The comparison as a result: all seeds, one table, one figure, every number kept."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from erlangen.recipes.compare.clouds import CloudSet
from erlangen.recipes.compare.methods import METHODS
from erlangen.recipes.compare.settings import Comparison
from erlangen.recipes.compare.training import Outcome, forget, load, make_spec, one_seed, steps, usable
from erlangen.recipes.experiment import by_metric
from erlangen.recipes.seeds import over_seeds
from erlangen.report import Check, Result, Table, capture_environment, new_figure, save_figure
from erlangen.train.fingerprint import describe_items

RECIPE, EXPERIMENT, FIGURE = "compare", "points", "compare.png"
#: Numbers of weights may differ by so much from the GNN's before it is said aloud.
FAIR = 0.2
SCORES = {
    "classes": "accuracy",
    "numbers": "mean absolute error",
    "vectors": "root mean square error",
}
SHORT = {"classes": "accuracy", "numbers": "error", "vectors": "error"}


def compare(config: Comparison) -> Result:
    """Trains and measures all networks of all seeds; writes the figure where ``config.out`` is set.

    Raises:
        ValueError: if the clouds cannot be read, or a network that was asked for cannot take them.
    """
    settings = settings_of(config)
    clouds = load(config)
    spec = make_spec(config, clouds)
    names, left_out = usable(config, spec)
    outcomes = over_seeds(one_seed, config, RECIPE, steps=steps(config, clouds, names))
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    result = Result(
        recipe=RECIPE,
        size=config.size,
        config=settings,
        seeds=config.seed_list,
        environment=capture_environment(),
        metrics={EXPERIMENT: metrics},
        tables=[_table(metrics, names, left_out, config, clouds, _untested(outcomes))],
        checks=_checks(metrics, names),
        audits=outcomes[0].audits,
    )
    if config.out is not None:
        result.figures = {
            FIGURE: f"{SCORES[clouds.kind].capitalize()} on test clouds, as they are and turned; seconds of training; "
            "how far each network is from its symmetry (every seed)"
        }
        _draw(metrics, names, clouds, _untested(outcomes), config.out / FIGURE)
    return result


def settings_of(config: Comparison) -> dict[str, Any]:
    """All that decides the numbers: the settings, and what the clouds hold now.

    Raises:
        ValueError: if the clouds cannot be read.
    """
    forget()
    clouds = load(config).clouds
    return config.to_dict() | {"clouds": describe_items(clouds.__getitem__, len(clouds))}


def _ranked(metrics: Mapping[str, Sequence[float]], names: Sequence[str], kind: str) -> list[str]:
    """The best in the mean first."""
    sign = -1 if kind == "classes" else 1
    return sorted(names, key=lambda name: sign * sum(metrics[name]))


def _spread(numbers: Sequence[float]) -> str:
    values = torch.tensor(numbers, dtype=torch.float64)
    return f"{values.mean():.3g} ± {values.std():.1g}" if len(values) > 1 else f"{values.mean():.4g}"


def _table(
    metrics: Mapping[str, Sequence[float]],
    names: Sequence[str],
    left_out: Mapping[str, str],
    config: Comparison,
    clouds: CloudSet,
    untested: Collection[str],
) -> Table:
    score = SCORES[clouds.kind]
    rows: list[list[Any]] = []
    for name in _ranked(metrics, names, clouds.kind):
        seconds = sum(metrics[f"{name}_seconds"]) / len(metrics[f"{name}_seconds"])
        rows.append(
            [
                name,
                int(metrics[f"{name}_weights"][0]),
                _spread(metrics[name]),
                _spread(metrics[f"{name}_turned"]),
                None if METHODS[name].title in untested else f"{max(metrics[f'{name}_symmetry']):.1e}",
                round(seconds, 1),
            ]
        )
    rows.append(["no look", None, _spread(metrics["guess"]), None, None, None])
    group = f"{config.group}({clouds.dim})"
    lines = [
        f"{score.capitalize()} on {round(100 * config.test)} % of the clouds, mean ± deviation over seeds (each splits "
        f"anew); {config.epochs} epochs each, of which validation chooses one. No look: the best constant answer.",
        f"Turned: the same clouds, each moved by a random element of {group}. Symmetry: how far the answer is "
        "from its promise, relative to its spread, as held-out clouds are moved and renumbered; float64, worst seed.",
        "Seconds of training are the processor's."
        if config.device == "cpu"
        else "Seconds of training are the clock's.",
    ]
    lines.append(clouds.seen)
    if untested:
        lines.append("Where symmetry is -, nothing was tested: moving these clouds changes no number.")
    if clouds.explained:
        lines.append("What elements explain by least squares was taken off the target first.")
    lines += [f"Left out: {METHODS[name].title} ({name}): {reason}." for name, reason in left_out.items()]
    columns = ["network", "weights", SHORT[clouds.kind], "turned", "symmetry", "seconds"]
    return Table(str(clouds), columns, rows, "\n".join(lines))


def _untested(outcomes: Sequence[Outcome]) -> set[str]:
    """The titles of networks whose audit has nothing to say in some seed."""
    return {one["name"] for outcome in outcomes for one in outcome.audits if one["verdict"] == "vacuous"}


def _checks(metrics: Mapping[str, Sequence[float]], names: Sequence[str]) -> list[Check]:
    """Whether the budget was fair: about as many weights in each."""
    counts = {name: metrics[f"{name}_weights"][0] for name in names}
    middle = math.exp(sum(map(math.log, counts.values())) / len(counts))
    name = max(counts, key=lambda one: abs(math.log(counts[one] / middle)))
    worst = counts[name] / middle - 1
    statement = f"All networks have as many weights, to {round(100 * FAIR)} %."
    detail = f"{METHODS[name].title} has {abs(worst):.0%} {'more' if worst > 0 else 'fewer'} than the mean"
    return [Check("compare-weights", statement, abs(worst) <= FAIR, detail)]


def _draw(
    metrics: Mapping[str, Sequence[float]],
    names: Sequence[str],
    clouds: CloudSet,
    untested: Collection[str],
    file: Path,
) -> None:
    ranked = _ranked(metrics, names, clouds.kind)
    figure, (scores, seconds, errors) = new_figure(1, 3, width=10.5, height=1.8 + 0.28 * len(ranked))
    colours = [f"C{number}" for number in range(10)] + ["k"] * (len(METHODS) - 10)
    for place, name in enumerate(ranked):
        colour = colours[list(METHODS).index(name)]
        for shift, key, style in ((-0.14, name, "full"), (0.14, f"{name}_turned", "none")):
            values = metrics[key]
            label = {"full": "as they are", "none": "turned"}[style] if place == 0 else None
            scores.plot(values, [place + shift] * len(values), "o", color=colour, fillstyle=style, label=label)
        for axes, key in ((seconds, f"{name}_seconds"), (errors, f"{name}_symmetry")):
            if axes is errors and METHODS[name].title in untested:
                continue
            values = [max(value, 1e-17) for value in metrics[key]]
            axes.plot(values, [place] * len(values), "o", color=colour)
    guess = sum(metrics["guess"]) / len(metrics["guess"])
    scores.axvline(guess, color="0.5", linestyle=":", label="the best constant answer")
    scores.set(title=SCORES[clouds.kind].capitalize(), yticks=range(len(ranked)))
    scores.set_yticklabels([METHODS[name].title for name in ranked])
    figure.legend(*scores.get_legend_handles_labels(), loc="outside lower left", ncols=3, frameon=False)
    seconds.set(title="Seconds of training", xlim=(0, None))
    errors.set(title="Symmetry error", xscale="log")
    for axes in (seconds, errors):
        axes.set(yticks=range(len(ranked)), yticklabels=[])
    for axes in (scores, seconds, errors):
        axes.set_ylim(len(ranked) - 0.5, -0.5)
    save_figure(figure, file)
