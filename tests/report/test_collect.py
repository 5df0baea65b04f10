"""Which results are found, which refused, and which of several is the newest."""

import os
from datetime import UTC, datetime

import pytest

from erlangen.report import Result, collect, newest


def save(folder, recipe="made-up", **environment):
    folder.mkdir(parents=True)
    fields = {"size": "smoke", "config": {}, "seeds": [0], "metrics": {}}
    return Result(recipe=recipe, environment=environment, **fields).save(folder / "result.json")


def test_results_are_found_in_and_below_folders_once_and_in_order(tmp_path):
    paths = [save(tmp_path / name) for name in ("b/deep", "a", "c")]
    (tmp_path / "b" / "other.json").write_text("{}")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    found, refused = collect([tmp_path, tmp_path / "b", paths[0], tmp_path / "a" / "loop" / "a"])
    assert [one.path for one in found] == [paths[1], paths[0], paths[2]] and refused == []


def test_a_file_can_be_named_whatever_it_is_called(tmp_path):
    path = save(tmp_path / "a").rename(tmp_path / "kept.json")
    assert [one.path for one in collect([path])[0]] == [path]
    assert collect([tmp_path])[0] == []


def test_what_cannot_be_read_is_refused_with_the_reason(tmp_path):
    good = save(tmp_path / "good")
    contents = {"cut": good.read_bytes()[:90], "empty": b"", "foreign": b'{"accuracy": 1}', "binary": b"\x89PNG\xff"}
    for name, content in contents.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_bytes(content)
    (tmp_path / "good" / ".result.json.x81k.tmp").write_bytes(b"{")
    os.mkfifo(tmp_path / "empty" / ".result.json.pipe.tmp")  # reading it would wait for ever
    found, refused = collect([tmp_path])
    assert [one.path for one in found] == [good]
    reasons = {one.path.relative_to(tmp_path).as_posix(): one.reason for one in refused}
    assert reasons == {
        "binary/result.json": "not a result of erlangen (not text)",
        "cut/result.json": "cut off at line 6, column 2; run the recipe again",
        "empty/.result.json.pipe.tmp": "not a file",
        "empty/result.json": "cut off at line 1, column 1; run the recipe again",
        "foreign/result.json": "not a result of erlangen: it has no 'schema_version' and 'recipe'",
        "good/.result.json.x81k.tmp": "half-written: the run was killed while it saved its result; remove it",
    }


def test_a_place_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        collect([tmp_path / "nowhere"])


def test_the_newest_is_told_by_the_stored_date_and_else_by_that_of_the_file(tmp_path):
    save(tmp_path / "a", date="2026-01-02T00:00:00+00:00")
    save(tmp_path / "b", date="2026-01-02T01:30:00+02:00")  # half an hour earlier
    save(tmp_path / "c", recipe="other", date="2020-01-01")
    for name, stored in (("d", {}), ("e", {"date": "yesterday"}), ("f", {"date": "0001-01-01T00:00:00+05:00"})):
        os.utime(save(tmp_path / name, **stored), (1_000_000_000, 1_000_000_000))
    found, _ = collect([tmp_path])
    dates = [one.date for one in found]
    assert dates[0] == datetime(2026, 1, 2, tzinfo=UTC) and dates[2] == datetime(2020, 1, 1, tzinfo=UTC)
    assert dates[3:] == [datetime.fromtimestamp(1_000_000_000, UTC)] * 3
    chosen, rest = newest(found)
    assert [one.path.parent.name for one in chosen] == ["a", "c"]
    assert [one.path.parent.name for one in rest] == ["b", "d", "e", "f"]
