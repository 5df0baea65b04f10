"""Networks on point clouds: what each keeps, see registry.py."""

import torch
from tests.promises.registry import promise

from erlangen.groups import E
from erlangen.points import EGNN, PONITA, PointGNN, PointNet
from erlangen.points.promise import cloud_symmetry
from erlangen.symmetrize import PCAFrame, symmetrize


def clouds(generator, in_scalar=2, in_vector=0, dim=3):
    """Three clouds of different sizes, with edges between some of their points."""
    sizes = torch.tensor([5, 3, 6])
    batch = torch.arange(3).repeat_interleave(sizes)
    x = torch.randn(14, in_scalar, generator=generator) if in_scalar else None
    pairs = (batch[:, None] == batch).nonzero().T
    edge_index = pairs[:, torch.rand(pairs.shape[1], generator=generator) < 0.6]
    vec = [torch.randn(14, in_vector, dim, generator=generator)] if in_vector else []
    return x, torch.randn(14, dim, generator=generator), edge_index, batch, *vec


@promise
def clouds_by_distances(generator):
    return EGNN(2, 8, 3, 2), clouds(generator)


@promise
def points_and_their_moves_by_distances(generator):
    network = EGNN(2, 8, 3, 3, in_vector=2, out_vector=2, dim=2, in_edge=4, task="node")
    inputs = clouds(generator, in_vector=2, dim=2)
    for move in network.moves:
        torch.nn.init.normal_(move.along[-1].weight, generator=generator)
    return network, (*inputs, torch.randn(inputs[2].shape[1], 4, generator=generator))


@promise
def messages_between_points(generator):
    return PointGNN(0, 8, 3, 2, in_vector=1, out_vector=1), clouds(generator, 0, 1)


@promise
def messages_to_points(generator):
    return PointGNN(2, 8, 3, 2, task="node", dim=2), clouds(generator, dim=2)


@promise
def messages_averaged_over_frames(generator):
    network = PointGNN(2, 8, 3, 2, in_vector=1, out_vector=1)
    kept = cloud_symmetry(E(3), in_scalar=2, in_vector=1, out_vector=1)
    return symmetrize(network, kept, PCAFrame(E(3), points=1, batch=3)), clouds(generator, in_vector=1)


@promise
def largest_features_of_clouds(generator):
    return PointNet(2, 8, 3, 2), clouds(generator)


@promise
def points_with_their_cloud(generator):
    return PointNet(0, 8, 3, 2, in_vector=1, out_vector=2, task="node"), clouds(generator, 0, 1)


@promise
def points_alone(generator):
    return PONITA(2, 8, 3, 2, num_ori=0, radius=3.0), clouds(generator)


@promise
def orientations_of_edges(generator):
    network = PONITA(2, 8, 3, 2, in_vector=1, out_vector=2, num_ori=-1, task="node")
    x, pos, _, batch, vec = clouds(generator, in_vector=1)
    pairs = (batch[:, None] == batch).nonzero().T
    return network, (x, pos, pairs[:, pairs[0] != pairs[1]], batch, vec)


@promise
def orientations_of_edges_that_know_left_from_right(generator):
    network = PONITA(0, 8, 3, 2, out_vector=2, num_ori=-1, invariants="universal-so3", in_edge=2)
    _, pos, _, batch = clouds(generator)
    pairs = (batch[:, None] == batch).nonzero().T
    edge_index = pairs[:, pairs[0] != pairs[1]]
    return network, (None, pos, edge_index, batch, None, torch.randn(edge_index.shape[1], 2, generator=generator))


@promise
def orientations_of_a_cube(generator):
    network = PONITA(2, 8, 3, 2, in_vector=1, out_vector=2, num_ori=8, grid="cube")
    return network, clouds(generator, in_vector=1)


@promise
def orientations_of_a_spiral(generator):
    return PONITA(2, 8, 3, 2, in_vector=1, num_ori=20, task="node"), clouds(generator, in_vector=1)


@promise
def angles_of_the_plane(generator):
    network = PONITA(2, 8, 3, 2, out_vector=1, dim=2, num_ori=8, invariants="complete")
    return network, clouds(generator, dim=2)
