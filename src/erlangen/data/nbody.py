r"""Charged particles in empty space: where they are now and where they will be a thousand steps later.

Five particles (by default) carry charges :math:`q_i = \pm 1` with equal chances, start at :math:`x_i \sim N(0, 1)^3`,
with velocities of random direction and length 1/2. Like charges repel, unlike ones attract:

.. math:: F_i = \sum_{j \ne i} q_i q_j \frac{x_i - x_j}{\|x_i - x_j\|^3}, \qquad m_i = 1,

every component of :math:`F_i` cut off at ±100. One kick :math:`v \leftarrow v + h F(x)`, :math:`h = 10^{-3}`, comes
first; then each step drifts, :math:`x \leftarrow x + h v`, records, and kicks. This is the leapfrog scheme: recorded
velocities are half a step behind. The task: from positions and velocities at step 3100 predict the positions at 4100.

The system keeps E(3), but forces are cut off component by component: where unlike charges nearly meet, what happens
depends on the axes. Turned at step 3100, one simulation in six goes visibly another way.

Kipf, Fetaya, Wang, Welling, Zemel, "Neural Relational Inference for Interacting Systems", 2018; Fuchs, Worrall,
Fischer, Welling, "SE(3)-Transformers", 2020; Satorras, Hoogeboom, Welling, "E(n) Equivariant Graph Neural Networks",
2021.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

STEP = 1e-3
LARGEST_FORCE = 100.0
SPEED = 0.5
NOW, LATER = 3100, 4100

Vectors = Float[Tensor, "sims particles 3"]
Charges = Float[Tensor, "sims particles"]


class Particles(NamedTuple):
    """Positions, velocities and charges of some simulations, and the positions that are to be predicted."""

    position: Vectors
    velocity: Vectors
    charge: Charges
    target: Vectors


@lru_cache(maxsize=8)
def charged_particles(sims: int, seed: int, particles: int = 5, dtype: torch.dtype = torch.float32) -> Particles:
    """The data set of a seed; kept in memory, so treat its tensors as constants.

    Args:
        sims: Number of simulations.
        seed: Their randomness. Simulations of one seed are not a prefix of more of them.
        particles: Particles in each.
        dtype: Of the result; computed in float64.

    Raises:
        ValueError: If there is no simulation or no particle.

    >>> data = charged_particles(2, seed=0)
    >>> data.position.shape, data.charge.abs().unique()
    (torch.Size([2, 5, 3]), tensor([1.]))
    """
    if sims < 1 or particles < 1:
        raise ValueError(f"charged_particles(sims, particles): whole numbers from 1, got {sims} and {particles}")
    position, velocity, charge = start(sims, particles, torch.Generator().manual_seed(seed))
    (now, speed), (later, _) = simulate(position, velocity, charge, (NOW, LATER))
    return Particles(now.to(dtype), speed.to(dtype), charge.to(dtype), later.to(dtype))


def start(sims: int, particles: int, generator: torch.Generator) -> tuple[Vectors, Vectors, Charges]:
    """Random positions, velocities and charges, in float64."""
    size = (sims, particles, 3)
    position = torch.randn(size, generator=generator, dtype=torch.float64)
    velocity = torch.randn(size, generator=generator, dtype=torch.float64)
    velocity = SPEED * velocity / velocity.norm(dim=-1, keepdim=True)
    charge = 2.0 * torch.randint(2, size[:2], generator=generator).double() - 1
    return position, velocity, charge


def simulate(
    position: Vectors, velocity: Vectors, charge: Charges, record: Sequence[int], step: float = STEP
) -> list[tuple[Vectors, Vectors]]:
    """Integrates many simulations at once.

    Args:
        position: At the start.
        velocity: At the start.
        charge: Of each particle, any real numbers.
        record: Steps, ascending, from 1, after which to keep positions and (half a step older) velocities.
        step: Length of a step.

    Raises:
        ValueError: If ``record`` is empty, not ascending, or begins below 1.
    """
    if not record or record[0] < 1 or any(b <= a for a, b in itertools.pairwise(record)):
        raise ValueError(f"simulate(record): ascending steps from 1, got {list(record)}")
    sims, n = charge.shape
    first, second = torch.triu_indices(n, n, 1)
    # Simulations lie on the last axis, where memory is contiguous; sums over pairs are products with this matrix.
    pairs = torch.zeros(len(first), n, dtype=position.dtype)
    pairs[range(len(first)), first], pairs[range(len(first)), second] = 1.0, -1.0
    strength = (charge[:, first] * charge[:, second]).T.contiguous()
    x, v = (tensor.permute(1, 2, 0).reshape(n, 3 * sims) for tensor in (position, velocity))

    def force(x: Tensor) -> Tensor:
        apart = (pairs @ x).unflatten(1, (3, sims))
        square = apart.square().sum(1)
        pull = apart * (strength / (square * square.sqrt()))[:, None]
        return (pairs.T @ pull.flatten(1)).clamp_(-LARGEST_FORCE, LARGEST_FORCE)

    def unpacked(tensor: Tensor) -> Tensor:
        return tensor.unflatten(1, (3, sims)).permute(2, 0, 1).contiguous()

    kept = []
    v = v + step * force(x)
    for number in range(1, record[-1] + 1):
        x = x + step * v
        if number in record:
            kept.append((unpacked(x), unpacked(v)))
        v = v + step * force(x)
    return kept
