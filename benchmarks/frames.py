"""What averaging over frames costs: against two peers in the same process, against its own parts, and as sizes grow.

The network is a perceptron with three layers on 256 clouds of 128 points; all compute the same function, which is
checked first. Peers: the package `frame-averaging-pytorch`, and a loop over samples and frames in Python, as published
decorators have it; the latter also on smaller clouds, where it is the loop that costs and not the network. Rounds
alternate between the competitors, and the least time of each counts, as other programs can only add to it. Where a cost
should grow linearly, its exponent is fitted. Prints tables, and writes the same to results/frames.json.
"""

import functools
import itertools
import json
import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import alternating
import networkx as nx
import numpy as np
import torch
from frame_averaging_pytorch import FrameAverage
from torch import Tensor, nn

from erlangen.data.small_graphs import load_graph8c
from erlangen.data.sources import MissingDataError
from erlangen.groups import Cyclic, E, Symmetric
from erlangen.symmetrize import PCAFrame, SpectralFrame, symmetrize_points

HERE = Path(__file__).resolve().parent
BATCH, POINTS, ROUNDS = 256, 128, 7
fastest = functools.partial(alternating.fastest, rounds=ROUNDS, clock=time.perf_counter)
WIDTHS = (16, 32, 64, 128)
GRAPHS, NODES = 11117, 8  # as many as GRAPH8c has, and as large


def perceptron(width: int, dim: int = 3) -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Linear(dim, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, dim))
    return nn.Sequential(*layers)


def looped(network: nn.Module, x: Tensor) -> Tensor:
    """One sample and one frame after another."""
    signs = [torch.tensor(s) for s in itertools.product((1.0, -1.0), repeat=3)]
    out = []
    for cloud in x:
        centred = cloud - cloud.mean(0)
        axes = torch.linalg.eigh(centred.mT @ centred)[1]
        frames = [axes * sign for sign in signs]
        out.append(torch.stack([network(centred @ frame) @ frame.mT for frame in frames]).mean(0))
    return torch.stack(out)


def forward(model: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], None]:
    def call() -> None:
        with torch.no_grad():
            model(x)

    return call


def forward_and_backward(model: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], None]:
    def call() -> None:
        model(x).square().mean().backward()

    return call


def against_peers() -> list[dict[str, float | str]]:
    x, rows = torch.randn(BATCH, POINTS, 3, generator=torch.Generator().manual_seed(0)), []
    for width in WIDTHS:
        network = perceptron(width)
        ours = symmetrize_points(network, E(3), output="vector")
        package = FrameAverage(network, dim=3)

        def loop(x: Tensor, network: nn.Module = network) -> Tensor:
            return looped(network, x)

        with torch.no_grad():
            for peer in (package, loop):
                torch.testing.assert_close(ours(x), peer(x), rtol=0, atol=2e-4)
        for what, call in (("forward", forward), ("forward and backward", forward_and_backward)):
            copies = torch.cat([x] * 8)
            models = {"ours": ours, "package": package, "network on 8 copies": network}
            best = fastest({name: call(model, copies if model is network else x) for name, model in models.items()})
            best |= fastest({"loop": call(loop, x)}, rounds=2)
            rows.append(
                {"width": width, "pass": what}
                | {f"{name}, ms": round(1e3 * seconds, 1) for name, seconds in best.items()}
                | {f"{name} / ours": round(best[name] / best["ours"], 2) for name in ("package", "loop")}
            )
            print(", ".join(f"{name} {value}" for name, value in rows[-1].items()))
    return rows


def against_the_loop() -> list[dict[str, float]]:
    rows, network = [], perceptron(16)
    for points in (4, 16, 64):
        x = torch.randn(BATCH, points, 3, generator=torch.Generator().manual_seed(0))
        models = {"ours": symmetrize_points(network, E(3), output="vector"), "loop": lambda x: looped(network, x)}
        row: dict[str, float] = {"points": points}
        for what, call in (("forward", forward), ("forward and backward", forward_and_backward)):
            best = fastest({name: call(model, x) for name, model in models.items()}, rounds=3)
            row[f"loop / ours, {what}"] = round(best["loop"] / best["ours"], 1)
        rows.append(row)
        print(", ".join(f"{name} {value}" for name, value in row.items()))
    return rows


def exponent(sizes: list[int], seconds: list[float]) -> float:
    """The slope of log seconds over log size."""
    return round(float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0]), 2)


def growth() -> list[dict[str, object]]:
    generator, rows = torch.Generator().manual_seed(0), []

    def add(what: str, sizes: list[int], competitors: dict[int, Callable[[], object]]) -> None:
        best = fastest({str(size): call for size, call in competitors.items()})
        seconds = [best[str(size)] for size in sizes]
        ms = [round(1e3 * s, 2) for s in seconds]
        rows.append({"cost": what, "sizes": sizes, "ms": ms, "exponent": exponent(sizes, seconds)})
        print(f"{what}: sizes {sizes}, ms {ms}, exponent {rows[-1]['exponent']}")

    # The activations of the largest sizes still fit into caches: beyond them the network itself is not linear.
    points = [4096, 8192, 16384, 32768]
    clouds = {n: torch.randn(8, n, 3, generator=generator) for n in points}
    frame, model = PCAFrame(E(3)), symmetrize_points(perceptron(16), E(3), output="vector")
    add("principal frames over points", points, {n: (lambda n=n: frame(clouds[n])) for n in points})
    add("averaged network over points", points, {n: forward(model, clouds[n]) for n in points})
    samples = [512, 1024, 2048, 4096]
    many = {b: torch.randn(b, 64, 3, generator=generator) for b in samples}
    add("principal frames over samples", samples, {b: (lambda b=b: frame(many[b])) for b in samples})
    add("averaged network over samples", samples, {b: forward(model, many[b]) for b in samples})
    orders = [8, 16, 32, 64]
    plane, network = torch.randn(256, 64, 2, generator=generator), perceptron(32, dim=2)
    turned = {n: symmetrize_points(network, Cyclic(n), output="vector") for n in orders}  # the whole group, n rotations
    add("averaged network over frames", orders, {n: forward(turned[n], plane) for n in orders})
    return rows


def graph_frames() -> dict[str, object]:
    """Frames of all connected graphs on eight nodes, listed up to 64 elements; of random graphs without the file."""
    try:
        adjacency, which = load_graph8c().double(), "GRAPH8c"
    except MissingDataError:
        drawn = [nx.gnp_random_graph(NODES, 0.4, seed=seed) for seed in range(GRAPHS)]
        adjacency, which = torch.stack([torch.from_numpy(nx.to_numpy_array(graph)) for graph in drawn]), "random"
    frame = SpectralFrame(Symmetric(NODES), degenerate="perturb")
    best = fastest({"frames": lambda: frame(adjacency), "ranks": lambda: frame.ranks(adjacency)})
    best |= fastest({"ranks, one by one": lambda: [frame.ranks(one[None]) for one in adjacency]}, rounds=1)
    row = {"graphs": which} | {f"{name}, s": round(seconds, 3) for name, seconds in best.items()}
    print(f"{len(adjacency)} graphs with {NODES} nodes: {row}")
    return row


def main() -> None:
    warnings.filterwarnings("ignore", module="frame_averaging_pytorch")
    result = {
        "against peers": against_peers(),
        "against the loop": against_the_loop(),
        "growth": growth(),
        "graph frames": graph_frames(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    out = HERE / "results" / "frames.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
