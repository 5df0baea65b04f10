r"""Distances that no points have: classical scaling of graph metrics, and what it loses.

Distances along the edges of cycles, stars, trees, grids and road-like graphs are embedded in the plane. Compared are
classical scaling as it is here, scikit-learn's classical scaling, and SMACOF, which goes on from there to lower the
stress itself. Negative eigenvalues say how far from Euclidean a metric is.
"""

from __future__ import annotations

import itertools
import math
import time
import warnings
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from erlangen.extras import require
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.recipes.tinvnn.pointcloud import spread
from erlangen.recipes.tinvnn.settings import Config
from erlangen.report import Check, Claim, Table, new_figure, save_figure
from erlangen.symmetrize import classical_mds, stress

NAME = "metric"
FAMILIES = ("cycle", "star", "tree", "weighted tree", "grid", "roads")
SOLVERS = ("ours", "classical", "smacof")
CLEAR = 1e-6
"""Gap of the second and third eigenvalue, against the largest, above which there is only one classical solution."""

# Written before the first run.
CLAIMS = (
    Claim(
        "metric-smacof",
        "Lowering the stress itself, as SMACOF does, gives less than nine tenths of the stress of classical scaling.",
        "<",
        margin=0.9,
        form="ratio",
        required_seeds=3,
        experiment=NAME,
        ours="smacof_stress",
        baseline="ours_stress",
    ),
    Claim(
        "metric-time",
        "Classical scaling takes less than a fifth of the time of SMACOF.",
        "<",
        margin=0.2,
        form="ratio",
        required_seeds=3,
        experiment=NAME,
        ours="ours_seconds",
        baseline="smacof_seconds",
    ),
)


def run(config: Config) -> Findings:
    """Embeds the graphs of every seed."""
    measured = over_seeds(one_seed, config, NAME, steps=config.metric_graphs)
    metrics = by_metric([outcome for outcome, _ in measured])
    findings = Findings(metrics, [_table(metrics, config)], {}, _checks(metrics))
    if config.out is not None:
        findings.figures["tinvnn-stress.png"] = (
            "Stress of graph metrics in the plane, by classical scaling and by SMACOF; and how negative the most "
            "negative eigenvalue is, against the largest (first seed)"
        )
        _draw(measured[0][1], config.out / "tinvnn-stress.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Means over the graphs of one seed, and the single ones."""
    each = []
    for number in range(config.metric_graphs):
        family, dist = graph_metric(number, config.metric_nodes, seed)
        each.append({"family": family} | embed(dist, seed))
        tick()
    keys = [key for key in each[0] if key != "family"]
    metrics = {key: float(np.mean([one[key] for one in each])) for key in keys}
    clear = [one for one in each if one["gap"] > CLEAR]
    metrics["difference"] = max(abs(one["ours_stress"] - one["classical_stress"]) for one in clear)
    metrics["least_negative"] = min(one["negative"] for one in each)
    for family in FAMILIES:
        mine = [one for one in each if one["family"] == family]
        for key in keys:
            metrics[f"{family}_{key}"] = float(np.mean([one[key] for one in mine])) if mine else math.nan
    return metrics, each


def graph_metric(number: int, nodes: int, seed: int) -> tuple[str, Tensor]:
    """Lengths of shortest paths in one of the graphs; the first is the cycle of five nodes.

    >>> graph_metric(0, 20, 0)[1].amax(1).tolist()
    [2.0, 2.0, 2.0, 2.0, 2.0]
    """
    family = FAMILIES[number % len(FAMILIES)]
    turn = number // len(FAMILIES)
    rng = np.random.default_rng([seed, number])
    side = max(2, round(math.sqrt(nodes)) - turn % 3)
    graphs = {
        "cycle": lambda: nx.cycle_graph(5 + turn),
        "star": lambda: nx.star_graph(4 + turn),
        "tree": lambda: nx.random_labeled_tree(nodes, seed=int(rng.integers(2**31))),
        "weighted tree": lambda: nx.random_labeled_tree(nodes, seed=int(rng.integers(2**31))),
        "grid": lambda: nx.grid_2d_graph(side + 1, side),
        "roads": lambda: _roads(nodes, rng),
    }
    graph = graphs[family]()
    if family == "weighted tree":
        for a, b in graph.edges:
            graph.edges[a, b]["weight"] = rng.uniform(0.5, 2)
    return family, torch.tensor(np.asarray(nx.floyd_warshall_numpy(graph)))


def _roads(nodes: int, rng: np.random.Generator) -> Any:
    """Points of the plane, each with roads to its three nearest ones, and to a last one where that is not enough."""
    place = rng.random((nodes, 2))
    apart = np.linalg.norm(place[:, None] - place, axis=-1)
    graph = nx.Graph()
    graph.add_nodes_from(range(nodes))
    for a in range(nodes):
        for b in apart[a].argsort()[1:4]:
            graph.add_edge(a, int(b), weight=float(apart[a, b]))
    parts = [min(part) for part in nx.connected_components(graph)]
    for a, b in itertools.pairwise(parts):
        graph.add_edge(a, b, weight=float(apart[a, b]))
    return graph


def embed(dist: Tensor, seed: int) -> dict[str, float]:
    """Stress in the plane and seconds of the three solvers, and the most negative eigenvalue over the largest."""
    manifold = require("sklearn.manifold", "recipes", "scaling by scikit-learn")
    plain = dist.numpy()
    classical = manifold.ClassicalMDS(n_components=2, metric="precomputed")
    smacof = manifold.MDS(
        n_components=2, metric="precomputed", n_init=1, init="classical_mds", max_iter=300, random_state=seed
    )
    solvers = {
        "ours": lambda: classical_mds(dist, 2)[0],
        "classical": lambda: torch.tensor(classical.fit_transform(plain)),
        "smacof": lambda: torch.tensor(smacof.fit_transform(plain)),
    }
    found: dict[str, float] = {}
    for name, solve in solvers.items():
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn announces future defaults
            z = solve()
        found[f"{name}_seconds"] = time.process_time() - start
        found[f"{name}_stress"] = float(stress(z, dist))
    values = classical_mds(dist, 2)[1]
    found["gap"] = float((values[1] - values[2]) / values[0])
    found["negative"] = float(-values.min() / values.max())
    found["kept"] = float(values[:2].sum() / values.clamp_min(0).sum())
    return found


def _checks(metrics: dict[str, list[float]]) -> list[Check]:
    most = max(metrics["difference"])
    statement = (
        "Classical scaling has the stress of scikit-learn's, to 1e-9, where eigenvalues leave no choice of axes."
    )
    same = Check("metric-same-stress", statement, most <= 1e-9, f"largest difference {most:.1e}")
    least = min(metrics["least_negative"])
    statement = "All these metrics have a negative eigenvalue, and it is reported."
    return [same, Check("metric-negative", statement, least > 1e-6, f"the least is {least:.1e} of the largest")]


def _table(metrics: dict[str, list[float]], config: Config) -> Table:
    rows: list[list[Any]] = []
    for family in (*FAMILIES, ""):
        prefix = f"{family}_" if family else ""
        cells = [spread(metrics[f"{prefix}{solver}_stress"]) for solver in SOLVERS]
        kept = [spread(metrics[f"{prefix}{key}"], 2) for key in ("negative", "kept")]
        times = [f"{1e3 * np.mean(metrics[f'{prefix}{solver}_seconds']):.2f}" for solver in SOLVERS]
        rows.append([family or "all", *cells, *kept, *times])
    note = (
        f"Stress in the plane of {config.metric_graphs} graphs, mean ± deviation over seeds. Negative: the most "
        "negative eigenvalue, against the largest. Kept: the two largest, against all positive ones. Milliseconds of the "
        "processor. SMACOF starts from the classical solution. In stars all leaves are alike and eigenvalues agree: which "
        "plane is taken is chance, and so is the stress."
    )
    columns = ["metric", *SOLVERS, "negative", "kept", *(f"{solver}, ms" for solver in SOLVERS)]
    return Table("Distances along graphs, in the plane", columns, rows, note)


def _draw(each: list[dict[str, Any]], file: Path) -> None:
    figure, (left, right) = new_figure(1, 2, height=3.8)
    for place, family in enumerate(FAMILIES):
        mine = [one for one in each if one["family"] == family]
        before, after = ([one[f"{solver}_stress"] for one in mine] for solver in ("ours", "smacof"))
        left.plot(before, after, "o", color=f"C{place}", markersize=4, label=family)
        right.plot([one["negative"] for one in mine], [place] * len(mine), "o", color=f"C{place}", markersize=4)
    most = max(one["ours_stress"] for one in each)
    left.plot([0, most], [0, most], color="0.6", linewidth=1)
    left.set(title="Stress", xlabel="classical scaling", ylabel="SMACOF")
    left.legend(fontsize="small")
    right.set(title="How far from Euclidean", xlabel="most negative eigenvalue / largest", yticks=range(len(FAMILIES)))
    right.set_yticklabels(list(FAMILIES))
    right.invert_yaxis()
    save_figure(figure, file)


EXPERIMENT = Experiment(NAME, "graph metrics in the plane: classical scaling, scikit-learn's, and SMACOF", CLAIMS, run)
