"""How many generated molecules are molecules: stable atoms, stable molecules, valid ones, different ones.

Hoogeboom, Garcia Satorras, Vignac, Welling, "Equivariant Diffusion for Molecule Generation in 3D", 2022.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

from erlangen.data.bonds import bond_orders, stable_atoms
from erlangen.extras import require


class MoleculeQuality(NamedTuple):
    """Fractions in [0, 1]; NaN where there is nothing to take a fraction of.

    Attributes:
        atom_stability: Of all atoms, those whose bonds add up to their valence.
        molecule_stability: Of all molecules, those whose atoms are all stable.
        validity: Of all molecules, those of which rdkit can make sense (their largest fragment, where they fall apart).
        uniqueness: Of the valid ones, the different ones.
        novelty: Of the different ones, those that are not among the known; NaN without any known.
        smiles: Of each molecule, None where it is not valid.
    """

    atom_stability: float
    molecule_stability: float
    validity: float
    uniqueness: float
    novelty: float
    smiles: list[str | None]


def molecule_quality(
    molecules: Iterable[tuple[Int[Tensor, " _"], Float[Tensor, "_ 3"]]], known: Collection[str] = ()
) -> MoleculeQuality:
    """Reads bonds off distances (`erlangen.data.bonds`), and counts.

    Args:
        molecules: Atomic numbers (1, 6, 7, 8, 9) and positions in Å of each.
        known: Canonical SMILES, e.g. of the molecules that were learnt from.

    Raises:
        MissingExtra: If rdkit is not installed.
        ValueError: If an element has no bonds here, or if a position is NaN or infinite.

    >>> import torch
    >>> water = torch.tensor([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
    >>> quality = molecule_quality([(torch.tensor([8, 1, 1]), water), (torch.tensor([8, 1, 1]), 2 * water)])
    >>> quality.atom_stability, quality.molecule_stability, quality.smiles
    (0.5, 0.5, ['O', 'O'])
    """
    atoms = stable = whole = 0
    smiles: list[str | None] = []
    for numbers, position in molecules:
        orders = bond_orders(numbers, position)
        right = stable_atoms(numbers, orders)
        atoms, stable = atoms + len(right), stable + int(right.sum())
        whole += bool(len(right)) and bool(right.all())  # no atoms are no molecule
        smiles.append(smiles_of(numbers, orders))
    valid = [text for text in smiles if text is not None]
    different = set(valid)
    return MoleculeQuality(
        _fraction(stable, atoms),
        _fraction(whole, len(smiles)),
        _fraction(len(valid), len(smiles)),
        _fraction(len(different), len(valid)),
        _fraction(len(different - set(known)), len(different)) if known else float("nan"),
        smiles,
    )


def smiles_of(numbers: Int[Tensor, " atoms"], orders: Int[Tensor, "atoms atoms"]) -> str | None:
    """Canonical SMILES of atoms and their bonds, without stereochemistry; None if rdkit finds no molecule in them.

    Hydrogen atoms that are missing are rdkit's to add, as is usual when validity is counted; that a bond too many or an
    element alone is no molecule is what it checks. Of several fragments it is the largest (the first of equals).

    Args:
        numbers: Atomic numbers.
        orders: 1, 2 or 3 where there is a bond, 0 elsewhere.

    Raises:
        MissingExtra: If rdkit is not installed.

    >>> import torch
    >>> smiles_of(torch.tensor([6, 8]), torch.tensor([[0, 2], [2, 0]]))
    'C=O'
    >>> smiles_of(torch.tensor([9, 8]), torch.tensor([[0, 2], [2, 0]])) is None
    True
    """
    chem = require("rdkit.Chem", "molecules", "SMILES")
    if not len(numbers):
        return None
    with _quiet():
        try:
            molecule = graph_of(numbers.tolist(), orders.tolist()).GetMol()
            chem.SanitizeMol(molecule)
            fragments = chem.GetMolFrags(molecule, asMols=True)
            largest = max(fragments, key=lambda fragment: fragment.GetNumAtoms())
            return chem.MolToSmiles(chem.RemoveHs(largest), isomericSmiles=False)
        except ValueError:  # all that rdkit raises where valences or rings make no sense
            return None


def graph_of(numbers: list[int], orders: list[list[int]]) -> Any:
    """An editable rdkit molecule of atoms and their bonds, nothing in it checked yet."""
    chem = require("rdkit.Chem", "molecules", "molecules")
    kinds = {1: chem.BondType.SINGLE, 2: chem.BondType.DOUBLE, 3: chem.BondType.TRIPLE}
    molecule = chem.RWMol()
    for number in numbers:
        molecule.AddAtom(chem.Atom(number))
    for i, row in enumerate(orders):
        for j, order in enumerate(row[:i]):
            if order:
                molecule.AddBond(i, j, kinds[order])
    return molecule


def _quiet() -> Any:
    return require("rdkit.rdBase", "molecules", "molecules").BlockLogs()


def _fraction(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
