"""The global random number generators: seeded from counters, kept, and put back."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

ORDER, EPOCH, VALIDATION, WORKERS = range(4)  # what a seed is for


def derive_seed(seed: int, *counters: int) -> int:
    """A seed of 63 bits that depends on every counter, and on nothing else.

    >>> derive_seed(0, ORDER, 7) == derive_seed(0, ORDER, 7), derive_seed(0, ORDER, 7) == derive_seed(0, ORDER, 8)
    (True, False)
    """
    return int(np.random.SeedSequence([seed, *counters]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def seed_everything(seed: int, *counters: int) -> None:
    """Seeds the global generators of Python, numpy and torch (all devices)."""
    derived = derive_seed(seed, *counters)
    random.seed(derived)
    np.random.seed(derived % 2**32)
    torch.manual_seed(derived)


def random_state() -> dict[str, Any]:
    """States of the global generators of Python, numpy, torch, and of CUDA where it is in use."""
    version, words, gauss = random.getstate()
    state: dict[str, Any] = {
        "python": (version, np.array(words, dtype=np.int64), gauss),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Puts back what `random_state` returned."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if "cuda" in state:
        torch.cuda.set_rng_state_all(state["cuda"])


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """Leaves the global generators as they were, whatever happens inside.

    >>> before = torch.get_rng_state()
    >>> with random_state_kept():
    ...     _ = torch.rand(3)
    >>> torch.equal(before, torch.get_rng_state())
    True
    """
    state = random_state()
    try:
        yield
    finally:
        set_random_state(state)


def generators_of(model: nn.Module) -> dict[str, torch.Generator]:
    """Generators that modules of a model hold as attributes, by name."""
    found: dict[str, torch.Generator] = {}
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, torch.Generator):
                found[f"{path}.{name}" if path else name] = value
    return found
