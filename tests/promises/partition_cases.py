"""Networks on clouds in parts: what each keeps, see registry.py. Parts are the samples of a layer: each moves alone."""

import torch
from tests.promises.registry import promise

from erlangen.groups import SE
from erlangen.points import APEN, PartPointNet, PiecewiseEquivariant


def parts(generator, in_scalar=2, in_vector=0, dim=3):
    """Parts of five and more points, one of a single point, a regular one, and one on a line."""
    line = torch.arange(4.0)[:, None].expand(4, dim)
    pos = torch.cat([torch.randn(12, dim, generator=generator), torch.eye(dim), line])
    cell = torch.cat([torch.arange(11) % 2, torch.tensor([2] + [3] * dim + [4] * 4)])
    x = torch.randn(len(pos), in_scalar, generator=generator) if in_scalar else None
    vec = [torch.randn(len(pos), in_vector, dim, generator=generator)] if in_vector else []
    return x, pos, cell, *vec


@promise
def parts_that_move_alone(generator):
    return PiecewiseEquivariant(PartPointNet(0, 3, 8, 4), 4), parts(generator, 0)


@promise
def vectors_of_parts_that_turn_alone(generator):
    return PiecewiseEquivariant(PartPointNet(2, 6, 8, 10), 4, 2), parts(generator, in_vector=1)


@promise
def parts_of_the_plane_that_turn_alone(generator):
    return PiecewiseEquivariant(PartPointNet(2, 4, 8, 6, dim=2), 4, 1, SE(2)), parts(generator, in_vector=1, dim=2)


@promise
def parts_that_turn_alone_and_are_not_mirrored(generator):
    return PiecewiseEquivariant(PartPointNet(2, 3, 8, 7), 4, 1, SE(3)), parts(generator)


def scenes(generator, in_scalar=0, in_vector=0, dim=3):
    """Two clouds, each of three groups of points."""
    middle = 5 * torch.randn(6, dim, generator=generator)
    pos = middle.repeat_interleave(8, 0) + torch.randn(48, dim, generator=generator)
    batch = torch.arange(2).repeat_interleave(24)
    x = torch.randn(48, in_scalar, generator=generator) if in_scalar else None
    vec = [torch.randn(48, in_vector, dim, generator=generator)] if in_vector else []
    return x, pos, None, batch, *vec


@promise
def scenes_of_parts(generator):
    return APEN(0, 8, 3, 3, parts=4, task="node"), scenes(generator)


@promise
def scenes_of_parts_with_vectors(generator):
    network = APEN(2, 8, 3, 3, in_vector=1, out_vector=2, parts=4, length=2.0, task="node")
    return network, scenes(generator, 2, 1)


@promise
def numbers_of_scenes_of_parts_of_the_plane(generator):
    return APEN(0, 8, 3, 2, out_vector=1, dim=2, parts=3), scenes(generator, dim=2)


@promise
def whole_scenes(generator):
    return APEN(0, 8, 3, 2, parts=1), scenes(generator)
