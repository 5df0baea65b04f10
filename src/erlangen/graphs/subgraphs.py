"""Sets of nodes of a graph, the pairs of nodes that lie together in one, and where in the sets each pair is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

#: The tensors of `Subgraphs` as a graph of PyTorch Geometric holds them.
NODE, SIZE, PAIR, PAIR_INDEX = "subgraph_node", "subgraph_size", "subgraph_pair", "pair_index"
#: More pairs than this are refused where nobody has asked for them in so many words.
MOST_PAIRS = 5 * 10**7


class Bag(NamedTuple):
    """All sets of one size.

    Attributes:
        size: number of nodes of each.
        which: the numbers of the sets, ``(sets,)``.
        node: their members, ``(sets, size)``.
        pair: where each pair of members stands in the list of pairs, ``(sets, size, size)``.
    """

    size: int
    which: Tensor
    node: Tensor
    pair: Tensor


@dataclass(frozen=True, eq=False)
class Subgraphs:
    """Sets of nodes, and the list of all pairs of nodes (both orders, and each with itself) that share a set.

    Attributes:
        node: members, set after set, ``(members,)``.
        size: number of members of each set, ``(sets,)``.
        pair: the place in the list of each pair of members, set after set, row by row, ``(places,)``.
        pair_index: the list, ``(2, pairs)``, ascending by first node, then by second.
        num_nodes: nodes of the graph, or of all graphs of a batch.

    Example:
        >>> sets = Subgraphs.from_sets(torch.tensor([0, 1, 1, 2]), torch.tensor([2, 2]), num_nodes=3)
        >>> sets.pair_index.tolist()
        [[0, 0, 1, 1, 1, 2, 2], [0, 1, 0, 1, 2, 1, 2]]
        >>> sets.pair.tolist()
        [0, 1, 2, 3, 3, 4, 5, 6]
    """

    node: Int[Tensor, " members"]
    size: Int[Tensor, " sets"]
    pair: Int[Tensor, " places"]
    pair_index: Int[Tensor, "2 pairs"]
    num_nodes: int

    @classmethod
    def from_sets(
        cls,
        node: Int[Tensor, " members"],
        size: Int[Tensor, " sets"],
        num_nodes: int,
        max_pairs: int = MOST_PAIRS,
    ) -> Subgraphs:
        """Lists the pairs of given sets.

        Args:
            node: members, set after set; the order within a set is kept.
            size: number of members of each set, at least one.
            num_nodes: nodes of the graph.
            max_pairs: most places, the sum of the squares of all sizes.

        Raises:
            ValueError: if there are more places than that, a member is no node, or the sizes do not fit the members.
        """
        node, size = node.long(), size.long()
        if (len(size) and int(size.min()) < 1) or int(size.sum()) != len(node):
            raise ValueError(
                f"Subgraphs(size): numbers from 1 that make {len(node)} members in all, got {int(size.sum())} in all"
                + (f", the smallest {int(size.min())}" if len(size) else "")
            )
        if len(node) and not 0 <= int(node.min()) <= int(node.max()) < num_nodes:
            raise ValueError(
                f"Subgraphs(node): numbers of {num_nodes} nodes, from 0, got {int(node.min())} to {int(node.max())}"
            )
        places = int(size.square().sum())
        if places > max_pairs:
            raise ValueError(
                f"Subgraphs(max_pairs): {places} places of pairs (the sum of the squares of all sizes) are more than "
                f"{max_pairs}; take smaller sets, or set max_pairs higher if memory allows"
            )
        width = size.repeat_interleave(size)  # of the set of each member
        first = node.repeat_interleave(width)
        row = width.cumsum(0) - width  # where the row of each member begins
        begin = (size.cumsum(0) - size).repeat_interleave(size)  # where its set begins
        second = node[torch.arange(places, device=node.device) + (begin - row).repeat_interleave(width)]
        key, pair = torch.unique(first * num_nodes + second, return_inverse=True)
        pair_index = torch.stack([key.div(max(num_nodes, 1), rounding_mode="floor"), key % max(num_nodes, 1)])
        return cls(node, size, pair, pair_index, num_nodes)

    @classmethod
    def of(cls, data: Any) -> Subgraphs:
        """Reads what a transform (:class:`EgoSubgraphs`) left in a graph or a batch of PyTorch Geometric.

        Raises:
            ValueError: if nothing is there, or the tensors do not fit together.
        """
        missing = [name for name in (NODE, SIZE, PAIR, PAIR_INDEX) if data.get(name) is None]
        if missing:
            raise ValueError(f"Subgraphs.of(data): no field {missing[0]!r}; apply EgoSubgraphs() to the graphs first")
        node, size, pair, pair_index = (data[name] for name in (NODE, SIZE, PAIR, PAIR_INDEX))
        num_nodes, pairs = int(data.num_nodes), pair_index.shape[1]
        if int(size.sum()) != len(node) or int(size.square().sum()) != len(pair):
            raise ValueError(f"Subgraphs.of(data): {NODE}, {SIZE} and {PAIR} do not fit together")
        for name, values, count in ((NODE, node, num_nodes), (PAIR, pair, pairs), (PAIR_INDEX, pair_index, num_nodes)):
            if values.numel() and (int(values.min()) < 0 or int(values.max()) >= count):
                raise ValueError(
                    f"Subgraphs.of(data): {name}: numbers from 0 to {count - 1}, got {int(values.min())} to "
                    f"{int(values.max())}; batches take graphs that EgoSubgraphs() made"
                )
        return cls(node, size, pair, pair_index, num_nodes)

    def fields(self) -> dict[str, Tensor]:
        """The tensors by the names they have in a graph of PyTorch Geometric."""
        return {NODE: self.node, SIZE: self.size, PAIR: self.pair, PAIR_INDEX: self.pair_index}

    def to(self, device: torch.device | str) -> Subgraphs:
        """The same on another device."""
        if self.node.device == torch.device(device):
            return self
        node, size, pair, pair_index = (tensor.to(device) for tensor in self.fields().values())
        return Subgraphs(node, size, pair, pair_index, self.num_nodes)

    @property
    def num_pairs(self) -> int:
        """Length of the list of pairs."""
        return self.pair_index.shape[1]

    @cached_property
    def bags(self) -> list[Bag]:
        """The sets by size, ascending."""
        begin, start = self.size.cumsum(0) - self.size, self.size.square().cumsum(0) - self.size.square()
        found = []
        for size in self.size.unique().tolist():
            which = (self.size == size).nonzero()[:, 0]
            steps = torch.arange(size * size, device=which.device)
            node = self.node[begin[which, None] + steps[:size]]
            pair = self.pair[start[which, None] + steps].reshape(-1, size, size)
            found.append(Bag(size, which, node, pair))
        return found

    @cached_property
    def rows(self) -> dict[int, Tensor]:
        """Sets (0), members (1) and places of pairs (2) of all bags, bag after bag, as numbers of what they are."""
        bags = [(bag.which, bag.node, bag.pair) for bag in self.bags]
        return {order: torch.cat([bag[order].flatten() for bag in bags]) for order in (0, 1, 2)}

    @cached_property
    def first_node(self) -> Tensor:
        """One member of each set, which tells its graph, ``(sets,)``."""
        return self.node[self.size.cumsum(0) - self.size]

    @cached_property
    def node_count(self) -> Tensor:
        """In how many sets each node is, ``(nodes,)``; one for those in none."""
        return self.node.bincount(minlength=self.num_nodes).clamp_min(1)

    @cached_property
    def pair_count(self) -> Tensor:
        """In how many sets each pair is, ``(pairs,)``."""
        return self.pair.bincount(minlength=self.num_pairs).clamp_min(1)

    def find_pairs(self, index: Int[Tensor, "2 edges"]) -> Int[Tensor, " edges"]:
        """The places of pairs of nodes in the list; -1 for those that share no set."""
        key = self.pair_index[0] * self.num_nodes + self.pair_index[1]
        wanted = index[0] * self.num_nodes + index[1]
        if not len(key):
            return torch.full_like(wanted, -1)
        place = torch.searchsorted(key, wanted).clamp_max(len(key) - 1)
        return torch.where(key[place] == wanted, place, -1)
