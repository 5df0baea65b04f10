"""The figure: errors with intervals; and, where something was trained, distances and strengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erlangen.audit.discovery import LARGE, Finding
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


def draw(
    found: Sequence[Shown],
    file: Path,
    trained: Trained | None = None,
    strengths: Mapping[str, Sequence[float]] | None = None,
) -> None:
    """Draws what was found; of a training also how the distances fell, and the strengths in the end."""
    panels = 3 if trained is not None and strengths is not None else 1
    figure, axes = new_figure(1, panels, width=3.6 * panels + 1.2, height=1.7 + 0.3 * len(found))
    _errors(axes[0], found)
    if trained is not None and strengths is not None:
        _distances(axes[1], found, trained)
        _strengths(axes[2], found, strengths)
    names = [name for name in COLOURS if any(one.finding == name for one in found)]
    marks = [axes[0].plot([], [], "o", color=COLOURS[name], label=name)[0] for name in names]
    figure.legend(handles=marks, loc="outside lower left", ncols=len(names), frameon=False)
    save_figure(figure, file)


def _rows(axes: Any, found: Sequence[Shown], named: bool) -> None:
    axes.set(ylim=(len(found) - 0.5, -0.5), yticks=range(len(found)))
    axes.set_yticklabels([one.name for one in found] if named else [])


def _errors(axes: Any, found: Sequence[Shown]) -> None:
    for place, one in enumerate(found):
        low, high = (max(value, SMALLEST) for value in one.interval)
        axes.plot([low, high], [place, place], color=COLOURS[one.finding], linewidth=2)
        axes.plot(max(one.error, SMALLEST), place, "o", color=COLOURS[one.finding])
    axes.axvline(LARGE, color="0.5", linestyle=":")
    axes.set(xscale="log", xlim=(SMALLEST * 0.7, 2), xlabel="0.3: absent above", title="Relative error")
    _rows(axes, found, named=True)


def _distances(axes: Any, found: Sequence[Shown], trained: Trained) -> None:
    """One line per candidate, told apart by its place among those of one finding."""
    styles, used = ("-", "--", ":", "-."), dict.fromkeys(COLOURS, 0)
    for one in found:
        style = styles[used[one.finding] % len(styles)]
        used[one.finding] += 1
        values = [max(value, 1e-12) for value in trained.course[one.name]]
        axes.plot(trained.steps, values, style, color=COLOURS[one.finding], label=one.name, linewidth=1)
    axes.set(yscale="log", xlabel="step", title=f"Distance of the weights (from {trained.start:g})")
    axes.legend(fontsize=7)


def _strengths(axes: Any, found: Sequence[Shown], strengths: Mapping[str, Sequence[float]]) -> None:
    for place, one in enumerate(found):
        values = strengths[one.name]
        axes.plot(values, [place] * len(values), "o", color=COLOURS[one.finding], fillstyle="none")
    axes.set(xscale="log", title="Learned strength, every seed")
    _rows(axes, found, named=False)
