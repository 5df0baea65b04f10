"""The settings of the recipe: a block for every experiment, named after it; the last two share one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from erlangen.recipes.config import Config as BaseConfig
from erlangen.recipes.config import ConfigError, option

BLOCKS = ("random", "error", "digits")


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """Settings of convolutions on SL(2) and GL+(2)."""

    experiments = ("random-kernels", "equivariance-error", "affine-digits", "homographies")

    seeds: int = option("number of seeds: seed, seed + 1, ...", smoke=2, small=3, paper=5)

    # random-kernels
    random_train: int = option("digits that the readout learns from", smoke=60, small=2500, paper=8000)
    random_tests: int = option("digits to test on", smoke=40, small=2000, paper=2000)
    random_channels: int = option("random kernels", smoke=8, small=96, paper=96)
    random_samples: int = option("samples of each group", smoke=4, small=8, paper=24)
    random_variance: float = option("of the logarithms of stretches", 0.3)
    # equivariance-error
    error_images: int = option("digits that are moved", smoke=2, small=4, paper=16)
    error_draws: int = option("draws of samples, of each number", smoke=3, small=12, paper=32)
    error_power: int = option("samples from 2^2 to 2 to this", smoke=4, small=8, paper=10)
    error_channels: int = option("channels of the kernels", smoke=2, small=2, paper=4)
    error_variance: float = option("of the logarithms of stretches", 0.1)
    error_bound: float = option("of the stretches that weights for the invariant measure reach", 0.5)
    # affine-digits and homographies
    digits_published: bool = option(
        "learn from the digits that affNIST is published with", smoke=False, small=False, paper=True
    )
    digits_train: int = option("digits to learn from", smoke=48, small=1500, paper=50000)
    digits_tests: int = option("digits of each test", smoke=40, small=2000, paper=10000)
    digits_epochs: int = option("epochs", smoke=1, small=20, paper=50)
    digits_batch: int = option("digits per step", smoke=16, small=32, paper=128)
    digits_size: int = option("pixels along a side", smoke=20, small=20, paper=40)
    digits_channels: int = option("channels of the networks on groups", smoke=2, small=8, paper=40)
    digits_out_channels: int = option("channels of their last convolution", smoke=4, small=32, paper=40)
    digits_plain_channels: int = option("channels of the CNN, and a third of its last", smoke=2, small=16, paper=64)
    digits_wide_channels: int = option("channels of the wide CNN, likewise", smoke=3, small=48, paper=128)
    digits_samples: int = option("samples of each group", smoke=3, small=6, paper=10)
    digits_variance: float = option("of the logarithms of stretches", 0.1)
    digits_resample: bool = option("draw samples anew in each step of the training, as published", False)
    digits_lr: float = option("highest learning rate", smoke=3e-3, small=3e-3, paper=1e-3)
    digits_draws: int = option("draws of samples over which logits are averaged", smoke=2, small=4, paper=4)

    def check(self) -> None:
        for name in vars(self):
            value = getattr(self, name)
            if name.partition("_")[0] not in BLOCKS or isinstance(value, bool):
                continue
            if isinstance(value, int) and value < 1:
                raise ConfigError(f"{name} is {value}; it takes a whole number from 1")
            if isinstance(value, float) and not 0 < value < math.inf:
                raise ConfigError(f"{name} is {value}; it takes a positive number")
        if self.error_power < 4:
            raise ConfigError(f"error_power is {self.error_power}; it takes a whole number from 4, for a slope")
        if not 8 <= self.digits_size <= 40:
            raise ConfigError(f"digits_size is {self.digits_size}; it takes a whole number from 8 to 40")
