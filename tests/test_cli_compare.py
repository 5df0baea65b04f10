"""`erlangen compare`: a user's clouds in; a table, a figure and every number out; wrong inputs with their one line."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from ase import Atoms, io
from ase.calculators.singlepoint import SinglePointCalculator

from erlangen.cli import main
from erlangen.report import Result

QUICK = ["--size", "smoke", "--hidden", "4", "--num-layers", "1"]


def turn(rng):
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return turn


def write_distances(path, count=60):
    """Three points, turned at random; to be learned is the mean distance between them."""
    rng = np.random.default_rng(0)
    pos = np.stack([rng.normal(size=(3, 3)) @ turn(rng) for _ in range(count)])
    apart = np.linalg.norm(pos[:, :, None] - pos[:, None], axis=-1)
    np.savez(path, pos=pos, y=100 + 10 * apart.sum((1, 2)) / 6)


def without_seconds(out):
    metrics = json.loads((out / "result.json").read_text())["metrics"]["points"]
    return {name: values for name, values in metrics.items() if "seconds" not in name}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    write_distances(folder / "my.npz")
    return folder


def test_what_keeps_rotations_learns_distances_and_the_others_say_how_far_they_are(folder, capsys):
    out = folder / "distances"
    command = ["compare", "--data", str(folder / "my.npz"), "--out", str(out), "--size", "smoke", "--epochs", "25"]
    command += ["--methods", "egnn,pointnet", "--lr", "2e-2", "--seeds", "2"]
    assert main([*command, "--hidden", "12"]) == 0
    shown = capsys.readouterr().out
    assert "60 clouds; 'y': a number for each cloud" in shown and "Checks (identities, no evidence): 1 of 1" in shown
    assert {path.name for path in out.iterdir()} == {"result.json", "compare.png"}
    assert (out / "compare.png").stat().st_size < 100_000
    result = Result.load(out / "result.json")
    found = result.metrics["points"]
    assert result.config["data"].endswith("my.npz") and result.seeds == [0, 1]
    assert all(len(values) == 2 for values in found.values())
    mean = {name: sum(values) / 2 for name, values in found.items()}
    assert mean["egnn"] < 0.4 * mean["guess"] and 1 < mean["guess"] < 10  # in the unit of the file
    assert mean["egnn_turned"] == pytest.approx(mean["egnn"], rel=1e-3)
    assert mean["pointnet_symmetry"] > 1e-3 and mean["pointnet_turned"] != mean["pointnet"]
    assert mean["egnn_symmetry"] < 1e-9
    assert 0.83 < mean["egnn_weights"] / mean["pointnet_weights"] < 1.2
    assert [audit["verdict"] for audit in result.audits] == ["exact", "breaks"]


def test_a_killed_comparison_goes_on_to_the_same_numbers(folder, tmp_path, capsys):
    command = [
        "compare",
        "--data",
        str(folder / "my.npz"),
        *QUICK,
        "--epochs",
        "4",
        "--methods",
        "gnn-turned,egnn",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "erlangen", *command, "--out", str(tmp_path / "killed")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "killed" / "trainings" / "compare" / "0" / "gnn-turned").exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL and not (tmp_path / "killed" / "result.json").exists()
    assert main([*command, "--out", str(tmp_path / "whole")]) == 0
    assert main([*command, "--out", str(tmp_path / "killed"), "--resume"]) == 0
    assert without_seconds(tmp_path / "killed") == without_seconds(tmp_path / "whole")
    capsys.readouterr()
    before = (tmp_path / "killed" / "result.json").read_bytes()
    assert main([*command, "--out", str(tmp_path / "killed"), "--resume"]) == 0
    assert "complete already" in capsys.readouterr().out
    assert (tmp_path / "killed" / "result.json").read_bytes() == before


def test_a_complete_comparison_of_other_clouds_begins_anew(tmp_path, capsys):
    command = [
        "compare",
        "--data",
        str(tmp_path / "my.npz"),
        *QUICK,
        "--methods",
        "gnn",
        "--out",
        str(tmp_path / "out"),
    ]
    for count in (20, 30):
        write_distances(tmp_path / "my.npz", count)
        assert main([*command, "--resume"]) == 0
        said = capsys.readouterr().out
        assert f"{count} clouds" in said and "complete already" not in said


def test_other_clouds_do_not_go_on(tmp_path, capsys):
    write_distances(tmp_path / "my.npz")
    command = [
        "compare",
        "--data",
        str(tmp_path / "my.npz"),
        *QUICK,
        "--methods",
        "gnn",
        "--out",
        str(tmp_path / "out"),
    ]
    training = tmp_path / "out" / "trainings" / "compare" / "0" / "gnn"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("erlangen.train.remove_trainings", lambda folder: None)
        assert main(command) == 0
    assert training.is_dir()
    (tmp_path / "out" / "result.json").unlink()
    write_distances(tmp_path / "my.npz", count=50)
    capsys.readouterr()
    assert main([*command, "--resume"]) == 2
    assert "belongs to a training with other settings: train_data" in capsys.readouterr().err


def write_molecules(path, count=12):
    rng, frames = np.random.default_rng(0), []
    for _ in range(count):
        atoms = Atoms("OH2", positions=rng.normal(size=(3, 3)))
        atoms.calc = SinglePointCalculator(atoms, energy=float(rng.normal()) - 76, forces=rng.normal(size=(3, 3)))
        frames.append(atoms)
    io.write(path, frames, format="extxyz")


def write_scans(folder, count=6):
    rng = np.random.default_rng(0)
    for i in range(count):
        rows = [" ".join(map(str, row)) for row in rng.normal(size=(4 + i, 3))]
        head = ["ply", "format ascii 1.0", f"element vertex {4 + i}", *(f"property float {c}" for c in "xyz")]
        place = folder / ("chair", "table")[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i}.ply").write_text("\n".join([*head, "end_header", *rows]))


def write_factory(folder):
    (folder / "my_clouds.py").write_text(
        "import torch\nfrom torch_geometric.data import Data\n"
        "def make():\n    torch.manual_seed(0)\n"
        "    return [Data(pos=torch.randn(5, 2), y_node=torch.randint(2, (5,))) for _ in range(8)]\n"
        "def broken():\n    raise KeyError('no such file')\n"
    )


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--data", "a.xyz"], "12 clouds; 'energy': a number for each cloud"),
        (["--data", "a.xyz", "--target", "forces", "--group", "SO"], "12 clouds; 'forces': a vector for each point"),
        (["--data", "scans"], "6 clouds; 'folder': one of 2 classes for each cloud"),
        (["--data", "my_clouds:make"], "8 clouds; 'y_node': one of 2 classes for each point"),
        (["--data", "a.pt"], "6 clouds; 'y': one of 2 classes for each cloud"),
    ],
)
def test_every_format(tmp_path, monkeypatch, capsys, words, shown):
    monkeypatch.chdir(tmp_path)
    write_molecules("a.xyz")
    write_scans(tmp_path / "scans")
    write_factory(tmp_path)
    torch.save({"pos": torch.randn(6, 4, 3), "y": torch.arange(6) % 2}, "a.pt")
    assert main(["compare", *words, *QUICK, "--epochs", "1", "--methods", "egnn,fa-gnn", "--out", "out"]) == 0
    said = capsys.readouterr().out
    assert shown in said
    assert ("What elements explain" in said) == ("energy" in shown)
    found = without_seconds(tmp_path / "out")
    assert all(np.isfinite(values).all() for values in found.values()) and found["fa-gnn_symmetry"][0] < 1e-9


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--data is missing; it takes a file, a folder, or package.module:function"),
        (["--data", "no.npz"], "--data: no file no.npz"),
        (["--data", "no.csv"], "--data: no file no.csv"),
        (["--data", "notes.txt"], "--data: notes.txt: one of .npz, .xyz, .extxyz, .pt, .ply, a folder of .ply files"),
        (["--data", "empty"], "--data: empty: a folder of .ply files, or of folders of them; it has none"),
        (["--data", "nowhere:make"], "nowhere:make: no module 'nowhere'"),
        (["--data", "my_clouds:made"], "my_clouds:made: no 'made' in 'my_clouds'; did you mean 'make'?"),
        (["--data", "my_clouds:broken"], "my_clouds:broken: the factory raised KeyError: 'no such file'"),
        (["--data", "my.npz", "--task", "graphs"], "--task"),
        (["--data", "my.npz", "--target", "z"], "--data: my.npz: --target, one of y, got z"),
        (["--data", "my.npz", "--target-kind", "classes"], "--target-kind classes takes a whole number in each row"),
        (["--data", "my.npz", "--methods", "egn"], "--methods names 'egn'"),
        (["--data", "my.npz", "--epochs", "0"], "--epochs is 0; it takes a whole number from 1"),
        (["--data", "my.npz", "--device", "foo"], "--device is 'foo'"),
        (["--data", "my.npz", "--test", "0.95"], "--data: 60 clouds, of which 57 to test and 6 to choose the epoch"),
        (["--data", "my.npz", "--metods", "egnn"], "unknown option '--metods'; did you mean '--methods'?"),
        (["--data", "my.npz", "--group", "E"], "--group"),
        (["--data", "vectors.npz", "--methods", "pnita"], "--methods: pnita cannot take these clouds"),
    ],
)
def test_wrong_input(folder, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    write_factory(tmp_path)
    (tmp_path / "my.npz").write_bytes((folder / "my.npz").read_bytes())
    (tmp_path / "notes.txt").write_text("clouds")
    (tmp_path / "empty").mkdir()
    rng = np.random.default_rng(0)
    np.savez("vectors.npz", pos=rng.normal(size=(5, 3, 3)), vectors=rng.normal(size=(5, 3, 3)))
    assert main(["compare", *words, "--out", "out", "--size", "smoke"]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_result_of_another_recipe_is_left_alone(folder, tmp_path, capsys):
    result = Result("quickstart", "smoke", {}, [0], {}, {})
    result.save(tmp_path / "result.json")
    command = ["compare", "--data", str(folder / "my.npz"), *QUICK, "--out", str(tmp_path)]
    before = (tmp_path / "result.json").read_bytes()
    assert main(command) == 2
    assert "holds a result of quickstart; name another folder" in capsys.readouterr().err
    assert (tmp_path / "result.json").read_bytes() == before


def test_what_is_missing_is_named_by_its_extra(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_molecules("a.xyz")
    (tmp_path / "needs_graphs.py").write_text("def make():\n    import torch_geometric_absent\n")
    monkeypatch.setitem(sys.modules, "ase.io", None)
    assert main(["compare", "--data", "a.xyz", "--out", "out"]) == 2
    assert "ase" in capsys.readouterr().err
    assert main(["compare", "--data", "needs_graphs:make", "--out", "out"]) == 2
    assert "pip install 'erlangen[graphs]'" in capsys.readouterr().err


def test_help_teaches(capsys):
    assert main(["compare", "--help"]) == 0
    said = capsys.readouterr().out
    for word in ("erlangen compare --data clouds.npz", "molecules.xyz", "my_file:make", "--methods", "ponita-edges"):
        assert word in said
    assert main(["compare"]) == 2
    assert main(["--help"]) == 0
    assert "compare       networks of every kind on your own point clouds" in capsys.readouterr().out


def test_degenerate_clouds_are_clouds(tmp_path, capsys):
    line = np.linspace(-1, 1, 4)[:, None] * np.array([1.0, 2.0, 0.0])
    square = np.array([[1.0, 1, 0], [1, -1, 0], [-1, -1, 0], [-1, 1, 0]])
    clouds = [np.zeros((1, 3)), np.ones((3, 3)), line, square, *np.random.default_rng(0).normal(size=(6, 5, 3))]
    batch = np.repeat(np.arange(10), [len(cloud) for cloud in clouds])
    np.savez(tmp_path / "odd.npz", pos=np.concatenate(clouds), batch=batch, y=np.arange(10.0))
    command = ["compare", "--data", str(tmp_path / "odd.npz"), *QUICK, "--epochs", "1", "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert "Left out: PONITA on edges (ponita-edges): connected points at the same place" in " ".join(
        capsys.readouterr().out.split()
    )
    found = without_seconds(tmp_path / "out")
    assert all(np.isfinite(values).all() for values in found.values())
    assert found["egnn_symmetry"][0] < 1e-9


def test_a_training_that_diverges_is_named(folder, tmp_path, capsys):
    words = ["--methods", "gnn", "--lr", "1e9", "--size", "smoke", "--out", str(tmp_path / "out")]
    assert main(["compare", "--data", str(folder / "my.npz"), *words]) == 2
    said = capsys.readouterr().err
    assert "--lr is 1000000000.0; GNN (seed 0): the loss is " in said and said.count("\n") == 1


def test_where_nothing_moves_no_symmetry_is_said(tmp_path, capsys):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "points.npz", pos=rng.normal(size=(12, 1, 3)), y=rng.normal(size=12), extra=np.arange(12.0))
    words = ["--target", "y", "--methods", "egnn,gnn", "--size", "smoke", "--out", str(tmp_path / "out")]
    assert main(["compare", "--data", str(tmp_path / "points.npz"), *words]) == 0
    (table,) = Result.load(tmp_path / "out" / "result.json").tables
    assert [row[table.columns.index("symmetry")] for row in table.rows] == [None] * 3
    assert "nothing was tested" in table.note
    assert "Networks see coordinates; edges: all pairs. Not used: extra." in table.note
