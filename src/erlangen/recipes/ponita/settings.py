"""The settings of the recipe: a block for every experiment, named after it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from erlangen.recipes.config import Config as BaseConfig
from erlangen.recipes.config import ConfigError, option

BLOCKS = ("nbody", "directional", "forces", "superpixels", "generation", "properties")
IMAGES = {"digits": 1797, "mnist": 10000}


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """Settings of networks between positions and orientations."""

    experiments = ("nbody", "directional", "forces", "superpixels", "generation", "properties")

    seeds: int = option("number of seeds: seed, seed + 1, ...", smoke=2, small=3, paper=5)

    # nbody
    nbody_sims: int = option("simulations to learn from", smoke=20, small=1000, paper=3000)
    nbody_validation: int = option("simulations to choose the epoch", smoke=10, small=400, paper=2000)
    nbody_tests: int = option("simulations to test on", smoke=10, small=400, paper=2000)
    nbody_epochs: int = option("epochs on particles", smoke=1, small=60, paper=10000)
    nbody_batch: int = option("simulations per step", smoke=10, small=50, paper=100)
    nbody_channels: int = option("channels of PONITA", smoke=8, small=32, paper=128)
    nbody_layers: int = option("layers of all networks", smoke=2, small=4, paper=5)
    # directional
    directional_train: int = option("chains, and clusters, to learn from", smoke=20, small=1000, paper=1000)
    directional_tests: int = option("chains, and clusters, to test on", smoke=20, small=400, paper=400)
    directional_epochs: int = option("epochs on chains", smoke=1, small=50, paper=100)
    directional_cluster_epochs: int = option("epochs on clusters", smoke=1, small=60, paper=100)
    directional_batch: int = option("chains, and clusters, per step", smoke=10, small=50, paper=50)
    directional_channels: int = option("channels of the networks", smoke=8, small=32, paper=128)
    # forces
    forces_train: int = option("configurations to learn from", smoke=10, small=450, paper=450)
    forces_validation: int = option("configurations to choose the epoch", smoke=5, small=50, paper=50)
    forces_tests: int = option("configurations of each test", smoke=5, small=200, paper=650)
    forces_epochs: int = option("epochs on configurations", smoke=1, small=16, paper=5000)
    forces_3bpa: int = option("configurations of 3BPA to learn from", smoke=10, small=100, paper=450)
    forces_3bpa_epochs: int = option("epochs on them", smoke=1, small=30, paper=5000)
    forces_times: int = option("times the epochs for a PNITA that takes PONITA's time", smoke=2, small=4, paper=10)
    forces_batch: int = option("configurations per step", smoke=5, small=5, paper=5)
    forces_orientations: int = option("orientations of PONITA's grid", smoke=4, small=12, paper=20)
    forces_channels: int = option("channels of PONITA and PNITA", smoke=8, small=32, paper=128)
    forces_layers: int = option("layers of all networks", smoke=2, small=3, paper=5)
    forces_lr: float = option("learning rate at the start", smoke=2e-3, small=2e-3, paper=5e-4)
    # superpixels
    superpixels_images: Literal["digits", "mnist"] = option(
        "scikit-learn's digits pixel by pixel, or MNIST's in superpixels", smoke="digits", small="digits", paper="mnist"
    )
    superpixels_train: int = option("digits to learn from", smoke=40, small=1200, paper=8000)
    superpixels_tests: int = option("digits to test on", smoke=40, small=500, paper=2000)
    superpixels_epochs: int = option("epochs on digits", smoke=1, small=24, paper=100)
    superpixels_batch: int = option("digits per step", smoke=20, small=12, paper=96)
    superpixels_channels: int = option("channels of the networks", smoke=8, small=32, paper=128)
    # generation
    generation_heavy: int = option("atoms of C, N, O, F in a molecule, at most", smoke=2, small=4, paper=9)
    generation_train: int = option("molecules to learn from", smoke=8, small=250, paper=100000)
    generation_validation: int = option("molecules to choose the epoch", smoke=2, small=30, paper=5000)
    generation_epochs: int = option("epochs on molecules", smoke=2, small=120, paper=1000)
    generation_batch: int = option("molecules per step", smoke=4, small=16, paper=96)
    generation_orientations: int = option("orientations of PONITA's grid", smoke=4, small=12, paper=16)
    generation_channels: int = option("channels of PONITA; the EGNN has a quarter more", smoke=8, small=32, paper=256)
    generation_layers: int = option("layers of both networks", smoke=2, small=5, paper=9)
    generation_lr: float = option("learning rate at the start", smoke=5e-3, small=5e-3, paper=5e-4)
    generation_average: float = option("decay of the average of weights", smoke=0.9, small=0.995, paper=0.9999)
    generation_samples: int = option("molecules sampled from each network", smoke=6, small=200, paper=10000)
    generation_steps: int = option("steps of the sampler, of a thousand", smoke=20, small=100, paper=1000)
    # properties
    properties_heavy: int = option("most atoms of a molecule besides hydrogen", smoke=4, small=7, paper=9)
    properties_train: int = option("molecules to learn from", smoke=40, small=1000, paper=110000)
    properties_validation: int = option("molecules to choose the epoch", smoke=10, small=200, paper=10000)
    properties_tests: int = option("molecules to test on", smoke=20, small=500, paper=10000)
    properties_epochs: int = option("epochs on molecules", smoke=1, small=12, paper=1000)
    properties_times: int = option("times the epochs for a PNITA that takes PONITA's time", smoke=2, small=4, paper=10)
    properties_batch: int = option("molecules per step", smoke=20, small=10, paper=96)
    properties_orientations: int = option("orientations of PONITA's grid", smoke=4, small=12, paper=16)
    properties_channels: int = option("channels of PONITA and PNITA", smoke=8, small=32, paper=256)
    properties_layers: int = option("layers of all networks", smoke=2, small=3, paper=9)
    properties_lr: float = option("learning rate at the start", smoke=2e-3, small=2e-3, paper=5e-4)

    def check(self) -> None:
        for name in vars(self):
            value = getattr(self, name)
            if name.partition("_")[0] in BLOCKS and isinstance(value, int) and value < 1:
                raise ConfigError(f"{name} is {value}; it takes a whole number from 1")
        for name in ("generation_heavy", "properties_heavy"):
            if getattr(self, name) > 9:
                raise ConfigError(f"{name} is {getattr(self, name)}; it takes a whole number from 1 to 9")
        for name in ("forces_lr", "generation_lr", "properties_lr"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}; it takes a positive number")
        if not 0 <= self.generation_average < 1:
            raise ConfigError(f"generation_average is {self.generation_average}; it takes a number from 0 to below 1")
        if self.generation_steps > 1000:
            raise ConfigError(f"generation_steps is {self.generation_steps}; it takes a whole number from 1 to 1000")
        if self.generation_orientations < 4:
            takes = "it takes a whole number from 4, since fewer do not span the space"
            raise ConfigError(f"generation_orientations is {self.generation_orientations}; {takes}")
        wanted, there = self.superpixels_train + self.superpixels_tests, IMAGES[self.superpixels_images]
        if wanted > there:
            takes = f"{self.superpixels_images} has {there} images"
            raise ConfigError(f"superpixels_train and superpixels_tests are {wanted} together; {takes}")
