"""The functions of invariants that kernels are linear in, and where they start."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from erlangen.points.features import PolynomialFeatures

#: A spread below this share of the size is rounding, or constant: it is left as it is.
LEAST_SPREAD = 1e-4


class KernelBasis(nn.Sequential):
    r"""Two layers on monomials of the invariants, :math:`\mathrm{GELU}(W_2\, \mathrm{GELU}(W_1\, \mathrm{poly}(a)))`.

    Args:
        degree: of the monomials.
        invariants: how many there are.
        hidden: functions in between.
        basis_dim: functions that come out.

    Example:
        >>> KernelBasis(3, 2, 16, 8)(torch.randn(5, 12, 2)).shape
        torch.Size([5, 12, 8])
    """

    def __init__(self, degree: int, invariants: int, hidden: int, basis_dim: int) -> None:
        monomials = PolynomialFeatures(degree)
        first = nn.Linear(monomials.out_features(invariants), hidden)
        super().__init__(monomials, first, nn.GELU(), nn.Linear(hidden, basis_dim), nn.GELU())

    @torch.no_grad()
    def standardize(self, invariants: Float[Tensor, "*links invariants"], weight: Float[Tensor, "*links_1"]) -> None:
        r"""Rescales both layers by what they see: all inputs count alike, all outputs have mean 0 and spread 1.

        With weights as they are drawn, monomials of large invariants drown the others, and functions are nearly
        constant where invariants are small. A kernel of pairs of orientations is then nearly constant, too: it replaces
        features by their mean over orientations, and a network has to unlearn that first.

        What does not vary, or by rounding alone, is left as it is.

        Args:
            invariants: of the links of a first batch.
            weight: of each link, broadcast against the links.
        """
        found = invariants
        for layer in self:
            if isinstance(layer, nn.Linear):
                weights = layer.weight.double() / _moments(found, weight)[1]
                mean, spread = _moments(nn.functional.linear(found.double(), weights, layer.bias.double()), weight)
                layer.weight.copy_(weights / spread[:, None])
                layer.bias.copy_((layer.bias - mean) / spread)
            found = layer(found)


def _moments(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread of the last axis's entries, 0 and 1 for those that do not vary; over all processes."""
    x, weight = x.double(), weight.double().expand(x.shape[:-1])[..., None]
    sums = torch.stack([(weight * power).flatten(0, -2).sum(0) for power in (torch.ones_like(x), x, x.square())])
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(sums)
    mean, square = sums[1:] / sums[0]
    spread = (square - mean.square()).clamp_min(0).sqrt()
    varies = spread > LEAST_SPREAD * square.sqrt()
    return torch.where(varies, mean, 0.0), torch.where(varies, spread, 1.0)
