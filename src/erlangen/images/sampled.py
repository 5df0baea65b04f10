"""What layers with kernels on a group have in common: from samples to the weight of one convolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from erlangen.groups import Group, GroupSamples
from erlangen.images.basis_kernel import BasisKernel
from erlangen.images.kernel_grid import KernelGrid
from erlangen.images.linear_group import require_group
from erlangen.images.remembered import Remembered
from erlangen.images.siren import SIRENKernel

#: Called with the group, numbers of input and output channels, the kernel size, and ``on_group`` by name.
KernelFactory = Callable[..., nn.Module]
KERNELS: dict[str, KernelFactory] = {"siren": SIRENKernel, "basis": BasisKernel}


class SampledConv(nn.Module):
    r"""The base of layers that are one ``conv2d`` whose weight is a kernel, evaluated at samples of a group.

    The grid of a kernel is kept while the samples stay the same. In evaluation so is the weight, while no gradient of
    it is asked for: until the mode is switched, a parameter is written to, as by ``load_state_dict``, or other samples
    come. (Writing through ``.data`` goes unseen until the mode is switched.)

    Args:
        group: SO(2), SL(2), GLPlus(2), or Trivial() for an ordinary convolution.
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: taps along one side.
        kernel: "siren", "basis", or a factory that is called as ``factory(group, in_channels, out_channels,
            kernel_size, on_group=...)`` and returns a module from a :class:`KernelGrid` to values ``(out_samples,
            out_channels, in_channels, in_samples, taps)``, which include the factor ``grid.measure``.
        padding: zeros added at each side.

    Attributes:
        on_group: whether the kernel depends on the group, or on the plane alone; each layer says so of its class.

    Raises:
        ValueError: for another group, an unknown kernel, or sizes out of their range.
    """

    on_group: bool

    def __init__(
        self,
        group: Group,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        kernel: str | KernelFactory = "siren",
        padding: int = 0,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.group = require_group(name, group)
        sizes = {"in_channels": in_channels, "out_channels": out_channels, "kernel_size": kernel_size}
        for argument, size in (sizes | {"padding": padding}).items():
            least = 0 if argument == "padding" else 1
            if isinstance(size, bool) or not isinstance(size, int) or size < least:
                raise ValueError(f"{name}({argument}): an integer of at least {least}, got {size!r}")
        if isinstance(kernel, str):
            if kernel not in KERNELS:
                raise ValueError(f"{name}(kernel): {', '.join(map(repr, KERNELS))} or a factory, got {kernel!r}")
            kernel = KERNELS[kernel]
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.padding = kernel_size, padding
        self.kernel = kernel(self.group, in_channels, out_channels, kernel_size, on_group=self.on_group)
        self._grid, self._weight = Remembered(), Remembered()

    def train(self, mode: bool = True) -> SampledConv:
        """Switches between training and evaluation, and forgets the weight that evaluation keeps."""
        self._weight.clear()
        return super().train(mode)

    def _conv(self, x: Tensor, samples: Sequence[GroupSamples], grid: Callable[[], KernelGrid]) -> Tensor:
        """The convolution of ``(batch, in_channels * in_samples, height, width)`` with the kernel on a grid."""
        name, room = type(self).__name__, min(x.shape[-2:]) + 2 * self.padding
        if room < self.kernel_size:
            raise ValueError(
                f"{name}: images of at least {self.kernel_size - 2 * self.padding} pixels along each side, as "
                f"kernel_size={self.kernel_size} and padding={self.padding} take, got {tuple(x.shape[-2:])}"
            )
        state = [
            t
            for m in self.kernel.modules()
            for kind in (m._parameters, m._buffers)
            for t in kind.values()
            if t is not None
        ]
        dtype = next((t.dtype for t in state if t.is_floating_point()), x.dtype)
        if x.dtype != dtype and not torch.is_autocast_enabled(x.device.type):
            raise TypeError(f"{name}: values of {dtype}, as the kernel has, got {x.dtype}")
        sources = [t for s in samples for t in (s.matrix, s.inverse, s.log_weight)]
        recording = torch.is_grad_enabled()
        moving = recording and any(t.requires_grad for t in sources)

        def placed() -> KernelGrid:
            return grid().to(dtype, x.device)

        def weight() -> Tensor:
            return self._evaluate(placed() if moving else self._grid.get(sources, placed, (dtype, x.device)))

        if self.training or moving or (recording and any(t.requires_grad for t in state)):
            made = weight()
        else:
            made = self._weight.get([*sources, *state], weight, (dtype, x.device))
        return nn.functional.conv2d(x, made, padding=self.padding)

    def _evaluate(self, grid: KernelGrid) -> Tensor:
        """The weight of the convolution, channels and samples of each side in one axis."""
        # Under autocast the convolution may take less precision; the kernel is made in full.
        with torch.autocast(grid.points.device.type, enabled=False):
            values = self.kernel(grid)
        out_samples, in_samples, taps = grid.shape
        wanted = (out_samples, self.out_channels, self.in_channels, in_samples, taps)
        if values.shape != wanted:
            raise ValueError(
                f"{type(self).__name__}(kernel): a module that returns values of shape (out_samples, out_channels, "
                f"in_channels, in_samples, taps), here {wanted}, got {tuple(values.shape)}"
            )
        size = self.kernel_size
        return values.transpose(0, 1).reshape(self.out_channels * out_samples, -1, size, size)

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return (
            f"{self.group}, {self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"padding={self.padding}"
        )
