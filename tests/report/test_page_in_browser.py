"""The page, looked at in a real browser: on a phone, on a desk, in the dark, and on paper.

`.ci/run` installs a browser where there is none; without one these tests are skipped.
"""

import re
import zlib
from itertools import pairwise

import pytest
from tests.report.browser import NAMES, Browser, find_browser
from tests.report.samples import made_up

from erlangen.recipes import quickstart
from erlangen.report import About, Refused, collect, render_page, write_page

pytestmark = pytest.mark.skipif(find_browser() is None, reason=f"needs a browser: none of {', '.join(NAMES)} is here")

PHONE, DESKTOP = 390, 1280
VIEWS = [(PHONE, False), (PHONE, True), (DESKTOP, False), (DESKTOP, True)]

# Contrast by WCAG 2: of each text that an element holds itself, against the nearest background behind it.
CONTRAST = """
(() => {
  const canvas = document.createElement('canvas'); canvas.width = canvas.height = 1;
  const pen = canvas.getContext('2d', {willReadFrequently: true});
  const rgba = colour => {
    pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const e of document.querySelectorAll('body *:not(script):not(.spoken)')) {
    const own = [...e.childNodes].filter(n => n.nodeType === 3 && n.data.trim()).map(n => n.data.trim()).join(' ');
    if (!own || !e.checkVisibility()) continue;
    const style = getComputedStyle(e);
    const ink = light(rgba(e instanceof SVGElement ? style.fill : style.color)), paper = light(behind(e));
    found.push([e.className.baseVal ?? e.className, own,
                (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05)]);
  }
  return found;
})()
"""


@pytest.fixture(scope="module")
def browser():
    with Browser(find_browser()) as browser:
        yield browser


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The results on the page: a made-up one, and one that really ran."""
    folder = tmp_path_factory.mktemp("results")
    made_up(folder / "made-up")
    (folder / "quickstart").mkdir()
    config = quickstart.Config(size="smoke", seeds=1, steps=2, out=folder / "quickstart")
    quickstart.run(config).save(folder / "quickstart" / "result.json")
    return collect([folder])[0]


@pytest.fixture(scope="module")
def page(shown, tmp_path_factory):
    about = {one.path: About("A recipe", "A paper", "erlangen run " + "--option 12345 " * 20) for one in shown}
    refused = [Refused(shown[0].path, "cut off at line 1, column 1; run the recipe again")]
    drawn = render_page(shown, about=about, refused=refused, left_out=shown, sources=["runs", "results"])
    return write_page(tmp_path_factory.mktemp("page") / "index.html", drawn)


@pytest.fixture(params=VIEWS, ids=lambda view: f"{view[0]}-{'dark' if view[1] else 'light'}")
def view(request, browser, page):
    browser.open(page, width=request.param[0], dark=request.param[1])
    return request.param


def test_nothing_is_complained_about_missing_or_fetched(browser, page, view):
    assert browser.complaints == []
    assert {url.partition(",")[0] for url in browser.requests} == {
        page.resolve().as_uri(), "data:image/png;base64", "data:image/svg+xml;base64",
    }  # fmt: skip
    images = browser.value("[...document.images].map(i => [i.alt, i.complete, i.naturalWidth, i.width])")
    assert len(images) == 3 and all(
        alt and complete and natural > 0 and width > 0 for alt, complete, natural, width in images
    )


def test_nothing_is_wider_than_the_screen(browser, view):
    assert browser.value("document.documentElement.scrollWidth") <= view[0]
    assert browser.value("document.body.scrollWidth") <= view[0]
    # What is cut off can be scrolled to: by touch, and by keys.
    scrollers = browser.value(
        "[...document.querySelectorAll('.scroll, .picture')].map(e => [e.scrollWidth > e.clientWidth, e.tabIndex,"
        " getComputedStyle(e).overflowX])"
    )
    assert all(index == 0 and overflow == "auto" for _, index, overflow in scrollers)
    assert view[0] == DESKTOP or any(scrolls for scrolls, _, _ in scrollers)


def test_every_claim_is_readable_with_its_verdict_and_reason(browser, shown, view):
    cards = browser.value(
        "[...document.querySelectorAll('.claim')].map(e => [e.innerText, e.checkVisibility(), e.clientWidth > 300,"
        " getComputedStyle(e.querySelector('.statement')).fontSize])"
    )
    expected = [pair for one in shown for pair in one.result.claims]
    assert len(cards) == len(expected) == 16
    for (text, visible, wide, size), (claim, verdict) in zip(cards, expected, strict=True):
        assert visible and wide and float(size.removesuffix("px")) >= 16
        assert claim.statement in text and verdict.verdict in text
        assert " ".join(verdict.reason.replace("<=", "≤").split("-")[0].split()) in " ".join(text.split())


def test_text_stands_out_from_what_is_behind_it(browser, view):
    found = browser.value(CONTRAST)
    assert len(found) > 200 and [entry for entry in found if entry[2] < 4.5] == []
    chips = [entry for entry in found if str(entry[0]).startswith(("chip", "pill"))]
    assert {kind for entry in chips for kind in entry[0].split()} == {
        "chip", "pill", "holds", "fails", "open", "unknown",
    }  # fmt: skip


def test_every_verdict_has_a_shape_and_a_colour_of_its_own(browser, page):
    browser.open(page)
    chips = browser.value(
        "['holds', 'fails', 'open', 'unknown'].map(k => document.querySelector('.claim .chip.' + k))"
        ".map(e => [e.innerText.trim(), e.querySelector('use').getAttribute('href'), getComputedStyle(e).color])"
    )
    assert [chip[0] for chip in chips] == ["holds", "does not hold", "undecided", "not measurable here"]
    assert all(len({chip[index] for chip in chips}) == 4 for index in (1, 2))


def test_the_words_of_a_drawing_do_not_run_into_each_other_or_out_of_it(browser, page):
    browser.open(page, width=PHONE)
    drawings = browser.value(
        "[...document.querySelectorAll('svg.interval')].map(svg => [svg, ...svg.querySelectorAll('text')]"
        ".map(e => e.getBoundingClientRect()).map(r => [r.left, r.right, r.top, r.bottom]))"
    )
    assert len(drawings) == 14
    for frame, title, *ticks in drawings:
        assert all(
            frame[0] - 1 <= box[0] and box[1] <= frame[1] + 1 and box[3] <= frame[3] + 1 for box in (title, *ticks)
        )
        assert all(a[1] + 2 < b[0] for a, b in pairwise(ticks))


def test_the_numbers_by_seed_open_without_a_script(browser, page):
    browser.open(page, width=PHONE)
    script = (
        "(() => { const d = document.querySelector('details'); d.querySelector('summary').click(); return d.open })()"
    )
    assert browser.value(script) is True
    assert browser.value("document.querySelector('details table').checkVisibility()")
    assert browser.value("document.documentElement.scrollWidth") <= PHONE


def test_paper_holds_all_of_it_and_keeps_figures_and_claims_whole(browser, page):
    browser.open(page, width=680, media="print", dark=True)  # the width of A4 between its margins
    assert browser.value("document.documentElement.scrollWidth") <= 680
    wide = browser.value("[...document.querySelectorAll('table, img')].map(e => e.getBoundingClientRect().right)")
    assert max(wide) <= 680
    kept = browser.value(
        "[...document.querySelectorAll('.claim, figure, tr')].map(e => getComputedStyle(e).breakInside)"
    )
    assert set(kept) == {"avoid"}
    assert browser.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert [entry for entry in browser.value(CONTRAST) if entry[2] < 4.5] == []
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF-") and pdf.rstrip().endswith(b"%%EOF")
    assert 4 <= len(re.findall(rb"/Type\s*/Page\b", _unpacked(pdf))) <= 20


def _unpacked(pdf):
    """A PDF with its compressed streams opened."""
    parts = [pdf]
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, flags=re.DOTALL):
        try:
            parts.append(zlib.decompress(stream))
        except zlib.error:
            continue
    return b"\n".join(parts)
