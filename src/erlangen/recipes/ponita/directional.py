r"""Whether orientations matter: chains whose label is made of angles that no distance on an edge tells.

Six points are joined by five bonds of length one and independent directions. The edges are the bonds; the label is

.. math:: E = \sum_{i\ \text{inner}} \Big(\cos\theta_i + \frac{1}{3}\Big)^2

with the angle :math:`\theta_i` between the two bonds of point i. All distances on edges are one, so PNITA, whose
kernels see distances alone, says the same of every chain. PONITA's kernels also see how an edge lies to an orientation:
one of twelve of a grid, or, exactly, that of another edge.

The second data set is no such case, and is there to say so: clusters in which every point hears every other, and a
label of angles, too. With all distances at hand and several layers, distances suffice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.groups import SO
from erlangen.points import PONITA
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
from erlangen.recipes.ponita.settings import Config
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Check, Claim, Table, new_figure, save_figure
from erlangen.train import fit

NAME = "directional"
POINTS = 6
CUTOFF = 2.0
CLOSEST = 0.5


@dataclass(frozen=True)
class Method:
    """PONITA with ``orientations`` of a grid; 0: positions alone, -1: orientations of edges."""

    title: str
    orientations: int
    cost: int
    grid: str | None = None


METHODS = {
    "pnita": Method("PNITA (positions)", 0, 1),
    "ponita": Method("PONITA, icosahedron", 12, 3, "icosahedron"),
    "lifted": Method("PONITA, orientations of edges", -1, 2),
}


@dataclass(frozen=True)
class Task:
    """A data set: what makes ``number`` clouds and labels from a generator, the networks, and their layers."""

    title: str
    make: Callable[[int, torch.Generator], tuple[Tensor, Tensor]]
    edges: Callable[[], Tensor | None]
    methods: tuple[str, ...]
    layers: int
    epochs: str


def chains(number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Chains ``(number, 6, 3)`` about the origin, and their labels ``(number,)``, in float64."""
    bonds = torch.randn(number, POINTS - 1, 3, generator=generator, dtype=torch.float64)
    bonds = bonds / bonds.norm(dim=-1, keepdim=True)
    pos = torch.cat([torch.zeros(number, 1, 3, dtype=torch.float64), bonds.cumsum(1)], 1)
    cosine = -(bonds[:, 1:] * bonds[:, :-1]).sum(-1)
    return pos - pos.mean(1, keepdim=True), (cosine + 1 / 3).square().sum(-1)


def clusters(number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    r"""Clusters ``(number, 6, 3)`` of points at least 1/2 apart, and their labels ``(number,)``, in float64.

    .. math:: E = \sum_i \sum_{j < k} c(r_{ij})\, c(r_{ik}) \Big(\cos\theta_{jik} + \frac{1}{3}\Big)^2, \qquad
        c(r) = \tfrac{1}{2} \Big(1 + \cos \frac{\pi r}{2}\Big) \text{ for } r < 2,\ 0 \text{ beyond}
    """
    kept, found = [], 0
    while found < number:
        pos = torch.randn(4 * number, POINTS, 3, generator=generator, dtype=torch.float64)
        apart = torch.cdist(pos, pos) + torch.eye(POINTS, dtype=torch.float64) * 2 * CLOSEST
        kept.append(pos[apart.amin((1, 2)) > CLOSEST])
        found += len(kept[-1])
    pos = torch.cat(kept)[:number]
    pos = pos - pos.mean(1, keepdim=True)
    return pos, three_body(pos)


def three_body(pos: Tensor) -> Tensor:
    """The label of clusters."""
    across = pos[:, None] - pos[:, :, None]
    distance = across.norm(dim=-1)
    weight = 0.5 * (1 + (math.pi * distance / CUTOFF).cos()) * (distance < CUTOFF)
    weight = weight * (1 - torch.eye(pos.shape[1]).to(pos))
    direction = across / distance.clamp_min(1e-12)[..., None]
    angles = (torch.einsum("bijx,bikx->bijk", direction, direction) + 1 / 3).square()
    pairs = torch.einsum("bij,bik,bijk->bijk", weight, weight, angles)
    return pairs.triu(1).sum((1, 2, 3))


def bonds() -> Tensor:
    """Edges between neighbours of a chain, both ways."""
    first = torch.arange(POINTS - 1)
    return torch.cat([torch.stack([first, first + 1]), torch.stack([first + 1, first])], 1)


TASKS = {
    "chain": Task("chains of bonds", chains, bonds, ("pnita", "ponita", "lifted"), 2, "directional_epochs"),
    "cluster": Task(
        "connected clusters",
        clusters,
        lambda: None,
        ("pnita", "ponita"),
        3,
        "directional_cluster_epochs",
    ),
}


def _claim(name: str, statement: str, relation: Any, margin: float, ours: str, baseline: str | float) -> Claim:
    return Claim(
        f"directional-{name}",
        statement,
        relation,
        margin=margin,
        required_seeds=3,
        experiment=NAME,
        ours=ours,
        baseline=baseline,
    )


# Written before the first run. That positions alone teach nothing of chains is proved, so it stands among the checks.
CLAIMS = (
    _claim(
        "orientations", "Chains: with twelve orientations R² is at least 0.9.", ">", 0.0,
        "chain_ponita", 0.9,
    ),
    _claim(
        "edges", "With orientations of edges, which need no grid, too.", ">", 0.0,
        "chain_lifted", 0.9,
    ),
    _claim(
        "edges-grid", "They are at least as good as those of the grid, to within 0.02 of R².", ">", -0.02,
        "chain_lifted", "chain_ponita",
    ),
    _claim(
        "clusters", "Connected clusters, though: from positions alone R² is at least 0.9.", ">", 0.0,
        "cluster_pnita", 0.9,
    ),
    _claim(
        "clusters-same", "And orientations bring no more than 0.05 of R².", "<", 0.05,
        "cluster_ponita", "cluster_pnita",
    ),
)  # fmt: skip


@dataclass
class Outcome:
    """What one seed measured; ``scatter`` has true and predicted labels by data set and network."""

    metrics: dict[str, float]
    weights: dict[str, int]
    audits: list[dict[str, Any]]
    scatter: dict[str, dict[str, tuple[list[float], list[float]]]]


def run(config: Config) -> Findings:
    """Trains the networks of every seed on both data sets."""
    batches = math.ceil(config.directional_train / config.directional_batch)
    steps = sum(getattr(config, t.epochs) * METHODS[name].cost for t in TASKS.values() for name in t.methods) * batches
    outcomes = over_seeds(one_seed, config, NAME, steps=steps)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    tables = [_table(name, metrics, outcomes[0], config) for name in TASKS]
    findings = Findings(metrics, tables, {}, _checks(metrics), outcomes[0].audits)
    if config.out is not None:
        caption = "Labels of the test and what is said of them: chains of bonds above, connected clusters (first seed)"
        findings.figures = {"directional.png": caption}
        _draw(outcomes[0].scatter, config.out / "directional.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and measures the networks of one seed."""
    outcome = Outcome({}, {}, [], {})
    for kind, task in TASKS.items():
        generator = torch.Generator().manual_seed(seed)
        number = config.directional_train + config.directional_tests
        train, test = labelled(*task.make(number, generator), task.edges(), config.directional_train)
        tests = moved_to(joined(test), config.device)
        turn = SO(3).sample(len(test), generator=generator)
        for name in task.methods:
            network, metrics = _train(kind, name, train, config, seed, tick)
            outcome.weights[f"{kind}_{name}"] = sum(parameter.numel() for parameter in network.parameters())
            with torch.no_grad():
                said = answer(network, tests).scalar.double()
                other = answer(network, turned(tests, turn)).scalar.double()
            true = tests.scalar.double()
            metrics |= {
                "": 1 - float((said - true).square().mean() / (true - true.mean()).square().mean()),
                "_error": float((said - true).abs().mean() / true.std(correction=0)),
                "_turned": float((said - other).abs().mean() / true.std(correction=0)),
                "_spread": float(said.max() - said.min()),
            }
            outcome.metrics |= {f"{kind}_{name}{what}": value for what, value in metrics.items()}
            few = moved_to(joined(test[:4]), config.device)
            outcome.audits.append(audited(f"{METHODS[name].title}, {task.title}", network, *inputs(few)))
            outcome.scatter.setdefault(kind, {})[name] = (true[:, 0].tolist(), said[:, 0].tolist())
    return outcome


def labelled(pos: Tensor, label: Tensor, edges: Tensor | None, train: int) -> tuple[list[Clouds], list[Clouds]]:
    """Clouds to learn from and to test on, in float32; labels are standardised by those to learn from."""
    label = (label - label[:train].mean()) / label[:train].std(correction=0)
    ones = torch.ones(pos.shape[1], 1)
    every = [cloud(p, edges, x=ones, scalar=y[None]) for p, y in zip(pos.float(), label.float(), strict=True)]
    return every[:train], every[train:]


def loss(network: nn.Module, batch: Any) -> Tensor:
    """The mean squared error on clouds that are turned at random while the network learns."""
    clouds = turned_at_random(Clouds(*batch))
    return (answer(network, clouds).scalar - clouds.scalar).square().mean()


def _train(
    kind: str, name: str, train: list[Clouds], config: Config, seed: int, tick: Tick
) -> tuple[nn.Module, dict[str, float]]:
    task, method = TASKS[kind], METHODS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sizes = (1, config.directional_channels, 1, task.layers)
        network = PONITA(*sizes, num_ori=method.orientations, grid=method.grid).to(config.device)
    fitted = fit(
        network,
        train,
        loss,
        epochs=getattr(config, task.epochs),
        batch_size=config.directional_batch,
        lr=2e-3,
        schedule="cosine",
        clip=0.5,
        seed=seed,
        collate=joined,
        progress=lambda: tick(method.cost),
        **config.fit_options(NAME, seed, kind, name),
    )
    return fitted.model, {"_seconds": fitted.processor_seconds if config.device == "cpu" else fitted.seconds}


def _checks(metrics: dict[str, list[float]]) -> list[Check]:
    spread = max(metrics["chain_pnita_spread"])
    said = "PNITA says the same of every chain, to 1e-4 of the deviation of labels."
    best = max(metrics["chain_pnita"])
    nothing = "So of chains it learns nothing: R² is at most 0.05."
    change = max(max(metrics[f"{name}_turned"]) for name in ("chain_pnita", "chain_lifted", "cluster_pnita"))
    kept = "Without a grid, turning a cloud changes nothing, to 1e-4 of the deviation of labels."
    return [
        Check("directional-blind", said, spread <= 1e-4, f"{spread:.1e}"),
        Check("directional-nothing", nothing, best <= 0.05, f"{best:.3f}"),
        Check("directional-exact", kept, change <= 1e-4, f"{change:.1e}"),
    ]


def _table(kind: str, metrics: dict[str, list[float]], outcome: Outcome, config: Config) -> Table:
    def spread(name: str) -> str:
        values = torch.tensor(metrics[name], dtype=torch.float64)
        return f"{values.mean():.3f}" + (f" ± {values.std():.3f}" if len(values) > 1 else "")

    task, rows = TASKS[kind], []
    for name in task.methods:
        key = f"{kind}_{name}"
        seconds = sum(metrics[f"{key}_seconds"]) / len(metrics[f"{key}_seconds"])
        change = f"{max(metrics[f'{key}_turned']):.1e}"
        rows.append(
            [METHODS[name].title, spread(key), spread(f"{key}_error"), change, outcome.weights[key], round(seconds)]
        )
    note = (
        f"{config.directional_tests} clouds of {POINTS} points, mean ± deviation over seeds; "
        f"{config.directional_train} to learn from, {getattr(config, task.epochs)} epochs, {task.layers} layers. "
        "Absolute errors and changes are against the deviation of labels; changes under a random rotation are means "
        "over clouds, of the worst seed. Seconds of training are the processor's."
    )
    columns = ["network", "R²", "mean absolute error", "change when turned", "weights", "seconds"]
    return Table(f"Labels made of angles: {task.title}", columns, rows, note)


def _draw(scatter: dict[str, dict[str, Any]], file: Path) -> None:
    figure, panels = new_figure(2, len(METHODS), height=5.6)
    for row, (kind, found) in enumerate(scatter.items()):
        for column, (name, method) in enumerate(METHODS.items()):
            axes = panels[row * len(METHODS) + column]
            if name not in found:
                axes.set_axis_off()
                continue
            true, said = found[name]
            axes.plot([min(true), max(true)], [min(true), max(true)], color="0.6", linewidth=0.8)
            axes.scatter(true, said, s=4, linewidths=0, alpha=0.6)
            axes.set(title=TASKS[kind].title if row else method.title)
            axes.set(xlabel="label" if row else "", ylabel="prediction" if column == 0 else "")
    save_figure(figure, file)


EXPERIMENT = Experiment(NAME, "labels made of angles: PNITA sees nothing in chains of bonds, PONITA does", CLAIMS, run)
