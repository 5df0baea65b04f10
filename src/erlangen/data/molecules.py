"""Two published sets of molecular configurations with energies and forces: 3BPA and acetylacetone.

Both come as extended xyz files in eV and eV/Å. They test whether a potential that saw a molecule at one temperature
holds at another. The box of 50 Å around each molecule is not periodic, and is ignored.
"""

from __future__ import annotations

from pathlib import Path

from erlangen.data.atom_energies import read_isolated_atoms
from erlangen.data.extended_xyz import read_trajectory
from erlangen.data.snapshot import Snapshot
from erlangen.data.sources import MissingDataError, find_source

_SPLITS = {
    "3bpa": (
        *("train_300K", "train_mixedT", "test_300K", "test_600K", "test_1200K"),
        *("test_dih_beta120", "test_dih_beta150", "test_dih_beta180"),
    ),
    "acac": ("train_300K", "train_600K", "test_MD_300K", "test_MD_600K", "test_dihedral", "test_H_transfer"),
}
_ISOLATED_ATOMS = {"3bpa": "iso_atoms.xyz", "acac": "isolated_atoms.xyz"}
_WITHOUT_FORCES = {("acac", "test_dihedral"), ("acac", "test_H_transfer")}


def load_3bpa(split: str = "train_300K", root: Path | None = None) -> list[Snapshot]:
    """3BPA, 3-(benzyloxy)pyridin-2-amine: 27 atoms, sampled at 300, 600 and 1200 K.

    Source: Kovács, van der Oord, Kucera, Allen, Cole, Ortner, Csányi, "Linear Atomic Cluster Expansion Force Fields for
    Organic Molecules: Beyond RMSE", 2021.

    Args:
        split: ``"train_300K"`` or ``"train_mixedT"`` (all three temperatures), 500 snapshots each; also
            ``"test_300K"``, ``"test_600K"``, ``"test_1200K"``, ``"test_dih_beta120"``, ``"..150"`` and ``"..180"``, if
            their files were put beside the others.
        root: The data root; ``ERLANGEN_DATA`` by default.

    Raises:
        ValueError: If there is no such split.
        MissingDataError: If the file is not there, or is damaged.
    """
    return _load("3bpa", split, root)


def load_acac(split: str = "train_300K", root: Path | None = None) -> list[Snapshot]:
    """Acetylacetone: 15 atoms, sampled at 300 and 600 K, computed with PBE + D3.

    Source: Batatia, Batzner, Kovács, Musaelian, Simm, Drautz, Ortner, Kozinsky, Csányi, "The Design Space of
    E(3)-Equivariant Atom-Centered Interatomic Potentials", 2022.

    Args:
        split: ``"train_300K"`` or ``"train_600K"``, 500 snapshots each; ``"test_MD_300K"`` or ``"test_MD_600K"``, 650
            each; ``"test_dihedral"`` and ``"test_H_transfer"`` (if its file was put beside the others), scans
            without forces.
        root: The data root; ``ERLANGEN_DATA`` by default.

    Raises:
        ValueError: If there is no such split.
        MissingDataError: If the file is not there, or is damaged.
    """
    return _load("acac", split, root)


def load_isolated_atoms(name: str, root: Path | None = None) -> dict[int, float]:
    """Energies of isolated atoms, in eV by atomic number, of the data set ``"3bpa"`` or ``"acac"``.

    Raises:
        ValueError: If there is no such data set.
        MissingDataError: If the file is not there, or is damaged.
    """
    if name not in _ISOLATED_ATOMS:
        raise ValueError(f"load_isolated_atoms(name): {' or '.join(map(repr, _ISOLATED_ATOMS))}, got {name!r}")
    try:
        return read_isolated_atoms(find_source(name, root) / _ISOLATED_ATOMS[name])
    except ValueError as error:
        raise MissingDataError(f"{error}; get it again") from None


def _load(name: str, split: str, root: Path | None) -> list[Snapshot]:
    if split not in _SPLITS[name]:
        raise ValueError(f"load_{name}(split): {', '.join(map(repr, _SPLITS[name]))}, got {split!r}")
    path = find_source(name, root) / f"{split}.xyz"
    if not path.is_file():
        raise MissingDataError(f"data set {name!r}: no {path.name} in {path.parent}; its publisher may have it")
    try:
        return read_trajectory(path, with_forces=(name, split) not in _WITHOUT_FORCES)
    except ValueError as error:
        raise MissingDataError(f"{error}; get it again") from None
