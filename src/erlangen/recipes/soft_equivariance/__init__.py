"""Soft equivariance: an unconstrained network, one penalty per candidate symmetry, and which of them turn out to hold.

Kim, Lee, Yang, Lee, "Regularizing Towards Soft Equivariance Under Mixed Symmetries", 2023. One file per experiment;
each ends in an `Experiment`, which `recipe` lists.
"""

from erlangen.recipes.soft_equivariance.recipe import CLAIMS, EXPERIMENTS, run
from erlangen.recipes.soft_equivariance.settings import Config

__all__ = ["CLAIMS", "EXPERIMENTS", "Config", "run"]
