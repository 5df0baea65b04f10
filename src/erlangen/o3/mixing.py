"""Mixing channels: the equivariant linear layer between signals."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from erlangen.groups import O, Symmetry
from erlangen.o3.layout import Unpack
from erlangen.o3.signal import Signal, require_layout


class DegreeLinear(nn.Module):
    r"""One matrix between channels for every irrep, :math:`y_l = W_l x_l`, as ``o3.Linear`` of e3nn.

    Weights start as normals whose variance keeps that of the components. No bias.

    Args:
        irreps_in: e3nn's Irreps or their notation, one multiplicity for all.
        irreps_out: those to keep, one multiplicity for all; every one must be in ``irreps_in``.
        layout: of the input, "flat" or "channels", as for :class:`GauntTensorProduct`.
        layout_out: of the output; by default as the input.
        generator: randomness of the first weights.

    Raises:
        ValueError: when irreps do not fit, or a layout is unknown.

    Example:
        >>> DegreeLinear("8x0e+8x1o", "4x1o")(torch.randn(10, 32)).shape
        torch.Size([10, 12])
    """

    def __init__(
        self,
        irreps_in: object,
        irreps_out: object,
        layout: str = "flat",
        layout_out: str | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        layout_out = layout if layout_out is None else layout_out
        require_layout(layout, name)
        require_layout(layout_out, name)
        self.irreps_in, self.irreps_out = Signal.read(irreps_in, "irreps_in"), Signal.read(irreps_out, "irreps_out")
        unknown = [t for t in self.irreps_out.terms if t not in self.irreps_in.terms]
        if unknown:
            missing = Signal(self.irreps_out.channels, tuple(unknown))
            raise ValueError(f"{name}(irreps_out): among {self.irreps_in}, got {missing}")
        self.layout, self.layout_out = layout, layout_out
        self.unpack = Unpack(self.irreps_in, layout, None, "x")
        self.pack = Unpack(self.irreps_out, layout_out, None, "output")
        rep_in, rep_out = self.irreps_in.representation(layout), self.irreps_out.representation(layout_out)
        self.symmetry = Symmetry(O(3), (rep_in,), rep_out)
        self.weight = nn.Parameter(
            torch.empty(len(self.irreps_out.terms), self.irreps_out.channels, self.irreps_in.channels)
        )
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draws new weights."""
        with torch.no_grad():
            draw = torch.randn(self.weight.shape, generator=generator)
            self.weight.copy_(draw / math.sqrt(self.irreps_in.channels))

    def _part(self, x: Tensor, term: tuple[int, int]) -> Tensor:
        """One irrep of all channels, shape ``(*, channels, 2 l + 1)``."""
        signal, size = self.irreps_in, 2 * term[0] + 1
        if self.layout == "channels":
            start = signal.within(Signal(1, (term,)))[0]
            return x[..., start : start + size]
        start = signal.places(term, 0).start
        return x[..., start : start + signal.channels * size].unflatten(-1, (signal.channels, size))

    def forward(self, x: Tensor) -> Tensor:
        """Shape ``(*, irreps_in.dim)`` to ``(*, irreps_out.dim)``, or ``(*, channels, width)`` in that layout."""
        self.unpack.check(x)
        parts = [w @ self._part(x, t) for w, t in zip(self.weight, self.irreps_out.terms, strict=True)]
        if self.layout_out == "flat":
            parts = [part.flatten(-2) for part in parts]
        return torch.cat(parts, -1)

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"{self.irreps_in} -> {self.irreps_out}"
