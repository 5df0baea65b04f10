r"""Kernels of all layers, and sums of weighted neighbours, without a tensor of all messages.

Each of the two comes as a pair of functions that are each other's derivative, so that forces can be trained on:

* The trilinear form :math:`\sum_{ec} k_{ec}\, x_{s(e) c}\, g_{t(e) c}`: its derivative by ``g`` is the sum of messages,
  by ``x`` the same sum along the reversed edges, by ``k`` the product of both ends.
* The form :math:`\sum_l \langle g_l, \Phi W_l^T \rangle`: its derivative by ``g`` is the kernel of every layer, by
  :math:`\Phi` a sum over layers, which is added up inside the products of matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

#: Numbers of one block of messages: small enough to stay in a core's cache between product and sum.
BLOCK = 2**17


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


def layer_kernels(
    basis: Float[Tensor, "*rows basis_dim"], weights: Sequence[Float[Tensor, "_ basis_dim"]]
) -> tuple[Float[Tensor, "*rows _"], ...]:
    r"""The kernels :math:`\Phi W_l^T` of several layers that share a basis.

    Args:
        basis: functions of pair invariants.
        weights: one matrix for each layer, all of the same shape.
    """
    if torch.compiler.is_compiling() or torch.is_autocast_enabled(basis.device.type):
        return tuple(torch.nn.functional.linear(basis, weight) for weight in weights)
    kernels = _Kernels.apply(basis.flatten(0, -2), *weights)
    return tuple(kernel.unflatten(0, basis.shape[:-1]) for kernel in kernels)


def _column(loops: Tensor, x: Tensor) -> Tensor:
    return loops.reshape(-1, *(1,) * (x.ndim - 1))


def _flat(x: Tensor) -> Tensor:
    return x.reshape(x.shape[0], x.shape[1:].numel())


def _blocks(edges: int, like: Tensor) -> list[slice]:
    wide = max(1, like.shape[1:].numel())
    step = max(1, BLOCK // wide if like.device.type == "cpu" else edges)
    return [slice(first, min(first + step, edges)) for first in range(0, edges, step)]


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(kernel: Tensor, x: Tensor, source: Tensor, target: Tensor, loops: Tensor | None) -> Tensor:
        dtype = torch.promote_types(kernel.dtype, x.dtype)
        shape, x, kernel = x.shape, _flat(x.to(dtype)), _flat(kernel.to(dtype))
        out = torch.zeros_like(x) if loops is None else kernel[-1] * x * loops[:, None]
        blocks = _blocks(len(source), x)
        room = x.new_empty(max((b.stop - b.start for b in blocks), default=0), x.shape[1])
        for block in blocks:
            message = room[: block.stop - block.start]
            torch.index_select(x, 0, source[block], out=message)
            out.index_add_(0, target[block], message.mul_(kernel[block]))
        return out.reshape(shape)

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
        shape, x, y = x.shape, _flat(x.to(dtype)), _flat(y.to(dtype))
        edges = len(source)
        out = x.new_empty(edges + (loops is not None), x.shape[1])
        blocks = _blocks(edges, x)
        room = x.new_empty(max((b.stop - b.start for b in blocks), default=0), x.shape[1])
        for block in blocks:
            torch.index_select(x, 0, source[block], out=out[block])
            other = torch.index_select(y, 0, target[block], out=room[: block.stop - block.start])
            out[block].mul_(other)
        if loops is not None:
            out[-1] = (x * y * loops[:, None]).sum(0)
        return out.reshape(len(out), *shape[1:])

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


class _Kernels(torch.autograd.Function):
    @staticmethod
    def forward(basis: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        return tuple(basis @ weight.mT for weight in weights)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        basis, *weights = ctx.saved_tensors
        by_basis = _Mixed.apply(*gradients, *weights) if ctx.needs_input_grad[0] else None
        by_weights = (g.mT @ basis if n else None for g, n in zip(gradients, ctx.needs_input_grad[1:], strict=True))
        return (by_basis, *by_weights)


class _Mixed(torch.autograd.Function):
    """The sum of kernels times weights, over layers."""

    @staticmethod
    def forward(*both: Tensor) -> Tensor:
        kernels, weights = both[: len(both) // 2], both[len(both) // 2 :]
        out = kernels[0] @ weights[0]
        for kernel, weight in zip(kernels[1:], weights[1:], strict=True):
            out.addmm_(kernel, weight)
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        half = len(ctx.saved_tensors) // 2
        kernels, weights = ctx.saved_tensors[:half], ctx.saved_tensors[half:]
        (gradient,) = gradients
        by_kernels = _Kernels.apply(gradient, *weights) if any(ctx.needs_input_grad[:half]) else (None,) * half
        wanted = zip(kernels, ctx.needs_input_grad[half:], strict=True)
        return (*by_kernels, *(k.mT @ gradient if n else None for k, n in wanted))
