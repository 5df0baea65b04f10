"""The Lie derivative of a module: how fast a promise fails when the group starts to act."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from erlangen.audit import measure
from erlangen.audit.equivariance import Promise, promises
from erlangen.audit.report import STILL
from erlangen.audit.runner import double, untouched_randomness
from erlangen.audit.trial import Trial
from erlangen.groups import Element, Symmetry
from erlangen.groups.element import map_element


@dataclass
class LieReport:
    """How fast the promise fails along each direction of the Lie algebra.

    Attributes:
        symmetry: the promise, with its sizes bound.
        error: the largest entry of ``per_direction``.
        per_direction: largest entry of the Lie derivative over the spread of the output leaf that it belongs to, per
            basis element of the algebra.
        method: "difference" or "jvp".
        step: the step of the difference.
        seconds: wall time.
        notes: sentences about what this cannot see.
        others: further promises of the same module; the report itself is that of the worst.
    """

    symmetry: Symmetry
    error: float
    per_direction: list[float]
    method: str
    step: float
    seconds: float
    notes: list[str] = field(default_factory=list)
    others: list[LieReport] = field(default_factory=list)

    def table(self) -> str:
        """The report as plain text."""
        rows = [("promise", repr(self.symmetry)), ("Lie derivative", f"{self.error:.2e} largest, by {self.method}")]
        rows.extend((f"  direction {i}", f"{value:.2e}") for i, value in enumerate(self.per_direction))
        rows.extend(("note", note) for note in self.notes)
        width = max(len(label) for label, _ in rows)
        lines = [f"{label:<{width}}  {text}" for label, text in rows]
        return "\n".join([*lines, *(f"\n{other.table()}" for other in self.others)])

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
            "others": [other.to_dict() for other in self.others],
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
        module: as in :func:`erlangen.audit.audit`; run on a copy in eval mode, in float64 where it can.
        inputs: example inputs, all moved by one element.
        symmetry: the promise, several, or a group in words; by default the module's own.
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
    with untouched_randomness():
        found = promises(module, inputs, symmetry)
        continuous = [promise for promise in found if promise.bind(*inputs).group.algebra_basis()]
        if not continuous:
            raise ValueError(
                f"lie_derivative(symmetry): {found[0].group} is discrete and has no Lie algebra; use audit"
            )
        reports = [_along_all(module, inputs, promise, step, method) for promise in continuous]
    reports.sort(key=lambda r: -r.error)
    report, *report.others = reports
    return report


def _along_all(
    module: Callable[..., Any], inputs: Sequence[Any], promise: Symmetry, step: float, method: str
) -> LieReport:
    start = time.perf_counter()
    with Trial(module, inputs, promise) as trial:
        group, notes = trial.symmetry.group, trial.notes
        if group.generators():
            notes.append("reflections and other components of the group are not seen")
        if not trial.precise and method == "difference":
            notes.append(f"a difference of float32 runs over {step:g} is rounding below {1e-7 / step:.0e}")
        scale, varies = measure.spreads(trial, [trial.y])
        if not varies:
            notes.append("the outputs never vary: this says nothing")
        along = _by_difference if method == "difference" else _by_jvp
        basis = group.algebra_basis(dtype=torch.float64, device=trial.device)
        per_direction = [along(trial, A, step, scale) for A in basis]
        if all(measure.moved(trial, trial.move(group.exp(A))) <= STILL for A in basis):
            notes.append("the group moves no input: this says nothing")
        seconds = time.perf_counter() - start
        return LieReport(trial.symmetry, max(per_direction), per_direction, method, step, seconds, notes)


def _by_difference(trial: Trial, A: Element, step: float, scale: dict[str, float]) -> float:
    def pulled_back(t: float) -> Any:
        g = trial.symmetry.group.exp(map_element(lambda a: t * a, A))
        return trial.expected(trial.symmetry.group.inverse(g), trial.second(trial.move(g)))

    found = measure.differences(trial, scale, pulled_back(step), pulled_back(-step))
    return max(error.value for error in found.values()) / (2 * step)


def _by_jvp(trial: Trial, A: Element, step: float, scale: dict[str, float]) -> float:
    inexact = next((a for a in trial.symmetry.inputs if not a.exact), None)
    if inexact is not None:
        raise ValueError(f"lie_derivative(method='jvp'): {inexact!r} has no tangent; use method='difference'")
    if trial.symmetry.compare is not None:
        raise ValueError("lie_derivative(method='jvp'): a distance of its own has no tangent; use method='difference'")

    def pulled_back(t: Tensor) -> dict[str, Tensor]:
        g = trial.symmetry.group.exp(map_element(lambda a: t * a, A))
        y = trial.expected(trial.symmetry.group.inverse(g), trial.differentiable(trial.move(g)))
        return {name: double(value) for name, _, value in trial.leaves(y)}

    zero, one = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
    velocity = torch.func.jvp(pulled_back, (zero,), (one,))[1]
    return max(v.abs().max().item() / scale[name] if v.numel() else 0.0 for name, v in velocity.items())
