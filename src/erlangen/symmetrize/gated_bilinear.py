"""Products of tensors, then gates: what stands between the linear maps of networks on tensors."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from erlangen.groups import Representation, Scalar
from erlangen.symmetrize.channels import is_scalar, scalars_first


class Outer(NamedTuple):
    """A product of tensors: copies of two parts into one, each where its rows lie, with its number of components."""

    count: int
    left: slice
    right: slice
    out: slice
    left_dim: int
    right_dim: int

    def factors(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """The left and the right tensors, ready to be multiplied, ``(count, left, 1 or right, ...)``."""
        left = t[self.left].view(self.count, self.left_dim, 1, -1)
        return left, t[self.right].view(self.count, 1, self.right_dim, -1)

    def product(self, t: Tensor) -> Tensor:
        """The rows of the products, ``(count, left, right, batch)``."""
        return t[self.out].view(self.count, self.left_dim, self.right_dim, -1)


class Layout(NamedTuple):
    """Where everything lies: gates first, then scalars, then the rows of tensors."""

    gates: int
    scalars: int
    rows: int
    outer: tuple[Outer, ...]


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

    Args:
        rep: of what comes out; scalars come first. What comes in is ``rep_in``, with as many scalars before it as it
            has other parts, copies counted.
        norms: whether to use squared norms.
        leak: where the factors :math:`w` start; ``None`` for none.
        scale: the factor :math:`\epsilon`.
        generator: randomness of :math:`M`, normal with variance one over the number of tensors.

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
        >>> layer(torch.randn(8 + 9 + 9, 100)).shape
        torch.Size([22, 100])
    """

    owner: Tensor
    member: Tensor

    def __init__(
        self,
        rep: Representation,
        norms: bool = True,
        leak: float | None = 1e-3,
        scale: float = 0.1,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.rep, self.scale = scalars_first(rep), float(scale)
        self.layout, owner = _layout(self.rep)
        gates, scalars, rows = self.layout.gates, self.layout.scalars, self.layout.rows
        # Which tensor a row belongs to: as numbers, to spread one value to each row, and as a matrix, to add rows up.
        self.register_buffer("owner", torch.tensor(owner, dtype=torch.long), persistent=False)
        self.register_buffer("member", torch.zeros(gates, rows), persistent=False)
        self.member[self.owner, torch.arange(rows)] = 1
        self.rep_in = gates * Scalar(rep.group) + self.rep
        self.mix = nn.Parameter(torch.empty(gates + scalars, gates)) if norms and gates else None
        self.leak = nn.Parameter(torch.full((rows,), float(leak))) if leak is not None and rows else None
        if self.mix is not None:
            with torch.no_grad():
                self.mix.copy_(torch.randn(self.mix.shape, generator=generator) / gates**0.5)

    def forward(self, z: Float[Tensor, "dim_in batch"]) -> Float[Tensor, "dim batch"]:
        """``(rep_in.dim, batch)`` to ``(rep.dim, batch)``."""
        if z.shape[0] != self.rep_in.dim:
            raise ValueError(f"GatedBilinear(z): {self.rep_in.dim} rows, got shape {tuple(z.shape)}")
        layer = plain if torch.compiler.is_compiling() else _Fused.apply
        return layer(z, self.mix, self.leak, self.member, self.owner, self.layout, self.scale)


def _layout(rep: Representation) -> tuple[Layout, list[int]]:
    """Where everything lies, and to which tensor each row belongs."""
    parts, at = [], 0
    for copies, part in rep.parts:
        if not is_scalar(part):
            parts.append((at, copies, part))
            at += copies * part.dim
    owner = [d for _, copies, part in parts for d in copies * [part.dim]]
    outer = []
    # Products into small parts first: the backward pass relies on it.
    for start, n, out in sorted(parts, key=lambda item: item[2].dim):
        for i, (at_left, a, left) in enumerate(parts):
            for at_right, b, right in parts[i:]:
                if left * right != out:
                    continue
                same = at_left == at_right
                count = min(n, max(1, a // 2)) if same else min(n, a, b)
                shift = min(count, b - count) * right.dim if same else 0
                outer.append(
                    Outer(
                        count,
                        slice(at_left, at_left + count * left.dim),
                        slice(at_right + shift, at_right + shift + count * right.dim),
                        slice(start, start + count * out.dim),
                        left.dim,
                        right.dim,
                    )
                )
    layout = Layout(sum(copies for _, copies, _ in parts), rep.dim - at, at, tuple(outer))
    return layout, [tensor for tensor, dim in enumerate(owner) for _ in range(dim)]


def plain(
    z: Tensor, mix: Tensor | None, leak: Tensor | None, member: Tensor, owner: Tensor, layout: Layout, scale: float
) -> Tensor:
    """The layer in differentiable operations, for compilers and for derivatives of derivatives."""
    s, before = z.split([layout.gates + layout.scalars, layout.rows])
    if mix is not None:
        s = s + scale * (mix @ (member @ before.square()))
    t = before
    for path in layout.outer:
        left, right = path.factors(before)
        product = scale * (left * right).flatten(0, 2)
        t = t + nn.functional.pad(product, (0, 0, path.out.start, layout.rows - path.out.stop))
    gates, scalars = s.split([layout.gates, layout.scalars])
    factor = torch.sigmoid(gates)[owner]
    if leak is not None:
        factor = factor + leak[:, None] * torch.sigmoid(t)
    return torch.cat([nn.functional.silu(scalars), t * factor])


class _Fused(torch.autograd.Function):
    """The same with both passes written out."""

    @staticmethod
    def forward(
        ctx: Any,
        z: Tensor,
        mix: Tensor | None,
        leak: Tensor | None,
        member: Tensor,
        owner: Tensor,
        layout: Layout,
        scale: float,
    ) -> Tensor:
        s, before = z.split([layout.gates + layout.scalars, layout.rows])
        t, squares, swish = before, None, None
        if mix is not None:
            squares = torch.mm(member, before * before)
            s = torch.addmm(s, mix, squares, alpha=scale)
        if layout.outer:
            t = before.clone()
            for path in layout.outer:
                left, right = path.factors(before)
                path.product(t).addcmul_(left, right, value=scale)
        gates, scalars = s.split([layout.gates, layout.scalars])
        opened = torch.sigmoid(gates)
        factor = opened.index_select(0, owner)
        if leak is not None:
            swish = torch.sigmoid(t)
            factor.addcmul_(swish, leak[:, None])
        y = z.new_empty(layout.scalars + layout.rows, z.shape[1])
        torch.ops.aten.silu.out(scalars, out=y[: layout.scalars])
        torch.mul(t, factor, out=y[layout.scalars :])
        ctx.save_for_backward(z, mix, leak, member, owner, scalars, t, squares, opened, swish, factor)
        ctx.layout, ctx.scale = layout, scale
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        z, mix, leak, member, owner, scalars, t, squares, opened, swish, factor = ctx.saved_tensors
        layout, scale = ctx.layout, ctx.scale
        if torch.is_grad_enabled():
            again = _again(grads[0], z, mix, leak, member, owner, layout, scale)
            return (*again, None, None, None, None)
        above, down = grads[0].contiguous().split([layout.scalars, layout.rows])
        out = torch.empty_like(z)
        to_s, to_t = out.split([layout.gates + layout.scalars, layout.rows])
        to_gates, to_scalars = to_s.split([layout.gates, layout.scalars])
        torch.ops.aten.silu_backward.grad_input(above, scalars, grad_input=to_scalars)
        through = down * t
        torch.ops.aten.sigmoid_backward.grad_input(torch.mm(member, through), opened, grad_input=to_gates)
        torch.mul(down, factor, out=to_t)
        to_leak = to_mix = None
        if leak is not None:
            to_leak = through.mul_(swish).sum(1)
            # leak * down * t * swish * (1 - swish) is what the leak's own sigmoid adds.
            to_t.addcmul_(through.addcmul_(through, swish, value=-1), leak[:, None])
        before = z[layout.gates + layout.scalars :]
        # A product's part is larger than its factors, and small ones come first: each is read before it is added to.
        for path in layout.outer:
            left, right = path.factors(before)
            flow, (into_left, into_right) = path.product(to_t), path.factors(to_t)
            to_left, to_right = (flow * right).sum(2, keepdim=True), (flow * left).sum(1, keepdim=True)
            into_left.add_(to_left, alpha=scale)
            into_right.add_(to_right, alpha=scale)
        if mix is not None:
            to_mix = torch.mm(to_s, squares.T).mul_(scale)
            flow = torch.mm(mix.T, to_s).index_select(0, owner)
            to_t.addcmul_(flow, before, value=2 * scale)
        return out, to_mix, to_leak, None, None, None, None


def _again(
    grad: Tensor,
    z: Tensor,
    mix: Tensor | None,
    leak: Tensor | None,
    member: Tensor,
    owner: Tensor,
    layout: Layout,
    scale: float,
) -> tuple[Tensor | None, ...]:
    """Gradients that can be differentiated themselves."""
    wanted = [x for x in (z, mix, leak) if x is not None and x.requires_grad]
    y = plain(z, mix, leak, member, owner, layout, scale)
    found = iter(torch.autograd.grad(y, wanted, grad, create_graph=True))
    return tuple(next(found) if x is not None and x.requires_grad else None for x in (z, mix, leak))
