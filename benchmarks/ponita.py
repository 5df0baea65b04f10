"""One step of PONITA, forward and backward, against its peers, and how its time grows with edges and orientations.

Plain: the same function as it is usually written, without dependencies: a kernel for each layer, and a tensor of all
messages that is gathered, multiplied and scattered. Its weights are ours, and outputs are compared before anything is
timed. e3nn: messages of both parities up to degree two with radial weights of every edge and gates, of as many
parameters; another function, of the same purpose. Fully connected molecules, float32, one thread, least processor time
of alternating rounds. Writes results/ponita.json.

    python benchmarks/ponita.py [--rounds 7]
"""

import argparse
import json
import math
import platform
import time
from pathlib import Path

import e3nn
import torch
from alternating import interleaved
from e3nn import nn as enn
from e3nn import o3
from torch import Tensor, nn

from erlangen.points import PONITA, PolynomialFeatures
from erlangen.points.flat import all_pairs

HERE = Path(__file__).resolve().parent
ATOMS, MOLECULES, ORIENTATIONS, CHANNELS, BASIS, LAYERS, FEATURES = 21, 5, 20, 128, 256, 5, 9


class PlainLayer(nn.Module):
    def __init__(self, channels: int, basis: int) -> None:
        super().__init__()
        self.kernel = nn.Linear(basis, channels, bias=False)
        self.fiber_kernel = nn.Linear(basis, channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(channels))
        self.norm = nn.LayerNorm(channels)
        self.mix = nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels))

    def forward(self, x: Tensor, basis: Tensor, fiber_basis: Tensor, edge_index: Tensor) -> Tensor:
        source, target = edge_index
        message = self.kernel(basis) * x[source]
        gathered = torch.zeros_like(x).index_add(0, target, message)
        gathered = torch.einsum("poc,noc->npc", self.fiber_kernel(fiber_basis), gathered) / x.shape[1]
        return x + self.mix(self.norm(gathered + self.bias))


class Plain(nn.Module):
    """The network with scalar outputs, written down as it is."""

    def __init__(self, features: int, channels: int, layers: int, grid: Tensor, basis: int) -> None:
        super().__init__()
        self.register_buffer("grid", grid)
        self.embedding = nn.Linear(features, channels, bias=False)
        self.basis, self.fiber_basis = (
            nn.Sequential(
                PolynomialFeatures(3), nn.Linear(width, channels), nn.GELU(), nn.Linear(channels, basis), nn.GELU()
            )
            for width in (14, 3)
        )
        self.layers = nn.ModuleList(PlainLayer(channels, basis) for _ in range(layers))
        self.readouts = nn.ModuleList(nn.Linear(channels, 1) for _ in range(layers))

    def forward(self, x: Tensor, pos: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        source, target = edge_index
        rel_pos = (pos[source] - pos[target])[:, None]
        along = (rel_pos * self.grid).sum(-1, keepdim=True)
        across = (rel_pos - along * self.grid).square().sum(-1, keepdim=True).add(1e-12).sqrt()
        basis = self.basis(torch.cat([along, across], -1))
        fiber_basis = self.fiber_basis((self.grid @ self.grid.mT)[..., None])
        x = self.embedding(x)[:, None].expand(-1, len(self.grid), -1)
        found = []
        for layer, readout in zip(self.layers, self.readouts, strict=True):
            x = layer(x, basis, fiber_basis, edge_index)
            found.append(readout(x))
        scalar = torch.stack(found).mean(0).mean(1)
        return scalar.new_zeros(int(batch.max()) + 1, 1).index_add(0, batch, scalar)

    def take(self, ours: PONITA) -> None:
        """The weights of the other."""
        with torch.no_grad():
            for mine, theirs in zip(self.parameters(), ours.parameters(), strict=True):
                mine.copy_(theirs)


class Harmonic(nn.Module):
    """Messages through spherical harmonics up to degree two, with radial weights, gates and self-interaction."""

    def __init__(self, features: int, channels: int, layers: int) -> None:
        super().__init__()
        self.harmonics = o3.Irreps.spherical_harmonics(2)
        kinds = ["0e", "0o", "1e", "1o", "2e", "2o"]
        hidden = o3.Irreps("+".join(f"{channels}x{kind}" for kind in kinds))
        self.embedding = o3.Linear(f"{features}x0e", f"{channels}x0e")
        self.layers = nn.ModuleList()
        irreps = o3.Irreps(f"{channels}x0e")
        for _ in range(layers):
            paths, out = [], []
            for i, (mul, a) in enumerate(irreps):
                for j, (_, b) in enumerate(self.harmonics):
                    for c in a * b:
                        if c in hidden:
                            paths.append((i, j, len(out), "uvu", True))
                            out.append((mul, c))
            product = o3.TensorProduct(irreps, self.harmonics, out, paths, shared_weights=False)
            reached = [kind for kind in kinds if any(c == o3.Irrep(kind) for _, c in out)]
            scalars = [kind for kind in reached if kind in ("0e", "0o")]
            others = "+".join(f"{channels}x{kind}" for kind in reached if kind not in scalars)
            acts = [torch.nn.functional.silu if kind == "0e" else torch.tanh for kind in scalars]
            gates = f"{(len(reached) - len(scalars)) * channels}x0e"
            gate = enn.Gate("+".join(f"{channels}x{kind}" for kind in scalars), acts, gates, [torch.sigmoid], others)
            radial = nn.Sequential(nn.Linear(8, 64), nn.SiLU(), nn.Linear(64, product.weight_numel))
            layer = {"product": product, "radial": radial, "mix": o3.Linear(product.irreps_out, gate.irreps_in)}
            layer |= {"own": o3.Linear(irreps, gate.irreps_in), "gate": gate}
            self.layers.append(nn.ModuleDict(layer))
            irreps = gate.irreps_out
        self.readout = o3.Linear(irreps, "1x0e")

    def forward(self, x: Tensor, pos: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        source, target = edge_index
        vector = pos[source] - pos[target]
        harmonics = o3.spherical_harmonics(self.harmonics, vector, normalize=True, normalization="component")
        centres = torch.linspace(0, 6, 8)
        radial = (-(vector.norm(dim=-1, keepdim=True) - centres).square()).exp()
        x = self.embedding(x)
        for layer in self.layers:
            message = layer["product"](x[source], harmonics, layer["radial"](radial))
            gathered = message.new_zeros(len(x), message.shape[1]).index_add(0, target, message)
            x = layer["gate"](layer["mix"](gathered) / math.sqrt(ATOMS) + layer["own"](x))
        scalar = self.readout(x)
        return scalar.new_zeros(int(batch.max()) + 1, 1).index_add(0, batch, scalar)


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def harmonic_of_size(wanted: int) -> Harmonic:
    """The width whose number of parameters comes closest."""
    sizes = {channels: parameters(Harmonic(FEATURES, channels, LAYERS)) for channels in range(8, 80, 4)}
    return Harmonic(FEATURES, min(sizes, key=lambda c: abs(sizes[c] - wanted)), LAYERS)


def molecules(atoms: int, number: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features, positions, all pairs without loops, and the molecule of each atom."""
    batch = torch.arange(number).repeat_interleave(atoms)
    return torch.randn(len(batch), FEATURES), 2 * torch.randn(len(batch), 3), all_pairs(batch), batch


def with_loops(x: Tensor, pos: Tensor, edge_index: Tensor, batch: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The same where a network does not add the loops by itself."""
    return x, pos, torch.cat([edge_index, torch.arange(len(pos)).expand(2, -1)], 1), batch


def step(network: nn.Module, x: Tensor, pos: Tensor, edge_index: Tensor, batch: Tensor):
    def call() -> None:
        network.zero_grad(set_to_none=True)
        out = network(x, pos, edge_index, batch)
        (out if isinstance(out, Tensor) else out.scalar).square().mean().backward()

    return call


def energy_and_forces(network: nn.Module, x: Tensor, pos: Tensor, edge_index: Tensor, batch: Tensor):
    def call() -> None:
        network.zero_grad(set_to_none=True)
        place = pos.clone().requires_grad_()
        out = network(x, place, edge_index, batch)
        energy = out if isinstance(out, Tensor) else out.scalar
        (slope,) = torch.autograd.grad(energy.sum(), place, create_graph=True)
        (energy.square().mean() + slope.square().mean()).backward()

    return call


def ponita(orientations: int = ORIENTATIONS, grid: str | None = None, **changes: int) -> PONITA:
    settings = {"hidden": CHANNELS, "basis_dim": BASIS, "num_layers": LAYERS} | changes
    return PONITA(FEATURES, out_scalar=1, num_ori=orientations, grid=grid, calibrate=False, **settings)


def peers(rounds: int) -> list[dict[str, object]]:
    """A spiral has no opposite orientations; the vertices of a solid have, and kernels of reverse edges are shared."""
    data, rows = molecules(ATOMS, MOLECULES), []
    networks: dict[str, nn.Module] = {"spiral": ponita(), "dodecahedron": ponita(grid="dodecahedron")}
    for ours in list(networks.values()):
        networks["plain"] = plain = Plain(FEATURES, CHANNELS, LAYERS, ours.space.grid.float(), BASIS)
        plain.take(ours)
        with torch.no_grad():
            found, expected = ours(*data).scalar, plain(*with_loops(*data))
        assert (found - expected).abs().max() < 1e-3 * expected.abs().max()
    networks["e3nn"] = harmonic_of_size(parameters(networks["plain"]))
    inputs = {name: with_loops(*data) if name == "plain" else data for name in networks}
    for what, make in (("forward and backward", step), ("energies and forces to gradients", energy_and_forces)):
        calls = [make(network, *inputs[name]) for name, network in networks.items()]
        times = dict(zip(networks, interleaved(calls, rounds, time.process_time), strict=True))
        ratios = {
            f"{peer} / {ours}": round(times[peer] / times[ours], 2)
            for peer in ("plain", "e3nn")
            for ours in ("spiral", "dodecahedron")
        }
        rows.append({"what": what} | {name: round(t, 1) for name, t in times.items()} | ratios)
        print(rows[-1], flush=True)
    return [{"parameters": {name: parameters(n) for name, n in networks.items()}}, *rows]


def exponent(sizes: list[int], times: list[float]) -> float:
    """The slope of the line through the logarithms."""
    a, b = (torch.tensor(values, dtype=torch.float64).log() for values in (sizes, times))
    return round(float(((a - a.mean()) * (b - b.mean())).sum() / (a - a.mean()).square().sum()), 3)


def growth(rounds: int) -> list[dict[str, object]]:
    """Times over edges (more molecules, and more atoms in one) and over orientations."""
    small = {"hidden": 64, "basis_dim": 128, "num_layers": 3}
    rows = []
    clouds = {number: molecules(16, number) for number in (4, 8, 16, 32)}
    network = ponita(12, **small)
    calls = [step(network, *data) for data in clouds.values()]
    edges = [data[2].shape[1] for data in clouds.values()]
    least = interleaved(calls, rounds, time.process_time)
    rows.append(
        {"over": "edges", "sizes": edges, "ms": [round(t, 1) for t in least], "exponent": exponent(edges, least)}
    )
    grids = [8, 16, 32, 64]
    data = molecules(16, 8)
    least = interleaved([step(ponita(o, **small), *data) for o in grids], rounds, time.process_time)
    rows.append(
        {"over": "orientations", "sizes": grids, "ms": [round(t, 1) for t in least], "exponent": exponent(grids, least)}
    )
    for row in rows:
        print(row, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    about = {"unit": "ms of the processor", "threads": 1, "torch": torch.__version__, "e3nn": e3nn.__version__}
    size = {"atoms": ATOMS, "molecules": MOLECULES, "orientations": ORIENTATIONS, "channels": CHANNELS}
    found = {"peers": peers(options.rounds), "growth": growth(options.rounds), **size, **about}
    out = HERE / "results" / "ponita.json"
    out.write_text(json.dumps(found | {"machine": platform.machine()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
