"""From numbers to a word."""

from __future__ import annotations

from typing import NamedTuple

from erlangen.groups import Symmetry

#: float64 rounds 2^29 times finer than float32.
FINER = 2.0**-29


class Judgement(NamedTuple):
    """A verdict, and the largest error that it accepts."""

    verdict: str
    tolerance: float


def accepted(floor32: float) -> float:
    """The largest float64 error that rounding explains."""
    return max(1e3 * floor32 * FINER, 1e-11)


def judge(
    symmetry: Symmetry,
    precise: bool,
    worst64: dict[str, float],
    worst32: dict[str, float],
    floors: dict[str, float],
    action_floor: float | None,
) -> Judgement:
    """Leaf by leaf against the floor of that leaf: no leaf hides behind another.

    Args:
        symmetry: the promise.
        precise: whether the float64 errors are from float64 runs.
        worst64: largest error per leaf, best dtype.
        worst32: largest error per leaf, float32.
        floors: rounding per leaf in float32.
        action_floor: what resampling alone does, if inputs are resampled.
    """
    exact = {n: accepted(f) for n, f in floors.items()}
    strict = max(exact.values(), default=accepted(0.0))
    if precise and all(worst64[n] <= exact[n] for n in floors):
        return Judgement("exact", strict)
    single = {n: max(30 * f, 1e-5) for n, f in floors.items()}
    double = {n: max(30 * f, 1e-6) for n, f in floors.items()} if precise else single
    if all(worst64[n] <= double[n] and worst32[n] <= single[n] for n in floors):
        return Judgement("float32", max(double.values(), default=1e-6))
    if symmetry.kind != "approximate":
        return Judgement("breaks", strict)
    bound = symmetry.bound
    if bound is None:
        bound = float("inf") if action_floor is None else 2 * action_floor
    return Judgement("approximate" if max(worst64.values()) <= bound else "breaks", bound)
