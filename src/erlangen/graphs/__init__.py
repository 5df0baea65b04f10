"""Networks on graphs, by what the relabelling of nodes leaves of them; everything speaks PyTorch Geometric."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from erlangen.graphs.associativity import OperatorInputs, associativity_loss, identity_loss
from erlangen.graphs.commutative import BinaryGRU, CommutativeOperator, SymmetricMLP
from erlangen.graphs.segment_tree import PlanCache, SegmentTreePlan, lexicographic_order, segment_tree_reduce

if TYPE_CHECKING:
    from erlangen.graphs.lcm import LCMAggregation

__all__ = [
    "BinaryGRU",
    "CommutativeOperator",
    "LCMAggregation",
    "OperatorInputs",
    "PlanCache",
    "SegmentTreePlan",
    "SymmetricMLP",
    "associativity_loss",
    "identity_loss",
    "lexicographic_order",
    "segment_tree_reduce",
]

# What extends a class of PyTorch Geometric: name -> module, loaded where it is asked for.
_LAZY: dict[str, str] = {
    "LCMAggregation": "erlangen.graphs.lcm",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
