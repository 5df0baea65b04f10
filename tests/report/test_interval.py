"""The drawing of an interval says what the verdict says."""

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlangen.report import Claim, Verdict, interval_svg, judge


def drawn(claim, verdict):
    """Places in the drawing: the shaded side, the ends of the bounds, the effect, and the labels with theirs."""
    root = ElementTree.fromstring(interval_svg(claim, verdict))
    side = root.find("rect[@class='side']")
    left = float(side.get("x"))
    bounds = [path.get("d") for path in root.findall("path[@class='bounds']")]
    ends = [float(x) for x in re.findall(r"[MH](-?[\d.]+)", bounds[0])] if bounds else None
    effect = float(root.find("circle[@class='effect']").get("cx"))
    labels = [(float(text.get("x")), text.text) for text in root.findall("text")]
    return (left, left + float(side.get("width"))), ends, effect, labels


numbers = st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)), min_size=3, max_size=5)


@given(numbers, st.sampled_from(["<", ">", "=="]), st.sampled_from(["difference", "ratio"]), st.floats(1, 50))
def test_a_claim_holds_if_and_only_if_its_bar_lies_on_the_shaded_side(pairs, relation, form, margin):
    claim = Claim("c", "A sentence.", relation, margin=margin, form=form, required_seeds=3)
    verdict = judge(claim, [a for a, _ in pairs], [b for _, b in pairs])
    (left, right), ends, effect, labels = drawn(claim, verdict)
    low, high = ends or (effect, effect)
    assert low - 0.1 <= effect <= high + 0.1
    assert 0 <= left <= right <= 340 and 0 <= low and high <= 340 and all(0 <= x <= 340 for x, _ in labels)
    if verdict.holds:
        assert left - 0.1 <= low and high <= right + 0.1
    elif min(abs(a - b) for a in (low, high) for b in (left, right)) > 0.2:  # told apart at the drawing's resolution
        assert not (left <= low and high <= right)


@pytest.mark.parametrize(
    ("relation", "margin", "form", "words"),
    [
        (">", 0.05, "difference", "claimed: above 0.05"),
        ("<", -0.5, "difference", "claimed: below −0.5"),
        ("<", 0.5, "ratio", "claimed: below 0.5"),
        ("==", 0.1, "difference", "claimed: −0.1 to 0.1"),
        ("==", 2.0, "ratio", "claimed: 0.5 to 2"),
    ],
)
def test_the_margin_is_written_above(relation, margin, form, words):
    claim = Claim("c", "A sentence.", relation, margin=margin, form=form, required_seeds=1)
    assert drawn(claim, judge(claim, 2.0, 1.0))[3][0][1] == words


@pytest.mark.parametrize(
    ("form", "low", "high", "labels"),
    [
        ("difference", 0.0824, 0.1196, ["0.06", "0.08", "0.1", "0.12"]),
        ("difference", -414.0, 395.0, ["−400", "−200", "0", "200", "400"]),
        ("difference", 1e-9, 3e-9, ["0", "0.02", "0.04"]),
        ("ratio", 40.22, 59.99, ["0.1", "1", "10", "100"]),
        ("ratio", 0.9, 1.3, ["0.2", "0.5", "1"]),
    ],
)
def test_labels_below_the_axis_are_round_and_tell_each_other_apart(form, low, high, labels):
    claim = Claim("c", "A sentence.", ">", margin=0.05 if form == "difference" else 0.2, form=form)
    found = drawn(claim, Verdict("holds", (low + high) / 2, (low, high), 5, ""))[3][1:]
    words = [word for _, word in found]
    assert len(set(words)) == len(words) >= 2
    places = [x for x, _ in found]
    assert places == sorted(places) and min(b - a for a, b in pairwise(places)) > 15
    assert words == labels


def test_bounds_that_lie_beyond_every_number_end_in_arrows():
    claim = Claim("c", "A sentence.", ">", margin=1.0, form="ratio", required_seeds=2)
    verdict = judge(claim, [1e300, 1.0], [1e-300, 1.0])
    assert verdict.interval == (0.0, math.inf)
    svg = interval_svg(claim, verdict)
    assert svg.count("l5 5l-5 5") + svg.count("l-5 5l5 5") == 2 and "nan" not in svg and "inf" not in svg


def test_without_a_spread_there_is_a_dot_and_without_an_effect_nothing():
    claim = Claim("c", "A sentence.", ">")
    dot = interval_svg(claim, Verdict("undecided", 0.3, None, 1, ""))
    assert "circle" in dot and 'class="bounds"' not in dot and "Effect 0.3; claimed: ours - baseline &gt; 0" in dot
    assert interval_svg(claim, Verdict("not measurable here", None, None, 0, "")) == ""


@given(st.floats(-1e150, 1e150), st.floats(0, 1e150), st.sampled_from([0.0, 1e-300, 1.0, -1e100]))
def test_no_size_of_numbers_breaks_the_drawing(centre, half, margin):
    claim = Claim("c", "A sentence.", ">", margin=margin)
    svg = interval_svg(claim, Verdict("undecided", centre, (centre - half, centre + half), 5, ""))
    ElementTree.fromstring(svg)
    assert "nan" not in svg and "inf" not in svg
