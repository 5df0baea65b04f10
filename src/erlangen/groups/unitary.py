"""Unitary groups: complex matrices that keep the Hermitian inner product."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from erlangen.groups.element import Element
from erlangen.groups.matrix import _Matrix, _normal


def _complex(dtype: torch.dtype) -> torch.dtype:
    return {torch.float32: torch.complex64, torch.float64: torch.complex128}.get(dtype, dtype)


class _Unitary(_Matrix):
    @property
    def complex(self) -> bool:
        return True

    def identity(self, *shape: int, dtype=torch.float64, device=None) -> Tensor:
        return super().identity(*shape, dtype=_complex(dtype), device=device)

    def zero(self, *shape: int, dtype=torch.float64, device=None) -> Tensor:
        return super().zero(*shape, dtype=_complex(dtype), device=device)

    def inverse(self, g: Element) -> Tensor:
        assert isinstance(g, Tensor)
        return g.mH

    def _haar(self, *shape: int, generator: torch.Generator | None) -> Tensor:
        size = (*shape, self.n, self.n)
        q, r = torch.linalg.qr(torch.complex(_normal(size, generator), _normal(size, generator)))
        return q * r.diagonal(dim1=-2, dim2=-1).sgn()[..., None, :]

    def _is_unitary(self, g: Element, tol: float) -> Tensor:
        finite = self._finite_square(g)
        assert isinstance(g, Tensor)
        gap = (g.mH @ g - torch.eye(self.n, dtype=g.dtype, device=g.device)).abs().amax((-2, -1))
        return finite & (gap <= tol)

    def _skew(self, dtype: torch.dtype, device: torch.device | str | None) -> list[Element]:
        """Real rotations and imaginary mixings of every pair of axes."""
        out: list[Element] = []
        for i in range(self.n):
            for j in range(i + 1, self.n):
                real = torch.zeros(self.n, self.n, dtype=_complex(dtype), device=device)
                real[j, i], real[i, j] = 1, -1
                imaginary = 1j * (real.abs() + 0 * real)
                out.extend((real, imaginary))
        return out


@dataclass(frozen=True, repr=False)
class U(_Unitary):
    """Unitary matrices, complex, shape ``(*K, n, n)``. Sampled from the Haar measure."""

    n: int

    def sample(self, *shape: int, generator=None, dtype=torch.float64, device=None) -> Tensor:
        return self._haar(*shape, generator=generator).to(dtype=_complex(dtype), device=device)

    def contains(self, g: Element, tol: float = 1e-6) -> Tensor:
        return self._is_unitary(g, tol)

    def algebra_basis(self, dtype=torch.float64, device=None) -> list[Element]:
        phases: list[Element] = []
        for i in range(self.n):
            a = torch.zeros(self.n, self.n, dtype=_complex(dtype), device=device)
            a[i, i] = 1
            phases.append(1j * a)
        return [*self._skew(dtype, device), *phases]


@dataclass(frozen=True, repr=False)
class SU(_Unitary):
    """Unitary matrices of determinant one, complex, shape ``(*K, n, n)``. Sampled from the Haar measure."""

    n: int

    def sample(self, *shape: int, generator=None, dtype=torch.float64, device=None) -> Tensor:
        q = self._haar(*shape, generator=generator)
        q = torch.cat([q[..., :1] * torch.linalg.det(q).conj()[..., None, None], q[..., 1:]], -1)
        return q.to(dtype=_complex(dtype), device=device)

    def contains(self, g: Element, tol: float = 1e-6) -> Tensor:
        assert isinstance(g, Tensor)
        return self._is_unitary(g, tol) & ((torch.linalg.det(g) - 1).abs() <= tol)

    def algebra_basis(self, dtype=torch.float64, device=None) -> list[Element]:
        phases: list[Element] = []
        for i in range(self.n - 1):
            a = torch.zeros(self.n, self.n, dtype=_complex(dtype), device=device)
            a[i, i], a[i + 1, i + 1] = 1, -1
            phases.append(1j * a)
        return [*self._skew(dtype, device), *phases]
