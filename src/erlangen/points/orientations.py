r"""Finite sets of directions: equispaced angles, spirals and repelling points on the sphere, vertices of solids.

The vertices of a Platonic solid are carried to each other by its rotations (12 of the tetrahedron, 24 of octahedron and
cube, 60 of icosahedron and dodecahedron), as equispaced angles are by rotations through multiples of :math:`2\pi/n`. A
spiral has one half turn, and repelling points have no rotation in general.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

#: Vertices of the Platonic solids.
SOLIDS = {"tetrahedron": 4, "octahedron": 6, "cube": 8, "icosahedron": 12, "dodecahedron": 20}
#: Every kind of grid, by the dimension of the space.
KINDS = {2: ("circle",), 3: ("fibonacci", "repulsion", *SOLIDS)}
#: Steps of repelling points, and the length of the first and the last in units of their typical distance.
STEPS, FIRST, LAST = 400, 0.2, 1e-7


def orientation_grid(n: int, dim: int = 3, kind: str | None = None, generator: torch.Generator | None = None) -> Tensor:
    r"""Unit vectors spread over the circle or the sphere.

    * ``circle``: :math:`(\cos\phi_k, \sin\phi_k)` with :math:`\phi_k = 2\pi k / n`.
    * ``fibonacci``: heights :math:`z_k = 1 - (2k + 1)/n`, azimuths :math:`\pi (1 + \sqrt 5)\, k`.
    * ``repulsion``: random points that have moved down the energy :math:`\sum_{i<j} d_{ij}^{-2}` of their geodesic
      distances.
    * ``tetrahedron``, ``octahedron``, ``cube``, ``icosahedron``, ``dodecahedron``: the vertices.

    Args:
        n: number of directions; of a solid, its number of vertices.
        dim: 2 or 3.
        kind: as above; by default ``circle`` in the plane and ``fibonacci`` in space.
        generator: draws the start of repelling points; by default one seeded with 0.

    Returns:
        Shape ``(n, dim)``, float64.

    Raises:
        ValueError: for another dimension, a kind it does not have, or a number of directions that does not fit.

    Source: Bekkers, Vadgama, Hesselink, van der Linden, Romero, "Fast, Expressive SE(n) Equivariant Networks through
    Weight-Sharing in Position-Orientation Space", 2024.

    Example:
        >>> orientation_grid(4, dim=2).round(decimals=6).abs()
        tensor([[1., 0.],
                [0., 1.],
                [1., 0.],
                [0., 1.]], dtype=torch.float64)
        >>> grid = orientation_grid(12, kind="icosahedron")
        >>> torch.allclose(3 / 12 * grid.mT @ grid, torch.eye(3).double())
        True
    """
    if dim not in KINDS:
        raise ValueError(f"orientation_grid(dim): 2 or 3, got {dim!r}")
    kind = KINDS[dim][0] if kind is None else kind
    if kind not in KINDS[dim]:
        raise ValueError(f"orientation_grid(kind): in {dim} dimensions one of {', '.join(KINDS[dim])}, got {kind!r}")
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"orientation_grid(n): a whole number from 1, got {n!r}")
    if kind in SOLIDS:
        if n != SOLIDS[kind]:
            raise ValueError(f"orientation_grid(n): {kind} has {SOLIDS[kind]} vertices, got {n}")
        return _vertices(kind)
    if kind == "repulsion":
        return _repelled(n, torch.Generator().manual_seed(0) if generator is None else generator)
    index = torch.arange(n, dtype=torch.float64)
    if kind == "circle":
        angle = 2 * math.pi / n * index
        return torch.stack([angle.cos(), angle.sin()], -1)
    height = 1 - (2 * index + 1) / n
    azimuth, radius = math.pi * (1 + math.sqrt(5)) * index, (1 - height.square()).sqrt()
    return torch.stack([radius * azimuth.cos(), radius * azimuth.sin(), height], -1)


def _vertices(kind: str) -> Tensor:
    golden = (1 + math.sqrt(5)) / 2
    signs = list(itertools.product((1.0, -1.0), repeat=3))
    if kind == "tetrahedron":
        points = [s for s in signs if math.prod(s) > 0]
    elif kind == "octahedron":
        points = [tuple(sign * (i == axis) for i in range(3)) for axis in range(3) for sign in (1.0, -1.0)]
    elif kind == "cube":
        points = signs
    elif kind == "icosahedron":
        points = _cycled(1.0, golden)
    else:
        points = [*signs, *_cycled(1 / golden, golden)]
    return torch.nn.functional.normalize(torch.tensor(points, dtype=torch.float64), dim=-1)


def _cycled(a: float, b: float) -> list[tuple[float, float, float]]:
    """All (0, +-a, +-b) and what cycling the coordinates makes of them."""
    corners = [(0.0, s * a, t * b) for s in (1, -1) for t in (1, -1)]
    return [(p[-k % 3], p[(1 - k) % 3], p[(2 - k) % 3]) for k in range(3) for p in corners]


def _repelled(n: int, generator: torch.Generator) -> Tensor:
    """Descends along the forces; steps become shorter, so that it ends close to a minimum near its start."""
    start = torch.randn(n, 3, generator=generator, dtype=torch.float64, device=generator.device)
    x = torch.nn.functional.normalize(start.cpu(), dim=-1)
    spacing = math.sqrt(4 * math.pi / n)
    for step in range(STEPS if n > 1 else 0):
        cosine = (x @ x.mT).clamp(-1, 1).fill_diagonal_(0)
        sine = (1 - cosine.square()).sqrt().clamp_min(1e-9)
        # The force from j on i lies along the great circle, away from j; its size is that of the slope 2 / d^3.
        size = (2 / torch.acos(cosine).clamp_min(1e-9) ** 3 / sine).fill_diagonal_(0)
        force = (size * cosine).sum(1, keepdim=True) * x - size @ x
        length = spacing * FIRST * (LAST / FIRST) ** (step / (STEPS - 1))
        x = torch.nn.functional.normalize(x + length * force / force.norm(dim=-1).max().clamp_min(1e-30), dim=-1)
    return x
