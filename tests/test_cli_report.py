"""``erlangen report``: what it reads, what it writes, what it refuses."""

import json
import shlex
import sys

import pytest
from tests.report.samples import made_up

from erlangen.cli import main
from erlangen.cli.report import rerun_command
from erlangen.recipes import find, quickstart
from erlangen.recipes.options import parse
from erlangen.report import Result, result_schema, validate


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def report(capsys, *arguments):
    code = main(["report", *map(str, arguments)])
    return code, *capsys.readouterr()


def refused(capsys, *arguments):
    code, out, err = report(capsys, *arguments)
    assert (code, out) == (2, "") and err.startswith("erlangen: ") and err.count("\n") == 1
    return err.removeprefix("erlangen: ").strip()


def test_by_default_it_reads_runs_and_results_and_says_so(here, capsys):
    made_up(here / "runs" / "made-up")
    code, out, err = report(capsys)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "results from: runs",
        "  made-up (small, 2026-03-14): holds: 2, does not hold: 2, undecided: 4, not measurable here: 2",
        "page: runs/index.html",
    ]
    made_up(here / "results" / "made-up", environment={"date": "2026-04-01T00:00:00+00:00"})
    assert report(capsys)[1].splitlines() == [
        "results from: runs, results",
        "  made-up (small, 2026-04-01): holds: 2, does not hold: 2, undecided: 4, not measurable here: 2",
        "  not shown: 1 older (--all shows every result)",
        "page: runs/index.html",
    ]
    code, out, _ = report(capsys, "--all", "--out", "page.html")
    assert code == 0 and out.count("made-up (small") == 2 and (here / "page.html").read_text().count("<h2") == 3


def test_named_folders_are_read_and_the_page_goes_where_it_is_told(here, capsys):
    made_up(here / "one")
    (here / "pages").mkdir()
    code, out, _ = report(capsys, "one", "--out", "pages/page.html")
    assert code == 0 and out.endswith("page: pages/page.html\n") and "results from" not in out
    assert not (here / "one" / "index.html").exists()
    assert report(capsys, "one/result.json")[0] == 0 and (here / "one" / "index.html").exists()


def test_the_catalogue_gives_summary_order_and_the_command_that_reruns(here, capsys):
    made_up(here / "runs" / "a")
    made_up(here / "runs" / "b", recipe="quickstart", size="small", config={"size": "small", "steps": 7, "seed": 0})
    assert report(capsys)[1].splitlines()[1].startswith("  quickstart")
    page = (here / "runs" / "index.html").read_text()
    assert find("quickstart").summary in page and "erlangen run quickstart --size small --steps 7</code>" in page


def test_what_cannot_be_read_is_listed_on_the_page_and_on_stderr(here, capsys):
    whole = made_up(here / "runs" / "good").read_text()
    (here / "runs" / "cut").mkdir()
    (here / "runs" / "cut" / "result.json").write_text(whole[:700])
    (here / "runs" / "tampered").mkdir()
    (here / "runs" / "tampered" / "result.json").write_text(whole.replace('"does not hold"', '"holds"', 1))
    code, _, err = report(capsys)
    assert code == 0
    lines = err.splitlines()
    assert len(lines) == 2 and all(line.startswith("erlangen: refused runs/") for line in lines)
    assert "runs/cut/result.json: cut off at line" in lines[0]
    assert "runs/tampered/result.json: claim 'cheaper': verdict is stored as 'holds'" in lines[1]
    page = (here / "runs" / "index.html").read_text()
    assert "2 files refused" in page and "runs/cut/result.json" in page and "verdict is stored as" in page


def test_if_nothing_can_be_read_there_is_no_page(here, capsys):
    assert refused(capsys) == "there is no folder 'runs' or 'results' here; run a recipe first, or name a folder"
    (here / "runs").mkdir()
    assert refused(capsys).startswith("no result can be read in runs; `erlangen run NAME` makes one")
    (here / "runs" / "result.json").write_text("{")
    code, _, err = report(capsys, "runs")
    assert code == 2 and err.splitlines()[0].startswith("erlangen: refused runs/result.json: cut off at line 1")
    assert [path.name for path in (here / "runs").iterdir()] == ["result.json"]


def test_nothing_but_an_older_page_is_overwritten(here, capsys):
    made_up(here / "runs")
    assert report(capsys)[0] == 0 and report(capsys)[0] == 0
    (here / "notes.html").write_text("my notes")
    before = sorted(here.rglob("*"))
    assert refused(capsys, "--out", "notes.html") == (
        "--out would overwrite a file: notes.html is not a page that `erlangen report` wrote; "
        "remove it, or name another"
    )
    assert "runs/result.json is not a page" in refused(capsys, "--out", "runs/result.json")
    assert refused(capsys, "--out", "runs").startswith("--out would overwrite a file: runs is a folder")
    assert refused(capsys, "--out", "no/where.html") == "--out no/where.html: there is no folder no"
    assert refused(capsys, "--out", "notes.html/x.html").startswith("--out notes.html/x.html: ")
    assert sorted(here.rglob("*")) == before and (here / "notes.html").read_text() == "my notes"


def test_wrong_input_is_told_in_one_line(here, capsys):
    made_up(here / "runs")
    assert refused(capsys, "nowhere") == "nowhere: no such folder"
    assert refused(capsys, "--ot", "x").startswith("unknown option '--ot'; did you mean '--out'?")


def test_without_jinja_the_line_that_installs_it(here, capsys, monkeypatch):
    made_up(here / "runs")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert refused(capsys) == "`erlangen report` needs jinja2, which is not installed: pip install 'erlangen[recipes]'"
    assert not (here / "runs" / "index.html").exists()


@pytest.mark.parametrize(
    ("options", "command"),
    [
        ([], "erlangen run quickstart --size small"),
        (["--size", "smoke"], "erlangen run quickstart --size smoke"),
        (["--steps", "7", "--seed", "3", "--learning_rate", "1e-4"], None),
        (["--experiment", "turns", "--size", "paper", "--images", "digits"], None),
    ],
)
def test_the_command_gives_the_same_settings_again(options, command):
    config = parse(quickstart.Config, options)
    result = Result("quickstart", config.size, json.loads(json.dumps(config.to_dict())), config.seed_list, {}, {})
    said = rerun_command(result)
    assert command in (None, said)
    assert parse(quickstart.Config, shlex.split(said)[3:]).to_dict() == config.to_dict()


def test_settings_that_a_recipe_no_longer_knows_are_written_out():
    settings = {"size": "smoke", "steps": 30, "old_setting": [1, 2], "name": "two words", "data": None}
    said = rerun_command(Result("quickstart", "smoke", settings, [0], {}, {}))
    assert said == "erlangen run quickstart --size smoke --steps 30 --old-setting '[1, 2]' --name 'two words'"
    validate(Result("quickstart", "smoke", settings, [0], {}, {}).to_dict(), result_schema())
