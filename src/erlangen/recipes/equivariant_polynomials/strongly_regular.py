"""Strongly regular graphs, which 3-WL takes for the same: counted by polynomials, and by untrained networks.

Two graphs are told apart by polynomials if the values at their nodes, or at their pairs, differ as multisets. Networks
have random weights; they tell two graphs apart if their numbers differ by more than rounding explains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from erlangen.data import SOURCES, data_root, look
from erlangen.data.strongly_regular import FAMILIES, load_strongly_regular, rook_and_shrikhande
from erlangen.graphs import PPGN, EquivariantPolynomials, MarkedMultigraph, PPGNPlusPlus, missing_polynomials
from erlangen.recipes.equivariant_polynomials.settings import Config
from erlangen.recipes.experiment import Experiment, Findings, by_metric
from erlangen.recipes.seeds import Tick, over_seeds
from erlangen.report import Check, Claim, Table, new_figure, save_figure

NAME = "strongly-regular"
NETWORKS = {"ppgn": "PPGN", "five": "PPGN++ (5)", "six": "PPGN++ (6)"}
CHANNELS = {"plain": "A and its square", "five": "and of degree 5", "six": "and of degree 6"}
OUTPUTS = 16
APART = 1e-9  # relative distance of outputs in float64 above which a network tells graphs apart
PUBLISHED = 0.01  # distance that the publication asks for


def _claim(name: str, statement: str, relation: Any, ours: str, baseline: float, seeds: int) -> Claim:
    return Claim(
        f"regular-{name}", statement, relation, required_seeds=seeds, experiment=NAME, ours=ours, baseline=baseline
    )


# Written before the first run. Those on five families are not measurable without their files.
CLAIMS = (
    _claim(
        "rook", "Rook's and Shrikhande graph: the missing polynomial of degree five tells them apart.", "==",
        "sr16622_alike_five", 0.0, 1,
    ),
    _claim(
        "five", "Polynomials up to degree five leave less than a tenth of the pairs of any family alike.", "<",
        "worst_alike_five", 0.1, 1,
    ),
    _claim(
        "six", "Those up to degree six leave no pair alike.", "==", "worst_alike_six", 0.0, 1,
    ),
    _claim(
        "more", "Degree five alone does leave pairs alike: degree six is needed.", ">", "worst_alike_five", 0.0, 1,
    ),
    _claim(
        "network", "An untrained PPGN++ (6) tells at least 99 % of the pairs of every family apart.", ">",
        "worst_network_six", 0.99, 3,
    ),
)  # fmt: skip


@dataclass
class Outcome:
    """What one seed counted; ``distances`` are relative, of all pairs of a family, for each network."""

    metrics: dict[str, float]
    distances: dict[str, dict[str, Tensor]]


def load(config: Config) -> dict[str, Tensor]:
    """Adjacency matrices of the families, float64; without the files of the first alone, which is made here.

    Raises:
        MissingDataError: If files are there and broken.
    """
    if not look(SOURCES["strongly-regular"], data_root(config.data)).there:
        return {"sr16622": rook_and_shrikhande().double()}
    chosen = list(FAMILIES)[: config.regular_families]
    return {family: load_strongly_regular(family, config.data).double() for family in chosen}


def run(config: Config) -> Findings:
    """Counts with polynomials once, and with networks for every seed."""
    families = load(config)
    alike = {
        f"{family}_alike_{name}": share_alike(signatures(adjacency, polynomials))
        for family, adjacency in families.items()
        for name, polynomials in polynomial_sets().items()
    }
    outcomes = over_seeds(one_seed, config, NAME, steps=len(families) * len(NETWORKS))
    metrics = by_metric([outcome.metrics for outcome in outcomes])
    metrics |= {name: [value] for name, value in alike.items()}
    if len(families) == len(FAMILIES):
        for name in CHANNELS:
            metrics[f"worst_alike_{name}"] = [max(alike[f"{family}_alike_{name}"] for family in families)]
        for name in NETWORKS:
            every = [metrics[f"{family}_network_{name}"] for family in families]
            metrics[f"worst_network_{name}"] = [min(of_seed) for of_seed in zip(*every, strict=True)]
    findings = Findings(metrics, _tables(metrics, families, outcomes, config), {}, _checks(metrics, outcomes))
    if config.out is not None:
        findings.figures["strongly-regular.png"] = (
            "How far apart untrained networks put the pairs of a family, relative to the size of their numbers (all "
            "seeds); and which share of pairs polynomials leave alike"
        )
        _draw(metrics, outcomes, list(families), config.out / "strongly-regular.png")
    return findings


def one_seed(config: Config, seed: int, tick: Tick) -> Outcome:
    """Random networks on all families."""
    outcome = Outcome({}, {})
    for family, adjacency in load(config).items():
        outcome.distances[family] = {}
        for name in NETWORKS:
            distance = pair_distances(embed(network(name, config, seed), adjacency))
            outcome.distances[family][name] = distance
            outcome.metrics[f"{family}_network_{name}"] = float((distance > APART).double().mean())
            outcome.metrics[f"{family}_published_{name}"] = float((distance > PUBLISHED).double().mean())
            tick()
    return outcome


def polynomial_sets() -> dict[str, list[MarkedMultigraph]]:
    """The matrix and its square; and what PPGN lacks up to degree five, and up to six."""
    plain = [MarkedMultigraph(2, ((0, 1),), (0, 1)), MarkedMultigraph(3, ((0, 1), (1, 2)), (0, 2))]
    return {
        name: plain + missing_polynomials("edge", degree) for name, degree in (("plain", 4), ("five", 5), ("six", 6))
    }


def signatures(adjacency: Tensor, polynomials: list[MarkedMultigraph]) -> list[tuple[bytes, bytes]]:
    """Of each graph the sorted values of polynomials at its nodes, and at its pairs of different nodes."""
    matrices = EquivariantPolynomials(polynomials, simple=True)(adjacency).matrices()
    apart = ~torch.eye(adjacency.shape[-1], dtype=torch.bool)
    found = []
    for values in matrices:
        nodes, pairs = values.diagonal(dim1=-2, dim2=-1).T, values[:, apart].T
        found.append((_sorted(nodes), _sorted(pairs)))
    return found


def _sorted(rows: Tensor) -> bytes:
    values, counts = rows.unique(dim=0, return_counts=True)
    return values.numpy().tobytes() + counts.numpy().tobytes()


def share_alike(signatures: list[tuple[bytes, bytes]]) -> float:
    """The share of pairs that are the same.

    >>> share_alike([(b"a", b""), (b"b", b""), (b"a", b"")])
    0.3333333333333333
    """
    n = len(signatures)
    return sum(signatures[i] == signatures[j] for i in range(n) for j in range(i)) / math.comb(n, 2)


def network(name: str, config: Config, seed: int) -> PPGN:
    """A network with random weights, float64."""
    sizes = (0, config.regular_width, config.regular_layers, OUTPUTS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name == "ppgn":
            return PPGN(*sizes).double()
        return PPGNPlusPlus(*sizes, degree={"five": 5, "six": 6}[name]).double()


@torch.no_grad()
def embed(network: PPGN, adjacency: Tensor) -> Tensor:
    """The numbers of all graphs of a family."""
    graphs, n, _ = adjacency.shape
    graph, i, j = adjacency.nonzero().T
    batch = torch.arange(graphs).repeat_interleave(n)
    return network(None, torch.stack([graph * n + i, graph * n + j]), batch)


def pair_distances(numbers: Tensor) -> Tensor:
    """Distances of all pairs, relative to the mean length."""
    return torch.nn.functional.pdist(numbers) / numbers.norm(dim=1).mean()


def _checks(metrics: dict[str, list[float]], outcomes: list[Outcome]) -> list[Check]:
    blind = max(float(one["ppgn"].max()) for outcome in outcomes for one in outcome.distances.values())
    plain = min(values[0] for name, values in metrics.items() if name.endswith("_alike_plain"))
    return [
        Check(
            "regular-plain", "The matrix and its square leave all pairs of all families alike.", plain == 1,
            f"{100 * plain:.1f} %",
        ),
        Check(
            "regular-ppgn", "PPGN gives all graphs of a family the same numbers, to rounding.", blind < 1e-12,
            f"largest relative distance {blind:.1e}",
        ),
    ]  # fmt: skip


def _tables(
    metrics: dict[str, list[float]], families: dict[str, Tensor], outcomes: list[Outcome], config: Config
) -> list[Table]:
    counted: list[list[Any]] = []
    measured: list[list[Any]] = []
    for family, adjacency in families.items():
        shares = [f"{100 * metrics[f'{family}_alike_{name}'][0]:.1f}" for name in CHANNELS]
        counted.append([family, len(adjacency), math.comb(len(adjacency), 2), *shares])
        cells: list[Any] = []
        for name in NETWORKS:
            least = min(float(outcome.distances[family][name].min()) for outcome in outcomes)
            share, far = (_mean(metrics[f"{family}_{kind}_{name}"]) for kind in ("network", "published"))
            cells += [f"{100 * share:.1f}", f"{100 * far:.1f}", f"{least:.0e}"]
        measured.append([family, *cells])
    columns = ["family", "graphs", "pairs", *(f"{title} %" for title in CHANNELS.values())]
    heads = [head for title in NETWORKS.values() for head in (f"{title} %", f"above {PUBLISHED:g} %", "least distance")]
    note = (
        f"Relative distance of {OUTPUTS} numbers in float64 above {APART:g}, and above the {PUBLISHED:g} of the "
        f"publication; mean over seeds. {config.regular_layers} blocks of {config.regular_width} channels with random "
        "weights."
    )
    missing = "Other families take the data set strongly-regular: see `erlangen data`."
    if look(SOURCES["strongly-regular"], data_root(config.data)).there:
        missing = ""
    return [
        Table("Pairs of strongly regular graphs that polynomials leave alike", columns, counted, missing),
        Table("Pairs that untrained networks tell apart", ["family", *heads], measured, note),
    ]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _draw(metrics: dict[str, list[float]], outcomes: list[Outcome], families: list[str], file: Path) -> None:
    figure, (distances, shares) = new_figure(1, 2)
    offsets = {name: 0.25 * (place - 1) for place, name in enumerate(NETWORKS)}
    generator = torch.Generator().manual_seed(0)
    for place, family in enumerate(families):
        for colour, name in enumerate(NETWORKS):
            values = torch.cat([outcome.distances[family][name] for outcome in outcomes]).clamp_min(1e-18)
            values = values[torch.randperm(len(values), generator=generator)[:400]]
            x = place + offsets[name] + 0.16 * (torch.rand(len(values), generator=generator) - 0.5)
            label = NETWORKS[name] if place == 0 else None
            distances.plot(x, values, ".", markersize=3, alpha=0.5, color=f"C{colour}", label=label)
    distances.axhline(APART, color="0.4", linewidth=1, linestyle="--")
    distances.set(yscale="log", ylabel="relative distance", title="Untrained networks")
    distances.legend(loc=(0.02, 0.36), markerscale=3, fontsize=7)
    for colour, (name, title) in enumerate(CHANNELS.items()):
        heights = [100 * metrics[f"{family}_alike_{name}"][0] for family in families]
        at = [place + offset for place, offset in zip(range(len(families)), [0.25 * (colour - 1)] * 9, strict=False)]
        bars = shares.bar(at, heights, width=0.24, color=f"C{colour}", label=title)
        shares.bar_label(bars, labels=[f"{height:.3g}" for height in heights], fontsize=7)
    shares.set(ylabel="pairs alike in %", ylim=(0, 125), title="Polynomials")
    shares.legend(loc="upper right", ncols=3, fontsize=7)
    for axes in (distances, shares):
        axes.set_xticks(range(len(families)), families)
    save_figure(figure, file)


EXPERIMENT = Experiment(
    NAME, "strongly regular graphs: what polynomials and untrained networks tell apart", CLAIMS, run
)
