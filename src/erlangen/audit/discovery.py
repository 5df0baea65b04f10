"""Which symmetries of a list a trained module keeps, and how far it is from the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from erlangen.audit.equivariance import audit
from erlangen.audit.report import KEPT, Report
from erlangen.audit.violation import Violation, measure_violation
from erlangen.groups import Symmetry

Finding = Literal["exact", "approximate", "absent", "undecided"]
#: A symmetry with a larger relative error is absent: its square, the share of what varies that breaks it, is a tenth.
LARGE = 0.3


@dataclass(frozen=True)
class Discovered:
    """What was found about one symmetry.

    Attributes:
        name: of the symmetry.
        finding: "exact", "approximate", "absent" or "undecided".
        error: the relative error, 0 to about 1.
        interval: where it lies for other samples of the kind.
        reason: what decided, in words.
        violation: the numbers, sample by sample.
        report: the audit.
    """

    name: str
    finding: Finding
    error: float
    interval: tuple[float, float]
    reason: str
    violation: Violation
    report: Report


def discover_symmetries(
    module: Callable[..., Any],
    *inputs: Any,
    symmetries: Mapping[str, Symmetry],
    num_elements: int = 16,
    level: float = 0.95,
    seed: int = 0,
) -> list[Discovered]:
    """Tells which symmetries a trained module keeps, by moving a batch of inputs; nothing is trained.

    A symmetry is *exact* where the audit finds nothing but rounding; otherwise *approximate* where the interval of the
    relative error lies below 0.3, *absent* where it lies above, and *undecided* where it holds 0.3, or where the audit
    could not tell. The square of the relative error is the share of what varies in the answers that breaks the
    symmetry; 0.3 is about a tenth.

    Args:
        module: any callable; see :func:`erlangen.audit.audit`.
        inputs: a batch of different samples, such as the module meets; the more, the narrower the intervals.
        symmetries: the candidates by name.
        num_elements: elements per sample.
        level: of the intervals.
        seed: of elements and intervals.

    Raises:
        ValueError: when there are no candidates, or as :func:`measure_violation`.

    Example:
        >>> import torch
        >>> from erlangen.groups import SO, Scalar, Symmetry, Vector, O
        >>> x = torch.randn(100, 2, 3, generator=torch.Generator().manual_seed(0))
        >>> handed = lambda x: torch.linalg.cross(x[:, 0], x[:, 1])  # a right hand, which mirrors make a left one
        >>> candidates = {str(g): Symmetry(g, (Vector(g),), Vector(g)) for g in (SO(3), O(3))}
        >>> [(one.name, one.finding) for one in discover_symmetries(handed, x, symmetries=candidates)]
        [('SO(3)', 'exact'), ('O(3)', 'absent')]
    """
    if not symmetries:
        raise ValueError("discover_symmetries(symmetries): at least one candidate, got none")
    found = []
    for name, symmetry in symmetries.items():
        violation = measure_violation(module, *inputs, symmetry=symmetry, num_elements=num_elements, seed=seed)
        report = audit(module, *inputs, symmetry=symmetry, num_elements=num_elements, seed=seed)
        interval = violation.interval(level, seed)
        finding, reason = _found(report, interval)
        found.append(Discovered(name, finding, violation.error, interval, reason, violation, report))
    return found


def size_of_error(interval: tuple[float, float]) -> Finding:
    """Whether a symmetry that is not exact is approximate or absent, by the interval of its relative error."""
    low, high = interval
    return "approximate" if high <= LARGE else "absent" if low > LARGE else "undecided"


def _found(report: Report, interval: tuple[float, float]) -> tuple[Finding, str]:
    if report.verdict in ("vacuous", "unsteady"):
        return "undecided", "; ".join(report.notes) or report.verdict
    if report.verdict in KEPT and report.verdict != "approximate":  # resampling alone is never exact
        return "exact", f"the audit finds rounding alone ({report.error:.0e})"
    finding = size_of_error(interval)
    words = {"approximate": "below", "absent": "above", "undecided": "about"}
    return finding, f"the relative error is {words[finding]} {LARGE}"
