"""Computing what is kept for later apart from whatever surrounds the first call."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import update_wrapper
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class kept_apart(Generic[P, T]):  # noqa: N801 (a decorator)
    """A function of hashable arguments, evaluated once for each, in a thread of its own.

    What is kept must serve every later call. Transforms of ``torch.func``, ``torch.inference_mode``, fake tensors and
    default devices are bound to a thread: in another one, whoever asks first leaves no trace in the result.
    """

    def __init__(self, function: Callable[P, T]) -> None:
        self.function = function
        self.known: dict[tuple[object, ...], T] = {}
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """The value, from the first call with these arguments."""
        key = (*args, *kwargs.items())
        if key not in self.known:
            with ThreadPoolExecutor(1) as apart:
                self.known[key] = apart.submit(self.function, *args, **kwargs).result()
        return self.known[key]
