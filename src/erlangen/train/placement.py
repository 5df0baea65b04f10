"""Where a training runs, and how several devices share it: Lightning's arguments, tried out before any work."""

from __future__ import annotations

from typing import Any

import torch

from erlangen.extras import require
from erlangen.train.quiet import quiet_lightning


def placement(
    device: torch.device, accelerator: Any = None, devices: Any = 1, num_nodes: int = 1, strategy: Any = "auto"
) -> dict[str, Any]:
    """Arguments of a Lightning ``Trainer``; the accelerator is by default that of the model's device.

    Raises:
        ValueError: If Lightning has no strategy of this name.
    """
    if isinstance(strategy, str) and strategy.lower() not in strategies():
        raise ValueError(f"strategy is {strategy!r}; Lightning takes {', '.join(strategies())}")
    if accelerator is None:
        accelerator = {"cuda": "gpu"}.get(device.type, device.type)
        if device.type == "cuda" and devices == 1 and num_nodes == 1:
            devices = [device.index or 0]
    return {"accelerator": accelerator, "devices": devices, "num_nodes": num_nodes, "strategy": strategy}


def strategies() -> list[str]:
    """Names of Lightning's strategies.

    >>> {"auto", "ddp", "fsdp"} <= set(strategies())
    True
    """
    lightning = require("lightning.pytorch.strategies", "recipes", "training")
    return ["auto", *lightning.StrategyRegistry.available_strategies()]


def require_placement(device: str, devices: int, num_nodes: int, strategy: str) -> None:
    """Makes sure that Lightning would run a training so, without running one.

    Raises:
        MissingExtra: If Lightning is not installed.
        ValueError: If it would not; says why in Lightning's words.
    """
    lightning = require("lightning.pytorch", "recipes", "training")
    where = placement(torch.device(device), devices=devices, num_nodes=num_nodes, strategy=strategy)
    plain = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    try:
        with quiet_lightning():
            lightning.Trainer(**where, **plain, enable_model_summary=False)
    except (
        Exception
    ) as error:  # Lightning has a class of its own for settings that do not fit together, and uses others
        raise ValueError(" ".join(str(error).split())) from error
