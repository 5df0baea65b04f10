"""The small network that sees the points of a part: each by itself, then with the maximum over its part."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from erlangen.points.flat import segment_max


class PartPointNet(nn.Module):
    r"""A PointNet on all parts at once, for :class:`~erlangen.points.PiecewiseEquivariant`.

    .. math::
        f_i = \sigma(W_2\, \sigma(W_1 [x_i, c_i])), \qquad y_i = W_4\, \sigma(W_3 [f_i, \max_{j(i') = j(i)} f_{i'}])

    Layers that read several things are linear in each of them, so what is the same in all views, or in a whole part, is
    computed once. There is no normalisation over batches, which would mix parts.

    Args:
        in_scalar: invariant features of a point.
        coordinates: numbers of a point that depend on the view: dim, and dim for each input vector.
        hidden: width.
        out_channels: numbers that come out.
        dim: of the space.

    Source: Qi, Su, Mo, Guibas, "PointNet: Deep Learning on Point Sets for 3D Classification and Segmentation", 2017.

    Example:
        >>> net = PartPointNet(2, 3, 16, 5)
        >>> net(torch.randn(7, 2), torch.randn(8, 7, 3), torch.tensor([0, 0, 1, 1, 1, 2, 2]), 3).shape
        torch.Size([8, 7, 5])
    """

    def __init__(self, in_scalar: int, coordinates: int, hidden: int, out_channels: int, dim: int = 3) -> None:
        super().__init__()
        for name, value in (("in_scalar", in_scalar + 1), ("hidden", hidden), ("out_channels", out_channels)):
            if value < 1:
                raise ValueError(f"PartPointNet({name}): a whole number from {int(name != 'in_scalar')}, got {value}")
        if coordinates < dim or coordinates % dim:
            raise ValueError(f"PartPointNet(coordinates): a multiple of {dim}, got {coordinates}")
        self.in_scalar, self.in_vector = in_scalar, coordinates // dim - 1
        self.coordinates = nn.Linear(coordinates, hidden)
        self.features = nn.Linear(in_scalar, hidden, bias=False) if in_scalar else None
        self.deeper = nn.Linear(hidden, hidden)
        self.own = nn.Linear(hidden, hidden)
        self.pooled = nn.Linear(hidden, hidden, bias=False)
        self.last = nn.Linear(hidden, out_channels)

    def forward(
        self,
        x: Float[Tensor, "nodes in_scalar"],
        views: Float[Tensor, "views nodes coordinates"],
        cell: Int[Tensor, " nodes"],
        num_cells: int,
    ) -> Float[Tensor, "views nodes out_channels"]:
        """Numbers for every point in every view."""
        f = self.coordinates(views)
        if self.features is not None:
            f = f + self.features(x)
        f = self.deeper(f.relu()).relu()
        copies = len(views)
        every = cell + num_cells * torch.arange(copies, device=cell.device)[:, None]
        most = segment_max(f.flatten(0, 1), every.flatten(), copies * num_cells)
        whole = self.pooled(most).unflatten(0, (copies, num_cells))
        return self.last((self.own(f) + whole[:, cell]).relu())
