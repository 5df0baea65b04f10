"""Which polynomials of a simple graph networks cannot compute, by degree: message passing, PPGN, folklore networks.

Nothing is trained. Counts are compared with those of the publication and of an independent enumeration, and whatever
becomes a product of matrices once the one missing polynomial of degree five is given is found, and verified.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from erlangen.graphs import (
    NETWORKS,
    Bank,
    MarkedMultigraph,
    draw_multigraph,
    enumerate_basis,
    evaluate,
    exactness_degree,
    is_computable,
    missing_polynomials,
)
from erlangen.recipes.equivariant_polynomials.settings import Config
from erlangen.recipes.experiment import Experiment, Findings
from erlangen.report import Check, Table, new_figure, save_figure

NAME = "power-table"
BANKS: dict[str, Bank] = {"node": "node", "edge": "edge", "three": 3}
TITLES = {"node": "message passing", "edge": "PPGN", "three": "folklore of order 3"}
ORDERS = {0: "graphs", 1: "nodes", 2: "pairs"}

# All connected ones with marks on different nodes, and those that each bank lacks, by degree: for graphs, nodes, pairs.
COUNTS = {1: (1, 1, 1), 2: (1, 2, 3), 3: (3, 5, 10), 4: (5, 13, 35), 5: (12, 37, 125), 6: (30, 114, 460)}
LACKED = {
    "node": {1: (0, 0, 0), 2: (0, 0, 1), 3: (1, 1, 5), 4: (2, 4, 23)},
    "edge": {1: (0, 0, 0), 2: (0, 0, 0), 3: (0, 0, 0), 4: (0, 0, 0), 5: (0, 0, 1), 6: (1, 1, 9)},
}

# Two nodes that are not joined, and an edge between two of their common neighbours: what PPGN lacks first.
FIFTH = MarkedMultigraph(4, ((0, 2), (0, 3), (1, 2), (1, 3), (2, 3)), marks=(0, 1))

# With F = P_FIFTH, products of matrices and of entries give more of what is missing: name -> multigraph and formula.
CLIQUE = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
FROM_FIFTH: dict[MarkedMultigraph, Callable[[Tensor, Tensor], Tensor]] = {
    MarkedMultigraph(4, CLIQUE): lambda a, f: (a * f).sum((-2, -1)),
    MarkedMultigraph(4, CLIQUE, marks=(0,)): lambda a, f: (a * f).sum(-1),
    MarkedMultigraph(4, CLIQUE, marks=(0, 1)): lambda a, f: a * f,
    MarkedMultigraph(5, (*FIFTH.edges, (0, 4)), marks=(0, 1)): lambda a, f: a.sum(-1)[..., None] * f,
    MarkedMultigraph(5, (*FIFTH.edges, (1, 4)), marks=(0, 1)): lambda a, f: f * a.sum(-1)[..., None, :],
    MarkedMultigraph(5, (*FIFTH.edges, (0, 4)), marks=(4, 1)): lambda a, f: a @ f,
    MarkedMultigraph(5, (*FIFTH.edges, (1, 4)), marks=(0, 4)): lambda a, f: f @ a,
}


def run(config: Config) -> Findings:
    """Counts what is missing, degree by degree."""
    degrees = range(1, config.table_degree + 1)
    every = {(d, k): len(enumerate_basis(d, k, simple=True, connected=True)) for d in degrees for k in ORDERS}
    missing = {bank: missing_polynomials(sums, config.table_degree) for bank, sums in BANKS.items()}
    counts = {
        (bank, d, k): sum(graph.degree == d and graph.order == k for graph in found)
        for bank, found in missing.items()
        for d in degrees
        for k in ORDERS
    }
    metrics = {f"{bank}_{d}_{ORDERS[k]}": [float(count)] for (bank, d, k), count in counts.items()}
    findings = Findings(metrics, [_table(every, counts, config), _networks(config)], {}, _checks(every, counts, config))
    if config.out is not None and missing["edge"]:
        findings.figures["missing-polynomials.png"] = (
            "What PPGN cannot compute: polynomials of one number per graph (no red node), per node and per pair of "
            "nodes. Framed in green: products of matrices, once the first one is given"
        )
        _draw(missing["edge"], config.out / "missing-polynomials.png")
    return findings


def follows_from_fifth(graph: MarkedMultigraph) -> bool:
    """Whether PPGN computes it once the missing polynomial of degree five is given.

    >>> pendant = MarkedMultigraph(5, (*FIFTH.edges, (2, 4)), marks=(0, 1))
    >>> follows_from_fifth(MarkedMultigraph(4, CLIQUE)), follows_from_fifth(pendant)
    (True, False)
    """
    return is_computable(graph, "edge", given=[FIFTH])


def largest_gap(seed: int = 0, graphs: int = 5, nodes: int = 9) -> float:
    """Largest difference between the formulas of ``FROM_FIFTH`` and the polynomials, on random graphs."""
    generator = torch.Generator().manual_seed(seed)
    upper = (torch.rand(graphs, nodes, nodes, generator=generator, dtype=torch.float64) < 0.6).double().triu(1)
    adjacency = upper + upper.mT
    fifth = evaluate(FIFTH, adjacency)
    gaps = [evaluate(graph, adjacency) - formula(adjacency, fifth) for graph, formula in FROM_FIFTH.items()]
    return max(float(gap.abs().max()) for gap in gaps)


def _checks(every: dict[tuple[int, int], int], counts: dict[tuple[str, int, int], int], config: Config) -> list[Check]:
    checks = []
    known = [d for d in range(1, config.table_degree + 1) if d in COUNTS]
    right = sum(every[d, k] == COUNTS[d][k] for d in known for k in ORDERS)
    statement = "As many connected polynomials of simple graphs as an independent enumeration found."
    checks.append(Check("power-counts", statement, right == 3 * len(known), f"{right} of {3 * len(known)} counts"))
    for bank, lacked in LACKED.items():
        known = [d for d in lacked if d <= config.table_degree]
        right = sum(counts[bank, d, k] == lacked[d][k] for d in known for k in ORDERS)
        statement = f"As many that {TITLES[bank]} cannot compute."
        checks.append(Check(f"power-{bank}", statement, right == 3 * len(known), f"{right} of {3 * len(known)} counts"))
    degrees = {bank: (exactness_degree(bank, 1), exactness_degree(bank, 2)) for bank in ("node", "edge")}
    statement = "Message passing computes all up to degree 2 for nodes and 1 for pairs, PPGN up to 5 and 4."
    checks.append(Check("power-exactness", statement, degrees == {"node": (2, 1), "edge": (5, 4)}, str(degrees)))
    gap = largest_gap()
    decided = [graph for graph in missing_polynomials("edge", 6) if graph.degree == 6 and follows_from_fifth(graph)]
    found = {graph.canonical(symmetric=True) for graph in FROM_FIFTH}
    agreed = found == {graph.canonical(symmetric=True) for graph in decided}
    statement = (
        "Seven of the eleven polynomials of degree six that PPGN lacks are products of matrices once that of degree "
        "five is given, as formulas and the decision agree: PPGN++ takes five channels, not twelve, up to degree six."
    )
    checks.append(Check("power-seven-of-eleven", statement, agreed and gap == 0, f"largest difference {gap:g}"))
    return checks


def _table(every: dict[tuple[int, int], int], counts: dict[tuple[str, int, int], int], config: Config) -> Table:
    rows = []
    for d in range(1, config.table_degree + 1):
        cells = [", ".join(str(counts[bank, d, k]) for k in ORDERS) for bank in BANKS]
        rows.append([d, ", ".join(str(every[d, k]) for k in ORDERS), *cells])
    columns = ["edges", "all", *(TITLES[bank] for bank in BANKS)]
    note = (
        "Connected polynomials of simple graphs with so many edges, for graphs, nodes, pairs: all, and those missing."
    )
    return Table("Polynomials that networks cannot compute", columns, rows, note)


def _networks(config: Config) -> Table:
    rows = []
    for network in NETWORKS:
        cells = []
        for order in ORDERS:
            degree = network.exactness_degree(order, config.table_degree)
            cells.append("none" if degree is None else f"{degree}" + ("+" if degree == config.table_degree else ""))
        rows.append([network.name, str(network.bank), *cells])
    note = f"Degree up to which every polynomial is computed; + where the table ends, at {config.table_degree} edges."
    return Table("Well-known networks", ["network", "bank", "graphs", "nodes", "pairs"], rows, note)


def _draw(missing: list[MarkedMultigraph], file: Path) -> None:
    columns = min(6, len(missing))
    rows = -(-len(missing) // columns)
    figure, panels = new_figure(rows, columns, width=1.4 * columns + 0.4, height=1.5 * rows + 0.2)
    for axes in panels:
        axes.set_axis_off()
    for axes, graph in zip(panels, missing, strict=False):
        draw_multigraph(graph, axes)
        axes.set_title(f"degree {graph.degree}", fontsize=8)
        if graph.degree > FIFTH.degree and follows_from_fifth(graph):
            axes.add_patch(_frame(axes))
    save_figure(figure, file)


def _frame(axes: object) -> object:
    from matplotlib.patches import Rectangle

    place = {"transform": axes.transAxes, "fill": False, "edgecolor": "C2", "linewidth": 1.5, "clip_on": False}  # type: ignore[attr-defined]
    return Rectangle((0.0, 0.0), 1.0, 1.0, **place)


EXPERIMENT = Experiment(NAME, "which polynomials networks cannot compute, and which follow from one of them", (), run)
