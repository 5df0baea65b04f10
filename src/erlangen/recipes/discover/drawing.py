"""The figure: errors with intervals; and, where something was trained, distances and strengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erlangen.audit.discovery import LARGE, Finding
from erlangen.recipes.discover.rule import TOLERATED
from erlangen.report import new_figure, save_figure

if TYPE_CHECKING:
    from erlangen.recipes.discover.training import Trained

COLOURS: dict[str, str] = {"exact": "C2", "approximate": "C1", "absent": "C3", "undecided": "0.5"}
SMALLEST = 1e-4


@dataclass(frozen=True)
class Shown:
    """A candidate as the figure shows it."""

    name: str
    finding: Finding
    error: float
    interval: tuple[float, float]
    growth: float = 1.0
    growth_interval: tuple[float, float] = (1.0, 1.0)


def draw(
    found: Sequence[Shown],
    file: Path,
    trained: Trained | None = None,
    strengths: Mapping[str, Sequence[float]] | None = None,
) -> None:
    """Draws what was found; of a training also how the distances fell, and the strengths in the end."""
    panels = 4 if trained is not None and strengths is not None else 1
    figure, axes = new_figure(1, panels, width=2.9 * panels + 1.4, height=2.1 + 0.26 * len(found))
    _bars(axes[0], found, [(one.error, *one.interval) for one in found], LARGE, (SMALLEST, 1.5))
    axes[0].set(title="Relative error", xlabel=f"absent above {LARGE}")
    _name_rows(axes[0], [one.name for one in found])
    if trained is not None and strengths is not None:
        growths = [(one.growth, *one.growth_interval) for one in found]
        edge = 1.3 * max(TOLERATED, *(high for _, _, high in growths))
        _bars(axes[1], found, growths, TOLERATED, (min(0.7, *(low for _, low, _ in growths)), edge))
        axes[1].set(title="Growth of the squared error", xlabel=f"broken above {TOLERATED}")
        _distances(axes[2], found, trained)
        _strengths(axes[3], found, strengths)
    names = [name for name in COLOURS if any(one.finding == name for one in found)]
    marks = [axes[0].plot([], [], "o", color=COLOURS[name], label=name)[0] for name in names]
    figure.legend(handles=marks, loc="outside lower left", ncols=len(names), frameon=False)
    save_figure(figure, file)


def _name_rows(axes: Any, names: Sequence[str]) -> None:
    """One row per candidate, the first on top; without names where they stand on another panel."""
    axes.set(ylim=(len(names) - 0.5, -0.5), yticks=range(len(names)))
    axes.set_yticklabels(names)


def _bars(
    axes: Any,
    found: Sequence[Shown],
    values: Sequence[tuple[float, float, float]],
    limit: float,
    span: tuple[float, float],
) -> None:
    """Numbers with their intervals, and the limit that matters; what is smaller than the span stands at its edge."""
    for place, (one, (value, low, high)) in enumerate(zip(found, values, strict=True)):
        colour = COLOURS[one.finding]
        axes.plot([max(low, span[0]), max(high, span[0])], [place, place], color=colour, linewidth=2)
        axes.plot(max(value, span[0]), place, "o", color=colour)
    axes.axvline(limit, color="0.5", linestyle=":")
    axes.set(xscale="log", xlim=(0.8 * span[0], span[1]))
    _name_rows(axes, [""] * len(found))


def _distances(axes: Any, found: Sequence[Shown], trained: Trained) -> None:
    """One line per candidate, told apart by its place among those of one finding."""
    styles, used = ("-", "--", ":", "-."), dict.fromkeys(COLOURS, 0)
    for one in found:
        style = styles[used[one.finding] % len(styles)]
        used[one.finding] += 1
        values = [max(value, 1e-12) for value in trained.course[one.name]]
        axes.plot(trained.steps, values, style, color=COLOURS[one.finding], label=one.name, linewidth=1)
    axes.axvline(trained.tuned_at, color="0.5", linestyle=":")
    axes.set(yscale="log", xlabel="step; strengths are tuned at the line", title="Distance of the weights")
    axes.legend(fontsize=7)


def _strengths(axes: Any, found: Sequence[Shown], strengths: Mapping[str, Sequence[float]]) -> None:
    for place, one in enumerate(found):
        values = strengths[one.name]
        axes.plot(values, [place] * len(values), "o", color=COLOURS[one.finding], fillstyle="none")
    axes.set(xscale="log", title="Learned strength", xlabel="every seed")
    _name_rows(axes, [""] * len(found))
