r"""Claims, written before a run, and the verdicts that a run's numbers give them.

A claim compares two metrics, *ours* :math:`a_i` and the *baseline* :math:`b_i`, measured with the same seeds
:math:`i = 1 \dots n`. The pairing removes what the two share (the split, the order of batches, the test set).

Effect
------
``form="difference"``: :math:`d_i = a_i - b_i`, the effect is :math:`\bar d`.
``form="ratio"``: :math:`d_i = \log(a_i / b_i)`, the effect is :math:`\exp \bar d`, the geometric mean of the ratios;
all numbers must be positive.

The claim says ``effect RELATION margin``:

* ``>`` with a difference: :math:`\delta > m`. ``margin=0``: larger; ``0.05``: larger by at least 0.05; ``-0.02``: not
  worse by 0.02.
* ``<`` with a difference: :math:`\delta < m`. ``margin=-0.05``: smaller by at least 0.05.
* ``>``, ``<`` with a ratio: ``margin=2``: more than twice; ``0.5``: less than half; ``1``: larger or smaller at all.
* ``==``: equal to within the margin, :math:`|\delta| \le m` for a difference (:math:`m \ge 0`) and
  :math:`1/m \le \text{ratio} \le m` for a ratio (:math:`m \ge 1`).

Interval
--------
With :math:`s^2 = \frac{1}{n-1}\sum_i (d_i - \bar d)^2` and :math:`t` the 95 % quantile of Student's distribution with
:math:`n - 1` degrees of freedom,

.. math:: L = \bar d - t\,s/\sqrt n, \qquad U = \bar d + t\,s/\sqrt n.

Each end is a one-sided 95 % bound (of a ratio: its exponential). If the :math:`d_i` are normal, the true effect lies
below :math:`L` in 5 % of all repetitions, and above :math:`U` in 5 %.

Verdict
-------
============  =======================  ===========================  ==========
relation      holds                    does not hold                undecided
============  =======================  ===========================  ==========
``>``         :math:`L > m`            :math:`U \le m`              otherwise
``<``         :math:`U < m`            :math:`L \ge m`              otherwise
``==``        :math:`[L,U]` inside     :math:`[L,U]` outside        otherwise
============  =======================  ===========================  ==========

So a claim whose effect sits exactly on its margin "holds" in at most 5 % of all runs, and a claim that is true by a
hair "does not hold" in at most 5 %. Fewer pairs than ``required_seeds`` are always undecided. A number that is missing,
not finite, or not positive in a ratio makes the claim "not measurable here": dropping the pair would favour whoever
fails more often.

Deterministic claims
--------------------
``required_seeds=1`` declares that a repetition gives the same number. Then :math:`n = 1`, :math:`L = U = \bar d`, and
the verdict says so. Several measurements must agree exactly; if they differ, the declaration is wrong and the claim is
undecided.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import stdtrit

Relation = Literal["<", ">", "=="]
Form = Literal["difference", "ratio"]
Numbers = Sequence[int | float | None] | int | float | None  # one per seed; a number alone; nothing
Outcome = Literal["holds", "does not hold", "undecided", "not measurable here"]

CONFIDENCE = 0.95
_LARGEST = 1e150  # its square is still a number


@dataclass(frozen=True)
class Claim:
    """A sentence written before the run, and the comparison that decides it.

    Args:
        name: Short identifier, unique within a recipe.
        statement: The sentence, as a reader should see it.
        relation: How the effect stands to the margin: ``"<"``, ``">"`` or ``"=="``.
        margin: What the effect is compared with; see the module's equations.
        form: ``"difference"`` (ours - baseline) or ``"ratio"`` (ours / baseline).
        required_seeds: Pairs below which the claim stays undecided; 1 declares a deterministic claim.
        experiment: Experiment whose metrics are compared.
        ours: Name of our metric in that experiment.
        baseline: Name of the baseline's metric, or a number that does not depend on the seed.

    Raises:
        ValueError: If a field has no meaning, e.g. a negative margin with ``"=="``.
    """

    name: str
    statement: str
    relation: Relation
    margin: int | float = 0.0
    form: Form = "difference"
    required_seeds: int = 5
    experiment: str = ""
    ours: str = ""
    baseline: str | int | float = ""

    def __post_init__(self) -> None:
        where = f"claim {self.name!r}"
        if not self.name or not self.statement:
            raise ValueError(f"{where}: name and statement must not be empty")
        if self.relation not in ("<", ">", "=="):
            raise ValueError(f"{where}: relation is {self.relation!r}; it takes '<', '>' or '=='")
        if self.form not in ("difference", "ratio"):
            raise ValueError(f"{where}: form is {self.form!r}; it takes 'difference' or 'ratio'")
        if self.required_seeds < 1:
            raise ValueError(f"{where}: required_seeds is {self.required_seeds}; it takes a whole number from 1")
        if not math.isfinite(self.margin):
            raise ValueError(f"{where}: margin is {self.margin}; it takes a finite number")
        if self.form == "ratio" and self.margin <= 0:
            raise ValueError(f"{where}: margin is {self.margin}; a ratio takes a positive margin")
        if self.relation == "==" and self.margin < (1 if self.form == "ratio" else 0):
            least = "at least 1 for a ratio" if self.form == "ratio" else "at least 0 for a difference"
            raise ValueError(f"{where}: margin is {self.margin}; '==' takes {least}")

    @property
    def deterministic(self) -> bool:
        """Whether one measurement decides."""
        return self.required_seeds == 1

    @property
    def criterion(self) -> str:
        """The comparison in symbols, e.g. ``"ours - baseline > 0.05"``."""
        left = "ours - baseline" if self.form == "difference" else "ours / baseline"
        if self.relation != "==":
            return f"{left} {self.relation} {self.margin:g}"
        if self.form == "difference":
            return f"|{left}| <= {self.margin:g}"
        return f"{1 / self.margin:g} <= {left} <= {self.margin:g}"


@dataclass(frozen=True)
class Verdict:
    """What the numbers say about a claim.

    Args:
        verdict: ``"holds"``, ``"does not hold"``, ``"undecided"`` or ``"not measurable here"``.
        effect: Mean difference, or geometric mean ratio; None where it could not be measured.
        interval: The two one-sided 95 % bounds; None where there are none.
        n: Number of pairs.
        reason: Why, in one sentence.
    """

    verdict: Outcome
    effect: float | None
    interval: tuple[float, float] | None
    n: int
    reason: str

    @property
    def holds(self) -> bool | None:
        """True, False, or None where the numbers do not decide."""
        return {"holds": True, "does not hold": False}.get(self.verdict)


def judge(claim: Claim, ours: Numbers, baseline: Numbers) -> Verdict:
    """Judges one claim by paired measurements.

    Args:
        claim: The claim.
        ours: One number per seed (a number alone: one measurement; None: missing).
        baseline: One number per seed, in the same order, or a number that does not depend on the seed.

    Returns:
        The verdict, by the rules in this module's description.

    Raises:
        ValueError: If the two sequences differ in length: they are not pairs.

    >>> claim = Claim("better", "Ours is more accurate.", ">", margin=0.0, required_seeds=3)
    >>> judge(claim, [0.9, 0.92, 0.91], [0.8, 0.83, 0.8]).verdict
    'holds'
    >>> judge(claim, [0.9, 0.7, 0.91], [0.8, 0.83, 0.8]).verdict
    'undecided'
    >>> judge(claim, [0.9, 0.92], [0.8, 0.83]).reason
    '2 of 3 required seeds'
    """
    pairs = _pairs(claim, ours, baseline)
    if isinstance(pairs, str):
        return Verdict("not measurable here", None, None, 0, pairs)
    values = [math.log(a) - math.log(b) if claim.form == "ratio" else a - b for a, b in pairs]
    if any(abs(value) > _LARGEST for value in values):
        return Verdict("not measurable here", None, None, 0, f"a difference is larger than {_LARGEST:g}")
    margin = math.log(claim.margin) if claim.form == "ratio" else claim.margin
    if claim.deterministic:
        return _deterministic(claim, values, margin)

    n, centre = len(values), math.fsum(values) / len(values)
    if n < 2:
        return Verdict("undecided", _effect(claim, centre), None, n, f"{n} of {claim.required_seeds} required seeds")
    spread = math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (n - 1))
    half = float(stdtrit(n - 1, CONFIDENCE)) * spread / math.sqrt(n)
    low, high = centre - half, centre + half
    outcome = _decide(claim, low, high, margin)
    effect, bounds = _effect(claim, centre), (_effect(claim, low), _effect(claim, high))
    if n < claim.required_seeds:
        return Verdict("undecided", effect, bounds, n, f"{n} of {claim.required_seeds} required seeds")
    return Verdict(outcome, effect, bounds, n, _reason(claim, outcome, bounds, n))


def _pairs(claim: Claim, ours: Numbers, baseline: Numbers) -> list[tuple[float, float]] | str:
    """Pairs of finite numbers, or the reason why there are none."""
    for side, given in (("ours", ours), ("baseline", baseline)):
        if given is None or (not isinstance(given, (int, float)) and len(given) == 0):
            return f"{side} was not measured"
    first = [ours] if isinstance(ours, (int, float)) else list(ours or ())
    second = [baseline] * len(first) if isinstance(baseline, (int, float)) else list(baseline or ())
    if len(first) != len(second):
        raise ValueError(
            f"claim {claim.name!r}: ours has {len(first)} numbers and baseline {len(second)}; "
            f"pairs take one of each per seed"
        )
    pairs = []
    for index, (a, b) in enumerate(zip(first, second, strict=True)):
        for side, value in (("ours", a), ("baseline", b)):
            if value is None or not math.isfinite(value):
                return f"{side} is {'missing' if value is None or math.isnan(value) else value} at seed number {index}"
            if claim.form == "ratio" and value <= 0:
                return f"{side} is {value:g} at seed number {index}; a ratio takes positive numbers"
        pairs.append((float(a), float(b)))  # type: ignore[arg-type]
    return pairs


def _deterministic(claim: Claim, values: list[float], margin: float) -> Verdict:
    value = values[0]
    effect = _effect(claim, value)
    if any(other != value for other in values):
        low, high = _effect(claim, min(values)), _effect(claim, max(values))
        reason = f"declared deterministic, but its {len(values)} measurements differ ({low:.4g} to {high:.4g})"
        return Verdict("undecided", effect, None, len(values), reason)
    outcome = _decide(claim, value, value, margin)
    yes = "" if outcome == "holds" else "not "
    reason = f"deterministic (n = 1): effect {effect:.4g}, {yes}{claim.criterion}"
    return Verdict(outcome, effect, (effect, effect), 1, reason)


def _decide(claim: Claim, low: float, high: float, margin: float) -> Literal["holds", "does not hold", "undecided"]:
    if claim.relation == ">":
        holds, fails = low > margin, high <= margin
    elif claim.relation == "<":
        holds, fails = high < margin, low >= margin
    else:
        holds, fails = low >= -margin and high <= margin, low > margin or high < -margin
    return "holds" if holds else "does not hold" if fails else "undecided"


def _effect(claim: Claim, value: float) -> float:
    if claim.form == "difference":
        return value
    return math.exp(value) if value < 709 else math.inf


def _reason(claim: Claim, outcome: str, bounds: tuple[float, float], n: int) -> str:
    where = {
        "holds": "lies on the claimed side of",
        "does not hold": "lies on the other side of",
        "undecided": "crosses",
    }[outcome]
    return f"[{bounds[0]:.4g}, {bounds[1]:.4g}] {where} {claim.criterion} (n = {n})"
