"""Convolutions on groups that are neither compact nor commutative: SL(2) and GL+(2), on digits that are moved.

Mironenco, Forre, "Lie Group Decompositions for Equivariant Neural Networks", 2024. One file per experiment; each ends
in an `Experiment`, which `recipe` lists.
"""

from erlangen.recipes.lie_decomposition.recipe import CLAIMS, EXPERIMENTS, run
from erlangen.recipes.lie_decomposition.settings import Config

__all__ = ["CLAIMS", "EXPERIMENTS", "Config", "run"]
