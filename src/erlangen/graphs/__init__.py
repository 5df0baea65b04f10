"""Networks on graphs, by what the relabelling of nodes leaves of them; everything speaks PyTorch Geometric."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from erlangen.graphs.associativity import OperatorInputs, associativity_loss, identity_loss
from erlangen.graphs.commutative import BinaryGRU, CommutativeOperator, SymmetricMLP
from erlangen.graphs.contraction import Bank, ContractionPath, ContractionStep, contraction_sequence
from erlangen.graphs.drawing import draw_multigraph
from erlangen.graphs.ego import ego_subgraphs, whole_graphs
from erlangen.graphs.expressivity import exactness_degree, is_computable, missing_polynomials
from erlangen.graphs.ign import IGN2
from erlangen.graphs.known_networks import NETWORKS, KnownNetwork, find_network
from erlangen.graphs.multigraph import MarkedMultigraph
from erlangen.graphs.multigraph_basis import enumerate_basis
from erlangen.graphs.permutation_linear import PermutationEquivariantLinear
from erlangen.graphs.polynomial_matrices import normalize_matrices, polynomial_matrices
from erlangen.graphs.polynomial_pairs import normalize_pairs, polynomial_pairs
from erlangen.graphs.polynomials import EquivariantPolynomials, PolynomialValues, evaluate
from erlangen.graphs.ppgn import PPGN, PPGNBlock
from erlangen.graphs.ppgn_plus_plus import PPGNPlusPlus
from erlangen.graphs.segment_tree import PlanCache, SegmentTreePlan, lexicographic_order, segment_tree_reduce
from erlangen.graphs.spen import SPEN, SPENConv, pair_features
from erlangen.graphs.subgraphs import Bag, Subgraphs

if TYPE_CHECKING:
    from erlangen.graphs.ego_transform import EgoSubgraphs, SubgraphData
    from erlangen.graphs.lcm import LCMAggregation
    from erlangen.graphs.polynomial_features import PolynomialFeatures

__all__ = [
    "Bag",
    "Bank",
    "BinaryGRU",
    "CommutativeOperator",
    "ContractionPath",
    "ContractionStep",
    "EgoSubgraphs",
    "EquivariantPolynomials",
    "IGN2",
    "KnownNetwork",
    "LCMAggregation",
    "MarkedMultigraph",
    "NETWORKS",
    "OperatorInputs",
    "PPGN",
    "PPGNBlock",
    "PPGNPlusPlus",
    "PermutationEquivariantLinear",
    "PlanCache",
    "PolynomialFeatures",
    "PolynomialValues",
    "SPEN",
    "SPENConv",
    "SegmentTreePlan",
    "SubgraphData",
    "Subgraphs",
    "SymmetricMLP",
    "associativity_loss",
    "contraction_sequence",
    "draw_multigraph",
    "ego_subgraphs",
    "enumerate_basis",
    "evaluate",
    "exactness_degree",
    "find_network",
    "identity_loss",
    "is_computable",
    "lexicographic_order",
    "missing_polynomials",
    "normalize_matrices",
    "normalize_pairs",
    "pair_features",
    "polynomial_matrices",
    "polynomial_pairs",
    "segment_tree_reduce",
    "whole_graphs",
]

# What extends a class of PyTorch Geometric: name -> module, loaded where it is asked for.
_LAZY: dict[str, str] = {
    "EgoSubgraphs": "erlangen.graphs.ego_transform",
    "LCMAggregation": "erlangen.graphs.lcm",
    "PolynomialFeatures": "erlangen.graphs.polynomial_features",
    "SubgraphData": "erlangen.graphs.ego_transform",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
