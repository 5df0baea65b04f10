"""The rule: when a symmetry of data is called exact, approximate or absent.

It rests on two measurements on samples that no training has seen, each with its interval. With ``T f(x)`` the answer
for a sample that is moved by a random element of the group, moved back:

* the *cost of moving*, by what share the squared error of ``T f(x)`` is larger than that of ``f(x)``. If the law of the
  data keeps the symmetry, both are equally good predictions, whatever the network is: the cost is zero. If it breaks
  the symmetry, ``T f(x)`` is wrong by as much as it is broken, which adds to the error;
* the *relative error*, how far ``T f(x)`` is from ``f(x)``, where 1 is how far answers for different samples are.

The network that is asked is the one that predicts best on the samples for validation, of several that were trained with
penalties of different strength, and without any: a penalty that hides what breaks a symmetry is paid for in error.
"""

from __future__ import annotations

from dataclasses import dataclass

from erlangen.audit.discovery import LARGE, Finding, size_of_error

#: Costs up to this share of the squared error are taken for none.
TOLERATED = 0.1
#: Of what varies in the answers the network has to explain so much, or nothing is said.
EXPLAINED = 0.5

Interval = tuple[float, float]

RULE = f"""\
  exact        moving costs nothing: the squared error grows by at most {TOLERATED:.0%}
  approximate  moving costs more, but the relative error is below {LARGE}: less than a tenth of what varies breaks it
  absent       moving costs more, and the relative error is above {LARGE}
  undecided    an interval holds its limit, or the network explains less than {EXPLAINED:.0%} of the variance
"""


@dataclass(frozen=True)
class Evidence:
    """What was measured of one candidate, with intervals.

    Attributes:
        error: relative error.
        error_interval: its interval.
        cost: of moving.
        cost_interval: its interval.
    """

    error: float
    error_interval: Interval
    cost: float
    cost_interval: Interval


def judge(evidence: Evidence, explained: float) -> tuple[Finding, str]:
    """The finding about one candidate, and what decided.

    Args:
        evidence: about the candidate.
        explained: the share of the variance of held-out answers that the network explains.

    >>> judge(Evidence(0.02, (0.01, 0.03), 0.01, (0.0, 0.02)), 0.9)[0]
    'exact'
    >>> judge(Evidence(0.2, (0.18, 0.22), 2.0, (1.5, 2.5)), 0.9)[0]
    'approximate'
    >>> judge(Evidence(0.7, (0.6, 0.8), 9.0, (7.0, 11.0)), 0.9)[0]
    'absent'
    """
    if not explained >= EXPLAINED:
        return "undecided", f"the network explains {max(explained, 0.0):.0%} of the variance only"
    low, high = evidence.cost_interval
    if high <= TOLERATED:
        return "exact", f"moving costs {_share(evidence.cost)} of the error"
    if not low > TOLERATED:
        return "undecided", f"moving costs from {_share(low)} to {_share(high)} of the error"
    finding = size_of_error(evidence.error_interval)
    reason = f"moving costs {_share(evidence.cost)} of the error"
    return finding, f"{reason}; the relative error is about {LARGE}" if finding == "undecided" else reason


def _share(cost: float) -> str:
    return f"{cost:.0%}" if abs(cost) < 10 else f"{cost:.0f} times"
