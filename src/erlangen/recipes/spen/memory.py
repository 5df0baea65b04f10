"""What is kept for the backward pass, over the size of a graph: ego-networks against all pairs of nodes.

Graphs are random and 3-regular, networks have three layers. Counted are the bytes that autograd keeps of the forward
pass, each storage once, without weights, which do not grow. On real sets the places of pairs are counted: small
molecules have so few nodes that ego-networks of two hops have more of them than whole graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.utils import from_networkx

from erlangen.data import SOURCES, data_root, look
from erlangen.data.tu import TU_SETS, load_tu
from erlangen.graphs import IGN2, SPEN, Subgraphs, ego_subgraphs, whole_graphs
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.recipes.spen.networks import drawn, joined
from erlangen.recipes.spen.settings import Config
from erlangen.report import Check, Claim, Table, new_figure, save_figure

NAME = "memory"
LAYERS, DEGREE = 3, 3
TITLES = {"global": "all pairs of nodes", "one": "ego-networks, 1 hop", "two": "ego-networks, 2 hops"}
# Sums of squares of whole graphs, of padded batches, and of ego-networks of one and two hops, as published.
COUNTS = {
    "MUTAG": (64_381, 147_392, 36_553, 149_711),
    "PROTEINS": (4_028_305, 427_837_200, 1_029_467, 4_907_443),
}


def _ratio(nodes: int, times: int) -> Claim:
    return Claim(
        f"memory-{nodes}",
        f"On {nodes} nodes the network on all pairs keeps over {times} times what ego-networks of one hop need.",
        ">",
        margin=times,
        form="ratio",
        required_seeds=3,
        experiment=NAME,
        ours=f"global_{nodes}",
        baseline=f"one_{nodes}",
    )


def _slope(name: str, power: int) -> Claim:
    return Claim(
        f"memory-slope-{name}",
        f"What {TITLES[name]} keep grows with power {power} of the number of nodes, to within 0.1.",
        "==",
        margin=0.1,
        required_seeds=3,
        experiment=NAME,
        ours=f"{name}_slope",
        baseline=power,
    )


# Written before the first run.
CLAIMS = (_ratio(256, 10), _ratio(1024, 40), _slope("global", 2), _slope("one", 1))


@dataclass
class Outcome:
    """What one seed measured: bytes of each network on each size."""

    metrics: dict[str, float]
    kept: dict[str, list[int]] = field(default_factory=dict)


def run(config: Config) -> Findings:
    """Measures every seed, and counts the places of pairs of real sets that are there."""
    outcomes = over_seeds(one_seed, config, NAME, steps=len(TITLES) * len(sizes(config)))
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    counted = {name: real_counts(name, config) for name in TU_SETS if there(name, config)}
    findings = Findings(metrics, [_table(outcomes, metrics, config)], {}, _checks(counted))
    if counted:
        findings.tables.append(_real_table(counted))
    if config.out is not None:
        findings.figures["spen-memory.png"] = (
            "Kept for the backward pass over the number of nodes, random 3-regular graphs (mean over seeds)"
        )
        _draw(outcomes, config, config.out / "spen-memory.png")
    return findings


def sizes(config: Config) -> list[int]:
    """16, 32, 64, ..."""
    return [16 * 2**i for i in range(20) if 16 * 2**i <= config.memory_nodes]


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Networks and graphs of one seed."""
    channels, outcome = config.memory_channels, Outcome({}, {name: [] for name in TITLES})
    networks = {
        "global": drawn(lambda: IGN2(0, channels, LAYERS, 2, norm="none"), seed),
        "one": drawn(lambda: SPEN(0, channels, LAYERS, 2, 1, norm="none"), seed),
        "two": drawn(lambda: SPEN(0, channels, LAYERS, 2, 2, norm="none"), seed),
    }
    for n in sizes(config):
        edge_index = from_networkx(networkx.random_regular_graph(DEGREE, n, seed=seed)).edge_index
        batch = torch.zeros(n, dtype=torch.long)
        for name, hops in (("global", 0), ("one", 1), ("two", 2)):
            sets = ego_subgraphs(edge_index, n, hops) if hops else whole_graphs(batch)
            kept = kept_bytes(networks[name], edge_index, batch, sets)
            outcome.kept[name].append(kept)
            outcome.metrics[f"{name}_{n}"] = float(kept)
            tick()
    for name, kept in outcome.kept.items():
        outcome.metrics[f"{name}_slope"] = float(np.polyfit(np.log(sizes(config)), np.log(kept), 1)[0])
    return outcome


def kept_bytes(network: nn.Module, edge_index: Tensor, batch: Tensor, sets: Subgraphs) -> int:
    """What the forward pass keeps for the backward pass, but for weights."""
    return saved(lambda: network(None, edge_index, batch, subgraphs=sets), network)


def saved(call: Callable[[], Any], network: nn.Module) -> int:
    """Bytes of the storages that autograd keeps, each once, without those of the network's weights.

    >>> layer = nn.Linear(4, 4)
    >>> saved(lambda: layer(torch.ones(8, 4)).tanh(), layer)  # the input and the output, 32 numbers each
    256
    """
    own = {p.untyped_storage().data_ptr() for p in network.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        alive = call()  # what is kept lives as long as this does: no storage is counted for another
    del alive
    return sum(kept.values())


def there(name: str, config: Config) -> bool:
    """Whether the files of a set are there."""
    return look(SOURCES[name.lower()], data_root(config.data)).there


def real_counts(name: str, config: Config) -> tuple[int, int, int, int]:
    """Sums of squares: whole graphs, a batch padded to the largest, ego-networks of one and of two hops."""
    graphs = load_tu(name, config.data)
    batch = joined(graphs)
    nodes = batch.batch.bincount()
    hops = [int(ego_subgraphs(batch.edge_index, int(batch.num_nodes), k).size.square().sum()) for k in (1, 2)]
    return int(nodes.square().sum()), len(graphs) * int(nodes.max()) ** 2, hops[0], hops[1]


def _checks(counted: dict[str, tuple[int, int, int, int]]) -> list[Check]:
    return [
        Check(
            f"memory-{name.lower()}",
            f"{name}: whole graphs, padded batches and ego-networks of one and two hops have as many places of pairs "
            "as was counted before.",
            counts == COUNTS[name],
            ", ".join(f"{count:,}" for count in counts),
        )
        for name, counts in counted.items()
    ]


def _table(outcomes: list[Outcome], metrics: dict[str, list[float]], config: Config) -> Table:
    rows: list[list[Any]] = []
    for i, n in enumerate(sizes(config)):
        kept = {name: sum(o.kept[name][i] for o in outcomes) / len(outcomes) for name in TITLES}
        rows.append([n, *(round(value / 1e6, 3) for value in kept.values()), round(kept["global"] / kept["one"], 1)])
    slopes = [sum(metrics[f"{name}_slope"]) / len(outcomes) for name in TITLES]
    rows.append(["power", *(round(slope, 2) for slope in slopes), None])
    note = (
        f"Megabytes that autograd keeps of a forward pass, {LAYERS} layers of {config.memory_channels} channels, "
        "random 3-regular graphs, mean over seeds. Power: slope of the logarithms over all sizes."
    )
    columns = ["nodes", *TITLES.values(), "all pairs / 1 hop"]
    return Table("Kept for the backward pass", columns, rows, note)


def _real_table(counted: dict[str, tuple[int, int, int, int]]) -> Table:
    rows: list[list[Any]] = [[name, *(f"{count:,}" for count in counts)] for name, counts in counted.items()]
    note = (
        "Sums of squared sizes over each set. On graphs this small ego-networks of two hops have more places than "
        "whole graphs: they save memory where hops are few or graphs are large."
    )
    columns = ["set", "whole graphs", "padded to the largest", "ego-networks, 1 hop", "ego-networks, 2 hops"]
    return Table("Places of pairs in real sets", columns, rows, note)


def _draw(outcomes: list[Outcome], config: Config, file: Path) -> None:
    figure, (axes,) = new_figure(1, 1, width=5.5, height=3.6)
    nodes = sizes(config)
    for colour, (name, title) in enumerate(TITLES.items()):
        kept = np.array([outcome.kept[name] for outcome in outcomes]) / 1e6
        axes.plot(nodes, kept.mean(0), "o-", color=f"C{colour}", label=title, markersize=4)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set(xlabel="nodes", ylabel="megabytes kept", xticks=nodes)
    axes.set_xticklabels([str(n) for n in nodes])
    axes.legend(frameon=False)
    save_figure(figure, file)


EXPERIMENT = Experiment(NAME, "bytes kept for the backward pass over the number of nodes", CLAIMS, run)
