"""The settings of the recipe: a block for every experiment, named after it."""

from __future__ import annotations

from dataclasses import dataclass

from erlangen.recipes.config import Config as BaseConfig
from erlangen.recipes.config import ConfigError, option


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """Settings of equivariant polynomials."""

    experiments = ("power-table", "strongly-regular", "k4-regression", "gin-plus")

    seeds: int = option("number of seeds: seed, seed + 1, ...", smoke=2, small=3, paper=5)

    # power-table
    table_degree: int = option("largest number of edges in the table", smoke=5, small=6, paper=6)
    # strongly-regular
    regular_families: int = option("families of strongly regular graphs, smallest first", smoke=1, small=5, paper=5)
    regular_width: int = option("channels of untrained networks", smoke=8, small=32, paper=75)
    regular_layers: int = option("blocks of untrained networks", smoke=2, small=4, paper=4)
    # k4-regression
    cliques_train: int = option("graphs to learn the number of cliques from", smoke=24, small=600, paper=6000)
    cliques_validation: int = option("graphs to choose the epoch", smoke=12, small=100, paper=1000)
    cliques_tests: int = option("graphs to test on", smoke=12, small=300, paper=1000)
    cliques_epochs: int = option("epochs on them", smoke=2, small=60, paper=200)
    cliques_width: int = option("channels of the networks", smoke=4, small=16, paper=64)
    cliques_layers: int = option("blocks of the networks", smoke=1, small=2, paper=4)
    # gin-plus
    patterns_train: int = option("graphs to learn numbers of patterns from", smoke=24, small=800, paper=5000)
    patterns_validation: int = option("graphs to choose the epoch", smoke=12, small=200, paper=1000)
    patterns_tests: int = option("graphs to test on", smoke=12, small=400, paper=1000)
    patterns_epochs: int = option("epochs on them", smoke=2, small=120, paper=300)
    patterns_width: int = option("channels of GIN", smoke=8, small=32, paper=64)
    molecules_folds: int = option("folds of MUTAG that are tested, of ten", smoke=1, small=10, paper=10)
    molecules_epochs: int = option("epochs on MUTAG", smoke=2, small=60, paper=300)
    molecules_width: int = option("channels of GIN on MUTAG", smoke=8, small=32, paper=64)

    def check(self) -> None:
        for name in vars(self):
            if name.partition("_")[0] in ("table", "regular", "cliques", "patterns", "molecules"):
                if getattr(self, name) < 1:
                    raise ConfigError(f"{name} is {getattr(self, name)}; it takes a whole number from 1")
        if self.patterns_train < 2:
            raise ConfigError(
                f"patterns_train is {self.patterns_train}; it takes a whole number from 2: one has no spread"
            )
        for name, largest in (("table_degree", 7), ("regular_families", 5), ("molecules_folds", 10)):
            if getattr(self, name) > largest:
                raise ConfigError(f"{name} is {getattr(self, name)}; it takes a whole number up to {largest}")
        for name in ("cliques_train", "cliques_validation", "cliques_tests"):
            if getattr(self, name) % 2:
                raise ConfigError(f"{name} is {getattr(self, name)}; it takes an even number, half of each kind")
