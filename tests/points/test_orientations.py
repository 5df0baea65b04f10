"""Grids of orientations: symmetric where they should be, spread where they cannot be."""

import math

import pytest
import torch
from tests.points.solids import rotations_of

from erlangen.points import orientation_grid
from erlangen.points.orientations import SOLIDS


@pytest.mark.parametrize(
    ("kind", "order"),
    [("tetrahedron", 12), ("octahedron", 24), ("cube", 24), ("icosahedron", 60), ("dodecahedron", 60)],
)
def test_solids_have_all_their_rotations(kind, order):
    grid = orientation_grid(SOLIDS[kind], kind=kind)
    assert grid.shape == (SOLIDS[kind], 3) and grid.dtype == torch.float64
    assert (grid.norm(dim=-1) - 1).abs().max() < 1e-15
    assert (torch.cdist(grid, grid) + torch.eye(len(grid))).min() > 0.5
    rotations = rotations_of(grid)
    assert len(rotations) == order
    assert (torch.linalg.det(rotations) - 1).abs().max() < 1e-12
    assert (3 / len(grid) * grid.mT @ grid - torch.eye(3)).abs().max() < 1e-15


def test_a_spiral_has_one_half_turn():
    rotations = rotations_of(orientation_grid(20))
    assert (
        len(rotations) == 2
        and (torch.einsum("gii->g", rotations).sort().values - torch.tensor([-1, 3])).abs().max() < 1e-9
    )


@pytest.mark.parametrize("n", [1, 2, 3, 8, 10])
def test_the_circle(n):
    grid = orientation_grid(n, dim=2)
    turn = 2 * math.pi / n
    assert torch.equal(grid[0], torch.tensor([1.0, 0.0], dtype=torch.float64))
    expected = [[math.cos(k * turn), math.sin(k * turn)] for k in range(n)]
    assert (grid - torch.tensor(expected, dtype=torch.float64)).abs().max() < 1e-15


def test_the_spiral_by_hand():
    assert (orientation_grid(1) - torch.tensor([[1.0, 0, 0]])).abs().max() < 1e-15
    angle = math.pi * (1 + math.sqrt(5))
    expected = torch.tensor([[1.0, 0, 1], [math.cos(angle), math.sin(angle), -1]], dtype=torch.float64)
    expected = expected * torch.tensor([math.sqrt(3), math.sqrt(3), 1], dtype=torch.float64) / 2
    assert (orientation_grid(2) - expected).abs().max() < 1e-15


@pytest.mark.parametrize(("n", "kind"), [(2, None), (4, "tetrahedron"), (6, "octahedron"), (12, "icosahedron")])
def test_repelling_points_find_the_solids(n, kind):
    grid = orientation_grid(n, kind="repulsion")
    solid = torch.tensor([[0.0, 0, 1], [0, 0, -1]]).double() if kind is None else orientation_grid(n, kind=kind)
    found, expected = ((g @ g.mT).sort(-1).values for g in (grid, solid))
    assert (found - expected).abs().max() < 1e-5


def test_repelling_points_lie_apart_and_depend_on_the_seed_alone():
    energy = lambda g: (torch.acos((g @ g.mT).clamp(-1, 1)) + 1e9 * torch.eye(len(g))).pow(-2).sum()
    grid = orientation_grid(20, kind="repulsion")
    start = torch.nn.functional.normalize(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)).double())
    assert (grid.norm(dim=-1) - 1).abs().max() < 1e-15
    assert energy(grid) < energy(orientation_grid(20)) < energy(start)
    state = torch.get_rng_state()
    again = orientation_grid(20, kind="repulsion", generator=torch.Generator().manual_seed(0))
    assert torch.equal(grid, again) and torch.equal(torch.get_rng_state(), state)
    other = orientation_grid(20, kind="repulsion", generator=torch.Generator().manual_seed(1))
    assert (torch.cdist(grid, other).amin(1)).max() > 1e-2
    assert orientation_grid(1, kind="repulsion").shape == (1, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 4, "dim": 4}, r"\(dim\): 2 or 3, got 4"),
        ({"n": 4, "dim": 2, "kind": "cube"}, r"\(kind\): in 2 dimensions one of circle, got 'cube'"),
        ({"n": 4, "kind": "circle"}, r"\(kind\): in 3 dimensions one of fibonacci"),
        ({"n": 0}, r"\(n\): a whole number from 1, got 0"),
        ({"n": 2.5}, r"\(n\)"),
        ({"n": 16, "kind": "icosahedron"}, r"\(n\): icosahedron has 12 vertices, got 16"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message if arguments["n"] != 2.5 else ""):
        orientation_grid(**arguments)
