"""Values of equivariant polynomials of matrices: many at once, from shared intermediates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int, Num
from torch import Tensor, nn

from erlangen.graphs.multigraph import MarkedMultigraph
from erlangen.graphs.multigraph_basis import require_order
from erlangen.graphs.polynomial_plan import plan_polynomials
from erlangen.graphs.sparse_contraction import SparseTensor, sparse_einsum
from erlangen.groups import Fixed, Nodes, Symmetric, Symmetry

#: Entries of one intermediate tensor up to which matrices of a batch are computed together.
TOGETHER = 1 << 19


def evaluate(
    graph: MarkedMultigraph, X: Num[Tensor, "*batch rows columns"], mask: Bool[Tensor, "*batch nodes"] | None = None
) -> Num[Tensor, "*values"]:
    """The polynomial of a multigraph at matrices, in their dtype; integers are counted exactly as far as it reaches.

    Values grow as fast as the number of rows to the power of the number of unmarked nodes, and integers that do not fit
    wrap around: count large graphs in int64 or float64.

    Args:
        graph: the multigraph, with at most two marks.
        X: square matrices.
        mask: which rows are there, for matrices that are padded to a common size; the others count as zero.

    Returns:
        Shape ``(*batch,)``, ``(*batch, n)`` or ``(*batch, n, n)``, by the number of marks.

    Raises:
        ValueError: for more than two marks, matrices that are not square, or a mask that does not fit.

    Example:
        >>> triangle = MarkedMultigraph(3, ((0, 1), (1, 2), (2, 0)), marks=(0,))
        >>> K4 = 1 - torch.eye(4, dtype=torch.long)
        >>> evaluate(triangle, K4)
        tensor([6, 6, 6, 6])
    """
    values = EquivariantPolynomials([graph])(X, mask)
    return values[graph.order].squeeze(-1)


class PolynomialValues(NamedTuple):
    """Values of polynomials, by their order; the last axis holds one polynomial after the other.

    Attributes:
        graph: order 0, shape ``(*batch, channels)``.
        node: order 1, shape ``(*batch, n, channels)``.
        pair: order 2, shape ``(*batch, n, n, channels)``.
    """

    graph: Tensor
    node: Tensor
    pair: Tensor

    def matrices(self, mask: Bool[Tensor, "*batch nodes"] | None = None) -> Num[Tensor, "*batch channels n n"]:
        """All of them as matrices: order 0 as constant ones, order 1 on the diagonal, then order 2.

        Args:
            mask: which rows are there; the others become zero.
        """
        n = self.node.shape[-2]
        constant = self.graph[..., None, None].expand(*self.graph.shape, n, n)
        every = torch.cat([constant, torch.diag_embed(self.node.mT), self.pair.movedim(-1, -3)], -3)
        if mask is None:
            return every
        return every * (mask[..., :, None] & mask[..., None, :])[..., None, :, :].to(every.dtype)


class EquivariantPolynomials(nn.Module):
    r"""Polynomials of several multigraphs at once, from intermediates that they share.

    Each is summed over node by node along a path of least width; what two of them have in common up to the names of
    nodes is computed once. The four-clique, for instance, is found from the same tensor of common neighbours of three
    nodes as most other polynomials that matrix products cannot reach, by one matrix product of :math:`n^2 \times n`
    numbers, instead of a sum over :math:`n^4` index tuples for each.

    Args:
        polynomials: multigraphs with at most two marks.
        symmetric: the matrices are symmetric, so that more is shared.
        simple: they hold zeros and ones, are symmetric, and zero on the diagonal: loops vanish, and repeated edges
            count once.

    Raises:
        ValueError: for more than two marks; when called, for matrices that are not square, symmetric or simple as
            promised, or a mask that does not fit.

    Source: Puny, Lim, Kiani, Maron, Lipman, "Equivariant Polynomials for Graph Neural Networks", 2023.

    Example:
        >>> square = MarkedMultigraph(3, ((0, 1), (1, 2)), marks=(0, 2))
        >>> degree = MarkedMultigraph(2, ((0, 1),), marks=(0,))
        >>> X = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
        >>> values = EquivariantPolynomials([square, degree])(X)
        >>> values.node[:, 0], values.pair[..., 0]
        (tensor([1., 2., 1.]), tensor([[1., 0., 1.],
                [0., 2., 0.],
                [1., 0., 1.]]))
    """

    def __init__(self, polynomials: Sequence[MarkedMultigraph], symmetric: bool = False, simple: bool = False) -> None:
        super().__init__()
        for graph in polynomials:
            require_order(graph.order, f"EquivariantPolynomials(polynomials): the number of marks of {graph}")
        self.polynomials = tuple(polynomials)
        self.symmetric, self.simple = symmetric or simple, simple
        group = Symmetric("n")
        self.symmetry = Symmetry(
            group, inputs=(Nodes(group, 2, 0),), output=(Fixed(), Nodes(group, 1, 1), Nodes(group, 2, 1))
        )
        # Polynomials with loops vanish on simple graphs, others lose what is repeated.
        kept = [_as_simple(graph) for graph in self.polynomials] if simple else list(self.polynomials)
        self._vanish = [graph is None for graph in kept]
        planned = tuple(graph for graph in kept if graph is not None)
        self._planned = planned
        self._plan = plan_polynomials(planned, self.symmetric)

    def forward(
        self, X: Num[Tensor, "*batch rows columns"], mask: Bool[Tensor, "*batch nodes"] | None = None
    ) -> PolynomialValues:
        """The values at square matrices; rows that a mask leaves out count as zero."""
        if X.ndim < 2 or X.shape[-1] != X.shape[-2]:
            raise ValueError(f"EquivariantPolynomials(X): square matrices, got shape {tuple(X.shape)}")
        if X.dtype is torch.bool:
            raise TypeError("EquivariantPolynomials(X): numbers, got booleans; X.long() counts with them")
        if mask is not None and (mask.dtype is not torch.bool or mask.shape != X.shape[:-1]):
            raise ValueError(
                f"EquivariantPolynomials(mask): booleans of shape {tuple(X.shape[:-1])}, "
                f"got {mask.dtype} of shape {tuple(mask.shape)}"
            )
        batch, n = X.shape[:-2], X.shape[-1]
        present = X.new_ones(X.shape[:-1]) if mask is None else mask.to(X)
        if mask is not None:
            # Entries outside the mask are padding, which may be anything.
            X = torch.where(mask[..., :, None] & mask[..., None, :], X, 0)
        self._require(X)
        count = math.prod(batch)
        flat, there = X.reshape(count, n, n), present.reshape(count, n)
        step = max(1, TOGETHER // max(1, n**self._plan.largest))
        pieces = [
            self._collect(self._tensors(flat[i : i + step]), there[i : i + step]) for i in range(0, max(count, 1), step)
        ]
        shapes = (batch, (*batch, n), (*batch, n, n))
        values = [torch.cat([piece[order] for piece in pieces]) for order in range(3)]
        return PolynomialValues(*(v.reshape(*shape, v.shape[-1]) for v, shape in zip(values, shapes, strict=True)))

    def on_edges(
        self, edge_index: Int[Tensor, "2 edges"], num_nodes: int, dtype: torch.dtype = torch.float64
    ) -> PolynomialValues:
        """The values at the adjacency matrix of a graph with few edges, from sparse intermediates.

        Memory and time grow with the products that are not zero: for polynomials like the four-clique with the number
        of edges times the square of the number of neighbours, where matrices of n rows would take n^3 and n^4.

        Args:
            edge_index: each edge once, and in both directions where ``symmetric`` or ``simple`` promises that.
            num_nodes: number of nodes.
            dtype: in which values are computed.

        Raises:
            ValueError: for polynomials with loops unless ``simple``, edges with a node that is not there, that are
                repeated or not symmetric or simple as promised, or a product with too many entries.
            TypeError: for edges that are no whole numbers.
        """
        if any(a == b for graph in self._planned for a, b in graph.edges):
            raise ValueError("EquivariantPolynomials.on_edges: polynomials without loops; forward takes those")
        if edge_index.is_floating_point():
            raise TypeError(f"EquivariantPolynomials.on_edges(edge_index): whole numbers, got {edge_index.dtype}")
        edge_index = edge_index.long()
        if edge_index.numel() and not 0 <= int(edge_index.min()) <= int(edge_index.max()) < num_nodes:
            raise ValueError(
                f"EquivariantPolynomials.on_edges(edge_index): nodes 0 to {num_nodes - 1}, got "
                f"{int(edge_index.min())} to {int(edge_index.max())}"
            )
        self._require_edges(edge_index, num_nodes)
        ones = torch.ones(edge_index.shape[1], dtype=dtype, device=edge_index.device)
        tensors = [SparseTensor(edge_index, ones, num_nodes)]
        for operation in self._plan.operations:
            equation = operation.equation.replace("z", "")
            tensors.append(sparse_einsum(equation, *(tensors[place] for place in operation.operands)))
        needed = {place for place, _ in self._plan.results}
        dense = [one.to_dense()[None] if place in needed else ones for place, one in enumerate(tensors)]
        return PolynomialValues(*(v[0] for v in self._collect(dense, ones.new_ones(1, num_nodes))))

    def _tensors(self, X: Tensor) -> list[Tensor]:
        tensors = [X]
        for operation in self._plan.operations:
            tensors.append(torch.einsum(operation.equation, *(tensors[place] for place in operation.operands)))
        return tensors

    def _collect(self, tensors: list[Tensor], present: Tensor) -> list[Tensor]:
        results = iter(zip(self._planned, self._plan.results, strict=True))
        columns: list[list[Tensor]] = [[], [], []]
        for graph, vanish in zip(self.polynomials, self._vanish, strict=True):
            if vanish:
                value = present.new_zeros(len(present), *(present.shape[-1],) * graph.order)
            else:
                reduced, (place, axes) = next(results)
                value = _on_marks(reduced.marks, None if place is None else tensors[place], axes, present)
            columns[graph.order].append(value)
        shape = len(present), present.shape[-1], present.shape[-1]
        return [
            torch.stack(column, -1) if column else present.new_zeros(*shape[: order + 1], 0)
            for order, column in enumerate(columns)
        ]

    def _require(self, X: Tensor) -> None:
        if not self.symmetric:
            return
        if not torch.equal(X, X.mT):
            raise ValueError("EquivariantPolynomials(X): symmetric matrices, as promised, got others")
        if self.simple and not (((X == 0) | (X == 1)).all() and not X.diagonal(dim1=-2, dim2=-1).any()):
            raise ValueError(
                "EquivariantPolynomials(X): matrices of zeros and ones with a zero diagonal, as simple=True promises, "
                "got others"
            )

    def _require_edges(self, edge_index: Tensor, num_nodes: int) -> None:
        name, (source, target) = "EquivariantPolynomials.on_edges(edge_index)", edge_index
        there = (source * num_nodes + target).sort().values
        if bool((there[1:] == there[:-1]).any()):
            raise ValueError(f"{name}: each edge once, got some again")
        if self.symmetric and not torch.equal(there, (target * num_nodes + source).sort().values):
            raise ValueError(f"{name}: each edge in both directions, as promised, got some that go one way")
        if self.simple and bool((source == target).any()):
            raise ValueError(f"{name}: no loops, as simple=True promises, got some")

    @property
    def largest(self) -> int:
        """Most axes of an intermediate tensor."""
        return self._plan.largest

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"{len(self.polynomials)} polynomials, {len(self._plan.operations)} operations"


def _as_simple(graph: MarkedMultigraph) -> MarkedMultigraph | None:
    if any(a == b for a, b in graph.edges):
        return None
    return MarkedMultigraph(graph.num_nodes, tuple({(min(edge), max(edge)): None for edge in graph.edges}), graph.marks)


def _on_marks(marks: tuple[int, ...], value: Tensor | None, axes: tuple[int, ...], present: Tensor) -> Tensor:
    """Moves axes to their marks, puts ones where a mark has no axis, and a diagonal where two marks are one node."""
    different = tuple(dict.fromkeys(marks))
    n = present.shape[-1]
    if value is None:
        value = present.new_ones(len(present))
    value = value.permute(0, *(axes.index(mark) + 1 for mark in different if mark in axes))
    lonely = [place for place, mark in enumerate(different) if mark not in axes]
    for place in lonely:
        value = value.unsqueeze(place + 1)
    for place in lonely:
        value = value * present.reshape(len(present), *(n if axis == place else 1 for axis in range(len(different))))
    return torch.diag_embed(value) if len(marks) == 2 and len(different) == 1 else value
