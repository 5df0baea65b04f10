"""The settings of the recipe: a block for every experiment, named after it."""

from __future__ import annotations

from dataclasses import dataclass

from erlangen.recipes.config import Config as BaseConfig
from erlangen.recipes.config import ConfigError, option


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """Settings of Gaunt tensor products."""

    experiments = ("same-function", "speed", "limits", "accuracy")

    # same-function
    function_degree: int = option("largest degree whose products are compared", smoke=3, small=10, paper=14)
    # speed
    speed_degree: int = option("largest degree that is timed", smoke=2, small=6, paper=10)
    speed_rounds: int = option("timings of each competitor, in turn", smoke=2, small=20, paper=20)
    # limits
    limits_steps: int = option("training steps on the pieces", smoke=10, small=300, paper=1000)
    limits_channels: int = option("channels of the network", smoke=4, small=8, paper=16)
    limits_turns: int = option("random rotations of every piece to test on", smoke=4, small=50, paper=100)
    # accuracy
    accuracy_train: int = option("configurations to learn from", smoke=10, small=450, paper=450)
    accuracy_validation: int = option("configurations to choose the epoch", smoke=5, small=50, paper=50)
    accuracy_tests: int = option("configurations of each test", smoke=5, small=500, paper=650)
    accuracy_epochs: int = option("epochs on configurations", smoke=1, small=40, paper=2000)
    accuracy_batch: int = option("configurations per step", smoke=5, small=10, paper=5)
    accuracy_channels: int = option("channels of the potential", smoke=4, small=16, paper=256)

    def check(self) -> None:
        for name in vars(self):
            if name.partition("_")[0] in ("function", "speed", "limits", "accuracy") and getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it takes a whole number from 1")
