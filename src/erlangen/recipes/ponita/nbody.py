r"""Charged particles: predicting how far five of them will move, with networks that know more or less of rotations.

Compared are PONITA with the twelve orientations of an icosahedron, an EGNN, which keeps E(3) by construction, message
passing on coordinates as they are (GNN), and the guess :math:`x + 0.8 v`. All read charges as scalars and velocities as
vectors, PONITA and the EGNN also products of charges on edges, and say a displacement. PNITA, the network on distances
alone, has no directions to say one in, and cannot take part.

A grid of orientations keeps its own sixty rotations and others nearly. So PONITA is trained on particles turned at
random, as published, and the GNN with and without; to the EGNN it would make no difference. PONITA takes about as long
for an epoch as the EGNN or the GNN for several: these are also trained for so many times the epochs. Each training
keeps the weights of its best epoch by validation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.data.nbody import LATER, NOW, Particles, charged_particles, simulate
from erlangen.groups import SO
from erlangen.points import EGNN, PONITA, PointGNN, orientation_grid
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.ponita.clouds import Clouds, audited, joined, moved_to
from erlangen.recipes.ponita.particles import (
    clouds_of,
    error,
    grid_rotations,
    loss,
    on_turned,
    predicted,
    read,
    turned_loss,
)
from erlangen.recipes.ponita.settings import Config
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Check, Claim, Table, new_figure, save_figure
from erlangen.train import fit

NAME = "nbody"
ORIENTATIONS = 12
GRIDS = (
    *(("tetrahedron", 4), ("octahedron", 6), ("cube", 8), ("icosahedron", 12), ("dodecahedron", 20)),
    *(("fibonacci", n) for n in (8, 12, 20, 40, 80, 160)),
)
ANGLES = tuple(range(15, 181, 15))
DRAWN = 3  # simulations whose paths are drawn
FEW = 100  # simulations to try other grids on
GUESS = 0.8


@dataclass(frozen=True)
class Method:
    """A network and how it is trained.

    Args:
        title: As tables show it.
        build: Makes the network.
        times: How many times the epochs.
        cost: About how long a step takes against one of the GNN, for the progress bar.
        turned: Whether it is trained on particles turned at random, anew at each step.
        exact: Whether it promises to keep E(3).
    """

    title: str
    build: Callable[[Config], nn.Module]
    times: int = 1
    cost: int = 1
    turned: bool = False
    exact: bool = False


def _ponita(config: Config, kind: str = "icosahedron", number: int = ORIENTATIONS) -> nn.Module:
    sizes = (1, config.nbody_channels, 0, config.nbody_layers, 1, 1)
    return PONITA(*sizes, num_ori=number, grid=kind, in_edge=1, task="node")


def _egnn(config: Config) -> nn.Module:
    return EGNN(1, config.nbody_channels * 3 // 2, 0, config.nbody_layers, 1, 1, in_edge=1, task="node")


def _gnn(config: Config) -> nn.Module:
    return PointGNN(1, config.nbody_channels * 15 // 8, 0, config.nbody_layers, 1, 1, task="node")


METHODS = {
    "ponita": Method("PONITA, 12 orientations", _ponita, cost=4, turned=True),
    "egnn": Method("EGNN", _egnn, exact=True),
    "gnn": Method("GNN", _gnn),
    "gnn_turned": Method("GNN, turned at random", _gnn, turned=True),
    "egnn_longer": Method("EGNN, 3 x epochs", _egnn, times=3, exact=True),
    "gnn_longer": Method("GNN, turned at random, 4 x epochs", _gnn, times=4, turned=True),
}
AUDITED = ("ponita", "egnn", "gnn")  # the others are the same networks, trained otherwise
COST = sum(method.times * method.cost for method in METHODS.values())


def _claim(name: str, statement: str, margin: float, ours: str, baseline: str, **form: Any) -> Claim:
    shape: dict[str, Any] = {"relation": "<", "form": "ratio", "required_seeds": 3} | form
    return Claim(f"nbody-{name}", statement, margin=margin, experiment=NAME, ours=ours, baseline=baseline, **shape)


# Written before the first run.
CLAIMS = (
    _claim(
        "egnn", "At equal epochs PONITA is ahead of the EGNN, or behind it by less than a tenth.", 1.1,
        "ponita", "egnn",
    ),
    _claim(
        "egnn-equal-time", "So it is at equal time.", 1.1,
        "ponita", "egnn_longer",
    ),
    _claim(
        "gnn", "At equal epochs PONITA's error is at most 0.6 of the GNN's.", 0.6,
        "ponita", "gnn",
    ),
    _claim(
        "gnn-turned", "And of that of a GNN which is trained on turned particles, too.", 0.6,
        "ponita", "gnn_turned",
    ),
    _claim(
        "gnn-equal-time", "It is ahead of a GNN that is trained on turned particles for as long.", 1.0,
        "ponita", "gnn_longer",
    ),
    _claim(
        "egnn-gnn", "At equal epochs the EGNN is ahead of the GNN.", 1.0,
        "egnn", "gnn",
    ),
    _claim(
        "turned", "Turning the test set changes PONITA's error by less than a tenth.", 1.1,
        "ponita_turned", "ponita", relation="==",
    ),
)  # fmt: skip


@dataclass
class Outcome:
    """What one seed measured; ``paths`` holds what the first figure draws."""

    metrics: dict[str, float]
    weights: dict[str, int]
    audits: list[dict[str, Any]]
    paths: dict[str, Any]


def run(config: Config) -> Findings:
    """Trains all networks of every seed; draws the paths of the first."""
    steps = math.ceil(config.nbody_sims / config.nbody_batch)
    outcomes = over_seeds(one_seed, config, NAME, steps=COST * config.nbody_epochs * steps)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    tables = [_table(metrics, outcomes[0], config), _grid_table(metrics)]
    findings = Findings(metrics, tables, {}, _checks(metrics), outcomes[0].audits)
    if config.out is not None:
        findings.figures = {
            "nbody-paths.png": "Particles of three test simulations, seen along one axis: where they go (red: positive "
            "charge, blue: negative), and what is predicted (first seed)",
            "nbody-rotation.png": "Error on particles as they are and turned; change of the prediction as they turn; "
            "the same weights on other grids (mean, range over seeds)",
        }
        _draw_paths(outcomes[0].paths, config.out / "nbody-paths.png")
        _draw_rotation(metrics, config.out / "nbody-rotation.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and measures the networks of one seed."""
    parts = [config.nbody_sims, config.nbody_validation, config.nbody_tests]
    split = zip(*(tensor.split(parts) for tensor in charged_particles(sum(parts), seed)), strict=True)
    train, validation, test = (Particles(*part) for part in split)
    data = clouds_of(train), clouds_of(validation)
    tests = moved_to(joined(clouds_of(test)), config.device)
    generator = torch.Generator().manual_seed(seed)
    turn = SO(3).sample(len(tests.scalar), generator=generator)
    axis = nn.functional.normalize(torch.randn(len(turn), 3, generator=generator, dtype=torch.float64), dim=-1)
    spin = torch.linalg.cross(axis[:, None], torch.eye(3, dtype=axis.dtype)[None]).mT
    outcome = Outcome(_guess(tests), {}, [], _true_paths(test))
    for name, method in METHODS.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = method.build(config).to(config.device)
        outcome.metrics |= _train(name, network, *data, config, seed, tick)
        outcome.weights[name] = sum(parameter.numel() for parameter in network.parameters())
        with torch.no_grad():
            outcome.metrics |= _measure(name, network, tests, turn, spin)
            few = moved_to(joined(clouds_of(Particles(*(tensor[:DRAWN] for tensor in test)))), config.device)
            outcome.paths[name] = (few.pos + predicted(network, few)).unflatten(0, (len(few.scalar), -1)).tolist()
            if name == "ponita":
                outcome.metrics |= _on_other_grids(network, test, turn, config)
        if name in AUDITED:
            outcome.audits.append(audited(method.title, network, *read(network, few)))
    return outcome


def _train(
    name: str,
    network: nn.Module,
    train: list[Clouds],
    validation: list[Clouds],
    config: Config,
    seed: int,
    tick: Tick,
) -> dict[str, float]:
    method = METHODS[name]
    fitted = fit(
        network,
        train,
        turned_loss if method.turned else loss,
        val_data=validation,
        val_batch_size=200,
        epochs=method.times * config.nbody_epochs,
        batch_size=config.nbody_batch,
        lr=1e-3,
        schedule="cosine",
        clip=0.5,
        seed=seed,
        collate=joined,
        progress=lambda: tick(method.cost),
        **config.fit_options(NAME, seed, name),
    )
    seconds = fitted.processor_seconds if config.device == "cpu" else fitted.seconds
    return {f"{name}_seconds": seconds, f"{name}_best_epoch": float(fitted.best_epoch)}


def _measure(name: str, network: nn.Module, tests: Clouds, turn: Tensor, spin: Tensor) -> dict[str, float]:
    measured = {name: error(network, tests)}
    measured[f"{name}_turned"], measured[f"{name}_disagreement"] = on_turned(network, tests, turn)
    if METHODS[name].times == 1:
        for angle in ANGLES:
            about = SO(3).exp(math.radians(angle) * spin)
            measured[f"{name}_disagreement_{angle:03d}"] = on_turned(network, tests, about)[1]
    if name == "ponita":
        own = grid_rotations(orientation_grid(ORIENTATIONS, kind="icosahedron"))
        chosen = own[torch.arange(len(tests.scalar)) % len(own)]
        measured["ponita_own_rotations"] = on_turned(network, tests, chosen)[1]
    return measured


def _on_other_grids(network: nn.Module, test: Particles, turn: Tensor, config: Config) -> dict[str, float]:
    """The trained weights, which do not depend on the grid, on grids that they were not trained on."""
    few = moved_to(joined(clouds_of(Particles(*(tensor[:FEW] for tensor in test)))), config.device)
    weights, measured = dict(network.named_parameters()), {}
    for kind, number in GRIDS:
        other = _ponita(config, kind, number).to(config.device).eval()
        for name, parameter in other.named_parameters():
            parameter.copy_(weights[name])
        errors = error(other, few), *on_turned(other, few, turn[: len(few.scalar)])
        measured |= dict(zip(_grid_metrics(kind, number), errors, strict=True))
    return measured


def _grid_metrics(kind: str, number: int) -> tuple[str, str, str]:
    start = f"grid_{kind}_{number}"
    return start, f"{start}_turned", f"{start}_disagreement"


def _guess(tests: Clouds) -> dict[str, float]:
    def mean_square(displacement: Tensor) -> float:
        return float((displacement - tests.vector).double().square().mean())

    return {"guess": mean_square(GUESS * tests.vec), "rest": mean_square(0 * tests.vec)}


def _true_paths(test: Particles) -> dict[str, Any]:
    few = Particles(*(tensor[:DRAWN].double() for tensor in test))
    states = simulate(few.position, few.velocity, few.charge, list(range(20, LATER - NOW + 1, 20)))
    true = torch.stack([few.position, *(position for position, _ in states)], 1)
    return {"true": true.tolist(), "charge": few.charge.tolist(), "target": few.target.tolist()}


def _checks(metrics: dict[str, list[float]]) -> list[Check]:
    checks = []
    for name, method in METHODS.items():
        if method.exact:
            worst = max(metrics[f"{name}_disagreement"])
            statement = f"{method.title} says the same of turned particles, to 1e-4 of how far they move."
            checks.append(Check(f"nbody-{name}-turned", statement, worst <= 1e-4, f"{worst:.1e}"))
    worst = max(metrics["ponita_own_rotations"])
    statement = "PONITA keeps the sixty rotations of its grid, to 1e-4 of how far particles move."
    return [*checks, Check("nbody-ponita-grid", statement, worst <= 1e-4, f"{worst:.1e}")]


def _spread(numbers: list[float], digits: int = 4) -> str:
    values = torch.tensor(numbers, dtype=torch.float64)
    return f"{values.mean():.{digits}f}" + (f" ± {values.std():.{digits}f}" if len(numbers) > 1 else "")


def _table(metrics: dict[str, list[float]], outcome: Outcome, config: Config) -> Table:
    rows: list[list[Any]] = []
    for name, method in METHODS.items():
        seconds = metrics[f"{name}_seconds"]
        rows.append(
            [
                method.title,
                method.times * config.nbody_epochs,
                round(sum(seconds) / len(seconds), 1),
                outcome.weights[name],
                _spread(metrics[name]),
                _spread(metrics[f"{name}_turned"]),
                f"{max(metrics[f'{name}_disagreement']):.1e}",
            ]
        )
    for title, name in (("x + 0.8 v", "guess"), ("x", "rest")):
        rows.append([title, None, None, None, _spread(metrics[name]), _spread(metrics[name]), "0"])
    note = (
        f"Mean squared error of a coordinate on {config.nbody_tests} test simulations, mean ± deviation over seeds; "
        f"{config.nbody_sims} to learn from, {config.nbody_validation} to choose the epoch. Disagreement: how far the "
        "prediction for turned particles is from the turned prediction, against how far particles move; worst seed. "
        "Seconds of training are the processor's. PNITA, which sees distances alone, cannot say a displacement."
    )
    columns = ["network", "epochs", "seconds", "weights", "error", "error, turned", "disagreement"]
    return Table("Positions of charged particles, a thousand steps later", columns, rows, note)


def _grid_table(metrics: dict[str, list[float]]) -> Table:
    rows: list[list[Any]] = []
    for kind, number in GRIDS:
        error, turned, disagreement = (metrics[name] for name in _grid_metrics(kind, number))
        rows.append([kind, number, _spread(error), _spread(turned), _spread(disagreement)])
    note = (
        f"PONITA was trained on the icosahedron. On {FEW} test simulations at most. Weights do not depend on the grid."
    )
    columns = ["grid", "orientations", "error", "error, turned", "disagreement"]
    return Table("The same weights on other grids", columns, rows, note)


def _draw_paths(paths: dict[str, Any], file: Path) -> None:
    figure, panels = new_figure(1, DRAWN)
    true, charge, target = (torch.tensor(paths[name]) for name in ("true", "charge", "target"))
    markers = {"ponita": ("o", "PONITA"), "egnn": ("+", "EGNN"), "gnn": ("x", "GNN")}
    for index, axes in enumerate(panels[: len(true)]):
        for particle, sign in enumerate(charge[index].tolist()):
            x, y, _ = true[index, :, particle].T
            colour = "tab:red" if sign > 0 else "tab:blue"
            axes.plot(x, y, color=colour, alpha=0.6)
            axes.plot(x[:1], y[:1], ".", color=colour, markersize=4)
        axes.plot(*target[index].T[:2], "o", color="0.75", markersize=9, zorder=0, label="true")
        for name, (marker, title) in markers.items():
            x, y, _ = torch.tensor(paths[name])[index].T
            axes.plot(x, y, marker, color="k", markersize=5, fillstyle="none", linestyle="none", label=title)
        axes.set(title=f"simulation {index + 1}", aspect="equal", adjustable="datalim")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    save_figure(figure, file)


def _draw_rotation(metrics: dict[str, list[float]], file: Path) -> None:
    figure, (errors, changes, grids) = new_figure(1, 3, width=11.0, height=3.6)
    for place, (name, method) in enumerate(METHODS.items()):
        colour = f"C{place}"
        for shift, kind, filled in ((-0.15, name, "full"), (0.15, f"{name}_turned", "none")):
            label = {"full": "as they are", "none": "turned"}[filled] if place == 0 else None
            values = metrics[kind]
            errors.plot(values, [place + shift] * len(values), "o", color=colour, fillstyle=filled, label=label)
        if method.times == 1:
            values = torch.tensor([metrics[f"{name}_disagreement_{angle:03d}"] for angle in ANGLES])
            changes.plot(ANGLES, values.mean(1), color=colour, label=method.title)
            changes.fill_between(ANGLES, values.amin(1), values.amax(1), color=colour, alpha=0.15, linewidth=0)
    titles = [method.title for method in METHODS.values()]
    errors.set(title="Error of each seed", xlabel="mean squared error", xlim=(0, None), yticks=range(len(titles)))
    for label, place in zip(errors.set_yticklabels(titles), range(len(titles)), strict=True):
        label.set_color(f"C{place}")
    errors.invert_yaxis()
    errors.legend(fontsize="small")
    changes.set(title="Change of the prediction", xlabel="angle in degrees", xticks=range(0, 181, 45), xlim=(0, 180))
    changes.set(ylabel="change / how far particles move", yscale="log")
    for symmetric, marker, title in ((True, "o", "polyhedron"), (False, "s", "Fibonacci")):
        chosen = [(kind, number) for kind, number in GRIDS if (kind != "fibonacci") == symmetric]
        values = torch.tensor([metrics[_grid_metrics(*grid)[2]] for grid in chosen])
        spread = torch.stack([values.mean(1) - values.amin(1), values.amax(1) - values.mean(1)])
        numbers = [number for _, number in chosen]
        grids.errorbar(numbers, values.mean(1), spread, marker=marker, linestyle=":", label=title)
    grids.set(title="PONITA on other grids", xlabel="orientations", xscale="log", yscale="log", ylabel="change")
    grids.set_xticks([5, 10, 20, 40, 80, 160], labels=["5", "10", "20", "40", "80", "160"], minor=False)
    grids.set_xticks([], minor=True)
    grids.legend(fontsize="small")
    save_figure(figure, file)


EXPERIMENT = Experiment(
    NAME, "how far charged particles move: PONITA, EGNN and GNN, at equal epochs and at equal time", CLAIMS, run
)
