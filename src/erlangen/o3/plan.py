"""Plans: the constant matrices of an operation on a set of points, computed once in float64 and kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from erlangen.o3.apart import kept_apart
from erlangen.o3.constants import Constants
from erlangen.o3.harmonics import components
from erlangen.o3.operation import FIRST, VALUE, Operation
from erlangen.o3.point_sets import (
    evaluate,
    gauss_legendre,
    half_interpolation,
    half_lebedev,
    interpolation,
    lebedev,
    slopes,
    tangents,
)
from erlangen.o3.polynomial import Pointwise, Polynomial, padded

Degrees = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Matrices:
    """The constants of an operation on a set of points, in float64.

    Attributes:
        pointwise: what is done at the points.
        analysis: for each factor, components to values, ``(components, points)``.
        synthesis: for each part of an output, values to components, ``(points, components)``.
        orders_in: for each input, the order in which its components are wanted; ``None`` as they are.
        order_out: the same for the outputs: component ``order_out[k]`` stands at place ``k``.
    """

    pointwise: Pointwise
    analysis: tuple[Tensor, ...]
    synthesis: tuple[Tensor, ...]
    orders_in: tuple[tuple[int, ...] | None, ...]
    order_out: tuple[int, ...] | None


class Plan(Constants):
    """An operation on a set of points: rows of components to rows of components, one tensor per output.

    Args:
        operation: what to compute.
        kind: "gl", "lebedev", "interpolation" or "half".
        degrees_in: for each input, its degrees, in the order of its components.
        degrees_out: the degrees of the outputs.

    Attributes:
        points: number of points.
        orders_in: for each input, the order in which its components are wanted; ``None`` as they are.
        order_out: the order in which outputs have theirs; ``None`` as expected.
    """

    analysis0: Tensor

    def __init__(self, operation: Operation, kind: str, degrees_in: tuple[Degrees, ...], degrees_out: Degrees) -> None:
        super().__init__()
        self.operation = operation
        self._key = (operation, kind, degrees_in, degrees_out)
        made = matrices(*self._key)
        self._pointwise, self.orders_in, self.order_out = made.pointwise, made.orders_in, made.order_out
        self.points = made.synthesis[0].shape[0]
        self._names = (
            tuple(f"analysis{f}" for f in range(len(made.analysis))),
            tuple(f"synthesis{k}" for k in range(len(made.synthesis))),
        )
        for f, constant in enumerate(made.analysis):
            self.keep(f"analysis{f}", padded(constant))
        for k, constant in enumerate(made.synthesis):
            # Values at points that were added are zero, and so are the rows that carry them back.
            self.keep(f"synthesis{k}", padded(padded(constant.mT).mT).contiguous())

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Applies the operation to rows, shape ``(rows, components)`` each, in the orders of this plan."""
        buffers = self._buffers  # a module looks its attributes up more slowly than all else here takes
        analysis, synthesis = [buffers[name] for name in self._names[0]], [buffers[name] for name in self._names[1]]
        return self._pointwise(analysis, synthesis, *inputs)  # type: ignore[arg-type]

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        operation, kind, degrees_in, degrees_out = self._key
        return f"{operation.name}, {kind}, {self.points} points, degrees {degrees_in} -> {degrees_out}"


@kept_apart
def matrices(operation: Operation, kind: str, degrees_in: tuple[Degrees, ...], degrees_out: Degrees) -> Matrices:
    """The constants of an operation on a set of points, built at the first call.

    Args:
        operation: what to compute.
        kind: "gl", "lebedev", "interpolation" or "half".
        degrees_in: for each input, its degrees, in the order of its components.
        degrees_out: the degrees of the outputs.

    Raises:
        ValueError: when the kind is unknown, or Lebedev's rules do not reach far enough.
    """
    degree = operation.degree(tuple(map(max, degrees_in)))
    largest = max(degrees_out)
    if kind == "half":
        return _half(operation, degrees_in, degrees_out, degree)
    if kind == "interpolation":
        points = interpolation(degree)
        synthesis = _spread(np.linalg.inv(evaluate(degree, points)).T, degrees_out)
    elif kind in ("gl", "lebedev"):
        rule = gauss_legendre if kind == "gl" else lebedev
        points, weights = rule(degree + largest)
        synthesis = weights[:, None] * evaluate(largest, points)[:, components(degrees_out)]
    else:
        raise ValueError(f"method: 'grid:' and one of gl, lebedev, interpolation, half, got 'grid:{kind}'")
    factors = _factors(operation, degrees_in, points)
    width = len(components(degrees_out))
    outputs = range(len(operation.polynomials))
    pointwise = Pointwise(
        tuple((i, 0, len(components(degrees_in[i]))) for i, _ in operation.factors),
        operation.polynomials,
        tuple((j, 0, width) for j in outputs),
        tuple(width for _ in outputs),
    )
    analysis = (m[:, components(degrees_in[i])].T for m, (i, _) in zip(factors, operation.factors, strict=True))
    return Matrices(
        pointwise,
        tuple(map(_constant, analysis)),
        tuple(_constant(synthesis) for _ in outputs),
        (None,) * len(degrees_in),
        None,
    )


def _half(operation: Operation, degrees_in: tuple[Degrees, ...], degrees_out: Degrees, degree: int) -> Matrices:
    """Even and odd parts apart, on points of one hemisphere."""
    points = half_interpolation(degree)
    synthesis = np.zeros((len(points), len(components(degrees_out))))
    cubature = None
    if degree + max(degrees_out) <= 131:
        cubature = _smaller_cubature(degree + max(degrees_out), len(points))
    if cubature is not None:
        points, weights = cubature
        synthesis = weights[:, None] * evaluate(max(degrees_out), points)[:, components(degrees_out)]
    else:
        values = evaluate(degree, points)
        every = np.zeros((len(points), (degree + 1) ** 2))
        for parity in (0, 1):
            same = components(range(parity, degree + 1, 2))
            if same:
                every[:, same] = np.linalg.pinv(values[:, same]).T
        synthesis = _spread(every, degrees_out)
    matrices_at_points = _factors(operation, degrees_in, points)
    split = [_by_parity(degrees) for degrees in degrees_in]
    kept, factors, analysis = [], [], []
    for f, (i, _) in enumerate(operation.factors):
        even, odd = split[i]
        for parity, own, start in ((0, even, 0), (1, odd, len(even))):
            if own:
                kept.append(2 * f + parity)
                factors.append((i, start, start + len(own)))
                analysis.append(_constant(matrices_at_points[f][:, components(degrees_in[i])][:, own].T))
    even, odd = _by_parity(degrees_out)
    sides = [(0, even, 0), (1, odd, len(even))]
    polynomials, parts, back = [], [], []
    for j, halves in enumerate(operation.halves()):
        for parity, own, start in sides:
            if own:
                polynomials.append(_restrict(halves[parity], kept))
                parts.append((j, start, start + len(own)))
                back.append(_constant(synthesis[:, own]))
    width = len(even) + len(odd)
    pointwise = Pointwise(tuple(factors), tuple(polynomials), tuple(parts), (width,) * len(operation.polynomials))
    return Matrices(pointwise, tuple(analysis), tuple(back), tuple((*e, *o) for e, o in split), (*even, *odd))


def _smaller_cubature(degree: int, than: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Half of Lebedev's rule where that is fewer points, and the installed scipy has it."""
    try:
        points, weights = half_lebedev(degree)
    except ImportError:
        return None
    return (points, weights) if len(points) < than else None


def _factors(operation: Operation, degrees_in: tuple[Degrees, ...], points: np.ndarray) -> list[np.ndarray]:
    """For each factor, its value at each point for each harmonic."""
    a, b = tangents(points)
    found: dict[tuple[int, str], np.ndarray] = {}
    for i, kind in operation.factors:
        lmax = max(degrees_in[i])
        if kind == VALUE:
            found[i, kind] = evaluate(lmax, points)
        else:
            found[i, kind] = slopes(lmax, points, a if kind == FIRST else b)
    return [found[factor] for factor in operation.factors]


def _spread(matrix: np.ndarray, degrees: Degrees) -> np.ndarray:
    """The columns of some degrees; zeros for those above the degree of the result."""
    wanted = components(degrees)
    out = np.zeros((len(matrix), len(wanted)))
    there = np.array(wanted) < matrix.shape[1]
    out[:, there] = matrix[:, np.array(wanted)[there]]
    return out


def _by_parity(degrees: Degrees) -> tuple[list[int], list[int]]:
    """The places of the components of even and of odd degree."""
    of = [l for l in degrees for _ in range(2 * l + 1)]
    return [k for k, l in enumerate(of) if l % 2 == 0], [k for k, l in enumerate(of) if l % 2 == 1]


def _restrict(polynomial: Polynomial, kept: list[int]) -> Polynomial:
    """Drops the terms with a factor that is always zero, and renumbers the others."""
    return tuple(
        (tuple(e[p] for p in kept), coefficient) for e, coefficient in polynomial if sum(e[p] for p in kept) == sum(e)
    )


def _constant(matrix: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(matrix))
