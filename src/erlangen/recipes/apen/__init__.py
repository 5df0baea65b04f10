"""APEN: networks on points whose parts move independently, without being told which parts there are.

Atzmon, Huang, Williams, Litany, "Approximately Piecewise E(3) Equivariant Point Networks", 2024. One file per
experiment; each ends in an `Experiment`, which `recipe` lists.
"""

from erlangen.recipes.apen.recipe import CLAIMS, EXPERIMENTS, run
from erlangen.recipes.apen.settings import Config

__all__ = ["CLAIMS", "EXPERIMENTS", "Config", "run"]
