"""Intervals of measured ratios, by drawing the samples anew (the bootstrap)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

#: How often samples are drawn anew.
DRAWS = 2000
#: Numbers that are drawn at a time.
_AT_ONCE = 4_000_000


def ratio_interval(
    above: Sequence[Float[Tensor, "_"]],
    below: Sequence[Float[Tensor, "_"]],
    *,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    r"""Percentile interval of :math:`\sum_i a_i / \sum_i b_i` over samples, and over the seeds they come in.

    Where there are several seeds, seeds are drawn with replacement first, then samples within each, every seed with the
    same weight: samples of one seed share a trained network, so that many samples do not make up for few seeds.

    Args:
        above: for each seed, one number per sample.
        below: the same for the denominator; the samples are drawn together.
        level: how likely the interval is to hold the ratio.
        seed: of the draws.

    Raises:
        ValueError: when there is no sample, the two do not fit together, or the level is no share.

    Source: Efron, Bootstrap Methods: Another Look at the Jackknife (1979).

    Example:
        >>> low, high = ratio_interval([torch.rand(500).double()], [torch.ones(500).double()])
        >>> low < 0.5 < high
        True
    """
    if not 0 < level < 1:
        raise ValueError(f"ratio_interval(level): a number between 0 and 1, got {level}")
    if len(above) != len(below) or any(a.shape != b.shape or a.numel() == 0 for a, b in zip(above, below, strict=True)):
        shapes = [[tuple(one.shape) for one in group] for group in (above, below)]
        raise ValueError(f"ratio_interval(above, below): as many samples in both, at least one, got {shapes}")
    if not above:
        raise ValueError("ratio_interval(above, below): at least one seed, got none")
    generator = torch.Generator().manual_seed(seed)
    count = len(above)
    which = torch.randint(count, (DRAWS, count), generator=generator) if count > 1 else torch.zeros(DRAWS, 1).long()
    sums = torch.zeros(2, DRAWS, dtype=torch.float64)
    for place in range(count):  # each place draws its own samples, also where two hold the same seed
        for one in range(count):
            rows = (which[:, place] == one).nonzero().flatten()
            pair = torch.stack([above[one], below[one]]).double().cpu()
            for part in rows.split(max(1, _AT_ONCE // pair.shape[1])):
                drawn = torch.randint(pair.shape[1], (len(part), pair.shape[1]), generator=generator)
                sums[:, part] += pair[:, drawn].mean(-1)
    ratios = (sums[0] / sums[1]).sort().values
    edge = (1 - level) / 2
    low, high = torch.quantile(ratios, torch.tensor([edge, 1 - edge], dtype=torch.float64)).tolist()
    return low, high
