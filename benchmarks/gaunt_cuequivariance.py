"""Gaunt products, convolutions and powers against cuequivariance-torch on a processor, in one process, interleaved.

    pip install cuequivariance-torch          # not among the developers' tools: it is only a peer here
    python benchmarks/gaunt_cuequivariance.py

The peer's layers have a weight for each path where ours have one for each degree: other functions with the same inputs,
outputs and paths (those of even sum, for natural parities). Product: channels times one function, weights shared;
convolution: weights of every edge, summed over targets; powers: up to three factors, two elements. float32, one thread,
the peer's method "naive", the only one it has for a processor. Writes results/gaunt_cuequivariance.json.
"""

import json
import platform
import sys
from pathlib import Path

try:
    import cuequivariance as cue
    import cuequivariance_torch as ct
except ImportError:
    sys.exit(print("skipped: needs `pip install cuequivariance-torch`"))
import torch
from alternating import interleaved
from gaunt_peers import irreps, no_grad, with_grad
from torch import nn

from erlangen.o3 import GauntConv, GauntManyBody, GauntTensorProduct, real_spherical_harmonics

HERE = Path(__file__).resolve().parent
CHANNELS, EDGES, NODES, ROUNDS = 32, 64, 16, 20


def channelwise(lmax: int, shared: bool):
    one, two = cue.Irreps("O3", irreps(CHANNELS, lmax)), cue.Irreps("O3", irreps(1, lmax))
    keep = [ir for _, ir in cue.Irreps("O3", irreps(1, lmax))]
    settings = {"layout": cue.mul_ir, "shared_weights": shared, "internal_weights": shared, "method": "naive"}
    return ct.ChannelWiseTensorProduct(one, two, keep, **settings).requires_grad_(False)


def products(lmax: int):
    x, y = torch.randn(32, CHANNELS * (lmax + 1) ** 2), torch.randn(32, (lmax + 1) ** 2)
    theirs = channelwise(lmax, shared=True)
    ours = GauntTensorProduct(irreps(CHANNELS, lmax), irreps(1, lmax), irreps(CHANNELS, lmax)).requires_grad_(False)
    return {"cuequivariance": lambda x, y: theirs(x, y), "ours": ours}, (x, y)


def convolutions(lmax: int):
    x, vectors = torch.randn(NODES, CHANNELS * (lmax + 1) ** 2), torch.randn(EDGES, 3)
    edge_index, h = torch.randint(NODES, (2, EDGES)), torch.randn(EDGES, CHANNELS * (lmax + 1))
    ours = GauntConv(irreps(CHANNELS, lmax), irreps(1, lmax), irreps(CHANNELS, lmax), nn.Identity())
    tp = channelwise(lmax, shared=False)
    weight = torch.randn(EDGES, tp.weight_numel)

    def theirs(x, vectors):
        message = tp(x[edge_index[0]], real_spherical_harmonics(lmax, vectors), weight)
        return torch.zeros(NODES, message.shape[1]).index_add_(0, edge_index[1], message)

    return {"cuequivariance": theirs, "ours": lambda x, v: ours(x, edge_index, v, h)}, (x, vectors)


def powers(lmax: int):
    x, kinds = torch.randn(32, CHANNELS * (lmax + 1) ** 2), torch.arange(32) % 2
    one, out = cue.Irreps("O3", irreps(CHANNELS, lmax)), cue.Irreps("O3", irreps(CHANNELS, 1))
    theirs = ct.SymmetricContraction(one, out, 3, 2, layout=cue.mul_ir, method="naive").requires_grad_(False)
    ours = GauntManyBody(irreps(CHANNELS, lmax), irreps(CHANNELS, 1), 3, 2).requires_grad_(False)
    one_hot = nn.functional.one_hot(kinds, 2).float()
    return {"cuequivariance": lambda x: theirs(x, kinds), "ours": lambda x: ours(x, one_hot)}, (x,)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = []
    for title, make, degrees in (
        ("product", products, (1, 2, 3, 4, 5, 6)),
        ("convolution", convolutions, (1, 2, 3, 4, 5, 6)),
        ("powers", powers, (1, 2)),
    ):
        for lmax in degrees:
            calls, inputs = make(lmax)
            for what, step in (("forward", no_grad), ("forward and backward", with_grad)):
                least = interleaved([step(call, *inputs) for call in calls.values()], ROUNDS)
                row = {"table": title, "degree": lmax, "what": what}
                row |= {name: round(t, 4) for name, t in zip(calls, least, strict=True)}
                row["ratio"] = round(row["cuequivariance"] / row["ours"], 1)
                rows.append(row)
                print(row, flush=True)
    about = {"torch": torch.__version__, "cuequivariance": cue.__version__, "machine": platform.machine()}
    sizes = {"channels": CHANNELS, "edges": EDGES, "nodes": NODES, "threads": 1, "unit": "ms"}
    out = HERE / "results" / "gaunt_cuequivariance.json"
    out.write_text(json.dumps({"rows": rows, **sizes, **about}, indent=1) + "\n")


if __name__ == "__main__":
    main()
