"""Grown molecules: what rdkit says of them, the same again for a seed, and a cache that survives interruptions."""

import math
import sys

import numpy as np
import pytest
import torch

from erlangen.data import small_molecules as module
from erlangen.data.cache import cache_folder
from erlangen.data.molecule_quality import molecule_quality, smiles_of
from erlangen.data.small_molecules import embed, grow_molecules, small_molecules
from erlangen.extras import MissingExtra

chem = pytest.importorskip("rdkit.Chem")
fields = pytest.importorskip("rdkit.Chem.rdForceFieldHelpers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("molecules")


@pytest.fixture(scope="module")
def molecules(folder):
    return small_molecules(120, seed=3, cache=folder)


def same(first, second):
    return all(
        torch.equal(a.numbers, b.numbers) and torch.equal(a.position, b.position) and a.smiles == b.smiles
        for a, b in zip(first, second, strict=True)
    )


def test_each_is_a_neutral_closed_shell_molecule_of_nine_heavy_atoms_at_most(molecules):
    for molecule in molecules:
        read = chem.AddHs(chem.MolFromSmiles(molecule.smiles))
        assert molecule.numbers.tolist() == [atom.GetAtomicNum() for atom in read.GetAtoms()]
        assert set(molecule.numbers.tolist()) <= {1, 6, 7, 8, 9} and 1 <= (molecule.numbers > 1).sum() <= 9
        assert all(atom.GetFormalCharge() == atom.GetNumRadicalElectrons() == 0 for atom in read.GetAtoms())
        assert "." not in molecule.smiles and chem.CanonSmiles(molecule.smiles) == molecule.smiles
        assert molecule.position.dtype == torch.float64 and molecule.position.mean(0).abs().max() < 1e-12


def test_no_two_are_the_same_and_they_are_of_many_kinds(molecules):
    assert len({molecule.smiles for molecule in molecules}) == len(molecules)
    read = [chem.MolFromSmiles(molecule.smiles) for molecule in molecules]
    rings = sum(bool(molecule.GetRingInfo().NumRings()) for molecule in read)
    assert 20 < rings < 110
    text = "".join(molecule.smiles for molecule in molecules)
    assert all(letter in text for letter in "NOF=#")
    assert np.mean([molecule.GetNumHeavyAtoms() == 9 for molecule in read]) > 0.5


@pytest.mark.parametrize("smarts", ["OO", "OF", "NF", "NNN", "*=*=*", "[r]#[r]", "C1=CC1", "C1=NC1"])
def test_what_a_chemist_would_not_believe_in_does_not_occur(molecules, smarts):
    pattern = chem.MolFromSmarts(smarts)
    assert not [m.smiles for m in molecules if chem.MolFromSmiles(m.smiles).HasSubstructMatch(pattern)]


def test_positions_are_at_a_minimum_of_the_force_field(molecules):
    for molecule in molecules[:20]:
        read = chem.AddHs(chem.MolFromSmiles(molecule.smiles))
        conformer = chem.Conformer(len(molecule.numbers))
        for i, place in enumerate(molecule.position.tolist()):
            conformer.SetAtomPosition(i, place)
        read.AddConformer(conformer)
        field = fields.MMFFGetMoleculeForceField(read, fields.MMFFGetMoleculeProperties(read))
        assert max(map(abs, field.CalcGrad())) < 0.1  # kcal/mol/Angstrom; before it relaxes it is tens


def test_their_bonds_can_be_read_off_their_distances(molecules):
    quality = molecule_quality((molecule.numbers, molecule.position) for molecule in molecules)
    assert quality.atom_stability > 0.97 and quality.molecule_stability > 0.85
    right = [text == molecule.smiles for text, molecule in zip(quality.smiles, molecules, strict=True)]
    assert np.mean(right) > 0.85


def test_a_seed_gives_the_same_again_from_the_cache_and_without(folder, molecules, tmp_path):
    (file,) = folder.iterdir()
    before = file.stat().st_mtime_ns
    assert same(small_molecules(40, seed=3, cache=folder), molecules[:40])
    assert file.stat().st_mtime_ns == before
    assert same([molecule for _, molecule in zip(range(15), grow_molecules(seed=3), strict=False)], molecules[:15])
    small_molecules(10, seed=3, cache=tmp_path)
    assert same(small_molecules(30, seed=3, cache=tmp_path), molecules[:30])  # goes on where the cache ends
    other = small_molecules(10, seed=4, cache=tmp_path)
    assert not {molecule.smiles for molecule in other} <= {molecule.smiles for molecule in molecules}


def test_an_interruption_costs_little(tmp_path, molecules, monkeypatch):
    class Stop(Exception):
        pass

    calls = iter(range(12))

    def stop_at_the_end():
        if next(calls, None) is None:
            raise Stop

    with pytest.raises(Stop):
        small_molecules(50, seed=3, cache=tmp_path, progress=stop_at_the_end)
    grown = []
    monkeypatch.setattr(module, "embed", lambda smiles: grown.append(smiles) or embed(smiles))
    assert same(small_molecules(20, seed=3, cache=tmp_path), molecules[:20])
    assert 7 <= len(grown) < 15
    assert not [file for file in tmp_path.iterdir() if file.suffix != ".npz"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a file"])
def test_a_damaged_file_is_made_anew(tmp_path, molecules, content):
    small_molecules(3, seed=3, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(content or file.read_bytes()[:100])
    assert same(small_molecules(3, seed=3, cache=tmp_path), molecules[:3])


def test_each_is_counted(tmp_path):
    ticks = []
    for count, ticked in ((5, 5), (8, 13), (2, 15)):  # made, made in part, read
        small_molecules(count, heavy=4, cache=tmp_path, progress=lambda: ticks.append(None))
        assert len(ticks) == ticked


def test_the_cache_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("ERLANGEN_CACHE", str(tmp_path / "mine"))
    small_molecules(1, heavy=1)
    assert [file.parent for file in tmp_path.rglob("*.npz")] == [tmp_path / "mine" / "molecules"]
    monkeypatch.delenv("ERLANGEN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("x") == tmp_path / "erlangen" / "x" and cache_folder("x").is_dir()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder("x") == tmp_path / "home" / ".cache" / "erlangen" / "x"


def test_molecules_run_out(tmp_path):
    with pytest.raises(ValueError, match="5 molecules of at most 1 heavy atoms, found 3 and no new one in 1000 tries"):
        small_molecules(5, heavy=1, cache=tmp_path)
    assert len(small_molecules(3, heavy=1, cache=tmp_path)) == 3


def test_what_is_refused(tmp_path):
    for arguments, message in (
        ({"count": 0}, r"small_molecules\(count\): a whole number from 1, got 0"),
        ({"count": 1, "seed": -1}, r"small_molecules\(seed\): a whole number from 0, got -1"),
        ({"count": 1, "heavy": 10}, r"small_molecules\(heavy\): a whole number from 1 to 9, got 10"),
    ):
        with pytest.raises(ValueError, match=message):
            small_molecules(**arguments, cache=tmp_path)
    with pytest.raises(ValueError, match=r"grow_molecules\(heavy\)"):
        next(grow_molecules(heavy=0))
    with pytest.raises(ValueError, match=r"embed\(smiles\): a SMILES string, got 'C\('"):
        embed("C(")


def test_atoms_stand_in_the_order_of_the_canonical_smiles():
    for smiles in ("CC(=O)NC", "N([H])([H])CC", "OCC#N", "F/C=C/F"):
        molecule = embed(smiles)
        read = chem.AddHs(chem.MolFromSmiles(molecule.smiles))
        assert molecule.numbers.tolist() == [atom.GetAtomicNum() for atom in read.GetAtoms()]
        for bond in read.GetBonds():
            ends = molecule.position[[bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]]
            assert 0.9 < (ends[0] - ends[1]).norm() < 1.6
    assert embed("OCC#N").smiles == "N#CCO" and embed("F/C=C/F").smiles == "FC=CF"


def test_a_cage_that_cannot_be_is_not_embedded():
    assert embed("C1C#C1") is None
    assert embed("[Xe]") is None  # an atom that the force field does not know


def test_without_rdkit_the_install_line_is_named(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "rdkit"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r"making molecules needs rdkit.*erlangen\[molecules\]"):
        small_molecules(1, cache=tmp_path)


# ------------------------------------------------------------------ quality
def tensors(molecule):
    return molecule.numbers, molecule.position


def test_quality_counts_what_is_there():
    methane, water, ethanol = (tensors(embed(smiles)) for smiles in ("C", "O", "CCO"))
    radical = (methane[0][:-1], methane[1][:-1])
    crowded = (torch.tensor([9, 1, 1]), torch.tensor([[0, 0, 0], [0.9, 0, 0], [-0.9, 0, 0]]))
    quality = molecule_quality([methane, water, ethanol, methane, radical, crowded], known=["C", "O", "N"])
    assert quality.smiles == ["C", "O", "CCO", "C", "C", None]
    atoms = 5 + 3 + 9 + 5 + 4 + 3
    assert quality.atom_stability == pytest.approx((atoms - 2) / atoms)
    assert quality.molecule_stability == pytest.approx(4 / 6)
    assert quality.validity == pytest.approx(5 / 6)
    assert quality.uniqueness == pytest.approx(3 / 5)
    assert quality.novelty == pytest.approx(1 / 3)
    assert math.isnan(molecule_quality([methane]).novelty)


def test_quality_of_nothing_is_no_number():
    assert all(math.isnan(value) for value in molecule_quality([])[:5])
    nothing = (torch.zeros(0, dtype=torch.long), torch.zeros(0, 3))
    found = molecule_quality([nothing])
    assert found.smiles == [None] and found.molecule_stability == found.validity == 0


def test_the_largest_fragment_is_written():
    numbers = torch.tensor([6, 8, 6])
    orders = torch.zeros(3, 3, dtype=torch.long)
    orders[0, 1] = orders[1, 0] = 2
    assert smiles_of(numbers, orders) == "C=O"
    assert smiles_of(numbers.flip(0), orders.flip(0, 1)) == "C=O"
