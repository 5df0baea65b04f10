"""Finite groups: cyclic groups, permutations and signed permutations."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from erlangen.groups.element import Element
from erlangen.groups.group import Group, require_size, require_tensor


def _device(generator: torch.Generator | None) -> torch.device | str:
    return generator.device if generator is not None else "cpu"


@dataclass(frozen=True, repr=False)
class Cyclic(Group):
    """Integers modulo n, long tensors of shape ``(*K,)``; ``Vector`` of it rotates the plane by 2 pi k / n."""

    n: int
    element_dim = 0

    def __post_init__(self) -> None:
        require_size(self.n, "Cyclic")

    def sample(self, *shape: int, generator=None, dtype=torch.float64, device=None) -> Tensor:
        return torch.randint(self.n, shape, generator=generator, device=_device(generator)).to(device=device)

    def identity(self, *shape: int, dtype=torch.float64, device=None) -> Tensor:
        return torch.zeros(shape, dtype=torch.long, device=device)

    def compose(self, g: Element, h: Element) -> Tensor:
        assert isinstance(g, Tensor) and isinstance(h, Tensor)
        return (g + h) % self.n

    def inverse(self, g: Element) -> Tensor:
        assert isinstance(g, Tensor)
        return -g % self.n

    def contains(self, g: Element, tol: float = 1e-6) -> Tensor:
        g = require_tensor(g, self)
        return (g >= 0) & (g < self.n) & (not g.is_floating_point())

    def generators(self, dtype=torch.float64, device=None) -> list[Element]:
        return [torch.tensor(1, device=device)] if self.n > 1 else []

    @property
    def order(self) -> int:
        return self.n

    def elements(self) -> Tensor:
        return torch.arange(self.require_enumerable())

    def index(self, g: Element) -> Tensor:
        assert isinstance(g, Tensor)
        return g.long()

    @property
    def matrix_dim(self) -> int:
        return 2

    def matrix(self, g: Element) -> Tensor:
        assert isinstance(g, Tensor)
        angle = g.double() * (2 * math.pi / self.n)
        c, s = angle.cos(), angle.sin()
        return torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)

    @property
    def orthogonal(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"Cyclic({self.n})"


def _permutation_rank(p: Tensor) -> Tensor:
    """The place of each permutation in lexicographic order (its Lehmer code read as a factorial number)."""
    n = p.shape[-1]
    later = torch.ones(n, n, dtype=torch.bool, device=p.device).triu(1)
    smaller_later = ((p[..., None, :] < p[..., :, None]) & later).sum(-1)
    weights = torch.tensor([math.factorial(n - 1 - i) for i in range(n)], device=p.device)
    return (smaller_later * weights).sum(-1)


def _permutation_matrix(p: Tensor) -> Tensor:
    """Matrix with ``M[p[i], i] = 1``, so that ``(M x)[p[i]] = x[i]``."""
    return torch.nn.functional.one_hot(p, p.shape[-1]).mT.double()


@dataclass(frozen=True, repr=False)
class Symmetric(Group):
    """Permutations of n things, long tensors of shape ``(*K, n)``; ``g[i]`` is where thing ``i`` goes.

    They act from the left, ``(g.x)[g[i]] = x[i]``, and ``compose(g, h) = g[h]``. ``Symmetric("n")`` has a size that is
    only known from the data: :meth:`bind` gives it, and two axes with the same name are permuted together.

    Example:
        >>> Symmetric("n"), Symmetric("n").bind({"n": 3})
        (S(n), S(3))
        >>> S3, cycle = Symmetric(3), torch.tensor([1, 2, 0])
        >>> S3.compose(cycle, cycle)
        tensor([2, 0, 1])
    """

    n: int | str
    element_dim = 1

    def __post_init__(self) -> None:
        if isinstance(self.n, str):
            if not self.n.isidentifier():
                raise ValueError(f"Symmetric(name): a name is an identifier such as 'n', got {self.n!r}")
        else:
            require_size(self.n, "Symmetric")

    @property
    def size(self) -> int:
        """The number of permuted things.

        Raises:
            ValueError: while the size is a name.
        """
        if isinstance(self.n, str):
            raise ValueError(f"{self} has no size yet: bind it, as in Symmetric({self.n!r}).bind({{{self.n!r}: 7}})")
        return self.n

    def bind(self, sizes: Mapping[str, int]) -> Symmetric:
        return Symmetric(sizes[self.n]) if isinstance(self.n, str) and self.n in sizes else self

    @property
    def names(self) -> frozenset[str]:
        return frozenset({self.n}) if isinstance(self.n, str) else frozenset()

    def sample(self, *shape: int, generator=None, dtype=torch.float64, device=None) -> Tensor:
        keys = torch.rand(*shape, self.size, generator=generator, device=_device(generator), dtype=torch.float64)
        return keys.argsort(-1).to(device=device)

    def identity(self, *shape: int, dtype=torch.float64, device=None) -> Tensor:
        return torch.arange(self.size, device=device).expand(*shape, self.size).clone()

    def compose(self, g: Element, h: Element) -> Tensor:
        assert isinstance(g, Tensor) and isinstance(h, Tensor)
        shape = torch.broadcast_shapes(g.shape, h.shape)
        return g.expand(shape).gather(-1, h.expand(shape))

    def inverse(self, g: Element) -> Tensor:
        assert isinstance(g, Tensor)
        return g.argsort(-1)

    def contains(self, g: Element, tol: float = 1e-6) -> Tensor:
        if not isinstance(g, Tensor) or g.ndim < 1 or g.shape[-1] != self.size:
            got = tuple(g.shape) if isinstance(g, Tensor) else type(g).__name__
            raise ValueError(f"an element of {self} has shape (*K, {self.size}), got {got}")
        whole = not g.is_floating_point()  # an index is
        return (g.sort(-1).values == torch.arange(self.size, device=g.device)).all(-1) & whole

    def generators(self, dtype=torch.float64, device=None) -> list[Element]:
        n = self.size
        if n == 1:
            return []
        swap = torch.arange(n, device=device)
        swap[:2] = torch.tensor([1, 0], device=device)
        return [swap] if n == 2 else [swap, torch.arange(n, device=device).roll(-1)]

    @property
    def order(self) -> int | None:
        return math.factorial(self.size)

    def elements(self) -> Tensor:
        self.require_enumerable()
        return torch.tensor(list(itertools.permutations(range(self.size))))

    def index(self, g: Element) -> Tensor:
        assert isinstance(g, Tensor)
        return _permutation_rank(g)

    @property
    def matrix_dim(self) -> int:
        return self.size

    def matrix(self, g: Element) -> Tensor:
        assert isinstance(g, Tensor)
        return _permutation_matrix(g)

    @property
    def orthogonal(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"S({self.n})"


@dataclass(frozen=True, repr=False)
class SignedPermutation(Group):
    """Permutations of n axes with signs (the symmetries of the n-cube), as matrices of shape ``(*K, n, n)``."""

    n: int
    element_dim = 2

    def __post_init__(self) -> None:
        require_size(self.n, "SignedPermutation")

    def sample(self, *shape: int, generator=None, dtype=torch.float64, device=None) -> Tensor:
        p = Symmetric(self.n).sample(*shape, generator=generator)
        signs = 2 * torch.randint(2, (*shape, self.n), generator=generator, device=_device(generator)) - 1
        return (_permutation_matrix(p) * signs[..., None, :]).to(dtype=dtype, device=device)

    def identity(self, *shape: int, dtype=torch.float64, device=None) -> Tensor:
        return torch.eye(self.n, dtype=dtype, device=device).expand(*shape, self.n, self.n).clone()

    def compose(self, g: Element, h: Element) -> Tensor:
        assert isinstance(g, Tensor) and isinstance(h, Tensor)
        return g @ h

    def inverse(self, g: Element) -> Tensor:
        assert isinstance(g, Tensor)
        return g.mT

    def contains(self, g: Element, tol: float = 1e-6) -> Tensor:
        if not isinstance(g, Tensor) or g.ndim < 2 or g.shape[-2:] != (self.n, self.n):
            got = tuple(g.shape) if isinstance(g, Tensor) else type(g).__name__
            raise ValueError(f"an element of {self} has shape (*K, {self.n}, {self.n}), got {got}")
        size = g.abs()
        whole = ((size <= tol) | ((size - 1).abs() <= tol)).all(-1).all(-1)
        ones = (size > 0.5).sum(-1), (size > 0.5).sum(-2)
        return whole & (ones[0] == 1).all(-1) & (ones[1] == 1).all(-1)

    def generators(self, dtype=torch.float64, device=None) -> list[Element]:
        eye = torch.eye(self.n, dtype=dtype, device=device)
        flip = eye.clone()
        flip[0, 0] = -1
        turns = [eye[:, g] for g in Symmetric(self.n).generators(device=device) if isinstance(g, Tensor)]
        return [flip, *turns]

    @property
    def order(self) -> int:
        return 2**self.n * math.factorial(self.n)

    def elements(self) -> Tensor:
        self.require_enumerable()
        p = Symmetric(self.n).elements()
        bits = torch.tensor(list(itertools.product([1.0, -1.0], repeat=self.n)), dtype=torch.float64)
        # Row i of element (p, s) holds the sign s[i]: the index below reads it back from the row sums.
        return (bits[None, :, :, None] * _permutation_matrix(p)[:, None]).reshape(-1, self.n, self.n)

    def index(self, g: Element) -> Tensor:
        assert isinstance(g, Tensor)
        p = g.abs().argmax(-2)
        weights = torch.tensor([2 ** (self.n - 1 - i) for i in range(self.n)], device=g.device)
        return _permutation_rank(p) * 2**self.n + ((g.sum(-1) < 0) * weights).sum(-1)

    @property
    def matrix_dim(self) -> int:
        return self.n

    def matrix(self, g: Element) -> Tensor:
        assert isinstance(g, Tensor)
        return g

    @property
    def orthogonal(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"SignedPermutation({self.n})"
