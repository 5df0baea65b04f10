"""Message passing around any aggregation, and the aggregations that are compared in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import MessagePassing
from torch_geometric.nn.aggr import (
    Aggregation,
    DegreeScalerAggregation,
    MaxAggregation,
    MeanAggregation,
    SumAggregation,
)
from torch_geometric.utils import degree

from erlangen.graphs import LCMAggregation, PlanCache
from erlangen.recipes.lcm.recurrent import RecurrentAggregation

# From channels, the plans that layers share and a histogram of degrees to an aggregation.
Make = Callable[[int, PlanCache, Tensor], Aggregation]


@dataclass(frozen=True)
class Method:
    """An aggregation: its name in tables, how to make it, and how many times the channels come out."""

    title: str
    make: Make
    times: int = 1


def _principal(channels: int, plans: PlanCache, degrees: Tensor) -> Aggregation:
    scalers = ["identity", "amplification", "attenuation"]
    return DegreeScalerAggregation(["mean", "min", "max", "std"], scalers, degrees)


METHODS = {
    "mean": Method("mean", lambda channels, plans, degrees: MeanAggregation()),
    "sum": Method("sum", lambda channels, plans, degrees: SumAggregation()),
    "max": Method("maximum", lambda channels, plans, degrees: MaxAggregation()),
    "pna": Method("principal (12 fixed ones)", _principal, times=12),
    "gru": Method("recurrent (GRU)", lambda channels, plans, degrees: RecurrentAggregation(channels)),
    "lcm": Method(
        "monoid", lambda channels, plans, degrees: LCMAggregation(channels, channels, project=False, cache=plans)
    ),
}


class Convolution(MessagePassing):
    """Messages from both ends of each edge, aggregated, and back to the channels of a node.

    Args:
        method: the aggregation.
        channels: of nodes and messages.
        plans: shared by layers.
        degrees: how many nodes of the training graphs have each degree.
        pairs: whether a message sees both ends, or the sender alone.
    """

    def __init__(self, method: Method, channels: int, plans: PlanCache, degrees: Tensor, pairs: bool = True) -> None:
        super().__init__(aggr=method.make(channels, plans, degrees))
        self.inner = nn.Linear(2 * channels, channels) if pairs else None
        self.outer = nn.Linear(method.times * channels, channels)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.outer(self.propagate(edge_index, x=x))

    def message(self, x_i: Tensor, x_j: Tensor) -> Tensor:
        return x_j if self.inner is None else torch.relu(self.inner(torch.cat([x_i, x_j], 1)))


def degree_histogram(graphs: Sequence[Data]) -> Tensor:
    """How many nodes of all graphs have 0, 1, 2, ... neighbours."""
    ends = [(graph.edge_index, graph.num_nodes) for graph in graphs]
    return torch.cat([degree(edges[1], nodes).long() for edges, nodes in ends if edges is not None]).bincount()
