"""Linear actions on a feature axis, and their small algebra: sums, multiples, products, duals, pull-backs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from erlangen.groups.action import Action, describe, require_field, require_real
from erlangen.groups.discrete import Symmetric
from erlangen.groups.element import Element, apply_matrix, device_of, dtype_of, permute_axis
from erlangen.groups.group import Group
from erlangen.groups.hom import Hom, Identity, LinearPart, Sign
from erlangen.groups.matrix import O


def _kron(a: Tensor, b: Tensor) -> Tensor:
    dtype = torch.promote_types(a.dtype, b.dtype)
    out = torch.einsum("...ij,...kl->...ikjl", a.to(dtype), b.to(dtype))
    return out.reshape(*out.shape[:-4], a.shape[-2] * b.shape[-2], a.shape[-1] * b.shape[-1])


class Representation(Action):
    r"""A linear action on the last axis: :math:`\rho(gh) = \rho(g) \rho(h)`.

    Representations compose: ``a + b`` (direct sum), ``3 * a`` (three copies, stored as a multiplicity), ``a * b``
    (tensor product, distributed over sums), ``a ** 2``, ``a.dual``, ``a.along(hom)``. Copies and products of sums lie
    part by part on the feature axis: ``2 * (a + b) == 2 * a + 2 * b``, copies first.
    """

    event_dim = 1

    @property
    def dim(self) -> int:
        """Size of the feature axis."""
        raise NotImplementedError(f"{type(self).__name__} does not say its size")

    def rho(self, g: Element) -> Tensor:
        """The matrices, shape ``(*K, dim, dim)``."""
        raise NotImplementedError(f"{type(self).__name__} does not say its matrices")

    def drho(self, A: Element) -> Tensor:
        """The derivative of :meth:`rho` at the identity along an algebra element, shape ``(*K, dim, dim)``."""
        raise NotImplementedError(f"{type(self).__name__} does not say its derivative")

    @property
    def parts(self) -> tuple[tuple[int, Representation], ...]:
        """The summands with their multiplicities, in the order in which they lie on the feature axis."""
        return ((1, self),)

    @property
    def orthogonal(self) -> bool:
        """Whether every matrix is orthogonal; then the representation is its own dual."""
        return False

    @property
    def permutes(self) -> bool:
        """Whether every element permutes the coordinates; then :meth:`permutation` says how."""
        return False

    def permutation(self, g: Element) -> Tensor:
        """Where each coordinate goes, long, shape ``(*K, dim)``.

        Raises:
            ValueError: when the representation is not by permutations.
        """
        raise ValueError(f"{self!r} does not permute its coordinates")

    @property
    def dual(self) -> Representation:
        r"""The dual representation, :math:`\rho^*(g) = \rho(g^{-1})^T`."""
        return self if self.orthogonal else Dual(self)

    def __call__(self, g: Element, x: Any) -> Any:
        if self.permutes:
            return permute_axis(self.permutation(g), x, -1)
        return apply_matrix(self.rho(g), x).to(x.dtype).contiguous()

    def tangent(self, A: Element, x: Any) -> Any:
        return apply_matrix(self.drho(A), x).to(x.dtype).contiguous()

    def check(self, x: Any, name: str = "x") -> None:
        require_field(x, name, repr(self), self.group)
        if x.ndim < 1 or x.shape[-1] != self.dim:
            raise ValueError(f"{name}: the last axis of {self!r} has size {self.dim}, got shape {tuple(x.shape)}")

    def bind(self, sizes: Mapping[str, int]) -> Representation:
        return self

    def along(self, hom: Hom) -> Representation:
        if hom.target != self.group:
            raise ValueError(f"along(hom): a map into {self.group}, which acts here, got one into {hom.target}")
        return self if isinstance(hom, Identity) else self._along(hom)

    def _along(self, hom: Hom) -> Representation:
        return PulledRepresentation(self, hom)

    def __add__(self, other: Representation) -> Representation:
        return direct_sum(*self.parts, *_require_same_group(self, other, "+").parts, group=self.group)

    def __rmul__(self, copies: int) -> Representation:
        if isinstance(copies, bool) or not isinstance(copies, int) or copies < 0:
            raise ValueError(f"copies * representation: a whole number of copies, got {copies!r}")
        return direct_sum(*((copies * m, part) for m, part in self.parts), group=self.group)

    def __mul__(self, other: Representation) -> Representation:
        other = _require_same_group(self, other, "*")
        return direct_sum(
            *((m * n, tensor_product(a, b)) for m, a in self.parts for n, b in other.parts), group=self.group
        )

    def __pow__(self, power: int) -> Representation:
        if isinstance(power, bool) or not isinstance(power, int) or power < 0:
            raise ValueError(f"representation ** power: a whole number, got {power!r}")
        out: Representation = Scalar(self.group)
        for _ in range(power):
            out = out * self
        return out


def _require_same_group(left: Representation, right: object, sign: str) -> Representation:
    if not isinstance(right, Representation):
        raise TypeError(f"representation {sign} other: a representation, got {type(right).__name__}")
    if left.group != right.group:
        raise ValueError(
            f"representation {sign} other: both of one group, got {left.group} and {right.group}; "
            f"pull one back with .along(hom)"
        )
    return right


def direct_sum(*parts: tuple[int, Representation], group: Group) -> Representation:
    """Joins parts; neighbours that are equal become one part with a larger multiplicity."""
    merged: list[tuple[int, Representation]] = []
    for m, part in parts:
        if m == 0:
            continue
        if merged and merged[-1][1] == part:
            merged[-1] = (merged[-1][0] + m, part)
        else:
            merged.append((m, part))
    if len(merged) == 1 and merged[0][0] == 1:
        return merged[0][1]
    return Sum(group, tuple(merged))


def tensor_product(a: Representation, b: Representation) -> Representation:
    """The product of two parts; a scalar factor changes nothing, and brackets do not matter."""
    if isinstance(a, Scalar):
        return b
    if isinstance(b, TensorProduct):
        return TensorProduct(tensor_product(a, b.first), b.second)
    return a if isinstance(b, Scalar) else TensorProduct(a, b)


@dataclass(frozen=True)
class Scalar(Representation):
    """One number that the group does not move. Alone, it describes a tensor of invariant numbers of any shape."""

    group: Group
    event_dim = 0

    @property
    def dim(self) -> int:
        return 1

    def rho(self, g: Element) -> Tensor:
        return torch.ones(*self.group.batch_shape(g), 1, 1, dtype=dtype_of(g), device=device_of(g))

    def drho(self, A: Element) -> Tensor:
        return torch.zeros(*self.group.algebra_shape(A), 1, 1, dtype=dtype_of(A), device=device_of(A))

    @property
    def permutes(self) -> bool:
        return True

    def permutation(self, g: Element) -> Tensor:
        return torch.zeros(*self.group.batch_shape(g), 1, dtype=torch.long, device=device_of(g))

    @property
    def orthogonal(self) -> bool:
        return True

    def __call__(self, g: Element, x: Any) -> Any:
        return x

    def tangent(self, A: Element, x: Any) -> Any:
        return torch.zeros_like(x)

    def check(self, x: Any, name: str = "x") -> None:
        require_real(x, name, repr(self))

    def bind(self, sizes: Mapping[str, int]) -> Scalar:
        return Scalar(self.group.bind(sizes))

    def _along(self, hom: Hom) -> Scalar:
        return Scalar(hom.source)

    def __repr__(self) -> str:
        return f"Scalar({self.group})"


@dataclass(frozen=True)
class Vector(Representation):
    """The group's own matrices. Of SE, E and Affine it is the linear part: vectors rotate but do not move.

    ``Vector(Symmetric(n))`` permutes n coordinates, ``Vector(Cyclic(n))`` turns the plane.

    Example:
        >>> from erlangen.groups import E, O
        >>> V = Vector(E(3))
        >>> (3 * Scalar(E(3)) + V + V * V).dim
        15
        >>> Vector(O(3)).along(Hom.canonical(E(3), O(3))) == V
        True
    """

    group: Group

    def __post_init__(self) -> None:
        if not self.group.names:
            _ = self.group.matrix_dim

    @property
    def dim(self) -> int:
        return self.group.matrix_dim

    def rho(self, g: Element) -> Tensor:
        return self.group.matrix(g)

    def drho(self, A: Element) -> Tensor:
        return self.group.matrix_tangent(A)

    @property
    def permutes(self) -> bool:
        return isinstance(self.group, Symmetric)

    def permutation(self, g: Element) -> Tensor:
        return g if isinstance(self.group, Symmetric) and isinstance(g, Tensor) else super().permutation(g)

    @property
    def orthogonal(self) -> bool:
        return self.group.orthogonal

    def sizes(self, x: Any) -> dict[str, int]:
        return {name: x.shape[-1] for name in self.group.names}

    def bind(self, sizes: Mapping[str, int]) -> Vector:
        return Vector(self.group.bind(sizes))

    def _along(self, hom: Hom) -> Representation:
        # "The linear part of" is what Vector means anyway: one way to say it, so that equal things compare equal.
        *before, last = hom.steps()
        if not isinstance(last, LinearPart):
            return PulledRepresentation(self, hom)
        out: Representation = Vector(last.source)
        for step in reversed(before):
            out = out.along(step)
        return out

    def __repr__(self) -> str:
        return f"Vector({self.group})"


@dataclass(frozen=True)
class Dual(Representation):
    """The contragredient of a representation that is not orthogonal."""

    base: Representation

    @property
    def group(self) -> Group:  # type: ignore[override]
        return self.base.group

    @property
    def dim(self) -> int:
        return self.base.dim

    def rho(self, g: Element) -> Tensor:
        return self.base.rho(self.group.inverse(g)).mT

    def drho(self, A: Element) -> Tensor:
        return -self.base.drho(A).mT

    @property
    def dual(self) -> Representation:
        return self.base

    def sizes(self, x: Any) -> dict[str, int]:
        return self.base.sizes(x)

    def bind(self, sizes: Mapping[str, int]) -> Representation:
        return self.base.bind(sizes).dual

    def _along(self, hom: Hom) -> Representation:
        return self.base.along(hom).dual

    def __repr__(self) -> str:
        return f"{self.base!r}.dual"


@dataclass(frozen=True)
class TensorProduct(Representation):
    """The product of two parts, on the flattened outer product ``x[a] y[b]`` with ``b`` running fastest."""

    first: Representation
    second: Representation

    @property
    def group(self) -> Group:  # type: ignore[override]
        return self.first.group

    @property
    def dim(self) -> int:
        return self.first.dim * self.second.dim

    def rho(self, g: Element) -> Tensor:
        return _kron(self.first.rho(g), self.second.rho(g))

    def drho(self, A: Element) -> Tensor:
        a, b = self.first.drho(A), self.second.drho(A)
        one_a = torch.eye(self.first.dim, dtype=a.dtype, device=a.device)
        one_b = torch.eye(self.second.dim, dtype=b.dtype, device=b.device)
        return _kron(a, one_b) + _kron(one_a, b)

    @property
    def permutes(self) -> bool:
        return self.first.permutes and self.second.permutes

    def permutation(self, g: Element) -> Tensor:
        a, b = self.first.permutation(g), self.second.permutation(g)
        return (a[..., :, None] * self.second.dim + b[..., None, :]).flatten(-2)

    @property
    def orthogonal(self) -> bool:
        return self.first.orthogonal and self.second.orthogonal

    @property
    def dual(self) -> Representation:
        return self if self.orthogonal else TensorProduct(self.first.dual, self.second.dual)

    def __call__(self, g: Element, x: Any) -> Any:
        if x.shape[-1] != self.dim:
            raise ValueError(f"the last axis of x must have size {self.dim}, got shape {tuple(x.shape)}")
        wide = torch.promote_types(dtype_of(g), x.dtype)  # rounded once, not once per factor
        grid = self.second(g, x.to(wide).unflatten(-1, (self.first.dim, self.second.dim)))
        return self.first(g, grid.mT).mT.flatten(-2).to(x.dtype)

    def sizes(self, x: Any) -> dict[str, int]:
        if self.group.names and self.first == self.second == Vector(self.group):
            n = round(x.shape[-1] ** 0.5)
            return {name: n for name in self.group.names}
        return {}

    def bind(self, sizes: Mapping[str, int]) -> Representation:
        return TensorProduct(self.first.bind(sizes), self.second.bind(sizes))

    def _along(self, hom: Hom) -> Representation:
        return self.first.along(hom) * self.second.along(hom)

    def __repr__(self) -> str:
        return f"{self.first!r} * {self.second!r}"


@dataclass(frozen=True)
class Sum(Representation):
    """Parts side by side on the feature axis, each as often as its multiplicity says."""

    group: Group
    summands: tuple[tuple[int, Representation], ...]

    @property
    def parts(self) -> tuple[tuple[int, Representation], ...]:
        return self.summands

    @property
    def dim(self) -> int:
        return sum(m * part.dim for m, part in self.summands)

    def _block_diagonal(self, blocks: list[tuple[int, Tensor]], k: torch.Size) -> Tensor:
        dtype = dtype_of(tuple(block for _, block in blocks))
        device = blocks[0][1].device if blocks else None
        out = torch.zeros(*k, self.dim, self.dim, dtype=dtype, device=device)
        at = 0
        for m, block in blocks:
            d = block.shape[-1]
            for _ in range(m):
                out[..., at : at + d, at : at + d] = block
                at += d
        return out

    def rho(self, g: Element) -> Tensor:
        return self._block_diagonal([(m, part.rho(g)) for m, part in self.summands], self.group.batch_shape(g))

    def drho(self, A: Element) -> Tensor:
        return self._block_diagonal([(m, part.drho(A)) for m, part in self.summands], self.group.algebra_shape(A))

    @property
    def orthogonal(self) -> bool:
        return all(part.orthogonal for _, part in self.summands)

    @property
    def dual(self) -> Representation:
        return direct_sum(*((m, part.dual) for m, part in self.summands), group=self.group)

    def __call__(self, g: Element, x: Any) -> Any:
        return self._by_parts(x, lambda part, block: part(g, block))

    def tangent(self, A: Element, x: Any) -> Any:
        return self._by_parts(x, lambda part, block: part.tangent(A, block))

    def _by_parts(self, x: Tensor, move: Any) -> Tensor:
        if x.shape[-1] != self.dim:
            raise ValueError(f"the last axis of x must have size {self.dim}, got shape {tuple(x.shape)}")
        blocks = x.split([m * part.dim for m, part in self.summands], dim=-1)
        moved = [
            move(part, block.unflatten(-1, (m, part.dim))).flatten(-2)
            for (m, part), block in zip(self.summands, blocks, strict=True)
        ]
        # A scalar part is returned as it came and may still have K axes of size one.
        if not moved:
            return x
        leading = torch.broadcast_shapes(*(b.shape[:-1] for b in moved))
        return torch.cat([b.expand(*leading, b.shape[-1]) for b in moved], dim=-1)

    def sizes(self, x: Any) -> dict[str, int]:
        if not self.group.names or not all(part == Vector(self.group) for _, part in self.summands):
            return {}
        copies = sum(m for m, _ in self.summands)
        return {name: x.shape[-1] // copies for name in self.group.names}

    def bind(self, sizes: Mapping[str, int]) -> Representation:
        group = self.group.bind(sizes)
        return direct_sum(*((m, part.bind(sizes)) for m, part in self.summands), group=group)

    def _along(self, hom: Hom) -> Representation:
        return direct_sum(*((m, part.along(hom)) for m, part in self.summands), group=hom.source)

    def __repr__(self) -> str:
        if not self.summands:
            return f"0 * Scalar({self.group})"
        return " + ".join(f"{m} * {part!r}" if m > 1 else repr(part) for m, part in self.summands)


@dataclass(frozen=True)
class PulledRepresentation(Representation):
    """A representation of ``hom.target`` seen as one of ``hom.source``."""

    base: Representation
    hom: Hom

    @property
    def group(self) -> Group:  # type: ignore[override]
        return self.hom.source

    @property
    def dim(self) -> int:
        return self.base.dim

    def rho(self, g: Element) -> Tensor:
        return self.base.rho(self.hom(g))

    def drho(self, A: Element) -> Tensor:
        return self.base.drho(self.hom.on_algebra(A))

    @property
    def permutes(self) -> bool:
        return self.base.permutes

    def permutation(self, g: Element) -> Tensor:
        return self.base.permutation(self.hom(g))

    @property
    def orthogonal(self) -> bool:
        return self.base.orthogonal

    @property
    def dual(self) -> Representation:
        return self if self.orthogonal else PulledRepresentation(self.base.dual, self.hom)

    def __call__(self, g: Element, x: Any) -> Any:
        return self.base(self.hom(g), x)

    def sizes(self, x: Any) -> dict[str, int]:
        return self.base.sizes(x)

    def bind(self, sizes: Mapping[str, int]) -> Representation:
        return cast(Representation, self.base.bind(sizes).along(self.hom.bind(sizes)))

    def _along(self, hom: Hom) -> Representation:
        return self.base.along(hom.then(self.hom))

    def __repr__(self) -> str:
        return f"{self.base!r}{describe(self.hom)}"


def PseudoScalar(group: Group) -> Representation:
    """One number that changes sign under reflections: the vector of ``O(1)``, pulled back along the sign.

    Example:
        >>> from erlangen.groups import O
        >>> PseudoScalar(O(3)).rho(-torch.eye(3))
        tensor([[-1.]])
    """
    return Vector(O(1)).along(Sign(group))
