r"""Sums of weighted neighbours, without a tensor of all messages.

The trilinear form :math:`\sum_e \sum_c k_{ec}\, x_{s(e) c}\, g_{t(e) c}` holds everything: its derivative by ``g`` is
the sum of messages, by ``x`` the same sum along the reversed edges, by ``k`` a product of the two ends. So the sum is
its own derivative, to any order.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

#: Numbers of one block of messages: small enough to stay in a core's cache between product and sum.
BLOCK = 2**17


def weighted_sum(
    kernel: Float[Tensor, "edges *channels"],
    x: Float[Tensor, "nodes *channels"],
    edge_index: Int[Tensor, "2 edges"],
) -> Float[Tensor, "nodes *channels"]:
    r"""What arrives at each node, :math:`y_i = \sum_{e:\, t(e) = i} k_e\, x_{s(e)}`, channel by channel.

    On the CPU, messages are made and added block by block, so that they never leave the cache.

    Args:
        kernel: a weight for each edge and channel.
        x: features of the nodes.
        edge_index: edges, sources then targets.

    Example:
        >>> x, edge_index = torch.tensor([[1.0], [10.0], [100.0]]), torch.tensor([[1, 2], [0, 0]])
        >>> weighted_sum(torch.tensor([[2.0], [3.0]]), x, edge_index)
        tensor([[320.],
                [  0.],
                [  0.]])
    """
    if torch.compiler.is_compiling():
        return _whole(kernel, x, edge_index[0], edge_index[1])
    return _WeightedSum.apply(kernel, x, edge_index[0], edge_index[1])


def _whole(kernel: Tensor, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
    message = kernel * x[source]
    return message.new_zeros(x.shape).index_add(0, target, message)


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(kernel: Tensor, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
        edges, wide = len(source), x.shape[1:].numel()
        step = max(1, BLOCK // max(1, wide))
        if kernel.device.type != "cpu" or edges <= step:
            return _whole(kernel, x, source, target)
        out = torch.zeros(x.shape, dtype=torch.promote_types(kernel.dtype, x.dtype), device=x.device)
        for first in range(0, edges, step):
            block = slice(first, first + step)
            out.index_add_(0, target[block], kernel[block] * x[source[block]])
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        kernel, x, source, target = ctx.saved_tensors
        (gradient,) = gradients
        by_kernel = by_x = None
        if ctx.needs_input_grad[0]:
            by_kernel = x[source] * gradient[target]
        if ctx.needs_input_grad[1]:
            by_x = _WeightedSum.apply(kernel, gradient, target, source)
        return by_kernel, by_x, None, None
