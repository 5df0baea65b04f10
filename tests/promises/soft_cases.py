"""Soft equivariance and its strict relatives: what each keeps, see registry.py."""

import torch
from tests.promises.registry import promise

from erlangen.groups import GL, O, Scalar, Vector
from erlangen.symmetrize import EMLP, ResidualPathwayEMLP, RPPLinear, SoftEMLP, SoftEquivariantLinear


def ends(group):
    V = Vector(group)
    return 3 * Scalar(group) + 4 * V, Scalar(group) + V + V**2


def features(generator):
    return (torch.randn(8, 15, generator=generator),)


PLANES = ["O(2)@xy", "O(2)@yz", "O(2)@xz"]


@promise
def tensors_of_rotations_and_reflections(generator):
    return EMLP(*ends(O(3)), "O(3)", channels=40, num_layers=3, generator=generator), features(generator)


@promise
def tensors_of_one_plane(generator):
    return EMLP(*ends(O(3)), "O(2)@xy", channels=128, num_layers=2, generator=generator), features(generator)


@promise
def tensors_of_rotations_and_scales_at_once(generator):
    return EMLP(*ends(GL(3)), "SO(3)*Scaling", channels=40, num_layers=4, generator=generator), features(generator)


@promise
def tensors_of_all_linear_maps(generator):
    return EMLP(*ends(GL(3)), "GL(3)", channels=40, num_layers=3, generator=generator), features(generator)


@promise
def a_soft_layer(generator):
    return SoftEquivariantLinear(*ends(O(3)), PLANES, generator=generator), features(generator)


@promise
def a_soft_network(generator):
    candidates = ["SO(3)", "Scaling", "SO(3)*Scaling"]
    return SoftEMLP(*ends(GL(3)), candidates, channels=40, num_layers=3, generator=generator), features(generator)


@promise
def a_layer_with_a_residual_path(generator):
    return RPPLinear(*ends(O(3)), "O(3)", "O(2)@xy", generator=generator), features(generator)


@promise
def a_network_with_residual_paths(generator):
    return ResidualPathwayEMLP(*ends(O(3)), "O(3)", channels=40, num_layers=3, generator=generator), features(generator)
