"""Cross validation of networks on a set of labelled graphs; `mutag` and `proteins` say which, and what they claim.

For every seed a set is split into folds anew. A network learns from all parts but two, the epoch of the least loss on
one of these is kept, and the accuracy on the other is what counts. Networks share folds, batches, optimiser, epochs and
choice of the epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import stdtr
from torch import Tensor, nn
from torch_geometric.data import Data

from erlangen.audit import audit
from erlangen.data import SOURCES, data_root, look
from erlangen.data.graph_pairs import cycle_pairs
from erlangen.data.tu import load_tu
from erlangen.graphs import EgoSubgraphs
from erlangen.recipes.experiment import Findings, by_metric
from erlangen.recipes.folds import Fold, stratified_folds
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.recipes.spen.networks import PROMISE, drawn, joined, logits
from erlangen.recipes.spen.settings import Config
from erlangen.report import Check, Table, new_figure, save_figure
from erlangen.train import fit

GENERATED = "cycles"  # where the files are not: one cycle or two, beside a tree
AUDITED = 4


@dataclass(frozen=True)
class Method:
    """A network: ``build(config, task, in_channels)``."""

    title: str
    build: Callable[[Config, Task, int], nn.Module]


@dataclass(frozen=True)
class Task:
    """A set of graphs, and the networks that learn it; ``name`` is the experiment's, and its settings' first word."""

    name: str
    set_name: str
    methods: dict[str, Method]

    def setting(self, config: Config, name: str) -> Any:
        """A setting of the task's block."""
        return getattr(config, f"{self.name}_{name}")

    def source(self, config: Config) -> str:
        """What metrics are called after: the set, or what is generated where its files are not there."""
        return self.name if look(SOURCES[self.name], data_root(config.data)).there else GENERATED

    def title(self, config: Config) -> str:
        """The set in words."""
        return self.set_name if self.source(config) == self.name else f"one cycle or two ({self.set_name} is not here)"


@dataclass
class Outcome:
    """What one seed measured; ``folds`` has the accuracies of each network."""

    metrics: dict[str, float] = field(default_factory=dict)
    folds: dict[str, list[float]] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    audits: list[dict[str, Any]] = field(default_factory=list)


def run(task: Task, config: Config, one_seed: Callable[[Config, int, Tick], Outcome]) -> Findings:
    """Runs every seed; ``one_seed`` is a function of a module, which processes find by its name."""
    graphs = load(task, config)  # a broken file is met before the first seed
    folds = task.setting(config, "folds")
    rest = len(graphs) * (folds - 2) / folds
    steps = round(folds * task.setting(config, "epochs") * math.ceil(rest / task.setting(config, "batch")))
    outcomes = over_seeds(one_seed, config, task.name, steps=len(task.methods) * steps)
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    majority = float(torch.cat([g.y for g in graphs]).bincount().max() / len(graphs))
    findings = Findings(
        metrics, [_table(task, config, outcomes, majority)], {}, _checks(task, outcomes), outcomes[0].audits
    )
    if config.out is not None:
        name = f"spen-{task.name}.png"
        findings.figures[name] = (
            f"{task.title(config)}: accuracy on each fold (all seeds; bars are means), and how much better the first "
            "network is on the same fold"
        )
        _draw(task, outcomes, majority, config.out / name)
    return findings


def load(task: Task, config: Config) -> list[Any]:
    """The graphs with their ego-networks, of which some were drawn where not all are wanted.

    Raises:
        MissingDataError: If the files are there and broken.
    """
    most = task.setting(config, "graphs")
    graphs = generated(most) if task.source(config) == GENERATED else load_tu(task.set_name, config.data)
    if most < len(graphs):
        chosen = torch.randperm(len(graphs), generator=torch.Generator().manual_seed(0))[:most]
        graphs = [graphs[i] for i in chosen.sort().values.tolist()]
    transform = EgoSubgraphs()
    return [transform(graph) for graph in graphs]


def generated(most: int) -> list[Any]:
    """Graphs to do without a set: each a cycle of 2 m nodes or two of m, beside a random tree with marks."""
    pairs, found = cycle_pairs(2 * (min(most, 200) // 2)), []
    for adjacency, bits, size, label in zip(*pairs, strict=True):
        n = int(size)
        edge_index = adjacency[:n, :n].nonzero().T.contiguous()
        found.append(Data(x=torch.cat([bits[:n], 1 - bits[:n]], 1), edge_index=edge_index, y=label.long()[None]))
    return found


def cross_validate(task: Task, config: Config, seed: int, tick: Tick) -> Outcome:
    """Trains and tests all networks on all folds of one seed."""
    graphs, outcome = load(task, config), Outcome()
    folds = stratified_folds(torch.cat([graph.y for graph in graphs]), task.setting(config, "folds"), seed)
    for name, method in task.methods.items():
        found, seconds, network = [], 0.0, None
        for i, fold in enumerate(folds):
            network = drawn(lambda m=method: m.build(config, task, graphs[0].x.shape[1]), 1000 * seed + i)
            seconds += _train(network.to(config.device), graphs, fold, (task, config, seed, name, i), tick)
            found.append(accuracy(network, [graphs[j] for j in fold.test.tolist()], config.device))
        assert network is not None
        outcome.folds[name] = found
        outcome.metrics[f"{task.source(config)}_{name}"] = sum(found) / len(found)
        outcome.metrics[f"{name}_seconds"] = seconds
        outcome.weights[name] = sum(p.numel() for p in network.parameters())
        batch = joined(graphs[:AUDITED]).to(config.device)
        report = audit(network, batch.x, batch.edge_index, batch.batch, symmetry=PROMISE, num_elements=8)
        outcome.audits.append({"name": f"{method.title}, {task.set_name}"} | report.to_dict())
    return outcome


def loss(network: nn.Module, batch: Any) -> Tensor:
    """The cross entropy of a batch of graphs."""
    return nn.functional.cross_entropy(logits(network, batch), batch.y)


def accuracy(network: nn.Module, graphs: list[Any], device: str) -> float:
    """The share of graphs whose class is found."""
    batch = joined(graphs).to(device)
    with torch.no_grad():
        return float((logits(network.eval(), batch).argmax(1) == batch.y).double().mean())


def steps(done: float) -> float:
    """A tenth of the learning rate after 30 and after 60 of 50 epochs; of so many as there are.

    >>> [steps(x) for x in (0.0, 0.59, 0.61)]
    [1.0, 1.0, 0.1]
    """
    return 0.1 ** int(done * 50 / 30)


def _train(
    network: nn.Module, graphs: list[Any], fold: Fold, training: tuple[Task, Config, int, str, int], tick: Tick
) -> float:
    task, config, seed, name, i = training
    fitted = fit(
        network,
        [graphs[j] for j in fold.train.tolist()],
        loss,
        val_data=[graphs[j] for j in fold.validation.tolist()],
        val_batch_size=max(len(fold.validation), 1),
        epochs=task.setting(config, "epochs"),
        batch_size=task.setting(config, "batch"),
        lr=task.setting(config, "lr"),
        optimizer="adamw",
        weight_decay=config.weight_decay,
        schedule="cosine" if config.schedule == "cosine" else steps,
        seed=1000 * seed + i,
        progress=tick,
        **config.fit_options(task.name, seed, f"{name}-{i}"),
    )
    return fitted.processor_seconds if config.device == "cpu" else fitted.seconds


def paired_test(ours: list[float], others: list[float], share: float) -> float:
    r"""The two-sided p-value of the difference over folds, corrected for training sets that overlap.

    .. math:: t = \bar d \, / \sqrt{(1/n + \text{share})\, s^2}

    with ``share`` the number of tested items over that of learned ones; Student's distribution with n - 1 degrees of
    freedom.

    Source: Nadeau, Bengio, "Inference for the Generalization Error", 2003.

    >>> round(paired_test([0.9, 0.8, 0.85], [0.8, 0.75, 0.8], 1 / 8), 3)
    0.076
    """
    d = np.asarray(ours) - np.asarray(others)
    spread = math.sqrt((1 / len(d) + share) * float(d.var(ddof=1))) if len(d) > 1 else 0.0
    if not spread:
        return 1.0 if not d.any() else 0.0
    return 2 * float(stdtr(len(d) - 1, -abs(float(d.mean())) / spread))


def _checks(task: Task, outcomes: list[Outcome]) -> list[Check]:
    verdicts = [report["verdict"] for outcome in outcomes for report in outcome.audits]
    kept = sum(verdict in ("exact", "float32") for verdict in verdicts)
    statement = f"Trained networks say the same of relabelled graphs of {task.set_name}."
    return [Check(f"{task.name}-audit", statement, kept == len(verdicts), f"{kept} of {len(verdicts)}")]


def _table(task: Task, config: Config, outcomes: list[Outcome], majority: float) -> Table:
    first = next(iter(task.methods))
    folds = task.setting(config, "folds")
    rows: list[list[Any]] = []
    for name, method in task.methods.items():
        means = 100 * np.array([np.mean(outcome.folds[name]) for outcome in outcomes])
        every = 100 * np.array([outcome.folds[name] for outcome in outcomes])
        ours, others = (list(chain(*(outcome.folds[key] for outcome in outcomes))) for key in (first, name))
        p = None if name == first else f"{paired_test(ours, others, 1 / (folds - 2)):.2g}"
        seconds = sum(outcome.metrics[f"{name}_seconds"] for outcome in outcomes) / len(outcomes)
        spread = f" ± {means.std(ddof=1):.1f}" if len(means) > 1 else ""
        within = f"{every.std(axis=1, ddof=1).mean():.1f}"
        rows.append([method.title, f"{means.mean():.1f}{spread}", within, p, outcomes[0].weights[name], round(seconds)])
    rows.append(["the larger class", f"{100 * majority:.1f}", None, None, None, None])
    note = (
        f"Percent right on the tested fold of {folds}, mean ± deviation over seeds, which split anew; the epoch, of "
        f"{task.setting(config, 'epochs')}, is the best on another fold. Over folds: deviation within a seed. p: "
        f"paired over all folds and seeds against {task.methods[first].title}, corrected for training sets that "
        "overlap (Nadeau and Bengio). Seconds of training are the processor's, per seed."
    )
    columns = ["network", "accuracy %", "over folds", "p", "weights", "seconds"]
    return Table(f"{task.title(config)}, cross validation", columns, rows, note)


def _draw(task: Task, outcomes: list[Outcome], majority: float, file: Path) -> None:
    figure, (folds, gains) = new_figure(1, 2, width=10.0, height=3.4)
    first, *others = task.methods
    for i, name in enumerate(task.methods):
        values = 100 * np.concatenate([outcome.folds[name] for outcome in outcomes])
        folds.scatter(_spread(i, len(values)), values, s=14, alpha=0.6, color=f"C{i}", linewidths=0)
        folds.hlines(values.mean(), i - 0.3, i + 0.3, color=f"C{i}", linewidth=2)
    folds.axhline(100 * majority, color="0.4", linewidth=1, linestyle="--")
    folds.set(ylabel="accuracy in % on a fold", xticks=range(len(task.methods)))
    folds.set_xticklabels([method.title.replace(", ", "\n") for method in task.methods.values()])
    for i, name in enumerate(others):
        gain = np.concatenate([np.subtract(o.folds[first], o.folds[name]) for o in outcomes]) * 100
        gains.scatter(_spread(i, len(gain)), gain, s=14, alpha=0.6, color=f"C{i + 1}", linewidths=0)
        gains.hlines(gain.mean(), i - 0.3, i + 0.3, color=f"C{i + 1}", linewidth=2)
    gains.axhline(0, color="0.4", linewidth=1)
    gains.set(ylabel=f"{task.methods[first].title} is better by, in points", xticks=range(len(others)))
    gains.set_xticklabels([f"than {task.methods[name].title}".replace(", ", "\n") for name in others])
    save_figure(figure, file)


def _spread(place: int, count: int) -> np.ndarray:
    """Places beside one another, so that equal values do not hide each other."""
    return place + np.random.default_rng(count).uniform(-0.18, 0.18, count)
