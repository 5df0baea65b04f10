"""Networks on images that nearly keep affine maps, see registry.py."""

from functools import partial

import torch
from tests.promises.registry import promise

from erlangen.groups import SL, SO, GLPlus, Trivial
from erlangen.images import AffineResNet, SIRENKernel


def network(group, generator, kernel=partial(SIRENKernel, width=8), **options):
    net = AffineResNet(
        group, 3, num_samples=2, width=4, kernel_size=3, hidden=8, kernel=kernel, generator=generator, **options
    )
    return net, (torch.randn(2, 1, 10, 10, generator=generator),)


@promise
def images_without_a_group(generator):
    return network(Trivial(), generator, kernel="basis")


@promise
def images_turned(generator):
    return network(SO(2), generator)


@promise
def images_sheared(generator):
    return network(SL(2), generator)


@promise
def images_scaled_and_sheared(generator):
    return network(GLPlus(2), generator, weights="haar")
