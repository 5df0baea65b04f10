"""The weights of linear layers sorted into blocks, so that projecting all of them takes one small matrix for each kind.

A layer from ``m`` copies of one part to ``n`` copies of another holds ``n m`` blocks that are all projected alike. Here
the weights and biases of any number of layers are laid out in that order by one gather, each kind of block is
multiplied by a matrix, and one gather leads back. Kinds whose projections agree (for orthogonal groups all of one total
tensor rank) are taken together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from erlangen.groups import Hom, Representation, Scalar
from erlangen.symmetrize.projector import part_projection

#: Entries of projections that differ by less are the same, and those below it are zero.
SAME = 1e-12
#: How many different combinations of projections are kept in a ready form.
KEPT = 16


@dataclass(frozen=True)
class LinearShape:
    """What a linear layer maps: its representations, and whether it adds a bias."""

    rep_in: Representation
    rep_out: Representation
    bias: bool


class Kind(NamedTuple):
    """Blocks that are projected alike: where their entries lie, ``(blocks, entries)``, and one projection per group."""

    places: Tensor
    projections: Tensor


class Operator(NamedTuple):
    """A self-adjoint map of weights, ready for one dtype and device.

    First come the weights that are only scaled, each by its factor; then the kinds of blocks, each times its matrix.
    """

    order: Tensor
    inverse: Tensor
    factors: Tensor
    shapes: tuple[tuple[int, int], ...]
    matrices: tuple[Tensor, ...]

    def __call__(self, flat: Tensor) -> Tensor:
        """``(weights,)`` to ``(weights,)``; differentiable, as often as one likes."""
        return _Apply.apply(flat, self) if autograd_alone() else self.composed(flat)

    def half_form(self, flat: Tensor) -> Tensor:
        """Half the inner product of the weights with their image, a number."""
        return _HalfForm.apply(flat, self) if autograd_alone() else (flat * self.composed(flat)).sum() / 2

    def composed(self, flat: Tensor) -> Tensor:
        """The image in differentiable operations, for compilers and transforms."""
        single, *given = flat.index_select(0, self.order).split(self.sizes)
        pairs = zip(given, self.shapes, self.matrices, strict=True)
        images = [single * self.factors, *((x.reshape(shape) @ matrix).reshape(-1) for x, shape, matrix in pairs)]
        return torch.cat(images).index_select(0, self.inverse)

    @property
    def sizes(self) -> list[int]:
        """How many weights are only scaled, and how many each kind holds."""
        return [self.factors.shape[0], *(blocks * entries for blocks, entries in self.shapes)]


def _applied(flat: Tensor, operator: Operator) -> Tensor:
    sorted_in = flat.index_select(0, operator.order)
    sorted_out, sizes = torch.empty_like(sorted_in), operator.sizes
    (scaled, *into), (single, *given) = sorted_out.split(sizes), sorted_in.split(sizes)
    torch.mul(single, operator.factors, out=scaled)
    for x, y, shape, matrix in zip(given, into, operator.shapes, operator.matrices, strict=True):
        torch.mm(x.view(shape), matrix, out=y.view(shape))
    return sorted_out.index_select(0, operator.inverse)


class _Apply(torch.autograd.Function):
    """The operator is its own adjoint, so the backward pass is the forward pass."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor, operator: Operator) -> Tensor:
        ctx.operator = operator
        return _applied(flat, operator)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return _Apply.apply(grads[0].contiguous(), ctx.operator), None


class _HalfForm(torch.autograd.Function):
    """The gradient of the form is the image itself, which the forward pass has computed already."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor, operator: Operator) -> Tensor:
        image = _applied(flat, operator)
        ctx.save_for_backward(flat, image)
        ctx.operator = operator
        return torch.dot(flat, image) / 2

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        flat, image = ctx.saved_tensors
        # Only when the gradient is to be differentiated again is its dependence on the weights needed.
        return grads[0] * (_Apply.apply(flat, ctx.operator) if torch.is_grad_enabled() else image), None


class BlockForm:
    """Combinations of projections, for the weights of several layers at once; immutable, and shared.

    Args:
        layers: what each layer maps.
        homs: the groups, each as a map into the group of the representations.
    """

    def __init__(self, layers: tuple[LinearShape, ...], homs: tuple[Hom, ...]) -> None:
        self.layers, self.homs = layers, homs
        self._ready: dict[tuple[Any, ...], Operator] = {}

    @cached_property
    def kinds(self) -> list[Kind]:
        """All blocks, by kind, those of one entry first; every weight lies in one of them."""
        found: list[tuple[Tensor, list[Tensor]]] = []
        for (part_in, part_out), places in self._by_parts().items():
            all_places = torch.cat(places)
            for entries, projections in _components(part_in, part_out, self.homs):
                for known, collected in found:
                    if known.shape == projections.shape and torch.allclose(known, projections, rtol=0, atol=SAME):
                        collected.append(all_places[:, entries])
                        break
                else:
                    found.append((projections, [all_places[:, entries]]))
        found.sort(key=lambda kind: kind[0].shape[1])
        return [Kind(torch.cat(places), projections) for projections, places in found]

    def _by_parts(self) -> dict[tuple[Representation, Representation], list[Tensor]]:
        found: dict[tuple[Representation, Representation], list[Tensor]] = {}
        at = 0
        for layer in self.layers:
            whole = torch.arange(at, at + layer.rep_out.dim * layer.rep_in.dim)
            at += whole.numel()
            _sort(found, whole.view(layer.rep_out.dim, layer.rep_in.dim), layer.rep_in, layer.rep_out)
            if layer.bias:
                shift = torch.arange(at, at + layer.rep_out.dim)[:, None]
                at += layer.rep_out.dim
                _sort(found, shift, Scalar(layer.rep_out.group), layer.rep_out)
        return found

    @cached_property
    def _order(self) -> tuple[Tensor, Tensor]:
        order = torch.cat([kind.places.flatten() for kind in self.kinds])
        return order, order.argsort()

    def operator(self, identity: float, factors: Sequence[float], like: Tensor) -> Operator:
        r"""The map :math:`c\,1 + \sum_g f_g P_g` of weights, ready for the dtype and device of ``like``."""
        key = (identity, tuple(factors), like.dtype, like.device)
        if key in self._ready:
            return self._ready[key]
        made = self._made(identity, factors, like)
        # What compilers, transforms and inference mode make is of no use to later calls.
        if autograd_alone() and not torch.is_inference_mode_enabled():
            while len(self._ready) >= KEPT:
                self._ready.pop(next(iter(self._ready)))
            self._ready[key] = made
        return made

    def _made(self, identity: float, factors: Sequence[float], like: Tensor) -> Operator:
        order, inverse = (index.to(like.device) for index in self._order)
        weights = torch.tensor(list(factors), dtype=torch.float64)
        alone, shapes, matrices = [torch.zeros(0, dtype=torch.float64)], [], []
        for places, projections in self.kinds:
            mixed = torch.einsum("k,kij->ij", weights, projections)
            mixed.diagonal().add_(identity)
            if places.shape[1] == 1:
                alone.append(mixed[0].expand(places.shape[0]))
            else:
                shapes.append((places.shape[0], places.shape[1]))
                matrices.append(mixed.to(like))
        return Operator(order, inverse, torch.cat(alone).to(like), tuple(shapes), tuple(matrices))

    def projection(self, number: int, like: Tensor) -> Operator:
        """The projection of group ``number``."""
        return self.operator(0.0, [float(k == number) for k in range(len(self.homs))], like)

    def distances(self, flat: Tensor) -> Tensor:
        """Half the squared distance of the weights from each group's equivariant ones, ``(groups,)``."""
        # Through the residual: half the form would cancel to rounding where the distance is small.
        operators = [
            self.operator(1.0, [-float(k == number) for k in range(len(self.homs))], flat)
            for number in range(len(self.homs))
        ]
        return torch.stack([operator(flat).square().sum() / 2 for operator in operators])

    def penalty(self, flat: Tensor, strengths: Sequence[float], weight_decay: float = 0.0) -> Tensor:
        """The distances times their strengths, added up in one pass, and half the squared norm times the decay."""
        return self.operator(weight_decay + sum(strengths), [-s for s in strengths], flat).half_form(flat)

    def __deepcopy__(self, memo: Any) -> BlockForm:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return block_form, (self.layers, self.homs)


def _sort(
    found: dict[tuple[Representation, Representation], list[Tensor]],
    places: Tensor,
    rep_in: Representation,
    rep_out: Representation,
) -> None:
    row = 0
    for n, part_out in rep_out.parts:
        column = 0
        for m, part_in in rep_in.parts:
            p, q = part_out.dim, part_in.dim
            piece = places[row : row + n * p, column : column + m * q].reshape(n, p, m, q)
            found.setdefault((part_in, part_out), []).append(piece.transpose(1, 2).reshape(n * m, p * q))
            column += m * q
        row += n * part_out.dim


@lru_cache(maxsize=4096)
def _components(
    part_in: Representation, part_out: Representation, homs: tuple[Hom, ...]
) -> list[tuple[Tensor, Tensor]]:
    """Sets of entries that no group's projection mixes with others, each with the projections of its own.

    Where a group contains reflections of the axes, as O(3) and O(2) in a plane do, most entries are on their own: the
    projections of maps between tensors of rank three act on 183 of 729 entries, and delete the others.
    """
    size = part_in.dim * part_out.dim
    if not homs:
        return [(torch.tensor([k]), torch.zeros(0, 1, 1, dtype=torch.float64)) for k in range(size)]
    projections = torch.stack([part_projection(part_in, part_out, hom) for hom in homs])
    linked = (projections.abs() > SAME).any(0).numpy()
    count, labels = connected_components(coo_matrix(linked), directed=False)
    found = []
    for label in range(count):
        entries = torch.from_numpy(np.flatnonzero(labels == label))
        found.append((entries, projections[:, entries[:, None], entries]))
    return found


@lru_cache(maxsize=256)
def block_form(layers: tuple[LinearShape, ...], homs: tuple[Hom, ...]) -> BlockForm:
    """The form of these layers and groups, made once.

    Raises:
        ValueError: when a block is too large to be solved.
    """
    form = BlockForm(layers, homs)
    _ = form._order  # now, so that what cannot be solved is refused where it is asked for
    return form


def autograd_alone() -> bool:
    """Whether no compiler and no transform of ``torch.func`` looks on: these want operations that they know."""
    return not torch.compiler.is_compiling() and not torch._C._are_functorch_transforms_active()


def flatten(parameters: Iterable[Tensor]) -> Tensor:
    """The entries of all tensors, one after another."""
    return torch.cat([p.reshape(-1) for p in parameters])
