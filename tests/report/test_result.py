"""result.json: there and back, validated, judged again, whole or not there."""

import json
import math
import os

import jsonschema
import pytest

from erlangen.report import (
    SCHEMA_VERSION,
    Check,
    Claim,
    Result,
    ResultError,
    SchemaError,
    Table,
    capture_environment,
    judge_claims,
    result_schema,
    write_atomic,
)

CLAIMS = (
    Claim("more", "Ours reads more.", ">", experiment="e", ours="ours", baseline="theirs", required_seeds=3),
    Claim("fixed", "Ours is above a half.", ">", experiment="e", ours="ours", baseline=0.5, required_seeds=3),
    Claim("gone", "What failed is better.", ">", experiment="e", ours="failed", baseline="theirs", required_seeds=3),
    Claim("elsewhere", "Another experiment.", "<", experiment="f", ours="x", baseline="y"),
)


def make(**changes):
    metrics = {"e": {"ours": [0.9, 0.92, 0.91], "theirs": [0.8, 0.81, 0.83], "failed": [0.9, math.nan, 0.9]}}
    fields = {
        "recipe": "made-up",
        "size": "smoke",
        "config": {"steps": 3, "widths": (1, 2)},
        "seeds": [0, 1, 2],
        "environment": {"python": "3.11"},
        "metrics": metrics,
        "claims": judge_claims(CLAIMS, metrics),
        "tables": [Table("T", ["a", "b"], [["x", 1.5], ["y", None]])],
        "figures": {"f.png": "A figure"},
        "checks": [Check("same", "Same is same.", True)],
        "audits": [{"name": "net", "verdict": "exact", "error": math.inf}],
    }
    return Result(**fields | changes)


@pytest.fixture
def saved(tmp_path):
    return make().save(tmp_path / "result.json")


def rewrite(path, change):
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return path


def test_there_and_back(saved):
    first, second = make(), Result.load(saved)
    assert second.to_dict() == first.to_dict()
    assert [verdict.verdict for _, verdict in second.claims] == [
        "holds",
        "holds",
        "not measurable here",
        "not measurable here",
    ]
    assert math.isnan(second.metrics["e"]["failed"][1])
    assert second.tables == first.tables and second.checks == first.checks


def test_file_is_plain_json_with_a_yes_or_no_for_every_claim(saved):
    document = json.loads(saved.read_text(), parse_constant=pytest.fail)
    assert [claim["holds"] for claim in document["claims"]] == [True, True, None, None]
    assert document["metrics"]["e"]["failed"] == [0.9, None, 0.9]
    assert document["audits"][0]["error"] is None
    assert document["schema_version"] == SCHEMA_VERSION


def test_our_validation_agrees_with_a_full_one(saved):
    jsonschema.Draft202012Validator.check_schema(result_schema())
    jsonschema.validate(json.loads(saved.read_text()), result_schema())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema_version=2), "schema_version is 2; this release reads 1"),
        (lambda d: d.pop("recipe"), "not a result of erlangen"),
        (lambda d: d.pop("metrics"), "the document: 'metrics' missing"),
        (lambda d: d.update(extra=1), "the document: 'extra' is unknown"),
        (lambda d: d.update(seeds="0, 1"), "seeds: got a string, takes array"),
        (lambda d: d.update(size="huge"), "size: got 'huge', takes one of 'smoke', 'small', 'paper'"),
        (lambda d: d["metrics"]["e"].update(ours=[0.9, "0.9", 1]), "metrics.e.ours[1]: got a string, takes number or"),
        (lambda d: d["claims"][0].pop("holds"), "claims[0]: 'holds' missing"),
        (lambda d: d["claims"][0].update(interval=[1]), "claims[0].interval: got 1 items, takes 2 to 2"),
        (lambda d: d["claims"][0].update(required_seeds=0), "claims[0].required_seeds: got 0, takes at least 1"),
        (lambda d: d["checks"][0].update(passed=1), "checks[0].passed: got an integer, takes boolean"),
        (lambda d: d["claims"][0].update(required_seeds=5), "verdict is stored as 'holds', its own numbers give 'un"),
        (lambda d: d["claims"][0].update(holds=False), "claim 'more': holds is stored as False"),
        (lambda d: d["claims"][0].update(effect=0.5), "claim 'more': effect is stored as 0.5"),
        (lambda d: d["claims"][2].update(verdict="holds"), "claim 'gone': verdict is stored as 'holds'"),
        (lambda d: d["metrics"]["e"].update(theirs=[0.9, 0.99, 0.8]), "claim 'more': verdict is stored as 'holds'"),
        (lambda d: d["metrics"]["e"].update(theirs=[0.9, 0.99]), "pairs take one of each per seed"),
        (lambda d: d.update(figures={"../../x.png": ""}), "points outside the run's folder"),
        (lambda d: d.update(figures={"/etc/x.png": ""}), "points outside the run's folder"),
        (lambda d: d["tables"][0]["rows"].append(["only one"]), "row 2 has 1 cells, takes 2"),
    ],
)
def test_tampered_files_are_refused_with_the_reason(saved, change, message):
    with pytest.raises(ResultError) as caught:
        Result.load(rewrite(saved, change))
    assert str(caught.value).startswith(f"{saved}: ") and message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut off at line 1"),
        (b"\x89PNG\r\n\x1a\n\xff", "not a result of erlangen (not text)"),
        (b"[1, 2]", "not a result of erlangen (a JSON list, not an object)"),
        (b'{"accuracy": 0.9}', "not a result of erlangen: it has no 'schema_version' and 'recipe'"),
        (b'{"accuracy": NaN}', "not a result of erlangen (NaN is not JSON)"),
        (b"accuracy,0.9\nseed,1\n", "not JSON at line 1, column 1"),
        (b"[" * 100_000, "not a result of erlangen (nested too deeply)"),
    ],
)
def test_foreign_files_are_refused_with_the_reason(tmp_path, content, message):
    path = tmp_path / "result.json"
    path.write_bytes(content)
    with pytest.raises(ResultError) as caught:
        Result.load(path)
    assert message in str(caught.value)


def test_every_truncation_is_refused(saved):
    whole = saved.read_bytes()
    for length in range(0, len(whole) - 3, 97):
        saved.write_bytes(whole[:length])
        with pytest.raises(ResultError, match="run the recipe again"):
            Result.load(saved)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ResultError, match=r"nowhere.json: cannot be read \(No such file or directory\)"):
        Result.load(tmp_path / "nowhere.json")


def test_a_result_that_fits_no_schema_is_not_saved(tmp_path):
    with pytest.raises(SchemaError, match="recipe"):
        make(recipe="").save(tmp_path / "result.json")
    with pytest.raises(TypeError, match="plain values, got object"):
        make(config={"x": object()}).save(tmp_path / "result.json")
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = write_atomic(tmp_path / "a.txt", "old")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_written_files_have_the_usual_permissions(tmp_path):
    mask = os.umask(0o027)
    try:
        path = write_atomic(tmp_path / "a.bin", b"\x00\xff")
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o640 and path.read_bytes() == b"\x00\xff"


def test_environment_tells_no_names_and_no_places():
    environment = capture_environment()
    assert environment["python"] and environment["packages"]["torch"] and environment["cores"] >= 1
    text = json.dumps(environment)
    assert os.path.expanduser("~") not in text and os.getcwd() not in text and os.uname().nodename not in text


def test_ragged_tables_are_refused():
    with pytest.raises(ValueError, match="row 0 has 1 cells, takes 2"):
        Table("T", ["a", "b"], [["x"]])
