"""Running a module without leaving a trace: on a copy, in eval mode and a chosen dtype, randomness under control."""

from __future__ import annotations

import copy
import inspect
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.groups.fields import field_names, is_graph_data, replace_fields


def map_tensors(function: Callable[[Tensor], Tensor], x: Any) -> Any:
    """Applies ``function`` to every tensor of nested tuples, lists, dicts and data objects."""
    if isinstance(x, Tensor):
        return function(x)
    if isinstance(x, Mapping) or is_graph_data(x):
        return replace_fields(x, {key: map_tensors(function, x[key]) for key in field_names(x)})
    if isinstance(x, tuple | list):
        items = [map_tensors(function, item) for item in x]
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    return x


def to_dtype(x: Any, dtype: torch.dtype) -> Any:
    """Real tensors to a dtype, complex ones to the same precision; the result never shares memory with ``x``."""
    return map_tensors(lambda t: _cast(t.detach(), dtype).clone(), x)


def _cast(t: Tensor, dtype: torch.dtype) -> Tensor:
    if t.is_complex():
        return t.to(dtype.to_complex())
    return t.to(dtype) if t.is_floating_point() else t


def double(t: Tensor) -> Tensor:
    """Any tensor of numbers in double precision, complex ones as complex."""
    return t.to(torch.complex128 if t.is_complex() else torch.float64)


def cast_module(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A module's parameters and buffers to a dtype; unlike ``module.to(dtype)`` it leaves complex ones complex."""
    return module._apply(lambda t: _cast(t, dtype))


@contextmanager
def untouched_randomness() -> Iterator[None]:
    """Leaves the random states of torch, numpy and python as they were found."""
    python_state = random.getstate()
    numpy = sys.modules.get("numpy")
    numpy_state = numpy.random.get_state() if numpy is not None else None
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()):
        try:
            yield
        finally:
            random.setstate(python_state)
            if numpy is not None and numpy_state is not None:
                numpy.random.set_state(numpy_state)


def seed_all(seed: int) -> None:
    """Seeds torch, numpy and python.

    ``torch.manual_seed`` would also leave a seed for every accelerator that is not in use yet, waiting for its start:
    that is slow (it takes a stack trace for each) and would reach into the caller's randomness later.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed % 2**32)


class Runner:
    """A module as a function of its inputs: outputs are detached, every call is counted and seeded.

    Args:
        module: any callable; an ``nn.Module``, or the owner of a bound method, is copied and put into eval mode, so
            that the caller's stays untouched.
        dtype: the dtype its parameters, buffers and real inputs get; ``None`` leaves them alone.
        notes: a list that takes a sentence when something could not be done.
    """

    def __init__(self, module: Callable[..., Any], dtype: torch.dtype | None, notes: list[str]) -> None:
        self.dtype = dtype
        self.calls = 0
        self.copied = True
        self._found: list[tuple[nn.Module, bool, dict[str, tuple[Tensor | None, Tensor | None]]]] = []
        owner = getattr(module, "__self__", None)
        if isinstance(module, nn.Module):
            module = self._private(module, notes)
        elif inspect.ismethod(module) and isinstance(owner, nn.Module):
            module = module.__func__.__get__(self._private(owner, notes))
        self.module = module

    def _private(self, module: nn.Module, notes: list[str]) -> nn.Module:
        try:
            private = copy.deepcopy(module).eval()
        except Exception as error:
            # Whatever a module's own copying raises, the audit can run on the original and put it back afterwards.
            notes.append(f"the module cannot be copied ({type(error).__name__}): run in place, in its own dtype")
            self.copied = False
            self.dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), self.dtype)
            for m in module.modules():
                buffers = {k: (b, None if b is None else b.detach().clone()) for k, b in m._buffers.items()}
                self._found.append((m, m.training, buffers))
            return module.eval()
        return private if self.dtype is None else cast_module(private, self.dtype)

    def close(self) -> None:
        """Puts a module that could not be copied back into the state in which it was found."""
        with torch.no_grad():
            for module, training, buffers in self._found:
                module.training = training
                for key, (buffer, value) in buffers.items():
                    module._buffers[key] = buffer
                    if buffer is not None and value is not None:
                        buffer.copy_(value)

    def __call__(self, inputs: Sequence[Any], seed: int = 0) -> Any:
        """The output for fresh copies of the inputs."""
        given = tuple(inputs)
        given = map_tensors(torch.clone, given) if self.dtype is None else to_dtype(given, self.dtype)
        return map_tensors(torch.detach, self.raw(given, seed))

    def raw(self, inputs: Sequence[Any], seed: int) -> Any:
        """The output for the inputs themselves, with its history."""
        self.calls += 1
        seed_all(seed)
        return self.module(*inputs)
