"""Products of tensors, then gates: what stands between the linear maps of networks on tensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from erlangen.groups import Representation, Scalar
from erlangen.symmetrize.channels import is_scalar, scalars_first


class Outer(NamedTuple):
    """Which parts are multiplied into which, by number, how many copies, and from which copy the right ones come."""

    left: int
    right: int
    out: int
    count: int
    shift: int


@dataclass(frozen=True)
class Layout:
    """Where everything lies: gates first, then scalars, then tensors, part by part, with so many copies of one size."""

    scalars: int
    parts: tuple[tuple[int, int], ...]
    outer: tuple[Outer, ...]

    def __post_init__(self) -> None:
        # Kept as attributes: they are asked for at every step.
        object.__setattr__(self, "sizes", [copies * dim for copies, dim in self.parts])
        object.__setattr__(self, "numbers", [copies for copies, _ in self.parts])
        object.__setattr__(self, "rows", sum(self.sizes))
        object.__setattr__(self, "gates", sum(self.numbers))

    sizes: list[int] = field(init=False, compare=False)
    numbers: list[int] = field(init=False, compare=False)
    rows: int = field(init=False, compare=False)
    gates: int = field(init=False, compare=False)

    def copies(self, t: Tensor) -> list[Tensor]:
        """The rows of all tensors, part by part, ``(copies, dim, batch)``."""
        return (
            [x.view(*part, -1) for x, part in zip(t.split(self.sizes), self.parts, strict=True)] if self.parts else []
        )

    def each(self, g: Tensor) -> tuple[Tensor, ...]:
        """One row for each tensor, part by part."""
        return g.split(self.numbers) if self.parts else ()


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
        gates, scalars, rows = self.layout.gates, self.layout.scalars, self.layout.rows
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
        if torch.compiler.is_compiling():
            return plain(z, self.mix, self.leak, self.layout, self.scale)
        return _Fused.apply(z, self.mix, self.leak, self.layout, self.scale)


def _layout(rep: Representation) -> Layout:
    parts = [(copies, part) for copies, part in rep.parts if not is_scalar(part)]
    outer = []
    # Products into small parts first: the backward pass relies on it.
    for k, (n, out) in sorted(enumerate(parts), key=lambda item: item[1][1].dim):
        for i, (a, left) in enumerate(parts):
            for j, (b, right) in enumerate(parts[i:], i):
                if left * right == out:
                    count = min(n, max(1, a // 2)) if i == j else min(n, a, b)
                    outer.append(Outer(i, j, k, count, min(count, b - count) if i == j else 0))
    tensors = tuple((copies, part.dim) for copies, part in parts)
    return Layout(rep.dim - sum(copies * dim for copies, dim in tensors), tensors, tuple(outer))


def plain(z: Tensor, mix: Tensor | None, leak: Tensor | None, layout: Layout, scale: float) -> Tensor:
    """The layer in differentiable operations, for compilers and for derivatives of derivatives."""
    s, t = z.split([layout.gates + layout.scalars, layout.rows])
    before = layout.copies(t)
    if mix is not None:
        s = s + scale * (mix @ torch.cat([x.square().sum(1) for x in before]))
    after = list(before)
    for path in layout.outer:
        left, right = _factors(before, path)
        product = (left[:, :, None] * right[:, None]).flatten(1, 2)
        missing = after[path.out].shape[0] - path.count
        after[path.out] = after[path.out] + scale * nn.functional.pad(product, (0, 0, 0, 0, 0, missing))
    gates, scalars = s.split([layout.gates, layout.scalars])
    gated = [x * gate[:, None] for x, gate in zip(after, layout.each(torch.sigmoid(gates)), strict=True)]
    out = torch.cat([nn.functional.silu(scalars), *(x.flatten(0, 1) for x in gated)])
    if leak is None:
        return out
    leaked = leak[:, None] * nn.functional.silu(torch.cat([x.flatten(0, 1) for x in after]))
    return out + torch.cat([torch.zeros_like(scalars), leaked])


def _factors(tensors: list[Tensor], path: Outer) -> tuple[Tensor, Tensor]:
    return tensors[path.left][: path.count], tensors[path.right][path.shift : path.shift + path.count]


class _Fused(torch.autograd.Function):
    """The same with both passes written out."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, mix: Tensor | None, leak: Tensor | None, layout: Layout, scale: float) -> Tensor:
        s, t = z.split([layout.gates + layout.scalars, layout.rows])
        before, squares = layout.copies(t), None
        if mix is not None:
            squares = z.new_empty(layout.gates, z.shape[1])
            for x, total in zip(layout.copies(t * t), layout.each(squares), strict=True):
                torch.sum(x, 1, out=total)
            s = torch.addmm(s, mix, squares, alpha=scale)
        if layout.outer:
            t = t.clone()
        after = layout.copies(t)
        for path in layout.outer:
            left, right = _factors(before, path)
            out = after[path.out][: path.count].unflatten(1, (left.shape[1], right.shape[1]))
            out.addcmul_(left[:, :, None], right[:, None], value=scale)
        gates, scalars = s.split([layout.gates, layout.scalars])
        y = z.new_empty(layout.scalars + layout.rows, z.shape[1])
        y_scalars, y_tensors = y.split([layout.scalars, layout.rows])
        torch.ops.aten.silu.out(scalars, out=y_scalars)
        opened = torch.sigmoid(gates)
        swish = factor = None
        if leak is None:
            for x, gate, into in zip(after, layout.each(opened), layout.copies(y_tensors), strict=True):
                torch.mul(x, gate[:, None], out=into)
        else:
            swish, factor = torch.sigmoid(t), torch.empty_like(t)
            for x, into, part, gate in zip(
                layout.copies(swish),
                layout.copies(factor),
                layout.copies(leak[:, None]),
                layout.each(opened),
                strict=True,
            ):
                torch.addcmul(gate[:, None], x, part, out=into)
            torch.mul(t, factor, out=y_tensors)
        ctx.save_for_backward(z, mix, leak, scalars, t, squares, opened, swish, factor)
        ctx.layout, ctx.scale = layout, scale
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        z, mix, leak, scalars, t, squares, opened, swish, factor = ctx.saved_tensors
        layout, scale = ctx.layout, ctx.scale
        if torch.is_grad_enabled():
            return (*_again(grads[0], z, mix, leak, layout, scale), None, None)
        above, down = grads[0].contiguous().split([layout.scalars, layout.rows])
        out = torch.empty_like(z)
        to_s, to_t = out.split([layout.gates + layout.scalars, layout.rows])
        to_gates, to_scalars = to_s.split([layout.gates, layout.scalars])
        torch.ops.aten.silu_backward.grad_input(above, scalars, grad_input=to_scalars)
        through, toward = down * t, torch.empty_like(opened)
        for x, total in zip(layout.copies(through), layout.each(toward), strict=True):
            torch.sum(x, 1, out=total)
        torch.ops.aten.sigmoid_backward.grad_input(toward, opened, grad_input=to_gates)
        into, to_leak = layout.copies(to_t), None
        if leak is None:
            for x, gate, here in zip(layout.copies(down), layout.each(opened), into, strict=True):
                torch.mul(x, gate[:, None], out=here)
        else:
            torch.mul(down, factor, out=to_t)
            through.mul_(swish)
            to_leak = through.sum(1)
            # leak * through * swish * (1 - swish) is what the leak's own sigmoid adds.
            to_t.addcmul_(through.addcmul_(through, swish, value=-1), leak[:, None])
        before = layout.copies(z[layout.gates + layout.scalars :])
        # A product's part is larger than its factors, and small ones come first: each is read before it is added to.
        for path in layout.outer:
            left, right = _factors(before, path)
            flow = into[path.out][: path.count].unflatten(1, (left.shape[1], right.shape[1]))
            to_left, to_right = (flow * right[:, None]).sum(2), (flow * left[:, :, None]).sum(1)
            into[path.left][: path.count].add_(to_left, alpha=scale)
            into[path.right][path.shift : path.shift + path.count].add_(to_right, alpha=scale)
        to_mix = None
        if mix is not None:
            to_mix = torch.mm(to_s, squares.T).mul_(scale)
            flows = layout.each(torch.mm(mix.T, to_s))
            for x, flow, here in zip(before, flows, into, strict=True):
                here.addcmul_(x, flow[:, None], value=2 * scale)
        return out, to_mix, to_leak, None, None


def _again(
    grad: Tensor, z: Tensor, mix: Tensor | None, leak: Tensor | None, layout: Layout, scale: float
) -> tuple[Tensor | None, ...]:
    """Gradients that can be differentiated themselves."""
    given = [x for x in (z, mix, leak) if x is not None]
    wanted = [x for x in given if x.requires_grad]
    found = iter(torch.autograd.grad(plain(z, mix, leak, layout, scale), wanted, grad, create_graph=True))
    return tuple(next(found) if x is not None and x.requires_grad else None for x in (z, mix, leak))
