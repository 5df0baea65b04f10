"""Rotations and reflections together with a change of scale."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from erlangen.groups.element import Element
from erlangen.groups.matrix import SO, O, Scaling, _Matrix, _Orthogonal


class _Conformal(_Matrix):
    """Matrices ``s Q`` with a factor ``s > 0`` and ``Q`` orthogonal. Sampled as ``Scaling()`` and Haar."""

    @property
    def orthogonal_part(self) -> _Orthogonal:
        """The group of ``Q``."""
        raise NotImplementedError(f"{type(self).__name__} does not name its orthogonal part")

    def sample(self, *shape: int, generator=None, dtype=torch.float64, device=None) -> Tensor:
        factor = Scaling().sample(*shape, generator=generator)
        turn = self.orthogonal_part.sample(*shape, generator=generator)
        assert isinstance(turn, Tensor)
        return (factor * turn).to(dtype=dtype, device=device)

    def scale(self, g: Element) -> Tensor:
        """The factors ``s``, shape ``K``."""
        assert isinstance(g, Tensor)
        return g.square().sum((-2, -1)).div(self.n).sqrt()

    def contains(self, g: Element, tol: float = 1e-6) -> Tensor:
        finite = self._finite_square(g)
        assert isinstance(g, Tensor)
        s = self.scale(g)
        unit = g / torch.where(s > 0, s, 1)[..., None, None]
        return finite & (s > tol) & self.orthogonal_part.contains(unit, tol)

    def generators(self, dtype=torch.float64, device=None) -> list[Element]:
        return self.orthogonal_part.generators(dtype=dtype, device=device)

    def algebra_basis(self, dtype=torch.float64, device=None) -> list[Element]:
        return [
            *self.orthogonal_part.algebra_basis(dtype=dtype, device=device),
            torch.eye(self.n, dtype=dtype, device=device),
        ]


@dataclass(frozen=True, repr=False)
class CO(_Conformal):
    """Rotations, reflections and positive factors of n-dimensional space: linear maps that keep all angles.

    With translations they are the similarities, ``Affine(n, CO(n))``.

    Example:
        >>> from erlangen.groups import Affine, Hom, O, Vector
        >>> Vector(O(3)).along(Hom.canonical(Affine(3, CO(3)), O(3)))  # turns, but does not grow
        Vector(O(3))
    """

    n: int

    @property
    def orthogonal_part(self) -> O:
        return O(self.n)


@dataclass(frozen=True, repr=False)
class CSO(_Conformal):
    """Rotations and positive factors of n-dimensional space; with translations, the similarities without mirrors."""

    n: int

    @property
    def orthogonal_part(self) -> SO:
        return SO(self.n)
