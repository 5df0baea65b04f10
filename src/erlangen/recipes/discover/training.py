"""One seed of a discovery: networks with penalties of several strengths trained on one split, and moved samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.audit import Violation, measure_violation
from erlangen.groups import GL, O, Representation, Symmetry, inclusion
from erlangen.groups.representation import Scalar
from erlangen.recipes.discover.candidates import Candidate, read_candidates, space_of, split_list, usual_candidates
from erlangen.recipes.discover.moves import draw_elements
from erlangen.recipes.discover.penalised import Penalised
from erlangen.recipes.discover.samples import Samples, describe, read_raw
from erlangen.recipes.discover.settings import Discovery
from erlangen.recipes.seeds import Tick
from erlangen.symmetrize import SoftEMLP
from erlangen.train import DivergedError, fit

#: Steps between two validations, which are also looks at the distances.
EVERY = 25
#: Weight decay, with penalties and without.
DECAY = 1e-5
#: Test samples that are moved, at most.
MOVED = 2000


@dataclass
class Trained:
    """One network of one seed.

    Attributes:
        start: strength of its penalties at the start.
        validation: mean squared error on the samples for validation, in units of the spread of the answers.
        own: squared error of each test sample.
        varies: the same of the best constant answer.
        violations: of each candidate.
        strengths: at the end, by candidate.
        course: distances R by candidate, at each validation.
        steps: steps behind at each validation.
        tuned_at: the step at which strengths were tuned.
        seconds: of training.
    """

    start: float
    validation: float
    own: Tensor
    varies: Tensor
    violations: dict[str, Violation]
    strengths: dict[str, float]
    course: dict[str, list[float]] = field(default_factory=dict)
    steps: list[int] = field(default_factory=list)
    tuned_at: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Problem:
    """What a discovery is about: the samples and the candidates."""

    samples: Samples
    candidates: tuple[Candidate, ...]


def load(config: Discovery) -> Problem:
    """The samples and candidates of a config; read once in a process.

    Raises:
        ValueError: if they cannot be read, or do not fit together.
        MissingExtra: if a package is not installed that the format needs.
    """
    return _load(config.data, config.target, config.groups, config.inputs, config.output)


@lru_cache(maxsize=1)
def _load(data: Any, target: str | None, groups: str | None, inputs: str | None, output: str | None) -> Problem:
    words = None if groups is None else split_list(groups)
    dim = None if words is None else space_of(words)  # what is wrong in the words is said before anything is read
    raw = read_raw(data, target)
    dim = dim or raw.dim or 3
    words = words or split_list(usual_candidates(dim))
    candidates = tuple(read_candidates(words, dim))
    return Problem(describe(raw, dim, inputs, output), candidates)


def forget() -> None:
    """Lets `load` read anew: files change."""
    _load.cache_clear()


class Split:
    """Samples for training, validation and test, in units that groups leave alone, float32.

    All copies of a vector, or of a product of vectors, are divided by one number; from numbers that no group moves the
    mean is taken off, and each is divided by its deviation. Linear maps of space commute with all of that. Units are
    those of the training samples.
    """

    def __init__(self, samples: Samples, seed: int, validation: float, test: float) -> None:
        count = len(samples)
        held = [max(2, round(share * count)) for share in (test, validation)]
        if sum(held) > count - 2:
            raise ValueError(
                f"{samples.name}: {count} samples, of which {held[0]} to test and {held[1]} to choose the epoch leave "
                f"{count - sum(held)} to learn from; say less with --validation and --test"
            )
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
        parts = order.split([count - sum(held), held[1], held[0]])
        x = _in_units(samples.x, samples.rep_in, parts[0])
        y = _in_units(samples.y, samples.rep_out, parts[0])
        spread = (y[parts[0]] - y[parts[0]].mean(0)).square().sum(1).mean()
        if not spread > 0:
            raise ValueError(f"{samples.name}: something to learn, got the same answer in all training samples")
        y = y * (y.shape[1] / spread).sqrt()  # the best constant answer has a mean squared error of one
        self.train, self.validation, self.test = ((x[rows].float(), y[rows].float()) for rows in parts)


def _in_units(values: Tensor, rep: Representation, rows: Tensor) -> Tensor:
    out, at = [], 0
    for copies, part in rep.parts:
        block = values[:, at : at + copies * part.dim]
        at += copies * part.dim
        if isinstance(part, Scalar):  # each has a unit of its own
            block = block - block[rows].mean(0)
            size = block[rows].square().mean(0).sqrt()
        else:
            size = block[rows].square().mean().sqrt()
        out.append(block / torch.where(size > 0, size, 1.0))
    return torch.cat(out, 1)


def passes(config: Discovery, count: int) -> int:
    """How often the training samples are gone through in an epoch, so that it has about `EVERY` steps."""
    return max(1, round(EVERY * config.batch_size / count))


def epochs(config: Discovery, count: int) -> tuple[int, int]:
    """Epochs, and steps of each."""
    steps = math.ceil(passes(config, count) * count / config.batch_size)
    return max(1, round(config.steps / steps)), steps


def steps(config: Discovery, samples: Samples) -> int:
    """Ticks of one seed."""
    train = len(Split(samples, config.seed, config.validation, config.test).train[0])
    return math.prod(epochs(config, train)) * len(config.starts)


def one_seed(config: Discovery, seed: int, tick: Tick) -> list[Trained]:
    """Trains and measures a network for every strength, on one split."""
    problem = load(config)
    split = Split(problem.samples, seed, config.validation, config.test)
    return [_trained(config, problem, split, start, seed, tick) for start in config.starts]


def build(config: Discovery, problem: Problem, start: float, seed: int, total: int) -> Penalised:
    """The network before its training.

    It is made of products that turn with space, whatever the candidates are: contractions of vectors change under
    stretches, but networks without them learn little else. So weights that stretches leave alone do not yet make a
    network that they leave alone, and what is said of stretches rests on moved samples.
    """
    samples = problem.samples
    space = samples.rep_in.group.matrix_dim
    network = SoftEMLP(
        samples.rep_in,
        samples.rep_out,
        [inclusion(O(space), GL(space))],
        channels=config.channels,
        num_layers=config.layers,
        generator=torch.Generator().manual_seed(seed),
    )
    homs = [candidate.hom for candidate in problem.candidates]
    return Penalised(network, homs, start, config.power, total, config.tune_at, EVERY)


def loss(model: nn.Module, batch: Sequence[Tensor], about: str = "") -> Tensor:
    """Mean squared error, and the penalties.

    Args:
        model: the network with its penalties.
        batch: inputs and answers.
        about: what else decides the numbers: a training that was interrupted goes on only where it is the same.
    """
    assert isinstance(model, Penalised)
    x, y = batch
    return (model(x) - y).square().mean() + model.penalty()


def metrics(model: nn.Module, batch: Sequence[Tensor]) -> Mapping[str, Tensor | float]:
    """The error, which decides once weights may be chosen, and distances from each candidate."""
    assert isinstance(model, Penalised)
    x, y = batch
    error = float((model(x) - y).square().mean())
    distances = {f"R{i}": float(value) for i, value in enumerate(model.distances())}
    return {"chosen": error if model.may_be_chosen else math.nan} | distances


def _trained(config: Discovery, problem: Problem, split: Split, start: float, seed: int, tick: Tick) -> Trained:
    x, y = split.train
    often = passes(config, len(x))
    count, per_epoch = epochs(config, len(x))
    model = build(config, problem, start, seed, count * per_epoch).to(config.device)
    try:
        fitted = fit(
            model,
            (x.repeat(often, 1), y.repeat(often, 1)),
            partial(loss, about=_about(config, problem)),
            val_data=split.validation,
            val_batch_size=len(split.validation[0]),
            metrics=metrics,
            monitor="val_chosen",
            epochs=count,
            batch_size=config.batch_size,
            lr=config.lr,
            weight_decay=DECAY,
            schedule="cosine",
            clip=1.0,
            seed=seed,
            progress=tick,
            **config.fit_options("discover", seed, f"{start:g}"),
        )
    except DivergedError as error:
        raise DivergedError(f"strength {start:g} (seed {seed}): {str(error).partition(';')[0]}") from error
    names = [candidate.name for candidate in problem.candidates]
    inputs, wanted = (part[:MOVED].double() for part in split.test)
    network = model.network.cpu()
    violations = {
        candidate.name: measure_violation(
            network,
            inputs,
            symmetry=promise(problem.samples, candidate),
            target=wanted,
            elements=draw_elements(candidate.hom.source, inputs, problem.samples.rep_in, config.elements, seed),
        )
        for candidate in problem.candidates
    }
    own = next(iter(violations.values())).own
    assert own is not None and fitted.best is not None
    return Trained(
        start,
        fitted.best,
        own,
        (wanted - split.train[1].double().mean(0)).square().sum(1),
        violations,
        dict(zip(names, model.strengths, strict=True)),
        {name: [float(row[f"val_R{i}"]) for row in fitted.history] for i, name in enumerate(names)},
        [per_epoch * (i + 1) for i in range(len(fitted.history))],
        model.tuned_at,
        fitted.processor_seconds if config.device == "cpu" else fitted.seconds,
    )


def _about(config: Discovery, problem: Problem) -> str:
    names = ", ".join(candidate.name for candidate in problem.candidates)
    return f"{names}; power {config.power:g}, tuned at {config.tune_at:g}; {problem.samples}"


def promise(samples: Samples, candidate: Candidate) -> Symmetry:
    """That the answer moves as the candidate says."""
    hom = candidate.hom
    return Symmetry(hom.source, (samples.rep_in.along(hom),), samples.rep_out.along(hom))
