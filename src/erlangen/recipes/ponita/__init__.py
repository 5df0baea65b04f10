"""PONITA: message passing between positions and orientations, where one kernel serves all pairs alike under motions.

Bekkers, Vadgama, Hesselink, van der Linden, Romero, "Fast, Expressive SE(n) Equivariant Networks through
Weight-Sharing in Position-Orientation Space", 2024. One file per experiment; each ends in an `Experiment`, which
`recipe` lists.
"""

from erlangen.recipes.ponita.recipe import CLAIMS, EXPERIMENTS, run
from erlangen.recipes.ponita.settings import Config

__all__ = ["CLAIMS", "EXPERIMENTS", "Config", "run"]
