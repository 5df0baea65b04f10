r"""Sums of weighted neighbours, without a tensor of all messages.

The trilinear form :math:`\sum_e \sum_c k_{ec}\, x_{s(e) c}\, g_{t(e) c}` holds everything: its derivative by ``g`` is
the sum of messages, by ``x`` the same sum along the reversed edges, by ``k`` the product of both ends. So two functions
are each other's derivatives, and forces can be trained on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

#: Numbers of one block of messages: small enough to stay in a core's cache between product and sum.
BLOCK = 2**17


class Links(NamedTuple):
    """Who hears whom.

    Attributes:
        edge_index: edges, ``(2, edges)``, sources then targets.
        loops: how often each node also hears itself, ``(nodes,)``, with the last row of the kernel, which all share;
            None if never.
        reverse: whether each edge stands for its reverse, too, with the same kernel.
        opposite: for features on a grid of orientations, the opposite of each: the kernel of a reverse edge at an
            orientation is that of the edge at the opposite one.
    """

    edge_index: Tensor
    loops: Tensor | None = None
    reverse: bool = False
    opposite: Tensor | None = None

    def sum(self, kernel: Tensor, x: Tensor) -> Tensor:
        """What arrives at each node, see :func:`weighted_sum`."""
        found = weighted_sum(kernel, x, self.edge_index, self.loops)
        if not self.reverse:
            return found
        none = None if self.loops is None else torch.zeros_like(self.loops)
        if self.opposite is None:
            return found + weighted_sum(kernel, x, self.edge_index.flip(0), none)
        x = x.index_select(1, self.opposite)
        return found + weighted_sum(kernel, x, self.edge_index.flip(0), none).index_select(1, self.opposite)


def link(edge_index: Int[Tensor, "2 edges"], nodes: int, dtype: torch.dtype, opposite: Tensor | None = None) -> Links:
    """Edges whose kernels depend on the relative position alone, with at least one loop at each node.

    Loops become one kernel, and where each edge has its reverse, the two become one.

    Args:
        edge_index: edges, with or without loops.
        nodes: number of nodes.
        dtype: of the features.
        opposite: for each orientation of a grid its opposite.
    """
    source, target = edge_index
    apart = source != target
    loops = torch.bincount(source[~apart], minlength=nodes).clamp_min(1).to(dtype)
    source, target = source[apart], target[apart]
    there, back = source * nodes + target, target * nodes + source
    if not torch.equal(there.sort().values, back.sort().values):
        return Links(torch.stack([source, target]), loops)
    once = source < target
    return Links(torch.stack([source[once], target[once]]), loops, True, opposite)


def weighted_sum(
    kernel: Float[Tensor, "rows *channels"],
    x: Float[Tensor, "nodes *channels"],
    edge_index: Int[Tensor, "2 edges"],
    loops: Float[Tensor, " nodes"] | None = None,
) -> Float[Tensor, "nodes *channels"]:
    r"""What arrives at each node, :math:`y_i = \sum_{e:\, t(e) = i} k_e\, x_{s(e)}`, channel by channel.

    On the CPU, messages are made and added block by block, so that they never leave the cache.

    Args:
        kernel: a weight for each edge and channel; with ``loops``, one row more.
        x: features of the nodes.
        edge_index: edges, sources then targets.
        loops: how often each node also hears itself, with the last row of the kernel, which all share.

    Example:
        >>> x, edge_index = torch.tensor([[1.0], [10.0], [100.0]]), torch.tensor([[1, 2], [0, 0]])
        >>> weighted_sum(torch.tensor([[2.0], [3.0]]), x, edge_index)
        tensor([[320.],
                [  0.],
                [  0.]])
    """
    source, target = edge_index
    if torch.compiler.is_compiling():
        own = 0.0 if loops is None else kernel[-1] * x * _column(loops, x)
        message = kernel[: len(source)] * x[source]
        return message.new_zeros(x.shape).index_add(0, target, message) + own
    return _WeightedSum.apply(kernel, x, source, target, loops)


def _column(loops: Tensor, x: Tensor) -> Tensor:
    return loops.to(x.dtype).reshape(-1, *(1,) * (x.ndim - 1))


def _flat(x: Tensor) -> Tensor:
    return x.reshape(x.shape[0], x.shape[1:].numel())


def _step(edges: int, like: Tensor) -> int:
    """How many edges make a block."""
    if like.device.type != "cpu":
        return max(1, edges)
    return max(1, BLOCK // max(1, like.shape[1:].numel()))


def _blocks(edges: int, like: Tensor) -> list[slice]:
    step = _step(edges, like)
    return [slice(first, min(first + step, edges)) for first in range(0, edges, step)]


def _room(edges: int, like: Tensor) -> Tensor:
    """Room for the messages of a block."""
    return like.new_empty(min(edges, _step(edges, like)), *like.shape[1:])


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(kernel: Tensor, x: Tensor, source: Tensor, target: Tensor, loops: Tensor | None) -> Tensor:
        dtype = torch.promote_types(kernel.dtype, x.dtype)
        kernel, x = kernel.to(dtype), x.to(dtype).contiguous()
        out = torch.zeros_like(x) if loops is None else (kernel[-1] * x * _column(loops, x)).contiguous()
        flat, room = _flat(out), _room(len(source), x)
        for block in _blocks(len(source), x):
            message = room[: block.stop - block.start]
            torch.index_select(x, 0, source[block], out=message)
            flat.index_add_(0, target[block], _flat(message.mul_(kernel[block])))
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        kernel, x, source, target, loops = ctx.saved_tensors
        (gradient,) = gradients
        by_kernel = by_x = None
        if ctx.needs_input_grad[0]:
            by_kernel = _Ends.apply(x, gradient, source, target, loops)
        if ctx.needs_input_grad[1]:
            by_x = _WeightedSum.apply(kernel, gradient, target, source, loops)
        return by_kernel, by_x, None, None, None


class _Ends(torch.autograd.Function):
    """The product of the features at the two ends of each edge, and in a last row the sum over the loops."""

    @staticmethod
    def forward(x: Tensor, y: Tensor, source: Tensor, target: Tensor, loops: Tensor | None) -> Tensor:
        dtype = torch.promote_types(x.dtype, y.dtype)
        x, y, edges = x.to(dtype).contiguous(), y.to(dtype).contiguous(), len(source)
        out, room = x.new_empty(edges + (loops is not None), *x.shape[1:]), _room(edges, x)
        for block in _blocks(edges, x):
            torch.index_select(x, 0, source[block], out=out[block])
            out[block].mul_(torch.index_select(y, 0, target[block], out=room[: block.stop - block.start]))
        if loops is not None:
            out[-1] = (x * y * _column(loops, x)).sum(0)
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x, y, source, target, loops = ctx.saved_tensors
        (gradient,) = gradients
        by_x = by_y = None
        if ctx.needs_input_grad[0]:
            by_x = _WeightedSum.apply(gradient, y, target, source, loops)
        if ctx.needs_input_grad[1]:
            by_y = _WeightedSum.apply(gradient, x, source, target, loops)
        return by_x, by_y, None, None, None
