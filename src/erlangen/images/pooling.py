"""Pooling: over the group, and over the plane with the samples kept."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from erlangen.images.feature import GroupFeature

REDUCTIONS = ("max", "mean")


def _require_reduction(name: str, reduction: str) -> str:
    if reduction not in REDUCTIONS:
        raise ValueError(f"{name}(reduction): one of {', '.join(map(repr, REDUCTIONS))}, got {reduction!r}")
    return reduction


class GroupPool(nn.Module):
    r"""Pools a feature over its group: what remains are functions of the plane, images.

    The mean is the integral over the group, :math:`\sum_n w_n F(x, t_n)`, with the weights that the samples carry. The
    maximum knows no weights. With samples that stay where they are, either is invariant approximately.

    Args:
        reduction: "max" or "mean".

    Raises:
        ValueError: for another reduction.

    Example:
        >>> from erlangen.groups import SL, sample_group
        >>> feature = GroupFeature(torch.ones(2, 8, 6, 20, 20), sample_group(SL(2), 6, weights="haar"))
        >>> GroupPool("mean")(feature).mean((0, 2, 3))
        tensor([1., 1., 1., 1., 1., 1., 1., 1.])
    """

    def __init__(self, reduction: str = "max") -> None:
        super().__init__()
        self.reduction = _require_reduction("GroupPool", reduction)

    def forward(self, feature: GroupFeature) -> Float[Tensor, "batch channels height width"]:
        """Images with as many channels."""
        if self.reduction == "max":
            return feature.values.amax(2)
        return torch.einsum("bcnhw,n->bchw", feature.values, feature.samples.normalised_weights().to(feature.values))

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return repr(self.reduction)


class GlobalPool(nn.Module):
    """Pools a feature over its group and the plane: one number per channel, which moves of the input leave as it is.

    Args:
        reduction: "max" or "mean", over the group as :class:`GroupPool`.

    Raises:
        ValueError: for another reduction.

    Example:
        >>> from erlangen.groups import SL, sample_group
        >>> GlobalPool()(GroupFeature(torch.ones(2, 8, 6, 20, 20), sample_group(SL(2), 6))).shape
        torch.Size([2, 8])
    """

    def __init__(self, reduction: str = "max") -> None:
        super().__init__()
        self.reduction = _require_reduction("GlobalPool", reduction)

    def forward(self, feature: GroupFeature) -> Float[Tensor, "batch channels"]:
        """The maximum or the mean of each channel."""
        if self.reduction == "max":
            return feature.values.amax((2, 3, 4))
        return feature.values.mean((3, 4)) @ feature.samples.normalised_weights().to(feature.values)

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return repr(self.reduction)


class SpatialPool(nn.Module):
    """Pools a feature over windows of pixels, each sample by itself; the samples stay.

    Args:
        kernel_size: side of a window, and the step from one to the next.
        reduction: "max" or "mean".

    Raises:
        ValueError: for another reduction, or a window of less than one pixel; when called, for features smaller than
            one window.

    Example:
        >>> from erlangen.groups import SL, sample_group
        >>> SpatialPool(2)(GroupFeature(torch.ones(2, 8, 6, 20, 20), sample_group(SL(2), 6))).values.shape
        torch.Size([2, 8, 6, 10, 10])
    """

    def __init__(self, kernel_size: int, reduction: str = "max") -> None:
        super().__init__()
        self.reduction = _require_reduction("SpatialPool", reduction)
        if isinstance(kernel_size, bool) or not isinstance(kernel_size, int) or kernel_size < 1:
            raise ValueError(f"SpatialPool(kernel_size): an integer of at least 1, got {kernel_size!r}")
        self.kernel_size = kernel_size

    def forward(self, feature: GroupFeature) -> GroupFeature:
        """The feature on fewer pixels."""
        height, width = feature.values.shape[-2:]
        if min(height, width) < self.kernel_size:
            raise ValueError(f"SpatialPool: features of at least {self.kernel_size} pixels, got {height} by {width}")
        pool = nn.functional.max_pool2d if self.reduction == "max" else nn.functional.avg_pool2d
        return feature.map(lambda x: pool(x.flatten(1, 2), self.kernel_size).unflatten(1, x.shape[1:3]))

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"{self.kernel_size}, {self.reduction!r}"
