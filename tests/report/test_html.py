"""What stands on the page, and that the page needs nothing else."""

import html
import re

import pytest
from tests.report.samples import CLAIMS, made_up

from erlangen.report import About, ForeignFileError, Refused, Result, collect, render_page, write_page


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    made_up(folder)
    return folder


@pytest.fixture(scope="module")
def found(folder):
    return collect([folder])[0]


def words(page):
    """The page's text as a reader sees it."""
    body = re.sub(r"<style>.*?</style>|<svg class=\"symbols\".*?</svg>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_everything_of_a_result_is_on_the_page(found):
    about = About("A made-up recipe", "Doe, A paper, 2020", "erlangen run made-up")
    text = words(render_page(found, about={found[0].path: about}, sources=["runs"]))
    for claim, verdict in found[0].result.claims:
        assert claim.statement in text and verdict.verdict in text
    for part in (
        "A made-up recipe.", "Doe, A paper, 2020", "erlangen run made-up", "read from runs", "10 claims in 1 result",
        "2 hold", "2 do not hold", "4 undecided", "2 not measurable here",
        "[0.0824, 0.1196] lies on the claimed side of ours - baseline > 0.05 (n = 5)", "bounds 0.0824 to 0.12",
        "3 of 5 required seeds", "experiment 'large' was not run", "claimed ours − 0.25 > 0", "n 1 (deterministic)",
        "Counted apart: 1 of 2 checks passed, 1 failed", "failed Odd is even. 1 is odd", "mean ± deviation over seeds",
        "1.25e−07", "Two curves that cross", "theirs breaks - -", "date 2026-03-14 15:09 UTC", "torch 2.6.0",
        "commit 0123456789ab (modified: the code had changes that are not in it)", "time 12.6 min",
        "widths [64, 64, 128]", "seed ours theirs 0 0.912 0.801",
    ):  # fmt: skip
        assert part in text, part


def test_a_claim_that_fails_is_shown_as_one_that_holds_is(found):
    page = render_page(found)
    cards = dict(re.findall(r'<li class="claim (\w+)" id="[\w-]+">(.*?)</li>', page, flags=re.DOTALL))
    shapes = {kind: re.findall(r"<(\w+)", re.sub(r"<table>.*?</table>", "", card)) for kind, card in cards.items()}
    assert set(shapes) == {"holds", "fails", "open", "unknown"}
    assert shapes["fails"][: shapes["fails"].index("path")] == shapes["holds"][: shapes["holds"].index("path")]


def test_the_page_asks_for_nothing_and_runs_nothing(found):
    page = render_page(found, refused=[Refused(found[0].path, "a <script>reason</script>")])
    assert "<script" not in page and "javascript:" not in page and not re.search(r"\son\w+=", page)
    addresses = re.findall(r'(?:src|href|action|data)="([^"]*)"', page) + re.findall(r"url\(([^)]*)\)", page)
    assert {re.split(r"[,#]", address)[0] for address in addresses} == {
        "", "data:", "data:image/png;base64", "data:image/svg+xml;base64",
    }  # fmt: skip
    assert "@import" not in page and "http" not in re.sub(r"base64,[\w+/=]+", "", page).replace("http-equiv", "")
    anchors, targets = re.findall(r'href="#([^"]+)"', page), re.findall(r'\sid="([^"]+)"', page)
    assert set(anchors) <= set(targets) and len(set(targets)) == len(targets)


def test_what_a_file_says_cannot_become_part_of_the_page(tmp_path):
    bad = "</style><script>alert(1)</script><img src=x onerror=alert(1)>'\"&{{ 7 * 7 }} HALF"
    path = made_up(
        tmp_path, recipe=bad, config={bad: bad}, environment={"python": bad, "packages": bad, bad: bad, "commit": bad},
        figures={bad.replace("/", ""): bad}, audits=[{"name": bad, "verdict": bad, "symmetry": bad, "error": bad}],
    )  # fmt: skip
    path.write_text(path.read_text().replace("HALF", "\\ud800"))  # half of a character, which JSON can say
    page = render_page(collect([path])[0], about={path: About(bad, bad, bad)})
    assert "<script" not in page and "<img src=x" not in page and "{{ 7 * 7 }}" in words(page)
    assert words(page).count("alert(1)") >= 10


def test_equal_results_give_equal_pages(found):
    assert render_page(found) == render_page(found)


def test_a_figure_that_is_gone_is_named_and_the_rest_shown(tmp_path):
    path = made_up(tmp_path)
    (tmp_path / "curves.png").unlink()
    page = render_page(collect([path])[0])
    assert "curves.png cannot be shown: the file is missing." in words(page)
    assert page.count("<img ") == 1 and "Two curves that cross" in page


def test_several_results_of_one_recipe_are_told_apart(tmp_path):
    for name in ("first", "second"):
        made_up(tmp_path / name)
    found, _ = collect([tmp_path])
    page = render_page(found)
    assert 'id="made-up"' in page and 'id="made-up-2"' in page and page.count("first/result.json") == 3
    one = render_page(found[:1], left_out=found[1:])
    assert f"Not shown: an older result, small, 2026-03-14, {found[1].path.as_posix()}" in words(one)


def test_a_result_with_nothing_in_it_is_still_a_page(tmp_path):
    bare = {"environment": {}, "metrics": {}, "config": {}, "seeds": [], "status": "partial", "size": "smoke"}
    path = Result(recipe="bare", **bare).save(tmp_path / "result.json")
    text = words(render_page(collect([path])[0]))
    assert "0 claims in 1 result" in text and "no claims" in text and "unknown: not run from a repository" in text
    assert "Partial: experiments or seeds are missing" in text and "too small to be evidence" in text


def test_only_a_page_of_ours_is_overwritten(found, tmp_path):
    page = render_page(found)
    path = write_page(tmp_path / "index.html", page)
    assert write_page(path, page).read_text("utf-8") == page
    (tmp_path / "theirs.html").write_text("<!doctype html><title>mine</title>")
    (tmp_path / "empty.html").touch()
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "link.html").symlink_to(tmp_path / "nothing")
    before = sorted(tmp_path.iterdir())
    for name, reason in {
        "theirs.html": "is not a page that `erlangen report` wrote",
        "empty.html": "is not a page that `erlangen report` wrote",
        "folder.html": "is a folder",
        "link.html": "is a link to nothing",
    }.items():
        with pytest.raises(ForeignFileError, match=f"{name} {reason}"):
            write_page(tmp_path / name, page)
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "theirs.html").read_text() == "<!doctype html><title>mine</title>"


def test_the_samples_show_every_verdict_and_relation():
    assert {claim.relation for claim in CLAIMS} == {"<", ">", "=="}
    assert {claim.form for claim in CLAIMS} == {"difference", "ratio"}
