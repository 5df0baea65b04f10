"""What PPGN costs: against blocks of 1 x 1 convolutions with the same weights, on one core.

The peer is written as such blocks usually are: channels are concatenated (the features, their transpose, the identity),
perceptrons are 1 x 1 convolutions, graphs are padded to the largest of the batch, and a mask is applied where padding
could be heard. Its weights are ours, and it must give the same numbers. Compared are one block on 32 matrices of 24
nodes with 64 channels, and networks of three blocks on batches of 32 graphs in PyG's form: all of 24 nodes, and of 12
to 24. Forward, and forward and backward; rounds alternate between the two, and the least time of each counts, which is
the processor's on one thread. Prints tables; `--keep` writes them to results/ppgn.json.
"""

import argparse
import functools
import json
import platform
from collections.abc import Callable
from pathlib import Path

import alternating
import torch
from torch import Tensor, nn
from torch_geometric.utils import to_dense_adj

from erlangen.graphs import PPGN, PPGNBlock

HERE = Path(__file__).resolve().parent
BATCH, NODES, CHANNELS, BLOCKS, ROUNDS = 32, 24, 64, 3, 15
fastest = functools.partial(alternating.fastest, rounds=ROUNDS)


class ConvBlock(nn.Module):
    """A block of 1 x 1 convolutions with the weights of one of ours."""

    def __init__(self, ours: PPGNBlock) -> None:
        super().__init__()
        self.transpose, self.identity = ours.transpose, ours.identity
        self.left = self._perceptron(ours.left_in, ours.left_out)
        self.right = self._perceptron(ours.right_in, ours.right_out)
        self.out = self._convolution(ours.out)

    @staticmethod
    def _convolution(linear: nn.Linear) -> nn.Conv2d:
        conv = nn.Conv2d(linear.in_features, linear.out_features, 1)
        conv.load_state_dict({"weight": linear.weight[..., None, None], "bias": linear.bias})
        return conv

    def _perceptron(self, first: nn.Linear, second: nn.Linear) -> nn.Sequential:
        return nn.Sequential(self._convolution(first), nn.ReLU(), self._convolution(second), nn.ReLU())

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        parts = [x] + ([x.mT] if self.transpose else [])
        if self.identity:
            eye = torch.eye(x.shape[-1]).expand(len(x), 1, -1, -1)
            parts.append(eye)
            x = torch.cat([x, eye], 1)
        left = self.left(torch.cat(parts, 1) if len(parts) > 1 else x)
        left = left if mask is None else left * mask
        new = self.out(torch.cat([x, left @ self.right(x)], 1))
        return new if mask is None else new * mask


class ConvNetwork(nn.Module):
    """A network of them on padded batches, with our way to read it out."""

    def __init__(self, ours: PPGN) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ConvBlock(block) for block in ours.blocks)
        self.readout = ours.readout

    def forward(self, edge_index: Tensor, batch: Tensor) -> Tensor:
        x = to_dense_adj(edge_index, batch)[:, None]
        sizes = torch.bincount(batch)
        real = torch.arange(x.shape[-1]) < sizes[:, None]
        mask = None if bool(real.all()) else (real[:, None, :, None] & real[:, None, None, :]).to(x)
        for block in self.blocks:
            x = block(x, mask)
        diagonal = x.diagonal(dim1=-2, dim2=-1).sum(-1)
        others = x.sum((-2, -1)) - diagonal
        n = sizes[:, None].to(x)
        return self.readout(torch.cat([diagonal / n, others / (n * (n - 1)).clamp_min(1)], 1))


def compared(ours: Callable[[], Tensor], peer: Callable[[], Tensor]) -> dict[str, float]:
    """Milliseconds of both and their ratios, after they have given the same numbers."""
    torch.testing.assert_close(ours(), peer(), rtol=1e-3, atol=1e-3)

    def still(f: Callable[[], Tensor]) -> Callable[[], object]:
        return torch.no_grad()(f)

    def learning(f: Callable[[], Tensor]) -> Callable[[], object]:
        return lambda: f().sum().backward()

    row = {}
    for what, how in (("forward", still), ("forward and backward", learning)):
        best = fastest({"ours": how(ours), "peer": how(peer)})
        row |= {f"{what}, {name}, ms": round(1e3 * seconds, 1) for name, seconds in best.items()}
        row[f"{what}, peer / ours"] = round(best["peer"] / best["ours"], 2)
    return row


def a_block(full: bool) -> dict[str, float]:
    """One block on matrices without padding; ``full``: with transposes and identity."""
    block = PPGNBlock(CHANNELS, CHANNELS, transpose=full, identity=full)
    peer = ConvBlock(block)
    x = torch.randn(BATCH, CHANNELS, NODES, NODES, generator=torch.Generator().manual_seed(0)).requires_grad_()
    return compared(lambda: block(x), lambda: peer(x, None))


def a_network(full: bool, least: int) -> dict[str, float]:
    """A network on a batch of random graphs of ``least`` to 24 nodes."""
    generator = torch.Generator().manual_seed(0)
    sizes = torch.randint(least, NODES + 1, (BATCH,), generator=generator)
    sizes[0] = NODES
    batch = torch.arange(BATCH).repeat_interleave(sizes)
    pairs = (batch[:, None] == batch).nonzero().T
    edge_index = pairs[:, torch.rand(pairs.shape[1], generator=generator) < 0.2]
    network = PPGN(0, CHANNELS, BLOCKS, 1, transpose=full, identity=full)
    peer = ConvNetwork(network)
    return compared(lambda: network(None, edge_index, batch), lambda: peer(edge_index, batch))


def main() -> None:
    parser = argparse.ArgumentParser(description="PPGN against 1 x 1 convolutions")
    parser.add_argument("--keep", action="store_true", help="write results/ppgn.json")
    keep = parser.parse_args().keep
    torch.set_num_threads(1)
    torch.manual_seed(0)
    result: dict[str, object] = {}
    for kind, full in (("PPGN", False), ("PPGN++", True)):
        result[f"block of {kind}, {BATCH} matrices of {NODES} nodes"] = a_block(full)
        result[f"{kind}, {BATCH} graphs of {NODES} nodes"] = a_network(full, NODES)
        result[f"{kind}, {BATCH} graphs of {NODES // 2} to {NODES} nodes"] = a_network(full, NODES // 2)
    print(json.dumps(result, indent=1))
    result |= {"channels": CHANNELS, "blocks": BLOCKS, "threads": 1, "torch": torch.__version__}
    result["machine"] = platform.machine()
    if keep:
        out = HERE / "results" / "ppgn.json"
        out.parent.mkdir(exist_ok=True)
        out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
