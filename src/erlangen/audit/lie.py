"""The Lie derivative of a module: how fast a promise fails when the group starts to act."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from erlangen.audit.equivariance import Promise, promises
from erlangen.audit.runner import Runner, to_dtype, untouched_randomness
from erlangen.groups import Element, Symmetry
from erlangen.groups.element import map_element
from erlangen.groups.samples import leaves


@dataclass
class LieReport:
    """How fast the promise fails along each direction of the Lie algebra.

    Attributes:
        symmetry: the promise, with its sizes bound.
        error: the largest entry of ``per_direction``.
        per_direction: largest entry of the Lie derivative over the output's spread, per basis element of the algebra.
        method: "difference" or "jvp".
        step: the step of the difference.
        seconds: wall time.
        notes: sentences about what this cannot see.
    """

    symmetry: Symmetry
    error: float
    per_direction: list[float]
    method: str
    step: float
    seconds: float
    notes: list[str] = field(default_factory=list)

    def table(self) -> str:
        """The report as plain text."""
        rows = [("promise", repr(self.symmetry)), ("Lie derivative", f"{self.error:.2e} largest, by {self.method}")]
        rows.extend((f"  direction {i}", f"{value:.2e}") for i, value in enumerate(self.per_direction))
        rows.extend(("note", note) for note in self.notes)
        width = max(len(label) for label, _ in rows)
        return "\n".join(f"{label:<{width}}  {text}" for label, text in rows)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "symmetry": repr(self.symmetry),
            "error": self.error,
            "per_direction": list(self.per_direction),
            "method": self.method,
            "step": self.step,
            "seconds": self.seconds,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        return self.table()


def lie_derivative(
    module: Callable[..., Any],
    *inputs: Any,
    symmetry: Promise = None,
    step: float = 1e-3,
    method: str = "difference",
) -> LieReport:
    r"""Measures :math:`\frac{d}{dt} \exp(-tA) \cdot f(\exp(tA) \cdot x)` at ``t = 0`` for a basis of the Lie algebra.

    It is zero exactly when the promise holds on the component of the identity. It never sees reflections or any other
    component, nor discrete groups: those are the audit's.

    Args:
        module: as in :func:`erlangen.audit.audit`; run on a copy in eval mode and float64.
        inputs: example inputs, all moved by one element.
        symmetry: the promise, or a group in words.
        step: step of the central difference, whose error falls with its square.
        method: "difference", or "jvp" for forward-mode differentiation, which is exact but lacks some operations
            (cdist, grid_sample, attention kernels, recurrent layers).

    Raises:
        ValueError: when the group has no Lie algebra, or the method is unknown.

    Example:
        >>> from erlangen.groups import SO, Scalar, Symmetry, Vector
        >>> promise = Symmetry(SO(3), inputs=(Vector(SO(3)),), output=Scalar(SO(3)))
        >>> lie_derivative(lambda x: x.square().sum(-1), torch.randn(4, 3), symmetry=promise).error < 1e-9
        True
    """
    if method not in ("difference", "jvp"):
        raise ValueError(f"lie_derivative(method): 'difference' or 'jvp', got {method!r}")
    if not step > 0:
        raise ValueError(f"lie_derivative(step): a positive number, got {step!r}")
    start = time.perf_counter()
    with untouched_randomness():
        promise, *_ = promises(module, inputs, symmetry)
        inputs = to_dtype(tuple(inputs), torch.float64)
        promise = promise.bind(*inputs)
        device = next((x.device for _, _, x in leaves(promise.inputs, inputs) if isinstance(x, Tensor)), None)
        basis = promise.group.algebra_basis(dtype=torch.float64, device=device)
        if not basis:
            raise ValueError(f"lie_derivative(symmetry): {promise.group} is discrete and has no Lie algebra; use audit")
        notes = ["reflections and other components of the group are not seen"] if promise.group.generators() else []
        runner = Runner(module, torch.float64, notes)
        if method == "jvp":
            inexact = next((a for a in promise.inputs if not a.exact), None)
            if inexact is not None:
                raise ValueError(f"lie_derivative(method='jvp'): {inexact!r} has no tangent; use method='difference'")
            values = [_by_jvp(runner, promise, inputs, A) for A in basis]
        else:
            values = [_by_difference(runner, promise, inputs, A, step) for A in basis]
        if not any(_moves(promise, inputs, A) for A in basis):
            notes.append("the group moves no input: this says nothing")
        y = runner(inputs)
        spread = _spread(promise, y)
        runner.close()
    per_direction = [max((v.abs().max().item() for v in vs if v.numel()), default=0.0) / spread for vs in values]
    seconds = time.perf_counter() - start
    return LieReport(promise, max(per_direction), per_direction, method, step, seconds, notes)


def _moves(promise: Symmetry, inputs: Sequence[Any], A: Element) -> bool:
    moved = tuple(action(promise.group.exp(A), x) for action, x in zip(promise.inputs, inputs, strict=True))
    pairs = zip(leaves(promise.inputs, inputs), leaves(promise.inputs, moved), strict=True)
    return any(isinstance(a, Tensor) and not torch.equal(a, b) for (_, _, a), (_, _, b) in pairs)


def _spread(promise: Symmetry, y: Any) -> float:
    sizes = [v.double().std().item() for _, _, v in leaves((promise.output,), (y,), ("output",)) if v.numel() > 1]
    return max((s for s in sizes if s > 0), default=1.0)


def _tensors(promise: Symmetry, y: Any) -> list[Tensor]:
    return [v.double() for _, _, v in leaves((promise.output,), (y,), ("output",))]


def _pulled_back(runner: Callable[..., Any], promise: Symmetry, inputs: Sequence[Any], g: Element) -> list[Tensor]:
    moved = tuple(action(g, x) for action, x in zip(promise.inputs, inputs, strict=True))
    return _tensors(promise, promise.output(promise.group.inverse(g), runner(moved)))


def _by_difference(runner: Runner, promise: Symmetry, inputs: Sequence[Any], A: Element, step: float) -> list[Tensor]:
    ahead, behind = (
        _pulled_back(runner, promise, inputs, promise.group.exp(map_element(lambda a, s=s: s * a, A)))
        for s in (step, -step)
    )
    return [(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)]


def _by_jvp(runner: Runner, promise: Symmetry, inputs: Sequence[Any], A: Element) -> list[Tensor]:
    def along(t: Tensor) -> tuple[Tensor, ...]:
        g = promise.group.exp(map_element(lambda a: t * a, A))
        moved = tuple(action(g, x) for action, x in zip(promise.inputs, inputs, strict=True))
        y = runner.module(*moved)
        return tuple(_tensors(promise, promise.output(promise.group.inverse(g), y)))

    zero, one = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
    runner.calls += 1
    return list(torch.func.jvp(along, (zero,), (one,))[1])
