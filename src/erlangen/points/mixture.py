r"""Mixtures of equally wide Gaussians, fitted to many clouds at once by expectation maximisation.

The points :math:`y_i` of a cloud have the density :math:`\sum_j \pi_j N(y; \mu_j, \sigma^2 I)` with fixed
:math:`\sigma`. Maximised over centres and weights is

.. math:: \sum_i \log \sum_j \pi_j N(y_i; \mu_j)
   + \tau \sum_{j \ne j'} \pi_j \pi_{j'} \log \frac{\|\mu_j - \mu_{j'}\|^2}{2 \sigma^2}

whose second term pushes centres apart. Clouds are padded to the largest one, and each has as many components as the one
with the most: those that are not there have weight zero.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

#: Squared distances of centres below this many squared sigmas no longer count as smaller.
CLOSEST = 1e-6
#: Shares below the smallest positive number to this power are zero.
LEAST_SHARE = 0.92


class Padded(NamedTuple):
    """Rows of several clouds, as one tensor.

    Attributes:
        values: ``(clouds, size, dim)``, zero where there are none.
        valid: which rows there are, ``(clouds, size)``.
        cloud: the cloud of each row of the flat tensor, ``(nodes,)``.
        place: its place in the cloud, ``(nodes,)``.
    """

    values: Tensor
    valid: Tensor
    cloud: Tensor
    place: Tensor

    def flat(self, rows: Tensor) -> Tensor:
        """From ``(clouds, size, ...)`` to ``(nodes, ...)``."""
        return rows[self.cloud, self.place]


def padded(values: Tensor, batch: Tensor, clouds: int) -> Padded:
    """Pads the rows ``(nodes, dim)`` of clouds whose numbers ascend."""
    sizes = torch.bincount(batch, minlength=clouds)
    place = torch.arange(len(batch), device=batch.device) - (sizes.cumsum(0) - sizes)[batch]
    shape = (clouds, int(sizes.max()) if clouds else 0)
    valid = torch.zeros(shape, dtype=torch.bool, device=batch.device)
    valid[batch, place] = True
    dense = values.new_zeros(*shape, values.shape[1]).index_put((batch, place), values)
    return Padded(dense, valid, batch, place)


class Mixture(NamedTuple):
    """Centres ``(clouds, parts, dim)`` and weights ``(clouds, parts)``; a weight of zero: there is no such part."""

    centers: Tensor
    weights: Tensor

    @property
    def there(self) -> Tensor:
        """Which components there are."""
        return self.weights > 0


def log_joint(points: Tensor, mixture: Mixture, sigma: int | float) -> Tensor:
    """log of weight times density, up to the densities' common factor, ``(clouds, size, parts)``."""
    distance = torch.cdist(points, mixture.centers, compute_mode="donot_use_mm_for_euclid_dist").square()
    weight = torch.where(mixture.there, mixture.weights, 1.0).log()
    return torch.where(mixture.there[:, None], weight[:, None] - distance / (2 * sigma**2), -torch.inf)


def responsibilities(points: Padded, mixture: Mixture, sigma: int | float) -> Tensor:
    """The probability of each part for each point, ``(clouds, size, parts)``; zero for padding."""
    return torch.where(points.valid[..., None], _levels(points.values, mixture, sigma).softmax(-1), 0.0)


def _levels(points: Tensor, mixture: Mixture, sigma: int | float) -> Tensor:
    """Logits of the probabilities of parts, of any rows: what all parts of a point share, its square, is left out."""
    there = mixture.there
    level = torch.where(there, mixture.weights, 1.0).log() - mixture.centers.square().sum(-1) / (2 * sigma**2)
    # A cloud without any part has no points either; all of its rows are padding.
    level = torch.where(there | ~there.any(-1, keepdim=True), level, -torch.inf)
    rows = torch.cat([points, torch.ones_like(points[..., :1])], -1)
    return rows @ torch.cat([mixture.centers / sigma**2, level[..., None]], -1).mT


def negative_log_likelihood(points: Padded, mixture: Mixture, sigma: int | float) -> Tensor:
    """Of each cloud, ``(clouds,)``."""
    dim = points.values.shape[-1]
    each = log_joint(points.values, mixture, sigma).logsumexp(-1) - dim / 2 * math.log(2 * math.pi * sigma**2)
    return -torch.where(points.valid, each, 0.0).sum(-1)


def repulsion(centers: Tensor, weights: Tensor, sigma: int | float) -> Tensor:
    r""":math:`\sum_{j \ne j'} \pi_j \pi_{j'} \log \mathrm{KL}_{jj'}` of each cloud."""
    return (weights[..., None] * weights[..., None, :] * _log_divergence(centers, sigma)).sum((-1, -2))


def _log_divergence(centers: Tensor, sigma: int | float) -> Tensor:
    """log KL of every pair of components; zero on the diagonal."""
    square = _squares(centers, sigma)
    return (square / (2 * sigma**2)).log()


def _squares(centers: Tensor, sigma: int | float) -> Tensor:
    """Squared distances of centres, not below the smallest that counts; on the diagonal 2 sigma^2."""
    difference = centers[..., :, None, :] - centers[..., None, :, :]
    square = difference.square().sum(-1).clamp_min(CLOSEST * sigma**2)
    eye = torch.eye(square.shape[-1], dtype=torch.bool, device=square.device)
    return torch.where(eye, 2 * sigma**2, square)


def em_step(points: Padded, mixture: Mixture, sigma: int | float, tau: int | float = 0.0) -> Mixture:
    r"""One step of expectation maximisation.

    Without the second term the likelihood cannot fall. With it, its pull on centres and weights is taken at the old
    ones, so that the fixed points are those of the whole objective:

    .. math:: \mu_j = \bar y_j + \frac{4 \tau \sigma^2 \pi_j}{N_j} \sum_{j'} \pi_{j'}
       \frac{\mu_j - \mu_{j'}}{\|\mu_j - \mu_{j'}\|^2}, \qquad
       \pi_j \propto N_j + 2 \tau \pi_j \sum_{j'} \pi_{j'} \log \mathrm{KL}_{jj'}
    """
    if not mixture.weights.numel():
        return mixture
    levels = _levels(points.values, mixture, sigma)
    # Exponentials that are hardly numbers any more take ten times as long: they are left out.
    least = LEAST_SHARE * math.log(torch.finfo(levels.dtype).tiny)
    share = levels.sub_(levels.amax(-1, keepdim=True)).clamp_(min=least).exp_()
    share = torch.threshold_(share, 1.01 * math.exp(least), 0.0)
    # Points are divided by what their shares sum to, which are many more. Padding is zero, also in what counts points.
    rows = torch.cat([points.values, points.valid[..., None].to(points.values.dtype)], -1)
    sums = share.mT @ (rows / share.sum(-1, keepdim=True))
    count = sums[..., -1]
    held = count > 0
    safe = torch.where(held, count, 1.0)
    centers = sums[..., :-1] / safe[..., None]
    if tau:
        weights = mixture.weights
        pull = weights[..., None, :] / _squares(mixture.centers, sigma)
        force = pull.sum(-1, keepdim=True) * mixture.centers - pull @ mixture.centers
        centers = centers + (4 * tau * sigma**2 * weights / safe)[..., None] * force
        push = (_log_divergence(mixture.centers, sigma) @ weights[..., None])[..., 0]
        count = torch.where(held, (count + 2 * tau * weights * push).clamp_min(1e-12), 0.0)
    centers = torch.where(held[..., None], centers, mixture.centers)
    return Mixture(centers, _normalised(count))


def merged(mixture: Mixture, radius: int | float, least: float) -> Mixture:
    """Keeps centres greedily, the heaviest first, and drops those nearer than ``radius`` to one that is kept.

    Components lighter than ``least`` are dropped, too. Instead of going through the components one by one, each round
    decides on all whose heavier neighbours are decided; the outcome is the same.

    Args:
        mixture: the mixture.
        radius: a distance.
        least: a weight.
    """
    weights = mixture.weights
    parts = weights.shape[-1]
    undecided = weights >= max(least, torch.finfo(weights.dtype).tiny)
    rank = weights.argsort(dim=-1, descending=True, stable=True).argsort(-1)
    near = torch.cdist(mixture.centers, mixture.centers, compute_mode="donot_use_mm_for_euclid_dist") < radius
    before = near & (rank[:, None] < rank[..., None])
    kept = torch.zeros_like(undecided)
    for _ in range(parts):
        if not bool(undecided.any()):
            break
        undecided = undecided & ~(before & kept[:, None]).any(-1)
        chosen = undecided & ~(before & undecided[:, None]).any(-1)
        kept, undecided = kept | chosen, undecided & ~chosen
    return Mixture(mixture.centers, _normalised(weights * kept))


def _normalised(weights: Tensor) -> Tensor:
    total = weights.sum(-1, keepdim=True)
    return weights / torch.where(total > 0, total, 1.0)
