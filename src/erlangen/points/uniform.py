"""Uniform random partitions: every point draws its part, as in the theory that bounds errors; and how bad they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
from jaxtyping import Int
from torch import Tensor

from erlangen.points.partition import Partition


def uniform_partition(
    batch: Int[Tensor, " nodes"], num_parts: int, generator: torch.Generator | None = None
) -> Partition:
    """Every point draws one of ``num_parts`` labels; labels that nobody drew leave no part behind.

    Args:
        batch: the cloud of each point, ascending.
        num_parts: number of labels.
        generator: the randomness; torch's own by default.

    Raises:
        ValueError: if ``num_parts`` is below 1.

    Example:
        >>> uniform_partition(torch.zeros(6, dtype=torch.long), 3, torch.Generator().manual_seed(0)).index
        tensor([2, 0, 2, 0, 1, 0])
    """
    if isinstance(num_parts, bool) or not isinstance(num_parts, int) or num_parts < 1:
        raise ValueError(f"uniform_partition(num_parts): a whole number from 1, got {num_parts!r}")
    device = generator.device if generator is not None else batch.device
    labels = torch.randint(num_parts, batch.shape, generator=generator, device=device)
    return Partition.from_labels(labels.to(batch.device), batch)


def uniform_bad_probability(sizes: Sequence[int], num_parts: int) -> float:
    r"""The probability that a uniform random partition does not refine a true one, in closed form.

    For two true parts of :math:`n_1` and :math:`n_2` points and k labels, the good assignments are those in which the
    second part uses none of the j labels of the first, with Stirling numbers of the second kind:

    .. math:: \lambda = 1 - k^{-(n_1 + n_2)} \sum_{j=1}^{k} \binom{k}{j}\, j!\, S(n_1, j)\, (k - j)^{n_2}

    More parts follow one after another, each on the labels that are left. Computed in whole numbers.

    Args:
        sizes: number of points of each true part.
        num_parts: number of labels.

    Raises:
        ValueError: if there are no parts, or a number is below 1.

    Source: for the quantity, Atzmon, Huang, Williams, Litany, "Approximately Piecewise E(3) Equivariant Point
    Networks", 2024.

    Example:
        >>> uniform_bad_probability([2, 2], 3) == 7 / 9
        True
    """
    if not sizes or min(sizes) < 1:
        raise ValueError(f"uniform_bad_probability(sizes): numbers of points from 1, got {list(sizes)}")
    if num_parts < 1:
        raise ValueError(f"uniform_bad_probability(num_parts): a whole number from 1, got {num_parts}")
    # good[m]: assignments of the parts so far that leave m labels unused.
    good = {num_parts: 1}
    for size in sizes:
        onto = _surjections(size, num_parts)
        after: dict[int, int] = {}
        for left, ways in good.items():
            for used in range(1, min(size, left) + 1):
                after[left - used] = after.get(left - used, 0) + ways * math.comb(left, used) * onto[used]
        good = after
    return float(1 - Fraction(sum(good.values()), num_parts ** sum(sizes)))


def _surjections(points: int, most: int) -> list[int]:
    """In how many ways so many points use exactly j labels, j! S(points, j), for j from 0 to ``most``."""
    row = [1] + [0] * most
    for _ in range(points):
        row = [0] + [j * (row[j] + row[j - 1]) for j in range(1, most + 1)]
    return row
