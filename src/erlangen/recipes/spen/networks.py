"""The networks that are compared, and how each reads a batch of graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric import nn as pyg
from torch_geometric.data import Batch, Data
from torch_geometric.nn import global_add_pool

from erlangen.graphs import IGN2, SPEN, Subgraphs
from erlangen.graphs.subgraphs import NODE
from erlangen.groups import BatchVector, EdgeIndex, Nodes, Scalar, Symmetric, Symmetry

NODES = Symmetric("nodes")
PROMISE = Symmetry(NODES, (Nodes(NODES), EdgeIndex(NODES), BatchVector(NODES)), Scalar(NODES))


class GIN(nn.Module):
    """PyG's graph isomorphism network, the sum over nodes, and a perceptron.

    Source: Xu, Hu, Leskovec, Jegelka, "How Powerful are Graph Neural Networks?", 2019.
    """

    def __init__(
        self, in_channels: int, hidden: int, num_layers: int, num_classes: int, norm: str | None = "batch_norm",
        act: str = "relu", dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.layers = pyg.GIN(in_channels, hidden, num_layers, norm=norm, act=act, train_eps=True)
        self.head = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, num_classes)
        )

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        """The numbers of each graph."""
        return self.head(global_add_pool(self.layers(x, edge_index), batch))


def joined(graphs: Sequence[Data]) -> Any:
    """A batch of PyG."""
    return Batch.from_data_list(list(graphs))


def logits(network: nn.Module, batch: Any) -> Tensor:
    """What a network says of a batch of PyG; a SPEN reads the ego-networks that the batch holds."""
    if isinstance(network, SPEN) and not isinstance(network, IGN2) and NODE in batch:
        return network(batch.x, batch.edge_index, batch.batch, subgraphs=Subgraphs.of(batch))
    return network(batch.x, batch.edge_index, batch.batch)


def drawn(make: Any, seed: int) -> nn.Module:
    """A network with weights drawn from a seed, the global generator left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()
