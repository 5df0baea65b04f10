"""A value kept for as long as the tensors it was computed from stay the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


class Remembered:
    """One value, computed again when one of the tensors it depends on is another one, or was written to.

    Tensors are compared by identity, address and version, which costs microseconds and no synchronisation; those made
    in inference mode, which count no versions, by their values. Copies and pickles start empty.

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
        self._states: list[Any] = []
        self._extra: Any = None
        self._value: Any = None

    def get(self, sources: Sequence[Tensor], make: Callable[[], Any], extra: Any = None) -> Any:
        """The value of ``make``, from the last call if nothing changed since.

        Args:
            sources: the tensors that the value depends on.
            make: computes it.
            extra: anything else that it depends on.
        """
        # What inference mode makes cannot take part in a later backward pass.
        extra = extra, torch.is_inference_mode_enabled()
        same = extra == self._extra and len(sources) == len(self._sources)
        if not same or not all(map(_unchanged, sources, self._sources, self._states)):
            value = make()
            try:
                states = [_state(t) for t in sources]
            except RuntimeError:
                # Tensors of torch.func's transforms have no address: such a value lives as long as the transform.
                self.clear()
                return value
            self._value, self._states = value, states
            self._sources, self._extra = list(sources), extra
        return self._value

    def __deepcopy__(self, memo: Any) -> Remembered:
        return Remembered()

    def __reduce__(self) -> tuple[Any, ...]:
        return Remembered, ()


def _state(t: Tensor) -> Any:
    return t.clone() if t.is_inference() else (t._version, t.data_ptr())


def _unchanged(now: Tensor, before: Tensor, state: Any) -> bool:
    if now is not before:
        return False
    return torch.equal(now, state) if now.is_inference() else (now._version, now.data_ptr()) == state
