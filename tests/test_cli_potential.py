"""`erlangen potential`: trained on a file, kept, run; each wrong input with its one line."""

import json

import numpy as np
import pytest
import torch
from ase import Atoms, io
from ase.calculators.singlepoint import SinglePointCalculator

from erlangen.cli import main
from erlangen.recipes.gaunt_tensor_product.own import load_potential


def write_frames(path, count=12, total=-100.0):
    """Three atoms held by springs, so that a potential can learn them quickly."""
    rng, frames = np.random.default_rng(0), []
    rest = np.array([[0.0, 0, 0], [1.2, 0, 0], [0, 1.2, 0]])
    for _ in range(count):
        atoms = Atoms("OH2", positions=rest + 0.1 * rng.normal(size=(3, 3)))
        energy, forces = total, np.zeros((3, 3))
        for i, j in ((0, 1), (0, 2), (1, 2)):
            apart = atoms.positions[j] - atoms.positions[i]
            stretch = np.linalg.norm(apart) - np.linalg.norm(rest[j] - rest[i])
            energy += 2 * stretch**2
            pull = 4 * stretch * apart / np.linalg.norm(apart)
            forces[i] += pull
            forces[j] -= pull
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        frames.append(atoms)
    io.write(path, frames, format="extxyz")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("potential")
    write_frames(folder / "my.xyz")
    code = main(["potential", "train", str(folder / "my.xyz"), "--out", str(folder / "mine"), "--epochs", "40",
                 "--channels", "4", "--batch-size", "5", "--cutoff", "3"])  # fmt: skip
    assert code == 0
    return folder


def test_it_learns_and_is_kept_in_total_energies(trained):
    assert {p.name for p in (trained / "mine").iterdir()} >= {"potential.json", "best.safetensors", "history.csv"}
    rows = np.genfromtxt(trained / "mine" / "history.csv", delimiter=",", names=True)
    assert rows["val_loss"].min() < 0.3 * rows["val_loss"][0]
    potential = load_potential(trained / "mine")
    errors = []
    for atoms in io.read(trained / "my.xyz", ":"):
        energy, forces = potential(torch.tensor(atoms.positions).float(), torch.tensor(atoms.numbers))
        errors.append(abs(float(energy) - atoms.get_potential_energy()))
        assert forces.shape == (3, 3)
    assert max(errors) < 1.0 and float(energy) < -98


def test_a_finished_training_is_taken_up_and_not_repeated(trained, capsys):
    before = (trained / "mine" / "last.safetensors").read_bytes()
    command = ["potential", "train", str(trained / "my.xyz"), "--out", str(trained / "mine"), "--epochs", "40",
               "--channels", "4", "--batch-size", "5", "--cutoff", "3"]  # fmt: skip
    assert main([*command, "--resume"]) == 0
    assert (trained / "mine" / "last.safetensors").read_bytes() == before
    capsys.readouterr()
    assert main(command) == 2
    assert "holds a finished training" in capsys.readouterr().err


def test_dynamics_are_repeatable_and_written_whole(trained, tmp_path, capsys):
    command = [
        "potential",
        "md",
        str(trained / "mine"),
        str(trained / "my.xyz"),
        "--steps",
        "25",
        "--temperature",
        "50",
    ]
    for name in ("a.xyz", "b.xyz"):
        assert main([*command, "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.xyz").read_bytes() == (tmp_path / "b.xyz").read_bytes()
    frames = io.read(tmp_path / "a.xyz", ":")
    assert len(frames) == 3 and np.ptp([f.positions for f in frames], axis=0).max() > 1e-4
    assert "frames:      3 in" in capsys.readouterr().out
    assert {p.name for p in tmp_path.iterdir()} == {"a.xyz", "b.xyz"}


def test_a_start_with_an_at_sign_is_a_file(trained, tmp_path, capsys):
    start = tmp_path / "my@1.xyz"
    start.write_bytes((trained / "my.xyz").read_bytes())
    assert main(["potential", "md", str(trained / "mine"), str(start), "--steps", "1", "--out",
                 str(tmp_path / "a.xyz")]) == 0  # fmt: skip


def test_other_settings_do_not_go_on(trained, capsys):
    command = ["potential", "train", str(trained / "my.xyz"), "--out", str(trained / "mine"), "--epochs", "40",
               "--channels", "4", "--batch-size", "5", "--cutoff", "4", "--resume"]  # fmt: skip
    before = (trained / "mine" / "potential.json").read_bytes()
    assert main(command) == 2
    assert "holds a potential whose cutoff is 3.0, got 4.0" in capsys.readouterr().err
    assert (trained / "mine" / "potential.json").read_bytes() == before


def test_isolated_atoms_are_references_and_crystals_of_one_atom_are_not(tmp_path, capsys):
    write_frames(tmp_path / "all.xyz", count=4)
    frames = io.read(tmp_path / "all.xyz", ":")
    for symbol, energy in (("O", -60.0), ("H", -19.0)):
        atom = Atoms(symbol)
        atom.calc = SinglePointCalculator(atom, energy=energy, forces=np.zeros((1, 3)))
        frames.append(atom)
    crystal = Atoms("O", cell=np.eye(3) * 2, pbc=True)
    crystal.calc = SinglePointCalculator(crystal, energy=-61.0, forces=np.zeros((1, 3)))
    io.write(tmp_path / "all.xyz", [*frames, crystal], format="extxyz")
    command = ["potential", "train", str(tmp_path / "all.xyz"), "--epochs", "1", "--channels", "2", "--lmax", "1"]
    assert main([*command, "--out", str(tmp_path / "a"), "--cutoff", "3"]) == 0
    references = json.loads((tmp_path / "a" / "potential.json").read_text())["references"]
    assert references["8"] - references["1"] == pytest.approx(-41.0)
    io.write(tmp_path / "all.xyz", frames[:-1], format="extxyz")
    assert main([*command, "--out", str(tmp_path / "b"), "--cutoff", "3"]) == 2
    assert "isolated atoms of numbers [8], but none of [1]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "no.xyz", "--out", "x"], "no file no.xyz"),
        (["train", "one.xyz", "--out", "x"], "at least two frames of more than one atom, got 1"),
        (["train", "my.xyz", "--out", "x", "--validation", "1"], "validation: a share between 0 and 1, got 1.0"),
        (["train", "my.xyz"], "required: --out"),
        (["train", "my.xyz", "--out", "x", "--energy-key", "REF"], "my.xyz, frame 0"),
        (["md", "nowhere", "my.xyz"], "nowhere: no whole potential"),
        (["md", "mine", "no.xyz"], "no file no.xyz"),
        (["md", "mine", "gold.xyz"], "numbers: one of the elements [1, 8], got 79"),
        (["md", "mine", "my.xyz", "--steps", "0"], "--steps is 0; it takes a whole number from 1"),
        (["md", "mine", "my.xyz", "--temperature", "-1"], "--temperature is -1.0; it takes a positive number"),
        (["md", "mine", "my.xyz", "--friction", "nan"], "--friction is nan; it takes a number from 0"),
        (["md", "mine", "my.xyz", "--out", "nodir/m.xyz"], "out: a file in a folder that is there"),
        (["md", "mine", "my.xyz", "--out", "my.xyz"], "not the file to start from, got my.xyz"),
        (["md", "mine", "mine/history.csv"], "history.csv: ASE cannot read it"),
        (["train", "my.xyz", "--out", "x", "--device", "foo"], "--device is 'foo'"),
        (["fly"], "erlangen potential fly: one of train, md"),
    ],
)
def test_wrong_input(trained, monkeypatch, capsys, words, message):
    monkeypatch.chdir(trained)
    write_frames("one.xyz", count=1)
    io.write("gold.xyz", Atoms("Au"))
    assert main(["potential", *words]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert not (trained / "x" / "potential.json").exists()


def test_a_damaged_potential(trained, tmp_path, capsys):
    for name, content in (("potential.json", "{"), ("potential.json", json.dumps({"elements": [1]}))):
        (tmp_path / name).write_text(content)
        assert main(["potential", "md", str(tmp_path), str(trained / "my.xyz")]) == 2
        assert "no whole potential" in capsys.readouterr().err
    (tmp_path / "potential.json").write_text((trained / "mine" / "potential.json").read_text())
    (tmp_path / "best.safetensors").write_bytes((trained / "mine" / "best.safetensors").read_bytes()[:100])
    assert main(["potential", "md", str(tmp_path), str(trained / "my.xyz")]) == 2
    assert "best.safetensors" in capsys.readouterr().err


def test_help_teaches(capsys):
    assert main(["potential", "--help"]) == 0
    assert "erlangen potential md mine my.xyz" in capsys.readouterr().out
    assert main(["potential"]) == 2
