r"""Shortest tours: a transformer that scores edges, on coordinates as they are and on canonical ones.

Both learn from the same optimal tours in the unit square and are decoded greedily from node 0. Tested are the same
instances moved; the tours are sequences of nodes, so their lengths are measured where the instance was before. Besides
stand the nearest neighbour and a random order, which no move changes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.data.routing import Tours, random_tours, tour_length
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.recipes.tinvnn.pointcloud import spread
from erlangen.recipes.tinvnn.routing import (
    METHODS,
    MOVES,
    EdgeScores,
    moves,
    nearest,
    neighbour_loss,
    networks,
    percent,
    precise,
    train,
)
from erlangen.recipes.tinvnn.settings import Config
from erlangen.report import Check, Claim, Table, new_figure, save_figure

NAME = "tsp"


def _claim(name: str, statement: str, relation: Any, **comparison: Any) -> Claim:
    return Claim(f"tsp-{name}", statement, relation, required_seeds=3, experiment=NAME, **comparison)


# Written before the first run.
CLAIMS = (
    _claim(
        "raw-breaks",
        "Turned, scaled and shifted together, plain coordinates give at least three times the gap to the optimum.",
        ">",
        margin=3.0,
        form="ratio",
        ours="raw_all",
        baseline="raw_identity",
    ),
    _claim(
        "no-loss",
        "On instances as they were learnt, canonical coordinates are worse by less than half a percent of length.",
        "<",
        margin=0.5,
        ours="moment_identity",
        baseline="raw_identity",
    ),
    _claim(
        "ahead-of-nearest",
        "Moved or not, they beat the nearest neighbour.",
        "<",
        ours="moment_all",
        baseline="nearest",
    ),
)


@dataclass
class Outcome:
    """What one seed measured; ``drawn`` holds an instance, moved, and the tours through it."""

    metrics: dict[str, float]
    drawn: dict[str, list[Any]]


def run(config: Config) -> Findings:
    """Trains the networks of every seed; draws tours of the first."""
    steps = len(METHODS) * config.tsp_epochs * math.ceil(config.tsp_train / config.tsp_batch)
    outcomes = over_seeds(one_seed, config, NAME, steps=steps)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    findings = Findings(metrics, [_table(metrics, config)], {}, checks(NAME, metrics))
    if config.out is not None:
        findings.figures["tinvnn-tours.png"] = (
            "The first test instance, if there is one, on which plain coordinates find a tour within 2 % of the "
            "shortest, and miss it by 15 % once it is moved: as instances are learnt (above), and turned, scaled and "
            "shifted (below); the shortest tour, and those from plain and from canonical coordinates (first seed)"
        )
        _draw(outcomes[0].drawn, config.out / "tinvnn-tours.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and measures both networks of one seed."""
    generator = torch.Generator().manual_seed(seed)
    learnt = random_tours(config.tsp_train, config.tsp_nodes, generator)
    test = random_tours(config.tsp_tests, config.tsp_nodes, generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        start = EdgeScores().to(config.device)
    data = (learnt.pos.float().to(config.device), tour_edges(learnt.order).float().to(config.device))
    moved, metrics, found = moves(test.pos, seed), {}, {}
    for name, network in networks(start).items():
        options = {"epochs": config.tsp_epochs, "batch_size": config.tsp_batch, "seed": seed}
        options |= config.fit_options(NAME, seed, name)
        metrics[f"{name}_seconds"] = train(network, data, _loss, tick, **options)
        with torch.no_grad():
            judge = precise(network)
            for key, pos in moved.items():
                found[name, key] = greedy_tour(judge(pos.to(config.device)).cpu())
                metrics[f"{name}_{key}"] = percent(tour_length(test.pos, found[name, key]), test.length)
        changed = (found[name, "all"] != found[name, "identity"]).any(1)
        metrics[f"{name}_changed"] = float(changed.double().mean())
    metrics["nearest"] = percent(tour_length(test.pos, greedy_tour(nearest(test.pos))), test.length)
    noise = torch.rand(test.pos.shape[0], config.tsp_nodes, config.tsp_nodes, generator=generator)
    metrics["random"] = percent(tour_length(test.pos, greedy_tour(noise)), test.length)
    return Outcome(metrics, _instance(test, moved, found))


def _loss(model: nn.Module, batch: Any) -> Tensor:
    pos, edges = batch
    return neighbour_loss(model(pos), edges)


def tour_edges(order: Tensor) -> Tensor:
    """The edges of closed tours as symmetric matrices of zeros and ones, ``(B, n)`` to ``(B, n, n)``.

    >>> tour_edges(torch.tensor([[0, 2, 1]]))[0].tolist()
    [[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]
    """
    count, n = order.shape
    edges = torch.zeros(count, n, n, dtype=torch.float64)
    rows = torch.arange(count)[:, None]
    edges[rows, order, order.roll(-1, 1)] = 1
    return (edges + edges.mT).clamp_max(1)


def greedy_tour(logits: Tensor) -> Tensor:
    """From node 0 always to the node with the largest logit that has not been visited, ``(B, n)``.

    Args:
        logits: of edges, ``(B, n, n)``.
    """
    count, n, _ = logits.shape
    rows, here = torch.arange(count), torch.zeros(count, dtype=torch.long)
    left = torch.ones(count, n, dtype=torch.bool)
    order = []
    for _ in range(n):
        order.append(here)
        left[rows, here] = False
        here = logits[rows, here].masked_fill(~left, -math.inf).argmax(1)
    return torch.stack(order, 1)


def _instance(test: Tours, moved: dict[str, Tensor], found: dict[tuple[str, str], Tensor]) -> dict[str, list[Any]]:
    """The first instance on which the move leads the network on plain coordinates astray."""
    before, after = (tour_length(test.pos, found["raw", key]) for key in ("identity", "all"))
    chosen = int(((after > 1.15 * test.length) & (before < 1.02 * test.length)).to(torch.uint8).argmax())
    drawn = {f"{key}_pos": moved[key][chosen].tolist() for key in ("identity", "all")}
    for key in ("identity", "all"):
        drawn[f"{key}_optimal"] = test.order[chosen].tolist()
        drawn |= {f"{key}_{name}": found[name, key][chosen].tolist() for name in METHODS}
    return drawn


def checks(experiment: str, metrics: dict[str, list[float]]) -> list[Check]:
    """Canonical coordinates give the same solutions to moved instances."""
    pairs = [(a, b) for key in MOVES for a, b in zip(metrics["moment_identity"], metrics[f"moment_{key}"], strict=True)]
    most = max(abs(a - b) for a, b in pairs)
    statement = "TinvNN: the gap of moved instances is the same to two decimals of a percent (float64)."
    same = Check(f"{experiment}-same-gap", statement, most < 0.005, f"largest difference {most:.1e} percent")
    changed = max(metrics["moment_changed"])
    statement = "TinvNN: not one solution changes when an instance is turned, scaled and shifted (float64)."
    return [same, Check(f"{experiment}-unchanged", statement, changed == 0, f"{changed:.2%} change")]


def gap_table(metrics: dict[str, list[float]], title: str, note: str) -> Table:
    """Gaps to the optimum of both networks under all moves, and of what no move changes."""
    rows: list[list[Any]] = []
    for name, shown in METHODS.items():
        seconds = metrics[f"{name}_seconds"]
        changed = sum(metrics[f"{name}_changed"]) / len(metrics[f"{name}_changed"])
        gaps = [spread(metrics[f"{name}_{key}"], 2) for key in MOVES]
        rows.append([shown, *gaps, f"{changed:.0%}", round(sum(seconds) / len(seconds), 1)])
    for name, shown in (("nearest", "nearest neighbour"), ("random", "random order")):
        rows.append([shown, *[spread(metrics[name], 2)] * len(MOVES), "0%", None])
    return Table(title, ["input", *MOVES, "changed by all", "seconds"], rows, note)


def _table(metrics: dict[str, list[float]], config: Config) -> Table:
    note = (
        f"Length over that of the shortest tour, in percent above it, on {config.tsp_tests} tours through "
        f"{config.tsp_nodes} nodes; mean ± deviation over seeds. Learnt from {config.tsp_train} shortest tours. "
        "Rotation about the centre of the square, shifts of deviation 2, scale 0.2 to 3."
    )
    return gap_table(metrics, "How much longer tours are than the shortest", note)


def _draw(drawn: dict[str, list[Any]], file: Path) -> None:
    figure, panels = new_figure(2, 3, height=6.0)
    titles = {"optimal": "shortest tour", "raw": METHODS["raw"], "moment": METHODS["moment"]}
    before = torch.tensor(drawn["identity_pos"])
    best = tour_length(before[None], torch.tensor(drawn["identity_optimal"])[None])
    for row, key in enumerate(("identity", "all")):
        pos = torch.tensor(drawn[f"{key}_pos"])
        for column, (name, title) in enumerate(titles.items()):
            order = torch.tensor(drawn[f"{key}_{name}"])
            longer = percent(tour_length(before[None], order[None]), best)
            path = pos[torch.cat([order, order[:1]])]
            axes = panels[3 * row + column]
            axes.plot(path[:, 0], path[:, 1], "-o", color=f"C{column}", markersize=4)
            axes.plot(*pos[0], "s", color="k", markersize=6)
            axes.set(title=f"{title}, + {longer:.1f} %" if column else title, aspect="equal", adjustable="datalim")
    save_figure(figure, file)


EXPERIMENT = Experiment(
    NAME, "shortest tours through ten points, moved: edge scores from plain and from canonical coordinates", CLAIMS, run
)
