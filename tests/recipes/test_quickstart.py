"""The quickstart at size smoke: everything but the accuracy, which takes size small."""

import gzip
import json
from pathlib import Path

import pytest
import torch

from erlangen.data import MissingDataError
from erlangen.groups import SO, Pixels, QuarterTurns
from erlangen.recipes.quickstart import CLAIMS, METHODS, Config, _rotation, build, run
from erlangen.report import Result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("quickstart")


@pytest.fixture(scope="module")
def result(folder):
    return run(Config(size="smoke", out=folder))


def test_it_measures_everything_it_claims(result):
    assert result.status == "complete" and result.seeds == [0, 1]
    assert [verdict.verdict for _, verdict in result.claims] == ["undecided"] * len(CLAIMS)  # two seeds of five
    assert all(verdict.effect is not None for _, verdict in result.claims)


def test_its_checks_pass_and_the_audit_tells_the_networks_apart(result):
    assert [check for check in result.checks if not check.passed] == [] and len(result.checks) == 5
    verdicts = {report["name"]: report["verdict"] for report in result.audits}
    assert verdicts == {
        METHODS["plain"]: "breaks",
        METHODS["augmented"]: "breaks",
        METHODS["after"]: "exact",
        METHODS["trained"]: "exact",
    }


def test_turning_does_not_change_what_a_symmetrised_network_reads(result):
    turns, angles = result.metrics["turns"], result.metrics["angles"]
    for name in ("after", "trained"):
        assert turns[f"{name}_upright"] == pytest.approx(turns[f"{name}_turned"], abs=1e-12)
        for angle in (90, 180, 270, 360):  # the resampled action agrees with the exact one where they meet
            assert angles[f"{name}_change_{angle:03d}"] == pytest.approx([0.0, 0.0], abs=1e-4)


def test_its_files_are_whole(result, folder):
    path = result.save(folder / "result.json")
    assert Result.load(path).to_dict() == result.to_dict()
    assert sorted(file.name for file in folder.iterdir()) == ["angles.png", "result.json"]
    assert (folder / "angles.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_seed_gives_the_same_numbers_and_without_a_folder_nothing_is_written(result, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    again = run(Config(size="smoke", seeds=1, seed=1, experiment="turns"))
    assert {name: values[1:] for name, values in result.metrics["turns"].items()} == again.metrics["turns"]
    assert again.status == "partial" and again.figures == {} and list(tmp_path.iterdir()) == []
    assert again.claims[-1][1].reason == "experiment 'angles' was not run"


def test_positive_angles_turn_as_quarter_turns_do():
    x = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    turned = Pixels(SO(2))(_rotation(90), x)
    torch.testing.assert_close(turned, QuarterTurns()(torch.tensor(1), x))


def test_mnist_is_named_where_it_is_missing(tmp_path):
    with pytest.raises(MissingDataError, match=r"data set 'mnist'.*not found below .*t10k-images-idx3-ubyte\.gz"):
        run(Config(size="smoke", images="mnist", data=tmp_path))


def test_mnist_is_read_where_it_is(tmp_path):
    write_mnist(tmp_path / "mnist" / "MNIST" / "raw", count=60)
    done = run(Config(size="smoke", images="mnist", data=tmp_path, steps=2, seeds=1, experiment="turns"))
    assert done.config["images"] == "mnist" and str(tmp_path) not in json.dumps(done.to_dict())


def test_the_backbone_takes_both_sizes():
    for size in (8, 28):
        assert build(4, size)(torch.zeros(2, 1, size, size)).shape == (2, 10)


def write_mnist(folder: Path, count: int) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 28, 28), generator=generator, dtype=torch.uint8).numpy().tobytes()
    labels = bytes(index % 10 for index in range(count))
    folder.mkdir(parents=True)
    head = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (count, 28, 28))
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + images))
    head = bytes([0, 0, 8, 1]) + count.to_bytes(4, "big")
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(head + labels))
