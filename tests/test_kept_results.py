"""The evidence kept in ``results/``: one result per recipe; whole, small, and without anything else in it."""

import json
import re
from pathlib import Path

import pytest

from erlangen.recipes import CATALOG
from erlangen.report import Claim, Result, ResultError, inline_image, judge_claims

KEPT = Path(__file__).parents[1] / "results"
NAMES = [entry.name for entry in CATALOG]
NOTHING_YET = f"{KEPT.name}/ is not there: no evidence is kept yet (`make results` makes it)"


def require_all(kept):
    """Fails unless there is one folder for each recipe, and none of anything else."""
    folders = {path.name for path in kept.iterdir() if path.is_dir()}
    missing, unknown = sorted(set(NAMES) - folders), sorted(folders - set(NAMES))
    assert not missing, f"{kept} lacks the result of {', '.join(missing)}: make results RECIPES='{' '.join(missing)}'"
    assert not unknown, f"{kept} holds {', '.join(unknown)}, and no recipe has that name"


def require_evidence(kept, name):
    """Fails unless the result of a recipe is whole, small, says what it ran on, and has the verdicts it should have."""
    folder = kept / name
    result = Result.load(folder / "result.json")  # which judges its claims again, and refuses other verdicts
    again = judge_claims([claim for claim, _ in result.claims], result.metrics)
    assert result.claims and [v.verdict for _, v in result.claims] == [v.verdict for _, v in again]
    assert (result.recipe, result.size, result.status) == (name, "small", "complete")
    assert result.environment["commit"] and result.environment["date"] and result.environment["packages"]["torch"]
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"result.json", *result.figures}
    for figure in result.figures:
        assert inline_image(folder, figure).address and (folder / figure).stat().st_size < 100_000
    text = (folder / "result.json").read_text("utf-8")
    assert len(text) < 500_000 and "/home/" not in text and "/root/" not in text


def test_every_recipe_has_kept_evidence_and_nothing_else_has():
    if not KEPT.is_dir():
        pytest.skip(NOTHING_YET)
    require_all(KEPT)


@pytest.mark.parametrize("name", NAMES)
def test_a_kept_result_is_whole_small_and_says_what_it_ran_on(name):
    if not KEPT.is_dir():
        pytest.skip(NOTHING_YET)
    require_evidence(KEPT, name)


# ---------------------------------------------------------------- the tests above can fail


@pytest.fixture
def kept(tmp_path):
    """A folder with a made-up result of every recipe."""
    claim = Claim("more", "It is more.", ">", required_seeds=2, experiment="e", ours="a", baseline=1.0)
    metrics = {"e": {"a": [2.0, 3.0]}}
    environment = {"commit": "abc", "date": "2026-01-01", "packages": {"torch": "2"}}
    for name in NAMES:
        (tmp_path / name).mkdir()
        claims = judge_claims([claim], metrics)
        Result(name, "small", {}, [0, 1], environment, metrics, claims=claims).save(tmp_path / name / "result.json")
    return tmp_path


def test_whole_evidence_passes(kept):
    (kept / "index.html").write_text("the page")
    require_all(kept)
    for name in NAMES:
        require_evidence(kept, name)


def test_a_missing_result_is_noticed(kept):
    (kept / NAMES[-1] / "result.json").unlink()
    with pytest.raises(ResultError, match="cannot be read"):
        require_evidence(kept, NAMES[-1])
    (kept / NAMES[-1]).rmdir()
    with pytest.raises(AssertionError, match=f"lacks the result of {NAMES[-1]}: make results RECIPES='{NAMES[-1]}'"):
        require_all(kept)


def test_what_is_no_recipe_is_noticed(kept):
    (kept / "notes").mkdir()
    with pytest.raises(AssertionError, match="holds notes, and no recipe has that name"):
        require_all(kept)


@pytest.mark.parametrize(
    ("old", "new"),
    [('"a": [\n    2.0', '"a": [\n    0.0'), ('"verdict": "undecided"', '"verdict": "holds"')],
    ids=["number", "verdict"],
)
def test_an_edited_result_is_noticed(kept, old, new):
    file = kept / NAMES[0] / "result.json"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(ResultError, match="its own numbers give"):
        require_evidence(kept, NAMES[0])


@pytest.mark.parametrize(("key", "value"), [("size", "smoke"), ("status", "partial"), ("claims", []), ("recipe", "x")])
def test_lesser_evidence_is_noticed(kept, key, value):
    file = kept / NAMES[0] / "result.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    with pytest.raises(AssertionError):
        require_evidence(kept, NAMES[0])


def test_a_file_too_many_is_noticed(kept):
    (kept / NAMES[0] / "last.safetensors").write_bytes(b"")
    with pytest.raises(AssertionError, match=re.escape("last.safetensors")):
        require_evidence(kept, NAMES[0])
