"""All linear maps between scalars, node features and pair features that relabelling the nodes commutes with."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from erlangen.groups import Action, Fixed, Nodes, Symmetric, Symmetry

NODES = Symmetric("nodes")
ORDERS = (0, 1, 2)
#: A feature of order k on m nodes has k axes of length m.
MOVES: dict[int, Action] = {0: Fixed(), 1: Nodes(NODES), 2: Nodes(NODES, order=2)}


class PermutationEquivariantLinear(nn.Module):
    r"""The most general permutation equivariant linear map between features of orders 0, 1 and 2, in a fast form.

    Pair features :math:`x_{ij}` enter as they are, transposed, and through five means,

    .. math::
        d_i = x_{ii}, \quad r_i = \tfrac1m \textstyle\sum_j x_{ij}, \quad c_j = \tfrac1m \sum_i x_{ij}, \quad
        t = \tfrac1m \sum_i d_i, \quad a = \tfrac1m \sum_i r_i,

    node features :math:`v_i` through themselves and their mean. With :math:`q = (d, r, c, v)` and
    :math:`g = (t, a, \bar v, z)`, :math:`z` the scalars,

    .. math::
        y_{ij} &= W_1 x_{ij} + W_2 x_{ji} + R q_i + L q_j + A g + \delta_{ij} (D q_i + B g) \\
        y_i &= V q_i + S g, \qquad y = Z g,

    which are 2 + 9 + 4 = 15 maps from pairs to pairs for each two channels, and 5, 5, 2, 2, 2, 1, 1, 1 between the
    others: the Bell numbers of the sums of orders. On fewer than four nodes some of them depend on others. A, B, S and
    Z have biases. Only :math:`W` is applied to all :math:`m^2` rows, and nothing but :math:`x` itself is kept of them
    for the backward pass. One layer takes any number of nodes.

    Args:
        in_channels: number of channels of each order that comes in, as in ``{1: 16, 2: 16}``.
        out_channels: the same of what goes out.

    Raises:
        ValueError: for an order other than 0, 1 and 2, no channels, or, when called, shapes that do not fit.
        TypeError: when called, for a dtype other than the weights'.

    Source: Maron, Ben-Hamu, Shamir, Lipman, "Invariant and Equivariant Graph Networks", 2019, for the maps; Mitton,
    Murray-Smith, "Subgraph Permutation Equivariant Networks", 2021, for their use on subgraphs.

    Example:
        >>> linear = PermutationEquivariantLinear({2: 3}, {1: 4, 2: 5})
        >>> out = linear({2: torch.randn(8, 6, 6, 3)})
        >>> out[1].shape, out[2].shape
        (torch.Size([8, 6, 4]), torch.Size([8, 6, 6, 5]))
    """

    def __init__(self, in_channels: Mapping[int, int], out_channels: Mapping[int, int]) -> None:
        super().__init__()
        self.in_channels = require_orders("PermutationEquivariantLinear(in_channels)", in_channels)
        self.out_channels = require_orders("PermutationEquivariantLinear(out_channels)", out_channels)
        one, two = self.in_channels, self.out_channels
        self._per_node = [("d", 2), ("r", 2), ("c", 2)] * (2 in one) + [("v", 1)] * (1 in one)
        self._per_graph = [("t", 2), ("a", 2)] * (2 in one) + [("s", 1)] * (1 in one) + [("z", 0)] * (0 in one)
        self._to_node = [("R", 2), ("L", 2), ("D", 2)] * (2 in two) + [("V", 1)] * (1 in two)
        self._to_graph = [("A", 2), ("B", 2)] * (2 in two) + [("S", 1)] * (1 in two) + [("Z", 0)] * (0 in two)
        self.pair_weight = self._weight([("W1", 2), ("W2", 2)] * (2 in two), [("x", 2)] * (2 in one))
        self.node_weight = self._weight(self._to_node, self._per_node)
        self.graph_weight = self._weight(self._to_graph, self._per_graph)
        self.bias = nn.Parameter(torch.empty(sum(two[order] for _, order in self._to_graph)))
        self.symmetry = Symmetry(
            NODES, ({order: MOVES[order] for order in one},), {order: MOVES[order] for order in two}
        )
        self.reset_parameters()

    def _weight(self, rows: list[tuple[str, int]], columns: list[tuple[str, int]]) -> nn.Parameter | None:
        """A matrix of blocks, one for each map: from one quantity to the place where another is put."""
        if not rows or not columns:
            return None
        width = sum(self.in_channels[order] for _, order in columns)
        return nn.Parameter(torch.empty(sum(self.out_channels[order] for _, order in rows), width))

    def reset_parameters(self) -> None:
        """Draws the weights of each map with variance 2 / (channels in + channels out), and no biases."""
        nn.init.zeros_(self.bias)
        for block, fan in self._blocks():
            nn.init.normal_(block, std=math.sqrt(2 / fan))

    def _blocks(self) -> list[tuple[Tensor, int]]:
        """The part of each map in the weights, and the number of channels on both its sides."""
        found = []
        for weight, rows, columns in (
            (self.pair_weight, [("W1", 2), ("W2", 2)], [("x", 2)]),
            (self.node_weight, self._to_node, self._per_node),
            (self.graph_weight, self._to_graph, self._per_graph),
        ):
            if weight is None:
                continue
            outs, ins = [self.out_channels[o] for _, o in rows], [self.in_channels[o] for _, o in columns]
            for part, out in zip(weight.split(outs), outs, strict=True):
                found += [(block, out + width) for block, width in zip(part.split(ins, 1), ins, strict=True)]
        return found

    def forward(self, x: Mapping[int, Float[Tensor, "..."]]) -> dict[int, Float[Tensor, "..."]]:
        """The features that go out, by order.

        Args:
            x: features by order, ``(*batch, nodes, ..., channels)`` with as many node axes as the order says.
        """
        x = self._read(x)
        nodes, whole = self._means(x)
        per_node = None if nodes is None or self.node_weight is None else nn.functional.linear(nodes, self.node_weight)
        shared = self.bias if self.graph_weight is None else nn.functional.linear(whole, self.graph_weight, self.bias)
        two, out = self.out_channels, {}
        at_node = None if per_node is None else per_node.split([two[order] for _, order in self._to_node], -1)
        at_graph = shared.split([two[order] for _, order in self._to_graph], -1)
        if 0 in two:
            out[0] = at_graph[-1].expand(*self._batch(x), -1)
        if 1 in two:
            everywhere = at_graph[-1 - (0 in two)].unsqueeze(-2)
            out[1] = everywhere.expand(*self._sizes(x), -1) if at_node is None else everywhere + at_node[-1]
        if 2 in two:
            out[2] = self._pairs(x, at_node, at_graph)
        return {order: out[order] for order in two}

    def _pairs(
        self, x: Mapping[int, Tensor], at_node: tuple[Tensor, ...] | None, at_graph: tuple[Tensor, ...]
    ) -> Tensor:
        everywhere, diagonal = at_graph[0][..., None, :], at_graph[1][..., None, :]
        m = self._sizes(x)[-1]
        if at_node is None:
            y = everywhere[..., None, :].expand(*self._sizes(x), m, -1).clone()
        else:
            # The term of the whole is added to rows first: to m rows, not to m squared.
            y = (at_node[0] + everywhere).unsqueeze(-2) + at_node[1].unsqueeze(-3)
            diagonal = at_node[2] + diagonal
        if self.pair_weight is not None:
            there, back = self.pair_weight.chunk(2)
            y = y.add_(nn.functional.linear(x[2], there))
            y = y.add_(nn.functional.linear(x[2], back).transpose(-3, -2))
        y.diagonal(dim1=-3, dim2=-2).add_(diagonal.transpose(-2, -1))
        return y

    def _means(self, x: Mapping[int, Tensor]) -> tuple[Tensor | None, Tensor]:
        """All that is known of a node, if anything reads it, and of the whole, side by side."""
        nodes, whole = [], []
        if 2 in x:
            d, r, c = x[2].diagonal(dim1=-3, dim2=-2).transpose(-2, -1), x[2].mean(-2), x[2].mean(-3)
            nodes, whole = [d, r, c], [d.mean(-2), r.mean(-2)]
        if 1 in x:
            nodes, whole = [*nodes, x[1]], [*whole, x[1].mean(-2)]
        if 0 in x:
            whole.append(x[0])
        return None if self.node_weight is None else torch.cat(nodes, -1), torch.cat(whole, -1)

    def _batch(self, x: Mapping[int, Tensor]) -> torch.Size:
        order, value = next(iter(x.items()))
        return value.shape[: value.ndim - order - 1]

    def _sizes(self, x: Mapping[int, Tensor]) -> torch.Size:
        """Leading axes and the number of nodes."""
        order = max(x)
        if not order:
            raise ValueError(
                "PermutationEquivariantLinear(x): scalars alone do not tell how many nodes there are; let features of "
                "nodes or pairs come in"
            )
        return x[order].shape[: x[order].ndim - order]

    def _read(self, x: Mapping[int, Tensor]) -> dict[int, Tensor]:
        name, read = "PermutationEquivariantLinear(x)", {}
        if sorted(x) != sorted(self.in_channels):
            raise ValueError(f"{name}: features of orders {sorted(self.in_channels)}, got {sorted(x)}")
        for order, channels in self.in_channels.items():
            value = x[order]
            if value.dtype != self.bias.dtype and not torch.is_autocast_enabled(value.device.type):
                raise TypeError(f"{name}[{order}]: {self.bias.dtype}, as the weights are, got {value.dtype}")
            wanted = f"(*batch, {'nodes, ' * order}{channels})"
            if value.ndim < order + 1 or value.shape[-1] != channels:
                raise ValueError(f"{name}[{order}]: shape {wanted}, got {tuple(value.shape)}")
            read[order] = value
        batches = {order: tuple(value.shape[: value.ndim - order - 1]) for order, value in read.items()}
        sizes = {length for order, value in read.items() for length in value.shape[value.ndim - order - 1 : -1]}
        if len(set(batches.values())) > 1 or len(sizes) > 1:
            shapes = {order: tuple(value.shape) for order, value in read.items()}
            raise ValueError(f"{name}: of all orders the same batch and number of nodes, got shapes {shapes}")
        if 0 in sizes:
            raise ValueError(f"{name}: at least one node, got none")
        return read

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"{self.in_channels} -> {self.out_channels}"


def require_orders(name: str, channels: Mapping[int, int]) -> dict[int, int]:
    """Numbers of channels by order, descending.

    Raises:
        ValueError: for another order than 0, 1 and 2, no order at all, or less than one channel.
    """
    if not channels or any(order not in ORDERS for order in channels):
        raise ValueError(f"{name}: channels by order, which are 0, 1 and 2, as {{2: 16}}, got {dict(channels)}")
    if any(isinstance(c, bool) or not isinstance(c, int) or c < 1 for c in channels.values()):
        raise ValueError(f"{name}: at least one channel of each order, got {dict(channels)}")
    return {order: channels[order] for order in sorted(channels, reverse=True)}
