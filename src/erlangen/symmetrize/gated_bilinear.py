"""Products of tensors, then gates: what stands between the linear maps of networks on tensors."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from erlangen.groups import Representation, Scalar
from erlangen.symmetrize.block_form import autograd_alone
from erlangen.symmetrize.channels import is_scalar, scalars_first


class Layout(NamedTuple):
    """Where everything lies: gates first, then scalars, then the rows of tensors.

    Attributes:
        gates: how many, one for each tensor.
        scalars: how many.
        rows: of all tensors.
        owner: the number of the tensor that each of these rows belongs to.
        left: the rows that stand on the left in products, one for each component.
        right: those on the right.
        out: those that the products join.
    """

    gates: int
    scalars: int
    rows: int
    owner: Tensor
    left: Tensor
    right: Tensor
    out: Tensor


class GatedBilinear(nn.Module):
    r"""Adds products of a feature's tensors to it, and gates each tensor by a number of its own.

    What comes in are gates :math:`g`, scalars :math:`s` and tensors :math:`t_c`, one gate for each tensor. First

    .. math::
        (g, s) \leftarrow (g, s) + \epsilon\, M\, \bigl(\|t_c\|^2\bigr)_c, \qquad
        t_{ab} \leftarrow t_{ab} + \epsilon\, t_a \otimes t_b ,

    the second wherever the feature has a part that is the product of two others: vectors into matrices, vectors and
    matrices into tensors of rank three. Each copy of the product's part, as far as there are enough, has factors of its
    own. Then

    .. math:: y_s = \mathrm{swish}(s), \qquad y_c = \sigma(g_c)\, t_c + w_c \odot \mathrm{swish}(t_c) .

    Products :math:`\otimes` and gates are equivariant for every group, squared norms where tensors move by orthogonal
    matrices; else they are left out. The last term, the leak, acts coordinate by coordinate and breaks every symmetry a
    little: with it the layer can stand for a plain one. Inner products of different tensors are sums and differences
    of norms of their mixes, which the linear maps before and after make.

    EMLP's bilinear layer multiplies by learned combinations of all tensors of rank :math:`a + b` instead, at random
    where there are many, and so needs rank 3 to multiply two vectors.

    Features run along the first axis, and the batch along the last one: products and sums over the few components of a
    tensor are then long loops. Forward and backward pass are written out, for as few passes over memory as possible.

    :math:`M` and :math:`w` are handed in: a network keeps those of all its layers in one place, as large as
    ``mix_shape`` and ``leak_shape`` say.

    Args:
        rep: of what comes out; scalars come first. What comes in is ``rep_in``, with as many scalars before it as it
            has other parts, copies counted.
        scale: the factor :math:`\epsilon`.

    Raises:
        ValueError: when called, for another number of features.

    Source: Finzi, Welling, Wilson, "A Practical Method for Constructing Equivariant Multilayer Perceptrons for
    Arbitrary Matrix Groups", 2021, for the place of the products; Weiler, Geiger, Welling, Boomsma, Cohen, "3D
    Steerable CNNs", 2018, for gates; Kim, Lee, Yang, Lee, "Regularizing Towards Soft Equivariance Under Mixed
    Symmetries", 2023, for the leak.

    Example:
        >>> from erlangen.groups import O, Scalar, Vector
        >>> V = Vector(O(3))
        >>> layer = GatedBilinear(4 * Scalar(O(3)) + 3 * V + V**2)
        >>> layer.rep_in
        8 * Scalar(O(3)) + 3 * Vector(O(3)) + Vector(O(3)) * Vector(O(3))
        >>> mix, leak = torch.randn(layer.mix_shape), torch.zeros(layer.leak_shape)
        >>> layer(torch.randn(8 + 9 + 9, 100), mix, leak).shape
        torch.Size([22, 100])
    """

    owner: Tensor
    left: Tensor
    right: Tensor
    out: Tensor

    def __init__(self, rep: Representation, scale: float = 0.1) -> None:
        super().__init__()
        self.rep, self.scale = scalars_first(rep), float(scale)
        layout = _layout(self.rep)
        gates, scalars, rows = self._sizes = layout[:3]
        for name in ("owner", "left", "right", "out"):
            self.register_buffer(name, getattr(layout, name), persistent=False)
        self.rep_in = gates * Scalar(rep.group) + self.rep
        self.mix_shape, self.leak_shape = (gates + scalars, gates), (rows,)

    @property
    def layout(self) -> Layout:
        """Where everything lies."""
        return Layout(*self._sizes, self.owner, self.left, self.right, self.out)

    def forward(
        self,
        z: Float[Tensor, "dim_in batch"],
        mix: Float[Tensor, "gates_and_scalars gates"] | None = None,
        leak: Float[Tensor, " rows"] | None = None,
    ) -> Float[Tensor, "dim batch"]:
        """``(rep_in.dim, batch)`` to ``(rep.dim, batch)``.

        Args:
            z: features, the gates first.
            mix: the matrix :math:`M`; ``None`` leaves squared norms out.
            leak: the factors :math:`w`; ``None`` for a layer without leak.
        """
        if z.shape[0] != self.rep_in.dim:
            raise ValueError(f"GatedBilinear(z): {self.rep_in.dim} rows, got shape {tuple(z.shape)}")
        layer = _Fused.apply if autograd_alone() else plain
        return layer(z, mix, leak, self.layout, self.scale)


def _layout(rep: Representation) -> Layout:
    parts, at = [], 0
    for copies, part in rep.parts:
        if is_scalar(part):
            continue
        # The rows of each copy.
        rows = torch.arange(at, at + copies * part.dim).view(copies, part.dim)
        parts.append((rows, part))
        at += copies * part.dim
    joined: tuple[list[Tensor], list[Tensor], list[Tensor]] = ([], [], [])
    for (i, (a, left)), (k, (b, right)) in itertools.combinations_with_replacement(enumerate(parts), 2):
        for c, out in parts:
            if left * right != out:
                continue
            # Two copies of one part are different ones, as long as there are enough.
            count = min(len(c), max(1, len(a) // 2)) if i == k else min(len(c), len(a), len(b))
            shift = min(count, len(b) - count) if i == k else 0
            grid = (count, left.dim, right.dim)
            joined[0].append(a[:count, :, None].expand(grid).flatten())
            joined[1].append(b[shift : shift + count, None].expand(grid).flatten())
            joined[2].append(c[:count].flatten())
    none = torch.zeros(0, dtype=torch.long)
    sizes = [part.dim for rows, part in parts for _ in rows]
    owners = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes, dtype=torch.long))
    return Layout(len(sizes), rep.dim - at, at, owners, *(torch.cat([none, *rows]) for rows in joined))


def plain(z: Tensor, mix: Tensor | None, leak: Tensor | None, layout: Layout, scale: float) -> Tensor:
    """The layer in differentiable operations, for compilers, transforms, and derivatives of derivatives."""
    s, before = z.split([layout.gates + layout.scalars, layout.rows])
    if mix is not None:
        squares = z.new_zeros(layout.gates, z.shape[1]).index_add(0, layout.owner, before.square())
        s = s + scale * (mix @ squares)
    t = before.index_add(0, layout.out, scale * before[layout.left] * before[layout.right])
    gates, scalars = s.split([layout.gates, layout.scalars])
    factor = torch.sigmoid(gates)[layout.owner]
    if leak is not None:
        factor = factor + leak[:, None] * torch.sigmoid(t)
    return torch.cat([nn.functional.silu(scalars), t * factor])


class _Fused(torch.autograd.Function):
    """The same with both passes written out."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, mix: Tensor | None, leak: Tensor | None, layout: Layout, scale: float) -> Tensor:
        s, before = z.split([layout.gates + layout.scalars, layout.rows])
        t, squares, swish, left, right = before, None, None, None, None
        if mix is not None:
            squares = z.new_zeros(layout.gates, z.shape[1]).index_add_(0, layout.owner, before * before)
            s = torch.addmm(s, mix, squares, alpha=scale)
        if layout.out.numel():
            left, right = before.index_select(0, layout.left), before.index_select(0, layout.right)
            t = before.index_add(0, layout.out, left * right, alpha=scale)
        gates, scalars = s.split([layout.gates, layout.scalars])
        opened = torch.sigmoid(gates)
        factor = opened.index_select(0, layout.owner)
        if leak is not None:
            swish = torch.sigmoid(t)
            factor.addcmul_(swish, leak[:, None])
        y = z.new_empty(layout.scalars + layout.rows, z.shape[1])
        torch.ops.aten.silu.out(scalars, out=y[: layout.scalars])
        torch.mul(t, factor, out=y[layout.scalars :])
        ctx.save_for_backward(z, mix, leak, scalars, t, squares, left, right, opened, swish, factor)
        ctx.layout, ctx.scale = layout, scale
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        z, mix, leak, scalars, t, squares, left, right, opened, swish, factor = ctx.saved_tensors
        layout, scale = ctx.layout, ctx.scale
        if torch.is_grad_enabled():
            return (*_again(grads[0], z, mix, leak, layout, scale), None, None)
        above, down = grads[0].contiguous().split([layout.scalars, layout.rows])
        out = torch.empty_like(z)
        to_s, to_t = out.split([layout.gates + layout.scalars, layout.rows])
        to_gates, to_scalars = to_s.split([layout.gates, layout.scalars])
        torch.ops.aten.silu_backward.grad_input(above, scalars, grad_input=to_scalars)
        through = down * t
        toward = torch.zeros_like(opened).index_add_(0, layout.owner, through)
        torch.ops.aten.sigmoid_backward.grad_input(toward, opened, grad_input=to_gates)
        torch.mul(down, factor, out=to_t)
        to_leak = to_mix = None
        if leak is not None:
            to_leak = through.mul_(swish).sum(1)
            # leak * down * t * swish * (1 - swish) is what the leak's own sigmoid adds.
            to_t.addcmul_(through.addcmul_(through, swish, value=-1), leak[:, None])
        if left is not None:
            flow = to_t.index_select(0, layout.out)
            to_t.index_add_(0, layout.left, flow * right, alpha=scale)
            to_t.index_add_(0, layout.right, flow * left, alpha=scale)
        if mix is not None:
            to_mix = torch.mm(to_s, squares.T).mul_(scale)
            flow = torch.mm(mix.T, to_s).index_select(0, layout.owner)
            to_t.addcmul_(flow, z[layout.gates + layout.scalars :], value=2 * scale)
        return out, to_mix, to_leak, None, None


def _again(
    grad: Tensor, z: Tensor, mix: Tensor | None, leak: Tensor | None, layout: Layout, scale: float
) -> tuple[Tensor | None, ...]:
    """Gradients that can be differentiated themselves."""
    wanted = [x for x in (z, mix, leak) if x is not None and x.requires_grad]
    found = iter(torch.autograd.grad(plain(z, mix, leak, layout, scale), wanted, grad, create_graph=True))
    return tuple(next(found) if x is not None and x.requires_grad else None for x in (z, mix, leak))
