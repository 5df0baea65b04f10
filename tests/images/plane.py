"""What tests of features on a group share: samples, analytic signals and kernels, a layer written as plain loops."""

import math

import torch
from torch import nn

from erlangen.groups import SL, SO, CartanCoordinates, GLPlus, Trivial
from erlangen.images import draw_samples
from erlangen.images.feature import GroupFeature

GROUPS = [Trivial(), SO(2), SL(2), GLPlus(2)]
CURVED = [SL(2), GLPlus(2)]
DTYPES = [torch.float32, torch.float64]


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def samples_of(group, num=3, seed=0, dtype=torch.float64, **options):
    return draw_samples(group, num, generator=gen(seed), dtype=dtype, **options)


def feature_of(group, num=3, channels=2, size=6, seed=0, batch=2, dtype=torch.float64, **options):
    samples = samples_of(group, num, seed, dtype, **options)
    values = torch.randn(batch, channels, len(samples), size, size, generator=gen(seed + 1), dtype=dtype)
    return GroupFeature(values, samples)


def turn(angle):
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, -s], [s, c]], dtype=torch.float64)


def pixel_positions(size, unit):
    """Positions of pixels, in units of `unit` pixels from the middle, right and up: (size, size, 2)."""
    along = (torch.arange(size, dtype=torch.float64) - (size - 1) / 2) / unit
    up, right = torch.meshgrid(-along, along, indexing="ij")
    return torch.stack([right, up], -1)


class AnalyticKernel(nn.Module):
    """A smooth kernel that ends nowhere: Gaussians of points and coordinates, other ones for each pair of channels."""

    def __init__(self, group, in_channels, out_channels, kernel_size, on_group=True, narrow=20.0):
        super().__init__()
        shape, generator = (out_channels, in_channels), gen(5)
        self.narrow = narrow
        self.centre = 0.1 * torch.randn(*shape, 2, generator=generator, dtype=torch.float64)
        self.slope = torch.randn(*shape, 2, generator=generator, dtype=torch.float64)
        self.along = torch.randn(*shape, 8, generator=generator, dtype=torch.float64)

    def at(self, points, coordinates):
        """Values (..., out_channels, in_channels) at points (..., 2) and coordinates (..., dim)."""
        apart = points[..., None, None, :] - self.centre
        space = (-self.narrow * apart.square().sum(-1)).exp() * (1 + (apart * self.slope).sum(-1))
        c = coordinates[..., None, None, :]
        group = 1 + (c * self.along[..., : c.shape[-1]]).sum(-1).sin()
        return space * group

    def forward(self, grid):
        out_samples, in_samples, taps = grid.shape
        points = grid.points.expand(out_samples, in_samples, taps, 2)
        values = self.at(points, grid.coordinates[:, :, None].expand(-1, -1, taps, -1))
        return (values * grid.measure[:, :, None, None, None]).permute(0, 3, 4, 1, 2)


def by_loops(kernel, x, padding, points, coordinates, measure):
    """The convolution of `x` (in_channels, in_samples, H, W), each number by itself.

    `points[o][i]`, `coordinates[o][i]` and `measure[o][i]` are given for each pair of samples.
    """
    size = math.isqrt(len(points[0][0]))
    x = nn.functional.pad(x, [padding] * 4)
    height, width = x.shape[-2] - size + 1, x.shape[-1] - size + 1
    out = torch.zeros(kernel.out_channels, len(points), height, width, dtype=x.dtype)
    for o, row in enumerate(points):
        for i, taps in enumerate(row):
            for tap, point in enumerate(taps):
                value = kernel_value(kernel, point, coordinates[o][i]) * measure[o][i]
                r, c = divmod(tap, size)
                for b in range(kernel.out_channels):
                    for a in range(kernel.in_channels):
                        for y in range(height):
                            for z in range(width):
                                out[b, o, y, z] += value[b, a] * x[a, i, y + r, z + c]
    return out


def kernel_value(kernel, point, coordinates):
    """A SIREN at one point, from its definition: (out_channels, in_channels)."""
    features = coordinates
    if kernel.angle == "periodic" and len(coordinates):
        angle = coordinates[-1]
        features = torch.cat([coordinates[:-1], torch.stack([angle.cos(), angle.sin()])])
    x = torch.cat([point, features[: kernel.first.in_features - 2]])
    for layer in (kernel.first, *kernel.hidden):
        x = torch.sin(kernel.omega * (layer.weight @ x + layer.bias))
    value = kernel.last.weight @ x + kernel.last.bias
    if isinstance(kernel.group, GLPlus):
        value = value * torch.sigmoid(2 * (1 - torch.cat([point, coordinates]).norm()))
    else:
        value = value * (point.norm() <= 1)
    return value.view(kernel.out_channels, kernel.in_channels)


def coordinates_of(group, matrix):
    if isinstance(group, Trivial):
        return matrix.new_zeros(*matrix.shape[:-2], 0)
    return CartanCoordinates(group).coordinates(matrix)
