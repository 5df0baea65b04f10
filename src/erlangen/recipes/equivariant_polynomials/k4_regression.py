"""Learning the number of cliques of four nodes, which no product of matrices counts: PPGN and PPGN++.

All networks have the same widths, data, seeds and epochs. Between PPGN and PPGN++ with all polynomials up to degree six
stand PPGN with transposes and the identity alone, and PPGN++ with the one polynomial of degree five. The number of
cliques is not among its channels, but it is the sum of that one over edges: the network has to find this product.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from erlangen.audit import audit
from erlangen.graphs import (
    PPGN,
    MarkedMultigraph,
    PolynomialFeatures,
    PPGNPlusPlus,
    missing_polynomials,
    polynomial_pairs,
)
from erlangen.recipes.equivariant_polynomials.cliques import clique_graphs
from erlangen.recipes.equivariant_polynomials.settings import Config
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Check, Claim, Table, new_figure, save_figure
from erlangen.train import fit

NAME = "k4-regression"
BATCH = 32
RATE = 1e-3
AUDITED = 6  # graphs
Graphs = list[Any]  # of PyG's Data, whose fields are unknown to type checkers
CHANNELS: dict[str, list[MarkedMultigraph]] = {
    "five": missing_polynomials("edge", 5),
    "six": missing_polynomials("edge", 6),
}


@dataclass(frozen=True)
class Method:
    """A network; ``channels`` names what it is given of the polynomials."""

    title: str
    build: Callable[[int, int], PPGN]
    channels: str | None = None


def _plus(name: str) -> Callable[[int, int], PPGN]:
    return lambda width, layers: PPGNPlusPlus(0, width, layers, 1, polynomials=CHANNELS[name])


METHODS = {
    "ppgn": Method("PPGN", lambda width, layers: PPGN(0, width, layers, 1)),
    "extended": Method(
        "PPGN, transposes and identity", lambda width, layers: PPGN(0, width, layers, 1, transpose=True, identity=True)
    ),
    "five": Method("PPGN++ (5)", _plus("five"), "five"),
    "six": Method("PPGN++ (6)", _plus("six"), "six"),
}


def _claim(name: str, statement: str, ours: str, baseline: str) -> Claim:
    return Claim(
        f"k4-{name}", statement, "<", margin=1 / 3, form="ratio", required_seeds=3, experiment=NAME, ours=ours,
        baseline=baseline,
    )  # fmt: skip


# Written before the first run.
CLAIMS = (
    _claim("six", "The error of PPGN++ (6) is less than a third of PPGN's.", "six", "ppgn"),
    _claim(
        "polynomials", "Polynomials make the difference: it is less than a third of the error with transposes and the "
        "identity alone.", "six", "extended",
    ),
    _claim(
        "five", "The one polynomial of degree five is enough for less than a third of PPGN's error.", "five", "ppgn",
    ),
)  # fmt: skip


@dataclass
class Outcome:
    """What one seed measured; ``answers`` of the test graphs, behind the numbers themselves under ``"true"``."""

    metrics: dict[str, float]
    weights: dict[str, int]
    answers: dict[str, Tensor]
    audits: list[dict[str, Any]]


def run(config: Config) -> Findings:
    """Trains the networks of every seed."""
    steps = len(METHODS) * config.cliques_epochs * math.ceil(config.cliques_train / BATCH)
    outcomes = over_seeds(one_seed, config, NAME, steps=steps)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    findings = Findings(
        metrics, [_table(metrics, outcomes[0], config)], {}, _checks(metrics, outcomes), outcomes[0].audits
    )
    if config.out is not None:
        findings.figures["k4-regression.png"] = (
            "Cliques of four nodes in the graphs of the test, and what networks answer (first seed)"
        )
        _draw(outcomes[0].answers, metrics, config.out / "k4-regression.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and tests the networks of one seed."""
    counts = (config.cliques_train, config.cliques_validation, config.cliques_tests)
    parts: list[Graphs] = [clique_graphs(count, seed=3 * seed + part) for part, count in enumerate(counts)]
    gap = add_polynomials(parts)
    train, validation, test = parts
    batch: Any = Batch.from_data_list(test)
    tests = batch.to(config.device)
    true = tests.y[:, 0].cpu()
    median = torch.cat([data.y for data in train]).median()
    outcome = Outcome({"constant": float((true - median).abs().mean()), "clique_gap": gap}, {}, {"true": true}, [])
    for name, method in METHODS.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = method.build(config.cliques_width, config.cliques_layers).to(config.device)
        fitted = fit(
            network,
            train,
            loss,
            val_data=validation,
            epochs=config.cliques_epochs,
            batch_size=BATCH,
            lr=RATE,
            seed=seed,
            progress=tick,
            **config.fit_options(NAME, seed, name),
        )
        with torch.no_grad():
            outcome.answers[name] = answer(network, tests)[:, 0].cpu()
        outcome.metrics[name] = float((outcome.answers[name] - true).abs().mean())
        outcome.metrics[f"{name}_seconds"] = fitted.processor_seconds if config.device == "cpu" else fitted.seconds
        outcome.weights[name] = sum(parameter.numel() for parameter in network.parameters())
        few = tests[:AUDITED] if len(tests) > AUDITED else tests.to_data_list()
        some: Any = Batch.from_data_list(few)
        report = audit(network, None, some.edge_index, some.batch)
        outcome.audits.append({"name": method.title} | report.to_dict())
    return outcome


def add_polynomials(parts: list[Graphs]) -> float:
    """Gives graphs their channels, each divided by its largest value on the first part, which is learned from.

    The scaling of :func:`normalize_pairs` makes every graph's channels as large as any other's, and the number of
    cliques is gone.

    Returns:
        Largest difference of the sum of the clique's polynomial over pairs and 24 times the number of cliques.
    """
    features, gap = PolynomialFeatures(CHANNELS["six"]), 0.0
    order = sorted(CHANNELS["six"], key=lambda graph: graph.order)
    places = [order.index(graph) for graph in CHANNELS["five"]]
    clique = next(place for place, graph in enumerate(order) if graph.order == 2 and graph.neighbours[0] >= {1, 2, 3})
    raw = [[polynomial_pairs(features(data), normalize=False) for data in part] for part in parts]
    largest = torch.cat(raw[0]).abs().amax(0).clamp_min(1)
    for part, rows in zip(parts, raw, strict=True):
        for data, values in zip(part, rows, strict=True):
            gap = max(gap, abs(float(values[:, clique].sum()) - 24 * float(data.y.expm1())))
            data.pairs_six = values / largest
            data.pairs_five = data.pairs_six[:, places]
    return gap


def answer(network: Any, batch: Any) -> Tensor:
    """What a network says about a batch of graphs."""
    channels = {1: batch.pairs_five, 12: batch.pairs_six}.get(network.pair_dim)
    return network(None, batch.edge_index, batch.batch, pair_attr=channels)


def loss(network: nn.Module, batch: Any) -> Tensor:
    """The mean absolute error."""
    return nn.functional.l1_loss(answer(network, batch), batch.y)


def _checks(metrics: dict[str, list[float]], outcomes: list[Outcome]) -> list[Check]:
    gap = max(metrics["clique_gap"])
    statement = "The polynomial of the clique, summed over pairs, is 24 times the number of cliques."
    checks = [Check("k4-polynomial", statement, gap < 1e-2, f"largest difference {gap:.1e}")]
    verdicts = [audited["verdict"] for outcome in outcomes for audited in outcome.audits]
    kept = sum(verdict in ("exact", "float32") for verdict in verdicts)
    statement = "Trained networks give relabelled graphs the same numbers."
    checks.append(Check("k4-audit", statement, kept == len(verdicts), f"{kept} of {len(verdicts)} networks"))
    return checks


def _table(metrics: dict[str, list[float]], outcome: Outcome, config: Config) -> Table:
    def error(name: str) -> str:
        values = torch.tensor(metrics[name], dtype=torch.float64)
        return f"{values.mean():.3f}" + (f" ± {values.std():.3f}" if len(values) > 1 else "")

    rows: list[list[Any]] = [["median of the training", error("constant"), None, None, None]]
    for name, method in METHODS.items():
        seconds = sum(metrics[f"{name}_seconds"]) / len(metrics[f"{name}_seconds"])
        channels = 0 if method.channels is None else len(CHANNELS[method.channels])
        rows.append([method.title, error(name), channels, outcome.weights[name], round(seconds)])
    note = (
        f"Mean absolute error of log(1 + cliques) on {config.cliques_tests} graphs, mean ± deviation over seeds; "
        f"{config.cliques_train} graphs to learn from, {config.cliques_epochs} epochs, weights of the least validation "
        f"error. {config.cliques_layers} blocks of {config.cliques_width} channels. Seconds are the processor's."
    )
    return Table(
        "Counting cliques of four nodes", ["network", "error", "polynomials", "weights", "seconds"], rows, note
    )


def _draw(answers: dict[str, Tensor], metrics: dict[str, list[float]], file: Path) -> None:
    figure, panels = new_figure(1, len(METHODS), width=10.0, height=2.9)
    true = answers["true"]
    jitter = 0.05 * (torch.rand(len(true), generator=torch.Generator().manual_seed(0)) - 0.5)
    ticks = [0, 1, 2, 4, 8, 16]
    for axes, (name, method) in zip(panels, METHODS.items(), strict=True):
        axes.plot([0, math.log(17)], [0, math.log(17)], color="0.5", linewidth=1)
        axes.plot(true + jitter, answers[name], ".", markersize=3, alpha=0.6)
        axes.set_title(f"{method.title}: {sum(metrics[name]) / len(metrics[name]):.3f}", fontsize=7)
        axes.set_ylim(-0.4, math.log(30))
        axes.set_xticks([math.log1p(tick) for tick in ticks], ticks)
        axes.set_yticks([math.log1p(tick) for tick in ticks], ticks)
        axes.set_xlabel("cliques")
    panels[0].set_ylabel("answer")
    save_figure(figure, file)


EXPERIMENT = Experiment(NAME, "the number of cliques of four nodes, learned by PPGN and PPGN++", CLAIMS, run)
