r"""Three ways to multiply each neighbour's features by a filter along its edge, and to sum over neighbours.

All compute, for every target node i and channel c,

.. math:: z_{ic} = \sum_{j \to i} P\big[f_{x_{jc}} \cdot F_{ijc}\big], \qquad
    F_{ijc}(p) = \sum_l h_{ijcl}\, \tfrac{2l+1}{4\pi}\, P_l(p \cdot \hat r_{ij})

where the filter is the function with coefficients :math:`h_l Y_l(\hat r)`, by the addition theorem: around the edge it
is constant, so it needs no harmonics of the edge. Inputs ``x`` have shape ``(nodes, channels, components)``, filters
``h`` ``(edges, channels, degrees)``; ``unit`` are the directions ``(edges, 3)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from erlangen.o3.constants import Constants
from erlangen.o3.harmonics import components, real_spherical_harmonics
from erlangen.o3.operation import PRODUCT
from erlangen.o3.plan import Degrees
from erlangen.o3.point_sets import evaluate, interpolation, lebedev
from erlangen.o3.polynomial import Pointwise, padded
from erlangen.o3.route import choose


def zonal(lmax: int, cosine: Tensor) -> Tensor:
    r"""The zonal functions :math:`\frac{2l+1}{4\pi} P_l(t)` for all degrees, ``(*,)`` to ``(lmax + 1, *)``."""
    rows = [torch.ones_like(cosine), cosine]
    for l in range(2, lmax + 1):
        rows.append(((2 * l - 1) * cosine * rows[-1] - (l - 1) * rows[-2]) / l)
    return torch.stack([(2 * l + 1) / (4 * math.pi) * rows[l] for l in range(lmax + 1)])


def _again(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """Calls a function now, and once more for backward instead of keeping what it computed on the way."""
    if not torch.is_grad_enabled() or torch.compiler.is_compiling():
        return function(*inputs)
    return checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)  # type: ignore[return-value]


def _block(values: int) -> int:
    """How many edges at once: as fit into a processor's cache, or more where fewer parts make a shorter graph."""
    return max(1, (2**22 if torch.is_grad_enabled() else 2**18) // max(1, values))


def _blocks(source: Tensor, block: int) -> list[slice]:
    """Ranges of edges that are computed at once; all of them in a graph that is compiled for any number."""
    if torch.compiler.is_compiling():
        return [slice(None)]
    return [slice(start, start + block) for start in range(0, len(source), block)]


class OnGrid(Constants):
    """On points of the sphere: nodes are evaluated once, messages are summed there, and carried back once per node.

    Values at points are not kept for backward: they are computed again.

    Args:
        degrees_in: of the features.
        degrees_filter: of the filter.
        degrees_out: of the result.
        block: edges computed at once; ``None`` to choose.
    """

    def __init__(
        self, degrees_in: Degrees, degrees_filter: Degrees, degrees_out: Degrees, block: int | None = None
    ) -> None:
        super().__init__()
        self.degrees_filter, self.block = degrees_filter, block
        degree = max(degrees_in) + max(degrees_filter)
        if choose(PRODUCT, (degrees_in, degrees_filter), degrees_out) == "grid:lebedev":
            points, weights = lebedev(degree + max(degrees_out))
            synthesis = weights[:, None] * evaluate(max(degrees_out), points)[:, components(degrees_out)]
        else:
            points = interpolation(degree)
            synthesis = np.linalg.inv(evaluate(degree, points)).T[:, components(degrees_out)]
        self.keep("points", torch.from_numpy(points))
        self.keep("analysis", torch.from_numpy(evaluate(max(degrees_in), points)[:, components(degrees_in)].T.copy()))
        self.keep("synthesis", torch.from_numpy(synthesis.copy()))

    def forward(self, x: Tensor, h: Tensor, unit: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Shape ``(nodes, channels, components)``."""
        return _again(self._sum, x, h, unit, source, target)

    def _sum(self, x: Tensor, h: Tensor, unit: Tensor, source: Tensor, target: Tensor) -> Tensor:
        points, analysis, synthesis = (self.get_buffer(n) for n in ("points", "analysis", "synthesis"))
        values = x @ analysis
        total = torch.zeros_like(values)
        blocks = _blocks(source, self.block or _block(values[:1].numel()))
        for here in blocks:
            inputs = values, h[here], unit[here], source[here], points
            # One block is computed again with the whole; several are not all held at once.
            message = self._message(*inputs) if len(blocks) == 1 else _again(self._message, *inputs)
            total.index_add_(0, target[here], message)
        return total @ synthesis

    def _message(self, values: Tensor, h: Tensor, unit: Tensor, source: Tensor, points: Tensor) -> Tensor:
        return values[source] * self._filter(h, unit, points)

    def _filter(self, h: Tensor, unit: Tensor, points: Tensor) -> Tensor:
        functions = zonal(max(self.degrees_filter), unit @ points.mT)
        return h @ functions[list(self.degrees_filter)].transpose(0, 1)


class PerEdge(OnGrid):
    """On points of the sphere, every edge for itself: messages are carried back before they are summed."""

    def forward(self, x: Tensor, h: Tensor, unit: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Shape ``(nodes, channels, components)``."""
        points = self.get_buffer("points")
        total = x.new_zeros(*x.shape[:2], self.get_buffer("synthesis").shape[1])
        for here in _blocks(source, self.block or _block(x.shape[1] * len(points))):
            message = _again(self._message, x, h[here], unit[here], source[here], points)
            total.index_add_(0, target[here], message)
        return total

    def _message(self, values: Tensor, h: Tensor, unit: Tensor, source: Tensor, points: Tensor) -> Tensor:
        analysis, synthesis = self.get_buffer("analysis"), self.get_buffer("synthesis")
        return ((values[source] @ analysis) * self._filter(h, unit, points)) @ synthesis


class Aligned(Constants):
    r"""In coordinates where the edge is the polar axis.

    There the filter does not depend on the azimuth, and orders do not mix. Coordinates are turned by half a turn about
    the line halfway between the edge and the axis, or, for edges that point down, mirrored: both are symmetric
    matrices, their own inverses, and smooth in the edge, also where it is the axis. The angle about the edge, which is
    arbitrary, plays no part, so nothing is singular.

    Source: Passaro, Zitnick, "Reducing SO(3) Convolutions to SO(2) for Efficient Equivariant GNNs", 2023.
    """

    def __init__(self, degrees_in: Degrees, degrees_filter: Degrees, degrees_out: Degrees) -> None:
        super().__init__()
        self.degrees_in, self.degrees_out = degrees_in, degrees_out
        largest = max(*degrees_in, *degrees_out)
        points = interpolation(largest)
        self.keep("points", torch.from_numpy(points))
        self.keep("fit", torch.from_numpy(np.linalg.inv(evaluate(largest, points))))
        # On a meridian: Gauss-Legendre nodes, once for each order that input and output have.
        nodes, weights = np.polynomial.legendre.leggauss(
            (max(degrees_in) + max(degrees_filter) + max(degrees_out) + 2) // 2
        )
        meridian = np.stack([np.zeros_like(nodes), nodes, np.sqrt(1 - nodes**2)], -1)
        profile = evaluate(largest, meridian)
        orders = range(-min(max(degrees_in), max(degrees_out)), min(max(degrees_in), max(degrees_out)) + 1)
        turn = np.concatenate([weights * math.pi * (2 if m == 0 else 1) for m in orders])
        functions = zonal(max(degrees_filter), torch.from_numpy(nodes))[list(degrees_filter)]
        width_in, width_out = len(components(degrees_in)), len(components(degrees_out))
        self._pointwise = Pointwise(
            ((0, 0, width_in), (1, 0, len(degrees_filter))), ((((1, 1), 1.0),),), ((0, 0, width_out),), (width_out,)
        )
        back = torch.from_numpy(_by_order(degrees_out, orders, profile) * turn)
        self.keep("analysis", padded(torch.from_numpy(_by_order(degrees_in, orders, profile))))
        self.keep("filter", padded(functions.repeat(1, len(orders))))
        self.keep("synthesis", padded(padded(back).mT).contiguous())

    def forward(self, x: Tensor, h: Tensor, unit: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Shape ``(nodes, channels, components)``."""
        turns = self._turns(unit)
        edges, channels = h.shape[:2]
        aligned = _turned(x[source], turns, self.degrees_in)
        rows = aligned.reshape(edges * channels, aligned.shape[2]), h.reshape(edges * channels, h.shape[2])
        analysis = (self.get_buffer("analysis"), self.get_buffer("filter"))
        found = self._pointwise(analysis, (self.get_buffer("synthesis"),), *rows)[0]
        message = _turned(found.reshape(edges, channels, found.shape[1]), turns, self.degrees_out)
        return x.new_zeros(x.shape[0], channels, message.shape[2]).index_add(0, target, message)

    def _turns(self, unit: Tensor) -> dict[int, Tensor]:
        """For each degree, the matrix of the change of coordinates, ``(edges, 2 l + 1, 2 l + 1)``; symmetric."""
        up = torch.where(unit[:, 1:2] >= 0, 1.0, -1.0).to(unit.dtype)
        axis = unit.new_tensor([0.0, 1.0, 0.0])
        halfway = unit + up * axis  # never short: its square is at least 2
        mirror = 2 * halfway[:, :, None] * halfway[:, None, :] / halfway.square().sum(-1)[:, None, None]
        turn = up[:, :, None] * (mirror - torch.eye(3, dtype=unit.dtype, device=unit.device))
        points, fit = self.get_buffer("points"), self.get_buffer("fit")
        values = real_spherical_harmonics(round(len(points) ** 0.5) - 1, points @ turn)
        return {
            l: fit[l * l : (l + 1) ** 2] @ values[:, :, l * l : (l + 1) ** 2]
            for l in sorted({*self.degrees_in, *self.degrees_out})
        }


def _turned(x: Tensor, turns: dict[int, Tensor], degrees: Degrees) -> Tensor:
    parts = x.split([2 * l + 1 for l in degrees], -1)
    return torch.cat([part @ turns[l] for l, part in zip(degrees, parts, strict=True)], -1)


def _by_order(degrees: Degrees, orders: range, profile: np.ndarray) -> np.ndarray:
    """The profile of each component at the nodes of its own order, ``(components, orders * nodes)``."""
    out = np.zeros((len(components(degrees)), len(orders), len(profile)))
    for row, i in enumerate(components(degrees)):
        l = math.isqrt(i)
        m = i - l * l - l
        if m in orders:
            out[row, m - orders.start] = profile[:, l * l + l + abs(m)]
    return out.reshape(len(out), -1)


class OfScalars(nn.Module):
    r"""Features of degree 0 alone scale the filter: :math:`x_j h_l Y_l(\hat r) / \sqrt{4 \pi}`, with no sphere needed.

    Args:
        degrees_in: ``(0,)``.
        degrees_filter: of the filter.
        degrees_out: of the result, all among those of the filter.
    """

    def __init__(self, degrees_in: Degrees, degrees_filter: Degrees, degrees_out: Degrees) -> None:
        super().__init__()
        self.lmax = max(degrees_out)
        of = [degrees_filter.index(l) for l in degrees_out for _ in range(2 * l + 1)]
        self.register_buffer("degree", torch.tensor(of), persistent=False)
        self.register_buffer("component", torch.tensor(components(degrees_out)), persistent=False)

    def wide(self, x: Tensor) -> torch.dtype:
        """The dtype to compute in."""
        return torch.promote_types(x.dtype, torch.float32)

    def forward(self, x: Tensor, h: Tensor, unit: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Shape ``(nodes, channels, components)``."""
        degree, component = self.get_buffer("degree"), self.get_buffer("component")
        harmonics = real_spherical_harmonics(self.lmax, unit).index_select(1, component) / math.sqrt(4 * math.pi)
        message = (x[source] * h).index_select(2, degree) * harmonics[:, None]
        return x.new_zeros(x.shape[0], *message.shape[1:]).index_add(0, target, message)


def choose_form(degrees_in: Degrees, degrees_filter: Degrees, degrees_out: Degrees) -> type[nn.Module]:
    """The fastest of the forms: on a processor the grid (benchmarks/gaunt_peers.py)."""
    scales = degrees_in == (0,) and set(degrees_out) <= set(degrees_filter)
    return OfScalars if scales else OnGrid


FORMS = {"grid": OnGrid, "edge": PerEdge, "aligned": Aligned}
