"""What an audit found, as an object, a table, a figure and JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from erlangen.groups import Symmetry

#: What a verdict means, in the words of the table.
VERDICTS = {
    "exact": "kept to the rounding of float64",
    "float32": "kept to the rounding of float32 (constants or casts inside, or no float64 to try)",
    "approximate": "kept within its bound",
    "unbounded": "measured, not judged: the promise names no bound",
    "in_expectation": "kept by the mean, within its standard error",
    "breaks": "broken",
    "vacuous": "says nothing: the inputs were not moved, or the outputs do not vary beyond rounding",
    "unsteady": "cannot be told: the same input gives different outputs",
}
#: Below this share of their spread inputs do not count as moved.
STILL = 1e-12
KEPT = ("exact", "float32", "approximate", "in_expectation")


@dataclass(frozen=True)
class LayerReport:
    """One layer's local check: ``error`` is ``None`` where the layer declares nothing and was not checked."""

    name: str
    kind: str
    verdict: str
    error: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Worst:
    """Where the largest error was found."""

    element: str
    output: str
    index: tuple[int, ...]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass
class Report:
    r"""The result of an audit.

    Errors are largest absolute differences between :math:`f(g \cdot x)` and :math:`g \cdot f(x)`, divided by the spread
    (standard deviation over elements and samples) of the output they belong to.

    Attributes:
        symmetry: the promise, with its sizes bound.
        verdict: "exact", "float32", "approximate", "in_expectation", "breaks", "vacuous" or "unsteady".
        error: the largest relative error, in float64 where the module has it.
        mean: the mean over elements.
        per_element: error by element.
        per_output: error by output leaf.
        worst: the element, output and index of the largest error.
        num_bad: number of elements above the tolerance.
        error32: the largest error in float32.
        error64: the largest error in float64, ``None`` when the module does not run in float64.
        floor32: rounding of the module itself, :math:`|f_{32}(x) - f_{64}(x)|` over the spread.
        control: error of the identity under another random seed.
        moved_in: how far the elements moved the inputs, relative to their spread.
        moved_out: how far the outputs moved, relative to theirs.
        action_floor: for resampled inputs, :math:`|g^{-1} (g \cdot x) - x|` over the spread of x.
        alone: largest change of a sample's output when the sample is run without the rest of its batch; ``None`` when
            that was not tried.
        tolerance: the error that was still accepted for this verdict.
        forwards: calls of the module.
        seconds: wall time.
        layers: local checks, when asked for.
        notes: sentences about what was assumed, or could not be done.
        others: further promises of the same module; the report itself is that of the worst.
    """

    symmetry: Symmetry
    verdict: str
    error: float
    mean: float
    per_element: dict[str, float]
    per_output: dict[str, float]
    worst: Worst | None
    num_bad: int
    error32: float | None
    error64: float | None
    floor32: float
    control: float
    moved_in: float
    moved_out: float
    action_floor: float | None
    alone: float | None
    tolerance: float
    forwards: int
    seconds: float
    layers: list[LayerReport] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    others: list[Report] = field(default_factory=list)

    def holds(self, tol: float | None = None) -> bool:
        """Whether the promise is kept.

        Args:
            tol: the largest relative error accepted instead of the verdict's own tolerance. Runs that cannot tell
                (vacuous, unsteady) never hold.
        """
        if any(not other.holds(tol) for other in self.others):
            return False
        if tol is None:
            return self.verdict in KEPT
        return self.verdict not in ("vacuous", "unsteady") and self.error <= tol

    def table(self) -> str:
        """The report as plain text."""
        bounded = math.isfinite(self.tolerance)
        accepted = f", accepted {self.tolerance:.0e}" if bounded else ""
        rows = [
            ("promise", repr(self.symmetry)),
            ("verdict", f"{self.verdict}: {VERDICTS[self.verdict if bounded else 'unbounded']}"),
            ("error", f"{self.error:.2e} largest, {self.mean:.2e} mean" + accepted),
        ]
        if self.worst is not None:
            rows.append(("worst at", f"{self.worst.element}, {self.worst.output}{list(self.worst.index)}"))
        rows.append(("elements", f"{self.num_bad} bad of {len(self.per_element)}"))
        if self.error64 is not None and self.error32 is not None:
            rows.append(("float64, float32", f"{self.error64:.2e}, {self.error32:.2e}; rounding {self.floor32:.1e}"))
        rows.append(("inputs, outputs moved", f"{self.moved_in:.2g}, {self.moved_out:.2g}"))
        if self.action_floor is not None:
            rows.append(("resampling alone", f"{self.action_floor:.2e}"))
        if self.alone is not None:
            rows.append(("alone or in a batch", f"{self.alone:.2e}"))
        if len(self.per_output) > 1:
            rows.extend((f"  {name}", f"{error:.2e}") for name, error in self.per_output.items())
        rows.extend((f"  {name}", f"{error:.2e}") for name, error in self._worst_elements())
        if self.symmetry.holds_where:
            rows.append(("holds where", self.symmetry.holds_where))
        rows.extend(("assumed", sentence) for sentence in self.symmetry.assumed)
        rows.extend(("note", sentence) for sentence in self.notes)
        rows.append(("cost", f"{self.forwards} forwards, {self.seconds:.2f} s"))
        width = max(len(label) for label, _ in rows)
        lines = [f"{label:<{width}}  {text}" for label, text in rows]
        if self.layers:
            lines += ["", *self._layer_lines()]
        for other in self.others:
            lines += ["", other.table()]
        return "\n".join(lines)

    def _worst_elements(self, count: int = 3) -> list[tuple[str, float]]:
        if self.num_bad == 0:
            return []
        return sorted(self.per_element.items(), key=lambda item: -item[1])[:count]

    def _layer_lines(self) -> list[str]:
        width = max(len(layer.name) for layer in self.layers)
        kinds = max(len(layer.kind) for layer in self.layers)
        return [
            f"{layer.name:<{width}}  {layer.kind:<{kinds}}  {layer.verdict}"
            + (f"  {layer.error:.2e}" if layer.error is not None else "")
            + (f"  ({layer.note})" if layer.note else "")
            for layer in self.layers
        ]

    def figure(self) -> Any:
        """A matplotlib figure: the error of every element against what was accepted, and of every layer.

        Raises:
            MissingExtra: when matplotlib is not installed.
        """
        from erlangen.extras import require

        figures = require("matplotlib.figure", "recipes", "Report.figure()")
        checked = [layer for layer in self.layers if layer.error is not None]
        fig = figures.Figure(figsize=(8 if checked else 6, 3.2), layout="constrained")
        axes = fig.subplots(1, 2 if checked else 1, squeeze=False)[0]
        values = sorted(self.per_element.values(), reverse=True)
        smallest = 1e-18  # a logarithmic axis has no zero
        axes[0].semilogy(range(1, len(values) + 1), [max(v, smallest) for v in values], "o", ms=4, label="element")
        if math.isfinite(self.tolerance):
            axes[0].axhline(max(self.tolerance, smallest), color="tab:red", lw=1, label="accepted")
        if self.action_floor is not None:
            axes[0].axhline(max(self.action_floor, smallest), color="tab:gray", ls=":", label="resampling alone")
        axes[0].set(
            xlabel="element, worst first", ylabel="relative error", title=f"{self.symmetry.group}: {self.verdict}"
        )
        axes[0].legend(frameon=False)
        if checked:
            errors = [max(layer.error or 0.0, smallest) for layer in checked]
            axes[1].barh([layer.name for layer in checked], errors, log=True)
            axes[1].invert_yaxis()
            axes[1].set(xlabel="local error", title="layers")
        return fig

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values; what is infinite (an error of NaN, a bound that is not there) becomes ``None``."""
        worst = self.worst
        values = {
            "symmetry": repr(self.symmetry),
            "group": repr(self.symmetry.group),
            "kind": self.symmetry.kind,
            "bound": self.symmetry.bound,
            "holds_where": self.symmetry.holds_where,
            "assumed": list(self.symmetry.assumed),
            "verdict": self.verdict,
            "holds": self.holds(),
            "error": self.error,
            "mean": self.mean,
            "per_element": dict(self.per_element),
            "per_output": dict(self.per_output),
            "worst": None if worst is None else [worst.element, worst.output, list(worst.index)],
            "num_bad": self.num_bad,
            "error32": self.error32,
            "error64": self.error64,
            "floor32": self.floor32,
            "control": self.control,
            "moved_in": self.moved_in,
            "moved_out": self.moved_out,
            "action_floor": self.action_floor,
            "alone": self.alone,
            "tolerance": self.tolerance,
            "forwards": self.forwards,
            "seconds": self.seconds,
            "layers": [
                _finite({"name": x.name, "kind": x.kind, "verdict": x.verdict, "error": x.error, "note": x.note})
                for x in self.layers
            ],
            "notes": list(self.notes),
            "others": [other.to_dict() for other in self.others],
        }
        return _finite(values)

    def __str__(self) -> str:
        return self.table()
