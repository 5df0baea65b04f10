"""Learnable commutative monoids: messages combined two by two in a tree, by an operator that is learned.

Ong, Veličković, "Learnable Commutative Monoids for Graph Neural Networks", 2022. One file per experiment; each ends in
an `Experiment`, which `recipe` lists.
"""

from erlangen.recipes.lcm.recipe import CLAIMS, EXPERIMENTS, run
from erlangen.recipes.lcm.settings import Config

__all__ = ["CLAIMS", "EXPERIMENTS", "Config", "run"]
