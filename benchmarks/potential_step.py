"""One training step of a potential, energies and forces to gradients of weights: Gaunt products against their peers.

The same potential three times: convolution and powers of this library; MACE's contraction (every coupling) in place of
the powers; and with it e3nn's convolution, a weight for each path. Ten molecules of 15 atoms with all neighbours within
5 Angstrom, float32, one thread; least of alternating rounds. Writes results/potential_step.json.
"""

import json
import platform
from pathlib import Path

import torch
from alternating import interleaved
from e3nn import o3
from torch import Tensor, nn

from erlangen.neighbours import radius_graph
from erlangen.o3 import GauntPotential
from erlangen.o3.radial import RadialNetwork
from erlangen.recipes.gaunt_tensor_product.contraction import SymmetricContraction

HERE = Path(__file__).resolve().parent
MOLECULES, ATOMS, CUTOFF, ROUNDS = 10, 15, 5.0, 15


class E3nnConv(nn.Module):
    """Messages of scalars along edges by e3nn, ``uvu`` with weights of every edge, summed over targets."""

    def __init__(self, channels: int, lmax: int) -> None:
        super().__init__()
        harmonics = o3.Irreps.spherical_harmonics(lmax)
        out = o3.Irreps("+".join(f"{channels}x{ir}" for _, ir in harmonics))
        paths = [(0, i, i, "uvu", True) for i in range(len(harmonics))]
        self.product = o3.TensorProduct(f"{channels}x0e", harmonics, out, paths, shared_weights=False)
        self.harmonics = o3.SphericalHarmonics(harmonics, normalize=True)
        self.radial = RadialNetwork(CUTOFF, 6, 32, self.product.weight_numel)

    def forward(self, x: Tensor, edge_index: Tensor, vectors: Tensor, distance: Tensor) -> Tensor:
        message = self.product(x[edge_index[0]], self.harmonics(vectors), self.radial(distance))
        return message.new_zeros(len(x), message.shape[1]).index_add(0, edge_index[1], message)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    position = 2 * torch.randn(MOLECULES * ATOMS, 3)
    numbers = torch.tensor([1, 6, 8] * (ATOMS // 3) * MOLECULES)
    batch = torch.arange(MOLECULES).repeat_interleave(ATOMS)
    edge_index, rows = radius_graph(position, CUTOFF, batch), []
    for channels, lmax in ((16, 2), (32, 3), (64, 3)):
        settings = {"elements": [1, 6, 8], "cutoff": CUTOFF, "channels": channels, "lmax": lmax}
        ours, coupled, theirs = (
            GauntPotential(**settings, **more).train()
            for more in ({}, {"many_body": SymmetricContraction}, {"many_body": SymmetricContraction})
        )
        theirs.layers[0].convolution = E3nnConv(channels, lmax)

        def step(potential: nn.Module):
            def call() -> None:
                energy, forces = potential(position, numbers, batch, edge_index, num_systems=MOLECULES)
                (energy.square().mean() + forces.square().mean()).backward()

            return call

        calls = {"Gaunt": ours, "every coupling": coupled, "every coupling, e3nn's convolution": theirs}
        least = interleaved([step(potential) for potential in calls.values()], ROUNDS)
        rows.append({"channels": channels, "lmax": lmax} | {k: round(t, 2) for k, t in zip(calls, least, strict=True)})
        print(rows[-1], flush=True)
    about = {"edges": edge_index.shape[1], "unit": "ms", "threads": 1, "torch": torch.__version__}
    out = HERE / "results" / "potential_step.json"
    out.write_text(json.dumps({"rows": rows, **about, "machine": platform.machine()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
