"""What both routing experiments share: the network that scores edges, what is learnt, and how instances are moved."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.recipes.seeds import Tick
from erlangen.symmetrize import TransformationInvariant
from erlangen.train import fit

MOVES = ("identity", "rotation", "translation", "scale", "all")
METHODS = {"raw": "coordinates", "moment": "TinvNN"}
NEVER = -1e9  # a logit that is never chosen
WIDTH, HEADS, HIDDEN, LAYERS = 64, 4, 128, 3


class EdgeScores(nn.Module):
    r"""Symmetric logits of all edges between nodes, by a transformer on the nodes.

    With features :math:`h` from layers of attention, :math:`e_{ij} = \tfrac12 (q_i \cdot k_j + q_j \cdot k_i)
    / \sqrt{c}`, where :math:`q = W_q h` and :math:`k = W_k h`. Normalisation comes before each part of a layer.

    Args:
        features: numbers of a node besides its coordinates.
        depot: whether the first node is a depot, which gets a flag.
    """

    def __init__(self, features: int = 0, depot: bool = False) -> None:
        super().__init__()
        self.depot = depot
        self.embed = nn.Linear(2 + features + depot, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, LAYERS, nn.LayerNorm(WIDTH), enable_nested_tensor=False)
        self.query = nn.Linear(WIDTH, WIDTH, bias=False)
        self.key = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, pos: Tensor, features: Tensor | None = None) -> Tensor:
        """From nodes ``(B, n, 2)`` and their features ``(B, n, features)`` to logits ``(B, n, n)``."""
        parts = [pos] if features is None else [pos, features]
        if self.depot:
            flag = torch.zeros_like(pos[..., :1])
            flag[:, 0] = 1
            parts.append(flag)
        h = self.layers(self.embed(torch.cat(parts, -1)))
        scores = self.query(h) @ self.key(h).mT / math.sqrt(WIDTH)
        alone = torch.eye(pos.shape[1], dtype=torch.bool, device=pos.device)
        return ((scores + scores.mT) / 2).masked_fill(alone, NEVER)


def networks(start: nn.Module) -> dict[str, nn.Module]:
    """The same network on coordinates as they are, and on canonical ones.

    Clouds that are uniform in a square have moments that are equal but for their sample, so frames hang on details;
    they are still exactly invariant.
    """
    canonical = TransformationInvariant(copy.deepcopy(start), dim=2, degenerate="keep")
    return {"raw": copy.deepcopy(start), "moment": canonical}


def neighbour_loss(logits: Tensor, edges: Tensor, first: int = 0) -> Tensor:
    """Cross-entropy of the neighbours of each node; half of the probability belongs to each of its two edges.

    Args:
        logits: of edges, ``(B, n, n)``.
        edges: how often an edge is gone along, ``(B, n, n)``; rows from ``first`` sum to two.
        first: nodes before this one do not count.
    """
    return -(edges[:, first:] / 2 * logits[:, first:].log_softmax(-1)).sum(-1).mean()


def train(
    network: nn.Module, data: tuple[Tensor, ...], loss: Callable[..., Tensor], tick: Tick, **options: Any
) -> float:
    """Trains a network and returns the seconds it took, those of the processor where it computed."""
    fitted = fit(network, data, loss, lr=1e-3, schedule="cosine", progress=tick, **options)
    on_cpu = next(network.parameters()).device.type == "cpu"
    return fitted.processor_seconds if on_cpu else fitted.seconds


def moves(pos: Tensor, seed: int) -> dict[str, Tensor]:
    """The same instances ``(B, n, 2)``, moved: about the centre of the square, by normal shifts of deviation 2, ..."""
    generator = torch.Generator().manual_seed(1000 + seed)
    count = len(pos)
    angle = 2 * math.pi * torch.rand(count, generator=generator, dtype=torch.float64)
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()], -1), torch.stack([angle.sin(), angle.cos()], -1)], -2)
    shift = 2 * torch.randn(count, 1, 2, generator=generator, dtype=torch.float64)
    scale = 0.2 + 2.8 * torch.rand(count, 1, 1, generator=generator, dtype=torch.float64)
    pos = pos.double()
    turned = (pos - 0.5) @ turn.mT + 0.5
    return {
        "identity": pos,
        "rotation": turned,
        "translation": pos + shift,
        "scale": scale * pos,
        "all": scale * turned + shift,
    }


def precise(network: nn.Module) -> nn.Module:
    """A copy in float64, which sees differences of moved instances that are not due to rounding."""
    return copy.deepcopy(network).double().eval()


def nearest(pos: Tensor) -> Tensor:
    """Logits that choose the nearest node, ``(B, n, n)``."""
    return -(pos[:, :, None] - pos[:, None]).norm(dim=-1)


def percent(length: Tensor, best: Tensor) -> float:
    """By how much tours are longer than the best ones, mean over instances, in percent."""
    return float(100 * (length / best - 1).mean())
