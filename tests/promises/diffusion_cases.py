"""Diffusion models and averaged weights: they promise what the network inside does, see registry.py."""

import torch
from tests.promises.registry import promise

from erlangen.generative import EquivariantDiffusion
from erlangen.groups import EquivariantLinear, O, Vector
from erlangen.points import EGNN, PONITA
from erlangen.recipes.ponita.denoisers import DenoisingEGNN, LevelOnEdges
from erlangen.train import AveragedWeights

BATCH = torch.arange(3).repeat_interleave(torch.tensor([4, 2, 5]))


def noisy(generator):
    x, pos = torch.randn(11, 2, generator=generator), torch.randn(11, 3, generator=generator)
    return x, pos, torch.tensor([3, 500, 990]), BATCH


def moving(last, generator):
    """Networks that begin by leaving points where they are begin to move them."""
    torch.nn.init.normal_(last.weight, std=0.1, generator=generator)


@promise
def noise_seen_by_distances(generator):
    network = EGNN(3, 8, 2, 2, out_vector=1, task="node")
    for move in network.moves:
        moving(move.along[-1], generator)
    return EquivariantDiffusion(network, 2), noisy(generator)


def gated(in_scalar, generator):
    network = DenoisingEGNN(in_scalar, 8, 2, 2)
    for layer in network.layers:
        moving(layer.move[-1], generator)
    return network


@promise
def noise_seen_by_distances_with_gates(generator):
    return EquivariantDiffusion(gated(3, generator), 2), noisy(generator)


@promise
def noise_seen_along_edges(generator):
    network = PONITA(3, 8, 2, 2, out_vector=1, num_ori=-1, task="node")
    return EquivariantDiffusion(network, 2), noisy(generator)


@promise
def noise_seen_from_a_grid(generator):
    """A promise for translations, one for the grid's own rotations, and one that is only measured."""
    network = PONITA(3, 8, 2, 2, out_vector=1, num_ori=6, grid="octahedron", task="node")
    return EquivariantDiffusion(network, 2), noisy(generator)


@promise
def noise_seen_with_its_level_on_edges(generator):
    network = PONITA(3, 8, 2, 2, out_vector=1, num_ori=6, grid="octahedron", in_edge=1, task="node")
    return EquivariantDiffusion(LevelOnEdges(network), 2), noisy(generator)


@promise
def gates_alone(generator):
    x, pos, _, batch = noisy(generator)
    pairs = (batch[:, None] == batch).nonzero().T
    return gated(2, generator), (x, pos, pairs[:, pairs[0] != pairs[1]], batch)


@promise
def averaged_weights(generator):
    V = Vector(O(3))
    layer = AveragedWeights(EquivariantLinear(2 * V, 3 * V, generator=generator))
    return layer, (torch.randn(6, 6, generator=generator),)
