"""Networks on graphs, by what the relabelling of nodes leaves of them; everything speaks PyTorch Geometric."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from erlangen.graphs.ego import ego_subgraphs, whole_graphs
from erlangen.graphs.ign import IGN2
from erlangen.graphs.permutation_linear import PermutationEquivariantLinear
from erlangen.graphs.spen import SPEN, SPENConv, pair_features
from erlangen.graphs.subgraphs import Bag, Subgraphs

if TYPE_CHECKING:
    from erlangen.graphs.ego_transform import EgoSubgraphs

__all__ = [
    "Bag",
    "EgoSubgraphs",
    "IGN2",
    "PermutationEquivariantLinear",
    "SPEN",
    "SPENConv",
    "Subgraphs",
    "ego_subgraphs",
    "pair_features",
    "whole_graphs",
]

# What extends a class of PyTorch Geometric: name -> module, loaded where it is asked for.
_LAZY: dict[str, str] = {
    "EgoSubgraphs": "erlangen.graphs.ego_transform",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
