r"""Which atoms are bonded, read off their distances alone, and whether every atom has the bonds it should have.

A pair of elements has a typical length :math:`\ell_k` for each order :math:`k` that it can have. A pair of atoms is
bonded if :math:`d < \ell_1 + 10\,\mathrm{pm}`; then its order is two or three if also
:math:`d < \ell_2 + 5\,\mathrm{pm}` and :math:`d < \ell_3 + 3\,\mathrm{pm}`. An atom is *stable* if the orders of its
bonds add up to its valence: 1 for H and F, 2 for O, 3 for N, 4 for C. A molecule is stable if all of its atoms are.

The rule knows single, double and triple bonds only. Aromatic bonds lie between the first two; where they are all
alike, as in benzene (139 pm), no reading of the ring adds up, and its atoms count as unstable.

Hoogeboom, Garcia Satorras, Vignac, Welling, "Equivariant Diffusion for Molecule Generation in 3D", 2022.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

#: Bonds of an element, by its atomic number.
VALENCE = {1: 1, 6: 4, 7: 3, 8: 2, 9: 1}

#: Typical lengths in pm, by order and by the two atomic numbers, the smaller one first.
BOND_LENGTHS: dict[int, dict[tuple[int, int], int]] = {
    1: {
        **{(1, 1): 74, (1, 6): 109, (1, 7): 101, (1, 8): 96, (1, 9): 92},
        **{(6, 6): 154, (6, 7): 147, (6, 8): 143, (6, 9): 135},
        **{(7, 7): 145, (7, 8): 140, (7, 9): 136},
        **{(8, 8): 148, (8, 9): 142, (9, 9): 142},
    },
    2: {(6, 6): 134, (6, 7): 129, (6, 8): 120, (7, 7): 125, (7, 8): 121, (8, 8): 121},
    3: {(6, 6): 120, (6, 7): 116, (6, 8): 113, (7, 7): 110},
}
#: How much longer than typical a bond of each order may be, in pm.
TOLERANCE = {1: 10, 2: 5, 3: 3}


def bond_orders(numbers: Int[Tensor, " atoms"], position: Float[Tensor, "atoms 3"]) -> Int[Tensor, "atoms atoms"]:
    """Orders of all bonds, 0 where there is none; symmetric, zero on the diagonal.

    Args:
        numbers: Atomic numbers: 1 (H), 6 (C), 7 (N), 8 (O) or 9 (F).
        position: In Å.

    Raises:
        ValueError: If an element has no bonds here, or if a position is NaN or infinite.

    >>> water = torch.tensor([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
    >>> bond_orders(torch.tensor([8, 1, 1]), water)
    tensor([[0, 1, 1],
            [1, 0, 0],
            [1, 0, 0]])
    """
    _check("bond_orders", numbers)
    if not position.isfinite().all():
        raise ValueError("bond_orders(position): finite numbers, got NaN or infinity")
    distance = 100 * (position[:, None] - position).norm(dim=-1)
    orders = torch.zeros(distance.shape, dtype=torch.long, device=position.device)
    for order in BOND_LENGTHS:
        longest = _longest(order).to(distance)[numbers[:, None], numbers]
        orders = torch.where((distance < longest) & (orders == order - 1), order, orders)
    return orders.fill_diagonal_(0)


def stable_atoms(numbers: Int[Tensor, " atoms"], orders: Int[Tensor, "atoms atoms"]) -> Bool[Tensor, " atoms"]:
    """Whether the orders of an atom's bonds add up to its valence.

    Args:
        numbers: Atomic numbers: 1, 6, 7, 8 or 9.
        orders: As `bond_orders` returns them.

    Raises:
        ValueError: If an element has no valence here, or if there is not one row and one column for each atom.

    >>> stable_atoms(torch.tensor([8, 1, 1]), torch.tensor([[0, 1, 1], [1, 0, 0], [1, 0, 0]]))
    tensor([True, True, True])
    """
    _check("stable_atoms", numbers)
    if orders.shape != (len(numbers), len(numbers)):
        shape = tuple(orders.shape)
        raise ValueError(f"stable_atoms(orders): a row and a column for each of {len(numbers)} atoms, got {shape}")
    valence = numbers.new_zeros(max(VALENCE) + 1)
    for number, bonds in VALENCE.items():
        valence[number] = bonds
    return orders.sum(1) == valence[numbers]


def _check(caller: str, numbers: Tensor) -> None:
    if unknown := sorted(set(numbers.tolist()) - set(VALENCE)):
        raise ValueError(f"{caller}(numbers): atomic numbers {', '.join(map(str, VALENCE))}, got {unknown}")


def _longest(order: int) -> Tensor:
    """Below which distance in pm a pair of elements has a bond of an order; 0 where it has none."""
    longest = torch.zeros(max(VALENCE) + 1, max(VALENCE) + 1)
    for (first, second), length in BOND_LENGTHS[order].items():
        longest[first, second] = longest[second, first] = length + TOLERANCE[order]
    return longest
