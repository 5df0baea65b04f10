"""The networks on groups of the recipe `lie-decomposition`."""

import torch
from tests.promises.registry import promise

from erlangen.groups import SL
from erlangen.recipes.lie_decomposition.networks import GroupNetwork
from erlangen.recipes.lie_decomposition.reading import TurnKernel


@promise
def digits_on_a_group(generator):
    network = GroupNetwork(SL(2), 2, 3, TurnKernel, num_samples=2, variance=0.1, resample=False, generator=generator)
    return network, (torch.randn(2, 1, 10, 10, generator=generator),)
