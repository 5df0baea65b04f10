r"""Delivery routes of vehicles with a capacity: the networks of the experiment `tsp`, with a depot and with demands.

The depot is a point of the cloud like any other, so that it takes part in the canonical coordinates; a flag tells the
network which it is. Routes are decoded greedily: to the customer with the largest logit that still fits, or back to the
depot. The optimum divides customers into tours by dynamic programming.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.data.routing import random_routes
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.recipes.tinvnn.routing import (
    METHODS,
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
from erlangen.recipes.tinvnn.tsp import checks, gap_table
from erlangen.report import Claim, Table

NAME = "cvrp"


def _claim(name: str, statement: str, relation: Any, **comparison: Any) -> Claim:
    return Claim(f"cvrp-{name}", statement, relation, required_seeds=3, experiment=NAME, **comparison)


# Written before the first run.
CLAIMS = (
    _claim(
        "raw-breaks",
        "Turned, scaled and shifted together, plain coordinates give at least twice the gap to the optimum.",
        ">",
        margin=2.0,
        form="ratio",
        ours="raw_all",
        baseline="raw_identity",
    ),
    _claim(
        "no-loss",
        "On instances as they were learnt, canonical coordinates are worse by less than one percent of length.",
        "<",
        margin=1.0,
        ours="moment_identity",
        baseline="raw_identity",
    ),
    _claim(
        "ahead-of-nearest",
        "Moved or not, they beat the nearest customer that fits.",
        "<",
        ours="moment_all",
        baseline="nearest",
    ),
)


def run(config: Config) -> Findings:
    """Trains the networks of every seed."""
    steps = len(METHODS) * config.cvrp_epochs * math.ceil(config.cvrp_train / config.cvrp_batch)
    metrics = by_metric(over_seeds(one_seed, config, NAME, steps=steps))
    return Findings(metrics, [_table(metrics, config)], {}, checks(NAME, metrics))


def one_seed(config: Config, seed: int, tick: Tick) -> dict[str, float]:
    """Trains and measures both networks of one seed."""
    generator = torch.Generator().manual_seed(seed)
    learnt = random_routes(config.cvrp_train, config.cvrp_customers, generator)
    test = random_routes(config.cvrp_tests, config.cvrp_customers, generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        start = EdgeScores(features=1, depot=True).to(config.device)
    data = tuple(t.float().to(config.device) for t in (learnt.pos, learnt.demand, learnt.edges))
    moved, metrics = moves(test.pos, seed), {}
    for name, network in networks(start).items():
        options = {"epochs": config.cvrp_epochs, "batch_size": config.cvrp_batch, "seed": seed}
        options |= config.fit_options(NAME, seed, name)
        metrics[f"{name}_seconds"] = train(network, data, _loss, tick, **options)
        found = {}
        with torch.no_grad():
            judge = precise(network)
            for key, pos in moved.items():
                logits = judge(pos.to(config.device), test.demand[..., None].to(config.device)).cpu()
                found[key] = greedy_routes(logits, test.demand)
                metrics[f"{name}_{key}"] = percent(routes_length(test.pos, found[key]), test.length)
        changed = (found["all"] != found["identity"]).any(1)
        metrics[f"{name}_changed"] = float(changed.double().mean())
    by_distance = greedy_routes(nearest(test.pos), test.demand, home=False)
    metrics["nearest"] = percent(routes_length(test.pos, by_distance), test.length)
    noise = torch.rand(test.edges.shape, generator=generator, dtype=torch.float64)
    metrics["random"] = percent(routes_length(test.pos, greedy_routes(noise, test.demand, home=False)), test.length)
    return metrics


def _loss(model: nn.Module, batch: Any) -> Tensor:
    pos, demand, edges = batch
    return neighbour_loss(model(pos, demand[..., None]), edges, first=1)


def greedy_routes(logits: Tensor, demand: Tensor, home: bool = True) -> Tensor:
    """From the depot to the best customer that still fits, again and again, ``(B, steps)``, ending in zeros.

    Half of the probability of a customer's edges belongs to the way there: of a way straight back to the depot only
    what exceeds that half counts.

    Args:
        logits: of edges, ``(B, 1 + customers, 1 + customers)``.
        demand: in parts of the capacity, ``(B, 1 + customers)``.
        home: whether a vehicle may go back to the depot while a customer still fits.
    """
    count, n = demand.shape
    rows, here, load = torch.arange(count), torch.zeros(count, dtype=torch.long), torch.zeros(count).double()
    left = torch.ones(count, n, dtype=torch.bool)
    left[:, 0] = False
    visits, chance = [here], logits.double().softmax(-1)
    from_depot = torch.zeros(count, dtype=torch.bool)
    while bool(left.any()):
        open_ = left & (load[:, None] + demand <= 1 + 1e-9)
        open_[:, 0] = (here > 0) & (~open_.any(1) | home)
        open_[:, 0] |= ~left.any(1)  # who has served everybody waits at the depot
        best = chance[rows, here]
        best[:, 0] -= 0.5 * from_depot
        from_depot = here == 0
        here = best.masked_fill(~open_, -math.inf).argmax(1)
        left[rows, here] = False
        load = torch.where(here == 0, 0, load + demand[rows, here])
        visits.append(here)
    visits.append(torch.zeros_like(here))
    steps = 2 * n  # no plan is longer: every customer, and a way home after each
    return nn.functional.pad(torch.stack(visits, 1), (0, steps - len(visits)))


def routes_length(pos: Tensor, visits: Tensor) -> Tensor:
    """Length of the routes, ``(B,)``, by the nodes in the order of visits, ``(B, steps)``."""
    path = pos.gather(1, visits[..., None].expand(-1, -1, 2))
    return path.diff(dim=1).norm(dim=-1).sum(1)


def _table(metrics: dict[str, list[float]], config: Config) -> Table:
    note = (
        f"Length over that of the shortest routes, in percent above it, on {config.cvrp_tests} instances with "
        f"{config.cvrp_customers} customers; mean ± deviation over seeds. Learnt from {config.cvrp_train} shortest "
        "plans. Demands are whole numbers from 1 to 9, a vehicle carries 20. Moves as for tours."
    )
    return gap_table(metrics, "How much longer routes are than the shortest", note)


EXPERIMENT = Experiment(
    NAME,
    "routes of vehicles with a capacity, moved: edges scored from plain and canonical coordinates",
    CLAIMS,
    run,
)
