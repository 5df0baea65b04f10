"""The learnable commutative monoid as an aggregation of PyTorch Geometric."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.nn.aggr import Aggregation

from erlangen.graphs.commutative import BinaryGRU, CommutativeOperator, SymmetricMLP
from erlangen.graphs.segment_tree import (
    PlanCache,
    SegmentTreePlan,
    lexicographic_order,
    segment_tree_reduce,
    segments,
)
from erlangen.groups import BatchVector, Nodes, Scalar, Symmetric, Symmetry

_OPERATORS: dict[str, Callable[[int], CommutativeOperator]] = {"gru": BinaryGRU, "mlp": SymmetricMLP}
_ORDERS = ("given", "random", "sorted")
_IDENTITIES = ("zeros", "learned")


class LCMAggregation(Aggregation):
    r"""A learned aggregation: messages are combined two by two in a balanced tree.

    .. math:: \mathrm{agg}\{x_1, \dots, x_n\} = ((x_1 \circ x_2) \circ (x_3 \circ x_4)) \circ \dots

    The operator is commutative by construction, and learns to be as associative as the task wants; a set of :math:`n`
    takes :math:`n - 1` of them in :math:`\lceil \log_2 n \rceil` steps. Nothing is padded: what a node hears does not
    depend on which others share its batch, and cost and memory are linear in the edges, however uneven the degrees.
    Goes into any ``MessagePassing(aggr=...)``.

    As far as the operator is not associative, the order of messages matters. With ``order="sorted"`` it does not, at
    the price of jumps where two messages change places.

    Args:
        in_channels: of each message.
        out_channels: of the result.
        operator: "gru" (:class:`BinaryGRU`), "mlp" (:class:`SymmetricMLP`), or your own :class:`CommutativeOperator` on
            ``out_channels``.
        project: a linear layer and ReLU before messages are combined.
        order: "given" (as they are stored), "random" (shuffled inside each set while training, as they are stored
            otherwise), or "sorted" (by their numbers, once projected).
        identity: what a set without elements gives: "zeros", or "learned", a vector that starts there.
        cache: keeps plans; give one to all layers to plan each graph once.
        generator: shuffles; torch's own without one.

    Raises:
        ValueError: for an option that is unknown, or sizes that do not fit; when called, for indices or shapes that do
            not fit.
        TypeError: for an operator that is none; when called, for messages that are not floating point numbers.

    Source: Ong, Veličković, "Learnable Commutative Monoids for Graph Neural Networks", 2022.

    Example:
        >>> from torch_geometric.nn import SAGEConv
        >>> conv = SAGEConv(8, 16, aggr=LCMAggregation(8, 8))
        >>> edge_index = torch.tensor([[0, 1, 2, 3], [1, 0, 1, 1]])
        >>> conv(torch.randn(5, 8), edge_index).shape
        torch.Size([5, 16])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        operator: str | CommutativeOperator = "gru",
        project: bool = True,
        order: str = "random",
        identity: str = "zeros",
        cache: PlanCache | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        for name, value in {"in_channels": in_channels, "out_channels": out_channels}.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"LCMAggregation({name}): a whole number from 1, got {value!r}")
        if in_channels != out_channels and not project:
            raise ValueError(
                f"LCMAggregation(out_channels): {in_channels}, as in_channels, without project, got {out_channels}"
            )
        if isinstance(operator, str) and operator not in _OPERATORS:
            raise ValueError(
                f"LCMAggregation(operator): {', '.join(_OPERATORS)} or a CommutativeOperator, got {operator!r}"
            )
        if not isinstance(operator, str | CommutativeOperator):
            raise TypeError(f"LCMAggregation(operator): a CommutativeOperator, got {type(operator).__name__}")
        if order not in _ORDERS:
            raise ValueError(f"LCMAggregation(order): one of {', '.join(_ORDERS)}, got {order!r}")
        if identity not in _IDENTITIES:
            raise ValueError(f"LCMAggregation(identity): one of {', '.join(_IDENTITIES)}, got {identity!r}")
        self.in_channels, self.out_channels, self.order = in_channels, out_channels, order
        self.lin = nn.Linear(in_channels, out_channels) if project else None
        self.operator = _OPERATORS[operator](out_channels) if isinstance(operator, str) else operator
        self.identity = nn.Parameter(torch.zeros(out_channels)) if identity == "learned" else None
        self.cache = PlanCache() if cache is None else cache
        self.generator = generator
        elements = Symmetric("elements")
        self.symmetry = Symmetry(
            elements,
            (Nodes(elements), BatchVector(elements)),
            Scalar(elements),
            kind="exact" if order == "sorted" else "approximate",
        )

    def reset_parameters(self) -> None:
        """Draws the weights anew."""
        if self.lin is not None:
            self.lin.reset_parameters()
        self.operator.reset_parameters()
        if self.identity is not None:
            nn.init.zeros_(self.identity)

    def __call__(
        self,
        x: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
        **kwargs: Any,
    ) -> Tensor:
        """As `forward`; PyTorch Geometric takes elements without an index for one set, unless there is a plan."""
        plan = kwargs.get("plan")
        if plan is not None and index is None and ptr is None:
            index, dim_size = plan.index, plan.num_segments if dim_size is None else dim_size
        return super().__call__(x, index, ptr=ptr, dim_size=dim_size, dim=dim, **kwargs)

    def forward(
        self,
        x: Float[Tensor, "elements in_channels"],
        index: Int[Tensor, " elements"] | None = None,
        ptr: Int[Tensor, " borders"] | None = None,
        dim_size: int | None = None,
        dim: int = -2,
        max_num_elements: int | None = None,
        plan: SegmentTreePlan | None = None,
    ) -> Float[Tensor, "segments out_channels"]:
        """What each set comes to.

        Args:
            x: the elements of all sets.
            index: the set of each, in any order.
            ptr: instead, the borders of sets that are stored one behind another; it counts where both are given.
            dim_size: number of sets; by default the last one is not empty.
            dim: the axis of the elements: the first.
            max_num_elements: if given, no set may have more; it is not needed.
            plan: instead of both, a plan made before.
        """
        if x.ndim != 2 or x.shape[1] != self.in_channels:
            raise ValueError(f"x: shape (elements, {self.in_channels}), got {tuple(x.shape)}")
        if not x.is_floating_point():
            raise TypeError(f"x: floating point numbers, got {x.dtype}")
        if dim not in (-2, 0):
            raise ValueError(f"dim: the first axis, 0 or -2, got {dim}")
        plan = self._plan(x, index, ptr, dim_size, plan)
        if max_num_elements is not None and plan.max_count > max_num_elements:
            raise ValueError(f"max_num_elements: at least {plan.max_count}, the largest set, got {max_num_elements}")
        if self.lin is not None:
            x = self.lin(x).relu()
        if plan.depth and self.order == "sorted":
            plan = plan.reordered(lexicographic_order(x))
        elif plan.depth and self.order == "random" and self.training:
            place = x.device if self.generator is None else self.generator.device
            plan = plan.reordered(torch.randperm(len(x), generator=self.generator, device=place))
        return segment_tree_reduce(x, plan, self.operator, self.identity)

    def _plan(
        self,
        x: Tensor,
        index: Tensor | None,
        ptr: Tensor | None,
        dim_size: int | None,
        plan: SegmentTreePlan | None,
    ) -> SegmentTreePlan:
        if plan is None and index is None and ptr is None:
            raise ValueError("index: the set of each element (or ptr, or plan), got none of them")
        if ptr is not None:
            index, sets = segments(ptr), len(ptr) - 1
            if len(index) != len(x):
                raise ValueError(f"ptr: its last border is the number of elements, {len(x)}, got {len(index)}")
        else:
            sets = dim_size
            if index is not None and index.ndim == 1 and len(index) != len(x):
                raise ValueError(f"index: one number for each of {len(x)} elements, got {len(index)}")
        if plan is None:
            assert index is not None
            plan = self.cache.plan(index, sets)
        elif index is not None and not plan.matches(index, plan.num_segments if sets is None else sets):
            raise ValueError("plan: made for this index and number of sets, got one made for others")
        if plan.num_elements != len(x):
            raise ValueError(f"plan: made for {plan.num_elements} elements, got {len(x)}")
        if dim_size is not None and dim_size != plan.num_segments:
            raise ValueError(f"dim_size: {plan.num_segments} sets, got {dim_size}")
        return plan

    def __repr__(self) -> str:
        return f"LCMAggregation({self.in_channels}, {self.out_channels}, order={self.order!r})"
