"""Constants of modules that keep their precision through changes of dtype."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Constants(nn.Module):
    """A module with constant buffers, which follow ``.to()``, ``torch.compile`` and ``torch.export``.

    They are not part of the ``state_dict``. A change of dtype takes them from float64 again, so that a module made in
    float32 and moved to float64 is as exact as one made there; and they never go below float32.
    """

    def __init__(self) -> None:
        super().__init__()
        self._exact: dict[str, Tensor] = {}

    def keep(self, name: str, value: Tensor) -> None:
        """Keeps a float64 tensor as buffer ``name``, in the default dtype."""
        self._exact[name] = value
        buffer = constant_like(value, torch.get_default_dtype(), torch.get_default_device())
        self.register_buffer(name, buffer, persistent=False)

    def wide(self, x: Tensor) -> torch.dtype:
        """The dtype to compute in.

        Raises:
            TypeError: when the input is finer than the constants.
        """
        own = self._buffers[next(iter(self._exact))].dtype  # type: ignore[union-attr]
        if x.dtype != own and torch.promote_types(x.dtype, own) != own:
            raise TypeError(f"the module's constants are {own}, got an input of {x.dtype}: call module.to({x.dtype})")
        return own

    def _apply(self, fn: Any, recurse: bool = True) -> Constants:
        before = {name: self.get_buffer(name).dtype for name in self._exact}
        super()._apply(fn, recurse)
        for name, value in self._exact.items():
            now = self.get_buffer(name)
            if now.dtype != before[name]:
                setattr(self, name, constant_like(value, now.dtype, now.device))
        return self


def constant_like(constant: Tensor, dtype: torch.dtype, device: torch.device | str) -> Tensor:
    """A float64 constant in another dtype, but not below float32, and on another device."""
    return constant.to(device, torch.promote_types(dtype, torch.float32), copy=True)
