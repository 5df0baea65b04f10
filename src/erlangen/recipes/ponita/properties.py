r"""Properties of small molecules: what orientations bring where the answer depends on bonds, charges and shape.

Molecules of a few C, N, O and F are grown and embedded by rdkit (`erlangen.data.small_molecules`), and rdkit computes
what is to be learnt (`erlangen.recipes.ponita.targets`), with what their numbers of atoms say already taken out. One
network says all properties of a molecule at once. In the first four networks every atom hears every other: PONITA with
a grid of orientations, on molecules turned at random; PNITA, which sees distances alone, for as many epochs and for as
much time; an EGNN. In the fifth, PONITA with the orientations of its edges, these are bonds: of all pairs it would have
to hear all pairs.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.data.small_molecules import Molecule, small_molecules
from erlangen.groups import SO
from erlangen.points import EGNN, PONITA
from erlangen.recipes.config import ConfigError
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.ponita.clouds import (
    Clouds,
    answer,
    audited,
    cloud,
    inputs,
    joined,
    moved_to,
    turned,
    turned_at_random,
)
from erlangen.recipes.ponita.grids import grid_of
from erlangen.recipes.ponita.settings import Config
from erlangen.recipes.ponita.targets import ELEMENTS, TARGETS, Composition, bonds_of, properties
from erlangen.recipes.progress import progress_bar
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Check, Claim, Table, new_figure, save_figure
from erlangen.train import fit

NAME = "properties"


@dataclass(frozen=True)
class Method:
    """A network and how it is trained.

    Args:
        title: As tables show it.
        build: Makes the network.
        cost: About how long a step takes against one of PNITA, for the progress bar.
        longer: Whether it is trained for as many more epochs as take PONITA's time.
        exact: Whether it keeps all rotations; else it is trained on turned molecules.
        bonds: Whether edges are bonds; else all pairs.
    """

    title: str
    build: Callable[[Config], nn.Module]
    cost: int = 1
    longer: bool = False
    exact: bool = True
    bonds: bool = False


def _ponita(config: Config, number: int) -> nn.Module:
    sizes = config.properties_channels, len(TARGETS), config.properties_layers
    # Read out after the last layer, as published for QM9.
    return PONITA(len(ELEMENTS), *sizes, num_ori=number, grid=grid_of(number), multiple_readouts=False)


def _egnn(config: Config) -> nn.Module:
    return EGNN(len(ELEMENTS), config.properties_channels * 5 // 4, len(TARGETS), config.properties_layers)


METHODS = {
    "ponita": Method("PONITA", lambda c: _ponita(c, c.properties_orientations), cost=10, exact=False),
    "pnita": Method("PNITA", lambda c: _ponita(c, 0)),
    "egnn": Method("EGNN", _egnn),
    "pnita_longer": Method("PNITA, equal time", lambda c: _ponita(c, 0), longer=True),
    "lifted": Method("PONITA, orientations of bonds", lambda c: _ponita(c, -1), cost=2, bonds=True),
}


def _claim(name: str, statement: str, margin: float, ours: str, baseline: str, relation: Any = "<") -> Claim:
    return Claim(
        f"properties-{name}", statement, relation, margin=margin, form="ratio", required_seeds=3, experiment=NAME,
        ours=ours, baseline=baseline,
    )  # fmt: skip


# Written before the first run. Settings of size small are not: batches, the epochs in which PNITA takes PONITA's time,
# and where PONITA and PNITA are read out were changed later. In the publication's table of QM9, PONITA's errors with a
# grid are 0.76 of PNITA's on the whole: 0.59 for the dipole, 0.78 for the energy, but 1.5 for the extent in space.
CLAIMS = (
    _claim(
        "mean", "At equal epochs PONITA's mean error over all properties is at most 0.9 of PNITA's.", 0.9,
        "ponita_mean", "pnita_mean",
    ),
    _claim(
        "equal-time", "It is lower than that of a PNITA trained for as long.", 1.0,
        "ponita_mean", "pnita_longer_mean",
    ),
    _claim(
        "egnn", "At equal epochs it is lower than the EGNN's.", 1.0,
        "ponita_mean", "egnn_mean",
    ),
    _claim(
        "dipole", "PONITA's error of the dipole is at most 0.8 of PNITA's.", 0.8,
        "ponita_dipole", "pnita_dipole",
    ),
    _claim(
        "energy", "Its error of the energy is lower.", 1.0,
        "ponita_energy", "pnita_energy",
    ),
    _claim(
        "gyration", "Its error of the radius of gyration, a matter of distances, is not.", 1.0,
        "ponita_gyration", "pnita_gyration", relation=">",
    ),
)  # fmt: skip


@dataclass
class Outcome:
    """What one seed measured; ``scale`` is the unit of each property's errors."""

    metrics: dict[str, float] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    scale: list[float] = field(default_factory=list)
    audits: list[dict[str, Any]] = field(default_factory=list)


def run(config: Config) -> Findings:
    """Makes the molecules, then trains the networks of every seed."""
    with progress_bar("molecules", _count(config)) as tick:
        try:
            grown(config, tick)
        except ValueError as error:
            raise ConfigError(f"properties_train, properties_validation and properties_tests: {error}") from error
    batches = math.ceil(config.properties_train / config.properties_batch)
    steps = sum(_epochs(kind, config) * method.cost for kind, method in METHODS.items()) * batches
    outcomes = over_seeds(one_seed, config, NAME, steps=steps)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    tables = [_table(metrics, outcomes, config), _networks(metrics, outcomes[0], config)]
    findings = Findings(metrics, tables, {}, _checks(metrics), outcomes[0].audits)
    if config.out is not None:
        findings.figures = {"properties.png": "Error of each property, against what is left to learn (mean, range)"}
        _draw(metrics, config.out / "properties.png")
    return findings


def grown(config: Config, progress: Callable[[], object] | None = None) -> list[Molecule]:
    """The molecules, the same ones for all seeds."""
    return small_molecules(_count(config), heavy=config.properties_heavy, progress=progress)


def _count(config: Config) -> int:
    return config.properties_train + config.properties_validation + config.properties_tests


def _epochs(kind: str, config: Config) -> int:
    return config.properties_epochs * (config.properties_times if METHODS[kind].longer else 1)


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and tests the networks of one seed, on a split of its own."""
    molecules = grown(config)
    order = torch.randperm(len(molecules), generator=torch.Generator().manual_seed(seed)).tolist()
    molecules = [molecules[i] for i in order]
    values = torch.stack([properties(molecule) for molecule in molecules])
    ends = config.properties_train, config.properties_train + config.properties_validation
    composition = Composition.of(molecules[: ends[0]], values[: ends[0]])
    left = composition.left(molecules, values)
    outcome = Outcome(_mean_errors("composition", left[ends[1] :]), {}, composition.scale.tolist())
    for kind, method in METHODS.items():
        clouds = [cloud_of(molecule, row, method.bonds) for molecule, row in zip(molecules, left, strict=True)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = method.build(config).to(config.device)
        train, validation, tests = clouds[: ends[0]], clouds[ends[0] : ends[1]], clouds[ends[1] :]
        outcome.metrics[f"{kind}_seconds"] = _train(kind, network, train, validation, config, seed, tick)
        outcome.weights[kind] = sum(parameter.numel() for parameter in network.parameters())
        said, other = predict(network, tests, seed, config.device)
        outcome.metrics |= _mean_errors(kind, said - left[ends[1] :])
        outcome.metrics[f"{kind}_turned"] = float((said - other).abs().mean())
        few = moved_to(joined(validation[:2]), config.device)
        outcome.audits.append(audited(method.title, network, *inputs(few)))
    return outcome


def cloud_of(molecule: Molecule, target: Tensor, bonds: bool) -> Clouds:
    """A molecule, its elements as features; the edges are its bonds, or all pairs."""
    edges = bonds_of(molecule) if bonds else None
    x = (molecule.numbers[:, None] == torch.tensor(ELEMENTS)).float()
    return cloud(molecule.position.float(), edges, x=x, scalar=target.float())


def loss(network: nn.Module, batch: Any) -> Tensor:
    """The mean absolute error over molecules and properties."""
    clouds = Clouds(*batch)
    return (answer(network, clouds).scalar - clouds.scalar).abs().mean()


def turned_loss(network: nn.Module, batch: Any) -> Tensor:
    """The same on molecules that are turned at random while the network learns."""
    return loss(network, turned_at_random(Clouds(*batch)) if network.training else batch)


def _train(
    kind: str,
    network: nn.Module,
    train: list[Clouds],
    validation: list[Clouds],
    config: Config,
    seed: int,
    tick: Tick,
) -> float:
    method = METHODS[kind]
    fitted = fit(
        network,
        train,
        loss if method.exact else turned_loss,
        val_data=validation,
        epochs=_epochs(kind, config),
        batch_size=config.properties_batch,
        lr=config.properties_lr,
        schedule="cosine",
        clip=0.5,
        seed=seed,
        collate=joined,
        progress=lambda: tick(method.cost),
        **config.fit_options(NAME, seed, kind),
    )
    return fitted.processor_seconds if config.device == "cpu" else fitted.seconds


def predict(network: nn.Module, clouds: Sequence[Clouds], seed: int, device: str) -> tuple[Tensor, Tensor]:
    """What a network says of molecules as they are, and each turned at random, ``(molecules, properties)``."""
    generator, said, other = torch.Generator().manual_seed(seed), [], []
    with torch.no_grad():
        for first in range(0, len(clouds), 50):
            batch = joined(clouds[first : first + 50])
            turn = SO(3).sample(len(batch.scalar), generator=generator)
            for parts, moved in ((said, batch), (other, turned(batch, turn))):
                parts.append(answer(network, moved_to(moved, device)).scalar.double().cpu())
    return torch.cat(said), torch.cat(other)


def _mean_errors(kind: str, off: Tensor) -> dict[str, float]:
    each = off.abs().mean(0)
    return {f"{kind}_{name}": float(value) for name, value in zip(TARGETS, each, strict=True)} | {
        f"{kind}_mean": float(each.mean())
    }


def _checks(metrics: dict[str, list[float]]) -> list[Check]:
    change = max(max(metrics[f"{kind}_turned"]) for kind, method in METHODS.items() if method.exact)
    statement = "Without a grid, turning a molecule changes no property, to 1e-4 of its deviation."
    return [Check("properties-exact", statement, change <= 1e-4, f"{change:.1e}")]


def _spread(numbers: Sequence[float]) -> str:
    values = torch.tensor(numbers, dtype=torch.float64)
    return f"{values.mean():.3g}" + (f" ± {values.std():.2g}" if len(numbers) > 1 else "")


def _table(metrics: dict[str, list[float]], outcomes: Sequence[Outcome], config: Config) -> Table:
    kinds = ["composition", *METHODS]
    rows: list[list[Any]] = []
    for place, (name, (title, unit)) in enumerate(TARGETS.items()):
        scales = [outcome.scale[place] for outcome in outcomes]
        label = f"{title}, {unit}" if unit else title
        cells = [_spread([s * v for s, v in zip(scales, metrics[f"{kind}_{name}"], strict=True)]) for kind in kinds]
        rows.append([label, *cells])
    rows.append(["mean against deviation", *(_spread(metrics[f"{kind}_mean"]) for kind in kinds)])
    note = (
        f"Mean absolute errors on {config.properties_tests} molecules of {config.properties_heavy} heavy atoms at "
        f"most, mean ± deviation over seeds; {config.properties_train} to learn from, {config.properties_validation} "
        "to choose the epoch. The deviation is that of what numbers of atoms do not say."
    )
    titles = ["numbers of atoms", *(method.title for method in METHODS.values())]
    return Table("Properties of small molecules", ["property", *titles], rows, note)


def _networks(metrics: dict[str, list[float]], outcome: Outcome, config: Config) -> Table:
    rows: list[list[Any]] = []
    for kind, method in METHODS.items():
        seconds = metrics[f"{kind}_seconds"]
        edges = "bonds" if method.bonds else "all pairs"
        change = f"{max(metrics[f'{kind}_turned']):.1e}"
        rows.append(
            [
                method.title,
                edges,
                _epochs(kind, config),
                outcome.weights[kind],
                round(sum(seconds) / len(seconds)),
                change,
            ]
        )
    note = (
        f"PONITA has {config.properties_orientations} orientations. Change: of a property as the molecule turns, "
        "against its deviation; mean over molecules, worst seed. Seconds of training are the processor's."
    )
    return Table("The networks", ["network", "edges", "epochs", "weights", "seconds", "change"], rows, note)


def _draw(metrics: dict[str, list[float]], file: Path) -> None:
    figure, (axes,) = new_figure(1, 1, width=10.0, height=3.6)
    names = [*TARGETS, "mean"]
    for place, (kind, method) in enumerate(METHODS.items()):
        values = torch.tensor([metrics[f"{kind}_{name}"] for name in names])
        ends = torch.stack([values.mean(1) - values.amin(1), values.amax(1) - values.mean(1)])
        where = [i + 0.16 * (place - (len(METHODS) - 1) / 2) for i in range(len(names))]
        axes.bar(where, values.mean(1), 0.16, yerr=ends, label=method.title, error_kw={"linewidth": 0.8})
    for i, name in enumerate(names):
        level = sum(metrics[f"composition_{name}"]) / len(metrics[f"composition_{name}"])
        label = "numbers of atoms alone" if i == 0 else None
        axes.plot([i - 0.45, i + 0.45], [level, level], color="black", linewidth=0.8, label=label)
    titles = [textwrap.fill(title, 12) for title, _ in TARGETS.values()]
    axes.set(ylabel="error / deviation", xticks=range(len(names)), xticklabels=[*titles, "mean"])
    axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    save_figure(figure, file)


EXPERIMENT = Experiment(NAME, "properties of small molecules: PONITA, PNITA and EGNN", CLAIMS, run)
