"""The settings of the recipe: a block for every experiment, named after it."""

from __future__ import annotations

from dataclasses import dataclass

from erlangen.recipes.config import Config as BaseConfig
from erlangen.recipes.config import ConfigError, option


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """Settings of frame averaging."""

    experiments = ("graph-separation", "continuity")

    # graph-separation
    graphs: int = option("graphs of EXP, or of the generated pairs", smoke=120, small=1200, paper=1200)
    graph_epochs: int = option("epochs on EXP", smoke=3, small=120, paper=200)
    graph_inits: int = option("random networks that must all fail to tell two graphs apart", smoke=2, small=20, paper=100)
    graph_mlp: bool = option("also train the wide MLP of the paper on EXP", smoke=False, small=False, paper=True)
    # continuity
    path_steps: int = option("steps along the path", smoke=40, small=400, paper=400)
    path_networks: int = option("random networks per seed", smoke=2, small=4, paper=10)

    def check(self) -> None:
        for name in ("graph_epochs", "graph_inits", "path_networks"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it takes a whole number from 1")
        if self.graphs < 12 or self.graphs % 2:
            raise ConfigError(f"graphs is {self.graphs}; graphs come in pairs, it takes an even number from 12")
        if self.path_steps < 10 or self.path_steps % 2:
            raise ConfigError(f"path_steps is {self.path_steps}; it takes an even number from 10")
