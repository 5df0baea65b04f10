"""What a learned aggregation costs: against PyG's padded ones in the same process, and with up to ten million edges.

Peers: PyG's LCMAggregation and GRUAggregation, on sets of one size, on a Barabasi-Albert graph and on a hub, forwards
and backwards, with one thread and with two. Rounds alternate between the competitors, and the least time of each
counts; those times are wall time, as a second thread would count double, all others the processor's. The memory of a
step is measured in a process of its own, and so are plan and aggregation of power-law graphs from 1e4 edges on, up to
`--large EDGES`. Prints tables, and writes the same to results/lcm.json.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch_geometric.nn import GRUAggregation
from torch_geometric.nn import LCMAggregation as PaddedLCM
from torch_geometric.utils import barabasi_albert_graph

from erlangen.graphs import BinaryGRU, LCMAggregation, SegmentTreePlan, SymmetricMLP, segment_tree_reduce

HERE = Path(__file__).resolve().parent
CHANNELS, ROUNDS = 32, 7
EDGES = (10_000, 100_000, 1_000_000, 10_000_000)


def constant(sets: int, size: int) -> torch.Tensor:
    return torch.arange(sets).repeat_interleave(size)


def barabasi_albert() -> torch.Tensor:
    """Destinations of a graph of 1500 nodes, each of which joined with four edges."""
    np.random.seed(0)
    return barabasi_albert_graph(1500, 4)[1].sort().values


def hub() -> torch.Tensor:
    return torch.cat([torch.zeros(600, dtype=torch.long), 1 + constant(600, 4)])


CASES = {
    "2048 sets of 8": lambda: constant(2048, 8),
    "2048 sets of 7": lambda: constant(2048, 7),
    "1024 sets of 16": lambda: constant(1024, 16),
    "Barabasi-Albert, 1500 nodes, m = 4": barabasi_albert,
    "a hub of 600 and 600 sets of 4": hub,
    "one set of 4096": lambda: constant(1, 4096),
}


def competitors(index: torch.Tensor) -> dict[str, Callable[[], object]]:
    """A step of each on the same messages, with the weights of ours in the padded monoid."""
    ours = LCMAggregation(CHANNELS, CHANNELS, order="given")
    padded = PaddedLCM(CHANNELS, CHANNELS)
    padded.lin.load_state_dict(ours.lin.state_dict())
    padded.gru_cell.load_state_dict(ours.operator.cell.state_dict())
    x = torch.randn(len(index), CHANNELS, generator=torch.Generator().manual_seed(0), requires_grad=True)

    def step(module: torch.nn.Module) -> Callable[[], object]:
        return lambda: module(x, index).sum().backward()

    modules = {"ours": ours, "PyG LCM": padded, "PyG GRU": GRUAggregation(CHANNELS, CHANNELS)}
    modules["ours, shuffled"] = LCMAggregation(CHANNELS, CHANNELS, order="random")
    modules["ours, sorted"] = LCMAggregation(CHANNELS, CHANNELS, order="sorted")
    return {name: step(module) for name, module in modules.items()}


def fastest(steps: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """The least seconds of each, rounds alternating; what is very slow gets fewer."""
    best, spent = dict.fromkeys(steps, float("inf")), dict.fromkeys(steps, 0.0)
    for turn in range(rounds):
        for name, step in steps.items():
            if turn > 2 and spent[name] > 20:
                continue
            start = time.perf_counter()
            step()
            seconds = time.perf_counter() - start
            spent[name] += seconds
            best[name] = min(best[name], seconds)
    return best


def against_peers(threads: int) -> list[dict[str, object]]:
    torch.set_num_threads(threads)
    rows = []
    for name, make in CASES.items():
        index = make()
        start = time.perf_counter()
        SegmentTreePlan.from_index(index)
        plan = time.perf_counter() - start
        best = fastest(competitors(index))
        row: dict[str, object] = {"graph": name, "threads": threads, "plan, ms": round(1e3 * plan, 2)}
        row |= {f"{key}, ms": round(1e3 * seconds, 2) for key, seconds in best.items()}
        row |= {f"{key} / ours": round(best[key] / best["ours"], 2) for key in ("PyG LCM", "PyG GRU")}
        rows.append(row)
        print(json.dumps(row))
    return rows


def operators() -> dict[str, float]:
    """The two operators on as many pairs as a graph has."""
    torch.set_num_threads(1)
    pairs = torch.randn(8192, 2, CHANNELS, requires_grad=True)
    best = fastest({k.__name__: (lambda op=k(CHANNELS): op(pairs).sum().backward()) for k in (BinaryGRU, SymmetricMLP)})
    row = {f"{name}, ms": round(1e3 * seconds, 2) for name, seconds in best.items()}
    return row | {"BinaryGRU / SymmetricMLP": round(best["BinaryGRU"] / best["SymmetricMLP"], 2)}


def power_law(edges: int, exponent: float = 2.1) -> torch.Tensor:
    """Destinations, shuffled: a tenth as many nodes as edges, with expected degrees that follow a power law."""
    nodes = edges // 10
    weight = np.arange(1, nodes + 1, dtype=np.float64) ** (-1 / (exponent - 1))
    drawn = np.searchsorted(np.cumsum(weight / weight.sum()), np.random.default_rng(0).random(edges))
    return torch.from_numpy(np.minimum(drawn, nodes - 1))


# ---------------------------------------------------------------- in processes of their own
def peak() -> float:
    """The most memory that this process has held, in bytes: of this program alone, unlike what rusage inherits."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * float(line.split()[1])


def held_by(module: str) -> dict[str, float]:
    """What one step on the Barabasi-Albert graph adds to the peak."""
    torch.set_num_threads(1)
    index = barabasi_albert()
    step = competitors(index)[module]
    competitors(constant(4, 4))[module]()
    before = peak()
    step()
    return {"MB": (peak() - before) / 1e6}


def large(edges: int) -> dict[str, float]:
    """Plan and one aggregation of a power-law graph, d = 16, float32, in evaluation."""
    torch.set_num_threads(1)
    index = power_law(edges)
    before = peak()
    x, op = torch.randn(edges, 16), BinaryGRU(16)
    planning = seconds = float("inf")
    for _ in range(max(1, min(20, 2_000_000 // edges))):
        start = time.process_time()
        plan = SegmentTreePlan.from_index(index, edges // 10)
        planned = time.process_time()
        with torch.no_grad():
            y = segment_tree_reduce(x, plan, op)
        planning, seconds = min(planning, planned - start), min(seconds, time.process_time() - planned)
    assert bool(y.isfinite().all())
    row = {"edges": edges, "nodes": edges // 10, "largest set": plan.max_count, "depth": plan.depth}
    row |= {"plan, s": round(planning, 3), "aggregation, s": round(seconds, 3)}
    row |= {"plan, ns per edge": round(1e9 * planning / edges, 1)}
    row |= {"aggregation, ns per edge": round(1e9 * seconds / edges, 1)}
    return row | {"peak, GB": round(peak() / 1e9, 3), "of which before": round(before / 1e9, 3)}


def alone(*arguments: str) -> dict[str, float]:
    """What a process of its own measured."""
    command = [sys.executable, __file__, "--alone", *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", type=int, default=0, metavar="EDGES", help="power-law graphs of up to so many edges")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--out", type=Path, default=HERE / "results" / "lcm.json")
    parser.add_argument("--alone", nargs=2, metavar=("WHAT", "OF"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        what, of = options.alone
        print(json.dumps(held_by(of) if what == "memory" else large(int(of))))
        return
    result: dict[str, object] = {}
    if options.large:
        result["power law"] = [alone("large", str(edges)) for edges in EDGES if edges <= options.large]
        print(json.dumps(result["power law"], indent=1))
    held = {name: round(alone("memory", name)["MB"], 1) for name in ("ours", "PyG LCM", "PyG GRU")}
    result["memory of a step on Barabasi-Albert, MB"] = held
    print(json.dumps(held))
    result["operators"] = operators()
    print(json.dumps(result["operators"]))
    result["peers"] = [row for threads in options.threads for row in against_peers(threads)]
    result |= {"torch": torch.__version__, "machine": platform.machine()}
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
