"""Bonds from distances: molecules that everyone knows, thresholds, motions, and what is refused."""

import pytest
import torch

from erlangen.data.bonds import BOND_LENGTHS, TOLERANCE, VALENCE, bond_orders, stable_atoms
from erlangen.groups import SO

dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
PAIRS = [(order, *pair) for order in BOND_LENGTHS for pair in BOND_LENGTHS[order]]


def pair(distance, dtype=torch.float64):
    return torch.tensor([[0.0, 0.0, 0.0], [0.0, distance, 0.0]], dtype=dtype)


@dtypes
@pytest.mark.parametrize(("order", "first", "second"), PAIRS)
def test_a_pair_has_an_order_up_to_its_longest_length(order, first, second, dtype):
    longest = (BOND_LENGTHS[order][first, second] + TOLERANCE[order]) / 100
    for numbers in (torch.tensor([first, second]), torch.tensor([second, first])):
        assert bond_orders(numbers, pair(longest - 1e-4, dtype))[0, 1] == order
        assert bond_orders(numbers, pair(longest + 1e-4, dtype))[0, 1] == order - 1


def test_longer_bonds_have_lower_orders():
    for order in (2, 3):
        for ends, length in BOND_LENGTHS[order].items():
            assert length + TOLERANCE[order] < BOND_LENGTHS[order - 1][ends] + TOLERANCE[order - 1]


@dtypes
def test_ethyne_and_formaldehyde(dtype):
    ethyne = torch.tensor([[x, 0.0, 0.0] for x in (0.6, -0.6, 1.66, -1.66)], dtype=dtype)
    orders = bond_orders(torch.tensor([6, 6, 1, 1]), ethyne)
    assert orders.tolist() == [[0, 3, 1, 0], [3, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0]]
    assert stable_atoms(torch.tensor([6, 6, 1, 1]), orders).all()
    formaldehyde = torch.tensor([[0, 0, 0], [0, 0, 1.21], [0, 0.94, -0.59], [0, -0.94, -0.59]], dtype=dtype)
    numbers = torch.tensor([6, 8, 1, 1])
    assert bond_orders(numbers, formaldehyde)[0].tolist() == [0, 2, 1, 1]
    assert stable_atoms(numbers, bond_orders(numbers, formaldehyde)).all()
    without = bond_orders(numbers[:3], formaldehyde[:3])
    assert stable_atoms(numbers[:3], without).tolist() == [False, True, True]


def test_motions_and_the_order_of_atoms_change_nothing():
    generator = torch.Generator().manual_seed(0)
    position = 1.5 * torch.randn(12, 3, generator=generator, dtype=torch.float64)
    numbers = torch.tensor(list(VALENCE))[torch.randint(5, (12,), generator=generator)]
    orders = bond_orders(numbers, position)
    assert orders.any() and torch.equal(orders, orders.T) and not orders.diagonal().any()
    moved = position @ SO(3).sample(generator=generator).T + 3.0
    assert torch.equal(bond_orders(numbers, moved), orders)
    order = torch.randperm(12, generator=generator)
    assert torch.equal(bond_orders(numbers[order], position[order]), orders[order][:, order])
    assert torch.equal(stable_atoms(numbers[order], orders[order][:, order]), stable_atoms(numbers, orders)[order])


def test_no_atom_and_one():
    assert bond_orders(torch.zeros(0, dtype=torch.long), torch.zeros(0, 3)).shape == (0, 0)
    alone = bond_orders(torch.tensor([6]), torch.zeros(1, 3))
    assert alone.tolist() == [[0]] and not stable_atoms(torch.tensor([6]), alone).any()


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"bond_orders\(numbers\): atomic numbers 1, 6, 7, 8, 9, got \[0, 17\]"):
        bond_orders(torch.tensor([17, 0]), torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"bond_orders\(position\): finite numbers"):
        bond_orders(torch.tensor([6]), torch.full((1, 3), torch.nan))
    with pytest.raises(ValueError, match=r"stable_atoms\(numbers\)"):
        stable_atoms(torch.tensor([17]), torch.zeros(1, 1, dtype=torch.long))
