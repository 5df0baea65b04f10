"""The backbones of graph separation, on dense batches: a message passing network, and an MLP on everything."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}


class GIN(nn.Module):
    r"""A graph isomorphism network, :math:`h_i \leftarrow \sigma(W ((1 + \epsilon) h_i + \sum_j A_{ij} h_j) + b)`.

    Layers, then the mean or the sum over nodes, then a head. By itself it treats relabelled graphs alike; with
    ``identified`` it gets the number of each node as one more feature, and then sees more than colour refinement does,
    but no longer treats them alike. As in the publication's code a layer is one linear map, and each eps is trained and
    begins at random in [0, 1]: with eps = 0 a layer sees the set of closed neighbourhoods alone, and no longer which
    node each belongs to.

    Args:
        in_channels: features of a node.
        head: widths of the head; the last is the output's.
        num_layers: message passing layers.
        width: channels of the layers.
        identified: number of nodes that can be told apart by their place; 0 for none.
        activation: after each layer, and between those of the head: "relu" or "tanh".
        pool: "mean" or "sum".

    Source: Xu, Hu, Leskovec, Jegelka, "How Powerful are Graph Neural Networks?", 2019.
    """

    def __init__(
        self,
        in_channels: int,
        head: Sequence[int],
        num_layers: int = 3,
        width: int = 64,
        identified: int = 0,
        activation: str = "relu",
        pool: str = "mean",
    ) -> None:
        super().__init__()
        self.identified, self.pool = identified, pool
        self.activation = ACTIVATIONS[activation]()
        widths = [in_channels + identified] + [width] * num_layers
        self.layers = nn.ModuleList(nn.Linear(wide, next_wide) for wide, next_wide in pairwise(widths))
        self.eps = nn.Parameter(torch.rand(num_layers))
        self.head = perceptron([width, *head], activation)

    def forward(self, adjacency: Tensor, features: Tensor, place: Tensor) -> Tensor:
        """Outputs of shape ``(B, head[-1])``.

        Args:
            adjacency: shape ``(B, n, n)``.
            features: shape ``(B, n, in_channels)``.
            place: a number of each node; ``n`` for padding, which does not count. Shape ``(B, n, 1)``.
        """
        n = adjacency.shape[1]
        valid = (place < n).to(features.dtype)
        h = features
        if self.identified:
            eye = torch.eye(n, self.identified, dtype=h.dtype, device=h.device)
            h = torch.cat([h, eye.expand(len(h), -1, -1) * valid], -1)
        for layer, eps in zip(self.layers, self.eps, strict=True):
            h = self.activation(layer((1 + eps) * h + adjacency @ h)) * valid
        total = h.sum(1)
        return self.head(total / valid.sum(1) if self.pool == "mean" else total)


class FlatMLP(nn.Module):
    """An MLP on the adjacency matrix and the features, as one vector: it knows nothing of graphs.

    Args:
        nodes: number of nodes, padding among them.
        in_channels: features of a node.
        widths: widths of the layers; the last is the output's.
        activation: between the layers: "relu" or "tanh".
    """

    def __init__(self, nodes: int, in_channels: int, widths: Sequence[int], activation: str = "relu") -> None:
        super().__init__()
        self.layers = perceptron([nodes * (nodes + in_channels), *widths], activation)

    def forward(self, adjacency: Tensor, features: Tensor, place: Tensor) -> Tensor:
        """Outputs of shape ``(B, widths[-1])``; the arguments are those of `GIN`."""
        return self.layers(torch.cat([adjacency.flatten(1), features.flatten(1)], 1))


def perceptron(widths: Sequence[int], activation: str = "relu") -> nn.Sequential:
    """Linear layers with an activation between them.

    >>> perceptron([2, 3, 1])
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): ReLU()
      (2): Linear(in_features=3, out_features=1, bias=True)
    )
    """
    layers: list[nn.Module] = []
    for wide, next_wide in pairwise(widths):
        layers += [nn.Linear(wide, next_wide), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])
