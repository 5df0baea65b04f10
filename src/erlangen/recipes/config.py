"""The settings of a recipe: a typed dataclass whose fields are its options on the command line."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

Size = Literal["smoke", "small", "paper"]
SIZES: tuple[Size, ...] = ("smoke", "small", "paper")
ALL = "all"
TRAININGS = "trainings"  # folder, beside the result, of what an interrupted run goes on from
_BY_SIZE, _HELP = "by_size", "help"
C = TypeVar("C", bound="Config")


class ConfigError(ValueError):
    """A setting does not exist or has no meaning; the message names it, what it got, and what it takes."""


def option(help: str, default: Any = MISSING, **by_size: Any) -> Any:
    """Declares a field of a `Config`, with its help and its default, or one default per size.

    Args:
        help: One line for the command line's help.
        default: Default at every size.
        **by_size: Instead of ``default``: ``smoke=``, ``small=`` and ``paper=``.

    Raises:
        TypeError: Unless there is a default or exactly one for each size.
    """
    if (default is MISSING) == (not by_size) or (by_size and set(by_size) != set(SIZES)):
        raise TypeError(f"option takes a default, or one for each of {', '.join(SIZES)}; got {sorted(by_size)}")
    if by_size:
        return field(default=None, metadata={_HELP: help, _BY_SIZE: by_size})
    return field(default=default, metadata={_HELP: help})


@dataclass(frozen=True, kw_only=True)
class Config:
    """What every recipe can be told. A recipe extends it by its own fields, each declared with `option`.

    A field that has one default per size takes the default of ``size`` unless it is given.

    Raises:
        ConfigError: If a value has no meaning.

    >>> Config(size="smoke").seeds, Config().seeds, Config(seeds=3).seed_list
    (2, 5, [0, 1, 2])
    """

    experiments: ClassVar[tuple[str, ...]] = ()
    """Names that ``experiment`` takes besides ``"all"``; a recipe sets them."""

    size: Size = option("smoke (seconds), small (minutes, shows the claims) or paper (the publication's own)", "small")
    seed: int = option("first seed", 0)
    seeds: int = option("number of seeds: seed, seed + 1, ...", smoke=2, small=5, paper=10)
    experiment: str = option("which experiment to run", ALL)
    data: Path | None = option("folder with data sets; default: $ERLANGEN_DATA (see `erlangen data`)", None)
    out: Path | None = option("folder for result.json and figures; default: runs/NAME", None)
    workers: int = option("processes that run seeds side by side", 1)
    device: str = option("where to compute: cpu, cuda, cuda:1, ...", "cpu")
    resume: bool = option("go on where an interrupted run into the same folder stopped", False)
    devices: int = option("devices that share a training, Lightning's", 1)
    num_nodes: int = option("machines that share it, Lightning's", 1)
    strategy: str = option("how they share it, Lightning's: ddp, fsdp, ddp_spawn, ...", "auto")

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ConfigError(f"size is {self.size!r}; it takes {', '.join(SIZES)}{did_you_mean(self.size, SIZES)}")
        for item in fields(self):
            if _BY_SIZE in item.metadata and getattr(self, item.name) is None:
                object.__setattr__(self, item.name, item.metadata[_BY_SIZE][self.size])
        for name in ("seeds", "workers", "devices", "num_nodes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it takes a whole number from 1")
        if self.workers > 1 and self.devices * self.num_nodes > 1:
            raise ConfigError(f"workers is {self.workers}; it takes 1 where devices or machines share a training")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; it takes a whole number from 0")
        takes = (ALL, *self.experiments)
        if self.experiment not in takes:
            hint = did_you_mean(self.experiment, takes)
            raise ConfigError(f"experiment is {self.experiment!r}; it takes {', '.join(takes)}{hint}")
        self.check()

    def check(self) -> None:
        """A recipe's own checks of its own fields; raises `ConfigError`."""

    @property
    def seed_list(self) -> list[int]:
        """The seeds, in order."""
        return list(range(self.seed, self.seed + self.seeds))

    @property
    def chosen(self) -> tuple[str, ...]:
        """The experiments to run."""
        return self.experiments if self.experiment == ALL else (self.experiment,)

    def to_dict(self) -> dict[str, Any]:
        """Settings that can change a number, as plain values: not where data lie or results go, workers, resume."""
        where = ("data", "out", "workers", "resume")
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name not in where}

    def output_folder(self, recipe: str) -> Path:
        """``out``, or ``runs/NAME`` below the current folder."""
        return Path("runs", recipe) if self.out is None else self.out

    def fit_options(self, *training: str | int) -> dict[str, Any]:
        """What a recipe hands on to each `erlangen.train.fit`: where its state is kept, and on what it runs.

        Args:
            *training: What tells this training from the recipe's others, for instance experiment, seed, network.

        >>> Config(out=Path("runs/mine"), resume=True).fit_options("nbody", 0, "egnn")["out"].as_posix()
        'runs/mine/trainings/nbody/0/egnn'
        """
        shared = {"devices": self.devices, "num_nodes": self.num_nodes, "strategy": self.strategy}
        if self.out is None:
            return shared
        folder = self.out.joinpath(TRAININGS, *map(str, training))
        return shared | {"out": folder, "resume": self.resume, "overwrite": not self.resume}

    @classmethod
    def options(cls) -> dict[str, tuple[Any, str]]:
        """Type and help of every field; the help names the default, or the default of each size."""
        types = typing.get_type_hints(cls)
        return {item.name: (types[item.name], _described(item.metadata, item.default)) for item in fields(cls)}

    @classmethod
    def from_dict(cls: type[C], settings: Mapping[str, Any]) -> C:
        """Builds a config from plain values, e.g. from a result's ``config``.

        Raises:
            ConfigError: If a setting is unknown; names the nearest known one.
        """
        known = cls.options()
        for name in settings:
            if name not in known:
                raise ConfigError(f"unknown setting {name!r}{did_you_mean(name, known)}")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
        for name in ("data", "out"):
            if values.get(name) is not None:
                values[name] = Path(values[name])
        return cls(**values)


def did_you_mean(given: str, known: typing.Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the nearest known word, or nothing.

    >>> did_you_mean("quikstart", ["quickstart", "other"])
    "; did you mean 'quickstart'?"
    >>> did_you_mean("zzz", ["quickstart"])
    ''
    """
    near = difflib.get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def _described(metadata: Mapping[str, Any], default: Any) -> str:
    if _BY_SIZE in metadata:
        return f"{metadata[_HELP]} (default by size: {', '.join(f'{k} {v}' for k, v in metadata[_BY_SIZE].items())})"
    return metadata[_HELP] if default is None else f"{metadata[_HELP]} (default: {default})"
