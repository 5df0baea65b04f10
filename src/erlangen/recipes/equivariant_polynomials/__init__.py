"""Equivariant polynomials: what networks on graphs cannot compute, and what they can once it is given to them.

Puny, Lim, Kiani, Maron, Lipman, "Equivariant Polynomials for Graph Neural Networks", 2023. One file per experiment;
each ends in an `Experiment`, which `recipe` lists.
"""

from erlangen.recipes.equivariant_polynomials.recipe import CLAIMS, EXPERIMENTS, run
from erlangen.recipes.equivariant_polynomials.settings import Config

__all__ = ["CLAIMS", "EXPERIMENTS", "Config", "run"]
