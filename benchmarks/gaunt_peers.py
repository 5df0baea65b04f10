"""The Gaunt product against e3nn, in one process, interleaved, warmed, the least time of each.

`same function`: e3nn's channel-wise product (mode uuu) with the paths of even sum and without weights, against
GauntTensorProduct in its own layout and in e3nn's. The outputs are compared before anything is timed. The other tables
are other functions with the same inputs: e3nn's FullTensorProduct keeps every path apart, its ElementwiseTensorProduct
multiplies only equal degrees. One thread, float32. Writes results/gaunt_peers.json.

    python benchmarks/gaunt_peers.py [--degrees 1 2 3 4 5 6] [--channels 32] [--batch 32] [--rounds 30] [--compiled]

`--compiled` adds e3nn's module, built eagerly, under torch.compile (tens of seconds for each degree).
"""

import argparse
import json
import platform
from pathlib import Path

import e3nn
import torch
from alternating import interleaved
from e3nn import o3
from torch import nn

from erlangen.o3 import GauntConv, GauntTensorProduct, gaunt_product
from erlangen.o3.convert import path_sizes
from erlangen.o3.edges import FORMS
from erlangen.o3.operation import PRODUCT

HERE = Path(__file__).resolve().parent


def irreps(channels, lmax):
    return "+".join(f"{channels}x{l}{'eo'[l % 2]}" for l in range(lmax + 1))


def e3nn_product(channels, lmax, lmax_out):
    one, out = o3.Irreps(irreps(channels, lmax)), o3.Irreps(irreps(channels, lmax_out))
    paths, sizes = [], []
    ours = GauntTensorProduct(one, one, out, weights=None, normalization="integral")
    size = path_sizes(PRODUCT, ours.irreps_in1, ours.irreps_in2, ours.irreps_out, o3.wigner_3j)
    for a, b, k in size.nonzero().tolist():
        paths.append((a, b, k, "uuu", True))
        sizes.append(size[a, b, k])
    tp = o3.TensorProduct(one, one, out, paths, irrep_normalization="none", path_normalization="none")
    tp.weight.data = torch.stack(sizes).float().repeat_interleave(channels)
    return tp.requires_grad_(False)


def no_grad(function, *inputs):
    def call():
        with torch.no_grad():
            function(*inputs)

    return call


def with_grad(function, *inputs):
    inputs = [x.clone().requires_grad_() for x in inputs]
    return lambda: torch.autograd.grad(function(*inputs).sum(), inputs)


def same_function(lmax, options):
    channels, batch, lmax_out = options.channels, options.batch, 2 * lmax
    tp = e3nn_product(channels, lmax, lmax_out)
    make = {"weights": None, "normalization": "integral"}
    ours = GauntTensorProduct(irreps(channels, lmax), irreps(channels, lmax), **make)
    own = GauntTensorProduct(irreps(channels, lmax), irreps(channels, lmax), layout="channels", **make)
    flat = [torch.randn(batch, tp.irreps_in1.dim) for _ in range(2)]
    rows = [torch.randn(batch, channels, (lmax + 1) ** 2) for _ in range(2)]
    assert (tp(*flat) - ours(*flat)).abs().max() < 1e-4 * tp(*flat).abs().max()
    calls = {"e3nn": (tp, flat), "ours, e3nn's layout": (ours, flat), "ours, own layout": (own, rows)}
    calls["gaunt_product"] = (lambda x, y: gaunt_product(x, y, lmax, lmax), rows)
    if options.compiled:
        with_eager = e3nn.get_optimization_defaults()["jit_mode"]
        torch.compiler.reset()
        e3nn.set_optimization_defaults(jit_mode="eager")
        calls["e3nn compiled"] = (torch.compile(e3nn_product(channels, lmax, lmax_out), fullgraph=True), flat)
        e3nn.set_optimization_defaults(jit_mode=with_eager)
    found = []
    for what, step in (("forward", no_grad), ("forward and backward", with_grad)):
        least = interleaved([step(f, *inputs) for f, inputs in calls.values()], options.rounds)
        times = {name: round(t, 4) for name, t in zip(calls, least, strict=True)}
        found.append({"table": "same function", "degree": lmax, "what": what, **times})
    return found


def others(lmax):
    batch, found = 256, []
    x, y = (torch.randn(batch, (lmax + 1) ** 2) for _ in range(2))
    full = o3.FullTensorProduct(irreps(1, lmax), irreps(1, lmax))
    least = interleaved([no_grad(full, x, y), no_grad(lambda x, y: gaunt_product(x, y, lmax, lmax), x, y)], 20)
    found.append({"table": "FullTensorProduct, 1 channel", "degree": lmax, "e3nn": least[0], "ours": least[1]})
    a, b = (torch.randn(batch, 16 * (lmax + 1) ** 2) for _ in range(2))
    each = o3.ElementwiseTensorProduct(irreps(16, lmax), irreps(16, lmax))
    ours = GauntTensorProduct(irreps(16, lmax), irreps(16, lmax), weights=None)
    least = interleaved([no_grad(each, a, b), no_grad(ours, a, b)], 20)
    found.append({"table": "ElementwiseTensorProduct, 16 channels", "degree": lmax, "e3nn": least[0], "ours": least[1]})
    return [{k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in found]


def convolutions(lmax, channels, nodes, edges):
    """The three forms, and e3nn's convolution of the same paths, which has a weight for each of them."""
    x, vectors = torch.randn(nodes, channels * (lmax + 1) ** 2), torch.randn(edges, 3)
    edge_index, h = torch.randint(nodes, (2, edges)), torch.randn(edges, channels * (lmax + 1))
    own = [GauntConv(irreps(channels, lmax), irreps(1, lmax), irreps(channels, lmax), nn.Identity(), method=form)
           for form in FORMS]  # fmt: skip
    degrees = range(lmax + 1)
    paths = [
        (a, b, k, "uvu", True) for a in degrees for b in degrees for k in range(abs(a - b), min(a + b, lmax) + 1, 2)
    ]
    tp = o3.TensorProduct(irreps(channels, lmax), irreps(1, lmax), irreps(channels, lmax), paths, shared_weights=False)
    weight = torch.randn(edges, tp.weight_numel)

    def theirs(x, vectors):
        harmonics = o3.spherical_harmonics(list(degrees), vectors, normalize=True)
        message = tp(x[edge_index[0]], harmonics, weight)
        return torch.zeros(nodes, message.shape[1]).index_add_(0, edge_index[1], message)

    calls = [*(lambda x, v, c=c: c(x, edge_index, v, h) for c in own), theirs]
    found = []
    for what, step in (("forward", no_grad), ("forward and backward", with_grad)):
        least = interleaved([step(call, x, vectors) for call in calls], 10)
        times = {name: round(t, 4) for name, t in zip([*FORMS, "e3nn"], least, strict=True)}
        title = f"convolution, {channels} channels, {nodes} nodes, {edges} edges"
        found.append({"table": title, "degree": lmax, "what": what, **times})
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--degrees", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--compiled", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = []
    for lmax in options.degrees:
        graphs = [(16, 64), (64, 1024)] if lmax < 4 else [(16, 64)]
        edges = [row for nodes, number in graphs for row in convolutions(lmax, 32, nodes, number)]
        for row in (*same_function(lmax, options), *others(lmax), *edges):
            rows.append(row)
            print(", ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    about = {"torch": torch.__version__, "e3nn": e3nn.__version__, "machine": platform.machine(), "threads": 1}
    about |= {"unit": "ms", "channels": options.channels, "batch": options.batch}
    out = HERE / "results" / "gaunt_peers.json"
    out.write_text(json.dumps({"rows": rows, **about}, indent=1) + "\n")


if __name__ == "__main__":
    main()
