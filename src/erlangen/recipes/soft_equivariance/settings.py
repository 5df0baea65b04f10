"""The settings of the recipe: a block for every experiment, named after it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from erlangen.recipes.config import Config as BaseConfig
from erlangen.recipes.config import ConfigError, did_you_mean, option

_LR = "learning rate at the start, of hard and residual networks"
_INIT = "first weights of the soft network: orthogonal, halfsoft, or rpp (see SoftEquivariantLinear)"


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """Settings of soft equivariance."""

    experiments = ("convex", "inertia", "cosine", "roads")

    # convex
    convex_vectors: int = option("vectors in, and vectors out", smoke=2, small=8, paper=8)
    convex_samples: int = option("samples to fit", smoke=5, small=20, paper=20)
    convex_noise: float = option("deviation of the noise of outputs", 0.1)
    convex_break: float = option("how much of the map keeps nothing", 0.1)
    convex_strength: float = option("strength of each penalty before tuning", 1.0)

    # inertia
    inertia_break: float = option("what the column is multiplied by, less one: -1 takes it away", -1.0)
    inertia_train: int = option("bodies to learn from", smoke=40, small=1000, paper=1000)
    inertia_tests: int = option("bodies to choose the epoch, and to test on", smoke=20, small=1000, paper=1000)
    inertia_steps: int = option("steps of each training", smoke=6, small=5000, paper=16000)
    inertia_batch: int = option("bodies per step", smoke=20, small=250, paper=500)
    inertia_lr: float = option(_LR, smoke=1e-2, small=1e-2, paper=1e-3)
    inertia_plain_lr: float = option("the same, of the plain network", 1e-3)
    inertia_soft_lr: float = option("the same, of the soft network", smoke=3e-3, small=3e-3, paper=1e-3)
    inertia_decay: float = option("weight decay", smoke=0.0, small=0.0, paper=2e-4)
    inertia_init: str = option(_INIT, smoke="rpp", small="rpp", paper="orthogonal")
    inertia_channels: int = option("size of hidden features on tensors", smoke=20, small=84, paper=128)
    inertia_width: int = option("size of hidden layers of the plain network", smoke=16, small=128, paper=384)
    inertia_strength: float = option("strength of each penalty before tuning", smoke=1.0, small=1.0, paper=100.0)
    # cosine
    cosine_break: float = option("factor of the term that breaks a symmetry", 1.0)
    cosine_train: int = option("triples to learn from", smoke=40, small=1000, paper=1000)
    cosine_tests: int = option("triples to choose the epoch, and to test on", smoke=20, small=1000, paper=1000)
    cosine_steps: int = option("steps of each training", smoke=6, small=3000, paper=8000)
    cosine_batch: int = option("triples per step", smoke=20, small=250, paper=250)
    cosine_lr: float = option("learning rate at the start, of networks on tensors", smoke=1e-2, small=1e-2, paper=1e-3)
    cosine_plain_lr: float = option("the same, of the plain network", 1e-3)
    cosine_channels: int = option("size of hidden features on tensors", smoke=20, small=84, paper=128)
    cosine_width: int = option("size of hidden layers of the plain network", smoke=16, small=128, paper=384)
    cosine_strength: float = option("strength of each penalty before tuning", 0.01)
    # roads
    roads_tracks: str = option(
        "where tracks are from: generated, or waymo (your export, see `erlangen data`)", "generated"
    )
    roads_unit: str = option("unit of coordinates: isotropic, or per-axis, which makes height as large", "isotropic")
    roads_train: int = option("tracks to learn from", smoke=40, small=1000, paper=13000)
    roads_tests: int = option("tracks to choose the epoch, and to test on", smoke=20, small=1000, paper=8000)
    roads_steps: int = option("steps of each training", smoke=6, small=2500, paper=50000)
    roads_batch: int = option("tracks per step", smoke=20, small=250, paper=128)
    roads_lr: float = option("learning rate at the start, of networks on tensors", smoke=1e-2, small=1e-2, paper=2e-4)
    roads_plain_lr: float = option("the same, of the plain network", smoke=1e-3, small=1e-3, paper=2e-4)
    roads_init: str = option(_INIT, smoke="rpp", small="rpp", paper="halfsoft")
    roads_channels: int = option("size of hidden features on tensors", smoke=20, small=84, paper=384)
    roads_width: int = option("size of hidden layers of the plain network", smoke=16, small=128, paper=384)
    roads_strength: float = option("strength of each penalty before tuning", 0.3)

    def check(self) -> None:
        for name in vars(self):
            value = getattr(self, name)
            if name.partition("_")[0] in self.experiments and isinstance(value, int) and value < 1:
                raise ConfigError(f"{name} is {value}; it takes a whole number from 1")
            if name.endswith(("_strength", "_lr")) and not 0 < value < math.inf:
                raise ConfigError(f"{name} is {value}; it takes a positive number")
            if name.endswith("_decay") and not 0 <= value < math.inf:
                raise ConfigError(f"{name} is {value}; it takes a number from 0")
            if name.endswith(("_noise", "_break")) and not math.isfinite(value):
                raise ConfigError(f"{name} is {value}; it takes a finite number")
        inits = ("orthogonal", "halfsoft", "rpp")
        words = {"roads_tracks": ("generated", "waymo"), "roads_unit": ("isotropic", "per-axis")}
        for name, takes in (words | {"inertia_init": inits, "roads_init": inits}).items():
            if getattr(self, name) not in takes:
                hint = did_you_mean(getattr(self, name), takes)
                raise ConfigError(f"{name} is {getattr(self, name)!r}; it takes {', '.join(takes)}{hint}")
