r"""Whether less freedom costs accuracy: a potential of Gaunt products against the same one with MACE's contraction.

One layer of messages, then up to four atoms meet in one term: in the one potential through powers of functions (three
weights per channel and element), in the other through every coupling (nine). Both learn energies and forces of a
molecule at 300 K, and are tested at 300 K and beyond. A third one takes no powers at all: only pairs of atoms meet.

With the published files it is acetylacetone (300 and 600 K) and 3BPA (300 K, and 300, 600 and 1200 K mixed; the
publication's own test files are split by temperature). Without them it is made here: a cluster of copper and gold, and
oxygen on copper, in ASE's effective medium potential.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.audit import audit
from erlangen.data.atom_energies import fit_atom_energies
from erlangen.data.molecular_dynamics import cluster_trajectory, slab_trajectory
from erlangen.data.molecules import load_3bpa, load_acac, load_isolated_atoms
from erlangen.data.snapshot import Snapshot
from erlangen.data.sources import MissingDataError, find_source
from erlangen.o3 import GauntManyBody, GauntPotential
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.gaunt_tensor_product.contraction import SymmetricContraction
from erlangen.recipes.gaunt_tensor_product.settings import Config
from erlangen.recipes.gaunt_tensor_product.systems import Systems, joined, prepare
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Check, Claim, Table, new_figure, save_figure
from erlangen.train import fit

NAME = "accuracy"
CUTOFF = 5.0


@dataclass(frozen=True)
class Method:
    """A potential: how many factors a term has, and what couples them."""

    title: str
    correlation: int
    many_body: Callable[..., nn.Module] = GauntManyBody


METHODS = {
    "gaunt": Method("Gaunt powers", 3),
    "cg": Method("every coupling (MACE)", 3, SymmetricContraction),
    "pairs": Method("no powers", 1),
}


def _claim(name: str, statement: str, relation: Any, margin: int | float, data: str, ours: str, baseline: str) -> Claim:
    return Claim(
        f"accuracy-{data}-{name}",
        statement,
        relation,
        margin=margin,
        form="ratio",
        experiment=NAME,
        ours=f"{data}_{ours}_force",
        baseline=f"{data}_{baseline}_force",
    )


# Written before the first run.
CLAIMS = (
    _claim(
        "parity", "Acetylacetone at 300 K: force errors of both couplings are within 15 %.", "==", 1.15,
        "acac", "gaunt_300K", "cg_300K",
    ),
    _claim(
        "parity-hot", "At 600 K, too.", "==", 1.15,
        "acac", "gaunt_600K", "cg_600K",
    ),
    _claim(
        "powers", "Powers bring the force error at 300 K down to less than 0.8 of that without.", "<", 0.8,
        "acac", "gaunt_300K", "pairs_300K",
    ),
    _claim(
        "temperature", "At 600 K the error is larger than at 300 K.", ">", 1.0,
        "acac", "gaunt_600K", "gaunt_300K",
    ),
    _claim(
        "parity", "3BPA at mixed temperatures: force errors of both couplings are within 15 %.", "==", 1.15,
        "3bpa", "gaunt_mixedT", "cg_mixedT",
    ),
    _claim(
        "powers", "There, powers bring the force error down to less than 0.8.", "<", 0.8,
        "3bpa", "gaunt_mixedT", "pairs_mixedT",
    ),
)  # fmt: skip


@dataclass
class Data:
    """Configurations to learn from and to test on, by the test's name, and energies of single atoms."""

    train: Sequence[Snapshot]
    tests: Mapping[str, Sequence[Snapshot]]
    atoms: dict[int, float]


@dataclass
class Outcome:
    """What one seed measured; ``scatter`` has forces of the first test, true and predicted."""

    metrics: dict[str, float] = field(default_factory=dict)
    audits: list[dict[str, Any]] = field(default_factory=list)
    verdicts: dict[str, str] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    scatter: dict[str, Any] = field(default_factory=dict)


def run(config: Config) -> Findings:
    """Trains the potentials of every seed on every data set."""
    sets = available(config)
    batches = -(-config.accuracy_train // config.accuracy_batch)
    steps = len(sets) * len(METHODS) * config.accuracy_epochs * batches
    outcomes = over_seeds(one_seed, config, NAME, steps=steps)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    findings = Findings(metrics, [_table(metrics, outcomes[0], config)], {}, _checks(outcomes), outcomes[0].audits)
    if config.out is not None:
        findings.figures = {
            "gaunt-parity.png": "Forces of the test at the temperature of training, true and predicted (first seed)",
            "gaunt-temperature.png": "Force error by test (mean, range over seeds)",
        }
        _draw_parity(outcomes[0].scatter, config.out / "gaunt-parity.png")
        _draw_temperature(metrics, config.out / "gaunt-temperature.png")
    return findings


def available(config: Config) -> tuple[str, ...]:
    """The data sets: published ones where their files are, else those made here."""
    try:
        for name in ("acac", "3bpa"):
            find_source(name, config.data)
    except MissingDataError:
        return ("cluster", "slab")
    return ("acac", "3bpa")


def load(name: str, config: Config, seed: int) -> Data:
    """A data set; those made here are made anew for each seed."""
    train, tests = config.accuracy_train + config.accuracy_validation, config.accuracy_tests
    if name == "acac":
        hot = {t: load_acac(f"test_MD_{t}", config.data)[:tests] for t in ("300K", "600K")}
        return Data(load_acac("train_300K", config.data)[:train], hot, load_isolated_atoms("acac", config.data))
    if name == "3bpa":
        mixed = {"mixedT": load_3bpa("train_mixedT", config.data)[:tests]}
        return Data(load_3bpa("train_300K", config.data)[:train], mixed, load_isolated_atoms("3bpa", config.data))
    make = {"cluster": cluster_trajectory, "slab": slab_trajectory}[name]
    begin = make(train, 300.0, 3 * seed)
    hot = {f"{t}K": make(tests, float(t), 3 * seed + i) for i, t in enumerate((300, 600), start=1)}
    return Data(begin, hot, fit_atom_energies(begin))


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and tests all potentials of one seed."""
    outcome = Outcome()
    for name in available(config):
        data = load(name, config, seed)
        generator = torch.Generator().manual_seed(seed)
        known = [prepare(snapshot, CUTOFF, data.atoms, torch.float32) for snapshot in data.train]
        order = torch.randperm(len(known), generator=generator).tolist()
        train = [known[i] for i in order[config.accuracy_validation :]]
        validation = [known[i] for i in order[: config.accuracy_validation]]
        tests = {
            test: [prepare(snapshot, CUTOFF, data.atoms, torch.float32) for snapshot in snapshots]
            for test, snapshots in data.tests.items()
        }
        for kind, method in METHODS.items():
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                potential = build(method, train, config).to(config.device)
            seconds = _train(name, kind, potential, train, validation, config, seed, tick)
            outcome.metrics[f"{name}_{kind}_seconds"] = seconds
            outcome.weights[kind] = sum(p.numel() for p in potential.parameters())
            for test, systems in tests.items():
                measured, true, predicted = measure(potential, systems, config.device)
                outcome.metrics |= {f"{name}_{kind}_{test}_{what}": value for what, value in measured.items()}
                outcome.scatter.setdefault(name, {}).setdefault(kind, (true, predicted))
            first = next(iter(tests.values()))[0]
            exact = potential.double()
            report = audit(exact, first.position.double().to(config.device), first.numbers.to(config.device))
            outcome.audits.append({"name": f"{method.title}, {name}"} | report.to_dict())
            outcome.verdicts[f"{name}_{kind}"] = report.verdict
    return outcome


def build(method: Method, train: Sequence[Systems], config: Config) -> GauntPotential:
    """A potential whose constants are statistics of what it learns from."""
    everything = joined(train)
    elements = everything.numbers.unique().tolist()
    each = float(everything.energy.sum() / len(everything.numbers))
    return GauntPotential(
        elements,
        CUTOFF,
        channels=config.accuracy_channels,
        correlation=method.correlation,
        neighbours=everything.edge_index.shape[1] / len(everything.numbers),
        references=dict.fromkeys(elements, each),
        scale=float(everything.forces.square().mean().sqrt()),
        many_body=method.many_body,
    )


def loss(potential: nn.Module, batch: Any) -> Tensor:
    r"""Mean squares of energy per atom and of force components: :math:`(\Delta E / n)^2 + 100\, (\Delta F)^2`."""
    s = Systems(*batch)
    energy, forces = potential(s.position, s.numbers, s.batch, s.edge_index, s.shift, len(s.energy))
    size = torch.bincount(s.batch, minlength=len(s.energy)).to(energy)
    return ((energy - s.energy) / size).square().mean() + 100 * (forces - s.forces).square().mean()


def _train(
    name: str,
    kind: str,
    potential: nn.Module,
    train: Sequence[Systems],
    validation: Sequence[Systems],
    config: Config,
    seed: int,
    tick: Tick,
) -> float:
    fitted = fit(
        potential,
        train,
        loss,
        val_data=validation,
        epochs=config.accuracy_epochs,
        batch_size=config.accuracy_batch,
        lr=5e-3,
        schedule="cosine",
        clip=10.0,
        seed=seed,
        collate=joined,
        progress=tick,
        **config.fit_options(NAME, seed, name, kind),
    )
    return fitted.processor_seconds if config.device == "cpu" else fitted.seconds


def measure(potential: nn.Module, systems: Sequence[Systems], device: str) -> tuple[dict[str, float], Tensor, Tensor]:
    """Root mean square errors in meV and meV/Angstrom; true and predicted forces."""
    energies, forces = [], []
    for first in range(0, len(systems), 50):
        s = Systems(*(tensor.to(device) for tensor in joined(systems[first : first + 50])))
        energy, force = potential(s.position, s.numbers, s.batch, s.edge_index, s.shift, len(s.energy))
        energies.append((energy - s.energy).double())
        forces.append((s.forces, force))
    true, predicted = (torch.cat(column).double().cpu() for column in zip(*forces, strict=True))
    errors = {"energy": torch.cat(energies), "force": predicted - true}
    return {what: 1e3 * float(error.square().mean().sqrt()) for what, error in errors.items()}, true, predicted


def _tests(metrics: dict[str, list[float]]) -> list[tuple[str, str]]:
    """Data sets and tests that were measured, in order."""
    keys = [name.split("_") for name in metrics if name.endswith("_force")]
    return list(dict.fromkeys((parts[0], parts[2]) for parts in keys))


def _checks(outcomes: list[Outcome]) -> list[Check]:
    verdicts = [verdict for outcome in outcomes for verdict in outcome.verdicts.values()]
    kept = sum(verdict in ("exact", "float32") for verdict in verdicts)
    statement = "Every trained potential keeps motions, reflections and the order of atoms."
    return [Check("accuracy-audit", statement, kept == len(verdicts), f"{kept} of {len(verdicts)}")]


def _table(metrics: dict[str, list[float]], outcome: Outcome, config: Config) -> Table:
    def spread(name: str) -> str:
        numbers = torch.tensor(metrics[name], dtype=torch.float64)
        return f"{numbers.mean():.1f} ± {numbers.std():.1f}" if len(numbers) > 1 else f"{numbers.mean():.1f}"

    rows: list[list[Any]] = []
    for name, test in _tests(metrics):
        for kind, method in METHODS.items():
            cells = [spread(f"{name}_{kind}_{test}_{what}") for what in ("energy", "force")]
            seconds = metrics[f"{name}_{kind}_seconds"]
            rows.append(
                [f"{name}, {test}", method.title, *cells, outcome.weights[kind], round(sum(seconds) / len(seconds))]
            )
    note = (
        f"Root mean square errors, mean ± deviation over seeds; {config.accuracy_train} configurations to learn from, "
        f"{config.accuracy_epochs} epochs, weights of the least validation loss. Seconds are the processor's."
    )
    return Table("Energies and forces", ["test", "coupling", "meV", "meV/Å", "weights", "seconds"], rows, note)


def _draw_parity(scatter: dict[str, Any], file: Path) -> None:
    figure, panels = new_figure(1, len(scatter), width=3.5 * len(scatter))
    for axes, (name, found) in zip(panels, scatter.items(), strict=True):
        for kind in reversed(METHODS):
            true, predicted = (tensor.flatten()[:3000] for tensor in found[kind])
            axes.scatter(true, predicted, s=2, linewidths=0, alpha=0.5, label=METHODS[kind].title)
        ends = [float(true.min()), float(true.max())]
        axes.plot(ends, ends, color="black", linewidth=0.5)
        axes.set(title=name, xlabel="force, eV/Å", ylabel="predicted", aspect="equal")
    panels[0].legend(fontsize="x-small", markerscale=3)
    save_figure(figure, file)


def _draw_temperature(metrics: dict[str, list[float]], file: Path) -> None:
    figure, (axes,) = new_figure(1, 1)
    tests = _tests(metrics)
    for shift, (kind, method) in zip((-0.2, 0.0, 0.2), METHODS.items(), strict=True):
        values = [torch.tensor(metrics[f"{name}_{kind}_{test}_force"], dtype=torch.float64) for name, test in tests]
        mean = [float(v.mean()) for v in values]
        ends = [[m - float(v.min()) for m, v in zip(mean, values, strict=True)],
                [float(v.max()) - m for m, v in zip(mean, values, strict=True)]]  # fmt: skip
        places = [i + shift for i in range(len(tests))]
        axes.bar(places, mean, 0.2, yerr=ends, label=method.title, error_kw={"linewidth": 0.8})
    axes.set(ylabel="force error, meV/Å", xticks=range(len(tests)), xticklabels=[f"{a}\n{b}" for a, b in tests])
    axes.legend(fontsize="x-small")
    save_figure(figure, file)


EXPERIMENT = Experiment(NAME, "energies and forces of molecules: powers against every coupling", CLAIMS, run)
