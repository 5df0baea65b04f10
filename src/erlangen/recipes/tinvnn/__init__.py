"""Transformation-invariant networks: any backbone on canonical coordinates of its points.

Zhang, Wang, Zhang, Cui, Zhu, "Revisiting Transformation Invariant Geometric Deep Learning: Are Initial Representations
All You Need?", 2021. One file per experiment; each ends in an `Experiment`, which `recipe` lists.
"""

from erlangen.recipes.tinvnn.recipe import CLAIMS, EXPERIMENTS, run
from erlangen.recipes.tinvnn.settings import Config

__all__ = ["CLAIMS", "EXPERIMENTS", "Config", "run"]
