"""Rotations of a set of directions, found by trying all, and random clouds."""

import torch


def rotations_of(grid):
    """All rotations (rows permuted) that carry unit vectors to themselves, shape ``(order, 3, 3)``."""
    gram = grid @ grid.mT
    # Two vertices that are no multiples of each other fix a rotation: try all images of such a pair.
    second = int((gram[0].abs() < 0.99).nonzero()[0])
    frame = _frame(grid[0], grid[second])
    found = []
    for a in range(len(grid)):
        for b in range(len(grid)):
            if a != b and abs(float(gram[a, b] - gram[0, second])) < 1e-9:
                rotation = _frame(grid[a], grid[b]) @ frame.mT
                if bool((torch.cdist(grid @ rotation.mT, grid).amin(1) < 1e-6).all()):
                    found.append(rotation)
    return torch.stack(found)


def _frame(a, b):
    """Right-handed orthonormal columns: a, the part of b across a, and their cross product."""
    across = torch.nn.functional.normalize(b - (a @ b) * a, dim=0)
    return torch.stack([a, across, torch.linalg.cross(a, across)], -1)


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)
