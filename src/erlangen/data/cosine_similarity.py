r"""Three vectors and how alike their directions are, with terms that break scale, rotations, or both.

For vectors :math:`x_1, x_2, x_3 \sim N(0, 1)^3` the target starts as the mean of their cosines,

.. math:: y = \tfrac13 \sum_i \frac{x_i \cdot x_{i+1}}{\|x_i\| \|x_{i+1}\|}, \qquad x_4 = x_1,

which neither rotations nor a common factor change. Two terms can be added, with a strength :math:`a`:

.. math:: r = \tfrac13 \sum_i \|x_i\|, \qquad s = \frac{\|x_1\|_1}{\|x_2\|_1 + \|x_3\|_1}.

:math:`y - a r` keeps rotations alone, :math:`y - a s` keeps scale alone, and :math:`y - a r + a s` keeps neither.

Source: Kim, Lee, Yang, Lee, "Regularizing Towards Soft Equivariance Under Mixed Symmetries", 2023.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

KEPT: dict[str, tuple[float, float]] = {
    "both": (0.0, 0.0),
    "rotations": (-1.0, 0.0),
    "scale": (0.0, -1.0),
    "none": (-1.0, 1.0),
}
"""Signs of the two terms, of radius and of the ratio of sums, by what is still kept with them."""

VECTORS = 3
Vectors = Float[Tensor, "*samples 3 3"]


class Triples(NamedTuple):
    """Three vectors of each sample, one per row, and what is to be predicted."""

    vectors: Vectors
    target: Float[Tensor, "*samples"]


def triples(
    samples: int,
    generator: torch.Generator,
    kept: str = "both",
    strength: float = 1.0,
    dtype: torch.dtype = torch.float32,
) -> Triples:
    """Draws triples of vectors with their (modified) cosine similarity.

    Args:
        samples: Number of triples.
        generator: The randomness.
        kept: What the target keeps: ``"both"``, ``"rotations"``, ``"scale"`` or ``"none"``.
        strength: The factor a of what breaks the rest.
        dtype: Of the result; computed in float64.

    Raises:
        ValueError: If there is no sample, or as `cosine_similarity`.

    >>> triples(5, torch.Generator().manual_seed(0)).target.shape
    torch.Size([5])
    """
    if samples < 1:
        raise ValueError(f"triples(samples): a whole number from 1, got {samples}")
    vectors = torch.randn(samples, VECTORS, 3, generator=generator, dtype=torch.float64)
    return Triples(vectors.to(dtype), cosine_similarity(vectors, kept, strength).to(dtype))


def cosine_similarity(vectors: Vectors, kept: str = "both", strength: float = 1.0) -> Float[Tensor, "*samples"]:
    """The mean of the three cosines, and the terms that break what is not kept.

    Raises:
        ValueError: If ``kept`` is none of `KEPT`, or the strength is not a finite number.

    >>> x, y, z = torch.eye(3)
    >>> vectors = torch.stack([x, x, 2 * z])
    >>> [round(float(cosine_similarity(vectors, kept)), 3) for kept in ("both", "rotations", "scale", "none")]
    [0.333, -1.0, 0.0, -0.667]
    """
    if kept not in KEPT:
        raise ValueError(f"cosine_similarity(kept): one of {', '.join(KEPT)}, got {kept!r}")
    if not math.isfinite(strength):
        raise ValueError(f"cosine_similarity(strength): a finite number, got {strength}")
    length = vectors.norm(dim=-1)
    unit = vectors / length[..., None]
    cosines = (unit * unit.roll(-1, -2)).sum(-1)
    sums = vectors.abs().sum(-1)
    ratio = sums[..., 0] / (sums[..., 1] + sums[..., 2])
    radius_sign, ratio_sign = KEPT[kept]
    return cosines.mean(-1) + strength * (radius_sign * length.mean(-1) + ratio_sign * ratio)
