"""What random networks tell apart: pairs of regular graphs, and all small connected graphs.

Colour refinement, and so a message passing network and the network on all pairs of nodes, takes regular graphs of one
degree and size for the same. Ego-networks of k hops differ where neighbourhoods do. Weights are random: what a network
does not tell apart then, it never learns to. Computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.utils import from_networkx

from erlangen.data import SOURCES, data_root, look
from erlangen.data.small_graphs import load_graph7c, load_graph8c
from erlangen.graphs import IGN2, SPEN
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.recipes.spen.networks import GIN, drawn, joined, logits
from erlangen.recipes.spen.settings import Config
from erlangen.report import Check, Claim, Table, new_figure, save_figure

NAME = "expressivity"
LAYERS, NUMBERS = 3, 10
DEEP = 6  # layers on small graphs: as many as messages need to see all that colour refinement sees there
PART = 512  # small graphs at a time
APART, EQUAL = 1e-4, 1e-12  # of pairs of regular graphs
ALIKE = 1e-10  # of small graphs: what rounding leaves, against the largest number
CIRCULANT = 41


@dataclass(frozen=True)
class Pair:
    """Two regular graphs, and the least number of hops whose ego-networks differ."""

    title: str
    make: Callable[[], tuple[networkx.Graph, networkx.Graph]]
    hops: int


def _circulants(one: int, other: int) -> Callable[[], tuple[networkx.Graph, networkx.Graph]]:
    return lambda: (networkx.circulant_graph(CIRCULANT, [1, one]), networkx.circulant_graph(CIRCULANT, [1, other]))


def _cycles(n: int) -> Callable[[], tuple[networkx.Graph, networkx.Graph]]:
    return lambda: (
        networkx.cycle_graph(2 * n),
        networkx.disjoint_union(networkx.cycle_graph(n), networkx.cycle_graph(n)),
    )


PAIRS = {
    "hexagon": Pair("hexagon / two triangles", _cycles(3), 1),
    "octagon": Pair("8-cycle / two 4-cycles", _cycles(4), 2),
    "near": Pair("circulants C41(1,2) / C41(1,3)", _circulants(2, 3), 1),
    "far": Pair("circulants C41(1,4) / C41(1,5)", _circulants(4, 5), 2),
}
# Name -> title and hops; 0 for all pairs of nodes, None for messages.
NETWORKS: dict[str, tuple[str, int | None]] = {
    "gin": ("GIN (messages)", None),
    "global": ("all pairs of nodes", 0),
    "one": ("SPEN, 1 hop", 1),
    "two": ("SPEN, 2 hops", 2),
    "three": ("SPEN, 3 hops", 3),
}
COUNTED = ("gin", "global", "one", "two")
TITLES = {"graph8c": "connected graphs on 8 nodes (GRAPH8c)", "graph7c": "connected graphs on 7 nodes"}


def _told_apart(name: str, hops: str, which: str) -> Claim:
    return Claim(
        f"expressivity-{name}",
        f"Random networks on ego-networks of {hops} tell {which} apart: the least difference is above 1e-4.",
        ">",
        required_seeds=3,
        experiment=NAME,
        ours=f"log_{name}",
        baseline=math.log10(APART),
    )


def _fewer(name: str, hops: str) -> Claim:
    return Claim(
        f"expressivity-graph8c-{name}",
        f"Of all {TITLES['graph8c']}, ego-networks of {hops} take less than half as many pairs for the same as "
        "messages or all pairs of nodes do, whichever take fewer.",
        "<",
        margin=0.0,
        required_seeds=3,
        experiment=NAME,
        ours=f"graph8c_{name}",
        baseline="graph8c_half",
    )


# Written before the first run, but for two things. Networks on small graphs had three layers in a pilot, too few for
# messages to see all that colour refinement sees. And the baseline of the last two was the network on all pairs alone,
# of which rounding hides differences that messages show: the better of both is harder to beat.
CLAIMS = (
    _told_apart("one", "one hop", "the two pairs whose neighbourhoods differ"),
    _told_apart("two", "two hops", "all four pairs"),
    _told_apart("three", "three hops", "all four pairs"),
    _fewer("one", "one hop"),
    _fewer("two", "two hops"),
)


@dataclass
class Outcome:
    """What one seed measured; ``apart`` has the largest difference of each network on each pair."""

    metrics: dict[str, float]
    apart: dict[str, dict[str, float]]
    graphs: int


def run(config: Config) -> Findings:
    """Draws the networks of every seed."""
    small_graphs(config)  # a broken file is met before the first seed
    steps = len(NETWORKS) * len(PAIRS) + len(COUNTED)
    outcomes = over_seeds(one_seed, config, NAME, steps=steps)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    findings = Findings(
        metrics, [_pair_table(outcomes), _count_table(metrics, outcomes, config)], {}, _checks(outcomes)
    )
    if config.out is not None:
        findings.figures["spen-expressivity.png"] = (
            "How far apart random networks keep two regular graphs (largest difference of logits, least over seeds; "
            f"same: rounding alone), and how many pairs of {TITLES[source(config)]} they take for the same"
        )
        _draw(outcomes, metrics, config, config.out / "spen-expressivity.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """All networks with the weights of one seed."""
    apart = {name: pairs_apart(name, config, seed, tick) for name in NETWORKS}
    metrics = {}
    for name in ("one", "two", "three"):
        hops = NETWORKS[name][1] or 0
        seen = [apart[name][pair] for pair, about in PAIRS.items() if about.hops <= hops]
        metrics[f"log_{name}"] = math.log10(max(min(seen), 1e-300))
    graphs = small_graphs(config)
    for name in COUNTED:
        metrics[f"{source(config)}_{name}"] = float(len(alike(embedded(network(name, config, seed, DEEP), graphs))))
        tick()
    metrics[f"{source(config)}_half"] = min(metrics[f"{source(config)}_{name}"] for name in ("gin", "global")) / 2
    return Outcome(metrics, apart, len(graphs))


def network(name: str, config: Config, seed: int, layers: int = LAYERS) -> nn.Module:
    """A random network of ten numbers, whose nodes have the feature 1."""
    channels, hops = config.expressivity_channels, NETWORKS[name][1]
    if hops is None:
        made = drawn(lambda: GIN(1, channels, layers, NUMBERS, norm=None, act="tanh"), seed)
    elif hops == 0:
        made = drawn(lambda: IGN2(1, channels, layers, NUMBERS), seed)
    else:
        made = drawn(lambda: SPEN(1, channels, layers, NUMBERS, hops, range(1, CIRCULANT + 1)), seed)
    return made.double().eval().to(config.device).requires_grad_(False)


def pairs_apart(name: str, config: Config, seed: int, tick: Tick) -> dict[str, float]:
    """The largest difference of logits between the two graphs of each pair."""
    net, found = network(name, config, seed), {}
    for key, pair in PAIRS.items():
        one, other = (logits(net, _batch([graph]).to(config.device)) for graph in pair.make())
        found[key] = float((one - other).abs().max())
        tick()
    return found


def source(config: Config) -> str:
    """``"graph8c"`` where its file is there, else ``"graph7c"``, which is always there."""
    return "graph8c" if look(SOURCES["graph8c"], data_root(config.data)).there else "graph7c"


def small_graphs(config: Config) -> Tensor:
    """The adjacency matrices of different graphs.

    Raises:
        MissingDataError: If the file of GRAPH8c is there and broken.
    """
    graphs = load_graph8c(config.data) if source(config) == "graph8c" else load_graph7c()
    return graphs[: config.expressivity_graphs]


def embedded(net: nn.Module, graphs: Tensor) -> Tensor:
    """The numbers of every graph, ``(graphs, numbers)``."""
    nodes, found = graphs.shape[1], []
    device = next(net.parameters()).device
    for part in graphs.split(PART):
        which, row, column = part.nonzero().T
        edge_index = torch.stack([row, column]) + nodes * which
        count = len(part) * nodes
        batch = Batch(
            x=torch.ones(count, 1).double(),
            edge_index=edge_index,
            batch=torch.arange(count).div(nodes, rounding_mode="floor"),
        )
        found.append(logits(net, batch.to(device)).cpu())
    return torch.cat(found)


def alike(numbers: Tensor) -> list[tuple[int, int]]:
    """All pairs of rows that agree but for rounding.

    >>> alike(torch.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0], [1.0, 5.0]]).double())
    [(0, 2)]
    """
    limit, order = ALIKE * float(numbers.abs().max()), numbers[:, 0].argsort()
    rows, found = numbers[order], []
    for step in range(1, len(rows)):
        near = (rows[step:, 0] - rows[:-step, 0]) < limit
        if not bool(near.any()):
            break
        for i in near.nonzero()[:, 0].tolist():
            if float((rows[i] - rows[i + step]).abs().max()) < limit:
                found.append((min(a := int(order[i]), b := int(order[i + step])), max(a, b)))
    return sorted(found)


def _batch(graphs: list[networkx.Graph]) -> Any:
    ones = [torch.ones(len(graph), 1, dtype=torch.float64) for graph in graphs]
    return joined([Data(x=x, edge_index=from_networkx(g).edge_index) for x, g in zip(ones, graphs, strict=True)])


def _checks(outcomes: list[Outcome]) -> list[Check]:
    blind = max(
        outcome.apart[name][pair]
        for outcome in outcomes
        for name, (_, hops) in NETWORKS.items()
        for pair, about in PAIRS.items()
        if about.hops > (hops or 0)
    )
    statement = "What colour refinement on ego-networks takes for the same, no network tells apart (below 1e-12)."
    return [Check("expressivity-blind", statement, blind < EQUAL, f"largest difference {blind:.1e}")]


def _pair_table(outcomes: list[Outcome]) -> Table:
    rows: list[list[Any]] = []
    for pair, about in PAIRS.items():
        cells = [min(outcome.apart[name][pair] for outcome in outcomes) for name in NETWORKS]
        rows.append([about.title, *(f"{cell:.0e}" if cell else "0" for cell in cells)])
    note = f"Largest difference of {NUMBERS} logits under random weights, the least over seeds. Float64."
    return Table("Regular graphs apart", ["pair", *(title for title, _ in NETWORKS.values())], rows, note)


def _count_table(metrics: dict[str, list[float]], outcomes: list[Outcome], config: Config) -> Table:
    rows: list[list[Any]] = []
    for name in COUNTED:
        counts = [int(value) for value in metrics[f"{source(config)}_{name}"]]
        rows.append(
            [NETWORKS[name][0], str(min(counts)) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"]
        )
    pairs = math.comb(outcomes[0].graphs, 2)
    note = (
        f"Of {pairs} pairs of different graphs, those whose {NUMBERS} numbers agree to {ALIKE:g} of the largest, under "
        f"one random network of {DEEP} layers of each seed (range over seeds). Where all nodes are within two hops of "
        "each other, ego-networks of two hops are the whole graph. Networks on many pairs take more means than "
        "messages do: some of their differences shrink below that limit."
    )
    return Table(f"Taken for the same: {TITLES[source(config)]}", ["network", "pairs"], rows, note)


def _draw(outcomes: list[Outcome], metrics: dict[str, list[float]], config: Config, file: Path) -> None:
    figure, (apart, counts) = new_figure(1, 2, width=10.0, height=3.4)
    names = list(NETWORKS)
    values = np.array([[min(o.apart[name][pair] for o in outcomes) for name in names] for pair in PAIRS])
    shown = np.where(values > 1e-9, np.log10(np.maximum(values, 1e-300)), np.nan)
    apart.imshow(shown, cmap="viridis", vmin=-5, vmax=0, aspect="auto")
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            text, colour = (f"{value:.0e}", "white" if value < 0.03 else "black") if value > 1e-9 else ("same", "0.4")
            apart.text(j, i, text, ha="center", va="center", fontsize=8, color=colour)
    apart.set(xticks=range(len(names)), yticks=range(len(PAIRS)), title="difference of logits")
    apart.set_xticklabels(
        [NETWORKS[name][0].replace(", ", "\n").replace(" of ", "\nof ").replace(" (", "\n(") for name in names]
    )
    apart.set_yticklabels([pair.title.replace(" / ", " /\n") for pair in PAIRS.values()])
    apart.grid(visible=False)
    means = [sum(metrics[f"{source(config)}_{name}"]) / len(outcomes) for name in COUNTED]
    bars = counts.barh([NETWORKS[name][0] for name in COUNTED], means, color=["0.6", "C0", "C2", "C2"])
    counts.bar_label(bars, labels=[f"{value:g}" for value in means], padding=3)
    counts.set(xlabel="undistinguished pairs", xlim=(0, 1.15 * max(1, *means)), title=TITLES[source(config)])
    counts.invert_yaxis()
    save_figure(figure, file)


EXPERIMENT = Experiment(NAME, "regular and small graphs that random networks tell apart or not", CLAIMS, run)
