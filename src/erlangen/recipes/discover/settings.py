"""The settings of a discovery: which data or which model, which groups, what budget."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erlangen.recipes.config import Config, ConfigError, Size, option


@dataclass(frozen=True, kw_only=True)
class Discovery(Config):
    """Settings of a discovery on a user's own data, or of a user's own model."""

    data: Path | None = option("the samples: a file, a folder, or package.module:function; see above", None)
    model: str | None = option("instead of data, a trained model: package.module:function; see above", None)
    groups: str | None = option(
        "the candidates, joined by commas; default in space: 'O(3), SO(3), O(2)@xy, O(2)@yz, O(2)@xz, Scaling'", None
    )
    inputs: str | None = option("how they act on the inputs, e.g. '5*scalar+5*vector'; default: by shape", None)
    output: str | None = option("how they act on the output, e.g. 'vector*vector'; default: by shape", None)
    target: str | None = option("what to learn, by its name in the data (default: y, ...)", None)
    size: Size = option("smoke (seconds: is the file read right?), small (minutes) or paper (long and wide)", "small")
    seeds: int = option("number of seeds, each with its own split: seed, seed + 1, ...", smoke=1, small=3, paper=5)
    steps: int = option("steps of training", smoke=40, small=4000, paper=30000)
    batch_size: int = option("samples per step", 250)
    lr: float = option("learning rate of Adam, which falls along a cosine", 2e-3)
    channels: int = option("numbers between two layers", smoke=32, small=84, paper=256)
    layers: int = option("layers", smoke=2, small=3, paper=4)
    strengths: str = option(
        "strengths of all penalties until they are tuned: a network is trained with each; 0 is one without penalties",
        smoke="0,1",
        small="0,0.01,0.1,1",
        paper="0,0.01,0.1,1",
    )
    power: float = option("how much weaker a penalty becomes: by so many powers of its ratio to the least", 2.0)
    tune_at: float = option("share of the steps after which the strengths are tuned", 0.4)
    validation: float = option("share of the samples that chooses the epoch", 0.15)
    test: float = option("share of the samples that is tested on", 0.25)
    elements: int = option("elements of each group that a test sample is moved by", smoke=4, small=16, paper=32)

    def check(self) -> None:
        for name in ("steps", "batch_size", "channels", "layers", "elements"):
            if getattr(self, name) < 1:
                flag = name.replace("_", "-")
                raise ConfigError(f"--{flag} is {getattr(self, name)}; it takes a whole number from 1")
        for name in ("validation", "test", "tune_at"):
            if not 0 < getattr(self, name) < 1:
                flag = name.replace("_", "-")
                raise ConfigError(f"--{flag} is {getattr(self, name)}; it takes a share between 0 and 1")
        for name in ("lr", "power"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"--{name} is {getattr(self, name)}; it takes a positive number")
        if self.data is None and self.model is None:
            raise ConfigError("--data or --model is missing; --data takes a file, a folder, or package.module:function")
        if self.data is not None and self.model is not None:
            raise ConfigError("--data and --model are given; a model is looked at alone, with inputs of its factory's")
        if self.model is not None and self.target is not None:
            raise ConfigError("--target goes with --data; what a model should answer is not asked")

        if not any(self.starts):
            raise ConfigError(f"--strengths is {self.strengths!r}; it takes at least one above zero")

    @property
    def starts(self) -> list[float]:
        """The strengths, each once, ascending; without penalties comes first."""
        try:
            found = sorted({float(word) for word in self.strengths.split(",")})
        except ValueError:
            found = [-1.0]
        if not all(0 <= value < float("inf") for value in found):
            raise ConfigError(f"--strengths is {self.strengths!r}; it takes numbers from 0, joined by commas")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Here the data are no place where to look for them, but what the numbers are about."""
        return {"data": None if self.data is None else str(self.data)} | super().to_dict()

    @classmethod
    def options(cls) -> dict[str, tuple[Any, str]]:
        """What the discovery is about comes first; and there is one experiment."""
        known = super().options()
        first = ("data", "model", "groups", "inputs", "output", "target")
        return {name: known[name] for name in (*first, *known) if name != "experiment"}
