"""What it costs that one step waits for another: a recurrent network and a tree over one set of growing size.

Both apply a cell of the same width once for nearly every element, and both take time in proportion to the elements once
there are many. But the recurrent network waits for each of them, the tree for one step in every doubling.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn.aggr import SumAggregation

from erlangen.graphs import LCMAggregation, SegmentTreePlan
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.lcm.recurrent import RecurrentAggregation
from erlangen.recipes.lcm.settings import Config
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Check, Claim, Table, new_figure, save_figure

NAME = "depth"
LEAST = 4  # the smallest set has 2 ** 4 elements

METHODS: dict[str, tuple[str, Callable[[int], nn.Module]]] = {
    "sum": ("sum", lambda channels: SumAggregation()),
    "lcm": ("monoid", lambda channels: LCMAggregation(channels, channels, project=False, order="given")),
    "gru": ("recurrent (GRU)", RecurrentAggregation),
}


def _claim(name: str, statement: str, relation: Any, ours: str, baseline: str, margin: float, form: Any) -> Claim:
    return Claim(
        f"depth-{name}",
        statement,
        relation,
        margin=margin,
        form=form,
        required_seeds=3,
        experiment=NAME,
        ours=ours,
        baseline=baseline,
    )


# Written before the first run.
CLAIMS = (
    _claim(
        "4096", "Over 4096 elements a step of the recurrent network takes over ten times as long as one of the monoid.",
        ">", "gru_12", "lcm_12", 10.0, "ratio",
    ),
    _claim(
        "exponent", "From 16 to 1024 elements the recurrent network's time grows with an exponent larger by over 0.3.",
        ">", "gru_exponent", "lcm_exponent", 0.3, "difference",
    ),
    _claim(
        "flat", "The monoid takes less than 1.5 times as long for each of 16384 elements as for each of 1024.",
        "<", "lcm_each_14", "lcm_each_10", 1.5, "ratio",
    ),
)  # fmt: skip


def run(config: Config) -> Findings:
    """Times all aggregations, once for each seed."""
    powers = range(LEAST, config.depth_power + 1)
    outcomes = over_seeds(one_seed, config, NAME, steps=config.depth_rounds * len(METHODS) * len(powers))
    metrics = by_metric(outcomes)
    findings = Findings(metrics, [_table(metrics, config)], {}, _checks(config))
    if config.out is not None:
        findings.figures = {
            "depth.png": "Time of a step, forwards and backwards, over the elements of one set, and how many "
            "applications of a cell wait for one another (mean over seeds)"
        }
        _draw(metrics, config, config.out / "depth.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> dict[str, float]:
    """The least processor seconds of each aggregation over sets of each size, rounds in turn."""
    torch.manual_seed(seed)
    modules = {name: make(config.depth_channels) for name, (_, make) in METHODS.items()}
    powers = range(LEAST, config.depth_power + 1)
    best = {(name, power): math.inf for name in METHODS for power in powers}
    for power in powers:
        x = torch.randn(2**power, config.depth_channels, requires_grad=True)
        index = torch.zeros(2**power, dtype=torch.long)
        for turn in range(1 + config.depth_rounds):  # the first is not counted
            for name, module in modules.items():
                seconds = step_seconds(module, x, index)
                if turn:
                    best[name, power] = min(best[name, power], seconds)
                    tick()
    found = {f"{name}_{power}": seconds for (name, power), seconds in best.items()}
    for name in METHODS:
        few = [power for power in powers if power <= 10]
        found[f"{name}_exponent"] = slope(few, [math.log2(best[name, power]) for power in few])
        found |= {f"{name}_each_{power}": best[name, power] / 2**power for power in powers}
    return found


def step_seconds(module: nn.Module, x: Tensor, index: Tensor) -> float:
    """Processor seconds of one step, forwards and backwards; small ones are repeated."""
    repeats = max(1, 256 // len(x))
    start = time.process_time()
    for _ in range(repeats):
        module(x, index, dim_size=1).sum().backward()
    return max(time.process_time() - start, 1e-9) / repeats


def slope(x: list[int], y: list[float]) -> float:
    """Of the line through points with the least squares.

    >>> slope([0, 1, 2], [1.0, 3.0, 5.0])
    2.0
    """
    across, up = sum(x) / len(x), sum(y) / len(y)
    return sum((a - across) * (b - up) for a, b in zip(x, y, strict=True)) / sum((a - across) ** 2 for a in x)


def _checks(config: Config) -> list[Check]:
    plans = {n: SegmentTreePlan.from_ptr(torch.tensor([0, n])) for n in (1, 2, 3, 1000, 2**config.depth_power)}
    right = all(plan.depth == math.ceil(math.log2(n)) and plan.num_pairs == n - 1 for n, plan in plans.items())
    return [Check("depth-levels", "A tree over n elements has ceil(log2 n) steps and n - 1 operators.", right)]


def _table(metrics: dict[str, list[float]], config: Config) -> Table:
    rows: list[list[Any]] = []
    for power in range(LEAST, config.depth_power + 1):
        times = [1e3 * sum(metrics[f"{name}_{power}"]) / len(metrics[f"{name}_{power}"]) for name in METHODS]
        rows.append([2**power, power, *(f"{t:.3g}" for t in times), f"{times[2] / times[1]:.1f}"])
    note = (
        f"Milliseconds of the processor, forwards and backwards, {config.depth_channels} channels, least of "
        f"{config.depth_rounds}, mean over seeds, one thread. The recurrent network waits n times, the "
        "tree as often as its depth says."
    )
    titles = [title for title, _ in METHODS.values()]
    return Table("One set of n elements", ["n", "depth of the tree", *titles, "recurrent / monoid"], rows, note)


def _draw(metrics: dict[str, list[float]], config: Config, file: Path) -> None:
    figure, (left, right) = new_figure(1, 2, width=9.0, height=3.2)
    powers = range(LEAST, config.depth_power + 1)
    sizes = [2**power for power in powers]
    for colour, (name, (title, _)) in enumerate(METHODS.items()):
        times = [1e3 * sum(metrics[f"{name}_{power}"]) / len(metrics[f"{name}_{power}"]) for power in powers]
        left.loglog(sizes, times, "o-", color=f"C{colour}", label=title, markersize=4)
    left.set(xlabel="elements (the degree of a node)", ylabel="milliseconds")
    left.legend()
    right.loglog(sizes, list(powers), "o-", color="C1", label="monoid", markersize=4)
    right.loglog(sizes, sizes, "o-", color="C2", label="recurrent (GRU)", markersize=4)
    right.set(xlabel="elements (the degree of a node)", ylabel="steps that wait for one another")
    save_figure(figure, file)


EXPERIMENT = Experiment(NAME, "time over the degree of a node: a tree against a recurrent network", CLAIMS, run)
