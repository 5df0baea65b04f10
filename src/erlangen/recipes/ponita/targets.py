r"""Properties of molecules to learn, which rdkit computes from a molecule's bonds or from where its atoms are.

Most of each is a sum over the atoms that there are, whatever they are bonded to. As energies of atomisation take that
part out of total energies, a least-squares fit takes it out of all of them here: what is left to learn is

.. math:: \tilde y = \frac{1}{\sigma} \Big(y - c_0 - \sum_z c_z n_z\Big),

with :math:`n_z` the number of atoms of an element and :math:`\sigma` the deviation of what is left.

Ertl, Rohde, Selzer, "Fast calculation of molecular polar surface area", 2000; Wildman, Crippen, "Prediction of
physicochemical parameters by atomic contributions", 1999; Halgren, "Merck molecular force field. I.", 1996.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from erlangen.data.small_molecules import Molecule
from erlangen.extras import require

#: Title and unit of each property.
TARGETS = {
    "surface": ("polar surface area", "Å²"),
    "logp": ("log P", ""),
    "refractivity": ("molar refractivity", "cm³/mol"),
    "energy": ("MMFF94 energy", "kcal/mol"),
    "dipole": ("dipole of MMFF94 charges", "D"),
    "gyration": ("radius of gyration", "Å"),
    "asphericity": ("asphericity", ""),
}
ELEMENTS = (1, 6, 7, 8, 9)
DEBYE = 4.80320  # of a charge of one at one Å


def properties(molecule: Molecule) -> Tensor:
    """What `TARGETS` names, in its order and units, float64.

    Raises:
        MissingExtra: If rdkit is not installed.

    >>> from erlangen.data.small_molecules import embed
    >>> dict(zip(TARGETS, properties(embed("O")).tolist()))["surface"]  # rdkit's for water
    31.5
    """
    descriptors = require("rdkit.Chem.rdMolDescriptors", "molecules", "properties of molecules")
    fields = require("rdkit.Chem.rdForceFieldHelpers", "molecules", "properties of molecules")
    read = with_conformer(molecule)
    logp, refractivity = descriptors.CalcCrippenDescriptors(read)
    field = fields.MMFFGetMoleculeProperties(read)
    charges = [field.GetMMFFPartialCharge(i) for i in range(len(molecule.numbers))]
    moment = torch.tensor(charges, dtype=torch.float64) @ molecule.position
    values = {
        "surface": descriptors.CalcTPSA(read),
        "logp": logp,
        "refractivity": refractivity,
        "energy": fields.MMFFGetMoleculeForceField(read, field).CalcEnergy(),
        "dipole": DEBYE * float(moment.norm()),
        "gyration": descriptors.CalcRadiusOfGyration(read),
        "asphericity": descriptors.CalcAsphericity(read),
    }
    return torch.tensor([values[name] for name in TARGETS], dtype=torch.float64)


def with_conformer(molecule: Molecule) -> Any:
    """The molecule as rdkit's, with hydrogen atoms and positions."""
    chem = require("rdkit.Chem", "molecules", "properties of molecules")
    read = chem.AddHs(chem.MolFromSmiles(molecule.smiles))
    conformer = chem.Conformer(len(molecule.numbers))
    conformer.SetPositions(molecule.position.numpy())
    read.AddConformer(conformer)
    return read


def bonds_of(molecule: Molecule) -> Tensor:
    """Edges along the bonds, both ways, ``(2, edges)``.

    >>> from erlangen.data.small_molecules import embed
    >>> bonds_of(embed("O"))
    tensor([[0, 0, 1, 2],
            [1, 2, 0, 0]])
    """
    bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in with_conformer(molecule).GetBonds()]
    ends = torch.tensor(bonds, dtype=torch.long).reshape(-1, 2).T
    return torch.cat([ends, ends.flip(0)], 1)


class Composition(NamedTuple):
    """What a molecule's numbers of atoms say of its properties, and the deviations of the rest.

    Args:
        weights: One row for each element and one for the constant, one column for each property.
        scale: Of each property.
    """

    weights: Tensor
    scale: Tensor

    @classmethod
    def of(cls, molecules: Sequence[Molecule], values: Tensor) -> Composition:
        """The fit for some molecules, whose properties are rows of ``values``.

        A property of which nothing is left has a scale of one.
        """
        counts = _counts(molecules)
        weights = torch.linalg.lstsq(counts, values, driver="gelsd").solution
        scale = (values - counts @ weights).square().mean(0).sqrt()
        return cls(weights, torch.where(scale > 1e-9 * values.abs().mean(0), scale, 1.0))

    def left(self, molecules: Sequence[Molecule], values: Tensor) -> Tensor:
        """What is left to learn, in units of ``scale``."""
        return (values - _counts(molecules) @ self.weights) / self.scale


def _counts(molecules: Sequence[Molecule]) -> Tensor:
    elements = torch.tensor(ELEMENTS)
    rows = [(molecule.numbers[:, None] == elements).sum(0) for molecule in molecules]
    counts = torch.stack(rows).double()
    return torch.cat([counts, torch.ones_like(counts[:, :1])], 1)
