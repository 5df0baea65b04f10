"""Killed by a real SIGKILL, at any moment and within writes, a training ends in the same numbers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("kill_anywhere.py")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    command = [sys.executable, str(PROGRAM), str(tmp_path_factory.mktemp("killed")), "0", "5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_weights_and_history_are_the_same_to_the_last_bit(report):
    assert len(report["whole"]["history"]) == 5 and report["whole"]["best"][0] < 5
    for chain in report["chains"]:
        assert chain["result"] == report["whole"], chain["how"]


def test_a_training_that_stops_early_stops_at_the_same_epoch(report):
    assert len(report["early"]["history"]) < 5
    for chain in report["early_chains"]:
        assert chain["kills"] >= 1 and chain["result"] == report["early"], chain["how"]
    (after,) = [chain for chain in report["early_chains"] if chain["how"].startswith("after")]
    assert after["steps"] == 0  # of the process that only had to note that this was the end


def test_trainings_were_killed_and_did_not_begin_anew(report):
    assert sum(chain["kills"] for chain in report["chains"]) >= 10
    for chain in report["chains"]:
        if chain["how"].endswith("a write"):
            assert chain["kills"] >= 3
    assert any(chain["steps"] % 6 for chain in report["chains"] if chain["steps"] < 30), "none went on within an epoch"
