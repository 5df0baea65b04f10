"""The settings of the recipe: a block for every experiment, named after it."""

from __future__ import annotations

from dataclasses import dataclass

from erlangen.recipes.config import Config as BaseConfig
from erlangen.recipes.config import ConfigError, option


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """Settings of soft equivariance."""

    experiments = ("convex",)

    # convex
    convex_vectors: int = option("vectors in, and vectors out", smoke=2, small=8, paper=8)
    convex_samples: int = option("samples to fit", smoke=5, small=20, paper=20)
    convex_noise: float = option("deviation of the noise of outputs", 0.1)
    convex_break: float = option("how much of the map keeps nothing", 0.1)
    convex_strength: float = option("strength of each penalty before tuning", 1.0)

    def check(self) -> None:
        for name in vars(self):
            value = getattr(self, name)
            if name.partition("_")[0] in self.experiments and isinstance(value, int) and value < 1:
                raise ConfigError(f"{name} is {value}; it takes a whole number from 1")
