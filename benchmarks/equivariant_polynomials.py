"""What equivariant polynomials cost: on one core, together from shared intermediates, and one by one by einsum.

The twelve polynomials up to degree six that products of matrices do not reach, of random graphs of 25 nodes, float64.
Peers: opt_einsum of each along its optimal path, found beforehand; ``torch.einsum`` of each, which looks for that path
at each call; and the same from left to right, as torch does where opt_einsum is not installed. Rounds alternate between
the competitors, and the least time of each counts; times are the processor's, on one thread, as other programs add to
wall time. For large graphs of four neighbours per node the exponent of sparse intermediates is fitted. Prints tables;
with ``--save`` writes the same to results/equivariant_polynomials.json. Takes about a minute.
"""

import argparse
import functools
import json
import platform
from pathlib import Path

import alternating
import networkx as nx
import numpy as np
import opt_einsum
import torch

from erlangen.graphs import EquivariantPolynomials, MarkedMultigraph, missing_polynomials

HERE = Path(__file__).resolve().parent
NODES, BATCH, ROUNDS = 25, 32, 10
fastest = functools.partial(alternating.fastest, rounds=ROUNDS)
SIZES = (500, 1000, 2000, 4000, 8000, 16000)


def random_graphs(count: int, nodes: int) -> torch.Tensor:
    """Adjacency matrices with edges between half of all pairs."""
    generator = torch.Generator().manual_seed(0)
    upper = torch.rand(count, nodes, nodes, generator=generator).lt(0.5).triu(1).double()
    return upper + upper.mT


def equation(graph: MarkedMultigraph) -> str:
    """One polynomial, as it is written for einsum."""
    letters = "abcdefg"
    inputs = ",".join(letters[a] + letters[b] for a, b in graph.edges)
    return f"{inputs}->{''.join(letters[mark] for mark in graph.marks)}"


def one_by_one(graphs: list[MarkedMultigraph], X: torch.Tensor, path: bool) -> list[torch.Tensor]:
    """Each polynomial by itself, along the optimal path or from left to right."""
    with torch.backends.opt_einsum.flags(enabled=path, strategy="optimal" if path else None):
        return [torch.einsum(equation(graph), *[X] * graph.degree) for graph in graphs]


def together() -> dict[str, float]:
    """All twelve, of one graph and of a batch."""
    twelve = missing_polynomials("edge", 6)
    polynomials = EquivariantPolynomials(twelve, simple=True)
    batch = random_graphs(BATCH, NODES)
    X = batch[0]
    columns = [iter(value.unbind(-1)) for value in polynomials(X)]
    for graph, expected in zip(twelve, one_by_one(twelve, X, path=True), strict=True):
        torch.testing.assert_close(next(columns[graph.order]), expected, rtol=1e-12, atol=0)
    shapes = {graph: [X.shape] * graph.degree for graph in twelve}
    paths = [opt_einsum.contract_expression(equation(one), *shapes[one], optimize="optimal") for one in twelve]
    best = fastest(
        {
            "shared, one graph": lambda: [polynomials(X) for _ in range(10)],
            "shared, a batch": lambda: polynomials(batch),
            "einsum, path found before": lambda: [
                path(*[X] * graph.degree) for path, graph in zip(paths, twelve, strict=True)
            ],
            "einsum, optimal path": lambda: one_by_one(twelve, X, path=True),
        }
    )
    best |= fastest({"einsum, left to right": lambda: one_by_one(twelve, X, path=False)}, rounds=2)
    best["shared, one graph"] /= 10
    best["shared, a batch"] /= BATCH
    row = {f"{name}, ms per graph": round(1e3 * seconds, 3) for name, seconds in best.items()}
    for peer in ("path found before", "optimal path", "left to right"):
        for ours in ("one graph", "a batch"):
            ratio = best[f"einsum, {peer}"] / best[f"shared, {ours}"]
            row[f"einsum, {peer} / shared, {ours}"] = round(ratio, 1)
    return row


def growth() -> dict[str, object]:
    """Sparse intermediates over the number of nodes: polynomials of graphs and nodes, four neighbours per node."""
    polynomials = EquivariantPolynomials(missing_polynomials("edge", 6, order=(0, 1)), simple=True)
    edges = {n: torch.tensor(list(nx.random_regular_graph(4, n, seed=0).edges)).T for n in SIZES}
    best = fastest(
        {
            str(n): (lambda one=torch.cat([one, one.flip(0)], 1), n=n: polynomials.on_edges(one, n))
            for n, one in edges.items()
        },
        rounds=5,
    )
    seconds = [best[str(n)] for n in SIZES]
    slope = float(np.polyfit(np.log(SIZES[1:]), np.log(seconds[1:]), 1)[0])
    return {"nodes": list(SIZES), "ms": [round(1e3 * s, 2) for s in seconds], "exponent": round(slope, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--save", action="store_true", help="write results/equivariant_polynomials.json")
    save = parser.parse_args().save
    torch.set_num_threads(1)
    result: dict[str, object] = {}
    for name, measure in {"together": together, "growth": growth}.items():
        result[name] = measure()
        print(name, json.dumps(result[name], indent=1))
    result |= {"threads": 1, "torch": torch.__version__, "machine": platform.machine()}
    if save:
        out = HERE / "results" / "equivariant_polynomials.json"
        out.parent.mkdir(exist_ok=True)
        out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
