"""Products of tensors, then gates: what stands between the linear maps of networks on tensors."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from erlangen.groups import Representation, Scalar
from erlangen.symmetrize.channels import is_scalar, scalars_first

#: The gradient of a sigmoid from its value, in one pass over memory.
_sigmoid_backward = torch.ops.aten.sigmoid_backward.default
_silu_backward = torch.ops.aten.silu_backward.default


class Part(NamedTuple):
    """Copies of a tensor on the rows that are no scalars: where they lie, and their size."""

    rows: slice
    copies: int
    dim: int


class Outer(NamedTuple):
    """Which parts are multiplied into which, by number, how many copies, and from which copy the right ones come."""

    left: int
    right: int
    out: int
    count: int
    shift: int


class Layout(NamedTuple):
    """Where everything lies: gates first, then scalars, then tensors."""

    gates: int
    scalars: int
    parts: tuple[Part, ...]
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
        self.layout = _layout(self.rep)
        gates, scalars, parts, _ = self.layout
        self.rep_in = gates * Scalar(rep.group) + self.rep
        rows = sum(part.copies * part.dim for part in parts)
        self.mix = nn.Parameter(torch.empty(gates + scalars, gates)) if norms and gates else None
        self.leak = nn.Parameter(torch.full((rows,), float(leak))) if leak is not None and rows else None
        if self.mix is not None:
            with torch.no_grad():
                self.mix.copy_(torch.randn(self.mix.shape, generator=generator) / gates**0.5)

    def forward(self, z: Float[Tensor, "dim_in batch"]) -> Float[Tensor, "dim batch"]:
        """``(rep_in.dim, batch)`` to ``(rep.dim, batch)``."""
        if z.shape[0] != self.rep_in.dim:
            raise ValueError(f"GatedBilinear(z): {self.rep_in.dim} rows, got shape {tuple(z.shape)}")
        if torch.compiler.is_compiling():
            return plain(z, self.mix, self.leak, self.layout, self.scale)
        return _Fused.apply(z, self.mix, self.leak, self.layout, self.scale)


def _layout(rep: Representation) -> Layout:
    parts = [(copies, part) for copies, part in rep.parts if not is_scalar(part)]
    ends = list(accumulate((copies * part.dim for copies, part in parts), initial=0))
    tensors = tuple(
        Part(slice(start, stop), copies, part.dim)
        for (start, stop), (copies, part) in zip(pairwise(ends), parts, strict=True)
    )
    outer = []
    # Products into small parts first: the backward pass relies on it.
    for k, (n, out) in sorted(enumerate(parts), key=lambda item: item[1][1].dim):
        for i, (a, left) in enumerate(parts):
            for j, (b, right) in enumerate(parts[i:], i):
                if left * right == out:
                    count = min(n, max(1, a // 2)) if i == j else min(n, a, b)
                    outer.append(Outer(i, j, k, count, min(count, b - count) if i == j else 0))
    gates = sum(copies for copies, _ in parts)
    return Layout(gates, rep.dim - ends[-1], tensors, tuple(outer))


def plain(z: Tensor, mix: Tensor | None, leak: Tensor | None, layout: Layout, scale: float) -> Tensor:
    """The layer in differentiable operations, for compilers and for derivatives of derivatives."""
    s, t = z.split([layout.gates + layout.scalars, z.shape[0] - layout.gates - layout.scalars])
    before = [_copies(t, part) for part in layout.parts]
    if mix is not None:
        s = s + scale * (mix @ torch.cat([x.square().sum(1) for x in before]))
    after = list(before)
    for path in layout.outer:
        left, right = _factors(before, path)
        product = (left[:, :, None] * right[:, None]).flatten(1, 2)
        after[path.out] = after[path.out] + scale * nn.functional.pad(
            product, (0, 0, 0, 0, 0, after[path.out].shape[0] - path.count)
        )
    gates, scalars = s.split([layout.gates, layout.scalars])
    opened = torch.sigmoid(gates).split([part.copies for part in layout.parts]) if layout.parts else ()
    y = [nn.functional.silu(scalars)] + [(x * g[:, None]).flatten(0, 1) for x, g in zip(after, opened, strict=True)]
    out = torch.cat(y)
    if leak is not None:
        leaked = leak[:, None] * nn.functional.silu(torch.cat([x.flatten(0, 1) for x in after]))
        out = torch.cat([out[: layout.scalars], out[layout.scalars :] + leaked])
    return out


def _copies(rows: Tensor, part: Part) -> Tensor:
    """The rows of a part, ``(copies, dim, batch)``."""
    return rows[part.rows].view(part.copies, part.dim, -1)


def _factors(tensors: list[Tensor], path: Outer) -> tuple[Tensor, Tensor]:
    return tensors[path.left][: path.count], tensors[path.right][path.shift : path.shift + path.count]


class _Fused(torch.autograd.Function):
    """The same with both passes written out."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, mix: Tensor | None, leak: Tensor | None, layout: Layout, scale: float) -> Tensor:
        first = layout.gates + layout.scalars
        s, t = z[:first], z[first:]
        before = [_copies(t, part) for part in layout.parts]
        squares = None
        if mix is not None:
            squares = z.new_empty(layout.gates, z.shape[1])
            squared, at = t * t, 0
            for part in layout.parts:
                torch.sum(_copies(squared, part), 1, out=squares[at : at + part.copies])
                at += part.copies
            s = torch.addmm(s, mix, squares, alpha=scale)
        if layout.outer:
            t = t.clone()
            for path in layout.outer:
                left, right = _factors(before, path)
                out = _copies(t, layout.parts[path.out])[: path.count]
                out = out.view(path.count, left.shape[1], right.shape[1], -1)
                out.addcmul_(left[:, :, None], right[:, None], value=scale)
        opened = torch.sigmoid(s[: layout.gates])
        y = z.new_empty(z.shape[0] - layout.gates, z.shape[1])
        torch.ops.aten.silu.out(s[layout.gates :], out=y[: layout.scalars])
        swish = factor = None
        if leak is not None:
            swish = torch.sigmoid(t)
            factor = swish * leak[:, None]
        at = 0
        for part in layout.parts:
            gate = opened[at : at + part.copies, None]
            at += part.copies
            if factor is None:
                torch.mul(_copies(t, part), gate, out=_copies(y[layout.scalars :], part))
            else:
                _copies(factor, part).add_(gate)
        if factor is not None:
            torch.mul(t, factor, out=y[layout.scalars :])
        ctx.save_for_backward(z, mix, leak, s, t, squares, opened, swish, factor)
        ctx.layout, ctx.scale = layout, scale
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        z, mix, leak, s, t, squares, opened, swish, factor = ctx.saved_tensors
        layout, scale = ctx.layout, ctx.scale
        if torch.is_grad_enabled():
            return (*_again(grads[0], z, mix, leak, layout, scale), None, None)
        grad = grads[0].contiguous()
        first = layout.gates + layout.scalars
        out = torch.empty_like(z)
        grad_t = out[first:]
        down = grad[layout.scalars :]
        torch.ops.aten.silu_backward.grad_input(
            grad[: layout.scalars], s[layout.gates :], grad_input=out[layout.gates : first]
        )
        through = down * t
        toward, at = torch.empty_like(opened), 0
        for part in layout.parts:
            here = slice(at, at + part.copies)
            at += part.copies
            torch.sum(_copies(through, part), 1, out=toward[here])
            if factor is None:
                torch.mul(_copies(down, part), opened[here, None], out=_copies(grad_t, part))
        torch.ops.aten.sigmoid_backward.grad_input(toward, opened, grad_input=out[: layout.gates])
        grad_leak = None
        if factor is not None:
            torch.mul(down, factor, out=grad_t)
            grad_leak = torch.bmm(through[:, None], swish[:, :, None]).view(-1)
            grad_t.add_(_sigmoid_backward(through.mul_(leak[:, None]), swish))
        before = [_copies(z[first:], part) for part in layout.parts]
        # A product's part is larger than its factors, and small ones come first: each is read before it is added to.
        for path in layout.outer:
            left, right = _factors(before, path)
            flow = _copies(grad_t, layout.parts[path.out])[: path.count]
            flow = flow.view(path.count, left.shape[1], right.shape[1], -1)
            to_left = (flow * right[:, None]).sum(2)
            to_right = (flow * left[:, :, None]).sum(1)
            into = [_copies(grad_t, layout.parts[k]) for k in (path.left, path.right)]
            into[0][: path.count].add_(to_left, alpha=scale)
            into[1][path.shift : path.shift + path.count].add_(to_right, alpha=scale)
        grad_mix = None
        if mix is not None:
            grad_s = out[:first]
            grad_mix = torch.mm(grad_s, squares.T).mul_(scale)
            flow, at = torch.mm(mix.T, grad_s), 0
            for part, x in zip(layout.parts, before, strict=True):
                here = flow[at : at + part.copies, None]
                at += part.copies
                _copies(grad_t, part).addcmul_(x, here, value=2 * scale)
        return out, grad_mix, grad_leak, None, None


def _again(
    grad: Tensor, z: Tensor, mix: Tensor | None, leak: Tensor | None, layout: Layout, scale: float
) -> tuple[Tensor | None, ...]:
    """Gradients that can be differentiated themselves."""
    given = [x for x in (z, mix, leak) if x is not None]
    wanted = [x for x in given if x.requires_grad]
    found = iter(torch.autograd.grad(plain(z, mix, leak, layout, scale), wanted, grad, create_graph=True))
    return tuple(next(found) if x is not None and x.requires_grad else None for x in (z, mix, leak))
