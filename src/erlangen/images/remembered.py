"""A value kept for as long as the tensors it was computed from stay the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


class Remembered:
    """One value, computed again when one of the tensors it depends on is another one, or was written to.

    Tensors are compared by identity, address and version, which costs microseconds and no synchronisation. Copies and
    pickles start empty.

    Example:
        >>> x, kept = torch.ones(2), Remembered()
        >>> kept.get([x], lambda: x.sum()), kept.get([x], lambda: None)
        (tensor(2.), tensor(2.))
        >>> _ = x.add_(1)
        >>> kept.get([x], lambda: x.sum())
        tensor(4.)
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forgets the value."""
        self._sources: list[Tensor] = []
        self._states: list[tuple[int, int]] = []
        self._extra: Any = None
        self._value: Any = None

    def get(self, sources: Sequence[Tensor], make: Callable[[], Any], extra: Any = None) -> Any:
        """The value of ``make``, from the last call if nothing changed since.

        Args:
            sources: the tensors that the value depends on.
            make: computes it.
            extra: anything else that it depends on.
        """
        # Tensors made in inference mode count no versions: nothing tells whether they were written to.
        if any(t.is_inference() for t in sources):
            self.clear()
            return make()
        # What inference mode makes cannot take part in a later backward pass.
        extra = extra, torch.is_inference_mode_enabled()
        states = [(t._version, t.data_ptr()) for t in sources]
        same = len(states) == len(self._states) and all(a is b for a, b in zip(sources, self._sources, strict=True))
        if not same or states != self._states or extra != self._extra or self._value is None:
            self._value = make()
            self._sources, self._states, self._extra = list(sources), states, extra
        return self._value

    def __deepcopy__(self, memo: Any) -> Remembered:
        return Remembered()

    def __reduce__(self) -> tuple[Any, ...]:
        return Remembered, ()
