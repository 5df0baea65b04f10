r"""Inertia tensors of point masses, with a term that breaks symmetry along an axis.

Masses :math:`m_i` at positions :math:`r_i` (here five, :math:`r_i \sim N(0, 1)^3`, :math:`m_i` the softplus of
:math:`N(0, 1)`) have the inertia tensor

.. math:: J = \sum_i m_i \left(\|r_i\|^2 I - r_i r_i^\top\right),

which turns and reflects with them: :math:`J \mapsto g J g^\top` for every orthogonal :math:`g`. The target is

.. math:: Y = J + a\, (J e_k) e_k^\top

for the unit vector :math:`e_k` of an axis. Of all of O(3) the new term keeps what leaves :math:`e_k` where it is, the
O(2) of the plane across it. ``axis="mixed"`` adds :math:`a (J e_y) e_y^\top - a (J e_x) e_x^\top` instead: no O(2) of a
coordinate plane is kept, and two of them are broken less than the third.

Finzi, Welling, Wilson, "A Practical Method for Constructing Equivariant Multilayer Perceptrons for Arbitrary Matrix
Groups", 2021 (the task); Kim, Lee, Yang, Lee, "Regularizing Towards Soft Equivariance Under Mixed Symmetries", 2023
(the term).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

AXES = ("x", "y", "z", "mixed")

Masses = Float[Tensor, "*samples particles"]
Positions = Float[Tensor, "*samples particles 3"]
Matrices = Float[Tensor, "*samples 3 3"]


class Bodies(NamedTuple):
    """Point masses, where they are, and the (modified) inertia tensor of each sample."""

    mass: Masses
    position: Positions
    target: Matrices


def bodies(
    samples: int,
    generator: torch.Generator,
    particles: int = 5,
    strength: float = -1.0,
    axis: str = "z",
    dtype: torch.dtype = torch.float32,
) -> Bodies:
    """Draws bodies of a few point masses with their modified inertia tensors.

    Args:
        samples: Number of bodies.
        generator: The randomness.
        particles: Point masses of each.
        strength: The factor a of the term that breaks symmetry; 0 keeps all of O(3).
        axis: Which axis it singles out: ``"x"``, ``"y"``, ``"z"``, or ``"mixed"``.
        dtype: Of the result; computed in float64.

    Raises:
        ValueError: If there is no body or no point mass, or as `modified_inertia`.

    >>> made = bodies(4, torch.Generator().manual_seed(0))
    >>> made.position.shape, made.target.shape, bool((made.target[..., 2].abs() < 1e-5).all())
    (torch.Size([4, 5, 3]), torch.Size([4, 3, 3]), True)
    """
    if samples < 1 or particles < 1:
        raise ValueError(f"bodies(samples, particles): whole numbers from 1, got {samples} and {particles}")
    mass = torch.randn(samples, particles, generator=generator, dtype=torch.float64)
    mass = torch.nn.functional.softplus(mass)
    position = torch.randn(samples, particles, 3, generator=generator, dtype=torch.float64)
    target = modified_inertia(mass, position, strength, axis)
    return Bodies(mass.to(dtype), position.to(dtype), target.to(dtype))


def inertia(mass: Masses, position: Positions) -> Matrices:
    r"""The inertia tensor about the origin, :math:`\sum_i m_i (\|r_i\|^2 I - r_i r_i^\top)`.

    >>> inertia(torch.tensor([2.0]), torch.tensor([[0.0, 0.0, 3.0]])).diagonal().tolist()
    [18.0, 18.0, 0.0]
    """
    second = torch.einsum("...n,...na,...nb->...ab", mass, position, position)
    trace = second.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    return trace * torch.eye(3, dtype=second.dtype, device=second.device) - second


def modified_inertia(mass: Masses, position: Positions, strength: float, axis: str) -> Matrices:
    r"""The inertia tensor with one column changed, :math:`J + a (J e_k) e_k^\top`; ``"mixed"``: two columns.

    Raises:
        ValueError: If the axis is none of `AXES`, or the strength is not a finite number.
    """
    if axis not in AXES:
        raise ValueError(f"modified_inertia(axis): one of {', '.join(AXES)}, got {axis!r}")
    if not math.isfinite(strength):
        raise ValueError(f"modified_inertia(strength): a finite number, got {strength}")
    plain = inertia(mass, position)
    # (J e_k) e_k^T is column k of J where it stands.
    columns = (-1.0, 1.0, 0.0) if axis == "mixed" else tuple(float(axis == name) for name in AXES[:3])
    return plain * (1 + strength * plain.new_tensor(columns))
