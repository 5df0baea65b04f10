"""Feature maps on a group: values, and the samples of the group at which they were taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor, nn

from erlangen.groups import GroupSamples


@dataclass(frozen=True, eq=False)
class GroupFeature:
    r"""Functions on the plane and a linear group, :math:`F(x, t_n)`, at pixels x and samples :math:`t_n`.

    An element A of the group moves them as :math:`(A \cdot F)(x, h) = F(A^{-1} x, A^{-1} h)`: values that are moved in
    the plane belong to the samples ``samples.move(A)``. The samples travel with the values, so that no layer has to
    guess where its input was taken.

    Args:
        values: ``(batch, channels, samples, height, width)``.
        samples: elements of the group, as many as the values have.

    Raises:
        TypeError: if values are not of floating point.
        ValueError: for values of another shape, or of another number of samples.

    Example:
        >>> import torch
        >>> from erlangen.groups import SL, sample_group
        >>> feature = GroupFeature(torch.zeros(2, 3, 5, 8, 8), sample_group(SL(2), 5))
        >>> feature.map(torch.cos).channels
        3
    """

    values: Float[Tensor, "batch channels samples height width"]
    samples: GroupSamples

    def __post_init__(self) -> None:
        if not self.values.is_floating_point():
            raise TypeError(f"GroupFeature(values): floating-point numbers, got {self.values.dtype}")
        if self.values.ndim != 5 or self.values.shape[2] != len(self.samples):
            raise ValueError(
                "GroupFeature(values): shape (batch, channels, samples, height, width) with as many samples as "
                f"`samples` has, {len(self.samples)}, got {tuple(self.values.shape)}"
            )

    @property
    def channels(self) -> int:
        """The number of channels."""
        return self.values.shape[1]

    def map(self, function: Callable[[Tensor], Tensor]) -> GroupFeature:
        """The feature with other values at the same samples."""
        return replace(self, values=function(self.values))


class Pointwise(nn.Module):
    """A function of single values, or of channels that keeps the axes of samples: a nonlinearity, dropout.

    Args:
        function: as ``torch.nn.GELU()``.

    Example:
        >>> Pointwise(nn.GELU())
        Pointwise(
          (function): GELU(approximate='none')
        )
    """

    def __init__(self, function: nn.Module) -> None:
        super().__init__()
        self.function = function

    def forward(self, feature: GroupFeature) -> GroupFeature:
        """The feature with each value replaced."""
        return feature.map(self.function)
