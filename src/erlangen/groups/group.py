"""The interface of a group, and the two groups that are built from nothing else: the trivial one and products."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from erlangen.groups.element import Element, device_of, dtype_of, map_element

#: Finite groups with more elements than this are never enumerated.
MAX_ENUMERATED = 50_000


class Group:
    """Who acts. Elements are tensors with batch axes ``K`` on the left; a product's elements are tuples.

    Groups are frozen, hashable, comparable by structure and picklable. An element of the Lie algebra has the layout of
    a group element; discrete groups have an algebra of dimension zero, whose elements have shape ``(*K, 0)``.

    Attributes:
        element_dim: number of trailing axes of one element (2 for matrices, 1 for permutations, 0 for counters).
    """

    element_dim: int

    def sample(
        self,
        *shape: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
    ) -> Element:
        """Draws elements of batch shape ``shape``: Haar on compact groups, a documented proposal on the others."""
        raise NotImplementedError(f"{self} does not say how to sample")

    def identity(
        self, *shape: int, dtype: torch.dtype = torch.float64, device: torch.device | str | None = None
    ) -> Element:
        """The neutral element, repeated to the batch shape ``shape``."""
        raise NotImplementedError(f"{self} does not say what its identity is")

    def compose(self, g: Element, h: Element) -> Element:
        """The product ``g h``: first ``h`` acts, then ``g``. Batch axes broadcast."""
        raise NotImplementedError(f"{self} does not say how to compose")

    def inverse(self, g: Element) -> Element:
        """The element that undoes ``g``."""
        raise NotImplementedError(f"{self} does not say how to invert")

    def contains(self, g: Element, tol: float = 1e-6) -> Tensor:
        """Whether each element belongs to the group, to absolute tolerance ``tol``; shape ``K``, boolean."""
        raise NotImplementedError(f"{self} does not say what it contains")

    def generators(self, dtype: torch.dtype = torch.float64, device: torch.device | str | None = None) -> list[Element]:
        """Discrete elements that, with :meth:`exp`, generate the group: they reach every connected component."""
        return []

    def algebra_basis(
        self, dtype: torch.dtype = torch.float64, device: torch.device | str | None = None
    ) -> list[Element]:
        """A basis of the Lie algebra, in the layout of group elements; empty for discrete groups."""
        return []

    def exp(self, A: Element) -> Element:
        """The exponential map, from the algebra to the component of the identity."""
        assert isinstance(A, Tensor)
        return self.identity(*A.shape[:-1], dtype=A.dtype, device=A.device)

    def zero(
        self, *shape: int, dtype: torch.dtype = torch.float64, device: torch.device | str | None = None
    ) -> Element:
        """The zero of the Lie algebra."""
        return torch.zeros(*shape, 0, dtype=dtype, device=device)

    def bind(self, sizes: Mapping[str, int]) -> Group:
        """Replaces named sizes by numbers: ``Symmetric("n").bind({"n": 7}) == Symmetric(7)``."""
        return self

    @property
    def names(self) -> frozenset[str]:
        """The sizes that are still names."""
        return frozenset()

    @property
    def order(self) -> int | None:
        """The number of elements, ``None`` when infinite."""
        return None

    def elements(self) -> Element:
        """All elements of a finite group, batch shape ``(order,)``, the identity first.

        Raises:
            ValueError: for infinite groups, and for finite ones of more than 50 000 elements.
        """
        raise ValueError(f"{self} has infinitely many elements: sample some instead")

    def index(self, g: Element) -> Tensor:
        """The place of each element in :meth:`elements`, shape ``K``, long."""
        raise ValueError(f"{self} is not finite: its elements have no index")

    @property
    def matrix_dim(self) -> int:
        """Size of :meth:`matrix`."""
        raise ValueError(f"{self} has no defining matrix: take Vector of one of its factors, or pull back along a Hom")

    def matrix(self, g: Element) -> Tensor:
        """The matrix by which ``g`` acts on vectors (free of translation), shape ``(*K, matrix_dim, matrix_dim)``."""
        raise ValueError(f"{self} has no defining matrix: take Vector of one of its factors, or pull back along a Hom")

    def matrix_tangent(self, A: Element) -> Tensor:
        """The derivative of :meth:`matrix` at the identity along the algebra element ``A``."""
        k = self.algebra_shape(A)
        return torch.zeros(*k, self.matrix_dim, self.matrix_dim, dtype=dtype_of(A), device=device_of(A))

    def translation(self, g: Element) -> Tensor | None:
        """The translation part of ``g``, shape ``(*K, n)``, or ``None`` when the group has none."""
        return None

    @property
    def orthogonal(self) -> bool:
        """Whether :meth:`matrix` is always orthogonal (a vector is then its own dual)."""
        return False

    @property
    def complex(self) -> bool:
        """Whether :meth:`matrix` is complex; then vectors are."""
        return False

    def batch_shape(self, g: Element) -> torch.Size:
        """The batch axes ``K`` of an element."""
        assert isinstance(g, Tensor)
        return g.shape[: g.ndim - self.element_dim]

    def algebra_shape(self, A: Element) -> torch.Size:
        """The batch axes of an algebra element."""
        assert isinstance(A, Tensor)
        return A.shape[:-1] if self.zero_dim == 1 else A.shape[: A.ndim - self.element_dim]

    @property
    def zero_dim(self) -> int:
        """Number of trailing axes of an algebra element: one (of size zero) for discrete groups."""
        return 1

    def __mul__(self, other: Group) -> Product:
        return Product(*_factors(self), *_factors(other))

    def require_enumerable(self) -> int:
        """The order, after checking that the group is small enough to list.

        Raises:
            ValueError: when it is infinite or too large.
        """
        order = self.order
        if order is None:
            raise ValueError(f"{self} has infinitely many elements: sample some instead")
        if order > MAX_ENUMERATED:
            raise ValueError(f"{self} has {order} elements, more than the {MAX_ENUMERATED} that are ever listed")
        return order


def require_size(n: object, group: str, smallest: int = 1) -> int:
    """Checks the size of a group.

    Raises:
        ValueError: naming the group, what it got and what it takes.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < smallest:
        raise ValueError(f"{group}(n): n must be an integer of at least {smallest}, got {n!r}")
    return n


def require_tensor(g: Element, group: Group) -> Tensor:
    """Checks that an element is a tensor.

    Raises:
        ValueError: when it is a tuple, as only products have.
    """
    if not isinstance(g, Tensor):
        raise ValueError(f"an element of {group} is a tensor, got {type(g).__name__}")
    return g


def _factors(group: Group) -> tuple[Group, ...]:
    return group.factors if isinstance(group, Product) else (group,)


@dataclass(frozen=True, repr=False)
class Trivial(Group):
    """The group of one element; elements are zeros of shape ``(*K,)``."""

    element_dim = 0

    def sample(self, *shape: int, generator=None, dtype=torch.float64, device=None) -> Tensor:
        return self.identity(*shape, device=device)

    def identity(self, *shape: int, dtype=torch.float64, device=None) -> Tensor:
        return torch.zeros(shape, dtype=torch.long, device=device)

    def compose(self, g: Element, h: Element) -> Element:
        assert isinstance(g, Tensor) and isinstance(h, Tensor)
        return g + h

    def inverse(self, g: Element) -> Element:
        return g

    def contains(self, g: Element, tol: float = 1e-6) -> Tensor:
        return require_tensor(g, self) == 0

    @property
    def order(self) -> int:
        return 1

    def elements(self) -> Tensor:
        return self.identity(1)

    def index(self, g: Element) -> Tensor:
        assert isinstance(g, Tensor)
        return g.long()

    def __repr__(self) -> str:
        return "Trivial()"


@dataclass(frozen=True, repr=False, init=False)
class Product(Group):
    """The direct product ``G * H * ...``; an element is a tuple with one entry per factor, all with the same ``K``.

    Example:
        >>> from erlangen.groups import E, Symmetric
        >>> Symmetric("n") * E(3)
        S(n)*E(3)
    """

    factors: tuple[Group, ...]

    def __init__(self, *factors: Group) -> None:
        flat = tuple(itertools.chain.from_iterable(_factors(f) for f in factors))
        if not flat:
            raise ValueError("Product needs at least one factor")
        names = [name for f in flat for name in f.names]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"the size {twice[0]!r} names two factors of a product: let one group act on both axes, "
                f"or give them two names"
            )
        object.__setattr__(self, "factors", flat)

    def entries(self, g: Element) -> tuple[Any, ...]:
        """The entries of an element (or algebra element), one per factor.

        Raises:
            ValueError: when it is no tuple of as many entries.
        """
        if not isinstance(g, tuple) or len(g) != len(self.factors):
            got = f"a tuple of {len(g)}" if isinstance(g, tuple) else f"a {type(g).__name__}"
            raise ValueError(f"an element of {self} is a tuple of {len(self.factors)} entries, got {got}")
        return g

    def _each(self, method: str, *elements: Any, **options: Any) -> tuple[Any, ...]:
        each = zip(self.factors, *map(self.entries, elements), strict=True)
        return tuple(getattr(f, method)(*entries, **options) for f, *entries in each)

    def sample(self, *shape: int, generator=None, dtype=torch.float64, device=None) -> tuple[Any, ...]:
        return tuple(f.sample(*shape, generator=generator, dtype=dtype, device=device) for f in self.factors)

    def identity(self, *shape: int, dtype=torch.float64, device=None) -> tuple[Any, ...]:
        return tuple(f.identity(*shape, dtype=dtype, device=device) for f in self.factors)

    def compose(self, g: Element, h: Element) -> tuple[Any, ...]:
        return self._each("compose", g, h)

    def inverse(self, g: Element) -> tuple[Any, ...]:
        return self._each("inverse", g)

    def contains(self, g: Element, tol: float = 1e-6) -> Tensor:
        first, *rest = self._each("contains", g, tol=tol)
        for other in rest:
            first = first & other
        return first

    def _inject(self, i: int, element: Element, neutral: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*neutral[:i], element, *neutral[i + 1 :])

    def generators(self, dtype=torch.float64, device=None) -> list[Element]:
        neutral = self.identity(dtype=dtype, device=device)
        return [
            self._inject(i, g, neutral)
            for i, f in enumerate(self.factors)
            for g in f.generators(dtype=dtype, device=device)
        ]

    def algebra_basis(self, dtype=torch.float64, device=None) -> list[Element]:
        neutral = self.zero(dtype=dtype, device=device)
        return [
            self._inject(i, a, neutral)
            for i, f in enumerate(self.factors)
            for a in f.algebra_basis(dtype=dtype, device=device)
        ]

    def exp(self, A: Element) -> tuple[Any, ...]:
        return self._each("exp", A)

    def zero(self, *shape: int, dtype=torch.float64, device=None) -> tuple[Any, ...]:
        return tuple(f.zero(*shape, dtype=dtype, device=device) for f in self.factors)

    def bind(self, sizes: Mapping[str, int]) -> Product:
        return Product(*(f.bind(sizes) for f in self.factors))

    @property
    def names(self) -> frozenset[str]:
        return frozenset().union(*(f.names for f in self.factors))

    @property
    def order(self) -> int | None:
        orders = [f.order for f in self.factors]
        return None if any(o is None for o in orders) else math.prod(o for o in orders if o is not None)

    def elements(self) -> tuple[Any, ...]:
        self.require_enumerable()
        grids = torch.cartesian_prod(*(torch.arange(f.order or 0) for f in self.factors)).reshape(-1, len(self.factors))
        return tuple(map_element(lambda t, i=i: t[grids[:, i]], f.elements()) for i, f in enumerate(self.factors))

    def index(self, g: Element) -> Tensor:
        place: Tensor | None = None
        for f, i in zip(self.factors, self._each("index", g), strict=True):
            place = i if place is None else place * (f.order or 1) + i
        assert place is not None
        return place

    def batch_shape(self, g: Element) -> torch.Size:
        return torch.broadcast_shapes(*self._each("batch_shape", g))

    def algebra_shape(self, A: Element) -> torch.Size:
        return torch.broadcast_shapes(*self._each("algebra_shape", A))

    def __repr__(self) -> str:
        return "*".join(map(repr, self.factors))
