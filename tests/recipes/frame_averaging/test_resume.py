"""A run that is killed goes on with --resume, several processes share its trainings; the numbers stay the same."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from erlangen.cli import main
from erlangen.recipes.frame_averaging import Config, run

SETTINGS = {"size": "smoke", "experiment": "nbody", "seeds": 1, "nbody_epochs": 6}
COMMAND = ["run", "frame-averaging", *(f"--{name}={value}" for name, value in SETTINGS.items())]
FILES = {"result.json", "nbody-paths.png", "nbody-rotation.png"}


@pytest.fixture(scope="module")
def whole():
    return without_seconds(run(Config(**SETTINGS)).metrics["nbody"])


def without_seconds(metrics):
    return {name: values for name, values in metrics.items() if "seconds" not in name}


def measured(out):
    return without_seconds(json.loads((out / "result.json").read_text())["metrics"]["nbody"])


def started(out, *options):
    command = [sys.executable, "-m", "erlangen", *COMMAND, "--out", str(out), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for(process, path):
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize(("name", "code"), [("SIGKILL", -signal.SIGKILL), ("SIGINT", 130)])
def test_a_stopped_run_goes_on(tmp_path, whole, name, code):
    process = started(tmp_path)
    wait_for(process, tmp_path / "trainings" / "nbody" / "0" / "gnn_longer")  # four trainings are done, one goes on
    os.killpg(process.pid, getattr(signal, name))
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code and not (tmp_path / "result.json").exists()
    assert ("the same command with --resume goes on" in stderr) == (name == "SIGINT")
    kept = {path: path.read_bytes() for path in tmp_path.rglob("last.safetensors")}
    assert {path.parent.name for path in kept} >= {"gnn", "fa", "reframed", "egnn"}
    assert main([*COMMAND, "--out", str(tmp_path), "--resume"]) == 0
    assert measured(tmp_path) == whole
    assert {path.name for path in tmp_path.iterdir()} == FILES


def test_what_is_trained_is_not_trained_again(tmp_path, whole, monkeypatch):
    monkeypatch.setattr("erlangen.train.remove_trainings", lambda folder: None)
    assert main([*COMMAND, "--out", str(tmp_path)]) == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("last.safetensors")}
    assert len(before) == 7
    assert main([*COMMAND, "--out", str(tmp_path), "--resume"]) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("last.safetensors")} == before
    assert measured(tmp_path) == whole


def test_a_run_of_other_settings_does_not_go_on(tmp_path, capsys):
    folder = tmp_path / "trainings" / "nbody" / "0" / "gnn"
    process = started(tmp_path)
    wait_for(process, folder / "history.csv")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert main([*COMMAND, "--out", str(tmp_path), "--resume", "--nbody-sims=45"]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("erlangen: --out: ") and "belongs to a training with other settings: train_data" in said
    assert said.endswith("; without --resume all begins anew")


def test_two_processes_share_the_trainings(tmp_path, whole):
    process = started(tmp_path, "--devices=2", "--strategy=ddp")
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert stdout.count("frame-averaging · size smoke") == 1  # one of them speaks
    assert {path.name for path in tmp_path.iterdir()} == FILES
    shared = measured(tmp_path)
    for name in ("gnn", "fa", "reframed", "egnn", "gnn_longer", "egnn_longer"):  # gnn_augmented draws other rotations
        assert shared[name] == pytest.approx(whole[name], rel=1e-3), name


def test_somebody_elses_files_are_left_alone(tmp_path):
    Path(tmp_path, "trainings").mkdir()
    Path(tmp_path, "trainings", "diary.txt").write_text("mine")
    assert main([*COMMAND, "--out", str(tmp_path)]) == 0
    assert [path.name for path in (tmp_path / "trainings").iterdir()] == ["diary.txt"]
