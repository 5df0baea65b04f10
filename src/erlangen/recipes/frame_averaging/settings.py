"""The settings of the recipe: a block for every experiment, named after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from erlangen.recipes.config import Config as BaseConfig
from erlangen.recipes.config import ConfigError, option


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """Settings of frame averaging."""

    experiments = ("graph-separation", "nbody", "normals", "continuity")

    # graph-separation
    small_graphs: Literal["graph8c", "graph7c"] = option(
        "graphs to tell apart: all connected ones of 8 nodes, or of 7",
        smoke="graph7c",
        small="graph8c",
        paper="graph8c",
    )
    graph_inits: int = option("random networks that must all fail on a pair of graphs", smoke=3, small=100, paper=100)
    graph_pairs: int = option("pairs of EXP to learn from; a third of them is held out", smoke=30, small=600, paper=600)
    graph_epochs: int = option("epochs on these pairs", smoke=2, small=200, paper=200)
    graph_mlp: bool = option("also train the wide MLP of the paper on them", smoke=False, small=False, paper=True)
    # continuity
    path_steps: int = option("steps along the path", smoke=40, small=400, paper=400)
    path_networks: int = option("random networks per seed", smoke=2, small=4, paper=10)

    # nbody
    nbody_sims: int = option("simulations to learn from", smoke=40, small=300, paper=3000)
    nbody_validation: int = option("simulations to choose the epoch", smoke=20, small=200, paper=2000)
    nbody_tests: int = option("simulations to test on", smoke=20, small=400, paper=2000)
    nbody_epochs: int = option("epochs on particles", smoke=2, small=150, paper=10000)
    nbody_batch: int = option("simulations per step", smoke=20, small=50, paper=100)
    nbody_channels: int = option("channels of the GNN, a multiple of three", smoke=12, small=60, paper=60)
    # normals
    normals_clouds: int = option("clouds to learn from", smoke=16, small=200, paper=10000)
    normals_tests: int = option("clouds to test on", smoke=8, small=200, paper=1000)
    normals_points: int = option("points of a cloud", smoke=64, small=256, paper=512)
    normals_epochs: int = option("epochs on clouds", smoke=2, small=20, paper=300)
    normals_batch: int = option("clouds per step", smoke=8, small=8, paper=16)
    normals_width: int = option("width of the networks: the publication's is 64", smoke=4, small=16, paper=64)

    def check(self) -> None:
        for name in ("graph_epochs", "graph_inits", "path_networks"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it takes a whole number from 1")
        for name in vars(self):
            if name.startswith(("nbody_", "normals_")) and getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it takes a whole number from 1")
        if self.nbody_channels % 3:
            raise ConfigError(f"nbody_channels is {self.nbody_channels}; it takes a multiple of three")
        if self.normals_points < 20:
            raise ConfigError(f"normals_points is {self.normals_points}; it takes a whole number from 20")
        if self.graph_pairs < 6:
            raise ConfigError(f"graph_pairs is {self.graph_pairs}; it takes a whole number from 6")
        if self.path_steps < 10 or self.path_steps % 2:
            raise ConfigError(f"path_steps is {self.path_steps}; it takes an even number from 10")
