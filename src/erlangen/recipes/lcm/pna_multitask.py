"""Six questions about small graphs of ten kinds, which no single fixed aggregation answers best.

Distances want a maximum, the Laplacian a sum, the spectral radius some of both. All networks are alike but for their
aggregation: so many rounds of messages from both ends of each edge, read into the state of a node by a cell that all
rounds share, and sums and maxima over the nodes for questions about the whole graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.utils import scatter

from erlangen.data.multitask_graphs import GRAPH_TASKS, NODE_TASKS, multitask_graphs
from erlangen.graphs import PlanCache
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.lcm.networks import METHODS, Convolution, Method, degree_histogram
from erlangen.recipes.lcm.settings import Config
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Claim, Table, new_figure, save_figure
from erlangen.train import fit

NAME = "pna-multitask"
COMPARED = ("sum", "max", "pna", "gru", "lcm")
TASKS = (*NODE_TASKS, *GRAPH_TASKS)
KINDS = 10


def _claim(name: str, statement: str, baseline: str, margin: float = 0.0) -> Claim:
    return Claim(
        f"multitask-{name}",
        statement,
        "<",
        margin=margin,
        required_seeds=3,
        experiment=NAME,
        ours="lcm",
        baseline=baseline,
    )


# Written before the first run; errors are mean log10 of mean squares, over six tasks.
CLAIMS = (
    _claim("sum", "The monoid's error is smaller than the sum's.", "sum"),
    _claim("max", "The monoid's error is smaller than the maximum's.", "max"),
    _claim("gru", "The monoid's error is at most 0.1 above the recurrent network's.", "gru", 0.1),
)


class MultitaskNetwork(nn.Module):
    """Rounds of messages with shared weights, and answers for nodes and graphs.

    Args:
        method: the aggregation.
        channels: of everything.
        layers: rounds.
        degrees: how many nodes of the training graphs have each degree.
    """

    def __init__(self, method: Method, channels: int, layers: int, degrees: Tensor) -> None:
        super().__init__()
        self.layers = layers
        self.encoder = nn.Linear(2, channels)
        self.conv = Convolution(method, channels, PlanCache(), degrees)
        self.cell = nn.GRUCell(channels, channels)
        self.node = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, len(NODE_TASKS)))
        self.graph = nn.Sequential(nn.Linear(2 * channels, channels), nn.ReLU(), nn.Linear(channels, len(GRAPH_TASKS)))

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor, num_graphs: int) -> tuple[Tensor, Tensor]:
        """Answers ``(nodes, 3)`` and ``(graphs, 3)``."""
        state = torch.relu(self.encoder(x))
        for _ in range(self.layers):
            state = self.cell(self.conv(state, edge_index), state)
        whole = [scatter(state, batch, dim_size=num_graphs, reduce=reduce) for reduce in ("sum", "max")]
        return self.node(state), self.graph(torch.cat(whole, 1))


@dataclass
class Outcome:
    """What one seed measured."""

    metrics: dict[str, float] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)


def run(config: Config) -> Findings:
    """Trains the networks of every seed."""
    batches = -(-KINDS * config.multitask_train // config.multitask_batch)
    steps = len(COMPARED) * config.multitask_epochs * batches
    outcomes = over_seeds(one_seed, config, NAME, steps=steps)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    findings = Findings(metrics, [_table(metrics, outcomes[0], config)])
    if config.out is not None:
        findings.figures = {"pna-multitask.png": "Error by task (mean, range over seeds); further left is better"}
        _draw(metrics, config.out / "pna-multitask.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and tests all networks of one seed."""
    outcome = Outcome()
    train = multitask_graphs(config.multitask_train, 3 * seed)
    scale_node = torch.cat([graph.y_node for graph in train]).abs().amax(0).clamp_min(1e-6)
    scale_graph = torch.cat([graph.y_graph for graph in train]).abs().amax(0).clamp_min(1e-6)
    parts = [train, *(multitask_graphs(config.multitask_tests, 3 * seed + i) for i in (1, 2))]
    for graph in (graph for part in parts for graph in part):
        graph.y_node, graph.y_graph = graph.y_node / scale_node, graph.y_graph / scale_graph
    degrees = degree_histogram(train)
    for name in COMPARED:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = MultitaskNetwork(
                METHODS[name], config.multitask_channels, config.multitask_layers, degrees
            ).to(config.device)  # fmt: skip
        seconds = _train(name, network, parts[0], parts[1], config, seed, tick)
        errors = measure(network, parts[2], config.device)
        outcome.metrics |= {f"{name}_{task}": value for task, value in errors.items()}
        outcome.metrics |= {name: sum(errors.values()) / len(errors), f"{name}_seconds": seconds}
        outcome.weights[name] = sum(p.numel() for p in network.parameters())
    return outcome


def squares(network: nn.Module, batch: Data) -> tuple[Tensor, Tensor]:
    """Squared errors of all answers, ``(nodes, 3)`` and ``(graphs, 3)``."""
    at_nodes, of_graph = network(batch.x, batch.edge_index, batch.batch, len(batch.y_graph))
    return (at_nodes - batch.y_node).square(), (of_graph - batch.y_graph).square()


def loss(network: nn.Module, batch: Data) -> Tensor:
    """The mean square over six tasks, each as much as any other."""
    return torch.cat([error.mean(0) for error in squares(network, batch)]).mean()


def _train(
    name: str,
    network: nn.Module,
    train: Sequence[Data],
    validation: Sequence[Data],
    config: Config,
    seed: int,
    tick: Tick,
) -> float:
    fitted = fit(
        network,
        train,
        loss,
        val_data=validation,
        epochs=config.multitask_epochs,
        batch_size=config.multitask_batch,
        val_batch_size=256,
        lr=config.multitask_lr,
        schedule="cosine",
        clip=1.0,
        seed=seed,
        progress=tick,
        **config.fit_options(NAME, seed, name),
    )
    return fitted.processor_seconds if config.device == "cpu" else fitted.seconds


@torch.no_grad()
def measure(network: nn.Module, graphs: Sequence[Data], device: str) -> dict[str, float]:
    """The decimal logarithm of the mean square of each task."""
    batch: Any = Batch.from_data_list(list(graphs))
    batch = batch.to(device)
    errors = torch.cat([error.mean(0) for error in squares(network.eval(), batch)]).double().clamp_min(1e-12).log10()
    return dict(zip(TASKS, errors.tolist(), strict=True))


def _table(metrics: dict[str, list[float]], outcome: Outcome, config: Config) -> Table:
    rows: list[list[Any]] = []
    for name in COMPARED:
        cells = []
        for key in (name, *(f"{name}_{task}" for task in TASKS)):
            values = torch.tensor(metrics[key], dtype=torch.float64)
            cells.append(f"{values.mean():.2f}" + (f" ± {values.std():.2f}" if len(values) > 1 else ""))
        seconds = sum(metrics[f"{name}_seconds"]) / len(metrics[f"{name}_seconds"])
        rows.append([METHODS[name].title, *cells, outcome.weights[name], round(seconds)])
    note = (
        f"log10 of mean squares, mean ± deviation over seeds; targets divided by their largest. "
        f"{KINDS * config.multitask_train} graphs to learn from, {config.multitask_epochs} epochs, the best of them "
        f"chosen on {KINDS * config.multitask_tests} other graphs, tested on as many more. Seconds of training are the "
        "processor's."
    )
    return Table("Six questions about small graphs", ["aggregation", "mean", *TASKS, "weights", "seconds"], rows, note)


def _draw(metrics: dict[str, list[float]], file: Path) -> None:
    figure, (axes,) = new_figure(1, 1, width=7.0, height=3.4)
    names = ["mean of all", *TASKS]
    for colour, name in enumerate(COMPARED):
        keys = (name, *(f"{name}_{task}" for task in TASKS))
        values = torch.tensor([metrics[key] for key in keys])
        middle = values.mean(1)
        around = torch.stack([middle - values.amin(1), values.amax(1) - middle])
        places = [row + 0.13 * (colour - 2) for row in range(len(names))]
        axes.errorbar(middle, places, xerr=around, fmt="o", color=f"C{colour}", label=METHODS[name].title, markersize=4)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlabel="log10 of the mean square")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    save_figure(figure, file)


EXPERIMENT = Experiment(NAME, "six questions about small graphs of ten kinds, by aggregation", CLAIMS, run)
