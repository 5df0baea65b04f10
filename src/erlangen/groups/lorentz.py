"""The Lorentz group: linear maps that keep the interval of special relativity."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from erlangen.groups.element import Element
from erlangen.groups.group import require_size
from erlangen.groups.matrix import _Matrix, _normal, _unit, haar_orthogonal


@dataclass(frozen=True, repr=False)
class Lorentz(_Matrix):
    r"""The group O(1, n-1): :math:`g^T \eta g = \eta` with :math:`\eta = \mathrm{diag}(1, -1, \ldots, -1)`, time first.

    Sampled as rotation, boost, rotation: reflections of space and of time with probability one half each, rapidities
    normal with standard deviation 0.5.
    """

    n: int

    def __post_init__(self) -> None:
        require_size(self.n, "Lorentz", smallest=2)

    def metric(self, dtype: torch.dtype = torch.float64, device: torch.device | str | None = None) -> Tensor:
        """The diagonal of the metric, shape ``(n,)``."""
        out = -torch.ones(self.n, dtype=dtype, device=device)
        out[0] = 1
        return out

    def inverse(self, g: Element) -> Tensor:
        assert isinstance(g, Tensor)
        eta = self.metric(g.dtype, g.device)
        return eta[:, None] * g.mT * eta

    def sample(self, *shape: int, generator=None, dtype=torch.float64, device=None) -> Tensor:
        rapidity = 0.5 * _normal(shape, generator)
        boost = torch.eye(self.n, dtype=torch.float64, device=rapidity.device).repeat(*shape, 1, 1)
        boost[..., 0, 0] = boost[..., 1, 1] = rapidity.cosh()
        boost[..., 0, 1] = boost[..., 1, 0] = rapidity.sinh()
        out = self._rotation(*shape, generator=generator) @ boost @ self._rotation(*shape, generator=generator)
        future = _normal(shape, generator).sign()
        return torch.cat([out[..., :1, :] * future[..., None, None], out[..., 1:, :]], -2).to(
            dtype=dtype, device=device
        )

    def _rotation(self, *shape: int, generator: torch.Generator | None) -> Tensor:
        turn = haar_orthogonal(self.n - 1, *shape, generator=generator)
        return torch.nn.functional.pad(turn, (1, 0, 1, 0)) + _unit(self.n, 0, 0, turn.dtype, turn.device)

    def contains(self, g: Element, tol: float = 1e-6) -> Tensor:
        finite = self._finite_square(g)
        assert isinstance(g, Tensor)
        eta = self.metric(g.dtype, g.device)
        gap = (g.mT @ (eta[:, None] * g) - eta.diag()).abs().amax((-2, -1))
        return finite & (gap <= tol * g.abs().amax((-2, -1)).square().clamp_min(1))

    def generators(self, dtype=torch.float64, device=None) -> list[Element]:
        out = []
        for axis in (0, 1):
            g = torch.eye(self.n, dtype=dtype, device=device)
            g[axis, axis] = -1
            out.append(g)
        return out

    def algebra_basis(self, dtype=torch.float64, device=None) -> list[Element]:
        boosts = [_unit(self.n, 0, j, dtype, device) + _unit(self.n, j, 0, dtype, device) for j in range(1, self.n)]
        turns = [
            _unit(self.n, j, i, dtype, device) - _unit(self.n, i, j, dtype, device)
            for i in range(1, self.n)
            for j in range(i + 1, self.n)
        ]
        return [*boosts, *turns]
