"""A claim's interval as a small drawing: the claimed side shaded, the margin marked, the bounds and the effect on top.

Colours come from the page's style: ``.side``, ``.margin``, ``.axis``, ``.bounds`` and ``.effect`` are classes of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from erlangen.report.claims import Claim, Verdict

_WIDTH, _HEIGHT, _EDGE = 340, 66, 14
_TOP, _MIDDLE, _BASE = 17, 31, 45
_CHARACTER = 6.2  # width of a digit at the size of the labels


def short(value: float | None, digits: int = 3) -> str:
    """A number in a few digits, with a real minus.

    >>> short(-0.12345), short(1.5e-7), short(None), short(float("inf"))
    ('−0.123', '1.5e−07', '–', '∞')
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}g}".replace("-", "−")


def interval_svg(claim: Claim, verdict: Verdict) -> str:
    """Draws a verdict's interval, or returns nothing where no effect could be measured.

    The axis is linear for a difference and logarithmic for a ratio. What lies beyond every number ends in an arrow.
    """
    if verdict.effect is None:
        return ""
    low, high = verdict.interval or (verdict.effect, verdict.effect)
    scale = _Scale.around(claim, [low, verdict.effect, high])
    x_low, x_high, x_effect = scale(low), scale(high), scale(verdict.effect)
    parts = [*_sides(claim, scale), f'<path class="axis" d="M{_EDGE} {_BASE}H{_WIDTH - _EDGE}"/>', *_ticks(scale)]
    if verdict.interval is not None and x_high > x_low:
        parts.append(f'<path class="bounds" d="M{x_low:.1f} {_MIDDLE}H{x_high:.1f}"/>')
        parts += [_end(x_low, low in (0, -math.inf), -1), _end(x_high, high == math.inf, 1)]
    parts.append(f'<circle class="effect" cx="{x_effect:.1f}" cy="{_MIDDLE}" r="4.5"/>')
    spoken = f"Effect {short(verdict.effect)}"
    if verdict.interval is not None:
        spoken += f", bounds {short(low)} to {short(high)}"
    label = f"{spoken}; claimed: {claim.criterion}".replace("<", "&lt;").replace(">", "&gt;")
    return (
        f'<svg class="interval" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


@dataclass(frozen=True)
class _Scale:
    """From numbers to places on the drawing; numbers out of range go to its edge."""

    first: float
    last: float
    transform: Callable[[float], float]
    logarithmic: bool

    @classmethod
    def around(cls, claim: Claim, values: list[float]) -> _Scale:
        logarithmic = claim.form == "ratio"
        transform = math.log if logarithmic else float
        wanted = [*values, *_margins(claim)]
        places = [transform(value) for value in wanted if math.isfinite(value) and (value > 0 or not logarithmic)]
        first, last = min(places), max(places)
        pad = 0.14 * (last - first) or 0.2 * abs(first) or 1.0
        return cls(first - pad, last + pad, transform, logarithmic)

    def __call__(self, value: float) -> float:
        if self.logarithmic and value <= 0:
            return float(_EDGE)
        place = min(max(self.transform(value), self.first), self.last)
        return _EDGE + (_WIDTH - 2 * _EDGE) * (place - self.first) / (self.last - self.first)

    def ticks(self) -> list[float]:
        """A few round numbers."""
        if not self.logarithmic:
            return _round_numbers(self.first, self.last)
        decades = (self.last - self.first) / math.log(10)
        if decades < 1:
            return _round_numbers(math.exp(self.first), math.exp(self.last))
        step, factors = math.ceil(decades / 5), (1, 2, 5) if decades < 2.5 else (1,)
        powers = range(math.floor(self.first / math.log(10)), math.floor(self.last / math.log(10)) + 1)
        values = [
            factor * 10.0**power for power in powers if power % step == 0 and -300 < power < 300 for factor in factors
        ]
        return [value for value in values if self.first <= math.log(value) <= self.last]


def _margins(claim: Claim) -> list[float]:
    if claim.relation != "==":
        return [claim.margin]
    return [1 / claim.margin, claim.margin] if claim.form == "ratio" else [-claim.margin, claim.margin]


def _sides(claim: Claim, scale: _Scale) -> list[str]:
    """The claimed side, its border, and the margin's number above it."""
    borders = [scale(margin) for margin in _margins(claim)]
    left = _EDGE if claim.relation == "<" else borders[0]
    right = _WIDTH - _EDGE if claim.relation == ">" else borders[-1]
    parts = [
        f'<rect class="side" x="{left:.1f}" y="{_TOP}" width="{max(right - left, 0):.1f}" height="{_BASE - _TOP}"/>'
    ]
    parts += [f'<path class="margin" d="M{x:.1f} {_TOP - 2}V{_BASE}"/>' for x in sorted(set(borders))]
    bounds = " to ".join(short(margin) for margin in dict.fromkeys(_margins(claim)))
    words = {"<": f"claimed: below {bounds}", ">": f"claimed: above {bounds}"}.get(claim.relation, f"claimed: {bounds}")
    half = _CHARACTER * len(words) / 2
    middle = min(max((borders[0] + borders[-1]) / 2, half), _WIDTH - half)
    return [*parts, f'<text x="{middle:.1f}" y="{_TOP - 6}">{words}</text>']


def _ticks(scale: _Scale) -> list[str]:
    parts, free, values = [], -math.inf, scale.ticks()
    for value in values:
        x, words = scale(value), short(value, _digits(values))
        half = _CHARACTER * len(words) / 2
        if x - half < max(free, 0) or x + half > _WIDTH:
            continue
        free = x + half + 8
        parts.append(f'<path class="axis" d="M{x:.1f} {_BASE}v4"/><text x="{x:.1f}" y="{_HEIGHT - 5}">{words}</text>')
    return parts


def _end(x: float, beyond: bool, way: int) -> str:
    """The end of the bounds: a bar, or an arrow where the bound lies beyond every number."""
    if beyond:
        return f'<path class="bounds" d="M{x - 5 * way:.1f} {_MIDDLE - 5}l{5 * way} 5l{-5 * way} 5"/>'
    return f'<path class="bounds" d="M{x:.1f} {_MIDDLE - 6}v12"/>'


def _round_numbers(first: float, last: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, three to six of them."""
    width = (last - first) / 6
    if not 1e-300 < width < 1e300:
        return []
    power = 10.0 ** math.floor(math.log10(width))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= width * 0.999)
    # Multiples of whole numbers, so that zero is zero; rounded, so that 0.3 is not 0.30000000000000004.
    places = 1 - math.floor(math.log10(step))
    return [round(number * step, places) for number in range(math.ceil(first / step), math.floor(last / step) + 1)]


def _digits(values: list[float]) -> int:
    """Digits that tell neighbours apart, at least three."""
    if len(values) < 2:
        return 3
    largest, step = max(map(abs, values)), min(b - a for a, b in pairwise(values))
    return min(max(3, math.floor(math.log10(largest)) - math.floor(math.log10(step) + 1e-9) + 1), 15)
