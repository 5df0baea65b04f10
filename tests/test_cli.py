"""The command: what it prints, its exit codes, and each wrong input with its one line."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import pytest

import erlangen
from erlangen.cli import main
from erlangen.report import Check, Claim, Result, judge_claims

MODELS = """
import torch
from torch import nn
from erlangen.groups import E, Fixed, O, Points, Scalar, Symmetry

class Distances(nn.Module):
    def forward(self, pos, charge):
        return (pos - pos.mean(1, keepdim=True)).norm(dim=-1).sum(1) + charge.sum(1)

class Sums(nn.Module):
    def forward(self, pos, charge):
        return pos.sum((1, 2)) + charge.sum(1)

class Energy(nn.Module):
    def forward(self, data):
        return {"energy": data["pos"].norm(dim=-1).sum(1)}

class Promising(Distances):
    symmetry = Symmetry(E(3), inputs=(Points(E(3)), Fixed()), output=Scalar(E(3)))

class Lying(Sums):
    symmetry = Promising.symmetry

class Fragile(nn.Module):
    def forward(self, x):
        raise RuntimeError("shapes do not fit")

def clouds():
    return torch.randn(6, 5, 3), torch.randn(6, 5)

def distances(): return Distances(), clouds()
def sums(): return Sums(), clouds()
def energy(): return Energy(), {"pos": torch.randn(6, 5, 3)}
def promising(): return Promising(), clouds()
def lying(): return Lying(), clouds()
def image(): return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), torch.rand(6, 1, 8, 8)
def fragile(): return Fragile(), torch.randn(6, 3)
def loud(): print("made"); return promising()
def lightning_style():
    module = Promising()
    module.example_input_array = clouds()
    return module
def bare(): return Promising()
def number(): return 3
def triple(): return Promising(), *clouds()
def failing(): raise RuntimeError("no weights here")
module = Promising()
"""


def run(*arguments):
    return main([str(argument) for argument in arguments])


def refused(capsys, *arguments):
    """The one line on standard error of a command that exits with 2."""
    code = run(*arguments)
    err = capsys.readouterr().err
    assert code == 2 and err.startswith("erlangen: ") and "Traceback" not in err
    return err.removeprefix("erlangen: ").removesuffix("\n")


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A folder with my_models.py, made the current one."""
    (tmp_path / "my_models.py").write_text(MODELS)
    (tmp_path / "broken_models.py").write_text("import no_such_package\n")
    (tmp_path / "worse_models.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("my_models", "broken_models", "worse_models"):
        sys.modules.pop(name, None)


# ---------------------------------------------------------------- looking around


def test_help_teaches_by_examples(capsys):
    for arguments in ([], ["--help"], ["-h"]):
        assert run(*arguments) == 0
        assert "erlangen run quickstart --size smoke" in capsys.readouterr().out
    assert run("run", "--help") == 0 and "--print-config" in capsys.readouterr().out


def test_help_of_a_recipe_shows_claims_and_options(capsys):
    assert run("run", "quickstart", "--help") == 0
    out = capsys.readouterr().out
    assert "claims, written before the first run:" in out and "--batch-size" in out and "small 400" in out


def test_help_of_the_audit_shows_a_factory(capsys):
    with pytest.raises(SystemExit) as stop:
        run("audit", "--help")
    assert stop.value.code == 0 and "def make():" in capsys.readouterr().out


def test_version(capsys):
    assert run("--version") == 0 and capsys.readouterr().out == f"erlangen {erlangen.__version__}\n"


def test_list(capsys):
    assert run("list") == 0 and "quickstart" in capsys.readouterr().out
    assert run("list", "--json") == 0
    (entry,) = [one for one in json.loads(capsys.readouterr().out) if one["name"] == "quickstart"]
    assert entry["experiments"] == ["turns", "angles"] and entry["extras"] == ["recipes"]


def test_data_says_what_is_here_and_where_to_get_the_rest(capsys, tmp_path):
    assert run("data", "--data", tmp_path) == 0
    out = capsys.readouterr().out
    assert "digits   found" in out and "mnist    not found: mnist/MNIST/raw/t10k-images" in out and "https://" in out
    assert run("data", "--data", tmp_path, "--json") == 0
    found = {row["name"]: row["found"] for row in json.loads(capsys.readouterr().out)}
    assert found["digits"] and not found["mnist"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lst"], "unknown command 'lst'; did you mean 'list'? (`erlangen --help` lists them)"),
        (["--versoin"], "unknown option '--versoin'; did you mean '--version'? (`erlangen --help` lists them)"),
        (["list", "--jsn"], "unknown option '--jsn'; did you mean '--json'? (`erlangen list --help` lists them)"),
        (["list", "more"], "unknown argument 'more' (`erlangen list --help` lists them)"),
        (["run", "quikstart"], "unknown recipe 'quikstart'; did you mean 'quickstart'? (there are: quickstart, "),
        (["run", "--size", "smoke"], "the recipe's name comes first: erlangen run NAME --size ..."),
        (["run", "quickstart", "--sede", "1"], "unknown option '--sede'; did you mean '--seed'?"),
        (["run", "quickstart", "--experiment", "turn"], "experiment is 'turn'; it takes all, turns, angles; did you"),
        (["run", "quickstart", "--seeds", "none"], "--seeds is 'none'; it takes int"),
        (["run", "quickstart", "--device", "quantum"], "--device is 'quantum'; it cannot be used here: "),
        (["run", "quickstart", "--device", "meta"], "--device is 'meta'; it cannot be used here: "),
        (["run", "quickstart", "--strategy", "dpp"], "--strategy is 'dpp'; Lightning takes auto, ddp, "),
        (
            ["run", "quickstart", "--strategy", "fsdp"],
            "--device cpu --devices 1 --num-nodes 1 --strategy fsdp: Lightning refuses: ",
        ),
        (
            ["run", "frame-averaging", "--data", "/nonexistent"],
            "--data is '/nonexistent'; it takes a folder, and there is none of that name",
        ),
        (["audit"], "the following arguments are required: factory (`erlangen audit --help` shows how)"),
    ],
)
def test_wrong_words_are_answered_by_the_nearest(capsys, arguments, message):
    said = refused(capsys, *arguments)
    assert said.startswith(message) and "\n" not in said


# ---------------------------------------------------------------- run


def test_run_prints_verdicts_files_and_what_to_try_next(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("run", "quickstart", "--size", "smoke", "--seeds", 1, "--strict") == 0  # undecided is no failure
    out = capsys.readouterr().out
    result = Result.load(tmp_path / "runs" / "quickstart" / "result.json")
    assert result.size == "smoke" and result.environment["seconds"] > 0
    for claim, _ in result.claims:
        assert f"undecided: {claim.statement}" in out
    for part in (
        "Checks (identities, no evidence): 5 of 5 passed",
        "runs/quickstart/angles.png",
        "Next\n  erlangen run",
    ):
        assert part in out
    assert (tmp_path / "runs" / "quickstart" / "angles.png").exists()


def test_print_config_can_be_read_back(capsys, tmp_path):
    assert run("run", "quickstart", "--size", "smoke", "--steps", 2, "--print-config") == 0
    text = capsys.readouterr().out
    (tmp_path / "c.yaml").write_text(text)
    assert run("run", "quickstart", "--config", tmp_path / "c.yaml", "--print-config") == 0
    assert capsys.readouterr().out == text and "steps: 2" in text


@pytest.mark.parametrize(
    ("accuracy", "passed", "code"), [(1.0, True, 0), (0.0, True, 1), (math.nan, True, 0), (1.0, False, 1)]
)
def test_strict_tells_a_claim_that_does_not_hold_and_a_check_that_failed(
    monkeypatch, capsys, tmp_path, accuracy, passed, code
):
    from erlangen.recipes import quickstart

    claim = Claim("half", "It reads half.", ">", required_seeds=1, experiment="turns", ours="accuracy", baseline=0.5)
    metrics = {"turns": {"accuracy": [accuracy]}}

    def measured(config):
        return Result(
            "quickstart", "smoke", config.to_dict(), [0], {}, metrics,
            claims=judge_claims([claim], metrics), checks=[Check("same", "Same is same.", passed)],
        )  # fmt: skip

    monkeypatch.setattr(quickstart, "run", measured)
    options = ["run", "quickstart", "--size", "smoke", "--out", tmp_path / "x"]
    assert run(*options) == 0
    assert run(*options, "--strict") == code
    assert "It reads half." in capsys.readouterr().out


@pytest.fixture
def counted(monkeypatch):
    """Configs that the quickstart was run with; it measures nothing."""
    from erlangen.recipes import quickstart

    configs = []

    def measured(config):
        configs.append(config)
        status = "complete" if config.chosen == config.experiments else "partial"
        return Result(
            "quickstart", config.size, config.to_dict(), config.seed_list, {}, {"turns": {"n": [1.0 * len(configs)]}},
            status=status,
        )  # fmt: skip

    monkeypatch.setattr(quickstart, "run", measured)
    return configs


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (["--size=small"], ["--size=smoke"], "complete result of quickstart at size small, .* one of size smoke;"),
        (
            ["--size=paper", "--experiment=turns"],
            [],
            "partial result of quickstart at size paper, .* one of size small;",
        ),
        (
            ["--size=smoke"],
            ["--size=smoke", "--experiment=turns"],
            r"complete .* one of one experiment only \(turns\);",
        ),
        (["--size=small"], ["--size=smoke", "--resume"], "complete .* one of size smoke;"),
    ],
)
def test_a_result_is_not_replaced_by_a_lesser_one(capsys, tmp_path, counted, first, second, said):
    assert run("run", "quickstart", "--out", tmp_path, *first) == 0
    before = (tmp_path / "result.json").read_bytes()
    message = refused(capsys, "run", "quickstart", "--out", tmp_path, *second)
    assert re.match(f"--out: {tmp_path} holds a {said} name another folder with --out, or remove", message)
    assert (tmp_path / "result.json").read_bytes() == before and len(counted) == 1
    assert run("run", "quickstart", "--out", tmp_path / "other", *second) == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["--size=smoke"], ["--size=smoke"]),
        (["--size=smoke"], ["--size=small"]),
        (["--experiment=turns"], ["--experiment=angles"]),
        (["--experiment=turns"], []),
        (["--experiment=turns"], ["--experiment=turns", "--resume"]),
        (["--seeds=3"], ["--seeds=2", "--resume"]),
    ],
)
def test_a_result_is_replaced_by_one_that_is_no_less(tmp_path, counted, first, second):
    for options in (first, second):
        assert run("run", "quickstart", "--out", tmp_path, *options) == 0
    assert Result.load(tmp_path / "result.json").metrics == {"turns": {"n": [2.0]}} and len(counted) == 2


def test_what_is_complete_is_shown_and_not_run_again(capsys, tmp_path, counted):
    options = ["run", "quickstart", "--size=smoke", "--out", tmp_path]
    assert run(*options) == 0
    before, out = (tmp_path / "result.json").read_bytes(), capsys.readouterr().out
    assert run(*options, "--resume", "--workers=2") == 0  # where and how it runs is no setting of the result
    assert (tmp_path / "result.json").read_bytes() == before and len(counted) == 1
    again = capsys.readouterr().out
    assert "This run was complete already" in again and "This run was complete already" not in out
    assert "quickstart · size smoke" in again and "result.json" in again


def test_missing_data_are_told_before_anything_is_written(capsys, tmp_path):
    said = refused(
        capsys, "run", "quickstart", "--images", "mnist", "--data", tmp_path, "--out", tmp_path / "deep" / "out"
    )
    assert said.startswith("data set 'mnist'") and "https://" in said and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--data=no", "--strategy=dpp", "--strategy=fsdp", "--device=meta"])
def test_what_cannot_be_used_is_told_before_anything_is_written(capsys, tmp_path, monkeypatch, option):
    monkeypatch.chdir(tmp_path)
    said = refused(capsys, "run", "frame-averaging", "--size", "smoke", option)
    assert said.startswith("--") and "\n" not in said and list(tmp_path.iterdir()) == []


def test_two_runs_do_not_work_in_one_folder(capsys, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    command = ["run", "quickstart", "--size", "smoke", "--experiment", "turns", "--seeds", "1", "--out", str(tmp_path)]
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        assert main(command) == 2
        assert "another run is at work in it" in capsys.readouterr().err and not list(tmp_path.iterdir())
    finally:
        os.close(folder)
    assert main(command) == 0 and (tmp_path / "result.json").exists()


def test_an_unwritable_folder_is_told_before_the_work(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    said = refused(capsys, "run", "quickstart", "--size", "smoke", "--out", tmp_path / "file" / "below")
    assert said == f"--out {tmp_path}/file/below: cannot be written to (Not a directory); name another folder"
    said = refused(capsys, "run", "quickstart", "--size", "smoke", "--out", "/proc/nowhere")
    assert said.startswith("--out /proc/nowhere: cannot be written to (")


@pytest.mark.parametrize("content", ['{"accuracy": 1}', '{"schema_version": 1, "recipe": "quicksta'])
def test_a_foreign_or_truncated_result_is_not_overwritten(capsys, tmp_path, content):
    (tmp_path / "result.json").write_text(content)
    said = refused(capsys, "run", "quickstart", "--size", "smoke", "--out", tmp_path)
    assert said.startswith(f"--out would overwrite a file: {tmp_path}/result.json: ") and "name another folder" in said
    assert (tmp_path / "result.json").read_text() == content


def test_a_missing_extra_is_told_with_the_line_that_mends_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "jsonargparse", None)
    said = refused(capsys, "run", "quickstart", "--size", "smoke", "--out", tmp_path / "x")
    assert said.endswith("pip install 'erlangen[recipes]'") and list(tmp_path.iterdir()) == []


def test_an_unexpected_failure_is_not_called_wrong_input(monkeypatch, capsys, tmp_path):
    from erlangen.recipes import quickstart

    def broken(config):
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(quickstart, "run", broken)
    assert run("run", "quickstart", "--size", "smoke", "--out", tmp_path / "x") == 3
    assert capsys.readouterr().err == (
        "erlangen: unexpected ZeroDivisionError: division by zero (ERLANGEN_DEBUG=1 shows where)\n"
    )
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("ERLANGEN_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run("run", "quickstart", "--size", "smoke", "--out", tmp_path / "x")


@pytest.mark.parametrize(("name", "code", "workers"), [("SIGINT", 130, 1), ("SIGINT", 130, 2), ("SIGTERM", 143, 2)])
def test_a_stopped_run_leaves_nothing_behind(tmp_path, name, code, workers):
    out = tmp_path / "runs" / "x"
    command = [sys.executable, "-m", "erlangen", "run", "quickstart", "--size", "smoke", "--steps", "1000000"]
    process = subprocess.Popen(
        [*command, "--workers", str(workers), "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not out.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(process.pid, getattr(signal, name))  # as a terminal does: the children hear it too
    stdout, stderr = process.communicate(timeout=30)  # returns only when no child holds the pipes any more
    assert (process.returncode, stdout, stderr.strip()) == (code, "", "erlangen: stopped; nothing is left half-written")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_within_an_import_ends_with_the_same_code(tmp_path):
    (tmp_path / "driver.py").write_text(
        "import sys\n"
        "from erlangen.cli import command\n"
        "def stopped(arguments):\n"
        "    exec('raise KeyboardInterrupt')\n"
        "command._dispatch = stopped\n"
        "sys.exit(command.main([]))\n"
    )
    done = subprocess.run([sys.executable, "-m", "driver"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (130, "erlangen: stopped; nothing is left half-written")


def test_a_reader_that_stops_reading_is_no_error():
    command = f"{sys.executable} -m erlangen list | true"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


# ---------------------------------------------------------------- audit


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["my_models:distances", "--group", "E(3)", "--inputs", "points fixed", "--output", "scalar"], 0),
        (["my_models:distances", "--group", "E(3)", "--inputs", "charge:fixed pos:points", "--output", "scalar"], 0),
        (["my_models:distances", "--group", "O(2)@xy", "--inputs", "points fixed", "--output", "scalar"], 0),
        (["my_models:distances", "--group", "E(3)"], 0),
        (["my_models:sums", "--group", "SO(3)", "--inputs", "points fixed", "--output", "scalar"], 1),
        (["my_models:energy", "--group", "SO(3)", "--inputs", "pos:points", "--output", "energy:scalar"], 0),
        (["my_models:image", "--group", "C(4)", "--inputs", "turns", "--output", "scalar"], 0),
        (["my_models:promising", "--per-layer"], 0),
        (["my_models:lightning_style"], 0),
        (["my_models:lying"], 1),
        (["my_models:lying", "--tolerance", "1000"], 0),
    ],
)
def test_audit_exits_with_0_for_kept_and_1_for_broken(models, capsys, options, code):
    assert run("audit", *options) == code
    out, err = capsys.readouterr()
    assert err == "" and f"the promise is {'kept' if code == 0 else 'NOT kept'}" in out


def test_audit_as_json_is_nothing_but_json(models, capsys):
    assert run("audit", "my_models:loud", "--json", "--num-elements", 5) == 0
    out, err = capsys.readouterr()
    report = json.loads(out, parse_constant=pytest.fail)
    assert report["kept"] is True and report["verdict"] == "exact" and err == "made\n"
    assert run("audit", "my_models:lying", "--json") == 1 and json.loads(capsys.readouterr().out)["kept"] is False


def test_audit_is_the_same_again(models, capsys):
    numbers = []
    for _ in range(2):
        run("audit", "my_models:sums", "--group", "SO(3)", "--json")
        numbers.append(json.loads(capsys.readouterr().out)["error"])
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["my_models"], "the factory is written package.module:function, got 'my_models'"),
        (["no_such_module:f"], "no_such_module:f: no module 'no_such_module': neither the current folder nor"),
        (["broken_models:f"], "broken_models:f: 'broken_models' cannot be imported: No module named 'no_such_package'"),
        (["worse_models:f"], "worse_models:f: 'worse_models' cannot be imported: ZeroDivisionError: division by zero"),
        (["my_models:distance"], "my_models:distance: no 'distance' in 'my_models'; did you mean 'distances'?"),
        (
            ["my_models:module"],
            "my_models:module is of type Promising, not a factory; a factory takes no arguments and",
        ),
        (["my_models:bare"], "my_models:bare returned a module without example inputs; a factory takes no arguments"),
        (["my_models:number"], "my_models:number returned something of type int; a factory takes no arguments and"),
        (["my_models:triple"], "my_models:triple returned a tuple of 3; a factory takes no arguments and returns"),
        (["my_models:failing"], "my_models:failing: the factory raised RuntimeError: no weights here"),
        (["my_models:distances"], "my_models:distances: Distances declares no .symmetry; name one with --group"),
        (["my_models:distances", "--inputs", "points fixed"], "--inputs and --output say how a group acts; name it"),
        (["my_models:distances", "--group", "E(3)", "--output", "scalar"], "--inputs and --output go together"),
        (
            ["my_models:distances", "--group", "E(3)", "--inputs", "points", "--output", "scalar"],
            "--inputs names 1 input, the factory gave 2",
        ),
        (
            ["my_models:distances", "--group", "E(3)", "--inputs", "pos:points q:fixed", "--output", "scalar"],
            "--inputs names 'q'; Distances.forward takes pos, charge",
        ),
        (
            ["my_models:fragile", "--group", "SO(3)", "--inputs", "vector", "--output", "scalar"],
            "my_models:fragile: the audit failed: RuntimeError: shapes do not fit",
        ),
        (["my_models:distances", "--group", "E(3)", "--num-elements", "0"], "audit(num_elements): at least 1, got 0"),
        (["my_models:distances", "--group", "E(3)", "--num-elements", "x"], "argument --num-elements: invalid int"),
        (["my_models:distances", "--gruop", "E(3)"], "unknown option '--gruop'; did you mean '--group'?"),
    ],
)
def test_what_cannot_be_audited_is_told_in_one_line(models, capsys, options, message):
    said = refused(capsys, "audit", *options)
    assert said.startswith(message) and "\n" not in said


@pytest.mark.parametrize(
    ("group", "inputs", "lines"),
    [
        ("SO3", "points fixed", ["unknown group 'SO3'; did you mean SO?", "  SO3", "  ^ column 1"]),
        (
            "SO(3)",
            "points fixd",
            ["unknown action 'fixd'; did you mean fixed?", "  points fixd", "         ^ column 8"],
        ),
    ],
)
def test_errors_of_the_grammar_point_at_the_column(models, capsys, group, inputs, lines):
    said = refused(capsys, "audit", "my_models:distances", "--group", group, "--inputs", inputs, "--output", "scalar")
    assert said.splitlines() == lines


def test_the_current_folder_is_searched_from_a_fresh_process(models):
    command = [sys.executable, "-m", "erlangen", "audit", "my_models:lying"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 1 and "the promise is NOT kept" in done.stdout and done.stderr == ""


def test_debugging_shows_the_traceback(models, monkeypatch):
    monkeypatch.setenv("ERLANGEN_DEBUG", "1")
    with pytest.raises(Exception, match="no weights here"):
        run("audit", "my_models:failing")


def test_the_example_in_the_help_of_the_audit_is_of_the_right_form():
    from erlangen.cli.audit import EXAMPLES

    shown = [line.strip() for line in textwrap.dedent(EXAMPLES).splitlines() if line.startswith("  erlangen audit")]
    assert len(shown) == 4 and all("my_file:make" in line for line in shown)
