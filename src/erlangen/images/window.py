"""Where kernels end."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from erlangen.groups import GLPlus
from erlangen.images.kernel_grid import KernelGrid, LinearGroup


def kernel_window(grid: KernelGrid, group: LinearGroup) -> Float[Tensor, "out_samples in_samples taps"]:
    r"""What kernels are multiplied by: the end of their support, times the measure of the grid.

    For groups that keep areas, kernels end at the unit circle, :math:`[|x| \le 1]`. GL+(2) also scales, and the taps
    of a fixed grid then leave the circle by much or not at all, so their end is soft,
    :math:`\sigma(2 (1 - |(x, c)|))`, over points x and coordinates c of the group together.
    """
    if isinstance(group, GLPlus):
        square = grid.points.square().sum(-1) + grid.coordinates.square().sum(-1)[..., None]
        # The root has no derivative at zero, where the middle tap of a sample meets itself.
        zero = square == 0
        length = torch.where(zero, 1.0, square).sqrt() * ~zero
        return torch.sigmoid(2 * (1 - length)) * grid.measure[..., None]
    inside = grid.points.detach().square().sum(-1) <= 1
    return inside * grid.measure[..., None]
