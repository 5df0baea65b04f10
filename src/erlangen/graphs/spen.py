"""Networks that are permutation equivariant on every ego-network of a graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from erlangen.graphs.ego import ego_subgraphs, require_graph
from erlangen.graphs.permutation_linear import NODES, PermutationEquivariantLinear, require_orders
from erlangen.graphs.subgraphs import Subgraphs
from erlangen.groups import BatchVector, EdgeIndex, Fixed, Nodes, Scalar, Symmetry

NORMS = ("batch", "graph", "none")


class SPENConv(nn.Module):
    r"""One linear map on every subgraph, its results averaged where subgraphs overlap.

    Features belong to nodes (order 1) and to the pairs of nodes that share a subgraph (order 2). Each subgraph S of m
    nodes reads its own, maps them by a :class:`PermutationEquivariantLinear` whose weights belong to the size m, and

    .. math::
        y_i = \frac{1}{|\{S \ni i\}|} \sum_{S \ni i} L_m(x_S)_i, \qquad
        y_{ij} = \frac{1}{|\{S \ni i, j\}|} \sum_{S \ni i, j} L_m(x_S)_{ij}.

    Relabelling the nodes of the graph relabels what comes out, and so does listing the members of a subgraph in another
    order. What goes out with order 0 stays with each subgraph and is not averaged.

    Args:
        in_channels: channels that come in by order, 1 and 2.
        out_channels: channels that go out by order, 0, 1 and 2.
        sizes: the sizes that have weights of their own. Any other takes those of the next smaller one that has, or of
            the smallest. Weights of a size that no training graph had stay as they were drawn.

    Raises:
        ValueError: for orders or sizes without meaning, or, when called, features that do not fit the subgraphs.

    Source: Mitton, Murray-Smith, "Subgraph Permutation Equivariant Networks", 2021.

    Example:
        >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> subgraphs = ego_subgraphs(path, num_nodes=3)
        >>> conv = SPENConv({1: 4}, {1: 8, 2: 8}, sizes=range(1, 4))
        >>> out = conv({1: torch.randn(3, 4)}, subgraphs)
        >>> out[1].shape, out[2].shape, subgraphs.num_pairs
        (torch.Size([3, 8]), torch.Size([9, 8]), 9)
    """

    def __init__(self, in_channels: Mapping[int, int], out_channels: Mapping[int, int], sizes: Iterable[int]) -> None:
        super().__init__()
        self.in_channels = require_orders("SPENConv(in_channels)", in_channels)
        self.out_channels = require_orders("SPENConv(out_channels)", out_channels)
        if 0 in self.in_channels:
            raise ValueError(f"SPENConv(in_channels): features of nodes (1) and pairs (2), got {dict(in_channels)}")
        self.sizes = sorted(set(sizes))
        if not self.sizes or self.sizes[0] < 1:
            raise ValueError(f"SPENConv(sizes): numbers of nodes from 1, got {self.sizes}")
        self.maps = nn.ModuleList(PermutationEquivariantLinear(in_channels, out_channels) for _ in self.sizes)

    def reset_parameters(self) -> None:
        """Draws all weights again."""
        for linear in self.maps:
            linear.reset_parameters()  # type: ignore[operator]

    def weights_of(self, size: int) -> int:
        """Which of the maps a subgraph of so many nodes takes.

        >>> conv = SPENConv({1: 1}, {1: 1}, sizes=[2, 3, 40])
        >>> [conv.weights_of(size) for size in (1, 2, 3, 39, 50)]
        [0, 0, 1, 1, 2]
        """
        return max(0, sum(own <= size for own in self.sizes) - 1)

    def forward(self, x: Mapping[int, Float[Tensor, "_ _"]], subgraphs: Subgraphs) -> dict[int, Float[Tensor, "_ _"]]:
        """The features of nodes ``(nodes, channels)``, pairs ``(pairs, channels)`` and subgraphs ``(sets, channels)``.

        Args:
            x: features by order, ``{1: (nodes, channels), 2: (pairs, channels)}``.
            subgraphs: which nodes and pairs each subgraph has.
        """
        rows = {0: len(subgraphs.size), 1: subgraphs.num_nodes, 2: subgraphs.num_pairs}
        for order, channels in self.in_channels.items():
            if order not in x or tuple(x[order].shape) != (rows[order], channels):
                got = tuple(x[order].shape) if order in x else "nothing"
                raise ValueError(f"SPENConv(x)[{order}]: shape ({rows[order]}, {channels}), got {got}")
        # Rows of all bags are fetched at once, and brought back at once: backward then adds them up once, not per bag.
        bags, places = subgraphs.bags, subgraphs.rows
        fetched = {
            order: x[order].index_select(0, places[order]).split([bag.which.numel() * bag.size**order for bag in bags])
            for order in self.in_channels
        }
        found: dict[int, list[Tensor]] = {order: [] for order in self.out_channels}
        for i, bag in enumerate(bags):
            shape = (len(bag.which), *[bag.size] * 2)
            own = {order: parts[i].unflatten(0, shape[: order + 1]) for order, parts in fetched.items()}
            for order, value in self.maps[self.weights_of(bag.size)](own).items():
                found[order].append(value.flatten(0, order))
        return {order: self._average(order, torch.cat(values), subgraphs) for order, values in found.items()}

    def _average(self, order: int, values: Tensor, subgraphs: Subgraphs) -> Tensor:
        """What the sets say of each node or pair, on average; what they say of themselves, in their order."""
        count = {0: None, 1: subgraphs.node_count, 2: subgraphs.pair_count}[order]
        rows = len(subgraphs.size) if count is None else len(count)
        sums = values.new_zeros(rows, values.shape[1]).index_add_(0, subgraphs.rows[order], values)
        return sums if count is None else sums / count[:, None]

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"{self.in_channels} -> {self.out_channels}, sizes={self.sizes}"


class SPEN(nn.Module):
    r"""A network on ego-networks: classes or numbers of whole graphs, from pairs of nodes within a few hops.

    Pairs begin with :math:`D^{-1/2} A D^{-1/2}`, the features of nodes on the diagonal, and those of edges. Layers of
    :class:`SPENConv`, each with ELU and a norm, keep the orders of ``reps``; a last one makes numbers of every
    ego-network, of which a graph has the mean, and a perceptron reads that. Memory grows with the sum of the squares
    of the sizes of ego-networks, where that of a network on all pairs of a graph (:class:`IGN2`) grows with the square
    of the number of nodes; and ego-networks tell apart regular graphs that all pairs at once do not.

    After L layers a node has heard of nodes within ``2 * num_hops * L`` hops (without norms of whole graphs).

    Args:
        in_channels: features of a node; 0 for none.
        hidden: channels of each order.
        num_layers: layers before the last one.
        num_classes: numbers that come out.
        num_hops: how far an ego-network goes from its node, where :meth:`forward` is given no subgraphs.
        sizes: ego-networks of these sizes have weights of their own, others those of the next smaller one.
        reps: orders of the features in between: 1, 2 or both.
        norm: "batch", "graph" (GraphNorm of PyTorch Geometric) or "none".
        in_edge: features of an edge; they sum up where an edge is repeated.
        head: widths of the perceptron's hidden layers.
        dropout: before each layer of the perceptron but the first.

    Raises:
        ValueError: for an argument without meaning; when called, for inputs that do not fit, are not finite, or not
            sorted by graph, and for what :func:`ego_subgraphs` refuses.
        TypeError: when called, for a wrong dtype, or an input that is missing or not expected.

    Source: Mitton, Murray-Smith, "Subgraph Permutation Equivariant Networks", 2021.

    Example:
        >>> net = SPEN(in_channels=2, hidden=8, num_layers=2, num_classes=3)
        >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> net(torch.randn(4, 2), path, batch=torch.tensor([0, 0, 0, 1])).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        in_channels: int,
        hidden: int,
        num_layers: int,
        num_classes: int,
        num_hops: int = 1,
        sizes: Iterable[int] = range(1, 6),
        reps: Sequence[int] = (1, 2),
        norm: str = "batch",
        in_edge: int = 0,
        head: Sequence[int] = (64,),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        least = {"in_channels": 0, "hidden": 1, "num_layers": 1, "num_classes": 1, "num_hops": 1, "in_edge": 0}
        given = (in_channels, hidden, num_layers, num_classes, num_hops, in_edge)
        for (argument, low), value in zip(least.items(), given, strict=True):
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise ValueError(f"{name}({argument}): a whole number from {low}, got {value!r}")
        if norm not in NORMS:
            raise ValueError(f"{name}(norm): one of {', '.join(NORMS)}, got {norm!r}")
        if not reps or not set(reps) <= {1, 2}:
            raise ValueError(f"{name}(reps): 1, 2 or both, got {tuple(reps)}")
        self.in_channels, self.in_edge, self.num_hops, self.norm = in_channels, in_edge, num_hops, norm
        sizes, inner = list(sizes), dict.fromkeys(reps, hidden)
        widths: list[dict[int, int]] = [{2: 1 + in_channels + in_edge}] + [inner] * num_layers
        self.convs = nn.ModuleList(SPENConv(one, inner, sizes) for one in widths[:-1])
        self.norms = nn.ModuleList(
            nn.ModuleDict({str(order): _norm(norm, hidden) for order in inner}) for _ in self.convs
        )
        self.readout = SPENConv(inner, {0: 2 * hidden}, sizes)
        self.head = _perceptron([2 * hidden, *head, num_classes], dropout)
        inputs = [Nodes(NODES) if in_channels else Fixed(), EdgeIndex(NODES), BatchVector(NODES)]
        self.symmetry = Symmetry(NODES, (*inputs, *[Fixed()] * bool(in_edge)), Scalar(NODES))

    def reset_parameters(self) -> None:
        """Draws all weights again, and forgets the statistics of norms."""
        for module in self.modules():
            if isinstance(module, SPENConv | nn.Linear) or module in self.norms.modules():
                getattr(module, "reset_parameters", lambda: None)()

    def subgraphs(self, edge_index: Int[Tensor, "2 edges"], batch: Int[Tensor, " nodes"]) -> Subgraphs:
        """The subgraphs that the network looks at, where it is given none."""
        return ego_subgraphs(edge_index, len(batch), self.num_hops)

    def forward(
        self,
        x: Float[Tensor, "nodes in_channels"] | None,
        edge_index: Int[Tensor, "2 edges"],
        batch: Int[Tensor, " nodes"] | None = None,
        edge_attr: Float[Tensor, "edges in_edge"] | None = None,
        subgraphs: Subgraphs | None = None,
        batch_size: int | None = None,
    ) -> Float[Tensor, "graphs num_classes"]:
        """The numbers of each graph.

        Args:
            x: features of nodes; None without any, and then a batch vector tells how many nodes there are.
            edge_index: edges, each in both directions (an :class:`IGN2` also takes edges that go one way).
            batch: the graph of each node, ascending; one graph by default.
            edge_attr: features of edges; None without any.
            subgraphs: found before, as ``Subgraphs.of(data)`` of what :class:`EgoSubgraphs` made.
            batch_size: number of graphs, where the last ones may have no nodes.
        """
        x, batch = self._read(x, edge_index, batch, edge_attr)
        if subgraphs is None:
            subgraphs = self.subgraphs(edge_index, batch)
        elif subgraphs.num_nodes != len(batch):
            raise ValueError(f"{type(self).__name__}(subgraphs): of {len(batch)} nodes, got {subgraphs.num_nodes}")
        graphs = int(batch[-1]) + 1 if batch_size is None else batch_size
        if graphs <= int(batch[-1]):
            raise ValueError(
                f"{type(self).__name__}(batch_size): at least {int(batch[-1]) + 1}, as batch tells, got {batch_size}"
            )
        features = {2: pair_features(x, edge_index, subgraphs, edge_attr)}
        places = {1: batch, 2: batch[subgraphs.pair_index[0]]} if self.norm == "graph" else {}
        for conv, norms in zip(self.convs, self.norms, strict=True):
            features = {order: nn.functional.elu(value) for order, value in conv(features, subgraphs).items()}
            for order, value in features.items():
                norm = norms[str(order)]  # type: ignore[index]
                features[order] = norm(value, places[order]) if places else norm(value)
        found = nn.functional.elu(self.readout(features, subgraphs)[0])
        owner = batch[subgraphs.first_node]
        sums = found.new_zeros(graphs, found.shape[1]).index_add_(0, owner, found)
        return self.head(sums / owner.bincount(minlength=graphs).clamp_min(1)[:, None])

    def _read(
        self, x: Tensor | None, edge_index: Tensor, batch: Tensor | None, edge_attr: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        name, weight = type(self).__name__, next(self.parameters())
        if x is None:
            if self.in_channels:
                raise TypeError(f"{name}(x): shape (nodes, {self.in_channels}), got None")
            if batch is None:
                raise TypeError(f"{name}(batch): without features it tells how many nodes there are, got None")
            x = weight.new_zeros(len(batch), 0)
        if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
            raise TypeError(f"{name}(x): {weight.dtype}, as the weights are, got {x.dtype}")
        if x.ndim != 2 or x.shape[1] != self.in_channels:
            raise ValueError(f"{name}(x): shape (nodes, {self.in_channels}), got {tuple(x.shape)}")
        if not torch.compiler.is_compiling() and not bool(x.isfinite().all()):
            raise ValueError(f"{name}(x): finite numbers, got others")
        require_graph(name, edge_index, len(x))
        if batch is None:
            batch = torch.zeros(len(x), dtype=torch.long, device=x.device)
        if tuple(batch.shape) != (len(x),) or batch.is_floating_point():
            raise ValueError(f"{name}(batch): whole numbers, shape ({len(x)},), got {batch.dtype} {tuple(batch.shape)}")
        if bool((batch.diff() < 0).any()) or int(batch[0]) < 0:
            raise ValueError(f"{name}(batch): numbers of graphs from 0, ascending, got others")
        source, target = edge_index.long()
        if bool((batch[source] != batch[target]).any()):
            raise ValueError(f"{name}(edge_index): edges within graphs, got some between two of them")
        wanted = (edge_index.shape[1], self.in_edge)
        if (edge_attr is None) != (not self.in_edge):
            raise TypeError(f"{name}(edge_attr): {f'shape {wanted}' if self.in_edge else None}, got the opposite")
        if edge_attr is not None and (tuple(edge_attr.shape) != wanted or edge_attr.dtype != x.dtype):
            raise ValueError(
                f"{name}(edge_attr): shape {wanted} of {x.dtype}, got {edge_attr.dtype} {tuple(edge_attr.shape)}"
            )
        if edge_attr is not None and not torch.compiler.is_compiling() and not bool(edge_attr.isfinite().all()):
            raise ValueError(f"{name}(edge_attr): finite numbers, got others")
        return x, batch.long()


def pair_features(
    x: Float[Tensor, "nodes channels"],
    edge_index: Int[Tensor, "2 edges"],
    subgraphs: Subgraphs,
    edge_attr: Float[Tensor, "edges width"] | None = None,
) -> Float[Tensor, "pairs _"]:
    r"""What is known of pairs: :math:`D^{-1/2} A D^{-1/2}`, the features of nodes at i = j, those of edges.

    D counts the edges that leave a node. An edge that is listed twice counts twice, in :math:`A` and in its features;
    one that shares no subgraph does not count. An isolated node has zeros.

    Args:
        x: features of nodes.
        edge_index: edges.
        subgraphs: whose pairs to write them on.
        edge_attr: features of edges.

    Example:
        >>> edge = torch.tensor([[0, 1], [1, 0]])
        >>> pair_features(torch.tensor([[5.0], [7.0]]), edge, ego_subgraphs(edge, 2)).T.tolist()
        [[0.0, 1.0, 1.0, 0.0], [5.0, 0.0, 0.0, 7.0]]
    """
    edge_index, nodes, width = edge_index.long(), len(x), x.shape[1]
    scale = edge_index[0].bincount(minlength=nodes).to(x.dtype).clamp_min(1).rsqrt()
    values = (scale[edge_index[0]] * scale[edge_index[1]])[:, None]
    if edge_attr is not None:
        values = torch.cat([values, edge_attr], 1)
    place = subgraphs.find_pairs(edge_index)
    there = place >= 0
    on_edges = x.new_zeros(subgraphs.num_pairs, values.shape[1]).index_add(0, place[there], values[there])
    loops = subgraphs.find_pairs(torch.arange(nodes, device=x.device).expand(2, -1))
    own = loops >= 0
    on_nodes = x.new_zeros(subgraphs.num_pairs, width).index_copy(0, loops[own], x[own])
    return torch.cat([on_edges[:, :1], on_nodes, on_edges[:, 1:]], 1)


def _norm(kind: str, channels: int) -> nn.Module:
    if kind == "graph":
        from torch_geometric.nn import GraphNorm

        return GraphNorm(channels)
    return nn.BatchNorm1d(channels) if kind == "batch" else nn.Identity()


def _perceptron(widths: Sequence[int], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for wide, next_wide in pairwise(widths):
        layers += [nn.ReLU(), nn.Dropout(dropout), nn.Linear(wide, next_wide)]
    return nn.Sequential(*layers[2:])
