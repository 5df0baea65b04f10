"""The semantics of claims, by hand and against simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from erlangen.report import Claim, judge


def claim(relation=">", margin=0.0, form="difference", required_seeds=5):
    return Claim("c", "A sentence.", relation, margin=margin, form=form, required_seeds=required_seeds)


def test_interval_is_that_of_a_paired_t_test():
    ours, baseline = [0.9, 0.85, 0.93, 0.88, 0.91], [0.8, 0.83, 0.81, 0.79, 0.86]
    verdict = judge(claim(), ours, baseline)
    expected = stats.ttest_rel(ours, baseline).confidence_interval(0.90)  # two one-sided 95 % bounds
    assert verdict.interval == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert verdict.effect == pytest.approx(np.mean(np.subtract(ours, baseline)))
    assert (verdict.verdict, verdict.holds, verdict.n) == ("holds", True, 5)


@pytest.mark.parametrize("form", ["difference", "ratio"])
@pytest.mark.parametrize("relation", ["<", ">"])
@pytest.mark.parametrize("n", [3, 5, 10])
def test_without_an_effect_a_claim_holds_in_five_percent_of_runs(form, relation, n):
    rng, runs = np.random.default_rng(0), 4000
    shared = rng.normal(size=(runs, n, 1))  # what the seed does to both, and the pairing removes
    values = 5 * shared + rng.normal(size=(runs, n, 2))
    values = np.exp(values / 4) if form == "ratio" else values
    one = claim(relation, 1.0 if form == "ratio" else 0.0, form, required_seeds=n)
    verdicts = [judge(one, list(run[:, 0]), list(run[:, 1])).verdict for run in values]
    sampling = 3 * math.sqrt(0.05 * 0.95 / runs)
    assert verdicts.count("holds") / runs <= 0.05 + sampling
    assert verdicts.count("does not hold") / runs <= 0.05 + sampling
    assert verdicts.count("holds") / runs >= 0.05 - sampling  # and it is not decided by refusing to decide


def test_an_effect_at_the_edge_of_equality_is_called_equal_in_at_most_five_percent():
    rng, runs = np.random.default_rng(1), 4000
    one = claim("==", 1.0)
    differences = 1.0 + 0.3 * rng.normal(size=(runs, 5))
    holds = sum(judge(one, list(run), 0.0).verdict == "holds" for run in differences)
    assert holds / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_a_large_effect_is_found():
    rng = np.random.default_rng(2)
    found = [judge(claim(), list(3 + rng.normal(size=5)), 0.0).verdict == "holds" for _ in range(500)]
    assert np.mean(found) > 0.95


@given(
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=5, max_size=8),
    st.floats(-10, 10),
)
def test_less_is_greater_with_the_sides_exchanged(pairs, margin):
    ours, baseline = [a for a, _ in pairs], [b for _, b in pairs]
    forward = judge(claim("<", margin), ours, baseline)
    backward = judge(claim(">", -margin), baseline, ours)
    assert forward.verdict == backward.verdict


@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), min_size=5, max_size=8))
def test_a_ratio_is_a_difference_of_logarithms(pairs):
    ours, baseline = [a for a, _ in pairs], [b for _, b in pairs]
    ratio = judge(claim(">", 1.25, "ratio"), ours, baseline)
    logs = judge(claim(">", math.log(1.25)), [math.log(a) for a in ours], [math.log(b) for b in baseline])
    assert ratio.verdict == logs.verdict
    assert ratio.effect == pytest.approx(math.exp(logs.effect))


@pytest.mark.parametrize(
    ("relation", "margin", "form", "ours", "baseline", "expected"),
    [
        (">", 0.0, "difference", 2.0, 1.0, "holds"),
        (">", 1.0, "difference", 2.0, 1.0, "does not hold"),  # strictly larger
        ("<", 0.0, "difference", 1.0, 1.0, "does not hold"),
        ("<", 0.5, "ratio", 1.0, 4.0, "holds"),
        ("<", 0.5, "ratio", 3.0, 4.0, "does not hold"),
        (">", 2.0, "ratio", 9.0, 4.0, "holds"),
        ("==", 0.0, "difference", 4.0, 4.0, "holds"),
        ("==", 0.0, "difference", 4.0, 4.1, "does not hold"),
        ("==", 1.2, "ratio", 11.0, 10.0, "holds"),
        ("==", 1.2, "ratio", 10.0, 13.0, "does not hold"),
    ],
)
def test_a_deterministic_claim_needs_one_measurement_and_says_so(relation, margin, form, ours, baseline, expected):
    verdict = judge(claim(relation, margin, form, required_seeds=1), ours, baseline)
    assert (verdict.verdict, verdict.n) == (expected, 1)
    assert verdict.reason.startswith("deterministic (n = 1)")


def test_a_deterministic_claim_whose_measurements_differ_is_undecided():
    one = claim(required_seeds=1)
    assert judge(one, [2.0, 2.0], [1.0, 1.0]).verdict == "holds"
    assert judge(one, [2.0, 2.1], [1.0, 1.0]).reason.startswith("declared deterministic, but its 2 measurements differ")


def test_too_few_seeds_are_undecided_however_clear():
    verdict = judge(claim(), [9.0, 9.1, 9.0, 9.1], [1.0, 1.0, 1.0, 1.0])
    assert (verdict.verdict, verdict.holds, verdict.reason) == ("undecided", None, "4 of 5 required seeds")
    assert verdict.interval is not None
    single = judge(claim(), [9.0], [1.0])
    assert (single.verdict, single.interval, single.effect) == ("undecided", None, 8.0)


def test_a_crossing_interval_is_undecided_and_the_other_side_does_not_hold():
    assert judge(claim(), [1.0, -1.0, 1.0, -1.0, 1.0], 0.0).verdict == "undecided"
    assert judge(claim(), [-1.0, -1.1, -1.0, -1.1, -1.0], 0.0).verdict == "does not hold"


def test_equal_differences_have_an_interval_of_no_width():
    assert judge(claim(), [2.0] * 5, [1.0] * 5).interval == (1.0, 1.0)
    assert judge(claim(), [1.0] * 5, [1.0] * 5).verdict == "does not hold"


@pytest.mark.parametrize(
    ("ours", "baseline", "reason"),
    [
        (None, 1.0, "ours was not measured"),
        ([], [], "ours was not measured"),
        ([1.0, 2.0], None, "baseline was not measured"),
        ([1.0, math.nan], [1.0, 1.0], "ours is missing at seed number 1"),
        ([1.0, None], [1.0, 1.0], "ours is missing at seed number 1"),
        ([1.0, 1.0], [math.inf, 1.0], "baseline is inf at seed number 0"),
        ([1e300, 1.0], [-1e300, 1.0], "a difference is larger than 1e+150"),
    ],
)
def test_missing_numbers_are_not_measurable(ours, baseline, reason):
    verdict = judge(claim(), ours, baseline)
    assert (verdict.verdict, verdict.holds, verdict.effect, verdict.reason) == (
        "not measurable here",
        None,
        None,
        reason,
    )


def test_a_ratio_takes_positive_numbers():
    verdict = judge(claim(">", 1.0, "ratio"), [1.0, 0.0], [1.0, 1.0])
    assert verdict.reason == "ours is 0 at seed number 1; a ratio takes positive numbers"
    wide = judge(claim(">", 1.0, "ratio", 2), [1e300, 1.0], [1e-300, 1.0])
    assert wide.interval == (0.0, math.inf) and wide.verdict == "undecided"


def test_unpaired_sequences_are_refused():
    with pytest.raises(ValueError, match="ours has 2 numbers and baseline 3"):
        judge(claim(), [1.0, 2.0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"relation": ">="}, "relation is '>='; it takes '<', '>' or '=='"),
        ({"form": "quotient"}, "form is 'quotient'; it takes 'difference' or 'ratio'"),
        ({"required_seeds": 0}, "required_seeds is 0; it takes a whole number from 1"),
        ({"margin": math.nan}, "margin is nan; it takes a finite number"),
        ({"form": "ratio", "margin": 0.0}, "margin is 0.0; a ratio takes a positive margin"),
        ({"relation": "==", "margin": -1.0}, "margin is -1.0; '==' takes at least 0 for a difference"),
        ({"relation": "==", "form": "ratio", "margin": 0.5}, "margin is 0.5; '==' takes at least 1 for a ratio"),
    ],
)
def test_meaningless_claims_are_refused(fields, message):
    build = Claim.__init__
    while hasattr(build, "__wrapped__"):  # run-time type checks would refuse wrong literals earlier
        build = build.__wrapped__
    with pytest.raises(ValueError) as caught:
        build(object.__new__(Claim), **{"name": "c", "statement": "A sentence.", "relation": ">"} | fields)
    assert message in str(caught.value)


def test_criterion_reads_as_the_rule():
    assert claim(">", -0.02).criterion == "ours - baseline > -0.02"
    assert claim("<", 0.5, "ratio").criterion == "ours / baseline < 0.5"
    assert claim("==", 0.1).criterion == "|ours - baseline| <= 0.1"
    assert claim("==", 2.0, "ratio").criterion == "0.5 <= ours / baseline <= 2"
