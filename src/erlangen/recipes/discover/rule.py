"""The rule: when a symmetry of data is called exact, approximate or absent.

It rests on two measurements on samples that no training has seen, each with its interval. With ``T f(x)`` the answer
for a sample that is moved by a random element of the group, moved back:

* the *growth* of the squared error from ``f(x)`` to ``T f(x)``. Where the law of the data keeps the symmetry, both are
  equally good predictions, whatever the network is: the growth is 1. Where it breaks the symmetry, ``T f(x)`` is wrong
  by as much as it is broken, which adds to the error;
* the *relative error*, how far ``T f(x)`` is from ``f(x)``, where 1 is how far answers for different samples are.

From the upper end of the growth follows what may be *hidden*: the largest relative error of the data's own law that
would have left no more trace.

Both take moved samples for samples as they might be. Where they are like none of the data (upright clouds laid on their
side), the network is asked for what it never learned, and a symmetry that is kept may look broken, not the other way.

The network that is asked is the one that predicts best on the samples for validation, of several that were trained with
penalties of different strength, and without any: a penalty that hides what breaks a symmetry is paid for in error.
"""

from __future__ import annotations

from dataclasses import dataclass

from erlangen.audit.discovery import LARGE, Finding, size_of_error

#: A squared error that grows by less is taken for one that does not.
TOLERATED = 1.1
#: The largest relative error that may hide behind an exact symmetry: half of what makes it absent.
HIDDEN = LARGE / 2
#: Of what varies in the answers the network has to explain so much, or nothing is said to be kept.
EXPLAINED = 0.5

Interval = tuple[float, float]

RULE = f"""\
  exact        the squared error of moved samples does not grow (to more than {TOLERATED} times), and in the interval of
               its growth no more than a relative error of {HIDDEN} could hide
  approximate  it grows, but the relative error is below {LARGE}: less than a tenth of what varies breaks the symmetry
  absent       it grows, and the relative error is above {LARGE}
  undecided    an interval holds its limit; or nothing is seen, by a network that explains less than {EXPLAINED:.0%} of
               the variance
"""


@dataclass(frozen=True)
class Evidence:
    """What was measured of one candidate.

    Attributes:
        error: relative error.
        error_interval: its interval.
        growth: of the squared error by moving.
        growth_interval: its interval.
        hidden: the largest relative error that the growth leaves room for.
    """

    error: float
    error_interval: Interval
    growth: float
    growth_interval: Interval
    hidden: float


def judge(evidence: Evidence, explained: float) -> tuple[Finding, str]:
    """The finding about one candidate, and what decided.

    Args:
        evidence: about the candidate.
        explained: the share of the variance of held-out answers that the network explains.

    >>> judge(Evidence(0.02, (0.01, 0.03), 1.01, (0.9, 1.04), 0.04), 0.9)[0]
    'exact'
    >>> judge(Evidence(0.2, (0.18, 0.22), 3.0, (2.5, 3.5), 0.25), 0.9)[0]
    'approximate'
    >>> judge(Evidence(0.7, (0.6, 0.8), 9.0, (7.0, 11.0), 0.8), 0.9)[0]
    'absent'
    """
    low, high = evidence.growth_interval
    finding: Finding = size_of_error(evidence.error_interval) if low > TOLERATED else "undecided"
    if finding == "absent":  # what grows is seen, however little else the network has learned
        return finding, "the error grows"
    if not explained >= EXPLAINED:
        return "undecided", f"the network explains {max(explained, 0.0):.0%} of the variance only"
    if low > TOLERATED:
        return finding, "the error grows" + (f", and the relative error is about {LARGE}" * (finding == "undecided"))
    if evidence.hidden <= HIDDEN:
        return "exact", f"the error does not grow; at most {evidence.hidden:.2g} is hidden"
    return "undecided", f"the error may grow, by a factor from {low:.2g} to {high:.2g}"
