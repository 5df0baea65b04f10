"""The settings of the recipe: a block for every experiment, named after it."""

from __future__ import annotations

from dataclasses import dataclass

from erlangen.recipes.config import Config as BaseConfig
from erlangen.recipes.config import ConfigError, option


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """Settings of APEN."""

    experiments = ("oneshot", "articulated", "bound", "lambda")

    seeds: int = option("number of seeds: seed, seed + 1, ...", smoke=2, small=3, paper=3)

    # oneshot
    oneshot_steps: int = option("training steps of APEN on one arrangement", smoke=3, small=400, paper=10000)
    oneshot_points: int = option("points of each of four objects", smoke=32, small=64, paper=1024)
    oneshot_batch: int = option("scans per step", smoke=2, small=6, paper=6)
    oneshot_parts: int = option("Voronoi cells of the first partition", smoke=8, small=32, paper=256)
    oneshot_scenes: int = option("scenes to test on, with new arrangements", smoke=2, small=16, paper=64)
    oneshot_width: int = option("width of APEN", smoke=8, small=48, paper=128)
    # articulated
    articulated_steps: int = option("training steps of APEN, for each of two tasks", smoke=3, small=300, paper=10000)
    articulated_subjects: int = option("subjects", smoke=2, small=5, paper=10)
    articulated_points: int = option("points of a figure", smoke=96, small=256, paper=2048)
    articulated_batch: int = option("figures per step", smoke=2, small=5, paper=16)
    articulated_parts: int = option("Voronoi cells of the first partition", smoke=8, small=32, paper=256)
    articulated_tests: int = option("figures to test on, for each range of angles", smoke=4, small=100, paper=1000)
    articulated_width: int = option("width of APEN", smoke=8, small=48, paper=128)
    # bound
    bound_cases: int = option("random cases of each seed", smoke=5, small=100, paper=1000)
    bound_draws: int = option("partitions drawn in each case", smoke=10, small=200, paper=1000)
    # lambda
    lambda_points: int = option("points of two touching shapes", smoke=16, small=64, paper=1024)
    lambda_draws: int = option("clouds drawn for each number of parts", smoke=10, small=200, paper=200)

    def check(self) -> None:
        for name in vars(self):
            if name.partition("_")[0] in self.experiments and getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it takes a whole number from 1")
        if self.oneshot_parts > 4 * self.oneshot_points:
            raise ConfigError(f"oneshot_parts is {self.oneshot_parts}; it takes at most {4 * self.oneshot_points}")
        if self.articulated_points < max(6, self.articulated_parts):
            raise ConfigError(
                f"articulated_points is {self.articulated_points}; it takes at least {max(6, self.articulated_parts)}"
            )
        if self.lambda_points % 8:
            raise ConfigError(f"lambda_points is {self.lambda_points}; it takes a multiple of eight")
