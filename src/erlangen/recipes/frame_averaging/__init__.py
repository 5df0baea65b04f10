"""Frame averaging: any backbone made exactly symmetric by a few group elements that move with the input.

Puny, Atzmon, Ben-Hamu, Misra, Grover, Smith, Lipman, "Frame Averaging for Invariant and Equivariant Network Design",
2022. One file per experiment; each ends in an `Experiment`, which `recipe` lists.
"""

from erlangen.recipes.frame_averaging.recipe import CLAIMS, EXPERIMENTS, run
from erlangen.recipes.frame_averaging.settings import Config

__all__ = ["CLAIMS", "EXPERIMENTS", "Config", "run"]
