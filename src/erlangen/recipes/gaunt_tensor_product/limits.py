"""What the product cannot see: of eight pieces of Tetris, two are mirror images of each other.

Products with paths of even sum alone make scalars that a reflection does not change: to such a network the two pieces
are one, and it cannot read more than seven of eight. The Poisson product adds the other paths. Compared are a network
of Gaunt products, the same with Poisson products, and the same of Clebsch-Gordan products with a weight for every path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.audit import audit
from erlangen.groups import SO
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.gaunt_tensor_product.settings import Config
from erlangen.recipes.gaunt_tensor_product.tetris import (
    PIECES,
    PROMISE,
    MakeProduct,
    TetrisNetwork,
    clebsch_gordan,
    gaunt,
    pieces,
)
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Check, Claim, Table

NAME = "limits"


@dataclass(frozen=True)
class Method:
    """A network: its products, and whether they have paths of odd sum."""

    title: str
    product: MakeProduct
    odd: bool


METHODS = {
    "gaunt": Method("Gaunt", gaunt, odd=False),
    "poisson": Method("Gaunt and Poisson", gaunt, odd=True),
    "cg": Method("Clebsch-Gordan", clebsch_gordan, odd=True),
}

# Written before the first run.
CLAIMS = (
    Claim(
        "limits-poisson",
        "With Poisson products the network reads more pieces than with Gaunt products alone, by over a tenth.",
        ">",
        margin=0.1,
        experiment=NAME,
        ours="poisson",
        baseline="gaunt",
    ),
    Claim(
        "limits-all",
        "With them it reads over 99 % of all turned pieces.",
        ">",
        experiment=NAME,
        ours="poisson",
        baseline=0.99,
    ),
    Claim(
        "limits-cg",
        "As many as with Clebsch-Gordan products, to within a hundredth.",
        "==",
        margin=0.01,
        experiment=NAME,
        ours="poisson",
        baseline="cg",
    ),
)


@dataclass
class Outcome:
    """What one seed measured."""

    metrics: dict[str, float]
    audits: list[dict[str, Any]]
    verdicts: dict[str, str]
    weights: dict[str, int]


def run(config: Config) -> Findings:
    """Trains the networks of every seed."""
    outcomes = over_seeds(one_seed, config, NAME, steps=len(METHODS) * config.limits_steps)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    return Findings(metrics, [_table(metrics, outcomes[0])], {}, _checks(outcomes, metrics), outcomes[0].audits)


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and measures the three networks of one seed."""
    generator = torch.Generator().manual_seed(seed)
    turns = SO(3).sample(config.limits_turns, len(PIECES), generator=generator)
    tests = turned(pieces(), turns).to(config.device)
    outcome = Outcome({}, [], {}, {})
    for name, method in METHODS.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = TetrisNetwork(method.product, method.odd, config.limits_channels).to(config.device)
        _train(network, config, seed, tick)
        with torch.no_grad():
            logits = network(tests.flatten(0, 1)).unflatten(0, tests.shape[:2]).double()
        right = logits.argmax(-1) == torch.arange(len(PIECES), device=logits.device)
        outcome.metrics[name] = float(right.double().mean())
        # The same rotation for both mirror images, whose coordinates differ by more than a reflection.
        outcome.metrics[f"{name}_apart"] = float((logits[:, 0] - logits[:, 1]).abs().max() / logits.std())
        report = audit(network.double(), pieces(torch.float64).to(config.device), symmetry=PROMISE)
        outcome.audits.append({"name": method.title} | report.to_dict())
        outcome.verdicts[name] = report.verdict
        outcome.weights[name] = sum(parameter.numel() for parameter in network.parameters())
    return outcome


def turned(clouds: Tensor, turns: Tensor) -> Tensor:
    """Clouds ``(B, nodes, 3)`` by rotations ``(*, B, 3, 3)``."""
    return clouds @ turns.to(clouds).mT


def _train(network: nn.Module, config: Config, seed: int, tick: Tick) -> None:
    generator = torch.Generator().manual_seed(1000 + seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    clouds, labels = pieces().to(config.device), torch.arange(len(PIECES), device=config.device)
    for _ in range(config.limits_steps):
        x = turned(clouds, SO(3).sample(len(PIECES), generator=generator))
        loss = nn.functional.cross_entropy(network(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        tick()


def _checks(outcomes: list[Outcome], metrics: dict[str, list[float]]) -> list[Check]:
    n, checks = len(outcomes), []
    for name, method in METHODS.items():
        kept = sum(outcome.verdicts[name] in ("exact", "float32") for outcome in outcomes)
        statement = f"{method.title}: the trained network keeps rotations."
        checks.append(Check(f"limits-{name}-audit", statement, kept == n, f"{kept} of {n} seeds"))
    apart = max(metrics["gaunt_apart"])
    statement = "Gaunt: both mirror images get the same logits, to 1e-4 of the spread of logits."
    checks.append(Check("limits-mirror", statement, apart <= 1e-4, f"{apart:.1e}"))
    most = max(metrics["gaunt"])
    statement = "Gaunt: at most seven of eight pieces are read."
    checks.append(Check("limits-seven-of-eight", statement, most <= 7 / 8, f"{8 * most:.2f} of 8"))
    return checks


def _table(metrics: dict[str, list[float]], outcome: Outcome) -> Table:
    rows: list[list[Any]] = []
    for name, method in METHODS.items():
        right = torch.tensor(metrics[name], dtype=torch.float64) * len(PIECES)
        spread = f" ± {right.std():.2f}" if len(right) > 1 else ""
        apart = max(metrics[f"{name}_apart"])
        rows.append([method.title, f"{right.mean():.2f}{spread}", f"{apart:.1e}", outcome.weights[name]])
    note = (
        "Of eight, mean ± deviation over seeds, pieces turned at random. Mirror images apart: largest difference of "
        "logits, against the spread of all; largest over seeds."
    )
    return Table("Pieces of Tetris that are read", ["product", "read", "mirror images apart", "weights"], rows, note)


EXPERIMENT = Experiment(NAME, "Tetris with mirror images: which products tell them apart", CLAIMS, run)
