r"""Polynomials of functions on a set of points, from coefficients to coefficients, without keeping values at points.

Every product of this package has one form. Each input :math:`x_i` is evaluated at points, :math:`f_i = x_i A_i`; each
output is a polynomial of these values, carried back: :math:`z_j = q_j(f_1, \dots, f_k)\, B_j`. Its derivatives have the
same form. With cotangents :math:`\bar z_j` and :math:`h_j = \bar z_j B_j^T`,

.. math:: \bar x_i = \Big( \sum_j \frac{\partial q_j}{\partial f_i}\, h_j \Big) A_i^T

is again a polynomial of values at the points. So one autograd function, whose backward pass applies itself, has
derivatives of all orders, and keeps coefficients only: values at points are computed again, block by block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

#: One exponent per factor, and the coefficient: ``f0 * f1 - 2 * f0 ** 3`` is ``(((1, 1), 1.0), ((3, 0), -2.0))``.
Polynomial = tuple[tuple[tuple[int, ...], float], ...]

#: Values at points that are computed at once: on a processor few enough to stay in its cache.
BLOCK = {"cpu": 2**16, "cuda": 2**25}

#: Matrices are padded with zeros to multiples of so many columns: products of narrow ones are up to twice as fast.
WIDTH = 8


#: A tensor among several, and the range of its columns: ``(number, start, stop)``.
Slot = tuple[int, int, int]


@dataclass(frozen=True)
class Pointwise:
    """Polynomials of functions at points: what is evaluated, and what becomes of the values.

    Attributes:
        factors: the columns of the inputs that each factor is evaluated from.
        polynomials: one per part of an output.
        parts: the columns of the outputs that each polynomial is carried back to; parts with the same columns add up.
        widths: number of columns of each output.
    """

    factors: tuple[Slot, ...]
    polynomials: tuple[Polynomial, ...]
    parts: tuple[Slot, ...]
    widths: tuple[int, ...]

    def __call__(self, analysis: Sequence[Tensor], synthesis: Sequence[Tensor], *inputs: Tensor) -> tuple[Tensor, ...]:
        """Evaluates at points, takes polynomials there, and carries back.

        Args:
            analysis: per factor, shape ``(components, points)``; constants.
            synthesis: per part, shape ``(points, components)`` or with more columns, which are left out; constants.
            inputs: shape ``(rows, components)`` each.

        Returns:
            Per output, shape ``(rows, components)``.
        """
        if torch.compiler.is_compiling():
            return self._fusible(analysis, synthesis, inputs)
        if not torch.is_grad_enabled() and not torch._C._are_functorch_transforms_active():  # as Function.apply asks
            return self.evaluate(analysis, synthesis, inputs)
        return _Apply.apply(self, tuple(analysis), tuple(synthesis), *inputs)  # type: ignore[return-value]

    def gradient(self, wanted: Sequence[int], given: Sequence[int]) -> tuple[Pointwise, list[int], list[int]]:
        """The map from the inputs and the cotangents of the ``given`` outputs to the cotangents of ``wanted`` inputs.

        Returns:
            The map, and the numbers of the parts and of the factors whose transposed matrices it takes.
        """
        inputs = 1 + max(i for i, _, _ in self.factors)
        seen = [k for k, (j, _, _) in enumerate(self.parts) if j in given]
        slots = len(seen)
        factors = (*self.factors, *((inputs + given.index(self.parts[k][0]), *self.parts[k][1:]) for k in seen))
        polynomials, parts, widths, back = [], [], [0] * len(wanted), []
        for f, (i, start, stop) in enumerate(self.factors):
            if i not in wanted:
                continue
            terms = tuple(
                ((*e, *(int(slot == other) for other in range(slots))), coefficient)
                for slot, k in enumerate(seen)
                for e, coefficient in derivative(self.polynomials[k], f)
            )
            back.append(f)
            polynomials.append(terms)
            parts.append((wanted.index(i), start, stop))
            widths[wanted.index(i)] = max(widths[wanted.index(i)], stop)
        return Pointwise(factors, tuple(polynomials), tuple(parts), tuple(widths)), seen, back

    def tangent(self) -> tuple[Pointwise, int]:
        """The map from inputs and as many tangents to the tangents of the outputs, and the number of inputs."""
        inputs, count = 1 + max(i for i, _, _ in self.factors), len(self.factors)
        factors = (*self.factors, *((inputs + i, start, stop) for i, start, stop in self.factors))
        polynomials = tuple(
            tuple(
                ((*e, *(int(f == other) for other in range(count))), coefficient)
                for f in range(count)
                for e, coefficient in derivative(polynomial, f)
            )
            for polynomial in self.polynomials
        )
        return Pointwise(factors, polynomials, self.parts, self.widths), inputs

    def evaluate(
        self, analysis: Sequence[Tensor], synthesis: Sequence[Tensor], inputs: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        """The outputs, block by block, without a graph."""
        first = inputs[0]
        rows, points = first.shape[0], synthesis[0].shape[0]
        block = max(1, BLOCK.get(first.device.type, BLOCK["cuda"]) // points)
        # Autocast leaves products alone that are written into given room, and those alone.
        if rows <= block and self._one_product and not torch.is_autocast_enabled(first.device.type):
            # Nothing to share: for small inputs it is the number of calls that takes the time.
            value = torch.mm(inputs[0], analysis[0]).mul_(torch.mm(inputs[1], analysis[1]))
            found = torch.mm(value, synthesis[0])
            return (found if found.shape[1] == self.widths[0] else found[:, : self.widths[0]].contiguous(),)
        used, long = self._used
        outputs = tuple(first.new_empty(rows, width) for width in self.widths)
        if rows <= block:
            room = _Room(first, rows, points, synthesis, used, long)
            self._block(analysis, synthesis, inputs, outputs, room)
            return outputs
        room = _Room(first, block, points, synthesis, used, long)
        for start in range(0, rows, block):
            here = slice(start, min(start + block, rows))
            if start + block > rows:
                room = _Room(first, rows - start, points, synthesis, used, long)
            self._block(analysis, synthesis, [x[here] for x in inputs], [z[here] for z in outputs], room)
        return outputs

    def _block(
        self,
        analysis: Sequence[Tensor],
        synthesis: Sequence[Tensor],
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        room: _Room,
    ) -> None:
        """Some rows, in the room that was made for as many."""
        for f, held in room.values.items():
            i, start, stop = self.factors[f]
            x = inputs[i]
            torch.mm(x if stop - start == x.shape[1] else x[:, start:stop], analysis[f], out=held)
        for k, (polynomial, part) in enumerate(zip(self.polynomials, self.parts, strict=True)):
            value = _sum(polynomial, room.values, room.total, room.spare)
            j, start, stop = part
            target = outputs[j]
            if stop - start < target.shape[1]:
                target = target[:, start:stop]
            b, again = synthesis[k], part in self.parts[:k]
            if b.shape[1] > stop - start:
                found = torch.mm(value, b, out=room.narrow[:, : b.shape[1]])[:, : stop - start]
                target.add_(found) if again else target.copy_(found)
            elif again:
                target.addmm_(value, b)
            else:
                torch.mm(value, b, out=target)

    @cached_property
    def _one_product(self) -> bool:
        """Whether all there is to do is to multiply two inputs, each taken whole."""
        whole = self.parts == ((0, 0, self.widths[0]),) and [f[:2] for f in self.factors] == [(0, 0), (1, 0)]
        return whole and self.polynomials == ((((1, 1), 1.0),),)

    @cached_property
    def _used(self) -> tuple[list[int], bool]:
        """The factors that some polynomial has, and whether a term needs room of its own."""
        used = [f for f in range(len(self.factors)) if any(e[f] for q in self.polynomials for e, _ in q)]
        return used, any(sum(e) > 2 for q in self.polynomials for e, _ in q[1:])

    def _fusible(
        self, analysis: Sequence[Tensor], synthesis: Sequence[Tensor], inputs: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        """The same by plain operations, which a compiler fuses and differentiates."""
        values = [inputs[i][:, a:b] @ m for (i, a, b), m in zip(self.factors, analysis, strict=True)]
        outputs = [inputs[0].new_zeros(inputs[0].shape[0], width) for width in self.widths]
        for polynomial, (j, a, b), m in zip(self.polynomials, self.parts, synthesis, strict=True):
            part = plain_sum(polynomial, values) @ m[:, : b - a]
            whole = b - a == self.widths[j]
            outputs[j] = outputs[j] + (part if whole else nn.functional.pad(part, (a, self.widths[j] - b)))
        return tuple(outputs)


class _Room:
    """Memory for the values at points of some rows, used block after block."""

    def __init__(
        self, like: Tensor, rows: int, points: int, synthesis: Sequence[Tensor], used: list[int], long: bool
    ) -> None:
        self.values = {f: like.new_empty(rows, points) for f in used}
        self.total = like.new_empty(rows, points)
        self.spare = like.new_empty(rows, points) if long else self.total
        self.narrow = like.new_empty(rows, max(b.shape[1] for b in synthesis))


def derivative(polynomial: Polynomial, i: int) -> Polynomial:
    """The partial derivative in factor ``i``."""
    return tuple(((*e[:i], e[i] - 1, *e[i + 1 :]), coefficient * e[i]) for e, coefficient in polynomial if e[i] > 0)


def padded(matrix: Tensor) -> Tensor:
    """A matrix with columns of zeros added, up to a multiple of :data:`WIDTH`."""
    missing = -matrix.shape[1] % WIDTH
    if missing == WIDTH - 1 and matrix.shape[1] > 2 * WIDTH:
        return matrix  # a single column too many costs less than the padding
    return nn.functional.pad(matrix, (0, missing))


class _Apply(torch.autograd.Function):
    """A pointwise map with its derivatives, which are pointwise maps."""

    @staticmethod
    def forward(
        own: Pointwise, analysis: tuple[Tensor, ...], synthesis: tuple[Tensor, ...], *inputs: Tensor
    ) -> tuple[Tensor, ...]:
        return own.evaluate(analysis, synthesis, inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.own, ctx.analysis, ctx.synthesis = inputs[:3]
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[3:])
        ctx.save_for_forward(*inputs[3:])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        given = [j for j, z in enumerate(cotangents) if z is not None]
        wanted = [i for i, needed in enumerate(ctx.needs_input_grad[3:]) if needed]
        gradients: list[Tensor | None] = [None] * len(ctx.saved_tensors)
        if given and wanted:
            own, seen, back = ctx.own.gradient(wanted, given)
            widths = [stop - start for _, start, stop in ctx.own.parts]
            analysis = (*ctx.analysis, *(ctx.synthesis[k][:, : widths[k]].mT for k in seen))
            heads = [z.contiguous() for z in cotangents if z is not None]
            found = own(analysis, [padded(ctx.analysis[f].mT) for f in back], *ctx.saved_tensors, *heads)
            for i, gradient in zip(wanted, found, strict=True):
                gradients[i] = gradient
        return (None, None, None, *gradients)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> tuple[Tensor, ...]:
        own, inputs = ctx.own.tangent()
        known = ctx.saved_tensors
        moved = [torch.zeros_like(x) if t is None else t for x, t in zip(known, tangents[3:], strict=True)]
        assert len(known) == inputs
        return own((*ctx.analysis, *ctx.analysis), ctx.synthesis, *known, *moved)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], own: Any, analysis: Any, synthesis: Any, *inputs: Tensor) -> Any:
        rows = _rows_of_all(in_dims[3:], info.batch_size, inputs)
        found = _Apply.apply(own, analysis, synthesis, *rows)
        outputs = tuple(z.reshape(info.batch_size, -1, z.shape[1]) for z in found)  # type: ignore[union-attr]
        return outputs, (0,) * len(outputs)


def _sum(polynomial: Polynomial, values: dict[int, Tensor], total: Tensor, spare: Tensor) -> Tensor:
    """The value of a polynomial, written into ``total`` where it is not already one of the values."""
    if not polynomial:
        return total.zero_()
    for number, (exponents, coefficient) in enumerate(polynomial):
        factors = [values[i] for i, e in enumerate(exponents) for _ in range(e)]
        if len(polynomial) == 1 and len(factors) == 1 and coefficient == 1:
            return factors[0]
        if number == 0:
            _product(factors, total)
            if coefficient != 1:
                total.mul_(coefficient)
        elif not factors:
            total.add_(coefficient)
        elif len(factors) == 1:
            total.add_(factors[0], alpha=coefficient)
        elif len(factors) == 2:
            total.addcmul_(factors[0], factors[1], value=coefficient)
        else:
            total.addcmul_(_product(factors[:-1], spare), factors[-1], value=coefficient)
    return total


def _product(factors: list[Tensor], out: Tensor) -> Tensor:
    if not factors:
        return out.fill_(1)
    if len(factors) == 1:
        return out.copy_(factors[0])
    torch.mul(factors[0], factors[1], out=out)
    for factor in factors[2:]:
        out.mul_(factor)
    return out


def _rows_of_all(dims: Sequence[int | None], size: int, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Every item of a batch of row tensors, one after another."""
    whole = [
        x.expand(size, *x.shape) if dim is None else x.movedim(dim, 0) for dim, x in zip(dims, tensors, strict=True)
    ]
    return [x.reshape(size * x.shape[1], x.shape[2]) for x in whole]


def plain_sum(polynomial: Polynomial, values: Sequence[Tensor]) -> Tensor:
    """The same value by operations that a compiler can fuse."""
    total: Tensor | None = None
    for exponents, coefficient in polynomial:
        term: Tensor | None = None
        for value, exponent in zip(values, exponents, strict=True):
            for _ in range(exponent):
                term = value if term is None else term * value
        term = torch.full_like(values[0], coefficient) if term is None else term
        term = term if coefficient == 1 else coefficient * term
        total = term if total is None else total + term
    return torch.zeros_like(values[0]) if total is None else total
