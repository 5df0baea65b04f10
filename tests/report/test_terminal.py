"""What a result looks like in the terminal, with and without rich; figures."""

import sys

import pytest

from erlangen.extras import MissingExtra, require
from erlangen.report import Check, Claim, Result, Table, judge_claims, new_figure, print_result, save_figure
from erlangen.report.schema import validate


@pytest.fixture
def result():
    metrics = {"e": {"a": [2.0, 2.1, 2.2], "b": [1.0, 1.0, 1.1]}}
    claims = [Claim("c", "A [bold] claim.", ">", experiment="e", ours="a", baseline="b", required_seeds=3)]
    return Result(
        recipe="made-up",
        size="smoke",
        config={},
        seeds=[0, 1, 2],
        environment={},
        metrics=metrics,
        claims=judge_claims(claims, metrics),
        tables=[Table("Title", ["net", "value"], [["first", 0.123456], ["second", None]], "A note.")],
        checks=[Check("x", "Same is same.", True), Check("y", "Odd is even.", False, "1 is odd")],
    )


def test_rich_shows_tables_verdicts_and_checks(result, capsys):
    print_result(result)
    text = capsys.readouterr().out
    for part in ("made-up · size smoke · 3 seeds", "Title", "0.1235", "holds: A [bold] claim.", "effect 1.067; [0.96"):
        assert part in text
    assert "Checks (identities, no evidence): 1 of 2 passed" in text and "FAILED: Odd is even. (1 is odd)" in text


def test_without_rich_the_same_in_plain_text_and_a_line_that_says_so(result, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    print_result(result)
    text, said = capsys.readouterr()
    assert "pip install 'erlangen[recipes]'" in said
    lines = text.splitlines()
    assert lines[2:7] == ["Title", "net      value", "------  ------", "first   0.1235", "second       -"]
    assert "  holds: A [bold] claim." in lines and "FAILED: Odd is even." in text


def test_figures_are_equal_files_when_they_are_equal_figures(tmp_path):
    for ending in ("png", "svg", "pdf"):
        for name in ("one", "two"):
            figure, (left, right) = new_figure(1, 2)
            left.plot([0, 1], [1, 0])
            right.set_title("empty")
            save_figure(figure, tmp_path / f"{name}.{ending}")
        assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"two.{ending}").read_bytes()
    with pytest.raises(ValueError, match=r"path ends in '\.gif'; it takes"):
        save_figure(new_figure()[0], tmp_path / "a.gif")


def test_a_missing_package_is_told_from_one_that_fails_in_its_own_import(tmp_path, monkeypatch):
    (tmp_path / "half_there.py").write_text("import not_there_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all") as caught:
        require("half_there", "recipes", "this")
    assert not isinstance(caught.value, MissingExtra)


def test_an_unknown_keyword_of_a_schema_is_an_error():
    with pytest.raises(NotImplementedError, match="oneOf"):
        validate({}, {"oneOf": []})
