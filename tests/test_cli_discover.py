"""`erlangen discover`: planted symmetries are found in data and in models; wrong inputs have their one line."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from erlangen.cli import main
from erlangen.report import Result

BUDGET = ["--seeds", "1", "--steps", "400", "--batch-size", "100", "--channels", "24"]
BUDGET += ["--strengths", "0.01", "--elements", "8"]
QUICK = ["--size", "smoke", "--steps", "6", "--channels", "4", "--strengths", "0.1", "--elements", "2"]

MODELS = """
import torch
from torch import nn

class Distances(nn.Module):
    def forward(self, pos, charge):
        return ((pos - pos.mean(1, keepdim=True)).norm(dim=-1) * charge).sum(1)

class Bent(nn.Module):
    def __init__(self, more):
        super().__init__()
        self.more = more
    def forward(self, x):
        return x * x.norm(dim=-1, keepdim=True) * torch.tensor([1.0, 1.0, 1.0 + self.more]).to(x)

class Sizes(nn.Module):
    def forward(self, x):
        return x / x.norm(dim=-1, keepdim=True)

class Fragile(nn.Module):
    def forward(self, x):
        raise KeyError("no such weight")

def clouds(): return Distances(), (torch.randn(40, 5, 3), torch.rand(40, 5))
def near(): return Bent(0.1), torch.randn(60, 3)
def far(): return Bent(3.0), torch.randn(60, 3)
def sizes(): return Sizes(), torch.randn(60, 3)
def plane(): return Sizes(), torch.randn(60, 2)
def one(): return Bent(3.0), torch.randn(1, 3)
def fragile(): return Fragile(), torch.randn(60, 3)
def number(): return 3
"""


def planted(kind, count=800):
    """Two vectors, and a number that turns of all space, of the xy plane alone, or of nothing leave as it is."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 2, 3))
    a, b = x[:, 0], x[:, 1]
    y = {
        "all": (a * b).sum(1),
        "plane": (a * b)[:, :2].sum(1) + a[:, 2],
        "near": (a * b).sum(1) + 0.3 * a[:, 2],
        "none": a[:, 0] * b[:, 1] + a[:, 0] * a[:, 1] + b[:, 2],
    }[kind]
    return x, 50 + 10 * y


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with data and models, made the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    x, y = planted("plane", 60)
    np.savez("my.npz", x=x, y=y)
    (tmp_path / "planted_models.py").write_text(MODELS)
    yield tmp_path
    sys.modules.pop("planted_models", None)


def findings(out):
    return {one["name"]: one["verdict"] for one in Result.load(out / "result.json").audits}


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("all", {"SO(3)": "exact", "O(2)@xy": "exact", "O(2)@yz": "exact"}),
        ("plane", {"SO(3)": "absent", "O(2)@xy": "exact", "O(2)@yz": "absent"}),
        ("near", {"SO(3)": "approximate", "O(2)@xy": "exact", "O(2)@yz": "approximate"}),
        ("none", {"SO(3)": "absent", "O(2)@xy": "absent", "O(2)@yz": "absent"}),
    ],
)
def test_planted_symmetries_of_data_are_found(folder, capsys, kind, wanted):
    x, y = planted(kind)
    np.savez("planted.npz", x=x, y=y)
    assert main(["discover", "--data", "planted.npz", "--groups", ", ".join(wanted), *BUDGET, "--out", "out"]) == 0
    shown = capsys.readouterr().out
    assert findings(folder / "out") == wanted
    assert "800 samples of planted.npz: 2*vector -> scalar" in shown
    assert "x of shape (2, 3) is read as 2*vector" in " ".join(shown.split())
    assert {path.name for path in (folder / "out").iterdir()} == {"result.json", "discover.png"}
    assert (folder / "out" / "discover.png").stat().st_size < 100_000
    result = Result.load(folder / "out" / "result.json")
    numbers = result.metrics["data"]
    for name, finding in wanted.items():
        low, high = numbers[f"{name} error low"][0], numbers[f"{name} error high"][0]
        assert low <= numbers[f"{name} error"][0] <= high and 0 < numbers[f"{name} strength"][0] <= 0.01
        assert (numbers[f"{name} growth low"][0] > 1.1) == (finding != "exact")
    assert numbers["0.01 explained"][0] > 0.9 and result.config["samples"].startswith("800 items")


def test_a_network_that_learned_nothing_says_nothing(folder, capsys):
    rng = np.random.default_rng(0)
    np.savez("noise.npz", x=rng.normal(size=(60, 2, 3)), y=rng.normal(size=60))
    assert main(["discover", "--data", "noise.npz", *QUICK, "--out", "out"]) == 0
    assert set(findings(folder / "out").values()) == {"undecided"} and len(findings(folder / "out")) == 6
    assert "of the variance only" in " ".join(capsys.readouterr().out.split())


def test_words_for_groups_inputs_and_output(folder, capsys):
    words = ["--groups", "SO(3)*Scaling, O(2)@xy", "--inputs", "3*scalar+vector", "--output", "scalar"]
    assert main(["discover", "--data", "my.npz", *words, *QUICK, "--out", "out"]) == 0
    assert "3*scalar+vector -> scalar" in capsys.readouterr().out
    assert set(findings(folder / "out")) == {"SO(3)*Scaling", "O(2)@xy"}


def test_in_the_plane(folder, capsys):
    rng = np.random.default_rng(0)
    np.savez("flat.npz", x=rng.normal(size=(60, 2, 2)), y=rng.normal(size=(60, 2)))
    assert main(["discover", "--data", "flat.npz", *QUICK, "--out", "out"]) == 0
    assert set(findings(folder / "out")) == {"O(2)", "SO(2)", "Scaling"}
    assert "2*vector -> vector" in capsys.readouterr().out


def without_seconds(out):
    metrics = json.loads((out / "result.json").read_text())["metrics"]["data"]
    return {name: values for name, values in metrics.items() if "seconds" not in name}


def test_a_killed_discovery_goes_on_to_the_same_numbers(folder, capsys):
    command = ["discover", "--data", "my.npz", *QUICK, "--steps", "60", "--strengths", "0,0.1", "--groups", "SO(3)"]
    process = subprocess.Popen(
        [sys.executable, "-m", "erlangen", *command, "--out", "killed"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not (folder / "killed" / "trainings" / "discover" / "0" / "0.1" / "last.safetensors").exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL and not (folder / "killed" / "result.json").exists()
    assert main([*command, "--out", "whole"]) == 0
    assert main([*command, "--out", "killed", "--resume"]) == 0
    assert without_seconds(folder / "killed") == without_seconds(folder / "whole")
    capsys.readouterr()
    before = (folder / "killed" / "result.json").read_bytes()
    assert main([*command, "--out", "killed", "--resume"]) == 0
    assert "complete already" in capsys.readouterr().out
    assert (folder / "killed" / "result.json").read_bytes() == before
    x, y = planted("all", 60)
    np.savez("my.npz", x=x, y=y)
    assert main([*command, "--out", "killed", "--resume"]) == 0
    assert "complete already" not in capsys.readouterr().out


def test_other_candidates_do_not_go_on(folder, capsys):
    command = ["discover", "--data", "my.npz", *QUICK, "--out", "out"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("erlangen.train.remove_trainings", lambda folder: None)
        assert main([*command, "--groups", "SO(3)"]) == 0
    (folder / "out" / "result.json").unlink()
    assert main([*command, "--groups", "O(3)", "--resume"]) == 2
    assert "belongs to a training with other settings" in capsys.readouterr().err


# ---------------------------------------------------------------- a trained model alone


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (
            ["clouds", "--groups", "E(3), SO(3), SO(2)@xy", "--inputs", "points fixed", "--output", "scalar"],
            {"E(3)": "exact", "SO(3)": "exact", "SO(2)@xy": "exact"},
        ),
        (["clouds", "--groups", "O(3)"], {"O(3)": "exact"}),
        (
            ["near", "--groups", "O(3), O(2)@xy", "--inputs", "vector", "--output", "vector"],
            {"O(3)": "approximate", "O(2)@xy": "exact"},
        ),
        (["far"], {"O(3)": "absent", "SO(3)": "absent", "O(2)@xy": "exact", "O(2)@yz": "absent", "O(2)@xz": "absent"}),
        (
            ["sizes", "--groups", "Scaling, SO(3)*Scaling", "--inputs", "vector", "--output", "vector"],
            {"Scaling": "absent", "SO(3)*Scaling": "absent"},
        ),
        (
            ["sizes", "--groups", "Scaling, SO(3)*Scaling", "--inputs", "vector", "--output", "3*scalar"],
            {"Scaling": "exact", "SO(3)*Scaling": "absent"},
        ),
        (["plane"], {"O(2)": "exact", "SO(2)": "exact"}),
    ],
)
def test_planted_symmetries_of_a_model_are_found(folder, capsys, words, wanted):
    assert main(["discover", "--model", f"planted_models:{words[0]}", *words[1:], "--out", "out"]) == 0
    found = findings(folder / "out")
    assert {name: found[name] for name in wanted} == wanted
    shown = " ".join(capsys.readouterr().out.split())
    assert ("Assumed" in shown) == ("--inputs" not in words)
    assert {path.name for path in (folder / "out").iterdir()} == {"result.json", "discover.png"}


def test_a_model_is_never_taken_from_before(folder, capsys):
    for name, wanted in (("near", "approximate"), ("far", "absent")):
        model = ["--model", f"planted_models:{name}", "--groups", "SO(3)", "--inputs", "vector", "--output", "vector"]
        assert main(["discover", *model, "--out", "out", "--resume"]) == 0
        assert findings(folder / "out") == {"SO(3)": wanted}


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--groups", "SO(3)"], "--data or --model is missing"),
        (["--data", "my.npz", "--model", "planted_models:far"], "--data and --model are given"),
        (["--data", "none.npz"], "--data: no file none.npz"),
        (["--data", "my.npz", "--groups", "SU(3"], "--groups: "),
        (["--data", "my.npz", "--groups", "OS(3)"], "--groups: unknown group 'OS'"),
        (["--data", "my.npz", "--groups", "E(3)"], "--groups: E(3) also translates"),
        (["--data", "my.npz", "--groups", "SO(3), SO(2)"], "--groups: all on one space"),
        (["--data", "my.npz", "--target", "z"], "--data: my.npz: what is to be learned under 'z'; it has x, y"),
        (["--data", "my.npz", "--inputs", "vectors"], "--inputs: unknown action 'vectors'"),
        (["--data", "my.npz", "--inputs", "3*vector"], "--inputs: 3*vector are 9 numbers, but my.npz has 6"),
        (["--data", "my.npz", "--inputs", "6*scalar"], "--inputs: 6*scalar, which no group moves"),
        (["--data", "my.npz", "--test", "0.9", "--validation", "0.2"], "--data: my.npz: 60 samples, of which 54"),
        (["--data", "my.npz", "--strengths", "0"], "--strengths is '0'"),
        (["--data", "my.npz", "--group", "SO(3)"], "unknown option '--group'; did you mean '--groups'?"),
        (["--data", "my.npz", "--steps", "0"], "--steps is 0; it takes a whole number from 1"),
        (["--data", "my.npz", "--lr", "1e30", *QUICK[2:]], "--lr is 1e+30; strength 0.1 (seed 0): the loss is"),
        (["--data", "nowhere:make"], "nowhere:make: no module 'nowhere'"),
        (["--model", "planted_models:none"], "planted_models:none: no 'none' in 'planted_models'"),
        (["--model", "planted_models:number"], "planted_models:number returned something of type int"),
        (
            ["--model", "planted_models:fragile", "--groups", "SO(3)"],
            "planted_models:fragile: the model failed: KeyError",
        ),
        (["--model", "planted_models:one"], "a batch of several different samples; it has one sample"),
        (["--model", "planted_models:far", "--inputs", "vector"], "--inputs and --output go together"),
        (["--model", "planted_models:far", "--groups", "SO(4)"], "--model planted_models:far: "),
        (
            ["--model", "planted_models:far", "--groups", "SO(3)", "--inputs", "points fixed", "--output", "scalar"],
            "--inputs names 2 inputs, the factory gave 1",
        ),
    ],
)
def test_wrong_input(folder, capsys, words, message):
    assert main(["discover", *words, "--out", "out"]) == 2
    said = capsys.readouterr().err
    assert message in said and said.startswith("erlangen: ") and "Traceback" not in said
    assert not (folder / "out").exists() or not (folder / "out" / "result.json").exists()


def test_a_result_of_another_recipe_is_left_alone(folder, capsys):
    Result("quickstart", "smoke", {}, [0], {}, {}).save(folder / "result.json")
    before = (folder / "result.json").read_bytes()
    assert main(["discover", "--data", "my.npz", *QUICK, "--out", "."]) == 2
    assert "holds a result of quickstart; name another folder" in capsys.readouterr().err
    assert (folder / "result.json").read_bytes() == before


def test_help_teaches(capsys):
    assert main(["discover", "--help"]) == 0
    said = capsys.readouterr().out
    for word in ("--groups 'SO(3), O(2)@xy, Scaling'", "--inputs '5*scalar+5*vector'", "samples.npz", "my_file:make"):
        assert word in said
    for word in ("exact ", "approximate ", "absent ", "undecided ", "--strengths", "--resume", "def make()"):
        assert word in said
    assert all(len(line) <= 120 for line in said.partition("options:")[0].splitlines())
    assert main(["discover"]) == 2
    assert main(["--help"]) == 0 and "discover      which symmetries" in capsys.readouterr().out
