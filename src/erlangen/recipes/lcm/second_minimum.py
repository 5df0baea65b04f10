"""The second smallest number of a set: learned on small sets, asked of larger ones.

No sum, mean or maximum of features of single numbers is made for it; a recurrent network that reads one number after
another can carry the two smallest along, and so can a binary operator on pairs of partial answers. Numbers are bits,
and an answer counts if all of its bits are right. In large sets of few different numbers the second smallest is one of
a few: what the most frequent answer alone would reach is shown beside what networks do. The learned operator is trained
as it is, and with a weight on associativity, which warms up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn.aggr import Aggregation, MaxAggregation, SumAggregation

from erlangen.graphs import LCMAggregation, OperatorInputs, associativity_loss
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.lcm.recurrent import RecurrentAggregation
from erlangen.recipes.lcm.sets import SetNetwork, Sets, draw_sets, second_smallest, to_bits
from erlangen.recipes.lcm.settings import Config
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Check, Claim, Table, new_figure, save_figure
from erlangen.train import fit
from erlangen.train.optimizers import one_cycle

NAME = "second-minimum"
SIZES = (4, 8, 16, 32, 64)
TRIPLES = 256
WARM = 0.2  # of all steps, until the weight on associativity is what it should be


def _lcm(channels: int) -> Aggregation:
    # Sets are drawn in random order: there is nothing to shuffle.
    return LCMAggregation(channels, channels, project=False, order="given")


@dataclass(frozen=True)
class Method:
    """An aggregation; ``weight`` is that of associativity, ``cost`` is its share of the progress bar."""

    title: str
    make: Callable[[int], Aggregation]
    weight: float = 0.0
    cost: int = 3


METHODS = {
    "sum": Method("sum", lambda channels: SumAggregation(), cost=1),
    "max": Method("maximum", lambda channels: MaxAggregation(), cost=1),
    "gru": Method("recurrent (GRU)", RecurrentAggregation, cost=3),
    "lcm": Method("monoid", _lcm),
    "lcm_weak": Method("monoid, associativity 0.01", _lcm, 0.01, cost=5),
    "lcm_strong": Method("monoid, associativity 1", _lcm, 1.0, cost=5),
}
LEARNED = ("lcm", "lcm_weak", "lcm_strong")
COST = sum(method.cost for method in METHODS.values())


def _claim(name: str, statement: str, ours: str, baseline: str, margin: float, **form: Any) -> Claim:
    return Claim(
        f"second-minimum-{name}",
        statement,
        ">",
        margin=margin,
        required_seeds=3,
        experiment=NAME,
        ours=ours,
        baseline=baseline,
        **form,
    )


# Written before the first run.
CLAIMS = (
    _claim(
        "sum-8", "In sets of 8 the monoid finds the second smallest at least 15 points more often than the sum.",
        "lcm_n8", "sum_n8", 0.15,
    ),
    _claim(
        "max-8", "In sets of 8 the monoid finds it at least 15 points more often than the maximum.",
        "lcm_n8", "max_n8", 0.15,
    ),
    _claim(
        "sum-16",
        "In sets of 16, twice the largest that were learned from, the monoid finds it at least 10 points more often "
        "than the sum.",
        "lcm_n16", "sum_n16", 0.10,
    ),
    _claim(
        "max-16", "In sets of 16 the monoid finds it at least 10 points more often than the maximum.",
        "lcm_n16", "max_n16", 0.10,
    ),
    _claim(
        "associative", "A weight of 1 on associativity makes what is missing to it at least five times smaller.",
        "lcm_defect", "lcm_strong_defect", 5.0, form="ratio",
    ),
    _claim(
        "weak", "A weight of 0.01 costs at most 5 points in sets of 16.",
        "lcm_weak_n16", "lcm_n16", -0.05,
    ),
)  # fmt: skip


@dataclass
class Outcome:
    """What one seed measured."""

    metrics: dict[str, float] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)


def run(config: Config) -> Findings:
    """Trains the networks of every seed."""
    steps = config.minimum_epochs * -(-config.minimum_sets // config.minimum_batch)
    outcomes = over_seeds(one_seed, config, NAME, steps=COST * steps)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    findings = Findings(metrics, [_table(metrics, outcomes[0], config)], {}, _checks(metrics))
    if config.out is not None:
        findings.figures = {
            "second-minimum.png": "Sets whose second smallest number is found, over their size; shaded: sizes that "
            "were learned from (mean and range over seeds). Right: what is missing to associativity"
        }
        _draw(metrics, config, config.out / "second-minimum.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and tests all networks of one seed."""
    outcome = Outcome()
    train = draw_sets(config.minimum_sets, (2, config.minimum_size), config.minimum_bits, 2 * seed)
    tests = {n: draw_sets(config.minimum_tests, (n, n), config.minimum_bits, 10**6 + 100 * seed + n) for n in SIZES}
    outcome.metrics |= {f"constant_n{n}": most_frequent(sets) for n, sets in tests.items()}
    for name, method in METHODS.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = SetNetwork(method.make, config)
        seconds = _train(name, network, train, config, seed, tick)
        outcome.metrics[f"{name}_seconds"] = seconds
        outcome.metrics |= {f"{name}_n{n}": accuracy(network, sets) for n, sets in tests.items()}
        outcome.metrics[f"{name}_unchanged"] = unchanged(network, tests[16], seed)
        if name in LEARNED:
            outcome.metrics |= {f"{name}_{what}": value for what, value in defect(network, tests[8], seed).items()}
        outcome.weights[name] = sum(p.numel() for p in network.parameters())
    return outcome


def loss(network: nn.Module, batch: Any, weight: float, warm: int) -> Tensor:
    """The cross entropy of all bits, and the weighted loss of associativity on what the operator is given."""
    numbers, sizes = batch
    assert isinstance(network, SetNetwork)
    answer = to_bits(second_smallest(numbers, sizes), network.bits)
    if not weight:
        return nn.functional.binary_cross_entropy_with_logits(network(numbers, sizes), answer)
    steps = network.get_buffer("steps")
    with OperatorInputs(network) as inputs:
        error = nn.functional.binary_cross_entropy_with_logits(network(numbers, sizes), answer)
    if network.training:
        steps += 1
    return error + weight * min(1.0, float(steps) / warm) * inputs.associativity_loss(TRIPLES)


def _train(name: str, network: nn.Module, train: Sets, config: Config, seed: int, tick: Tick) -> float:
    method = METHODS[name]
    steps = config.minimum_epochs * -(-config.minimum_sets // config.minimum_batch)
    fitted = fit(
        network,
        train,
        partial(loss, weight=method.weight, warm=max(1, round(WARM * steps))),
        epochs=config.minimum_epochs,
        batch_size=config.minimum_batch,
        lr=config.minimum_lr,
        schedule=one_cycle,
        seed=seed,
        progress=lambda: tick(method.cost),
        **config.fit_options(NAME, seed, name),
    )
    return fitted.processor_seconds


def most_frequent(sets: Sets) -> float:
    """The share of sets with the most frequent second smallest number: what a constant answer can reach.

    >>> most_frequent((torch.tensor([[0, 1], [1, 0], [2, 2]]), torch.tensor([2, 2, 2])))
    0.6666666666666666
    """
    found = second_smallest(*sets)
    return float(found.bincount().max()) / len(found)


@torch.no_grad()
def answers(network: SetNetwork, sets: Sets) -> Tensor:
    """The bits that a network answers."""
    return torch.cat([network.eval()(*part) > 0 for part in zip(*(t.split(256) for t in sets), strict=True)])


def accuracy(network: SetNetwork, sets: Sets) -> float:
    """The share of sets of which all bits are right."""
    right = answers(network, sets) == to_bits(second_smallest(*sets), network.bits).bool()
    return float(right.all(1).double().mean())


def unchanged(network: SetNetwork, sets: Sets, seed: int) -> float:
    """The share of sets that are answered alike once their numbers are shuffled."""
    numbers, sizes = sets
    mixed = torch.rand(numbers.shape, generator=torch.Generator().manual_seed(seed)).argsort(1)
    same = answers(network, sets) == answers(network, (numbers.gather(1, mixed), sizes))
    return float(same.all(1).double().mean())


@torch.no_grad()
def defect(network: SetNetwork, sets: Sets, seed: int) -> dict[str, float]:
    """The loss of associativity on what the operator is given, as it is, and against the spread of its results.

    An operator can make the first small by making everything small; the second sees through that.
    """
    aggregation = network.eval().aggregation
    assert isinstance(aggregation, LCMAggregation)
    with OperatorInputs(aggregation) as inputs:
        found = aggregation(*network.elements(*sets))
    rows = torch.cat(inputs.seen[0])
    loss = float(associativity_loss(aggregation.operator, rows, 4096, torch.Generator().manual_seed(seed)))
    return {"defect": loss, "relative": loss / float(found.var(0).sum().clamp_min(1e-30))}


def _checks(metrics: dict[str, list[float]]) -> list[Check]:
    found = min(min(metrics[f"{name}_unchanged"]) for name in ("sum", "max"))
    statement = "Sum and maximum answer alike in every order of a set, but for one in a hundred at a tie."
    return [Check("second-minimum-order", statement, found >= 0.99, f"{100 * found:.1f} %")]


def _table(metrics: dict[str, list[float]], outcome: Outcome, config: Config) -> Table:
    def mean(name: str, scale: float = 1.0) -> float:
        return scale * sum(metrics[name]) / len(metrics[name])

    constant = [f"{mean(f'constant_n{n}', 100.0):.1f}" for n in SIZES]
    rows: list[list[Any]] = [["the most frequent answer", *constant, "100", None, None, 0, 0]]
    for name, method in METHODS.items():
        cells: list[Any] = []
        for n in SIZES:
            values = 100 * torch.tensor(metrics[f"{name}_n{n}"], dtype=torch.float64)
            cells.append(f"{values.mean():.1f}" + (f" ± {values.std():.1f}" if len(values) > 1 else ""))
        cells.append(f"{mean(f'{name}_unchanged', 100.0):.0f}")
        cells += [f"{mean(f'{name}_{w}'):.1e}" if name in LEARNED else None for w in ("defect", "relative")]
        rows.append([method.title, *cells, outcome.weights[name], round(mean(f"{name}_seconds"))])
    note = (
        f"Percent of {config.minimum_tests} sets with all of {config.minimum_bits} bits right, mean ± deviation over "
        f"seeds; learned from {config.minimum_sets} sets of 2 to {config.minimum_size} numbers, seen "
        f"{config.minimum_epochs} times. Unchanged: percent of sets of 16 that are answered alike once shuffled. "
        "Defect: loss of associativity; relative: against the spread of results. Seconds of training are the "
        "processor's."
    )
    columns = ["aggregation", *(f"n = {n}" for n in SIZES), "unchanged", "defect", "relative", "weights", "seconds"]
    return Table("The second smallest of n numbers", columns, rows, note)


def _draw(metrics: dict[str, list[float]], config: Config, file: Path) -> None:
    figure, (left, right) = new_figure(1, 2, width=9.0, height=3.4)
    left.axvspan(2, config.minimum_size, color="0.93", zorder=0)
    for colour, (name, method) in enumerate(METHODS.items()):
        values = 100 * torch.tensor([metrics[f"{name}_n{n}"] for n in SIZES])
        left.plot(SIZES, values.mean(1), "o-", color=f"C{colour}", label=method.title, markersize=4)
        left.fill_between(SIZES, values.amin(1), values.amax(1), color=f"C{colour}", alpha=0.15, linewidth=0)
    constant = [100 * sum(metrics[f"constant_n{n}"]) / len(metrics[f"constant_n{n}"]) for n in SIZES]
    left.plot(SIZES, constant, "--", color="0.5", label="the most frequent answer")
    left.set_xscale("log", base=2)
    left.set(xlabel="numbers in a set", ylabel="all bits right in %", ylim=(0, None), xlim=(2, SIZES[-1]))
    left.legend(fontsize=7)
    values = [sum(metrics[f"{name}_relative"]) / len(metrics[f"{name}_relative"]) for name in LEARNED]
    right.bar([METHODS[name].title.replace(", ", ",\n") for name in LEARNED], values, color=["C3", "C4", "C5"])
    right.set(yscale="log", ylabel="loss of associativity / spread of results")
    save_figure(figure, file)


EXPERIMENT = Experiment(
    NAME,
    "the second smallest number of sets larger than those learned from: sum, maximum, recurrent, monoid",
    CLAIMS,
    run,
)
