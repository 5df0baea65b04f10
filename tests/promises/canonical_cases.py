"""Networks on invariant coordinates, see registry.py."""

import torch
from tests.promises.registry import promise
from torch import nn

from erlangen.groups import CO, CSO, SE, Affine, Points, Scalar, Symmetry, Vector
from erlangen.points import PointGNN, PointNet
from erlangen.symmetrize import MDSFrame, TransformationInvariant, symmetrize


def flat(points, out, dim=3):
    return nn.Sequential(nn.Flatten(), nn.Linear(points * dim, 16), nn.Tanh(), nn.Linear(16, out))


def skewed(*shape, generator):
    """Clouds whose odd moments do not vanish."""
    return torch.randn(*shape, generator=generator).exp() * torch.arange(1.0, shape[-1] + 1)


def flat_clouds(generator):
    """Three clouds of different sizes that span the space, with edges between some of their points."""
    batch = torch.arange(3).repeat_interleave(torch.tensor([6, 5, 8]))
    pairs = (batch[:, None] == batch).nonzero().T
    edge_index = pairs[:, torch.rand(pairs.shape[1], generator=generator) < 0.6]
    return skewed(19, 3, generator=generator), edge_index, batch


@promise
def clouds_in_their_own_coordinates(generator):
    return TransformationInvariant(flat(8, 4)), (skewed(5, 8, 3, generator=generator),)


@promise
def clouds_that_are_told_from_their_mirror_images(generator):
    net = TransformationInvariant(flat(8, 4), sign="moment-so", scale="max")
    return net, (skewed(5, 8, 3, generator=generator),)


@promise
def positions_found_in_canonical_coordinates(generator):
    net = TransformationInvariant(nn.Linear(2, 2), dim=2, sign="average", out="position")
    return net, (skewed(4, 7, 2, generator=generator),)


@promise
def normals_found_in_canonical_coordinates(generator):
    net = TransformationInvariant(nn.Linear(3, 3), scale=None, sign="random", out="direction")
    return net, (skewed(4, 7, 3, generator=generator),)


@promise
def plain_networks_on_flat_clouds_made_invariant(generator):
    backbone = PointGNN(2, 8, 3, 2, in_vector=1, out_vector=2, task="node")
    x, vec = torch.randn(19, 2, generator=generator), torch.randn(19, 1, 3, generator=generator)
    return TransformationInvariant(backbone), (x, *flat_clouds(generator), vec)


@promise
def whole_flat_clouds_made_invariant(generator):
    backbone = PointNet(0, 8, 3, 2, out_vector=1)
    pos, _, batch = flat_clouds(generator)
    return TransformationInvariant(backbone, sign="moment-so"), (None, pos, None, batch)


@promise
def one_element_of_the_similarities(generator):
    G = Affine(3, CO(3))
    net = symmetrize(flat(8, 6), Symmetry(G, (Points(G),), 2 * Vector(G)), MDSFrame(G))
    return net, (skewed(5, 8, 3, generator=generator),)


@promise
def one_element_of_the_rigid_motions(generator):
    net = symmetrize(flat(8, 4), Symmetry(SE(3), (Points(SE(3)),), Scalar(SE(3))), MDSFrame(SE(3)))
    return net, (skewed(5, 8, 3, generator=generator),)


@promise
def one_element_of_the_proper_similarities(generator):
    G = Affine(2, CSO(2))
    net = symmetrize(nn.Linear(2, 2), Symmetry(G, (Points(G),), Points(G)), MDSFrame(G))
    return net, (skewed(5, 8, 2, generator=generator),)
