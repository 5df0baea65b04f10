"""Charged particles as clouds: what a network says of them, and how that changes as they turn."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from erlangen.data.nbody import Particles
from erlangen.recipes.ponita.clouds import Clouds, cloud, inputs, turned, turned_at_random


def clouds_of(particles: Particles) -> list[Clouds]:
    """Each simulation as a cloud in which every particle hears every other: charge, velocity, displacement."""
    position, velocity, charge, target = particles
    return [
        cloud(p, x=q[:, None], vec=v[:, None], vector=d[:, None])
        for p, q, v, d in zip(position, charge, velocity, target - position, strict=True)
    ]


def read(network: nn.Module, clouds: Clouds) -> tuple[Tensor | None, ...]:
    """What a network reads of particles: where it takes attributes of edges, also products of charges."""
    source, target = clouds.edge_index
    products = (clouds.x[source] * clouds.x[target],) if getattr(network, "in_edge", 0) else ()
    return (*inputs(clouds), *products)


def predicted(network: nn.Module, clouds: Clouds) -> Tensor:
    """Displacements that a network says, ``(nodes, 3)``."""
    return network(*read(network, clouds)).vector[:, 0]


def loss(network: nn.Module, batch: Any) -> Tensor:
    """The mean squared error of a coordinate."""
    clouds = Clouds(*batch)
    return (predicted(network, clouds) - clouds.vector[:, 0]).square().mean()


def turned_loss(network: nn.Module, batch: Any) -> Tensor:
    """The same on clouds that are turned at random while the network learns."""
    return loss(network, turned_at_random(Clouds(*batch)) if network.training else batch)


def error(network: nn.Module, clouds: Clouds) -> float:
    """The mean squared error of a coordinate, summed in float64."""
    return float((predicted(network, clouds) - clouds.vector[:, 0]).double().square().mean())


def on_turned(network: nn.Module, clouds: Clouds, turn: Tensor) -> tuple[float, float]:
    r"""The error on turned clouds, and the disagreement :math:`\|f(g x) - g f(x)\| / \|\text{displacement}\|`."""
    upright, moved = predicted(network, clouds), turned(clouds, turn)
    other = predicted(network, moved).double()
    carried = turned(clouds._replace(vector=upright[:, None]), turn).vector[:, 0].double()
    change = (other - carried).norm() / clouds.vector.double().norm()
    return float((other - moved.vector[:, 0]).square().mean()), float(change)


def grid_rotations(grid: Tensor) -> Tensor:
    """The rotations that carry a grid of orientations ``(n, 3)`` to itself, ``(rotations, 3, 3)``.

    A rotation is known by where it carries two orientations that are not on a line.
    """
    inner = grid @ grid.mT
    first, second = 0, int(inner[0].abs().argmin())

    def frames(a: Tensor, b: Tensor) -> Tensor:
        return torch.stack([a, b, torch.linalg.cross(a, b)], -1)

    i, j = ((inner - inner[first, second]).abs() < 1e-6).nonzero().T
    found = frames(grid[i], grid[j]) @ torch.linalg.inv(frames(grid[first], grid[second]))
    distance = torch.cdist(grid @ found.mT, grid.expand(len(found), -1, -1))
    return found[distance.amin(-1).amax(-1) < 1e-6]
