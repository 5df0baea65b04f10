"""The published molecules: in their layout, written here and, where they are there, the files themselves."""

import pytest
import torch

from erlangen.data import SOURCES, MissingDataError, data_root, look
from erlangen.data.atom_energies import energy_of_atoms, fit_atom_energies, read_isolated_atoms
from erlangen.data.molecules import load_3bpa, load_acac, load_isolated_atoms
from erlangen.data.snapshot import Snapshot

pytest.importorskip("ase")

LATTICE = 'Lattice="50.0 0.0 0.0 0.0 50.0 0.0 0.0 0.0 50.0"'
COLUMNS = "Properties=species:S:1:pos:R:3:forces:R:3"
FRAME = f'2\n{LATTICE} {COLUMNS} energy=-30.5 pbc="F F F"\nC 0 0 0 1 2 3\nH 0 0 1 -1 -2 -3\n'
SCAN = f'1\n{LATTICE} Properties=species:S:1:pos:R:3 energy=-29 pbc="F F F"\nC 0 0 0\n'
ATOM = '1\nProperties=species:S:1:pos:R:3 config_type=isolated_atom energy={} pbc="F F F"\n{} 0 0 0\n'


def lay(root, name):
    """A tiny tree in the publisher's layout."""
    source = SOURCES[name]
    (root / source.folder).mkdir(parents=True)
    for file in source.files:
        content = FRAME * 2
        if "dihedral" in file:
            content = SCAN
        elif "iso" in file:
            content = ATOM.format(-13.5, "H") + ATOM.format(-16.0, "C")
        (root / source.folder / file).write_text(content)
    return root / source.folder


@pytest.mark.parametrize(("name", "load"), [("3bpa", load_3bpa), ("acac", load_acac)])
def test_the_layout(tmp_path, name, load):
    with pytest.raises(MissingDataError, match=rf"data set '{name}'.*train_300K\.xyz.*BOTNet-datasets"):
        load(root=tmp_path)
    folder = lay(tmp_path, name)
    first, second = load("train_300K", tmp_path)
    assert first.numbers.tolist() == [6, 1] and first.energy == -30.5 and first.cell is None
    assert torch.equal(second.forces, torch.tensor([[1.0, 2, 3], [-1, -2, -3]]).double())
    atoms = load_isolated_atoms(name, tmp_path)
    assert atoms == {1: -13.5, 6: -16.0} and first.energy - energy_of_atoms(first.numbers, atoms) == -1
    with pytest.raises(ValueError, match=rf"load_{name}\(split\): 'train_300K', .*got 'train'"):
        load("train", tmp_path)
    (folder / "train_300K.xyz").write_text(FRAME[:-10])
    with pytest.raises(MissingDataError, match=r"train_300K\.xyz, frame 0: .*; get it again"):
        load("train_300K", tmp_path)


def test_splits_that_have_no_forces_and_splits_that_are_not_there(tmp_path):
    folder = lay(tmp_path, "acac")
    (snapshot,) = load_acac("test_dihedral", tmp_path)
    assert snapshot.forces is None and snapshot.energy == -29
    with pytest.raises(MissingDataError, match=r"no test_H_transfer\.xyz in .*acac"):
        load_acac("test_H_transfer", tmp_path)
    (folder / "test_H_transfer.xyz").write_text(SCAN)
    assert len(load_acac("test_H_transfer", tmp_path)) == 1
    (folder / "isolated_atoms.xyz").write_text(FRAME)
    with pytest.raises(MissingDataError, match=r"isolated_atoms\.xyz: no frame of a single atom; get it again"):
        load_isolated_atoms("acac", tmp_path)
    with pytest.raises(ValueError, match=r"load_isolated_atoms\(name\): '3bpa' or 'acac', got 'qm9'"):
        load_isolated_atoms("qm9", tmp_path)


def there(name):
    return pytest.mark.skipif(not look(SOURCES[name], data_root()).there, reason=f"{name} is not here")


@there("3bpa")
@pytest.mark.parametrize(("split", "spread"), [("train_300K", 0.165), ("train_mixedT", 1.33)])
def test_the_published_3bpa(split, spread):
    snapshots = load_3bpa(split)
    energies = torch.tensor([snapshot.energy for snapshot in snapshots], dtype=torch.float64)
    assert len(snapshots) == 500 and {len(snapshot.numbers) for snapshot in snapshots} == {27}
    assert float(energies.std()) == pytest.approx(spread, rel=0.01)
    assert set(load_isolated_atoms("3bpa")) == {1, 6, 7, 8}
    total = torch.stack([snapshot.forces.sum(0) for snapshot in snapshots])
    assert total.norm(dim=1).median() < 0.05


@there("acac")
def test_the_published_acetylacetone():
    sizes = {"train_300K": 500, "train_600K": 500, "test_MD_300K": 650, "test_MD_600K": 650, "test_dihedral": 45}
    atoms = load_isolated_atoms("acac")
    for split, size in sizes.items():
        snapshots = load_acac(split)
        assert len(snapshots) == size
        formula = sorted(snapshots[0].numbers.tolist())
        assert formula == [1] * 8 + [6] * 5 + [8] * 2
        binding = [snapshot.energy - energy_of_atoms(snapshot.numbers, atoms) for snapshot in snapshots]
        assert -75 < min(binding) < max(binding) < -70  # eV


def snapshot(numbers, energy):
    return Snapshot(
        torch.tensor(numbers), torch.zeros(len(numbers), 3).double(), energy, None, None, torch.zeros(3).bool()
    )


def test_fitted_energies_are_those_that_made_the_totals():
    true = {1: -13.5, 6: -1026.0, 8: -2037.0}
    mixtures = [[1, 1, 8], [6, 8, 8], [6, 1, 1, 1, 1], [1, 1], [6, 6, 1, 8]]
    fitted = fit_atom_energies([snapshot(m, energy_of_atoms(torch.tensor(m), true)) for m in mixtures])
    assert fitted == pytest.approx(true)
    noisy = [snapshot([1, 1], -2.0), snapshot([1, 1], -4.0)]
    assert fit_atom_energies(noisy) == pytest.approx({1: -1.5})
    with pytest.raises(ValueError, match="at least one snapshot, got none"):
        fit_atom_energies([])


def test_one_composition_determines_its_sum_alone():
    water = [snapshot([8, 1, 1], -10.0 - 0.1 * i) for i in range(3)]
    fitted = fit_atom_energies(water)
    assert energy_of_atoms(water[0].numbers, fitted) == pytest.approx(-10.1)
    assert fitted[1] == pytest.approx(2 * fitted[8])  # of least norm
    with pytest.raises(ValueError, match=r"one for each element, but \[6\] have none"):
        energy_of_atoms(torch.tensor([6, 1]), fitted)


def test_isolated_atoms_in_a_file_of_ones_own(tmp_path):
    path = tmp_path / "own.xyz"
    path.write_text(FRAME + ATOM.format(-13.5, "H") + FRAME + ATOM.format(-13.5, "H") + ATOM.format(-1, "He"))
    assert read_isolated_atoms(path) == {1: -13.5, 2: -1}
    path.write_text(ATOM.format(-13.5, "H") + ATOM.format(-13.6, "H"))
    with pytest.raises(ValueError, match=r"own\.xyz, frame 1: two energies of H that are not equal, -13\.5 and -13\.6"):
        read_isolated_atoms(path)
