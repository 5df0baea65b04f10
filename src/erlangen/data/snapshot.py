"""One configuration of atoms with what a calculation says of it."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor


class Snapshot(NamedTuple):
    """Atoms at some positions, their energy and the forces on them.

    Tensors are float64: total energies of thousands of eV leave float32 no digit for what a model should learn.
    Subtract the energies of the atoms before you cast (`erlangen.data.atom_energies`).

    Attributes:
        numbers: Atomic numbers.
        position: In Å.
        energy: In eV.
        forces: In eV/Å; None where the source has none.
        cell: Rows are the vectors that span the cell, in Å; None where no direction is periodic.
        pbc: Which of them are periodic.
    """

    numbers: Int[Tensor, " atoms"]
    position: Float[Tensor, "atoms 3"]
    energy: float
    forces: Float[Tensor, "atoms 3"] | None
    cell: Float[Tensor, "3 3"] | None
    pbc: Bool[Tensor, " 3"]
