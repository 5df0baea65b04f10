"""Two processes end with equal weights, which are those of one process up to rounding."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("two_processes.py")


def flat(values):
    return [number for value in values for number in (flat(value) if isinstance(value, list) else [value])]


@pytest.mark.parametrize("strategy", ["ddp", "ddp_spawn"])
def test_two_processes_do_what_one_does(tmp_path, strategy):
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(tmp_path), strategy], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert not any(word in done.stderr for word in ("Traceback", "GLOBAL_RANK", "deprecated", "Trainer.fit"))
    assert {path.name for path in (tmp_path / "two").iterdir()} == {
        "best.safetensors",
        "history.csv",
        "last.safetensors",
    }
    first, one = (json.loads((tmp_path / name).read_text()) for name in ("rank0.json", "one.json"))
    if strategy == "ddp":
        second = json.loads((tmp_path / "rank1.json").read_text())
        assert second["weights"] == first["weights"] and second["best"] == first["best"]
    assert flat(list(first["weights"].values())) == pytest.approx(flat(list(one["weights"].values())), rel=1e-9)
    assert first["best"] == one["best"]
    for ours, theirs in zip(first["history"], one["history"], strict=True):
        assert [ours[k] for k in ("epoch", "loss", "val_loss", "lr")] == pytest.approx(
            [theirs[k] for k in ("epoch", "loss", "val_loss", "lr")], rel=1e-9
        )
