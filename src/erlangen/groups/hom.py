"""Homomorphisms: how one group stands inside, above or beside another.

Restriction, velocities that rotate but do not move, parity, pseudo-scalars and the factors of a product are all the
same thing: pulling an action back along a homomorphism.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from erlangen.groups.affine import _Affine
from erlangen.groups.conformal import _Conformal
from erlangen.groups.element import Element, device_of, dtype_of
from erlangen.groups.group import Group, Product, Trivial
from erlangen.groups.matrix import O, Scaling


@dataclass(frozen=True)
class Hom:
    """A homomorphism from ``source`` to ``target``; subclass it, or use one of those below.

    Raises:
        ValueError: from the constructors, when source and target do not fit.
    """

    source: Group
    target: Group

    def __call__(self, g: Element) -> Element:
        """The image of a group element."""
        raise NotImplementedError(f"{type(self).__name__} does not say where an element goes")

    def on_algebra(self, A: Element) -> Element:
        """The derivative at the identity: the image of an algebra element."""
        raise NotImplementedError(f"{type(self).__name__} does not say where an algebra element goes")

    def bind(self, sizes: Mapping[str, int]) -> Hom:
        """The same map between groups whose named sizes are known."""
        return self

    def steps(self) -> tuple[Hom, ...]:
        """The maps that this one is composed of."""
        return (self,)

    def then(self, other: Hom) -> Hom:
        """The composition: this map first, then ``other``."""
        if isinstance(self, Identity):
            return other
        if isinstance(other, Compose):
            return self.then(other.first).then(other.second)
        return self if isinstance(other, Identity) else Compose(self, other)

    @staticmethod
    def canonical(source: Group, target: Group) -> Hom:
        """The one obvious map: identity, factor, linear or orthogonal part, or the map to ``Trivial()``.

        Affine groups have a linear part, CO and CSO (also as the linear part of an affine group) an orthogonal one.

        Raises:
            ValueError: when there is none, or more than one.

        Example:
            >>> from erlangen.groups import E, O, Symmetric
            >>> Hom.canonical(Symmetric("n") * E(3), O(3)).target
            O(3)
        """
        if source == target:
            return Identity(source)
        if isinstance(target, Trivial):
            return Collapse(source)
        if isinstance(target, Product):
            return Fork(source, tuple(_to_factor(source, target, i) for i in range(len(target.factors))))
        if isinstance(source, Product):
            return _through_a_factor(source, target)
        if isinstance(source, _Affine) and source.linear == target:
            return LinearPart(source)
        if isinstance(source, _Affine) and isinstance(source.linear, _Conformal):
            return LinearPart(source).then(Hom.canonical(source.linear, target))
        if isinstance(source, _Conformal) and source.orthogonal_part == target:
            return OrthogonalPart(source)
        raise ValueError(
            f"there is no canonical homomorphism from {source} to {target}: pass one, for instance "
            f"action.along(Embed({source}, {target}))"
        )


def _to_factor(source: Group, target: Product, i: int) -> Hom:
    # Where a factor stands several times, the k-th goes to the k-th; fewer would have to be doubled, which is a guess.
    factor = target.factors[i]
    copies = target.factors.count(factor)
    if copies == 1 or isinstance(factor, Trivial):
        return Hom.canonical(source, factor)
    places = [j for j, f in enumerate(source.factors) if f == factor] if isinstance(source, Product) else []
    if len(places) != copies:
        raise ValueError(
            f"there is no canonical homomorphism from {source} to {target}: {factor} stands {copies} times in one "
            f"and {len(places)} times in the other; pass one, for instance action.along(Fork({source}, (..., ...)))"
        )
    return Factor(source, places[target.factors[:i].count(factor)])


def _through_a_factor(source: Product, target: Group) -> Hom:
    found: list[Hom] = [Factor(source, i) for i, factor in enumerate(source.factors) if factor == target]
    if not found:
        for i, factor in enumerate(source.factors):
            try:
                found.append(Factor(source, i).then(Hom.canonical(factor, target)))
            except ValueError:
                continue
    if len(found) == 1:
        return found[0]
    why = "no factor leads there" if not found else "more than one factor leads there"
    raise ValueError(
        f"there is no canonical homomorphism from {source} to {target}, {why}: pass one, for instance "
        f"action.along(Factor({source}, 0))"
    )


@dataclass(frozen=True)
class Identity(Hom):
    """Every element to itself."""

    target: Group = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", self.source)

    def __call__(self, g: Element) -> Element:
        return g

    def on_algebra(self, A: Element) -> Element:
        return A

    def bind(self, sizes: Mapping[str, int]) -> Identity:
        return Identity(self.source.bind(sizes))


@dataclass(frozen=True)
class Collapse(Hom):
    """Every element to the identity of ``Trivial()``: what is fixed does not see the group."""

    target: Group = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", Trivial())

    def __call__(self, g: Element) -> Element:
        return Trivial().identity(*self.source.batch_shape(g), device=device_of(g))

    def on_algebra(self, A: Element) -> Element:
        return Trivial().zero(*self.source.algebra_shape(A), dtype=dtype_of(A), device=device_of(A))

    def bind(self, sizes: Mapping[str, int]) -> Collapse:
        return Collapse(self.source.bind(sizes))


@dataclass(frozen=True)
class Factor(Hom):
    """The projection of a product onto its factor number ``index``."""

    target: Group = field(init=False)
    index: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.source, Product) or not 0 <= self.index < len(self.source.factors):
            raise ValueError(f"Factor(product, index): {self.source} has no factor number {self.index}")
        object.__setattr__(self, "target", self.source.factors[self.index])

    def __call__(self, g: Element) -> Element:
        assert isinstance(self.source, Product)
        return self.source.entries(g)[self.index]

    def on_algebra(self, A: Element) -> Element:
        assert isinstance(self.source, Product)
        return self.source.entries(A)[self.index]

    def bind(self, sizes: Mapping[str, int]) -> Factor:
        return Factor(self.source.bind(sizes), self.index)


@dataclass(frozen=True)
class LinearPart(Hom):
    """The linear part ``H`` of an affine map ``x -> H x + t``."""

    target: Group = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.source, _Affine):
            raise ValueError(f"LinearPart(group): SE, E, Affine or Translation, got {self.source}")
        object.__setattr__(self, "target", self.source.linear)

    def __call__(self, g: Element) -> Element:
        if isinstance(self.target, Trivial):
            return Trivial().identity(*self.source.batch_shape(g), device=device_of(g))
        return self.source.matrix(g)

    def on_algebra(self, A: Element) -> Element:
        if isinstance(self.target, Trivial):
            return Trivial().zero(*self.source.algebra_shape(A), dtype=dtype_of(A), device=device_of(A))
        return self.source.matrix_tangent(A)


@dataclass(frozen=True)
class OrthogonalPart(Hom):
    """The orthogonal part ``Q`` of a map ``s Q``: how unit vectors turn where lengths are scaled."""

    target: Group = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.source, _Conformal):
            raise ValueError(f"OrthogonalPart(group): CO or CSO, got {self.source}")
        object.__setattr__(self, "target", self.source.orthogonal_part)

    def __call__(self, g: Element) -> Element:
        assert isinstance(self.source, _Conformal) and isinstance(g, Tensor)
        return g / self.source.scale(g)[..., None, None]

    def on_algebra(self, A: Element) -> Element:
        assert isinstance(A, Tensor)
        trace = A.diagonal(dim1=-2, dim2=-1).mean(-1)
        return A - trace[..., None, None] * torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)


@dataclass(frozen=True)
class Embed(Hom):
    """A matrix group acting in the coordinate ``axes`` of a larger space, the identity on the others.

    ``Scaling()`` embeds as a common factor of the axes. Affine groups embed with their translations.

    Example:
        >>> from erlangen.groups import O
        >>> Embed(O(2), O(3), axes=(0, 1)).target
        O(3)
    """

    axes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        into = self.target.matrix_dim
        size = into if isinstance(self.source, Scaling) else self.source.matrix_dim
        axes = self.axes or tuple(range(size))
        if len(set(axes)) != len(axes) or any(not 0 <= a < into for a in axes):
            raise ValueError(f"Embed(..., axes): different axes among 0..{into - 1}, got {axes}")
        if not isinstance(self.source, Scaling) and len(axes) != size:
            raise ValueError(f"Embed({self.source}, {self.target}, axes): {size} axes, got {axes}")
        moves = isinstance(self.source, _Affine)
        if moves and not isinstance(self.target, _Affine):
            raise ValueError(f"Embed: {self.source} translates, but {self.target} has no translations")
        # Orthogonal sits in every linear group, GL only in GL: checked on elements, because it is exact and short.
        object.__setattr__(self, "axes", tuple(axes))
        probe = torch.Generator().manual_seed(0)
        inside = self.target.contains(self(self.source.sample(8, generator=probe)))
        reach = [self.target.contains(self(g)) for g in self.source.generators()]
        if not bool(inside.all()) or not all(bool(r) for r in reach):
            raise ValueError(f"Embed: {self.source} does not fit into {self.target}")

    def _into(self, small: Tensor, background: Tensor) -> Tensor:
        index = torch.tensor(self.axes, device=small.device)
        background[..., index[:, None], index] = small
        return background

    def _linear(self, m: Tensor) -> Tensor:
        if isinstance(self.source, Scaling):
            return m * torch.eye(len(self.axes), dtype=m.dtype, device=m.device)
        return m

    def __call__(self, g: Element) -> Element:
        m = self._linear(self.source.matrix(g))
        n, k = self.target.matrix_dim, m.shape[:-2]
        big = self._into(m, torch.eye(n, dtype=m.dtype, device=m.device).expand(*k, n, n).clone())
        if not isinstance(self.target, _Affine):
            return big
        t = torch.zeros(*k, n, dtype=m.dtype, device=m.device)
        if isinstance(self.source, _Affine):
            t[..., list(self.axes)] = self.source.translation(g)
        return self.target.pack(big, t)

    def on_algebra(self, A: Element) -> Element:
        m = self._linear(self.source.matrix_tangent(A))
        n = self.target.matrix_dim
        big = self._into(m, m.new_zeros(*m.shape[:-2], n, n))
        if not isinstance(self.target, _Affine):
            return big
        big = torch.nn.functional.pad(big, (0, 1, 0, 1))
        if isinstance(self.source, _Affine):
            big[..., list(self.axes), n] = self.source.translation(A)
        return big


@dataclass(frozen=True)
class Sign(Hom):
    """The sign of the determinant, as an element of ``O(1)``; for permutations their parity."""

    target: Group = field(init=False)

    def __post_init__(self) -> None:
        if not self.source.names:
            _ = self.source.matrix_dim
        object.__setattr__(self, "target", O(1))

    def __call__(self, g: Element) -> Element:
        return torch.linalg.det(self.source.matrix(g)).sign()[..., None, None]

    def on_algebra(self, A: Element) -> Element:
        return O(1).zero(*self.source.algebra_shape(A), dtype=dtype_of(A), device=device_of(A))

    def bind(self, sizes: Mapping[str, int]) -> Sign:
        return Sign(self.source.bind(sizes))


@dataclass(frozen=True)
class Compose(Hom):
    """One map after the other."""

    source: Group = field(init=False)
    target: Group = field(init=False)
    first: Hom
    second: Hom

    def __post_init__(self) -> None:
        if self.first.target != self.second.source:
            raise ValueError(
                f"Compose: the first map ends in {self.first.target}, the second starts in {self.second.source}"
            )
        object.__setattr__(self, "source", self.first.source)
        object.__setattr__(self, "target", self.second.target)

    def __call__(self, g: Element) -> Element:
        return self.second(self.first(g))

    def on_algebra(self, A: Element) -> Element:
        return self.second.on_algebra(self.first.on_algebra(A))

    def steps(self) -> tuple[Hom, ...]:
        return (*self.first.steps(), *self.second.steps())

    def bind(self, sizes: Mapping[str, int]) -> Compose:
        return Compose(self.first.bind(sizes), self.second.bind(sizes))


@dataclass(frozen=True)
class Fork(Hom):
    """Several maps at once: ``g -> (f1(g), f2(g), ...)``, into the product of their targets."""

    target: Group = field(init=False)
    maps: tuple[Hom, ...]

    def __post_init__(self) -> None:
        for m in self.maps:
            if m.source != self.source:
                raise ValueError(f"Fork: every map must start in {self.source}, got one that starts in {m.source}")
        object.__setattr__(self, "target", Product(*(m.target for m in self.maps)))

    def __call__(self, g: Element) -> Element:
        return tuple(m(g) for m in self.maps)

    def on_algebra(self, A: Element) -> Element:
        return tuple(m.on_algebra(A) for m in self.maps)

    def bind(self, sizes: Mapping[str, int]) -> Fork:
        return Fork(self.source.bind(sizes), tuple(m.bind(sizes) for m in self.maps))
