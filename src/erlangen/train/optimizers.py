"""Optimizers and schedules by name, or any callable in their place."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

MakeOptimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
Schedule = Callable[[float], float]


def cosine(t: float) -> float:
    """Half a cosine from 1 to 0, at the fraction ``t`` of a training."""
    return 0.5 * (1.0 + math.cos(math.pi * t))


def linear(t: float) -> float:
    """A line from 1 to 0."""
    return 1.0 - t


def one_cycle(t: float) -> float:
    """Up from a 25th in the first three tenths, then down to nothing, both along a cosine.

    >>> [round(one_cycle(t), 2) for t in (0.0, 0.3, 0.65, 1.0)]
    [0.04, 1.0, 0.5, 0.0]
    """
    rise = 0.3
    return 1 - (1 - 1 / 25) * cosine(t / rise) if t < rise else cosine((t - rise) / (1 - rise))


OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
SCHEDULES: dict[str, Schedule] = {"cosine": cosine, "linear": linear, "one-cycle": one_cycle}


def make_optimizer(
    model: nn.Module, optimizer: str | MakeOptimizer, lr: float, weight_decay: float
) -> torch.optim.Optimizer:
    """An optimizer over all parameters of a model that require a gradient.

    Raises:
        TypeError: If a callable returns something else than an optimizer.
        ValueError: If the name is unknown, if ``lr`` or ``weight_decay`` has no meaning, or if nothing can be trained.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise ValueError("model has no parameter that requires a gradient; there is nothing to train")
    if isinstance(optimizer, str):
        if optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer is {optimizer!r}; it takes {', '.join(OPTIMIZERS)}, or a callable")
        if not (lr > 0 and math.isfinite(lr)):
            raise ValueError(f"lr is {lr}; it takes a positive number")
        if not (weight_decay >= 0 and math.isfinite(weight_decay)):
            raise ValueError(f"weight_decay is {weight_decay}; it takes a number from 0")
        return OPTIMIZERS[optimizer](parameters, lr=lr, weight_decay=weight_decay)
    made = optimizer(parameters)
    if not isinstance(made, torch.optim.Optimizer):
        raise TypeError(f"optimizer returned {type(made).__name__}; it takes parameters and returns an Optimizer")
    return made


def find_schedule(schedule: str | Schedule | None) -> Schedule | None:
    """The schedule of a name; a callable or None as it is.

    Raises:
        ValueError: If the name is unknown.
    """
    if isinstance(schedule, str):
        if schedule not in SCHEDULES:
            raise ValueError(f"schedule is {schedule!r}; it takes {', '.join(SCHEDULES)}, a callable, or None")
        return SCHEDULES[schedule]
    return schedule


def describe_optimizer(optimizer: torch.optim.Optimizer) -> str:
    """Class and settings of every group of parameters, for comparison."""
    groups = [
        ", ".join(f"{key}={value}" for key, value in sorted(group.items()) if key not in ("params", "initial_lr"))
        for group in optimizer.param_groups
    ]
    return f"{type(optimizer).__name__}({'; '.join(groups)})"


def describe_callable(function: Any) -> str | None:
    """A name for a callable that is the same in every process."""
    if function is None or isinstance(function, str):
        return function
    if isinstance(function, functools.partial):
        given = [*map(_describe, function.args), *(f"{k}={_describe(v)}" for k, v in function.keywords.items())]
        return f"{describe_callable(function.func)}({', '.join(given)})"
    return getattr(function, "__qualname__", type(function).__qualname__)


def _describe(value: Any) -> str:
    return str(describe_callable(value)) if callable(value) else repr(value)
