"""Kernels that are linear in their parameters."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from erlangen.images.kernel_grid import KernelGrid, cell_centres
from erlangen.images.linear_group import LinearGroup, coordinate_dim, require_group


class BasisKernel(nn.Module):
    r"""A kernel :math:`k(x, c) = \sum_{bma} w_{bma}\, \psi_b(Y)\, \chi_m(\theta)\, \phi_a(x)`, linear in its weights.

    In the plane, :math:`\phi_a` are Gaussian bumps at the centres of ``resolution`` by ``resolution`` cells of the unit
    disc, half a cell wide, so that a sample that neither turns nor stretches sees nearly one weight per tap, as
    ``torch.nn.Conv2d`` has. For the stretch, :math:`\psi_b` are bumps at no stretch and at both sides along every
    coordinate; :math:`\chi_m` are 1, :math:`\cos m \theta` and :math:`\sin m \theta`. All is smooth, also at rotations
    by :math:`\pi`, and times the window of the group.

    Args:
        group: that acts: SO(2), SL(2), GLPlus(2) or Trivial().
        in_channels: of the convolution.
        out_channels: of the convolution.
        kernel_size: taps along one side.
        on_group: whether the kernel depends on the group, as in a group convolution, or on the plane alone.
        resolution: of the bumps in the plane; by default as many as taps.
        max_frequency: in the angle.
        stretch_width: of the bumps in the coordinates of the stretch, and their distance from each other.
        stretch_steps: bumps at each side of no stretch; with none, the kernel does not depend on the stretch.

    Raises:
        ValueError: for another group, or sizes out of their range.

    Example:
        >>> from erlangen.groups import SL, sample_group
        >>> from erlangen.images.kernel_grid import convolution_grid
        >>> samples = sample_group(SL(2), 4, dtype=torch.float32)
        >>> kernel = BasisKernel(SL(2), 2, 3, 5, max_frequency=1)
        >>> kernel.weight.shape, kernel(convolution_grid(SL(2), samples, samples, 5)).shape
        (torch.Size([5, 3, 21, 3, 2]), torch.Size([4, 3, 2, 4, 25]))
    """

    centres: Tensor
    stretches: Tensor

    def __init__(
        self,
        group: LinearGroup,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        on_group: bool = True,
        resolution: int | None = None,
        max_frequency: int = 1,
        stretch_width: float = 0.3,
        stretch_steps: int = 1,
    ) -> None:
        super().__init__()
        self.group = require_group("BasisKernel", group)
        resolution = kernel_size if resolution is None else resolution
        sizes = {"in_channels": in_channels, "out_channels": out_channels, "kernel_size": kernel_size}
        for name, size in (sizes | {"resolution": resolution}).items():
            if not isinstance(size, int) or size < 1:
                raise ValueError(f"BasisKernel({name}): an integer of at least 1, got {size}")
        for name, size in {"max_frequency": max_frequency, "stretch_steps": stretch_steps}.items():
            if not isinstance(size, int) or size < 0:
                raise ValueError(f"BasisKernel({name}): an integer of at least 0, got {size}")
        if not 0 < stretch_width < math.inf:
            raise ValueError(f"BasisKernel(stretch_width): a positive number, got {stretch_width}")
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.on_group, self.max_frequency, self.stretch_width = on_group, max_frequency, stretch_width
        self.cell = 2 / resolution
        centres = cell_centres(resolution)
        dim = max(0, coordinate_dim(self.group) - 1) if on_group else 0
        self.register_buffer("centres", centres[centres.norm(dim=-1) <= 1].float())
        self.register_buffer("stretches", _axes(dim, stretch_steps, stretch_width).float())
        turns = 2 * max_frequency + 1 if on_group and coordinate_dim(self.group) else 1
        self.weight = nn.Parameter(
            torch.empty(len(self.stretches), turns, len(self.centres), out_channels, in_channels)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weights such that the kernel of the neutral element has the spread of a linear layer's weights."""
        at_zero = self._stretch(self.stretches.new_zeros(1, self.stretches.shape[1])).square().sum()
        turns = 1 + (self.weight.shape[1] - 1) / 2
        power = float(at_zero) * turns * self.in_channels * self.kernel_size**2
        nn.init.normal_(self.weight, std=1 / math.sqrt(power))

    def forward(self, grid: KernelGrid) -> Float[Tensor, "out_samples out_channels in_channels in_samples taps"]:
        """The kernel times the window and the measure of a grid."""
        out_samples, in_samples, taps = grid.shape
        apart = (grid.points[..., None, :] - self.centres.to(grid.points)) / (self.cell / 2)
        space = torch.exp(-apart.square().sum(-1) / 2) * grid.window[..., None]
        # First the functions of the group, for each pair of samples, then those of the plane, for each tap.
        mixed = self.weight.flatten(3).flatten(0, 1)
        if len(mixed) > 1:
            c = grid.coordinates
            along = self._stretch(c[..., :-1])[..., None] * self._turn(c[..., -1])[..., None, :]
            mixed = (along.flatten(0, 1).flatten(1) @ mixed.flatten(1)).unflatten(1, mixed.shape[1:])
        mixed = mixed.expand(out_samples * in_samples, -1, -1)
        kernel = mixed.mT @ space.flatten(0, 1).mT
        kernel = kernel.view(out_samples, in_samples, self.out_channels, self.in_channels, taps)
        return kernel.permute(0, 2, 3, 1, 4)

    def _stretch(self, c: Tensor) -> Tensor:
        if len(self.stretches) == 1:
            return c.new_ones(*c.shape[:-1], 1)
        apart = (c[..., None, :] - self.stretches.to(c)) / self.stretch_width
        return torch.exp(-apart.square().sum(-1) / 2)

    def _turn(self, angle: Tensor) -> Tensor:
        multiple = torch.arange(1, self.max_frequency + 1, device=angle.device) * angle[..., None]
        return torch.cat([torch.ones_like(angle)[..., None], multiple.cos(), multiple.sin()], -1)

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        functions = " x ".join(map(str, self.weight.shape[:3]))
        return f"{self.group}, {self.in_channels} -> {self.out_channels}, {functions} functions"


def _axes(dim: int, steps: int, width: float) -> Tensor:
    """Zero, and multiples of the width at both sides along each of ``dim`` axes."""
    multiples = torch.arange(1, steps + 1, dtype=torch.float64) * width
    along = torch.eye(dim, dtype=torch.float64)[:, None] * torch.cat([multiples, -multiples])[:, None]
    return torch.cat([torch.zeros(1, dim, dtype=torch.float64), along.flatten(0, 1)])
