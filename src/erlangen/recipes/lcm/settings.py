"""The settings of the recipe: a block for every experiment, named after it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from erlangen.recipes.config import Config as BaseConfig
from erlangen.recipes.config import ConfigError, option

BLOCKS = ("minimum", "depth", "multitask", "real")


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """Settings of learnable commutative monoids."""

    experiments = ("second-minimum", "depth", "pna-multitask", "real-graphs")

    seeds: int = option("number of seeds: seed, seed + 1, ...", smoke=2, small=3, paper=5)

    # second-minimum
    minimum_bits: int = option("bits of the numbers", smoke=3, small=5, paper=8)
    minimum_size: int = option("numbers in a set while learning, at most", smoke=4, small=8, paper=16)
    minimum_sets: int = option("sets to learn from", smoke=64, small=128000, paper=65536)
    minimum_epochs: int = option("epochs on sets", smoke=1, small=1, paper=1000)
    minimum_batch: int = option("sets per step", smoke=16, small=64, paper=128)
    minimum_channels: int = option("channels of the networks", smoke=8, small=32, paper=128)
    minimum_dropout: float = option(
        "dropout of the encoder, half of it in the decoder", smoke=0.0, small=0.0, paper=0.5
    )
    minimum_lr: float = option("highest learning rate", smoke=3e-3, small=3e-3, paper=1e-4)
    minimum_tests: int = option("sets of each test", smoke=16, small=1000, paper=1024)
    # depth
    depth_power: int = option("elements of the largest set, as a power of two", smoke=6, small=14, paper=14)
    depth_channels: int = option("channels of the aggregations", smoke=4, small=32, paper=32)
    depth_rounds: int = option("timings of each aggregation, in turn", smoke=1, small=3, paper=7)
    # pna-multitask
    multitask_train: int = option("graphs of each kind to learn from", smoke=1, small=64, paper=64)
    multitask_tests: int = option(
        "graphs of each kind to choose the epoch, and to test on", smoke=1, small=16, paper=64
    )
    multitask_epochs: int = option("epochs on graphs", smoke=1, small=30, paper=300)
    multitask_batch: int = option("graphs per step", smoke=5, small=32, paper=32)
    multitask_channels: int = option("channels of the networks", smoke=4, small=16, paper=32)
    multitask_layers: int = option("rounds of messages", smoke=2, small=4, paper=8)
    multitask_lr: float = option("learning rate at the start", smoke=3e-3, small=3e-3, paper=1e-3)
    # real-graphs
    real_epochs: int = option("epochs on each citation graph", smoke=1, small=100, paper=200)
    real_channels: int = option("channels of the networks", smoke=4, small=16, paper=64)

    def check(self) -> None:
        for name in vars(self):
            value = getattr(self, name)
            if name.partition("_")[0] in BLOCKS and isinstance(value, int) and value < 1:
                raise ConfigError(f"{name} is {value}; it takes a whole number from 1")
        for name in ("minimum_lr", "multitask_lr"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}; it takes a positive number")
        if not 0 <= self.minimum_dropout < 1:
            raise ConfigError(f"minimum_dropout is {self.minimum_dropout}; it takes a number from 0 to below 1")
        if self.minimum_bits > 16:
            raise ConfigError(f"minimum_bits is {self.minimum_bits}; it takes a whole number up to 16")
        if self.minimum_size < 2:
            raise ConfigError(f"minimum_size is {self.minimum_size}; it takes a whole number from 2")
        if self.depth_power < 6:
            raise ConfigError(f"depth_power is {self.depth_power}; it takes a whole number from 6")
