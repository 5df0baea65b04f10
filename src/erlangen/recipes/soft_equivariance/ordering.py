"""Which symmetry stands out: the kept one beside the others of a seed, and in how many seeds it is in front."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

LEAST_SEEDS = 5
MOST = 0.79
"""What a share of seeds is compared with by claims that say "four of five"."""


def ahead(own: Sequence[float], others: Sequence[float]) -> list[float]:
    """The share of seeds in which one strength is larger than the others, as a metric of one number.

    A lead of less than a twentieth is a tie. Of fewer than five seeds there is no such number.

    >>> ahead([1.0, 1.0, 0.2, 1.0, 1.0], [0.1, 0.9, 1.0, 0.99, 0.3]), ahead([1.0], [0.1])
    ([0.6], [nan])
    """
    found = [first > 1.05 * second for first, second in zip(own, others, strict=True)]
    return [sum(found) / len(found) if len(found) >= LEAST_SEEDS else math.nan]


def beside(metrics: Mapping[str, float], prefix: str, kept: str, candidates: Iterable[str]) -> dict[str, float]:
    """The least error and the largest strength of all candidates but the one that is kept.

    >>> metrics = {"soft_xy": 0.1, "soft_yz": 0.5, "soft_strength_xy": 1.0, "soft_strength_yz": 0.2}
    >>> beside(metrics, "soft", "xy", ["xy", "yz"])
    {'soft_least_other': 0.5, 'soft_largest_other': 0.2}
    """
    others = [name for name in candidates if name != kept]
    return {
        f"{prefix}_least_other": min(metrics[f"{prefix}_{name}"] for name in others),
        f"{prefix}_largest_other": max(metrics[f"{prefix}_strength_{name}"] for name in others),
    }
