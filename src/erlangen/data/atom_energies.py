r"""Energies of single atoms: the part of a total energy that only says which atoms there are.

A total energy of thousands of eV varies by a few eV along a trajectory. Models learn :math:`E - \sum_i e_{z_i}`, with
:math:`e_z` the energies of isolated atoms where they are known, and a least-squares fit where they are not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from erlangen.data.extended_xyz import energy_of, read_atoms
from erlangen.data.snapshot import Snapshot


def read_isolated_atoms(path: str | os.PathLike[str], energy_key: str = "energy") -> dict[int, float]:
    """Energies of isolated atoms, in eV by atomic number, from the snapshots of one atom in an extended xyz file.

    Frames of several atoms are passed over, so the file may be a training set that holds isolated atoms too.

    Raises:
        MissingExtra: If ASE is not installed.
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no extended xyz file, an energy is missing, is no number, or differs from an earlier
            one of the same element, or no frame has one atom.
    """
    path = Path(path)
    energies: dict[int, float] = {}
    for frame, atoms in enumerate(read_atoms(path)):
        if len(atoms) != 1:
            continue
        where = f"{path.name}, frame {frame}"
        number, energy = int(atoms.numbers[0]), energy_of(atoms, energy_key, where)
        if energies.setdefault(number, energy) != energy:
            raise ValueError(
                f"{where}: two energies of {atoms.symbols} that are not equal, {energies[number]} and {energy}"
            )
    if not energies:
        raise ValueError(f"{path.name}: no frame of a single atom")
    return dict(sorted(energies.items()))


def fit_atom_energies(snapshots: Sequence[Snapshot]) -> dict[int, float]:
    r"""Energies per element that explain the total energies best, where isolated atoms were not computed.

    .. math:: \min_e \sum_f \Bigl(E_f - \sum_{i \in f} e_{z_i}\Bigr)^2.

    Snapshots of one composition determine only the sum over it. Among all solutions the one of least norm is taken; its
    sums are right for compositions in the span of those seen, and have no meaning for others.

    Raises:
        ValueError: If there is no snapshot.

    >>> position, no_box = torch.zeros(3, 3).double(), torch.zeros(3).bool()
    >>> water = Snapshot(torch.tensor([8, 1, 1]), position, -10.0, None, None, no_box)
    >>> hydrogen = Snapshot(torch.tensor([1, 1]), position[:2], -2.0, None, None, no_box)
    >>> {number: round(energy, 6) for number, energy in fit_atom_energies([water, hydrogen]).items()}
    {1: -1.0, 8: -8.0}
    """
    if not snapshots:
        raise ValueError("fit_atom_energies(snapshots): at least one snapshot, got none")
    elements = torch.cat([snapshot.numbers for snapshot in snapshots]).unique()
    counts = torch.stack([(snapshot.numbers[:, None] == elements).sum(0) for snapshot in snapshots]).double()
    totals = torch.tensor([snapshot.energy for snapshot in snapshots], dtype=torch.float64)
    solution = torch.linalg.lstsq(counts, totals[:, None], driver="gelsd").solution.flatten()
    return dict(zip(elements.tolist(), solution.tolist(), strict=True))


def energy_of_atoms(numbers: Int[Tensor, " atoms"], energies: Mapping[int, float]) -> float:
    """The sum of the energies of single atoms, to be subtracted from a total energy.

    Raises:
        ValueError: If an element has no energy.

    >>> energy_of_atoms(torch.tensor([8, 1, 1]), {1: -1.0, 8: -8.0})
    -10.0
    """
    present = numbers.tolist()
    if missing := sorted(set(present) - set(energies)):
        raise ValueError(f"energy_of_atoms(energies): one for each element, but {missing} have none")
    return sum(energies[number] for number in present)
