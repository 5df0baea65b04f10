"""Extended xyz files: as ASE writes them, under other names, and broken in each way."""

import numpy as np
import pytest
import torch

from erlangen.data.extended_xyz import read_trajectory

ase = pytest.importorskip("ase")
io = pytest.importorskip("ase.io")
calculator = pytest.importorskip("ase.calculators.singlepoint")

HEAD = "Properties=species:S:1:pos:R:3:forces:R:3"
ATOMS = ["H 0 0 0 0.5 0 0", "O 0 0 1 -0.5 0 0"]


def text(comment=f"{HEAD} energy=-1.5", atoms=ATOMS):
    return "\n".join([str(len(atoms)), comment, *atoms]) + "\n"


def read(folder, *frames, **options):
    path = folder / "own.xyz"
    path.write_text("".join(frames))
    return read_trajectory(path, **options)


@pytest.mark.parametrize("where", ["calculator", "info"])
def test_what_ase_writes_comes_back(tmp_path, where):
    draw, images = np.random.default_rng(0), []
    for size, pbc in ((3, False), (1, (True, True, False)), (5, True)):
        image = ase.Atoms(draw.integers(1, 80, size), draw.normal(size=(size, 3)), cell=5 * np.eye(3), pbc=pbc)
        energy, forces = draw.normal(), draw.normal(size=(size, 3))
        if where == "calculator":
            image.calc = calculator.SinglePointCalculator(image, energy=energy, forces=forces)
        else:
            image.info["REF_energy"], image.arrays["REF_forces"] = energy, forces
        images.append((image, energy, forces))
    path = tmp_path / "some@1*.xyz"
    io.write(tmp_path / "plain.xyz", [image for image, *_ in images], format="extxyz")
    (tmp_path / "plain.xyz").rename(path)
    keys = {} if where == "calculator" else {"energy_key": "REF_energy", "forces_key": "REF_forces"}
    snapshots = read_trajectory(path, **keys)
    assert len(snapshots) == 3
    for snapshot, (image, energy, forces) in zip(snapshots, images, strict=True):
        assert snapshot.numbers.tolist() == image.numbers.tolist() and snapshot.energy == pytest.approx(energy)
        np.testing.assert_allclose(snapshot.position.numpy(), image.positions, atol=1e-7)
        np.testing.assert_allclose(snapshot.forces.numpy(), forces, atol=1e-7)
        assert snapshot.position.dtype == snapshot.forces.dtype == torch.float64
        assert snapshot.pbc.tolist() == image.pbc.tolist()
        assert (snapshot.cell is None) == (not image.pbc.any())
        assert snapshot.cell is None or torch.equal(snapshot.cell, 5 * torch.eye(3).double())


def test_the_box_around_a_molecule_is_ignored(tmp_path):
    (snapshot,) = read(tmp_path, text(f'Lattice="50 0 0 0 50 0 0 0 50" {HEAD} energy=1 pbc="F F F"'))
    assert snapshot.cell is None and not snapshot.pbc.any()


def test_files_without_forces(tmp_path):
    frame = text("Properties=species:S:1:pos:R:3 energy=2", ["C 0 0 0"])
    with pytest.raises(ValueError, match=r"own\.xyz, frame 1: no forces under 'forces'; it has 'energy'"):
        read(tmp_path, text(), frame)
    (snapshot,) = read(tmp_path, frame, with_forces=False)
    assert snapshot.forces is None and snapshot.energy == 2
    (snapshot,) = read(tmp_path, text(), with_forces=False)
    assert snapshot.forces is None


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (text(HEAD), "frame 1: no energy under 'energy'; it has 'forces'"),
        (text(f"{HEAD} energy=nan"), "frame 1: finite energy under 'energy', got NaN"),
        (text(f"{HEAD} energy=low"), "frame 1: energy under 'energy' of numbers, got 'low'"),
        (text(f'{HEAD} energy="1 2"'), "frame 1: "),
        (text(atoms=[ATOMS[0], "O 0 0 1 nan 0 0"]), "frame 1: finite forces under 'forces', got NaN"),
        (text(atoms=[ATOMS[0], "O nan 0 1 0 0 0"]), "frame 1: finite positions and cell"),
        (text(atoms=[ATOMS[0], "O 0 0 1 0 0"]), "frame 1: not extended xyz"),
        (text(atoms=[ATOMS[0], "Q 0 0 1 0 0 0"]), "frame 1: not extended xyz"),
        (text("Properties=species:S:1:pos:R:3:forces:R:2 energy=1", ["H 0 0 0 0 0"]),
         r"frame 1: one force of 3 numbers for each of 1 atoms, got shape \(1, 2\)|frame 1: not extended"),
        (text().removesuffix(ATOMS[1] + "\n"), "frame 1: cut off, 1 lines for 2 atoms"),
        ("2\n", "frame 1: cut off, 0 lines for 2 atoms"),
        ("H 0 0 0\n", r"frame 1: line 5 takes a number of atoms, got 'H 0 0 0\\n'"),
        ("\n" + text(), "an empty line 5 amid frames, '2"),
    ],
)  # fmt: skip
def test_broken_files_name_the_frame(tmp_path, broken, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path, text(), broken)
    assert str(caught.value).startswith("own.xyz")


def test_two_values_that_are_not_equal(tmp_path):
    from erlangen.data.extended_xyz import energy_of

    atoms = ase.Atoms("H", info={"energy": 1.0})
    atoms.calc = calculator.SinglePointCalculator(atoms, energy=1.0)
    assert energy_of(atoms, "energy", "here") == 1
    atoms.info["energy"] = 2.0
    with pytest.raises(ValueError, match="here: energy under 'energy' twice, and not the same"):
        energy_of(atoms, "energy", "here")


def test_no_file_an_empty_one_and_one_of_bytes(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_trajectory(tmp_path / "none.xyz")
    with pytest.raises(ValueError, match=r"own\.xyz: no frame in it"):
        read(tmp_path, "\n\n")
    (tmp_path / "own.xyz").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"own\.xyz: not a text file"):
        read_trajectory(tmp_path / "own.xyz")


def test_empty_lines_at_the_end_do_no_harm(tmp_path):
    assert len(read(tmp_path, text(), text(), "\n\n")) == 2
