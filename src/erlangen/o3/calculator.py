"""A potential as a calculator of ASE: molecular dynamics, relaxation, phonons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch

from erlangen.extras import require
from erlangen.neighbours import radius_graph

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator, all_changes

    from erlangen.o3.potential import GauntPotential
else:
    _ase = require("ase.calculators.calculator", "molecules", "a calculator of ASE")
    Calculator, all_changes = _ase.Calculator, _ase.all_changes


class PotentialCalculator(Calculator):
    """Energies (eV), forces (eV/Angstrom) and stresses (eV/Angstrom^3) of a :class:`GauntPotential` for ASE.

    Periodic directions of a cell are taken as they are, also of cells that are smaller than the cutoff. Stress needs
    three periodic directions.

    Args:
        potential: the potential; put into eval mode. Its parameters' device and dtype are used.
        **settings: what every calculator of ASE takes.

    Raises:
        MissingExtra: if ase is not installed.
        ValueError: when called, for an element that the potential does not know, or atoms at the same place.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, potential: GauntPotential, **settings: Any) -> None:
        super().__init__(**settings)
        self.potential = potential.eval()

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes) -> None:
        """ASE's call; fills ``results``."""
        super().calculate(atoms, properties, system_changes)
        with torch.enable_grad():
            self._calculate(self.atoms)

    def _calculate(self, atoms: Any) -> None:
        parameter = next(self.potential.parameters())
        # Far from the origin float32 could not tell neighbours apart; the vectors between them are short.
        like = {"dtype": torch.float64, "device": parameter.device}
        position = torch.tensor(atoms.positions, **like)
        numbers = torch.tensor(atoms.numbers, device=parameter.device)
        pbc = [bool(p) for p in atoms.pbc]
        cell = torch.tensor(atoms.cell.array, **like)
        strain = torch.zeros(3, 3, **like, requires_grad=True)
        place = position.clone().requires_grad_(True)
        if any(pbc):
            edge_index, shift = radius_graph(position, self.potential.cutoff, cell=cell, pbc=pbc)
        else:
            edge_index, shift = radius_graph(position, self.potential.cutoff), None
        vectors = place[edge_index[0]] - place[edge_index[1]]
        vectors = vectors if shift is None else vectors + shift
        vectors = (vectors + vectors @ (strain + strain.mT) / 2).to(parameter.dtype)
        one = torch.zeros_like(numbers)
        energy = self.potential.energy(vectors, self.potential.kinds(numbers), edge_index, one, 1)
        value = energy.item()
        slope, virial = torch.autograd.grad(energy.sum(), (place, strain), materialize_grads=True)
        self.results = {
            "energy": value,
            "free_energy": value,
            "forces": (-slope).double().cpu().numpy(),
        }
        if all(pbc):
            stress = (virial / atoms.get_volume()).double().cpu().numpy()
            self.results["stress"] = stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
