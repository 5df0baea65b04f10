"""The register of promises: one small, random instance of everything in the package that has a `symmetry`.

    @promise
    def my_layer(generator):
        return MyLayer(4, generator=generator), (torch.randn(6, 4, generator=generator),)

A case takes a seeded `torch.Generator` and returns a module with a `symmetry` and a tuple of example inputs in float32;
torch's own generator is seeded for what cannot be given one. Several cases of one class are welcome.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

import erlangen

Factory = Callable[[torch.Generator], tuple[nn.Module, tuple[Any, ...]]]

PROMISES: dict[str, Factory] = {}


def promise(factory: Factory) -> Factory:
    """Registers a case under the name of its function."""
    if factory.__name__ in PROMISES:
        raise ValueError(f"a case named {factory.__name__!r} is registered already")
    PROMISES[factory.__name__] = factory
    return factory


def build(name: str, seed: int = 0) -> tuple[nn.Module, tuple[Any, ...]]:
    """The module and the inputs of a case."""
    torch.manual_seed(seed)
    return PROMISES[name](torch.Generator().manual_seed(seed))


def classes_with_promises() -> Iterator[type]:
    """Every public class of the package that can be called and has a `symmetry`: in its class, or set on itself."""
    for info in pkgutil.walk_packages(erlangen.__path__, "erlangen."):
        if info.name.rsplit(".", 1)[-1] == "__main__":
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if (
                inspect.isclass(value)
                and value.__module__ == info.name
                and not name.startswith("_")
                and not inspect.isabstract(value)
                and promises(value)
            ):
                yield value


def promises(kind: type) -> bool:
    """Whether instances of a class are modules with a `symmetry`."""
    if not issubclass(kind, nn.Module):
        return False
    ours = [base for base in kind.__mro__ if base.__module__.split(".")[0] not in ("torch", "builtins")]
    return hasattr(kind, "symmetry") or any(re.search(r"\bself\.symmetry\b\s*[:=]", inspect.getsource(k)) for k in ours)
