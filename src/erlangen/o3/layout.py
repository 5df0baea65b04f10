"""From the layout of a module's tensors to rows of components, in the order that a route wants, and back."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from erlangen.o3.route import reorder
from erlangen.o3.signal import Signal


class Unpack(nn.Module):
    """One signal as ``(items, channels, components)``: the change of layout and of order are one gather.

    Args:
        signal: what the last axes hold.
        layout: "flat", shape ``(*, dim)`` as in e3nn, or "channels", shape ``(*, channels, width)``.
        components: the order wanted within a channel; ``None`` for that of the terms.
        name: of the argument, for errors.

    Attributes:
        shape: sizes of the last axes.
        rows: channels and components.
    """

    def __init__(self, signal: Signal, layout: str, components: tuple[int, ...] | None, name: str) -> None:
        super().__init__()
        self.signal, self.layout, self.name = signal, layout, name
        self.shape = (signal.dim,) if layout == "flat" else (signal.channels, signal.width)
        self.rows = (signal.channels, signal.width)
        identity = components == tuple(range(signal.width))
        order = signal.order(None if identity else components, layout)
        forth = None if order is None else torch.tensor(order)
        self.register_buffer("order", forth, persistent=False)
        self.register_buffer("inverse", None if forth is None else forth.argsort(), persistent=False)

    def check(self, x: Tensor) -> None:
        """Refuses what does not fit.

        Raises:
            TypeError: when ``x`` is not a tensor of a real floating-point dtype.
            ValueError: when its last axes have other sizes.
        """
        if not isinstance(x, Tensor):
            raise TypeError(f"{self.name}: a tensor, got {type(x).__name__}")
        if not x.is_floating_point():
            raise TypeError(f"{self.name}: a real floating-point dtype, got {x.dtype}")
        if x.shape[-len(self.shape) :] != self.shape:
            raise ValueError(f"{self.name}: shape (*, {', '.join(map(str, self.shape))}), got {tuple(x.shape)}")

    def batch(self, x: Tensor) -> torch.Size:
        """The leading axes."""
        return x.shape[: x.ndim - len(self.shape)]

    def forward(self, x: Tensor) -> Tensor:
        """The last axes to ``(channels, components)``, all others to one."""
        order, inverse = self.order, self.inverse
        if order is None and x.ndim == 3 and len(self.shape) == 2:
            return x
        items = math.prod(self.batch(x))
        if isinstance(order, Tensor) and isinstance(inverse, Tensor):
            x = reorder(x.reshape(items * (self.shape[:-1] or (1,))[0], self.shape[-1]), order, inverse)
        return x.reshape(items, *self.rows)

    def back(self, rows: Tensor, batch: torch.Size) -> Tensor:
        """The inverse of :meth:`forward`."""
        order, inverse = self.order, self.inverse
        if isinstance(order, Tensor) and isinstance(inverse, Tensor):
            items = math.prod(batch) * (self.shape[:-1] or (1,))[0]
            rows = reorder(rows.reshape(items, self.shape[-1]), inverse, order)
        return rows.reshape(*batch, *self.shape)
