"""Normalisation of features on a group."""

from __future__ import annotations

from torch import nn

from erlangen.images.feature import GroupFeature


class FeatureNorm(nn.Module):
    """Layer normalisation of each feature over channels, samples and pixels together, without parameters.

    Mean and variance are integrals over the plane and the group, so they stay when the feature is moved, but for what
    enters or leaves the image: they depend on how much background there is.

    Args:
        eps: added to the variance.

    Example:
        >>> import torch
        >>> from erlangen.groups import SL, sample_group
        >>> feature = GroupFeature(torch.arange(72.0).view(1, 2, 4, 3, 3), sample_group(SL(2), 4))
        >>> normal = FeatureNorm()(feature).values
        >>> normal.mean().abs() < 1e-6, normal.std(correction=0).round(decimals=4)
        (tensor(True), tensor(1.))
    """

    def __init__(self, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, feature: GroupFeature) -> GroupFeature:
        """The feature with mean zero and variance one."""
        return feature.map(lambda x: nn.functional.layer_norm(x, x.shape[1:], eps=self.eps))
