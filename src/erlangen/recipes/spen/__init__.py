"""Subgraph permutation equivariant networks: what ego-networks tell apart, what they cost, and how well they learn.

Mitton, Murray-Smith, "Subgraph Permutation Equivariant Networks", 2021. One file per experiment; each ends in an
`Experiment`, which `recipe` lists.
"""

from erlangen.recipes.spen.recipe import CLAIMS, EXPERIMENTS, run
from erlangen.recipes.spen.settings import Config

__all__ = ["CLAIMS", "EXPERIMENTS", "Config", "run"]
