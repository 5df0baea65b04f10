"""What soft equivariance costs on one core: penalties against dense projections, steps against a plain perceptron.

Penalty: value and gradient of the distance of one linear map of a width from the maps that commute with O(2) in a
plane, against the same with the projection written out as a matrix, and with its dense basis, as EMLP keeps it. It is
also taken with more and more groups. Step: forward, backward and Adam of a soft network with three candidates, penalty
and leaks included, against a multilayer perceptron of the same width and depth without any, as they are and compiled.
Competitors take turns within a round, and the least time of each counts. Prints tables; ``--out FILE`` writes them as
JSON.
"""

import argparse
import functools
import itertools
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import alternating
import torch
from torch import nn

from erlangen.groups import O, Scalar, Vector
from erlangen.symmetrize import EMLP, EquivariantProjector, SoftEMLP, SoftEquivariantLinear, hidden_representation

HERE = Path(__file__).resolve().parent
V = Vector(O(3))
PLANES = ["O(2)@xy", "O(2)@yz", "O(2)@xz"]
REP_IN, REP_OUT = 5 * Scalar(O(3)) + 5 * V, V**2
fastest = functools.partial(alternating.fastest, clock=time.process_time)


def penalty(width: int, rounds: int) -> dict[str, float]:
    """One map from a width to itself; the dense matrix has the fourth power of the width as entries."""
    rep = hidden_representation(V, width)
    start = time.process_time()
    layer = SoftEquivariantLinear(rep, rep, PLANES[:1], bias=False, generator=torch.Generator().manual_seed(0))
    solved = time.process_time() - start
    basis = EquivariantProjector(rep, rep, PLANES[0]).basis
    columns = torch.empty(width**2, basis.dim)
    for k in range(basis.dim):
        one = torch.zeros(basis.dim)
        one[k] = 1
        columns[:, k] = basis.matrix(one).flatten()
    matrix = torch.zeros(width**2, width**2)
    for places, projections in layer._form.kinds:
        matrix[places[:, :, None], places[:, None]] = projections[0].float()
    w = layer.weight.detach().flatten()

    def blocks() -> torch.Tensor:
        layer.weight.grad = None
        value = layer.penalty([1.0])
        value.backward()
        return value.detach()

    def dense() -> torch.Tensor:
        return (w - torch.mv(matrix, w)).square().sum() / 2

    def dense_basis() -> torch.Tensor:
        return (w - torch.mv(columns, torch.mv(columns.T, w))).square().sum() / 2

    torch.testing.assert_close(blocks(), dense(), rtol=1e-3, atol=0)
    torch.testing.assert_close(blocks(), dense_basis(), rtol=1e-3, atol=0)
    best = fastest({"blocks": blocks, "dense": dense, "dense basis": dense_basis}, rounds=rounds)
    row = {"width": width, "equivariant maps": basis.dim, "solving, s": round(solved, 2)}
    row |= {f"{name}, ms": round(1e3 * seconds, 3) for name, seconds in best.items()}
    return row | {f"{name} / blocks": round(best[name] / best["blocks"], 1) for name in ("dense", "dense basis")}


def groups(width: int, rounds: int) -> dict[str, float]:
    """The penalty of a whole network as the number of candidates grows."""
    every = [*PLANES, "SO(3)", "O(3)", "SO(2)@xy"]
    competitors = {}
    for count in (1, 3, 6):
        net = SoftEMLP(REP_IN, REP_OUT, every[:count], channels=width)
        competitors[f"{count} groups"] = lambda net=net, count=count: net.penalty([1.0] * count).backward()
    best = fastest(competitors, rounds=rounds)
    return {"width": width} | {f"{name}, ms": round(1e3 * seconds, 3) for name, seconds in best.items()}


def step(width: int, batch: int, rounds: int, compiled: bool = False) -> dict[str, float]:
    """One step of training; compiled ones in the same rounds."""
    torch.manual_seed(0)
    sizes = [REP_IN.dim, width, width, width, REP_OUT.dim]
    layers = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.SiLU())]
    networks = {
        "MLP": nn.Sequential(*layers[:-1]),
        "soft": SoftEMLP(REP_IN, REP_OUT, PLANES, channels=width, num_layers=4),
        "strict": EMLP(REP_IN, REP_OUT, PLANES[0], channels=width, num_layers=4),
    }
    x, y = torch.randn(batch, REP_IN.dim), torch.randn(batch, REP_OUT.dim)
    competitors = {name: _step(net, x, y, name == "soft") for name, net in networks.items()}
    competitors["soft, no penalty"] = _step(networks["soft"], x, y, False)
    if compiled:
        for name in ("MLP", "soft"):
            competitors[f"{name}, compiled"] = _step(
                networks[name], x, y, name == "soft", torch.compile(networks[name])
            )
    best = fastest(competitors, rounds=rounds)
    row: dict[str, float] = {"width": width, "batch": batch}
    row |= {f"{name}, ms": round(1e3 * seconds, 3) for name, seconds in best.items()}
    row |= {f"{name} / MLP": round(best[name] / best["MLP"], 2) for name in ("soft", "strict", "soft, no penalty")}
    if compiled:
        row["soft / MLP, compiled"] = round(best["soft, compiled"] / best["MLP, compiled"], 2)
    return row


def _step(net: nn.Module, x: torch.Tensor, y: torch.Tensor, penalised: bool, forward: Callable | None = None):
    forward = net if forward is None else forward
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def once() -> None:
        loss = (forward(x) - y).square().mean()
        if penalised and isinstance(net, SoftEMLP):
            loss = loss + net.penalty([1.0, 1.0, 1.0], weight_decay=2e-4) + 1e-3 * net.leak_penalty()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "soft_equivariance.json", help="where to write")
    parser.add_argument("--brief", action="store_true", help="few rounds and small sizes, to see that it runs")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rounds, dense_width = (20, 32) if chosen.brief else (400, 128)
    result: dict[str, object] = {
        "penalty": penalty(dense_width, max(5, rounds // 20)),
        "groups": groups(128, rounds),
        "step": [
            step(width, batch, rounds, compiled=not chosen.brief and batch == 500)
            for width, batch in ((84, 250), (128, 250), (128, 500), (128, 2000))
        ],
    }
    for name, rows in result.items():
        print(name, json.dumps(rows, indent=1))
    result |= {"threads": 1, "torch": torch.__version__, "machine": platform.machine()}
    if not chosen.brief:
        chosen.out.parent.mkdir(exist_ok=True)
        chosen.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
