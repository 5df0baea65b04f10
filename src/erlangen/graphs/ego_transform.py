"""Ego-networks as a transform of PyTorch Geometric: found once for each graph, and numbered right in batches."""

from __future__ import annotations

from typing import Any

from torch_geometric.data import Batch, Data
from torch_geometric.transforms import BaseTransform

from erlangen.graphs.ego import ego_subgraphs
from erlangen.graphs.subgraphs import MOST_PAIRS, NODE, PAIR, PAIR_INDEX


class SubgraphData(Data):
    """A graph that holds sets of its nodes; in a batch their nodes and pairs are numbered on, as edges are.

    :class:`EgoSubgraphs` makes it of plain ``Data``. A class of graphs of your own that is to hold sets extends it.
    """

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        """How far the numbers of the next graph are shifted."""
        if key in (NODE, PAIR_INDEX):
            return self.num_nodes
        if key == PAIR:
            return self[PAIR_INDEX].shape[1]
        return super().__inc__(key, value, *args, **kwargs)


class EgoSubgraphs(BaseTransform):
    """Adds the ego-networks of all nodes to a graph, as index tensors that the networks on them read.

    The tensors ``subgraph_node``, ``subgraph_size``, ``subgraph_pair`` and ``pair_index`` are those of `Subgraphs`,
    which reads them back: ``Subgraphs.of(batch)``. A data set that applies this as its ``pre_transform`` finds them
    once.

    Args:
        num_hops: how far from its node an ego-network goes.
        max_size: larger ones keep a random choice of nodes, which changes results; see :func:`ego_subgraphs`.
        max_pairs: most places of pairs in one graph.
        seed: of the choice.

    Raises:
        ValueError: when called, for a graph without nodes, edges that go one way, or too many pairs.
        TypeError: when called, for a graph of a class of its own that does not extend `SubgraphData`: batches would be
            numbered by the rules of one of the two alone.

    Source: Mitton, Murray-Smith, "Subgraph Permutation Equivariant Networks", 2021.

    Example:
        >>> import torch
        >>> from torch_geometric.data import Batch, Data
        >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> batch = Batch.from_data_list([EgoSubgraphs()(path)] * 2)
        >>> batch.subgraph_node.tolist()
        [0, 1, 0, 1, 2, 1, 2, 3, 4, 3, 4, 5, 4, 5]
    """

    def __init__(
        self, num_hops: int = 1, max_size: int | None = None, max_pairs: int = MOST_PAIRS, seed: int = 0
    ) -> None:
        self.num_hops, self.max_size, self.max_pairs, self.seed = num_hops, max_size, max_pairs, seed

    def forward(self, data: Any) -> Any:
        """The graph with the tensors; a batch stays a batch."""
        if isinstance(data, Batch):
            return Batch.from_data_list([self.forward(graph) for graph in data.to_data_list()])
        if type(data) is not Data and not isinstance(data, SubgraphData):
            raise TypeError(
                f"EgoSubgraphs(data): Data or a class that extends erlangen.graphs.SubgraphData, got "
                f"{type(data).__name__}"
            )
        if data.edge_index is None:
            raise ValueError("EgoSubgraphs(data): a graph with an edge_index, which may be empty, got None")
        found = ego_subgraphs(
            data.edge_index, int(data.num_nodes or 0), self.num_hops, self.max_size, self.max_pairs, self.seed
        )
        graph = data if isinstance(data, SubgraphData) else SubgraphData.from_dict(data.to_dict())
        for name, tensor in found.fields().items():
            graph[name] = tensor
        graph.num_nodes = data.num_nodes
        return graph

    def __repr__(self) -> str:
        return f"EgoSubgraphs(num_hops={self.num_hops})"
