"""Ways to compute an operation: their names, and the choice among them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.o3.apart import kept_apart
from erlangen.o3.coefficients import dense
from erlangen.o3.constants import constant_like
from erlangen.o3.fourier import by_fourier
from erlangen.o3.operation import PRODUCT, Operation
from erlangen.o3.plan import Degrees, Plan

METHODS = ("auto", "dense", "fourier", "grid:gl", "grid:lebedev", "grid:interpolation", "grid:half")

#: The fastest point set up to a degree of the untruncated result, for outputs of all degrees and of the lower half of
#: them. Measured by benchmarks/gaunt_routes.py: one thread of a processor, float32, forward, 1024 and 8192 items;
#: among routes within a tenth of each other, the one that needs nothing else.
FASTEST_WHOLE = ((6, "interpolation"), (10**9, "half"))
FASTEST_TRUNCATED = ((4, "interpolation"), (6, "lebedev"), (10**9, "half"))


def choose(operation: Operation, degrees_in: tuple[Degrees, ...], degrees_out: Degrees) -> str:
    """What ``method="auto"`` stands for."""
    degree = operation.degree(tuple(map(max, degrees_in)))
    table = FASTEST_WHOLE if 4 * max(degrees_out) > 3 * degree else FASTEST_TRUNCATED
    kind = next(kind for limit, kind in table if degree <= limit)
    if kind == "lebedev" and not _has_lebedev():
        kind = "half"
    return f"grid:{kind}"


@cache
def _has_lebedev() -> bool:
    import scipy.integrate

    return hasattr(scipy.integrate, "lebedev_rule")  # since 1.15


def make_route(
    operation: Operation, method: str, degrees_in: tuple[Degrees, ...], degrees_out: Degrees
) -> Plan | Dense | Torus:
    """A module from rows of components to rows of components, by a method.

    Raises:
        ValueError: when the method is unknown.
    """
    if method not in METHODS:
        raise ValueError(f"{operation.name}(method): one of {', '.join(METHODS)}, got {method!r}")
    if method == "auto":
        method = choose(operation, degrees_in, degrees_out)
    if method == "dense":
        return Dense(operation, degrees_in, degrees_out)
    if method == "fourier":
        return Torus(operation, degrees_in, degrees_out)
    return Plan(operation, method.removeprefix("grid:"), degrees_in, degrees_out)


class Unbuffered(nn.Module):
    """A route that keeps no constants of its own, and so takes any dtype."""

    orders_in: tuple[None, ...]
    order_out = None

    def __init__(self, operation: Operation, degrees_in: tuple[Degrees, ...], degrees_out: Degrees) -> None:
        super().__init__()
        self.operation = operation
        self._key = (operation, degrees_in, degrees_out)
        self.orders_in = (None,) * len(degrees_in)

    def wide(self, x: Tensor) -> torch.dtype:
        """The dtype to compute in."""
        return torch.promote_types(x.dtype, torch.float32)


class Dense(Unbuffered):
    """The reference: contraction with the full tensor of a bilinear operation; powers by repeated products."""

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Applies the operation to rows of components."""
        operation, degrees_in, degrees_out = self._key
        if len(degrees_in) == 2:
            return (_contract(operation, inputs[0], inputs[1], degrees_in[0], degrees_in[1], degrees_out),)
        lmax, wanted = max(degrees_in[0]), [q[0][0][0] for q in operation.polynomials]
        power, degrees = inputs[0], degrees_in[0]
        found = {1: _select(power, degrees, degrees_out)}
        for n in range(2, max(wanted) + 1):
            whole = tuple(range(n * lmax + 1))
            power = _contract(PRODUCT, power, inputs[0], degrees, degrees_in[0], whole)
            degrees = whole
            found[n] = _select(power, degrees, degrees_out)
        return tuple(found[n] for n in wanted)


class Torus(Unbuffered):
    """Two-dimensional fast Fourier transforms; see :mod:`erlangen.o3.fourier`."""

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Applies the operation to rows of components."""
        operation, degrees_in, degrees_out = self._key
        return by_fourier(operation, inputs, degrees_in, degrees_out)


def _contract(operation: Operation, x: Tensor, y: Tensor, d1: Degrees, d2: Degrees, d3: Degrees) -> Tensor:
    tensor = constant_like(dense(operation, d1, d2, d3), x.dtype, x.device)
    return (x[:, :, None] * y[:, None, :]).flatten(1) @ tensor.flatten(0, 1)


def _select(x: Tensor, degrees: Degrees, wanted: Degrees) -> Tensor:
    """The components of some degrees; zeros for those that are not there."""
    starts = {l: sum(2 * k + 1 for k in degrees[:place]) for place, l in enumerate(degrees)}
    blocks = [
        x[:, starts[l] : starts[l] + 2 * l + 1] if l in starts else x.new_zeros(x.shape[0], 2 * l + 1) for l in wanted
    ]
    return torch.cat(blocks, 1)


@kept_apart
def _kept(
    operation: Operation, method: str, lmaxes: tuple[int, ...], lmax_out: int, dtype: torch.dtype, device: torch.device
) -> Plan | Dense | Torus:
    degrees_in = tuple(tuple(range(lmax + 1)) for lmax in lmaxes)
    return make_route(operation, method, degrees_in, tuple(range(lmax_out + 1))).to(device, dtype)


@torch.compiler.disable
def kept_route(
    operation: Operation, method: str, lmaxes: tuple[int, ...], lmax_out: int, dtype: torch.dtype, device: torch.device
) -> Plan | Dense | Torus:
    """The route for all degrees up to the largest ones, a dtype and a device; made at the first call."""
    return _kept(operation, method, lmaxes, lmax_out, dtype, device)


class _Reorder(torch.autograd.Function):
    """A permutation of columns; its gradient is the inverse one, where that of ``index_select`` adds one by one."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        return x.index_select(1, order)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.order, ctx.inverse = inputs[1:]

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor, None, None]:
        return reorder(cotangents[0], ctx.inverse, ctx.order), None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        return tangents[0].index_select(1, ctx.order)


def reorder(x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    """Column ``order[k]`` at place ``k``; ``inverse`` is the inverse permutation."""
    if torch.compiler.is_compiling() or not (x.requires_grad and torch.is_grad_enabled()):
        return x.index_select(1, order)
    return _Reorder.apply(x, order, inverse)  # type: ignore[return-value]


@kept_apart
def permutation(order: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """An order as a tensor, and its inverse."""
    forth = torch.tensor(order, device=device)
    return forth, forth.argsort()


def run(route: Plan | Dense | Torus, rows: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Calls a route on rows whose components stand in the order of their degrees."""
    device = rows[0].device
    wanted = [
        x if order is None else reorder(x, *permutation(order, device))
        for x, order in zip(rows, route.orders_in, strict=True)
    ]
    found = route(*wanted)
    if route.order_out is None:
        return found
    forth, back = permutation(route.order_out, device)
    return tuple(reorder(z, back, forth) for z in found)
