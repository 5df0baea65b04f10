"""Minimal frames: one evaluation, from the first points that span the space.

Lin, Helwig, Gui, Ji: Equivariance via Minimal Frame Averaging for More Symmetries and Efficiency (2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from erlangen.groups import GL, SE, SL, SO, SU, Affine, E, Element, GLPlus, Group, Lorentz, O, U
from erlangen.symmetrize.frame import pick, report_degenerate, require_policy

#: Part of a point that is new, relative to the largest point, below which it is taken for a combination of others.
NEW = 1e-7
#: Likewise, in units of the rounding of the given coordinates: what is smaller may be rounding alone.
ROUNDING = 32


@dataclass(frozen=True)
class MinimalFrame:
    r"""The element that carries the first d independent points to a standard position, and what fixes that position.

    With :math:`M` the matrix whose columns are the first linearly independent points:

    * O(d), E(d): :math:`Q` of :math:`M = Q R` with :math:`R_{jj} > 0`. Clouds that span only d - 1 dimensions have a
      mirror image as second element;
    * SO(d), SE(d): the same, the last column turned so that the determinant is one; d - 1 dimensions are enough;
    * U(d), SU(d): the same over the complex numbers;
    * Lorentz(d): Gram-Schmidt in the metric :math:`\eta`, the time-like column put first;
    * GL(d): :math:`M` itself; GLPlus(d): with the sign of its last column turned if need be; SL(d): with its last
      column divided by :math:`\det M`; Affine: the same after subtracting the centroid.

    It costs one evaluation of the backbone instead of 2^d, but depends on the ORDER of the points: use it for labelled
    points, not with backbones that shall respect permutations. Not differentiated, except for the centroid. Directions
    no larger than the rounding of the coordinates, in the dtype they come in, count as none.

    Args:
        group: one of the above.
        points: which input holds the coordinates, shape ``(B, n, d)``: its position, or a field of a dict.
        degenerate: what to do with clouds that span too little: "raise", or go on with arbitrary axes under "warn" and
            "perturb".

    Raises:
        ValueError: for other groups; when called, for degenerate clouds under policy "raise".
    """

    group: Group
    points: int | str = 0
    degenerate: str = "raise"
    holds_where: str = "labelled points that span the space"

    def __post_init__(self) -> None:
        known = O | SO | E | SE | U | SU | Lorentz | GL | GLPlus | SL | Affine
        if not isinstance(self.group, known) or not isinstance(self._linear, known):
            raise ValueError(
                f"MinimalFrame(group): O, SO, E, SE, U, SU, Lorentz, GL, GLPlus, SL or Affine, got {self.group}"
            )
        require_policy(self.degenerate, "MinimalFrame")

    @property
    def _linear(self) -> Group:
        return self.group.linear if isinstance(self.group, E | SE | Affine) else self.group

    def __call__(self, *inputs: Any) -> tuple[Element, Tensor | None]:
        """Elements of shape ``(B, F, ...)`` with F one or two; weights where samples differ in F."""
        x = pick(inputs, self.points, "MinimalFrame(points)")
        d = self.group.matrix_dim
        if not isinstance(x, Tensor) or x.ndim != 3 or x.shape[-1] != d:
            got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"MinimalFrame(points): coordinates of shape (B, n, {d}), got {got}")
        noise = ROUNDING * torch.finfo(x.dtype).eps * x.detach().abs().flatten(1).amax(1) if x.numel() else None
        x = x.to(torch.complex128 if self.group.complex else torch.float64)
        moves = isinstance(self.group, E | SE | Affine)
        centre = x.mean(1) if moves else x.new_zeros(x.shape[0], d)
        with torch.no_grad():
            elements, weight = self._elements(x - centre[:, None], noise)
        if not moves:
            return elements, weight
        assert isinstance(self.group, E | SE | Affine)
        return self.group.pack(elements, centre[:, None].expand(elements.shape[:-1])), weight

    def _elements(self, x: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor | None]:
        d, linear = x.shape[-1], self._linear
        metric = linear.metric(torch.float64, x.device) if isinstance(linear, Lorentz) else None
        chosen, axes, signs, rank = first_independent(x, metric, noise)
        needed = d - 1 if isinstance(linear, SO | O | SU) else d
        short = rank < needed
        if bool(short.any()):
            first = int(short.nonzero()[0])
            report_degenerate(
                self.degenerate,
                f"MinimalFrame: sample {first} spans {int(rank[first])} dimensions, {linear} needs {needed}",
            )
        if metric is not None:
            # Time first: exactly one direction has a positive square.
            order = signs.argsort(dim=1, descending=True, stable=True)
            out = axes.gather(2, order[:, None].expand(axes.shape))
            return torch.where(short[:, None, None], torch.eye(d, dtype=x.dtype, device=x.device), out)[:, None], None
        if isinstance(linear, GL | GLPlus | SL):
            return self._free(chosen, axes, rank, linear)[:, None], None
        full = _completed(axes, rank)
        det = torch.linalg.det(full)
        last = torch.where((rank < d)[:, None], full[..., -1] * det.conj()[:, None], full[..., -1])
        if isinstance(linear, SO | SU):
            last = full[..., -1] * det.conj()[:, None]
        full = torch.cat([full[..., :-1], last[..., None]], -1)
        if not isinstance(linear, O) or not bool((rank < d).any()):
            return full[:, None], None
        mirror = torch.cat([full[..., :-1], -full[..., -1:]], -1)
        both = (rank < d).double()
        return torch.stack([full, mirror], 1), torch.stack([1 - both / 2, both / 2], 1)

    @staticmethod
    def _free(chosen: Tensor, axes: Tensor, rank: Tensor, linear: Group) -> Tensor:
        d = chosen.shape[-1]
        spare = torch.arange(d, device=chosen.device) >= rank[:, None]
        m = torch.where(spare[:, None], _completed(axes, rank), chosen)
        det = torch.linalg.det(m)
        if isinstance(linear, GL):
            return m
        factor = det.sign() if isinstance(linear, GLPlus) else 1 / det
        return torch.cat([m[..., :-1], m[..., -1:] * factor[:, None, None]], -1)


def first_independent(
    x: Tensor, metric: Tensor | None = None, noise: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gram-Schmidt over the points in their order, skipping what is not new.

    Args:
        x: shape ``(B, n, d)``, real or complex.
        metric: diagonal of an indefinite metric, ``(d,)``; ``None`` for the Euclidean or Hermitian one.
        noise: the length of what may be rounding in each cloud, ``(B,)``.

    Returns:
        The chosen points as columns ``(B, d, d)``, orthonormal columns ``(B, d, d)``, the signs of their squares
        ``(B, d)``, and how many there are ``(B,)``; columns beyond are zero.
    """
    count, n, d = x.shape
    eta = torch.ones(d, dtype=torch.float64, device=x.device) if metric is None else metric
    chosen, axes = x.new_zeros(count, d, d), x.new_zeros(count, d, d)
    signs = torch.zeros(count, d, dtype=torch.float64, device=x.device)
    rank = torch.zeros(count, dtype=torch.long, device=x.device)
    scale = x.abs().square().sum(-1).amax(1) if n else torch.zeros(count, dtype=torch.float64, device=x.device)
    least = NEW**2 * scale if noise is None else torch.maximum(NEW**2 * scale, noise.double() ** 2)
    for i in range(n):
        if bool((rank == d).all()):
            break
        v = x[:, i]
        for _ in range(2):  # twice is enough for orthogonality to rounding
            along = signs * (axes.conj() * eta[:, None] * v[..., None]).sum(1)
            v = v - (axes * along[:, None]).sum(-1)
        square = (v.conj() * eta * v).sum(-1).real
        new = (square.abs() > least) & (rank < d)
        place = torch.nn.functional.one_hot(rank.clamp_max(d - 1), d).bool() & new[:, None]
        unit = v / square.abs().sqrt().clamp_min(1e-300)[:, None]
        axes = torch.where(place[:, None], unit[..., None], axes)
        chosen = torch.where(place[:, None], x[:, i, :, None], chosen)
        signs = torch.where(place, square.sign()[:, None], signs)
        rank = rank + new
    return chosen, axes, signs, rank


def _completed(axes: Tensor, rank: Tensor) -> Tensor:
    """Orthonormal columns, completed by arbitrary ones where there are too few."""
    d = axes.shape[-1]
    spare = torch.arange(d, device=axes.device) >= rank[:, None]
    if not bool(spare.any()):
        return axes
    # The projection onto the missing directions has them as its leading singular vectors.
    missing = torch.eye(d, dtype=axes.dtype, device=axes.device) - axes @ axes.mH
    extra = torch.linalg.svd(missing).U
    index = (torch.arange(d, device=axes.device) - rank[:, None]).clamp_min(0)
    return torch.where(spare[:, None], extra.gather(2, index[:, None].expand(axes.shape)), axes)
