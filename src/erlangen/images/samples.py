"""Drawing samples for networks, and keeping them with a network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from erlangen.groups import SO, Group, GroupSamples, LogNormal, Trivial, sample_group
from erlangen.images.linear_group import require_group


def draw_samples(
    group: Group,
    num: int,
    proposal: LogNormal = LogNormal(),
    weights: str = "proposal",
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
) -> GroupSamples:
    """Samples of a group of the plane, as :func:`erlangen.groups.sample_group` draws them.

    Args:
        group: SO(2), SL(2), GLPlus(2), or Trivial(), which has one sample however many are asked for.
        num: how many.
        proposal: of the stretches.
        weights: "proposal", or "haar" to integrate against the invariant measure.
        generator: source of randomness.
        dtype: of the result.
        device: of the result.

    Raises:
        ValueError: for another group, fewer than one sample, or other weights.

    Example:
        >>> len(draw_samples(Trivial(), 10))
        1
    """
    group = require_group("draw_samples", group)
    if not isinstance(group, Trivial):
        return sample_group(group, num, proposal, weights, generator, dtype, device)
    sample_group(SO(2), num, weights=weights)  # which refuses what has no meaning
    return sample_group(SO(2), 1, dtype=dtype, device=device)


class FixedSamples(nn.Module):
    """Samples that belong to a network: they move, are saved and are loaded with it.

    Args:
        samples: which are copied.

    Example:
        >>> from erlangen.groups import SL
        >>> len(FixedSamples(draw_samples(SL(2), 6))())
        6
    """

    matrix: Tensor
    inverse: Tensor
    log_weight: Tensor

    def __init__(self, samples: GroupSamples) -> None:
        super().__init__()
        for name in ("matrix", "inverse", "log_weight"):
            # A copy: loading a state writes into it, and the samples that were handed in may serve others.
            self.register_buffer(name, getattr(samples, name).detach().clone())

    def forward(self) -> GroupSamples:
        """The samples."""
        return GroupSamples(self.matrix, self.inverse, self.log_weight)
