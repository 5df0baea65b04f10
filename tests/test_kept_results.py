"""The evidence kept in ``results/``: whole, small, of recipes that exist, and without anything else in it."""

from pathlib import Path

import pytest

from erlangen.recipes import find
from erlangen.report import Result, inline_image

KEPT = Path(__file__).parents[1] / "results"
FOLDERS = sorted(path for path in KEPT.glob("*") if path.is_dir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_kept_result_is_whole_small_and_says_what_it_ran_on(folder):
    result = Result.load(folder / "result.json")  # which judges its claims again
    assert result.recipe == folder.name == find(folder.name).name
    assert (result.size, result.status) == ("small", "complete")
    assert result.environment["commit"] and result.environment["date"] and result.environment["packages"]["torch"]
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"result.json", *result.figures}
    for name in result.figures:
        assert inline_image(folder, name).address and (folder / name).stat().st_size < 100_000
    text = (folder / "result.json").read_text("utf-8")
    assert len(text) < 500_000 and "/home/" not in text and "/root/" not in text
