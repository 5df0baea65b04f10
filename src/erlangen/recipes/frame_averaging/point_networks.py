"""Networks that tell the normal of a surface at each of its points ``(B, n, 3)``, up to its sign."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from erlangen.groups import E, Vector
from erlangen.symmetrize import Symmetrized, symmetrize_points
from erlangen.symmetrize.local import nearest_neighbours


class PerPoint(nn.Module):
    """A linear layer on every point with batch normalisation over all points, and ReLU if ``active``."""

    def __init__(self, in_channels: int, out_channels: int, active: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels, bias=False)
        self.norm = nn.BatchNorm1d(out_channels)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        """From ``(B, n, in_channels)`` to ``(B, n, out_channels)``."""
        x = self.norm(self.linear(x).flatten(0, 1)).unflatten(0, x.shape[:2])
        return x.relu() if self.active else x


class PointHead(nn.Module):
    """From features of the points and of the whole cloud to a vector for each point.

    The first layer is linear in both, so the cloud's part is computed once, not for every point.

    Args:
        point_channels: features of a point.
        cloud_channels: features of the cloud.
        widths: widths of the hidden layers.
    """

    def __init__(self, point_channels: int, cloud_channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.points = nn.Linear(point_channels, widths[0])
        self.cloud = nn.Linear(cloud_channels, widths[0], bias=False)
        self.norm = nn.BatchNorm1d(widths[0])
        self.hidden = nn.ModuleList(PerPoint(wide, next_wide) for wide, next_wide in pairwise(widths))
        self.last = nn.Linear(widths[-1], 3)

    def forward(self, points: Tensor, cloud: Tensor) -> Tensor:
        """From ``(B, n, point_channels)`` and ``(B, cloud_channels)`` to ``(B, n, 3)``."""
        x = self.points(points) + self.cloud(cloud)[:, None]
        x = self.norm(x.flatten(0, 1)).unflatten(0, x.shape[:2]).relu()
        for layer in self.hidden:
            x = layer(x)
        return self.last(x)


class PointNet(nn.Module):
    """Each point by itself through shared layers, then together with the largest features of its cloud.

    Without the spatial transformer of the original, so that the baseline and the backbone of frame averaging are one
    network.

    Args:
        width: the publication's widths, 64 to 2048, are 64 times 1, 2, 2, 8 and 32; here ``width`` times these.

    Source: Qi, Su, Mo, Guibas, "PointNet: Deep Learning on Point Sets for 3D Classification and Segmentation", 2017.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        widths = [3, *(width * factor for factor in (1, 2, 2, 8, 32))]
        self.layers = nn.ModuleList(
            PerPoint(wide, next_wide, active=number < 4) for number, (wide, next_wide) in enumerate(pairwise(widths))
        )
        self.head = PointHead(sum(widths[1:]), widths[-1], (4 * width, 4 * width, 2 * width))

    def forward(self, x: Tensor) -> Tensor:
        """A vector for each point, ``(B, n, 3)``."""
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return self.head(torch.cat(features, -1), x.max(1).values)


class EdgeConv(nn.Module):
    r"""What the neighbours of a point add, neighbours being those whose features are nearest.

    .. math:: x_i \leftarrow \sigma\big(\mathrm{BN}(\max_{j \in N(i)} W (x_j - x_i) + V x_i)\big)

    Being linear before the maximum, it is applied to points, not to edges.

    Args:
        in_channels: features of a point.
        out_channels: new features.
        k: neighbours, the point itself among them.
    """

    def __init__(self, in_channels: int, out_channels: int, k: int) -> None:
        super().__init__()
        self.difference = nn.Linear(in_channels, out_channels, bias=False)
        self.own = nn.Linear(in_channels, out_channels, bias=False)
        self.norm = nn.BatchNorm1d(out_channels)
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        """From ``(B, n, in_channels)`` to ``(B, n, out_channels)``."""
        near = nearest_neighbours(x.detach(), self.k)
        w = self.difference(x)
        rows = torch.arange(len(x), device=x.device)[:, None, None]
        x = w[rows, near].max(2).values - w + self.own(x)
        return nn.functional.leaky_relu(self.norm(x.flatten(0, 1)).unflatten(0, x.shape[:2]), 0.2)


class DGCNN(nn.Module):
    """Edge convolutions over neighbours that are found anew in each layer, then as in `PointNet`.

    Args:
        width: 64 in the publication.
        k: neighbours of a point, itself among them.

    Source: Wang, Sun, Liu, Sarma, Bronstein, Solomon, "Dynamic Graph CNN for Learning on Point Clouds", 2019.
    """

    def __init__(self, width: int = 16, k: int = 16) -> None:
        super().__init__()
        widths = [3, width, 2 * width, 2 * width]
        self.layers = nn.ModuleList(EdgeConv(wide, next_wide, k) for wide, next_wide in pairwise(widths))
        self.whole = PerPoint(5 * width, 16 * width)
        self.head = PointHead(5 * width, 16 * width, (4 * width, 4 * width, 2 * width))

    def forward(self, x: Tensor) -> Tensor:
        """A vector for each point, ``(B, n, 3)``."""
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        every = torch.cat(features, -1)
        return self.head(every, self.whole(every).max(1).values)


def framed(backbone: nn.Module, average: str = "full") -> Symmetrized:
    """The network averaged over the eight principal frames of its cloud: its vectors turn with the points."""
    return symmetrize_points(backbone, E(3), output="vector", average=average)


class MeanLine(nn.Module):
    r"""The network's lines averaged over the frames of its cloud, where `framed` averages its vectors.

    Vectors that are right only up to their signs may cancel. Their squares :math:`u u^T` do not: the line returned is
    the principal axis of :math:`\frac{1}{|F|} \sum_{h \in F} h\, u_h u_h^T\, h^T` with unit vectors
    :math:`u_h = \phi(h^{-1} x)`. Its sign is arbitrary, so the promise compares lines.

    Args:
        backbone: returns a vector for each point.
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        squares = Vector(E(3)) ** 2
        self.squares = symmetrize_points(_Squares(backbone), E(3), output=squares)
        self.symmetry = self.squares.symmetry.replace(output=Vector(E(3)), compare=_line_distance)

    def forward(self, x: Tensor) -> Tensor:
        """A unit vector for each point, ``(B, n, 3)``."""
        return torch.linalg.eigh(self.squares(x).unflatten(-1, (3, 3))).eigenvectors[..., -1]


class _Squares(nn.Module):
    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: Tensor) -> Tensor:
        u = nn.functional.normalize(self.backbone(x), dim=-1)
        return (u[..., :, None] * u[..., None, :]).flatten(-2)


def _line_distance(actual: Tensor, expected: Tensor) -> Tensor:
    return torch.minimum((actual - expected).norm(dim=-1), (actual + expected).norm(dim=-1))


def normal_error(vectors: Tensor, normals: Tensor, each: bool = False) -> Tensor:
    r"""The mean of :math:`1 - (n \cdot \hat n)^2`, the squared sine of the angle between the lines; 2/3 by chance.

    Args:
        vectors: of any length, ``(B, n, 3)``.
        normals: unit vectors, ``(B, n, 3)``.
        each: one mean for each cloud, ``(B,)``, instead of one for all.
    """
    cosine = nn.functional.cosine_similarity(vectors, normals, dim=-1)
    squared_sine = 1 - cosine.square()
    return squared_sine.mean(-1) if each else squared_sine.mean()
