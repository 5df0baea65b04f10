"""The self-interaction: features multiplied with themselves."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from erlangen.groups import O, Symmetry
from erlangen.o3.mixing import DegreeLinear
from erlangen.o3.signal import Signal
from erlangen.o3.tensor_product import GauntTensorProduct


class GauntSelfMix(nn.Module):
    r"""Two mixtures of the channels, their product, mixed back, added: :math:`x + W_3 [(W_1 x)(W_2 x)]`.

    All products of pairs of channels with paths of even sum are within reach of ``hidden_channels`` large enough.

    Args:
        irreps: e3nn's Irreps or their notation, of input and output: one multiplicity, and parities ``(-1) ** l``
            (``128x0e+128x1o+128x2e``), as the product of a function with itself has them.
        hidden_channels: number of products.
        method: as for :func:`gaunt_product`.
        layout: as for :class:`GauntTensorProduct`.
        generator: randomness of the first weights.

    Raises:
        ValueError: when irreps cannot be multiplied so, or an option is unknown.
        TypeError: in ``forward``, when a dtype does not fit.

    Source: Luo, Chen, Krishnapriyan, "Enabling Efficient Equivariant Operations in the Fourier Basis via Gaunt Tensor
    Products", 2024.

    Example:
        >>> mix = GauntSelfMix("16x0e+16x1o+16x2e", hidden_channels=32)
        >>> mix(torch.randn(10, 144)).shape
        torch.Size([10, 144])
    """

    def __init__(
        self,
        irreps: object,
        hidden_channels: int,
        *,
        method: str = "auto",
        layout: str = "flat",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if isinstance(hidden_channels, bool) or not isinstance(hidden_channels, int) or hidden_channels < 1:
            raise ValueError(f"{name}(hidden_channels): a whole number >= 1, got {hidden_channels!r}")
        signal = Signal.read(irreps, f"{name}(irreps)")
        if signal.sign(f"{name}(irreps)") != 1:
            raise ValueError(f"{name}(irreps): parities (-1) ** l (0e+1o+2e+...), got {signal}")
        self.irreps = signal
        hidden = Signal(hidden_channels, signal.terms)
        product = GauntTensorProduct(hidden, hidden, hidden, method=method, weights=None, layout="channels")
        self.first = DegreeLinear(signal, hidden, layout, "channels", generator)
        self.second = DegreeLinear(signal, hidden, layout, "channels", generator)
        self.product = product
        self.last = DegreeLinear(hidden, signal, "channels", layout, generator)
        rep = signal.representation(layout)
        self.symmetry = Symmetry(O(3), (rep,), rep)

    def forward(self, x: Tensor) -> Tensor:
        """Shape ``(*, irreps.dim)``, or ``(*, channels, width)`` in that layout, to the same."""
        return x + self.last(self.product(self.first(x), self.second(x)))
