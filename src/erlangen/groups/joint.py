"""Several groups acting on one space at once, and groups of matrices seen inside a larger one."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from erlangen.groups.affine import _Affine
from erlangen.groups.element import Element, tensors
from erlangen.groups.grammar import parse_group
from erlangen.groups.group import Group, Product
from erlangen.groups.hom import Embed, Factor, Fork, Hom, Identity
from erlangen.groups.matrix import Scaling


@dataclass(frozen=True)
class Joint(Hom):
    r"""Commuting maps into one group, multiplied: :math:`g \mapsto f_1(g)\, f_2(g) \cdots`.

    So a product acts on one space through all its factors: rotations and changes of scale, for instance.

    Args:
        source: where every map starts, mostly a :class:`Product`.
        maps: homomorphisms from ``source`` into one group, whose images commute with one another.

    Raises:
        ValueError: when there is no map, they do not share source and target, or two images do not commute.

    Example:
        >>> from erlangen.groups import GL, SO, Scaling, Vector
        >>> G = SO(3) * Scaling()
        >>> both = Joint(G, (Factor(G, 0).then(Embed(SO(3), GL(3))), Factor(G, 1).then(Embed(Scaling(), GL(3)))))
        >>> Vector(GL(3)).along(both).dim
        3
    """

    target: Group = field(init=False)
    maps: tuple[Hom, ...]

    def __post_init__(self) -> None:
        if not self.maps:
            raise ValueError("Joint(source, maps): at least one map, got none")
        for m in self.maps:
            if m.source != self.source or m.target != self.maps[0].target:
                raise ValueError(
                    f"Joint(source, maps): maps from {self.source} into one group, here {self.maps[0].target}, got one "
                    f"from {m.source} to {m.target}"
                )
        object.__setattr__(self, "target", self.maps[0].target)
        # Checked on elements, as `Embed` does: each image of one map against each of another.
        probe = torch.Generator().manual_seed(0)
        tried = [self.source.sample(8, generator=probe), *self.source.generators()]
        for f, h in itertools.combinations(self.maps, 2):
            for a, b in itertools.product(tried, tried):
                left, right = f(a), h(b)
                there, back = self.target.compose(left, right), self.target.compose(right, left)
                if not all(torch.allclose(t, s, atol=1e-8) for t, s in zip(tensors(there), tensors(back), strict=True)):
                    raise ValueError(f"Joint(source, maps): two of the maps do not commute in {self.target}")

    def __call__(self, g: Element) -> Element:
        out = self.maps[0](g)
        for m in self.maps[1:]:
            out = self.target.compose(out, m(g))
        return out

    def on_algebra(self, A: Element) -> Element:
        out = self.maps[0].on_algebra(A)
        for m in self.maps[1:]:
            out = _added(out, m.on_algebra(A))
        return out


def _added(a: Element, b: Element) -> Element:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a + b
    return tuple(_added(x, y) for x, y in zip(a, b, strict=True))


def inclusion(candidate: Group | Hom | str, target: Group) -> Hom:
    """How a group of matrices stands in a larger one that acts on the same space.

    Groups are embedded as they are, ``Scaling()`` as a factor common to all axes. Where the candidate is a map (as
    :func:`parse_group` gives, "O(2)@xy") whose target is another group than ``target``, that one is embedded in turn.
    The factors of a product act at once (:class:`Joint`), and have to commute.

    Args:
        candidate: a group, a homomorphism, or a group in words.
        target: the group whose representations describe the data.

    Raises:
        TypeError: when the candidate is none of these.
        ValueError: when it does not fit into ``target``, or it moves points by translations, which no linear map sees.

    Example:
        >>> from erlangen.groups import GL, SO, Vector
        >>> inclusion("O(2)@xy", GL(3)).source
        O(2)
        >>> rep = Vector(GL(3)).along(inclusion("SO(3)*Scaling", GL(3)))
        >>> rep.group, rep.dim
        (SO(3)*Scaling(), 3)
    """
    if not isinstance(candidate, Group | Hom | str):
        raise TypeError(f"inclusion(candidate): a group, a Hom or a group in words, got {type(candidate).__name__}")
    return _included(candidate, target)


@lru_cache(maxsize=256)
def _included(candidate: Group | Hom | str, target: Group) -> Hom:
    # Kept, for penalties ask in every step, and that maps are homomorphisms is checked on elements.
    if isinstance(candidate, str):
        candidate = parse_group(candidate)
    return _continued(candidate if isinstance(candidate, Hom) else Identity(candidate), target)


def _continued(hom: Hom, target: Group) -> Hom:
    if hom.target == target:
        return hom
    last = hom.steps()[-1]
    if isinstance(last, Fork):
        joint = Joint(last.source, tuple(_continued(m, target) for m in last.maps))
        return _before(hom).then(joint)
    if isinstance(hom.target, Product):
        product = hom.target
        parts = tuple(_continued(Factor(product, i), target) for i in range(len(product.factors)))
        return hom.then(Joint(product, parts))
    if isinstance(hom.target, _Affine):
        raise ValueError(
            f"inclusion: {hom.target} also translates, which no linear map of {target} does; take its linear part, "
            f"{hom.target.linear}"
        )
    try:
        own, size = hom.target.matrix_dim, target.matrix_dim
        if own != size and not isinstance(hom.target, Scaling):
            raise ValueError(f"its matrices are {own} by {own}, not {size} by {size}; say on which axes, as in O(2)@xy")
        return hom.then(Embed(hom.target, target))
    except ValueError as error:
        raise ValueError(f"inclusion: {hom.target} has no place in {target} ({error})") from error


def _before(hom: Hom) -> Hom:
    """All steps but the last."""
    first, *rest = (Identity(hom.source), *hom.steps()[:-1])
    out: Hom = first
    for step in rest:
        out = out.then(step)
    return out
