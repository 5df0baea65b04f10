"""Kernels as small networks with sine activations."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from erlangen.images.kernel_grid import KernelGrid
from erlangen.images.linear_group import LinearGroup, coordinate_dim, require_group

ANGLES = ("periodic", "principal")


class SIRENKernel(nn.Module):
    r"""A kernel :math:`k(x, c)` on the plane and a group, as a network of sines of its coordinates.

    .. math::
        k = W_3\, s_2 + b_3, \qquad s_{i} = \sin(\omega_0 (W_i s_{i-1} + b_i)), \qquad
        s_0 = \sin(\omega_0 (W_x x + W_c c + b_0))

    times the window of the group. The first layer is linear in x and c, so that it is computed for all taps and for
    all pairs of samples apart, and added. Taps where the window is zero are skipped.

    Args:
        group: that acts: SO(2), SL(2), GLPlus(2) or Trivial().
        in_channels: of the convolution.
        out_channels: of the convolution.
        kernel_size: taps along one side; sets the scale of the initial weights.
        on_group: whether the kernel depends on the group, as in a group convolution, or on the plane alone.
        width: of the hidden layers.
        num_layers: hidden layers after the first one.
        omega: the frequency :math:`\omega_0`.
        angle: "periodic" feeds the cosine and the sine of the angle, so that the kernel is continuous everywhere;
            "principal" the angle in :math:`(-\pi, \pi]` itself, as published, with a jump at rotations by :math:`\pi`.

    Raises:
        ValueError: for another group, sizes that are not positive, or an unknown kind of angle.

    Source: Mironenco, Forre, "Lie Group Decompositions for Equivariant Neural Networks", 2024, after Sitzmann, Martel,
    Bergman, Lindell, Wetzstein, "Implicit Neural Representations with Periodic Activation Functions", 2020.

    Example:
        >>> from erlangen.groups import SL, sample_group
        >>> from erlangen.images.kernel_grid import convolution_grid
        >>> samples = sample_group(SL(2), 4, dtype=torch.float32)
        >>> SIRENKernel(SL(2), 2, 3, 5)(convolution_grid(SL(2), samples, samples, 5)).shape
        torch.Size([4, 3, 2, 4, 25])
    """

    def __init__(
        self,
        group: LinearGroup,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        on_group: bool = True,
        width: int = 60,
        num_layers: int = 2,
        omega: float = 10.0,
        angle: str = "periodic",
    ) -> None:
        super().__init__()
        self.group = require_group("SIRENKernel", group)
        sizes = {"in_channels": in_channels, "out_channels": out_channels, "kernel_size": kernel_size, "width": width}
        for name, size in sizes.items():
            if not isinstance(size, int) or size < 1:
                raise ValueError(f"SIRENKernel({name}): an integer of at least 1, got {size}")
        if not isinstance(num_layers, int) or num_layers < 0:
            raise ValueError(f"SIRENKernel(num_layers): an integer of at least 0, got {num_layers}")
        if not 0 < omega < math.inf:
            raise ValueError(f"SIRENKernel(omega): a positive number, got {omega}")
        if angle not in ANGLES:
            raise ValueError(f"SIRENKernel(angle): one of {', '.join(ANGLES)}, got {angle!r}")
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.width, self.omega, self.angle = width, omega, angle
        dim = coordinate_dim(self.group) if on_group else 0
        self.group_features = dim + int(angle == "periodic" and dim > 0)
        self.first = nn.Linear(2 + self.group_features, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(num_layers))
        self.last = nn.Linear(width, in_channels * out_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weights such that all sines keep their spread."""
        first = self.first.in_features
        nn.init.uniform_(self.first.weight, -1 / first, 1 / first)
        nn.init.uniform_(self.first.bias, -1 / math.sqrt(first), 1 / math.sqrt(first))
        bound = math.sqrt(6 / self.width)
        for layer in self.hidden:
            assert isinstance(layer, nn.Linear)
            nn.init.uniform_(layer.weight, -bound / self.omega, bound / self.omega)
            nn.init.zeros_(layer.bias)
        last = bound / (math.sqrt(self.in_channels) * self.kernel_size)
        nn.init.uniform_(self.last.weight, -last, last)
        nn.init.zeros_(self.last.bias)

    def forward(self, grid: KernelGrid) -> Float[Tensor, "out_samples out_channels in_channels in_samples taps"]:
        """The kernel times the window and the measure of a grid."""
        out_samples, in_samples, taps = grid.shape
        x, window, kept = self._first(grid).expand(out_samples, in_samples, taps, -1), grid.window.flatten(), grid.kept
        x = x.flatten(0, 2) if kept is None else x.flatten(0, 2).index_select(0, kept)
        factor = window if kept is None else window.index_select(0, kept)
        x = x.sin()
        for layer in self.hidden:
            assert isinstance(layer, nn.Linear)
            x = torch.addmm(layer.bias, x, layer.weight.T, beta=self.omega, alpha=self.omega).sin()
        # The last layer is linear, so the window may act before it, where there is less to multiply; its bias sees the
        # window as one more column.
        x = torch.cat([x, torch.ones_like(factor)[:, None]], 1) * factor[:, None]
        if kept is not None:
            x = x.new_zeros(len(window), x.shape[1]).index_copy(0, kept, x)
        weight = torch.cat([self.last.weight, self.last.bias[:, None]], 1)
        kernel = (weight @ x.T).view(self.out_channels, self.in_channels, out_samples, in_samples, taps)
        return kernel.permute(2, 0, 1, 3, 4)

    def _first(self, grid: KernelGrid) -> Tensor:
        """The argument of the first sine, ``(out_samples or 1, in_samples or 1, taps, width)``."""
        weight, bias = self.omega * self.first.weight, self.omega * self.first.bias
        x = nn.functional.linear(grid.points, weight[:, :2], bias)
        if not self.group_features:
            return x
        c = grid.coordinates
        if self.angle == "periodic":
            c = torch.cat([c[..., :-1], c[..., -1:].cos(), c[..., -1:].sin()], -1)
        return x + nn.functional.linear(c, weight[:, 2:])[:, :, None]

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"{self.group}, {self.in_channels} -> {self.out_channels}, omega={self.omega}, angle={self.angle!r}"
