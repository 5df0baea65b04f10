"""The settings of the recipe: a block for every experiment, named after it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from erlangen.recipes.config import Config as BaseConfig
from erlangen.recipes.config import ConfigError, option

WHOLE = ("expressivity", "memory", "mutag", "proteins")


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """Settings of networks on ego-networks."""

    experiments = WHOLE

    seeds: int = option("number of seeds: seed, seed + 1, ...", smoke=2, small=3, paper=5)

    # expressivity
    expressivity_channels: int = option("channels of random networks", smoke=8, small=16, paper=16)
    expressivity_graphs: int = option("small graphs to tell apart, at most", smoke=100, small=11117, paper=11117)
    # memory
    memory_nodes: int = option("nodes of the largest graph, from 16 in steps of two", smoke=64, small=1024, paper=1024)
    memory_channels: int = option("channels of the networks", smoke=4, small=16, paper=16)
    # mutag
    mutag_graphs: int = option("molecules, at most", smoke=40, small=188, paper=188)
    mutag_folds: int = option("folds of the molecules", smoke=3, small=10, paper=10)
    mutag_epochs: int = option("epochs on molecules", smoke=1, small=60, paper=50)
    mutag_batch: int = option("molecules per step", smoke=40, small=188, paper=4)
    mutag_lr: float = option("learning rate on molecules", smoke=5e-3, small=5e-3, paper=1.5e-3)
    mutag_channels: int = option("channels of SPEN", smoke=4, small=16, paper=64)
    mutag_layers: int = option("layers before the last one", smoke=1, small=3, paper=4)
    mutag_sizes: int = option(
        "ego-networks of 2, 3, ... up to so many nodes have weights of their own", smoke=3, small=5, paper=4
    )
    # proteins
    proteins_graphs: int = option("proteins, at most", smoke=40, small=1113, paper=1113)
    proteins_folds: int = option("folds of the proteins", smoke=3, small=10, paper=10)
    proteins_epochs: int = option("epochs on proteins", smoke=1, small=10, paper=50)
    proteins_batch: int = option("proteins per step", smoke=20, small=64, paper=16)
    proteins_lr: float = option("learning rate on proteins", smoke=5e-3, small=5e-3, paper=6.4e-4)
    proteins_channels: int = option("channels of SPEN", smoke=4, small=16, paper=16)
    proteins_layers: int = option("layers before the last one", smoke=1, small=3, paper=7)
    proteins_sizes: int = option(
        "ego-networks of 2, 3, ... up to so many nodes have weights of their own", smoke=3, small=5, paper=22
    )
    # both sets
    weight_decay: float = option("of AdamW", smoke=1e-3, small=1e-3, paper=0.0)
    schedule: Literal["cosine", "steps"] = option(
        "learning rate: cosine, or a tenth every 30 epochs", smoke="cosine", small="cosine", paper="steps"
    )
    norm: Literal["batch", "graph"] = option("norm of SPEN", smoke="batch", small="batch", paper="graph")
    dropout: float = option("before the last layers of the head", smoke=0.0, small=0.0, paper=0.5)

    def check(self) -> None:
        least = {"folds": 3, "sizes": 2}
        for name in vars(self):
            block, _, what = name.partition("_")
            if what == "lr":
                if not 0 < getattr(self, name) < math.inf:
                    raise ConfigError(f"{name} is {getattr(self, name)}; it takes a positive number")
            elif block in WHOLE and getattr(self, name) < least.get(what, 1):
                raise ConfigError(f"{name} is {getattr(self, name)}; it takes a number from {least.get(what, 1)}")
        if self.memory_nodes < 32:
            raise ConfigError(f"memory_nodes is {self.memory_nodes}; it takes a whole number from 32")
        if not 0 <= self.weight_decay < math.inf:
            raise ConfigError(f"weight_decay is {self.weight_decay}; it takes a number from 0")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout is {self.dropout}; it takes a number from 0, below 1")
