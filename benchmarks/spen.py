"""What networks on ego-networks cost: one layer against all fifteen maps written out, sets of nodes, and memory.

Peer of the layer is the usual form, which stacks the fifteen results of all pairs and mixes channels by one einsum;
both have the same weights and give the same numbers. Peer of the search for ego-networks is a loop over the nodes with
PyG's k_hop_subgraph. A training step on MUTAG is measured beside a GIN of PyG and the network on all pairs. Rounds
alternate between the competitors, and the least time of each counts; times are the processor's, on one thread. Takes
the data root from ERLANGEN_DATA. Prints tables, and writes the same to results/spen.json.
"""

import argparse
import functools
import json
import platform
from collections.abc import Callable
from pathlib import Path

import alternating
import networkx
import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.nn import GIN, global_mean_pool
from torch_geometric.utils import from_networkx, k_hop_subgraph

from erlangen.data.tu import load_tu
from erlangen.graphs import IGN2, SPEN, EgoSubgraphs, PermutationEquivariantLinear, Subgraphs, ego_subgraphs

HERE = Path(__file__).resolve().parent
ROUNDS, SIZES = 15, (16, 32, 64, 128, 256, 512, 1024)
fastest = functools.partial(alternating.fastest, rounds=ROUNDS)


def saved(call: Callable[[], object], network: nn.Module | None = None) -> int:
    """Bytes kept for the backward pass, each storage once, without the weights of a network."""
    own = set() if network is None else {p.untyped_storage().data_ptr() for p in network.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        keep = call()  # alive until all is counted, so that no storage is counted for another
    del keep
    return sum(kept.values())


def stacked(x: Tensor, weight: Tensor) -> Tensor:
    """Fifteen maps, stacked ``(sets, m, m, 15, channels)``, and one einsum."""
    m = x.shape[1]
    eye = torch.eye(m)[None, :, :, None]
    d, r, c = x.diagonal(dim1=1, dim2=2).mT, x.mean(2), x.mean(1)
    t, a = d.mean(1), r.mean(1)
    shape = x.shape
    rows, columns = [v[:, :, None].expand(shape) for v in (d, r, c)], [v[:, None].expand(shape) for v in (d, r, c)]
    diagonal = [v[:, :, None] * eye for v in (d, r, c)]
    whole = [v[:, None, None].expand(shape) for v in (t, a)]
    inner = [v[:, None, None] * eye for v in (t, a)]
    maps = torch.stack([x, x.transpose(1, 2), *rows, *columns, *diagonal, *whole, *inner], 3)
    return torch.einsum("sijkc,kcd->sijd", maps, weight)


def as_stacked(linear: PermutationEquivariantLinear, channels: int) -> Tensor:
    """The weights of a layer in the order of :func:`stacked`, ``(15, channels in, channels out)``."""
    assert linear.pair_weight is not None and linear.node_weight is not None and linear.graph_weight is not None
    size = (channels, channels)
    blocks = [*linear.pair_weight.unflatten(0, (2, channels))]
    for weight, columns in ((linear.node_weight, 3), (linear.graph_weight, 2)):
        table = weight.unflatten(0, (-1, channels)).unflatten(2, (columns, channels))
        blocks += [table[row, :, column] for row in range(len(table)) for column in range(columns)]
    return torch.stack([block.T.reshape(size) for block in blocks])


def a_layer(channels: int) -> dict[str, float]:
    """Forward and backward on the ego-networks of MUTAG, size by size."""
    torch.manual_seed(0)
    batch = Batch.from_data_list(load_tu("MUTAG"))
    bags = ego_subgraphs(batch.edge_index, int(batch.num_nodes)).bags
    inputs = [torch.randn(len(bag.which), bag.size, bag.size, channels, requires_grad=True) for bag in bags]
    linear = PermutationEquivariantLinear({2: channels}, {2: channels})
    weight = as_stacked(linear, channels).detach().requires_grad_()
    for x in inputs:
        torch.testing.assert_close(linear({2: x})[2], stacked(x, weight), rtol=1e-4, atol=1e-4)

    def fast() -> list[Tensor]:
        return [linear({2: x})[2] for x in inputs]

    def slow() -> list[Tensor]:
        return [stacked(x, weight) for x in inputs]

    def step(make: Callable[[], list[Tensor]]) -> None:
        out = make()
        torch.autograd.backward(out, [torch.ones_like(y) for y in out])

    best = fastest({"ours": lambda: step(fast), "stacked": lambda: step(slow)})
    ours, theirs = saved(fast), saved(slow)
    return {
        "channels": channels,
        "ours, ms": round(1e3 * best["ours"], 2),
        "stacked, ms": round(1e3 * best["stacked"], 2),
        "stacked / ours, time": round(best["stacked"] / best["ours"], 2),
        "ours, MB kept": round(ours / 1e6, 2),
        "stacked, MB kept": round(theirs / 1e6, 2),
        "stacked / ours, memory": round(theirs / ours, 2),
    }


def the_sets() -> dict[str, float]:
    """Ego-networks of all of PROTEINS, graph by graph and at once; a loop over nodes on a twentieth of it."""
    graphs, make = load_tu("PROTEINS"), EgoSubgraphs()
    few = graphs[::20]
    batch, part = Batch.from_data_list(graphs), Batch.from_data_list(few)

    def loop() -> list[Tensor]:
        return [k_hop_subgraph(v, 1, g.edge_index, num_nodes=g.num_nodes)[0] for g in few for v in range(g.num_nodes)]

    best = fastest(
        {
            "graph by graph": lambda: [make(graph) for graph in graphs],
            "at once": lambda: ego_subgraphs(batch.edge_index, int(batch.num_nodes)),
            "a twentieth, at once": lambda: ego_subgraphs(part.edge_index, int(part.num_nodes)),
            "a twentieth, k_hop_subgraph": loop,
        },
        rounds=3,
    )
    row = {f"{name}, ms": round(1e3 * seconds, 1) for name, seconds in best.items()}
    row["k_hop_subgraph / ours"] = round(best["a twentieth, k_hop_subgraph"] / best["a twentieth, at once"], 1)
    return row


def memory() -> dict[str, object]:
    """Kept for the backward pass on random 3-regular graphs, three layers of 16 channels."""
    torch.manual_seed(0)
    near, whole = SPEN(0, 16, 3, 2, norm="none"), IGN2(0, 16, 3, 2, norm="none")
    rows: dict[str, list[int]] = {"ego-networks": [], "all pairs": []}
    for n in SIZES:
        data = from_networkx(networkx.random_regular_graph(3, n, seed=0))
        batch, sets = torch.zeros(n, dtype=torch.long), ego_subgraphs(data.edge_index, n)
        rows["ego-networks"].append(
            saved(lambda e=data.edge_index, b=batch, s=sets: near(None, e, b, subgraphs=s), near)
        )
        rows["all pairs"].append(saved(lambda e=data.edge_index, b=batch: whole(None, e, b), whole))
    slopes = {name: round(float(np.polyfit(np.log(SIZES), np.log(kept), 1)[0]), 3) for name, kept in rows.items()}
    ratio = [round(b / a, 2) for a, b in zip(rows["ego-networks"], rows["all pairs"], strict=True)]
    kept = {name: [round(value / 1e6, 3) for value in values] for name, values in rows.items()}
    return {"nodes": list(SIZES), "MB": kept, "all pairs / ego-networks": ratio, "slopes": slopes}


class Pooled(nn.Module):
    """A GIN of PyG, the mean over nodes, and a linear map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gin, self.head = GIN(7, channels, 3, norm="batch_norm"), nn.Linear(channels, 2)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        return self.head(global_mean_pool(self.gin(x, edge_index), batch))


def a_step() -> dict[str, float]:
    """Forward and backward of three layers of 16 channels on all of MUTAG."""
    batch = Batch.from_data_list([EgoSubgraphs()(graph) for graph in load_tu("MUTAG")])
    sets = Subgraphs.of(batch)
    networks = {"SPEN": SPEN(7, 16, 3, 2), "IGN2": IGN2(7, 16, 3, 2), "GIN": Pooled(64)}

    def step(network: nn.Module) -> None:
        more = {"subgraphs": sets} if type(network) is SPEN else {}
        nn.functional.cross_entropy(network(batch.x, batch.edge_index, batch.batch, **more), batch.y).backward()

    best = fastest({name: (lambda n=network: step(n)) for name, network in networks.items()}, rounds=7)
    row = {f"{name}, ms": round(1e3 * seconds, 1) for name, seconds in best.items()}
    return row | {f"{name} / SPEN": round(best[name] / best["SPEN"], 2) for name in ("IGN2", "GIN")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "spen.json", help="where to write the numbers")
    out: Path = parser.parse_args().out
    torch.set_num_threads(1)
    result: dict[str, object] = {"layer": [a_layer(channels) for channels in (16, 64)]}
    print("layer", json.dumps(result["layer"], indent=1))
    for name, measure in {"sets": the_sets, "memory": memory, "step": a_step}.items():
        result[name] = measure()
        print(name, json.dumps(result[name], indent=1))
    result |= {"threads": 1, "torch": torch.__version__, "machine": platform.machine()}
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
