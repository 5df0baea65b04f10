"""Affine extensions of groups of matrices, in homogeneous coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from erlangen.groups.element import Element
from erlangen.groups.exponential import matrix_exp
from erlangen.groups.group import Group, Trivial, require_size
from erlangen.groups.matrix import GL, SO, O, _Matrix, _normal, _unit


class _Affine(Group):
    r"""Maps :math:`x \mapsto H x + t` as homogeneous matrices ``[[H, t], [0, 1]]`` of shape ``(*K, n+1, n+1)``.

    Sampled with ``H`` from the linear group and ``t`` from the unit normal.
    """

    element_dim = 2
    n: int

    @property
    def linear(self) -> Group:
        """The group of linear parts ``H``."""
        raise NotImplementedError(f"{type(self).__name__} does not name its linear part")

    def __post_init__(self) -> None:
        require_size(self.n, type(self).__name__)

    def pack(self, h: Tensor, t: Tensor) -> Tensor:
        """The homogeneous matrix of ``x -> h x + t``."""
        out = torch.zeros(*h.shape[:-2], self.n + 1, self.n + 1, dtype=h.dtype, device=h.device)
        out[..., : self.n, : self.n] = h
        out[..., : self.n, self.n] = t
        out[..., self.n, self.n] = 1
        return out

    def sample(self, *shape: int, generator=None, dtype=torch.float64, device=None) -> Tensor:
        h = self._linear_matrix(self.linear.sample(*shape, generator=generator), *shape)
        t = _normal((*shape, self.n), generator)
        return self.pack(h, t.to(h.device)).to(dtype=dtype, device=device)

    def _linear_matrix(self, h: Element, *shape: int) -> Tensor:
        if isinstance(self.linear, Trivial):
            return torch.eye(self.n, dtype=torch.float64).expand(*shape, self.n, self.n)
        assert isinstance(h, Tensor)
        return h

    def identity(self, *shape: int, dtype=torch.float64, device=None) -> Tensor:
        m = self.n + 1
        return torch.eye(m, dtype=dtype, device=device).expand(*shape, m, m).clone()

    def compose(self, g: Element, h: Element) -> Tensor:
        assert isinstance(g, Tensor) and isinstance(h, Tensor)
        return g @ h

    def inverse(self, g: Element) -> Tensor:
        assert isinstance(g, Tensor)
        h = self.matrix(g)
        back = h.mT if self.orthogonal else torch.linalg.inv(h)
        return self.pack(back, -(back @ g[..., : self.n, self.n :])[..., 0])

    def contains(self, g: Element, tol: float = 1e-6) -> Tensor:
        m = self.n + 1
        if not isinstance(g, Tensor) or g.ndim < 2 or g.shape[-2:] != (m, m):
            got = tuple(g.shape) if isinstance(g, Tensor) else type(g).__name__
            raise ValueError(f"an element of {self} has shape (*K, {m}, {m}), got {got}")
        row = torch.zeros(m, dtype=g.dtype, device=g.device)
        row[-1] = 1
        good = g.isfinite().all(-1).all(-1) & ((g[..., -1, :] - row).abs().amax(-1) <= tol)
        h = self.matrix(g)
        if isinstance(self.linear, Trivial):
            return good & ((h - torch.eye(self.n, dtype=g.dtype, device=g.device)).abs().amax((-2, -1)) <= tol)
        return good & self.linear.contains(h, tol)

    def generators(self, dtype=torch.float64, device=None) -> list[Element]:
        zero = torch.zeros(self.n, dtype=dtype, device=device)
        return [self.pack(h, zero) for h in self.linear.generators(dtype=dtype, device=device) if isinstance(h, Tensor)]

    def algebra_basis(self, dtype=torch.float64, device=None) -> list[Element]:
        out: list[Element] = []
        for a in self.linear.algebra_basis(dtype=dtype, device=device):
            assert isinstance(a, Tensor)
            out.append(torch.nn.functional.pad(a, (0, 1, 0, 1)))
        out.extend(_unit(self.n + 1, i, self.n, dtype, device) for i in range(self.n))
        return out

    def exp(self, A: Element) -> Tensor:
        assert isinstance(A, Tensor)
        return matrix_exp(A)

    def zero(self, *shape: int, dtype=torch.float64, device=None) -> Tensor:
        return torch.zeros(*shape, self.n + 1, self.n + 1, dtype=dtype, device=device)

    @property
    def zero_dim(self) -> int:
        return 2

    @property
    def matrix_dim(self) -> int:
        return self.n

    def matrix(self, g: Element) -> Tensor:
        assert isinstance(g, Tensor)
        return g[..., : self.n, : self.n]

    def matrix_tangent(self, A: Element) -> Tensor:
        return self.matrix(A)

    def translation(self, g: Element) -> Tensor:
        assert isinstance(g, Tensor)
        return g[..., : self.n, self.n]

    @property
    def orthogonal(self) -> bool:
        return isinstance(self.linear, Trivial) or self.linear.orthogonal

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n})"


@dataclass(frozen=True, repr=False)
class SE(_Affine):
    """Rigid motions: rotations and translations of n-dimensional space."""

    n: int

    @property
    def linear(self) -> SO:
        return SO(self.n)


@dataclass(frozen=True, repr=False)
class E(_Affine):
    """Isometries: rotations, reflections and translations of n-dimensional space."""

    n: int

    @property
    def linear(self) -> O:
        return O(self.n)


@dataclass(frozen=True, repr=False)
class Translation(_Affine):
    """Translations of n-dimensional space."""

    n: int

    @property
    def linear(self) -> Trivial:
        return Trivial()


@dataclass(frozen=True, repr=False)
class Affine(_Affine):
    """Affine maps of n-dimensional space whose linear part lies in ``linear_group`` (default ``GL(n)``).

    Example:
        >>> from erlangen.groups import SL
        >>> Affine(2), Affine(2, SL(2))
        (Affine(2), Affine(2, SL(2)))
    """

    n: int
    linear_group: Group | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.linear_group == GL(self.n):
            object.__setattr__(self, "linear_group", None)
        elif self.linear_group is not None and (
            not isinstance(self.linear_group, _Matrix) or self.linear_group.n != self.n
        ):
            raise ValueError(
                f"Affine({self.n}, linear_group): a group of {self.n} by {self.n} matrices, got {self.linear_group!r}"
            )

    @property
    def linear(self) -> Group:
        return self.linear_group or GL(self.n)

    def __repr__(self) -> str:
        return f"Affine({self.n})" if self.linear_group is None else f"Affine({self.n}, {self.linear_group})"
