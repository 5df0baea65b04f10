r"""Energies of molecules, and forces as their slopes.

A network of `erlangen.points` says one number for each molecule, in units in which energies have mean zero and forces
a root mean square of one:

.. math:: \tilde E = \frac{E - \bar E}{\sigma}, \qquad
    \tilde F = \frac{F}{\sigma} = -\frac{\partial \tilde E}{\partial x}, \qquad \sigma^2 = \langle F^2 \rangle.

One factor serves both, so that slopes stay slopes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from erlangen.data.snapshot import Snapshot
from erlangen.recipes.ponita.clouds import Clouds, answer, cloud, turned_at_random

ENERGY_WEIGHT = 1 / 500


class Units(NamedTuple):
    """What energies are counted from, in eV, and what both are divided by: an energy per Å."""

    zero: float
    scale: float

    @classmethod
    def of(cls, snapshots: Sequence[Snapshot]) -> Units:
        """The mean energy and the root mean square of force components.

        Raises:
            ValueError: If there are no forces in the snapshots.
        """
        forces = [snapshot.forces for snapshot in snapshots if snapshot.forces is not None]
        if not forces:
            raise ValueError("Units.of(snapshots): snapshots with forces, got none")
        zero = math.fsum(snapshot.energy for snapshot in snapshots) / len(snapshots)
        return cls(zero, float(torch.cat(forces).square().mean().sqrt()))


def cloud_of(snapshot: Snapshot, elements: Sequence[int], units: Units, dtype: torch.dtype = torch.float32) -> Clouds:
    """A molecule about its centre: elements as features, all pairs as edges; the energy as scalar, forces as vectors.

    Raises:
        ValueError: If it has no forces, is periodic, or an element is not among ``elements``.
    """
    if snapshot.forces is None or snapshot.cell is not None:
        raise ValueError("cloud_of(snapshot): forces, and nothing periodic")
    x = snapshot.numbers[:, None] == torch.tensor(elements)
    if not x.any(1).all():
        raise ValueError(f"cloud_of(elements): all elements of {snapshot.numbers.tolist()}, got {list(elements)}")
    return cloud(
        (snapshot.position - snapshot.position.mean(0)).to(dtype),
        x=x.to(dtype),
        scalar=torch.tensor([(snapshot.energy - units.zero) / units.scale], dtype=dtype),
        vector=(snapshot.forces / units.scale)[:, None].to(dtype),
    )


class Potential(nn.Module):
    """Energies that a network says, and the forces that follow from them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clouds: Clouds) -> tuple[Tensor, Tensor]:
        """Energies ``(clouds,)`` and forces ``(nodes, 3)``; gradients to the weights while training."""
        with torch.enable_grad():
            pos = clouds.pos.detach().requires_grad_()
            energy = answer(self.network, clouds._replace(pos=pos)).scalar[:, 0]
            (slope,) = torch.autograd.grad(energy.sum(), pos, create_graph=self.training)
        return (energy, -slope) if self.training else (energy.detach(), -slope)


def force_loss(potential: nn.Module, batch: Any) -> Tensor:
    r"""The publication's: :math:`\frac{1}{500}\,\overline{\Delta E^2} + \frac{1}{3}\,\overline{\|\Delta F\|^2}`."""
    clouds = Clouds(*batch)
    energy, forces = potential(clouds)
    off = (energy - clouds.scalar[:, 0]).square().mean()
    return ENERGY_WEIGHT * off + (forces - clouds.vector[:, 0]).square().mean()


def turned_force_loss(potential: nn.Module, batch: Any) -> Tensor:
    """The same on molecules that are turned at random while the network learns."""
    return force_loss(potential, turned_at_random(Clouds(*batch)) if potential.training else batch)
