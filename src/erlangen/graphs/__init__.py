"""Networks on graphs, by what the relabelling of nodes leaves of them; everything speaks PyTorch Geometric."""

from __future__ import annotations

import importlib
from typing import Any

from erlangen.graphs.ppgn import PPGN, PPGNBlock

__all__ = ["PPGN", "PPGNBlock"]

# What extends a class of PyTorch Geometric: name -> module, loaded where it is asked for.
_LAZY: dict[str, str] = {}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
