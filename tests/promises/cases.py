"""One case or more for everything in the package that has a `symmetry`. See registry.py."""

import torch
from tests.promises.registry import promise
from torch import nn

from erlangen.groups import (
    SE,
    SO,
    Affine,
    E,
    EquivariantLinear,
    Fixed,
    Nodes,
    O,
    Points,
    Scalar,
    SignedPermutation,
    Symmetric,
    Symmetry,
    Vector,
)
from erlangen.o3 import DegreeLinear, GauntConv, GauntManyBody, GauntPotential, GauntSelfMix, GauntTensorProduct
from erlangen.recipes.frame_averaging.particle_networks import EGNN, GNN, Reframed
from erlangen.recipes.frame_averaging.point_networks import MeanLine, PointNet
from erlangen.recipes.gaunt_tensor_product.contraction import SymmetricContraction
from erlangen.recipes.gaunt_tensor_product.tetris import TetrisNetwork, gaunt
from erlangen.symmetrize import (
    DirectionFrame,
    FixedSigns,
    LocalFrames,
    MinimalFrame,
    PCAFrame,
    SortFrame,
    SpectralFrame,
    WeightedFrame,
    ZeroPadding,
    symmetrize,
    symmetrize_images,
    symmetrize_points,
)

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


@promise
def linear_between_representations(generator):
    V = Vector(O(3))
    layer = EquivariantLinear(4 * Scalar(O(3)) + 3 * V + V * V, 2 * Scalar(O(3)) + 2 * V + V * V, generator=generator)
    return layer, (torch.randn(6, 22, generator=generator),)


@promise
def linear_on_a_set(generator):
    R = Vector(Symmetric(5))
    return EquivariantLinear(R * R, 2 * R, generator=generator), (torch.randn(6, 25, generator=generator),)


@promise
def local_patches(generator):
    net = LocalFrames(_flat(5, 3), SE(3), k=5)
    return net, (torch.randn(3, 8, 3, generator=generator),)


@promise
def labelled_points(generator):
    G = Affine(3)
    net = symmetrize(_flat(6, 4), Symmetry(G, (Points(G),), Scalar(G)), MinimalFrame(G))
    return net, (torch.randn(5, 6, 3, generator=generator),)


@promise
def weighted_axes(generator):
    G = SE(3)
    net = symmetrize(_mlp(3, 16, 3), Symmetry(G, (Points(G),), Vector(G)), WeightedFrame(G))
    return net, (torch.randn(5, 4, 3, generator=generator),)


@promise
def axes_picked_by_their_sums(generator):
    G = O(3)
    net = symmetrize(_flat(5, 4), Symmetry(G, (Points(G),), Scalar(G)), FixedSigns(PCAFrame(G)))
    return net, (torch.randn(5, 5, 3, generator=generator),)


@promise
def sets_seen_from_all_sides(generator):
    net = symmetrize(
        nn.Sequential(nn.Flatten(), _mlp(8, 16, 3)), Symmetry(S, (Nodes(S),), Scalar(S)), DirectionFrame(S)
    )
    return net, (torch.randn(5, 4, 2, generator=generator),)


@promise
def graphs_sorted_by_their_spectrum(generator):
    pairs = Nodes(S, order=2, features=0)
    net = symmetrize(nn.Sequential(nn.Flatten(), _mlp(25, 16, 3)), Symmetry(S, (pairs,), Scalar(S)), SpectralFrame(S))
    weights = torch.rand(4, 5, 5, generator=generator)
    return net, (weights + weights.mT,)


@promise
def padded_clouds(generator):
    G = E(3)

    class Backbone(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = _flat(6, 4)

        def forward(self, x, mask):
            return self.net(x)

    promised = Symmetry(G, (Points(G), Fixed()), Scalar(G))
    mask = torch.arange(6) < torch.tensor([[4], [6], [5]])
    net = symmetrize(ZeroPadding(Backbone()), promised, PCAFrame(G, mask=1))
    return net, (torch.randn(3, 6, 3, generator=generator) * mask[..., None], mask)


def _particles(generator):
    position, velocity = (torch.randn(3, 5, 3, generator=generator) for _ in range(2))
    return position, velocity, torch.randn(3, 5, generator=generator).sign()


@promise
def particles_by_distances(generator):
    return EGNN(channels=8, num_layers=2), _particles(generator)


@promise
def particles_in_new_frames_of_every_layer(generator):
    return Reframed(GNN(channels=12, num_layers=2)), _particles(generator)


@promise
def normals_up_to_sign(generator):
    return MeanLine(PointNet(width=4)), (torch.randn(3, 12, 3, generator=generator),)


def _normal(module, generator):
    """Weights that start at one become random."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, generator=generator)
    return module


@promise
def products_on_the_sphere(generator):
    layer = _normal(GauntTensorProduct("3x0e+3x1o+3x2e", "3x2e+3x1o"), generator)
    return layer, (torch.randn(5, 27, generator=generator), torch.randn(5, 24, generator=generator))


@promise
def products_on_the_sphere_with_all_paths(generator):
    layer = GauntTensorProduct(
        "2x0e+2x1o+2x2e+2x3o", "1x0o+1x1e+1x2o+1x3e", antisymmetric=True, layout="channels", method="grid:half"
    )
    return _normal(layer, generator), (
        torch.randn(5, 2, 16, generator=generator),
        torch.randn(5, 1, 16, generator=generator),
    )


@promise
def products_of_channels_with_each_other(generator):
    layer = GauntSelfMix("4x0e+4x1o+4x2e", 6, generator=generator)
    return layer, (torch.randn(5, 36, generator=generator),)


@promise
def powers_on_the_sphere(generator):
    layer = GauntManyBody("3x0e+3x1o+3x2e", "3x1o+3x0e", 3, num_elements=2, generator=generator)
    return layer, (torch.randn(5, 27, generator=generator), torch.rand(5, 2, generator=generator))


@promise
def mixed_channels(generator):
    return DegreeLinear("3x0e+3x1o", "5x1o+5x0e", generator=generator), (torch.randn(6, 12, generator=generator),)


def _edges(generator, channels, width):
    x = torch.randn(6, channels * width, generator=generator)
    edge_index = torch.randint(6, (2, 15), generator=generator)
    return x, edge_index, torch.randn(15, 3, generator=generator), torch.randn(15, 4, generator=generator)


@promise
def messages_summed_on_the_sphere(generator):
    layer = GauntConv("2x0e+2x1o", "0e+1o+2e", "2x0e+2x1o+2x2e", _mlp(4, 8, 6), method="grid")
    return layer, _edges(generator, 2, 4)


@promise
def messages_of_every_edge(generator):
    layer = GauntConv("2x0e+2x1o", "0e+1o+2e", "2x0e+2x1o+2x2e", _mlp(4, 8, 6), method="edge")
    return layer, _edges(generator, 2, 4)


@promise
def messages_along_the_edge(generator):
    layer = GauntConv("2x1e+2x2o", "0e+2e+3o", "2x3e+2x0o", _mlp(4, 8, 6), method="aligned")
    return layer, _edges(generator, 2, 8)


@promise
def energies_and_forces(generator):
    potential = GauntPotential([1, 8], cutoff=4.0, channels=3, num_layers=2)
    return potential, (torch.randn(5, 3, generator=generator), torch.tensor([8, 1, 1, 8, 1]))


@promise
def pieces_of_tetris(generator):
    return TetrisNetwork(gaunt, odd=True, channels=3), (torch.randn(3, 4, 3, generator=generator),)


@promise
def every_coupling(generator):
    layer = SymmetricContraction("3x0e+3x1o+3x2e", "3x0e", 3, 2)
    return layer, (torch.randn(5, 27, generator=generator), torch.rand(5, 2, generator=generator))
