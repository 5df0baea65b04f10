"""Networks on pairs of nodes whose layers multiply matrices: as much as 3-WL sees, and no more."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from erlangen.graphs.pairs import PairGroup, count_pairs, group_pairs, pair_rows
from erlangen.groups import BatchVector, EdgeIndex, Fixed, Nodes, Scalar, Symmetric, Symmetry

NODES = Symmetric("nodes")

#: Numbers of one feature tensor that a group of graphs has at most on a CPU, so that it stays in the cache.
_CACHED = 2**18


class ReadGraphs(NamedTuple):
    """Checked inputs.

    Attributes:
        x: features, ``(nodes, in_channels)``; of width zero where there are none.
        edge_index: edges, int64.
        batch: the graph of each node, int64.
        sizes: nodes of each graph.
        pairs: pairs of nodes in all graphs.
    """

    x: Tensor
    edge_index: Tensor
    batch: Tensor
    sizes: Tensor
    pairs: int


class PPGNBlock(nn.Module):
    r"""A layer on matrices :math:`Z` of all pairs of nodes, with a product of matrices in each channel.

    .. math::
        M = \mathrm{MLP}_1(Z)\, \mathrm{MLP}_2(Z), \qquad Z'' = W [Z, M] + b

    The perceptrons act on every pair alone: two linear layers, each followed by ReLU. The product runs over the nodes
    of a graph: places of padding add nothing to it, whatever finite numbers they hold.

    With ``identity``, the matrix of ones on the diagonal is appended to the input first; with ``transpose``, the first
    perceptron reads :math:`[Z, Z^T]`. These two let the network read loops and directions: PPGN++ has both.

    Args:
        in_channels: channels of the input.
        hidden_channels: channels of the perceptrons and of the output.
        transpose: as above.
        identity: as above.

    Raises:
        ValueError: for less than one channel; when called, for inputs of another shape.
        TypeError: when called, for another dtype than that of the weights, or a mask that is not boolean.

    Source: Maron, Ben-Hamu, Serviansky, Lipman, "Provably Powerful Graph Networks", 2019. Puny, Lim, Kiani, Maron,
    Lipman, "Equivariant Polynomials for Graph Neural Networks", 2023.

    Example:
        >>> block = PPGNBlock(3, 8, transpose=True, identity=True)
        >>> mask = torch.tensor([[True, True, True, True], [True, True, False, False]])
        >>> block(torch.randn(2, 3, 4, 4), mask).shape
        torch.Size([2, 8, 4, 4])
    """

    def __init__(self, in_channels: int, hidden_channels: int, transpose: bool = False, identity: bool = False) -> None:
        super().__init__()
        _require_counts("PPGNBlock", in_channels=in_channels, hidden_channels=hidden_channels)
        self.in_channels, self.hidden_channels = in_channels, hidden_channels
        self.transpose, self.identity = transpose, identity
        self.left_in = nn.Linear((1 + transpose) * in_channels + identity, hidden_channels)
        self.left_out = nn.Linear(hidden_channels, hidden_channels)
        self.right_in = nn.Linear(in_channels + identity, hidden_channels)
        self.right_out = nn.Linear(hidden_channels, hidden_channels)
        self.out = nn.Linear(in_channels + identity + hidden_channels, hidden_channels)
        group = Symmetric("nodes")
        pairs = Nodes(group, order=2, features=0)
        self.symmetry = Symmetry(group, (pairs, Nodes(group, features=0)), pairs)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weights uniformly after Xavier, and sets biases to zero."""
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(
        self, x: Float[Tensor, "batch in_channels n n"], mask: Bool[Tensor, "batch n"] | None = None
    ) -> Float[Tensor, "batch hidden_channels n n"]:
        """New matrices, zero in places of padding.

        Args:
            x: matrices.
            mask: the places that hold a node; all by default.
        """
        self._check(x, mask)
        # Concatenated inputs are never built: a linear map of [Z, M, I] is the sum of those of its parts, and that of I
        # is a second bias on the diagonal.
        n, c, h = x.shape[-1], self.in_channels, self.hidden_channels
        z = x.flatten(2)
        first = _mapped(self.left_in, z, slice(0, c), self._bias(self.left_in, n))
        if self.transpose:
            turned = _mapped(self.left_in, z, slice(c, 2 * c)).unflatten(2, (n, n)).mT
            first = first.unflatten(2, (n, n)).add_(turned).flatten(2)
        left = _mapped(self.left_out, first.relu_(), slice(None), self.left_out.bias[:, None]).relu_()
        second = _mapped(self.right_in, z, slice(0, c), self._bias(self.right_in, n)).relu_()
        right = _mapped(self.right_out, second, slice(None), self.right_out.bias[:, None]).relu_()
        left, right = left.unflatten(2, (n, n)), right.unflatten(2, (n, n))
        if mask is not None:
            left = left * mask[:, None, None, :]
        product = (left @ right).flatten(2)
        kept = _mapped(self.out, z, slice(0, c), self._bias(self.out, n, c))
        new = _mapped(self.out, product, slice(-h, None), kept).unflatten(2, (n, n))
        return new if mask is None else new * (mask[:, None, :, None] & mask[:, None, None, :])

    def _bias(self, layer: nn.Linear, n: int, column: int = -1) -> Tensor:
        """The bias of every pair, to which the channel of the identity adds its weight on the diagonal."""
        bias = layer.bias[:, None]
        if not self.identity:
            return bias
        diagonal = torch.eye(n, dtype=bias.dtype, device=bias.device).flatten()
        return torch.addcmul(bias, layer.weight[:, column, None], diagonal)

    def _check(self, x: Tensor, mask: Tensor | None) -> None:
        if x.ndim != 4 or x.shape[1] != self.in_channels or x.shape[2] != x.shape[3]:
            raise ValueError(f"PPGNBlock(x): shape (batch, {self.in_channels}, n, n), got {tuple(x.shape)}")
        if x.dtype != self.out.weight.dtype and not torch.is_autocast_enabled(x.device.type):
            raise TypeError(f"PPGNBlock(x): {self.out.weight.dtype}, as the weights are, got {x.dtype}")
        if mask is not None and mask.dtype != torch.bool:
            raise TypeError(f"PPGNBlock(mask): torch.bool, got {mask.dtype}")
        if mask is not None and mask.shape != (len(x), x.shape[-1]):
            raise ValueError(f"PPGNBlock(mask): shape {(len(x), x.shape[-1])}, got {tuple(mask.shape)}")


def _mapped(layer: nn.Linear, x: Tensor, columns: slice, add: Tensor | None = None) -> Tensor:
    """Some columns of a linear layer applied to the channels of ``(batch, channels, pairs)``, and something added."""
    weight = layer.weight[:, columns].expand(len(x), -1, -1)
    return torch.bmm(weight, x) if add is None else torch.baddbmm(add, weight, x)


class PPGN(nn.Module):
    r"""A provably powerful graph network: blocks with products of matrices on the features of all pairs of nodes.

    A graph becomes a stack of matrices: its adjacency (ones, added up over repeated edges, on the diagonal for loops),
    the attributes of its edges, the features of its nodes on the diagonal, and given features of pairs. Blocks
    (:class:`PPGNBlock`) follow, then for a graph means over nodes and over pairs of different nodes, for a node i

    .. math:: \Big[ Z_{ii},\; \tfrac{1}{n-1} \sum_{j \ne i} Z_{ij},\; \tfrac{1}{n-1} \sum_{j \ne i} Z_{ji} \Big],

    and a perceptron with one hidden layer. Means over nothing, as in a graph of one node, are zero.

    It tells apart what 3-WL does, and computes all polynomials of an adjacency matrix up to degree five for nodes, four
    for pairs (see :func:`exactness_degree`). Time per graph and block grows as :math:`h n^3 + h^2 n^2`. Graphs are
    computed together with others of about their size, so that little is spent on padding, and nothing changes by it.

    Args:
        in_channels: features of a node; with none, ``x`` is None.
        hidden_channels: channels of the blocks.
        num_layers: blocks.
        out_channels: numbers that come out.
        edge_dim: attributes of an edge.
        pair_dim: features of a pair of nodes.
        transpose: see :class:`PPGNBlock`.
        identity: see :class:`PPGNBlock`.
        readout_channels: width of the hidden layer at the end; ``hidden_channels`` by default.
        task: "graph" or "node".

    Attributes:
        symmetry: relabelling nodes within their graphs changes nothing for graphs, and moves what belongs to nodes.
            None with ``pair_dim``, as flat features of pairs cannot be moved without knowing the sizes of graphs.

    Raises:
        ValueError: for an argument without meaning; when called, for inputs that do not fit or are not finite, nodes
            not sorted by graph, an edge out of range or between graphs, or too many pairs.
        TypeError: when called, for a wrong dtype, or an input that is missing or not expected.

    Source: Maron, Ben-Hamu, Serviansky, Lipman, "Provably Powerful Graph Networks", 2019.

    Example:
        >>> from torch_geometric.data import Batch, Data
        >>> path, point = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), torch.zeros(2, 0, dtype=torch.long)
        >>> batch = Batch.from_data_list([Data(torch.randn(3, 2), path), Data(torch.randn(1, 2), point)])
        >>> net = PPGN(in_channels=2, hidden_channels=8, num_layers=2, out_channels=1)
        >>> net(batch.x, batch.edge_index, batch.batch).shape
        torch.Size([2, 1])
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int,
        edge_dim: int = 0,
        pair_dim: int = 0,
        transpose: bool = False,
        identity: bool = False,
        readout_channels: int | None = None,
        task: str = "graph",
    ) -> None:
        super().__init__()
        readout_channels = hidden_channels if readout_channels is None else readout_channels
        _require_counts(
            type(self).__name__, hidden_channels=hidden_channels, num_layers=num_layers, out_channels=out_channels,
            readout_channels=readout_channels,
        )  # fmt: skip
        _require_counts(type(self).__name__, least=0, in_channels=in_channels, edge_dim=edge_dim, pair_dim=pair_dim)
        if task not in ("graph", "node"):
            raise ValueError(f"{type(self).__name__}(task): 'graph' or 'node', got {task!r}")
        self.in_channels, self.edge_dim, self.pair_dim = in_channels, edge_dim, pair_dim
        self.hidden_channels, self.out_channels, self.task = hidden_channels, out_channels, task
        widths = [1 + edge_dim + in_channels + pair_dim] + [hidden_channels] * (num_layers - 1)
        self.blocks = nn.ModuleList(PPGNBlock(width, hidden_channels, transpose, identity) for width in widths)
        self.read_channels = (2 if task == "graph" else 3) * hidden_channels
        self.readout = nn.Sequential(
            nn.Linear(self.read_channels, readout_channels), nn.ReLU(), nn.Linear(readout_channels, out_channels)
        )
        self.symmetry: Symmetry | None = None if pair_dim else self._promise()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weights uniformly after Xavier, and sets biases to zero."""
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def _promise(self) -> Symmetry:
        node = Nodes(NODES)
        inputs = [node if self.in_channels else Fixed(), EdgeIndex(NODES), BatchVector(NODES)]
        inputs += [Fixed()] if self.edge_dim else []
        return Symmetry(NODES, tuple(inputs), node if self.task == "node" else Scalar(NODES))

    def forward(
        self,
        x: Float[Tensor, "nodes in_channels"] | None,
        edge_index: Int[Tensor, "2 edges"],
        batch: Int[Tensor, " nodes"] | None = None,
        edge_attr: Float[Tensor, "edges edge_dim"] | None = None,
        pair_attr: Float[Tensor, "pairs pair_dim"] | None = None,
        batch_size: int | None = None,
    ) -> Float[Tensor, "rows out_channels"]:
        """The numbers of every graph, or of every node.

        Args:
            x: features of nodes; None without any.
            edge_index: edges, sources then targets: the matrices hold an edge from i to j at (i, j).
            batch: the graph of each node, ascending; one graph by default.
            edge_attr: attributes of edges; None without any.
            pair_attr: features of pairs, flat: see `erlangen.graphs.pairs`; None without any.
            batch_size: number of graphs, where the last ones may have no nodes.
        """
        name, weight = type(self).__name__, next(self.parameters())
        x, edge_index, batch, sizes, pairs = self.read_graphs(x, edge_index, batch, batch_size)
        edge_attr = _read_rows(f"{name}(edge_attr)", edge_attr, (edge_index.shape[1], self.edge_dim), weight)
        pair_attr = _read_rows(f"{name}(pair_attr)", pair_attr, (pairs, self.pair_dim), weight)
        every = torch.arange(len(batch), device=batch.device)
        edges = torch.cat([edge_attr.new_ones(len(edge_attr), 1), edge_attr], 1)
        adjacency = edges.new_zeros(pairs, edges.shape[1]).index_add(0, pair_rows(sizes, batch, *edge_index), edges)
        diagonal = x.new_zeros(pairs, x.shape[1]).index_add(0, pair_rows(sizes, batch, every, every), x)
        return self._answer(torch.cat([adjacency, diagonal, pair_attr], 1), sizes, len(batch))

    def read_graphs(
        self, x: Tensor | None, edge_index: Tensor, batch: Tensor | None, batch_size: int | None
    ) -> ReadGraphs:
        """Checks the inputs that every network on pairs shares, and fills in what was left out.

        Raises:
            ValueError: as `forward` does.
            TypeError: as `forward` does.
        """
        name = type(self).__name__
        weight = next(self.parameters())
        x, batch, sizes = _read_nodes(name, x, batch, batch_size, self.in_channels, weight)
        edge_index = _read_edges(name, edge_index, batch)
        return ReadGraphs(x, edge_index, batch, sizes, count_pairs(sizes, f"{name}(batch)"))

    def _answer(self, rows: Tensor, sizes: Tensor, nodes: int) -> Tensor:
        """From flat features of pairs to what is read out of them."""
        width = max(rows.shape[1], self.hidden_channels)
        groups = group_pairs(sizes, most_pairs=_CACHED // width if rows.device.type == "cpu" else None)
        found, where = [rows.new_zeros(0, self.read_channels)], [sizes.new_zeros(0)]
        for group in groups:
            z = group.dense(rows)
            for block in self.blocks:
                z = block(z, group.mask)
            read, at = _read_graphs(z, group) if self.task == "graph" else _read_nodes_of(z, group)
            found.append(read)
            where.append(at)
        count = len(sizes) if self.task == "graph" else nodes
        return self.readout(rows.new_zeros(count, self.read_channels).index_add(0, torch.cat(where), torch.cat(found)))


def _read_graphs(z: Tensor, group: PairGroup) -> tuple[Tensor, Tensor]:
    """Means over nodes and over pairs of different ones, and the graphs they belong to."""
    sizes = group.sizes[:, None].to(z.dtype)
    diagonal = z.diagonal(dim1=-2, dim2=-1).sum(-1)
    others = z.sum((-2, -1)) - diagonal
    return torch.cat([diagonal / sizes, others / (sizes * (sizes - 1)).clamp_min(1)], 1), group.graphs


def _read_nodes_of(z: Tensor, group: PairGroup) -> tuple[Tensor, Tensor]:
    """The diagonal and the means over rows and columns, and the nodes they belong to."""
    others = (group.sizes[:, None, None].to(z.dtype) - 1).clamp_min(1)
    diagonal = z.diagonal(dim1=-2, dim2=-1)
    read = torch.cat([diagonal, (z.sum(-1) - diagonal) / others, (z.sum(-2) - diagonal) / others], 1).mT
    if group.mask is None:
        return read.flatten(0, 1), group.nodes.flatten()
    return read[group.mask], group.nodes[group.mask]


def _require_counts(name: str, least: int = 1, **counts: int) -> None:
    for argument, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name}({argument}): a whole number from {least}, got {value!r}")


def _read_nodes(
    name: str, x: Tensor | None, batch: Tensor | None, batch_size: int | None, channels: int, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Features, graph of each node, and nodes of each graph."""
    if batch is None and x is None:
        raise TypeError(f"{name}(batch): the graph of each node, as without x nothing tells their number; got None")
    if batch is None:
        assert x is not None
        batch = torch.zeros(len(x), dtype=torch.long, device=x.device)
        batch_size = 1 if batch_size is None else batch_size
    if batch.is_floating_point() or batch.dtype == torch.bool or batch.ndim != 1:
        raise TypeError(f"{name}(batch): whole numbers of shape (nodes,), got {batch.dtype} of {tuple(batch.shape)}")
    batch = batch.long()
    x = _read_rows(f"{name}(x)", x, (len(batch), channels), weight)
    if batch.numel() and (int(batch[0]) < 0 or bool((batch[1:] < batch[:-1]).any())):
        raise ValueError(f"{name}(batch): ascending numbers from 0, got others")
    graphs = int(batch[-1]) + 1 if batch.numel() else 0
    if batch_size is not None and batch_size < graphs:
        raise ValueError(f"{name}(batch_size): at least {graphs}, as batch tells, got {batch_size}")
    return x, batch, torch.bincount(batch, minlength=graphs if batch_size is None else batch_size)


def _read_edges(name: str, edge_index: Tensor, batch: Tensor) -> Tensor:
    if edge_index.is_floating_point() or edge_index.dtype == torch.bool:
        raise TypeError(f"{name}(edge_index): whole numbers, got {edge_index.dtype}")
    if edge_index.ndim != 2 or edge_index.shape[0] != 2:
        raise ValueError(f"{name}(edge_index): shape (2, edges), got {tuple(edge_index.shape)}")
    edge_index = edge_index.long()
    if edge_index.numel():
        least, largest = int(edge_index.min()), int(edge_index.max())
        if least < 0 or largest >= len(batch):
            wrong = least if least < 0 else largest
            raise ValueError(f"{name}(edge_index): nodes 0 to {len(batch) - 1}, got {wrong}")
        across = batch[edge_index[0]] != batch[edge_index[1]]
        if bool(across.any()):
            first = int(across.nonzero()[0])
            raise ValueError(
                f"{name}(edge_index): edges within graphs, got {edge_index[:, first].tolist()} at edge {first}"
            )
    return edge_index


def _read_rows(name: str, value: Tensor | None, shape: tuple[int, int], weight: Tensor) -> Tensor:
    """Rows of features; of width zero where the network takes none."""
    if value is None:
        if shape[1]:
            raise TypeError(f"{name}: shape {shape}, got None")
        return weight.new_zeros(shape)
    if not shape[1] and value.numel():
        raise TypeError(f"{name}: None, as the network takes no channels of it, got shape {tuple(value.shape)}")
    if tuple(value.shape) != shape:
        raise ValueError(f"{name}: shape {shape}, got {tuple(value.shape)}")
    if value.dtype != weight.dtype and not torch.is_autocast_enabled(value.device.type):
        raise TypeError(f"{name}: {weight.dtype}, as the weights are, got {value.dtype}")
    if value.device != weight.device:
        raise ValueError(f"{name}: on {weight.device}, as the weights are, got {value.device}")
    if not bool(value.isfinite().all()):
        raise ValueError(f"{name}: finite numbers, got others")
    return value
