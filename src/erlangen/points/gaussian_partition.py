"""Partitions from votes: points that vote for nearly the same centre belong to one part."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from erlangen.points.flat import segment_mean
from erlangen.points.information import follow
from erlangen.points.mixture import Mixture, em_step, log_joint, merged, padded
from erlangen.points.partition import Partition


class SoftPartition(NamedTuple):
    """A fitted partition.

    Attributes:
        soft: the probability of each part for each point, ``(nodes, parts)``, Q.
        partition: the most probable part of each point. Column j of ``soft`` is its part j; parts that no point prefers
            have the last columns of their cloud.
        centers: the centres of the parts, ``(clouds, parts, dim)``.
        weights: their shares, ``(clouds, parts)``; zero where a cloud has fewer parts.
    """

    soft: Tensor
    partition: Partition
    centers: Tensor
    weights: Tensor


class GaussianPartition(nn.Module):
    r"""A partition predicted from votes for centres: a mixture of Gaussians of fixed width.

    .. math:: Q_{ij} = \frac{\pi_j N(y_i; \mu_j, \sigma)}{\sum_{j'} \pi_{j'} N(y_i; \mu_{j'}, \sigma)}

    Centres and weights start as the mean vote and the share of each part of the partition so far, and are fitted by
    expectation maximisation; after each step, centres nearer than ``merge_radius`` to a heavier one are dropped, so
    that parts grow together. All clouds are fitted at once, in the precision of the votes. Distances alone count: a
    motion of a cloud's votes in E(d) moves its centres and changes nothing else.

    Args:
        sigma: standard deviation, in the units of the votes.
        tau: weight of a term that pushes centres apart, see :mod:`erlangen.points.mixture`.
        iters: steps of expectation maximisation.
        merge_radius: distance below which two centres become one, ``sigma`` by default; 0 never merges. It should be
            below half the smallest distance of centres that are to stay apart.
        implicit_grad: whether ``soft``, ``centers`` and ``weights`` have the derivative by the votes that a fit at its
            maximum has (by the observed information: merging, and a fit that is not finished, are not differentiated);
            otherwise centres and weights are constants.

    Raises:
        ValueError: if an argument has no meaning, or votes do not fit the partition or are not finite.

    Source: Atzmon, Huang, Williams, Litany, "Approximately Piecewise E(3) Equivariant Point Networks", 2024.

    Example:
        >>> votes = torch.tensor([[0.0, 0.0], [0.1, 0.0], [3.0, 0.0], [3.1, 0.0]])
        >>> found = GaussianPartition(sigma=0.5)(votes, Partition.of(torch.arange(4)))
        >>> found.partition.index, found.centers[0, :2, 0]
        (tensor([0, 0, 1, 1]), tensor([0.0500, 3.0500]))
    """

    #: Components lighter than this are dropped, or lighter than half the mean where there are very many.
    LEAST = 1e-4

    def __init__(
        self,
        sigma: int | float,
        tau: int | float = 0.0,
        iters: int = 15,
        merge_radius: int | float | None = None,
        implicit_grad: bool = True,
    ) -> None:
        super().__init__()
        radius = sigma if merge_radius is None else merge_radius
        for name, value, least in (
            ("sigma", sigma, "above 0"),
            ("tau", tau, "from 0"),
            ("merge_radius", radius, "from 0"),
        ):
            if not math.isfinite(value) or value < 0 or (value == 0 and name == "sigma"):
                raise ValueError(f"GaussianPartition({name}): a finite number {least}, got {value}")
        if isinstance(iters, bool) or not isinstance(iters, int) or iters < 1:
            raise ValueError(f"GaussianPartition(iters): a whole number from 1, got {iters!r}")
        self.sigma, self.tau, self.iters, self.merge_radius = sigma, tau, iters, radius
        self.implicit_grad = implicit_grad

    def forward(self, votes: Float[Tensor, "nodes dim"], part: Partition) -> SoftPartition:
        """The partition that the votes speak for.

        Args:
            votes: where each point believes the centre of its part.
            part: the partition to start from.
        """
        if len(votes) != len(part.index):
            raise ValueError(
                f"GaussianPartition(votes): one for each of the {len(part.index)} points, got {tuple(votes.shape)}"
            )
        if not bool(votes.isfinite().all()):
            first = int((~votes.isfinite()).any(1).nonzero()[0])
            raise ValueError(f"GaussianPartition(votes): finite numbers, got {votes[first].tolist()} at point {first}")
        clouds, dtype = len(part.num_parts), votes.dtype
        # Seen from the mean vote, distances keep their precision wherever the cloud lies.
        votes = votes if votes.dtype == torch.float64 else votes.float()
        middle = segment_mean(votes.detach(), part.batch, clouds)
        points = padded(votes - middle[part.batch], part.batch, clouds)
        parts = max(1, int(part.num_parts.max()) if clouds else 1)
        least = min(self.LEAST, 0.5 / parts)
        with torch.no_grad():
            constant = points._replace(values=points.values.detach())
            mixture = self._start(points.flat(constant.values), part)
            for _ in range(self.iters):
                mixture = em_step(constant, mixture, self.sigma, self.tau)
                if self.merge_radius:
                    mixture = merged(mixture, self.merge_radius, least)
            logs = points.flat(log_joint(constant.values, mixture, self.sigma))
            best = logs.argmax(-1) if len(votes) else part.index
            mixture, partition = _compact(mixture, best, part.batch)
        if self.implicit_grad and votes.requires_grad and torch.is_grad_enabled():
            exact = Mixture(mixture.centers.double(), mixture.weights.double())
            followed = follow(points._replace(values=points.values.double()), exact, self.sigma, self.tau)
            mixture = Mixture(followed.centers.to(votes), followed.weights.to(votes))
        soft = points.flat(log_joint(points.values, mixture, self.sigma).softmax(-1))
        centers = mixture.centers + middle[:, None] * mixture.there[..., None]
        return SoftPartition(soft.to(dtype), partition, centers.to(dtype), mixture.weights.to(dtype))

    def _start(self, votes: Tensor, part: Partition) -> Mixture:
        clouds, cells = len(part.num_parts), part.num_cells
        parts = int(part.num_parts.max()) if clouds else 0
        cloud = part.cloud_of_cell
        place = cloud, torch.arange(cells, device=cloud.device) - (part.num_parts.cumsum(0) - part.num_parts)[cloud]
        centers, weights = votes.new_zeros(clouds, parts, votes.shape[1]), votes.new_zeros(clouds, parts)
        centers[place] = segment_mean(votes, part.cell, cells)
        sizes = torch.bincount(part.batch, minlength=clouds)
        weights[place] = part.sizes.to(votes.dtype) / sizes[cloud]
        return Mixture(centers, weights)

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"sigma={self.sigma}, tau={self.tau}, iters={self.iters}, merge_radius={self.merge_radius}"


def _compact(mixture: Mixture, best: Tensor, batch: Tensor) -> tuple[Mixture, Partition]:
    """Components that points prefer come first, in their order, then the others that are left; the rest is cut off."""
    clouds, parts = mixture.weights.shape
    chosen = torch.bincount(batch * parts + best, minlength=clouds * parts).view(clouds, parts) > 0
    kind = torch.where(chosen, 0, torch.where(mixture.there, 1, 2))
    order = kind.argsort(dim=1, stable=True)
    width = int(mixture.there.sum(1).max()) if clouds else 0
    weights = mixture.weights.gather(1, order)[:, :width]
    centers = mixture.centers.gather(1, order[..., None].expand_as(mixture.centers))[:, :width]
    centers = torch.where((weights > 0)[..., None], centers, 0.0)
    return Mixture(centers, weights), Partition.from_labels(best, batch)
