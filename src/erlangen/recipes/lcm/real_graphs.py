"""Topics of papers from words and citations: Cora and CiteSeer, whose nodes have from none to 168 neighbours.

Two rounds of messages around each aggregation, dropout and weight decay as is usual for these graphs. The epoch is
chosen on the validation nodes, the test nodes are read once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from erlangen.data.planetoid import PLANETOID_SETS, load_planetoid
from erlangen.data.sources import SOURCES, MissingDataError, find_source
from erlangen.graphs import PlanCache
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.lcm.networks import METHODS, Convolution, Method, degree_histogram
from erlangen.recipes.lcm.settings import Config
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Claim, Table, new_figure, save_figure
from erlangen.train import fit

NAME = "real-graphs"
COMPARED = ("mean", "sum", "max", "gru", "lcm")


def _claims(name: str) -> tuple[Claim, ...]:
    def claim(what: str, statement: str, ours: str, baseline: str, margin: float, form: Any) -> Claim:
        return Claim(
            f"real-{name.lower()}-{what}",
            statement,
            ">",
            margin=margin,
            form=form,
            required_seeds=3,
            experiment=NAME,
            ours=f"{name.lower()}_{ours}",
            baseline=f"{name.lower()}_{baseline}",
        )

    return (
        claim(
            "recurrent", f"On {name} the monoid reads at most 2 points fewer topics than the recurrent network.",
            "lcm", "gru", -0.02, "difference",
        ),
        claim(
            "fixed", f"On {name} the monoid reads at most 2 points fewer topics than the maximum.",
            "lcm", "max", -0.02, "difference",
        ),
        claim(
            "seconds", f"On {name} the recurrent network takes more than 1.5 times as long to train as the monoid.",
            "gru_seconds", "lcm_seconds", 1.5, "ratio",
        ),
    )  # fmt: skip


# Written before the first run.
CLAIMS = tuple(claim for name in PLANETOID_SETS for claim in _claims(name))


class CitationNetwork(nn.Module):
    """Words to channels, two rounds of messages, topics.

    Args:
        method: the aggregation.
        words: features of a paper.
        channels: in between.
        topics: to choose from.
        degrees: how many nodes have each degree.
    """

    def __init__(self, method: Method, words: int, channels: int, topics: int, degrees: Tensor) -> None:
        super().__init__()
        self.inner = nn.Linear(words, channels)
        plans = PlanCache()
        self.convs = nn.ModuleList(Convolution(method, channels, plans, degrees, pairs=False) for _ in range(2))
        self.own = nn.ModuleList(nn.Linear(channels, channels) for _ in range(2))
        self.outer = nn.Linear(channels, topics)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Logits of topics, ``(nodes, topics)``."""
        x = torch.relu(self.inner(self.dropout(x)))
        for conv, own in zip(self.convs, self.own, strict=True):
            x = self.dropout(x)
            x = torch.relu(conv(x, edge_index) + own(x))
        return self.outer(x)


@dataclass
class Outcome:
    """What one seed measured."""

    metrics: dict[str, float] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)


def run(config: Config) -> Findings:
    """Trains the networks of every seed on the graphs that are there; without any, says where to get them.

    Raises:
        MissingDataError: If a file is there and broken.
    """
    there = available(config)
    for name in there:
        load(name, config)  # fails before the first seed does
    if not there:
        return Findings({}, [_missing()])
    outcomes = over_seeds(one_seed, config, NAME, steps=len(there) * len(COMPARED) * config.real_epochs)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    findings = Findings(metrics, [_table(name, metrics, outcomes[0], config) for name in there])
    if len(there) < len(PLANETOID_SETS):
        findings.tables.append(_missing(tuple(set(PLANETOID_SETS) - set(there))))
    if config.out is not None:
        findings.figures = {"real-graphs.png": "Topics of papers read, and seconds to learn (mean, range over seeds)"}
        _draw(there, metrics, config.out / "real-graphs.png")
    return findings


def available(config: Config) -> tuple[str, ...]:
    """The graphs whose files are there."""
    found = []
    for name in PLANETOID_SETS:
        try:
            find_source(name.lower(), config.data)
        except MissingDataError:
            continue
        found.append(name)
    return tuple(found)


def load(name: str, config: Config) -> Data:
    """A citation graph; each paper's words sum to one."""
    data = load_planetoid(name, config.data)
    assert data.x is not None
    data.x = data.x / data.x.sum(1, keepdim=True).clamp_min(1)
    return data


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and tests all networks of one seed."""
    outcome = Outcome()
    for name in available(config):
        data = load(name, config).to(config.device)
        assert data.x is not None and data.edge_index is not None and isinstance(data.y, Tensor)
        degrees = degree_histogram([data])
        for kind in COMPARED:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                network = CitationNetwork(
                    METHODS[kind], data.x.shape[1], config.real_channels, int(data.y.max()) + 1, degrees
                ).to(config.device)  # fmt: skip
            fitted = fit(
                network,
                [data],
                loss,
                val_data=[data],
                metrics=validation,
                monitor="val_accuracy",
                mode="max",
                epochs=config.real_epochs,
                batch_size=1,
                lr=0.01,
                weight_decay=5e-4,
                seed=seed,
                progress=tick,
                **config.fit_options(NAME, seed, name, kind),
            )
            key = f"{name.lower()}_{kind}"
            outcome.metrics[key] = accuracy(network, data, data.test_mask)
            outcome.metrics[f"{key}_seconds"] = fitted.processor_seconds if config.device == "cpu" else fitted.seconds
            outcome.weights[key] = sum(p.numel() for p in network.parameters())
    return outcome


def loss(network: nn.Module, data: Data) -> Tensor:
    """The cross entropy of the nodes to learn from."""
    assert isinstance(data.y, Tensor)
    return nn.functional.cross_entropy(network(data.x, data.edge_index)[data.train_mask], data.y[data.train_mask])


def validation(network: nn.Module, data: Data) -> dict[str, Tensor]:
    """What chooses the epoch."""
    return {"accuracy": torch.tensor(accuracy(network, data, data.val_mask))}


@torch.no_grad()
def accuracy(network: nn.Module, data: Data, mask: Tensor) -> float:
    """The share of nodes whose topic is read."""
    assert isinstance(data.y, Tensor)
    return float((network.eval()(data.x, data.edge_index).argmax(1) == data.y)[mask].double().mean())


def _missing(names: tuple[str, ...] = PLANETOID_SETS) -> Table:
    rows: list[list[Any]] = [[name, SOURCES[name.lower()].layout, SOURCES[name.lower()].publisher] for name in names]
    note = "The data root is what ERLANGEN_DATA or --data names; without the files nothing can be measured here."
    return Table("Citation graphs that are not here", ["graph", "takes", "from"], rows, note)


def _table(name: str, metrics: dict[str, list[float]], outcome: Outcome, config: Config) -> Table:
    rows: list[list[Any]] = []
    for kind in COMPARED:
        key = f"{name.lower()}_{kind}"
        values = 100 * torch.tensor(metrics[key], dtype=torch.float64)
        right = f"{values.mean():.1f}" + (f" ± {values.std():.1f}" if len(values) > 1 else "")
        seconds = sum(metrics[f"{key}_seconds"]) / len(metrics[f"{key}_seconds"])
        rows.append([METHODS[kind].title, right, outcome.weights[key], f"{seconds:.1f}"])
    note = (
        f"Percent of the test nodes of the public split, mean ± deviation over seeds; {config.real_epochs} epochs, the "
        "best chosen on the validation nodes. Seconds of training are the processor's."
    )
    return Table(f"Topics of papers, {name}", ["aggregation", "read", "weights", "seconds"], rows, note)


def _draw(there: tuple[str, ...], metrics: dict[str, list[float]], file: Path) -> None:
    figure, panels = new_figure(1, len(there), width=4.5 * len(there), height=3.2)
    for axes, name in zip(panels, there, strict=True):
        for colour, kind in enumerate(COMPARED):
            key = f"{name.lower()}_{kind}"
            right, seconds = 100 * torch.tensor(metrics[key]), torch.tensor(metrics[f"{key}_seconds"])
            middle = right.mean()
            around = torch.stack([middle - right.amin(), right.amax() - middle])[:, None]
            title = METHODS[kind].title
            axes.errorbar(seconds.mean(), middle, yerr=around, fmt="o", color=f"C{colour}", label=title)
        axes.set(title=name, xlabel="seconds to learn", ylabel="topics read in %", xscale="log")
    panels[0].legend(fontsize=7)
    save_figure(figure, file)


EXPERIMENT = Experiment(NAME, "topics of papers on Cora and CiteSeer, by aggregation", CLAIMS, run)
