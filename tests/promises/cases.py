"""One case or more for everything in the package that has a `symmetry`. See registry.py."""

import torch
from tests.promises.registry import promise
from torch import nn

from erlangen.groups import SE, SO, E, Nodes, O, Points, Scalar, SignedPermutation, Symmetric, Symmetry, Vector
from erlangen.symmetrize import PCAFrame, SortFrame, symmetrize, symmetrize_images, symmetrize_points

S = Symmetric("n")


def _mlp(*sizes):
    return nn.Sequential(nn.Linear(*sizes[:2]), nn.Tanh(), nn.Linear(*sizes[1:]))


def _flat(points, out):
    return nn.Sequential(nn.Flatten(), _mlp(points * 3, 16, out))


@promise
def points_to_numbers(generator):
    return symmetrize_points(_flat(6, 4), E(3)), (torch.randn(5, 6, 3, generator=generator),)


@promise
def points_to_vectors(generator):
    return symmetrize_points(_mlp(3, 16, 3), SO(3), "vector"), (torch.randn(5, 6, 3, generator=generator),)


@promise
def points_to_points(generator):
    return symmetrize_points(_mlp(3, 16, 3), SE(3), "points"), (torch.randn(5, 6, 3, generator=generator),)


@promise
def points_of_a_finite_group(generator):
    return symmetrize_points(_flat(4, 2), SignedPermutation(3)), (torch.randn(3, 4, 3, generator=generator),)


@promise
def points_with_one_random_element(generator):
    net = symmetrize_points(_flat(4, 2), O(3), average="sample", generator=generator)
    return net, (torch.randn(6, 4, 3, generator=generator),)


@promise
def images_to_numbers(generator):
    return symmetrize_images(nn.Sequential(nn.Flatten(), _mlp(64, 16, 3))), (
        torch.randn(4, 1, 8, 8, generator=generator),
    )


@promise
def images_to_images(generator):
    return symmetrize_images(nn.Conv2d(1, 1, 3, padding=1), output="image"), (
        torch.randn(4, 1, 8, 8, generator=generator),
    )


@promise
def sorted_sets(generator):
    net = symmetrize(nn.Sequential(nn.Flatten(), _mlp(20, 16, 3)), Symmetry(S, (Nodes(S),), Scalar(S)), SortFrame(S))
    return net, (torch.randn(5, 4, 5, generator=generator),)


@promise
def sets_of_points(generator):
    """A frame of one factor; the backbone keeps the other."""
    G = S * E(3)
    both = Nodes(S) & Points(E(3))
    net = symmetrize(_mlp(3, 16, 3), Symmetry(G, (both,), Nodes(S) & Vector(E(3))), PCAFrame(E(3)))
    return net, (torch.randn(4, 6, 3, generator=generator),)
