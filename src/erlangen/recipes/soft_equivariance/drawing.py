"""What the experiments with networks show alike: rows of a table, and three kinds of panels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from erlangen.recipes.soft_equivariance.learning import Learned

Metrics = Mapping[str, Sequence[float]]


def spread(metrics: Metrics, name: str, digits: int = 3) -> str:
    """Mean and deviation over seeds, in words.

    >>> spread({"a": [1.0, 3.0]}, "a"), spread({"a": [0.5]}, "a")
    ('2 ± 1.41', '0.5')
    """
    values = torch.tensor(metrics[name], dtype=torch.float64)
    return f"{values.mean():.{digits}g}" + (f" ± {values.std():.{digits}g}" if len(values) > 1 else "")


def mean(metrics: Metrics, name: str) -> float:
    """The mean over seeds."""
    return sum(metrics[name]) / len(metrics[name])


def draw_course(panels: Sequence[Any], courses: Iterable[Learned], candidates: Mapping[str, Any]) -> None:
    """Violations (first panel) and strengths (second panel) of each candidate over steps, a line for each seed."""
    for number, learned in enumerate(courses):
        for colour, name in enumerate(candidates):
            for panel, what in zip(panels, ("violation", "strength"), strict=True):
                label = name if number == 0 else None
                values = learned.course[f"{what}_{name}"]
                panel.plot(learned.steps, values, color=f"C{colour}", linewidth=0.9, alpha=0.8, label=label)
    for panel, what in zip(panels, ("violation $R_g$", "strength $\\lambda_g$"), strict=True):
        panel.set(xlabel="step", ylabel=what, yscale="log")
    panels[0].legend(fontsize=7)


def draw_broken(panel: Any, metrics: Metrics, titles: Mapping[str, str], candidates: Iterable[str]) -> None:
    """Bars of how far each network is from each candidate, with the range over seeds; ``titles`` by prefix."""
    names = list(candidates)
    width = 0.8 / len(names)
    for colour, name in enumerate(names):
        values = [torch.tensor(metrics[f"{prefix}_{name}"], dtype=torch.float64) for prefix in titles]
        means = torch.stack([v.mean() for v in values])
        ends = torch.stack([torch.stack([v.mean() - v.min(), v.max() - v.mean()]) for v in values]).T
        places = torch.arange(len(titles)) + (colour - (len(names) - 1) / 2) * width
        panel.bar(places, means, width, yerr=ends.clamp_min(0), color=f"C{colour}", label=name, error_kw={"lw": 0.8})
    panel.set(ylabel="how far from the symmetry", ylim=(0, None))
    panel.set_xticks(range(len(titles)), list(titles.values()), fontsize=7, rotation=20, ha="right")
    panel.legend(fontsize=7, ncols=len(names), loc="lower center", bbox_to_anchor=(0.5, 1.0))


def draw_errors(panel: Any, metrics: Metrics, titles: Mapping[str, str], label: str) -> None:
    """The error of each network on the test, a dot for each seed and a line for the mean."""
    for place, prefix in enumerate(titles):
        values = list(metrics[prefix])
        panel.plot([place] * len(values), values, "o", color="C0", markersize=3, alpha=0.6)
        panel.plot([place - 0.3, place + 0.3], [mean(metrics, prefix)] * 2, color="C0")
    every = [value for prefix in titles for value in metrics[prefix]]
    panel.set(ylabel=label, yscale="log" if max(every) > 3 * min(every) else "linear")
    panel.set_xticks(range(len(titles)), list(titles.values()), fontsize=7, rotation=20, ha="right")
