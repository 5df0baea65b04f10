"""Where the samples sit in the inputs of a call: on a batch axis, in a PyG batch, or nowhere (one whole thing).

The audit gives every sample its own group element, and symmetrisation runs several copies of a batch as one; both need
to know this, and neither needs to know anything else about the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from erlangen.groups.action import Action, Both, Fixed, Pulled
from erlangen.groups.discrete import Symmetric
from erlangen.groups.element import Element, map_element
from erlangen.groups.fields import field_names, is_graph_data, list_leaves, map_leaves, replace_fields
from erlangen.groups.group import Group, Product
from erlangen.groups.nodes import BatchVector, EdgeIndex, Nodes

Leaf = tuple[str, Action, Any]


def leaves(actions: Sequence[Action], inputs: Sequence[Any], names: Sequence[str] = ()) -> list[Leaf]:
    """The tensors of all inputs with their names and actions, containers opened."""
    pairs = enumerate(zip(actions, inputs, strict=True))
    return [leaf for i, (a, x) in pairs for leaf in list_leaves(a, x, names[i] if names else f"input {i}")]


def base_actions(action: Action) -> list[Action]:
    """The plain actions behind pull-backs and joint actions."""
    if isinstance(action, Pulled):
        return base_actions(action.action)
    if isinstance(action, Both):
        return [base for part in action.parts for base in base_actions(part)]
    return [action]


def _is(action: Action, *kinds: type) -> bool:
    return any(isinstance(base, kinds) for base in base_actions(action))


@dataclass(frozen=True)
class Samples:
    """How many samples a call has, and where.

    Attributes:
        count: number of samples; ``None`` when the inputs are one whole thing.
        graph: for PyG batches, the sample of each node, long ``(nodes,)``.
        edge_graph: the sample of each edge, long ``(edges,)``.
        reason: why there is no batch axis, in words; empty when there is one.
    """

    count: int | None
    graph: Tensor | None = None
    edge_graph: Tensor | None = None
    reason: str = ""

    @classmethod
    def find(cls, actions: Sequence[Action], inputs: Sequence[Any]) -> Samples:
        """Looks for a batch vector, then for a leading axis that all moved inputs share."""
        every = leaves(actions, inputs)
        batch = next((x for _, a, x in every if _is(a, BatchVector)), None)
        edges = next((x for _, a, x in every if _is(a, EdgeIndex)), None)
        if batch is not None:
            count = int(batch.max()) + 1 if batch.numel() else 0
            return cls(count, batch, None if edges is None else batch[edges[0]])
        if edges is not None and edges.ndim == 2:
            return cls(None, reason="an edge index without a batch vector is one graph")
        moved = [(n, a, x) for n, a, x in every if not isinstance(a, Fixed)]
        sizes = set()
        for name, action, x in moved:
            if x.ndim <= action.event_dim + action.site_dim:
                return cls(None, reason=f"{name} of shape {tuple(x.shape)} is one sample of {action!r}")
            sizes.add(x.shape[0])
        if len(sizes) != 1:
            why = (
                "no input is moved"
                if not moved
                else f"the inputs share no batch axis, their first sizes are {sorted(sizes)}"
            )
            return cls(None, reason=why)
        return cls(sizes.pop())

    @classmethod
    def one(cls, reason: str) -> Samples:
        """Treats the inputs as one whole thing."""
        return cls(None, reason=reason)

    def place(self, name: str, action: Action, x: Any) -> Tensor | None:
        """The sample of each row of a tensor in a PyG batch; ``None`` when rows are samples or do not belong to any.

        Node tensors are known by their action or their length; edge tensors by a name that starts with "edge", then by
        their length; what is as long as the batch is per graph.
        """
        if self.graph is None or not isinstance(x, Tensor) or x.ndim == 0 or _is(action, EdgeIndex):
            return None
        key = name.rsplit("[", 1)[-1].strip("']")
        edge = self.edge_graph is not None and x.shape[0] == self.edge_graph.shape[0]
        if _is(action, Nodes, BatchVector):
            return self.graph
        if edge and key.startswith("edge"):
            return self.edge_graph
        if x.shape[0] == self.graph.shape[0]:
            return self.graph
        return self.edge_graph if edge and x.shape[0] != self.count else None

    def fits(self, name: str, action: Action, x: Any) -> bool:
        """Whether the rows of a tensor can be told apart by sample."""
        if self.count is None or not isinstance(x, Tensor):
            return True
        if isinstance(action, Fixed) and self.graph is None:
            return True
        return self.place(name, action, x) is not None or (x.ndim > action.event_dim and x.shape[0] == self.count)

    def _lift(self, group: Group, g: Element, place: Tensor) -> Element:
        if isinstance(group, Product):
            return tuple(self._lift(f, part, place) for f, part in zip(group.factors, g, strict=True))
        batch = group.batch_shape(g)
        if not batch or batch[-1] != self.count:
            return g
        return map_element(lambda t: t.index_select(len(batch) - 1, place.to(t.device)), g)

    def lift(self, name: str, action: Action, g: Element, x: Any) -> Element:
        """The element of every row of a tensor, from that of every sample (the last batch axis of ``g``)."""
        place = self.place(name, action, x)
        return g if place is None else self._lift(action.group, g, place)

    def act(self, action: Action, g: Element, x: Any, name: str = "x") -> Any:
        """Moves one input (or output): each sample by its own element, or all by one."""
        return map_leaves(partial(self._move, g), action, x, name)

    def _move(self, g: Element, name: str, action: Action, x: Any) -> Any:
        return action(self.lift(name, action, g, x), x)

    def act_all(self, actions: Sequence[Action], g: Element, inputs: Sequence[Any]) -> tuple[Any, ...]:
        """Moves all inputs."""
        return tuple(self.act(a, g, x, f"input {i}") for i, (a, x) in enumerate(zip(actions, inputs, strict=True)))

    def draw(self, group: Group, generator: torch.Generator, device: torch.device | str = "cpu") -> Element:
        """One random element per sample; permutations of a PyG batch move nodes within their graphs."""
        if isinstance(group, Product):
            return tuple(self.draw(f, generator, device) for f in group.factors)
        if self._permutes_nodes(group):
            assert self.graph is not None
            graph = self.graph.cpu()
            keys = torch.rand(graph.shape[0], generator=generator, dtype=torch.float64)
            by_key = keys.argsort()
            shuffled = by_key[graph[by_key].argsort(stable=True)]
            g = torch.empty_like(shuffled)
            g[graph.argsort(stable=True)] = shuffled
            return g.to(device)
        shape = () if self.count is None else (self.count,)
        return group.sample(*shape, generator=generator, device=device)

    def generators(self, group: Group, device: torch.device | str = "cpu") -> list[Element]:
        """The discrete generators; of permutations of a PyG batch, a swap and a cycle within every graph."""
        if isinstance(group, Product):
            neutral = group.identity(device=device)
            return [
                (*neutral[:i], g, *neutral[i + 1 :])
                for i, f in enumerate(group.factors)
                for g in self.generators(f, device)
            ]
        if not self._permutes_nodes(group):
            return group.generators(device=device)
        assert self.graph is not None
        swap = torch.arange(self.graph.shape[0], device=device)
        cycle = swap.clone()
        for i in range(self.count or 0):
            nodes = (self.graph == i).nonzero().flatten().to(device)
            cycle[nodes] = nodes.roll(-1)
            swap[nodes[:2]] = nodes[:2].flip(0)
        return [swap, cycle]

    def _permutes_nodes(self, group: Group) -> bool:
        return self.graph is not None and isinstance(group, Symmetric) and group.size == self.graph.shape[0]

    def repeat(
        self, actions: Sequence[Action], inputs: Sequence[Any], copies: int, g: Element | None = None
    ) -> tuple[Any, ...]:
        """The batch, ``copies`` times over, as one batch: sample ``b`` of copy ``f`` is sample ``f * count + b``.

        Args:
            actions: the actions on the inputs.
            inputs: the inputs.
            copies: how many.
            g: elements of batch shape ``(copies, count)`` that move the samples of the copies. They act on the inputs
                as they are, seen through a new first axis, so that nothing is copied before it is moved.

        Raises:
            ValueError: when the inputs have no batch axis.
        """
        if self.count is None:
            raise ValueError(f"the inputs have no batch axis to repeat: {self.reason}")
        nodes = 0 if self.graph is None else self.graph.shape[0]
        copy_leaf, pairs = partial(self._repeat_leaf, copies, g), enumerate(zip(actions, inputs, strict=True))
        out = [map_leaves(copy_leaf, a, x, f"input {i}") for i, (a, x) in pairs]
        return tuple(self._recount(x, nodes * copies, self.count * copies) for x in out)

    def _repeat_leaf(self, copies: int, g: Element | None, name: str, action: Action, x: Any) -> Any:
        if _is(action, BatchVector):
            return action.repeat(x, copies, self.count)
        if _is(action, EdgeIndex) and self.graph is not None:
            return action.repeat(x, copies, self.graph.shape[0])
        if isinstance(action, Fixed) and not (isinstance(x, Tensor) and self.has_rows(name, action, x)):
            return x
        if g is None or isinstance(action, Fixed):
            return action.repeat(x, copies)
        moved = action(self.lift(name, action, g, x), x[None])
        return moved.expand(copies, *moved.shape[1:]).flatten(0, 1)

    def has_rows(self, name: str, action: Action, x: Tensor) -> bool:
        """Whether the first axis of a tensor runs over samples, or over parts that belong to samples."""
        return self.place(name, action, x) is not None or (x.ndim > 0 and x.shape[0] == self.count)

    def _recount(self, x: Any, nodes: int, graphs: int) -> Any:
        # What PyG stores beside the tensors must follow: node counts, and the pointers and number of graphs of a Batch.
        if self.graph is None or not is_graph_data(x):
            return x
        present, new = field_names(x), {}
        if "num_nodes" in present:
            new["num_nodes"] = nodes
        if "ptr" in present:
            counts = torch.bincount(x["batch"], minlength=graphs)
            new["ptr"] = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        out = replace_fields(x, new)
        if hasattr(out, "_num_graphs"):
            out._num_graphs = graphs
        return out

    def alone(self, actions: Sequence[Action], inputs: Sequence[Any], sample: int) -> tuple[Any, ...]:
        """The inputs of one sample, as a batch of one."""
        keep, pairs = partial(self._leaf_alone, sample), enumerate(zip(actions, inputs, strict=True))
        out = [map_leaves(keep, a, x, f"input {i}") for i, (a, x) in pairs]
        if self.graph is None:
            return tuple(out)
        return tuple(self._recount(x, int((self.graph == sample).sum()), 1) for x in out)

    def _leaf_alone(self, sample: int, name: str, action: Action, x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        if _is(action, EdgeIndex) and self.graph is not None and self.edge_graph is not None:
            number = (self.graph == sample).long().cumsum(0) - 1
            return number[x[:, self.edge_graph == sample]]
        place = self.place(name, action, x)
        if place is not None:
            rows = x[place == sample]
            return torch.zeros_like(rows) if _is(action, BatchVector) else rows
        return x[sample : sample + 1] if x.ndim > 0 and x.shape[0] == self.count else x

    def rows(self, name: str, action: Action, y: Tensor, sample: int) -> Tensor:
        """The rows of an output that belong to one sample."""
        place = self.place(name, action, y)
        return y[sample : sample + 1] if place is None else y[place == sample]
