"""From numbers to a word."""

from __future__ import annotations

from typing import NamedTuple

from erlangen.groups import Symmetry

#: float64 rounds 2^29 times finer than float32.
FINER = 2.0**-29


#: Rounding in float32 excuses at most this share of a spread where float64 comes out, as only constants and casts
#: inside can be to blame; an offset of the output, large in float32, must not excuse a break that float64 shows.
INSIDE = 1e-4
#: Where only float32 comes out, an error above this share that rounding explains may be rounding or a break.
OPAQUE = 1e-2


class Judgement(NamedTuple):
    """A verdict, the largest error that it accepts, and what there is to add."""

    verdict: str
    tolerance: float
    note: str = ""


def accepted(floor32: float) -> float:
    """The largest float64 error that rounding explains."""
    return max(1e3 * floor32 * FINER, 1e-11)


def judge(
    symmetry: Symmetry,
    precise: bool,
    worst64: dict[str, float],
    worst32: dict[str, float],
    floors: dict[str, float],
    coarse: set[str],
) -> Judgement:
    """Leaf by leaf against the floor of that leaf: no leaf hides behind another.

    Args:
        symmetry: the promise.
        precise: whether the float64 errors are from float64 runs.
        worst64: largest error per leaf, best dtype.
        worst32: largest error per leaf, float32.
        floors: rounding per leaf in float32.
        coarse: the leaves that are float32 numbers whatever the module runs in.
    """
    exact = {n: accepted(f) for n, f in floors.items()}
    strict = max(exact.values(), default=accepted(0.0))
    if precise and all(worst64[n] <= exact[n] for n in floors):
        return Judgement("exact", strict)
    single = {n: max(30 * f, 1e-5) for n, f in floors.items()}
    double = {n: max(30 * f, 1e-6) for n, f in floors.items()} if precise else single
    most = {n: OPAQUE if n in coarse else INSIDE for n in floors}
    rounding = {n for n in floors if worst64[n] <= double[n] and worst32[n] <= single[n]}
    if all(n in rounding and worst64[n] <= most[n] for n in floors):
        return Judgement("float32", max(min(double[n], most[n]) for n in floors))
    if symmetry.kind == "approximate":
        bound = float("inf") if symmetry.bound is None else symmetry.bound
        return Judgement("approximate" if max(worst64.values()) <= bound else "breaks", bound)
    if all(n in rounding and (n in coarse or worst64[n] <= most[n]) for n in floors):
        share = f"{max(floors.values()):.0e} of the outputs' spread"
        return Judgement("vacuous", strict, f"float32 rounds to {share}, which could hide a break")
    return Judgement("breaks", strict)
