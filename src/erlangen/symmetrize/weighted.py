"""Weighted frames: averages that stay continuous where principal axes or sorting jump.

Dym, Lawrence, Siegel: Equivariant Frames and the Impossibility of Continuous Canonicalization (2024).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from erlangen.groups import SE, SO, E, Element, Group, O, Symmetric
from erlangen.symmetrize.frame import pick, report_degenerate, require_policy


@dataclass(frozen=True)
class WeightedFrame:
    r"""One element per ordered tuple of d - 1 points, weighted by the volume they span.

    For SO(2) every point gives the rotation that takes the first axis to it, with weight :math:`|x_i|`; for SO(3) every
    ordered pair gives the axes of :math:`x_i`, of what is orthogonal to it in :math:`x_j`, and of their cross product,
    with weight :math:`|x_i \times x_j|`; in d dimensions Gram-Schmidt of d - 1 points, with the volume of their
    parallelotope. Weights are divided by their sum. O(d) adds the mirror image of every element at half the weight;
    SE(d) and E(d) subtract the centroid first. Where an element jumps its weight is zero, so an average of a continuous
    backbone is continuous. There are :math:`n!/(n-d+1)!` elements (twice that for O and E): n for clouds of the plane,
    n (n - 1) in space. The order of the points does not matter.

    Args:
        group: SO(d), O(d), SE(d) or E(d), d >= 2.
        points: which input holds the coordinates, shape ``(B, n, d)``.
        degenerate: what to do with clouds that span fewer than d - 1 dimensions, whose weights are all zero: "raise",
            "warn" or "perturb" (both go on with arbitrary axes).
        grad: "detach" (elements and weights are constants) or "full".

    Raises:
        ValueError: for other groups; when called, for degenerate clouds under policy "raise".
    """

    group: Group
    points: int | str = 0
    degenerate: str = "raise"
    grad: str = "detach"
    holds_where: str = "points that span d - 1 dimensions"

    def __post_init__(self) -> None:
        if not isinstance(self.group, SO | O | SE | E) or self.group.n < 2:
            raise ValueError(f"WeightedFrame(group): SO(d), O(d), SE(d) or E(d) with d >= 2, got {self.group}")
        require_policy(self.degenerate, "WeightedFrame")
        if self.grad not in ("detach", "full"):
            raise ValueError(f"WeightedFrame(grad): 'detach' or 'full', got {self.grad!r}")

    def __call__(self, *inputs: Any) -> tuple[Element, Tensor | None]:
        """Elements of shape ``(B, F, d, d)``, or ``(B, F, d + 1, d + 1)`` for E and SE, and weights ``(B, F)``."""
        x = pick(inputs, self.points, "WeightedFrame(points)")
        d = self.group.matrix_dim
        if not isinstance(x, Tensor) or x.ndim != 3 or x.shape[-1] != d:
            got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"WeightedFrame(points): coordinates of shape (B, n, {d}), got {got}")
        if x.shape[1] < d - 1:
            raise ValueError(f"WeightedFrame(points): at least {d - 1} points, got shape {tuple(x.shape)}")
        x = x.double()
        moves = isinstance(self.group, SE | E)
        centre = x.mean(1) if moves else x.new_zeros(x.shape[0], d)
        offset = x - centre[:, None]
        offset = offset.detach() if self.grad == "detach" else offset
        axes, volume = _gram_schmidt(offset, d)
        size = offset.detach().square().sum((1, 2)).sqrt() / math.sqrt(max(x.shape[1], 1))
        total = volume.sum(1)
        flat = total <= 1e-12 * size ** (d - 1) * max(volume.shape[1], 1)
        if bool(flat.any()):
            report_degenerate(
                self.degenerate,
                f"WeightedFrame: sample {int(flat.nonzero()[0])} spans fewer than {d - 1} dimensions, so that all "
                "weights are zero",
            )
            volume = torch.where(flat[:, None], torch.ones_like(volume), volume)
            total = volume.sum(1)
        weight = volume / total[:, None]
        if isinstance(self.group, O | E):
            mirror = torch.ones(d, dtype=axes.dtype, device=axes.device)
            mirror[-1] = -1
            axes = torch.cat([axes, axes * mirror], 1)
            weight = torch.cat([weight, weight], 1) / 2
        if not moves:
            return axes, weight
        assert isinstance(self.group, SE | E)
        return self.group.pack(axes, centre[:, None].expand(axes.shape[:-1])), weight


def _gram_schmidt(x: Tensor, d: int) -> tuple[Tensor, Tensor]:
    """Right-handed axes of all ordered tuples of d - 1 points, and the volumes of the tuples."""
    n = x.shape[1]
    tuples = torch.tensor(list(itertools.permutations(range(n), d - 1)), device=x.device).reshape(-1, d - 1)
    columns: list[Tensor] = []
    volume = x.new_ones(x.shape[0], len(tuples))
    eye = torch.eye(d, dtype=x.dtype, device=x.device)
    for place in range(d - 1):
        v = x[:, tuples[:, place]]
        for q in columns:
            v = v - (v * q).sum(-1, keepdim=True) * q
        length = v.square().sum(-1)
        safe = torch.where(length > 0, length, torch.ones_like(length)).sqrt()
        length = torch.where(length > 0, safe, torch.zeros_like(length))
        # A direction that vanishes has weight zero; any unit vector keeps the matrix finite.
        columns.append(torch.where((length > 0)[..., None], v / safe[..., None], eye[place].expand(v.shape)))
        volume = volume * length
    # The cross product of d - 1 vectors, by cofactors: the determinant of all d columns is one.
    rest = torch.stack(columns, -1)
    minors = [torch.cat([rest[..., :i, :], rest[..., i + 1 :, :]], -2) for i in range(d)]
    last = [(-1) ** (i + d - 1) * torch.linalg.det(minor) for i, minor in enumerate(minors)]
    return torch.stack([*columns, torch.stack(last, -1)], -1), volume


@dataclass(frozen=True, eq=False)
class DirectionFrame:
    r"""Sorting along random directions: a weighted frame of S_n that stays continuous.

    A permutation's weight is the probability that it sorts the numbers :math:`x_i \cdot a` for a direction ``a``
    uniform on the sphere. Rows in one or two dimensions need no chance: all sectors of directions, at most n (n - 1),
    are listed with their angles as weights. In more dimensions the weights are estimated by ``draws`` random
    directions, and the promise is kept in expectation.

    Args:
        group: ``Symmetric("n")`` or ``Symmetric(n)``.
        rows: which input holds the rows, shape ``(B, n, features)``: its position, or a field of a dict.
        draws: number of random directions; needed for more than two features.
        generator: their randomness; by default torch's own.

    Raises:
        ValueError: for other groups; when called, for more than two features without draws.
    """

    group: Symmetric
    rows: int | str = 0
    draws: int | None = None
    generator: torch.Generator | None = None
    holds_where: str = "rows that are all different"

    def __post_init__(self) -> None:
        if not isinstance(self.group, Symmetric):
            raise ValueError(f"DirectionFrame(group): a Symmetric group, got {self.group}")
        if self.draws is not None and self.draws < 1:
            raise ValueError(f"DirectionFrame(draws): at least 1, got {self.draws}")

    @property
    def kind(self) -> str:
        """What an average over the frame keeps: "exact", or "in_expectation" over the draws."""
        return "exact" if self.draws is None else "in_expectation"

    def __call__(self, *inputs: Any) -> tuple[Element, Tensor | None]:
        """Permutations of shape ``(B, F, n)``; weights ``(B, F)`` without draws."""
        x = pick(inputs, self.rows, "DirectionFrame(rows)")
        if not isinstance(x, Tensor) or x.ndim != 3:
            got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"DirectionFrame(rows): rows of shape (B, n, features), got {got}")
        x = x.detach().double()
        if self.draws is not None:
            device = self.generator.device if self.generator is not None else "cpu"
            size = (x.shape[0], self.draws, x.shape[2])
            a = torch.randn(size, generator=self.generator, device=device, dtype=torch.float64).to(x.device)
            return (a @ x.mT).argsort(-1), None
        if x.shape[2] > 2:
            raise ValueError(
                f"DirectionFrame(draws): rows have {x.shape[2]} features; more than two need random directions"
            )
        angles = self._borders(x)
        following = torch.cat([angles[:, 1:], angles[:, :1] + 2 * math.pi], 1)
        middle = (angles + following) / 2
        a = torch.stack([middle.cos(), middle.sin()], -1)[..., : x.shape[2]]
        return (a @ x.mT).argsort(-1), (following - angles) / (2 * math.pi)

    def _borders(self, x: Tensor) -> Tensor:
        """Angles at which two rows change places, ascending, (B, sectors)."""
        count, n, features = x.shape
        if features == 1 or n < 2:
            half = torch.tensor([-math.pi / 2, math.pi / 2], dtype=x.dtype, device=x.device)
            return half.expand(count, 2)
        i, j = torch.triu_indices(n, n, 1, device=x.device)
        gap = x[:, i] - x[:, j]
        normal = torch.atan2(gap[..., 0], -gap[..., 1])
        return torch.cat([normal, normal + math.pi], 1).remainder(2 * math.pi).sort(1).values
