"""Trajectories in extended xyz files: any user's own, with the names that he gave to energies and forces."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from erlangen.data.snapshot import Snapshot
from erlangen.extras import require


def read_trajectory(
    path: str | os.PathLike[str],
    energy_key: str = "energy",
    forces_key: str = "forces",
    with_forces: bool = True,
) -> list[Snapshot]:
    r"""The frames of an extended xyz file, read by ASE.

    The energy of a frame stands in its comment line, ``energy=-123.4`` (eV), the forces in columns,
    ``Properties=species:S:1:pos:R:3:forces:R:3`` (eV/Å). A box of which no direction is periodic (``pbc="F F F"``) is
    ignored.

    Args:
        path: The file.
        energy_key: Name of the energy, e.g. ``"REF_energy"``.
        forces_key: Name of the forces, e.g. ``"REF_forces"``.
        with_forces: False if the file has none, or none are wanted: then ``forces`` is None in each snapshot.

    Raises:
        MissingExtra: If ASE is not installed.
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no extended xyz file, holds no frame, or a frame lacks its energy or forces, has
            them twice and differently, has no number in them, or not one force for each atom. Names file and frame.

    >>> import tempfile, pathlib
    >>> comment = 'Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.5 pbc="F F F"'
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "dimer.xyz")
    ...     _ = path.write_text(f"2\n{comment}\nH 0 0 0 0 0 -0.1\nO 0 0 1 0 0 0.1\n")
    ...     (dimer,) = read_trajectory(path)
    >>> dimer.numbers, dimer.energy, dimer.forces[:, 2]
    (tensor([1, 8]), -1.5, tensor([-0.1000,  0.1000], dtype=torch.float64))
    """
    path = Path(path)
    snapshots = []
    for number, atoms in enumerate(read_atoms(path)):
        where = f"{path.name}, frame {number}"
        forces = forces_on(atoms, forces_key, where) if with_forces else None
        snapshots.append(make_snapshot(atoms, energy_of(atoms, energy_key, where), forces, where))
    return snapshots


def read_atoms(path: Path) -> Iterator[Any]:
    """The frames of an extended xyz file as ``ase.Atoms``, once it is known to be whole.

    Raises:
        MissingExtra: If ASE is not installed.
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no extended xyz file, is cut off, or holds no frame.
    """
    io = require("ase.io", "molecules", "reading extended xyz files")
    count = _count_frames(path)
    # An open file: in names, ASE would take "@" and "*" for more than letters.
    with path.open(encoding="utf-8") as file:
        frames = iter(io.iread(file, index=":", format="extxyz"))
        for number in range(count):
            try:
                atoms = next(frames)
            # Whatever the parser makes of a broken line: it has no error of its own for that.
            except (ValueError, KeyError, IndexError, TypeError, AssertionError, OSError, StopIteration) as error:
                raise ValueError(f"{path.name}, frame {number}: not extended xyz ({error!r})") from None
            yield atoms


def _count_frames(path: Path) -> int:
    """Walks from frame to frame. The parser would end without a word at an empty line, and drop the rest."""
    count = line = 0
    try:
        with path.open(encoding="utf-8") as file:
            while head := file.readline():
                line += 1
                if not head.strip():
                    if rest := file.read().strip():
                        raise ValueError(f"{path.name}: an empty line {line} amid frames, {rest[:20]!r} follows")
                    break
                if not head.strip().isdecimal():
                    raise ValueError(
                        f"{path.name}, frame {count}: line {line} takes a number of atoms, got {head[:40]!r}"
                    )
                rows = int(head) + 1
                if (found := sum(1 for _ in islice(file, rows))) < rows:
                    raise ValueError(
                        f"{path.name}, frame {count}: cut off, {max(found - 1, 0)} lines for {rows - 1} atoms"
                    )
                line += rows
                count += 1
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}: not a text file ({error})") from None
    if not count:
        raise ValueError(f"{path.name}: no frame in it")
    return count


def _looked_up(atoms: Any, key: str, store: dict[str, Any], kind: str, where: str) -> np.ndarray:
    """A value under a key: as read, or among the results of the calculator that the parser makes of known names."""
    results = atoms.calc.results if atoms.calc is not None else {}
    found = [np.asarray(place[key]) for place in (store, results) if key in place]
    if not found:
        known = sorted({*store, *results} - {"numbers", "positions"})
        raise ValueError(f"{where}: no {kind} under {key!r}; it has {', '.join(map(repr, known)) or 'nothing else'}")
    for value in found:
        if value.dtype.kind not in "if":
            raise ValueError(f"{where}: {kind} under {key!r} of numbers, got {value.tolist()!r}")
        if not np.isfinite(value).all():
            raise ValueError(f"{where}: finite {kind} under {key!r}, got NaN or infinity")
    if len(found) == 2 and not np.array_equal(found[0], found[1]):
        raise ValueError(f"{where}: {kind} under {key!r} twice, and not the same")
    return found[0]


def energy_of(atoms: Any, key: str, where: str) -> float:
    """The energy of ``ase.Atoms``; ``where`` names them in the message of a ValueError."""
    value = _looked_up(atoms, key, atoms.info, "energy", where)
    if value.size != 1:
        raise ValueError(f"{where}: one energy under {key!r}, got {value.size} numbers")
    return float(value.item())


def forces_on(atoms: Any, key: str, where: str) -> Float[Tensor, "atoms 3"]:
    """The forces on ``ase.Atoms``; ``where`` names them in the message of a ValueError."""
    value = _looked_up(atoms, key, atoms.arrays, "forces", where)
    if value.shape != (len(atoms), 3):
        raise ValueError(f"{where}: one force of 3 numbers for each of {len(atoms)} atoms, got shape {value.shape}")
    return torch.tensor(value, dtype=torch.float64)


def make_snapshot(atoms: Any, energy: float, forces: Float[Tensor, "atoms 3"] | None, where: str) -> Snapshot:
    """A snapshot of ``ase.Atoms``; ``where`` names them in the message of a ValueError."""
    position = torch.tensor(atoms.positions, dtype=torch.float64)
    cell = torch.tensor(atoms.cell.array, dtype=torch.float64) if atoms.pbc.any() else None
    if not position.isfinite().all() or (cell is not None and not cell.isfinite().all()):
        raise ValueError(f"{where}: finite positions and cell, got NaN or infinity")
    numbers = torch.tensor(atoms.numbers, dtype=torch.long)
    return Snapshot(numbers, position, energy, forces, cell, torch.tensor(atoms.pbc, dtype=torch.bool))
