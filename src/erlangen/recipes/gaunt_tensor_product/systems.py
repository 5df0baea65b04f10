"""Molecular configurations as batches: neighbours are found once, energies are counted from single atoms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from erlangen.data.atom_energies import energy_of_atoms
from erlangen.data.snapshot import Snapshot
from erlangen.neighbours import radius_graph


class Systems(NamedTuple):
    """One configuration, or several one after another; eV and Angstrom."""

    position: Tensor
    numbers: Tensor
    batch: Tensor
    edge_index: Tensor
    shift: Tensor
    energy: Tensor
    forces: Tensor


def prepare(snapshot: Snapshot, cutoff: float, atoms: Mapping[int, float], dtype: torch.dtype) -> Systems:
    """A configuration with its neighbours; of its energy, those of its single atoms are subtracted.

    Raises:
        ValueError: If it has no forces, or an atom's element has no energy.
    """
    if snapshot.forces is None:
        raise ValueError("prepare(snapshot): forces, got none")
    position = snapshot.position
    if snapshot.cell is None:
        edge_index = radius_graph(position, cutoff)
        shift = position.new_zeros(edge_index.shape[1], 3)
    else:
        edge_index, shift = radius_graph(position, cutoff, cell=snapshot.cell, pbc=snapshot.pbc)
    energy = torch.tensor([snapshot.energy - energy_of_atoms(snapshot.numbers, atoms)])
    return Systems(
        position.to(dtype),
        snapshot.numbers,
        torch.zeros_like(snapshot.numbers),
        edge_index,
        shift.to(dtype),
        energy.to(dtype),
        snapshot.forces.to(dtype),
    )


def joined(systems: Sequence[Systems]) -> Systems:
    """Several configurations as one batch."""
    starts = torch.tensor([0, *(len(s.numbers) for s in systems)]).cumsum(0)
    return Systems(
        torch.cat([s.position for s in systems]),
        torch.cat([s.numbers for s in systems]),
        torch.cat([s.batch + i for i, s in enumerate(systems)]),
        torch.cat([s.edge_index + start for s, start in zip(systems, starts, strict=False)], 1),
        torch.cat([s.shift for s in systems]),
        torch.cat([s.energy for s in systems]),
        torch.cat([s.forces for s in systems]),
    )
