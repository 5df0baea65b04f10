"""The settings of a comparison: which clouds, which networks, what budget."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from erlangen.recipes.compare.methods import METHODS
from erlangen.recipes.config import Config, ConfigError, Size, did_you_mean, option


@dataclass(frozen=True, kw_only=True)
class Comparison(Config):
    """Settings of a comparison on a user's own clouds."""

    task: Literal["points"] = option("what kind of data: points", "points")
    data: Path | None = option("the clouds: a file, a folder, or package.module:function; see above", None)
    target: str | None = option(
        "what to learn, by its name in the data (default: y, y_node, vectors, energy, ...)", None
    )
    target_kind: Literal["auto", "classes", "numbers", "vectors"] = option(
        "classes, numbers or vectors (which turn with the cloud); auto tells by type and name", "auto"
    )
    methods: str = option("which networks, joined by commas, or all", "all")
    group: Literal["O", "SO"] = option(
        "who acts: O (turns and mirrors) or SO (turns alone, where mirror images differ); the symmetry error is "
        "measured for it, frames and augmentation are made of it",
        "O",
    )
    size: Size = option("smoke (seconds: is the file read right?), small (minutes) or paper (wide and long)", "small")
    seeds: int = option("number of seeds, each with its own split: seed, seed + 1, ...", smoke=1, small=3, paper=5)
    epochs: int = option("passes through the clouds, the same for each network", smoke=2, small=30, paper=300)
    batch_size: int = option("clouds per step", 16)
    lr: float = option("learning rate of Adam, which falls along a cosine", 2e-3)
    hidden: int = option(
        "width of the GNN; the others are as wide as gives as many weights", smoke=8, small=32, paper=128
    )
    num_layers: int = option("layers", smoke=2, small=3, paper=5)
    neighbours: int | None = option(
        "nearest neighbours that each point hears where the data have no edges; 0: all points (default: all up to 32 "
        "points, else 16)",
        None,
    )
    validation: float = option("share of the clouds that chooses the epoch", 0.1)
    test: float = option("share of the clouds that is tested on", 0.2)

    def check(self) -> None:
        for name in ("epochs", "batch_size", "hidden", "num_layers"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"--{name.replace('_', '-')} is {getattr(self, name)}; it takes a whole number from 1"
                )
        for name in ("validation", "test"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"--{name} is {getattr(self, name)}; it takes a share between 0 and 1")
        if not 0 < self.lr < float("inf"):
            raise ConfigError(f"--lr is {self.lr}; it takes a positive number")
        if self.neighbours is not None and self.neighbours < 0:
            raise ConfigError(f"--neighbours is {self.neighbours}; it takes a whole number from 0")
        if self.data is None:
            raise ConfigError("--data is missing; it takes a file, a folder, or package.module:function")
        if not self.asked:
            raise ConfigError(f"--methods names none; it takes all, or some of {', '.join(METHODS)}")
        for name in self.asked:
            if name not in METHODS:
                hint = did_you_mean(name, METHODS)
                raise ConfigError(f"--methods names {name!r}; it takes all, or some of {', '.join(METHODS)}{hint}")

    @property
    def asked(self) -> list[str]:
        """The networks that were asked for, in the order of the catalogue's."""
        if self.methods == "all":
            return list(METHODS)
        asked = [word.strip() for word in self.methods.split(",") if word.strip()]
        return sorted(set(asked), key=lambda name: list(METHODS).index(name) if name in METHODS else -1)

    def to_dict(self) -> dict[str, Any]:
        """Here the data are no place where to look for them, but what the numbers are about."""
        return {"data": str(self.data)} | super().to_dict()

    @classmethod
    def options(cls) -> dict[str, tuple[Any, str]]:
        """What the comparison is about comes first; and there is one experiment."""
        known = super().options()
        first = ("task", "data", "target", "target_kind", "methods", "group")
        return {name: known[name] for name in (*first, *known) if name != "experiment"}
