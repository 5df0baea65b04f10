"""What is said of all seeds together: in how many of them something is in the claimed order."""

from __future__ import annotations

import math
from collections.abc import Sequence

LEAST_SEEDS = 5
MOST = 0.79
"""What a share of seeds is compared with by claims that say "four of five"."""


def share(found: Sequence[bool]) -> list[float]:
    """The share of seeds in which something was found, as a metric of one number; no number of fewer than five seeds.

    >>> share([True, True, False, True, True]), share([True, True])
    ([0.8], [nan])
    """
    return [sum(found) / len(found) if len(found) >= LEAST_SEEDS else math.nan]
