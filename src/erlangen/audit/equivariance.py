"""The one place that checks promises: relative error over group elements, for any module."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from erlangen.audit import measure
from erlangen.audit.expectation import audit_in_expectation
from erlangen.audit.layers import check_layers
from erlangen.audit.report import KEPT, STILL, Report, Worst
from erlangen.audit.runner import untouched_randomness
from erlangen.audit.trial import Trial
from erlangen.audit.verdict import accepted, judge
from erlangen.groups import Element, Group, Hom, Symmetry, infer_symmetry
from erlangen.groups.samples import Samples

Promise = Symmetry | Sequence[Symmetry] | Group | Hom | str | None


def audit(
    module: Callable[..., Any],
    *inputs: Any,
    symmetry: Promise = None,
    num_elements: int = 32,
    elements: Sequence[Element] | None = None,
    shared: bool = False,
    hidden: Mapping[str, Symmetry] | None = None,
    per_layer: bool = False,
    other: Callable[..., Any] | None = None,
    seed: int = 0,
) -> Report:
    r"""Measures whether a module keeps a promise, :math:`f(g \cdot x) = g \cdot f(x)`.

    The module runs on a deep copy in eval mode, in float64 and in float32; the caller's module, its buffers and the
    random state stay untouched. Tried are the identity under another seed (a control for randomness), every discrete
    generator of the group, then random elements, one per sample. Per output leaf the error is the largest
    :math:`|f(g \cdot x) - g \cdot f(x)|` divided by the spread of that leaf over elements and samples. With ``floor32``
    the difference between the float32 and the float64 run, in the same unit, and ``floor64 = floor32 / 2^29``, the
    verdict is

    * ``exact`` when the float64 error is at most ``max(1000 floor64, 1e-11)``;
    * ``float32`` when it is at most ``max(30 floor32, 1e-6)`` and the float32 error at most ``max(30 floor32, 1e-5)``
      (and no more than 1e-4 of the spread, 1e-2 where the output holds float32 numbers anyway: an output with a large
      offset has a large floor32, which must not excuse what float64 shows);
    * ``breaks`` otherwise; ``vacuous`` when nothing was moved, the outputs never vary, or the rounding of float32 could
      hide a break; ``unsteady`` when already the identity fails.

    Promises of kind "approximate" are held against their bound, and only measured when they name none; those
    "in_expectation" are held by the means over 64 seeds.

    Args:
        module: an ``nn.Module`` or any callable.
        inputs: example inputs, best a batch of several different samples.
        symmetry: the promise, several of them, or a group (also in words, ``"SO(3)"``), whose actions are then
            inferred; by default the module's own ``symmetry``.
        num_elements: number of group elements, the generators among them.
        elements: elements to try instead of drawing any.
        shared: move all samples by the same element; the default, one element per sample, also sees leaks across the
            batch.
        hidden: promises of inner layers by their name in ``named_modules()``; implies ``per_layer``.
        per_layer: also check every inner layer that declares a symmetry, on the inputs it receives.
        other: checks ``other(g.x) = g.module(x)`` instead, for twins such as networks with permuted weights.
        seed: for the elements and the module's randomness.

    Raises:
        ValueError: when there is no promise, the inputs do not fit it, a batch is empty, or an output holds NaN.
        TypeError: when an input or output is not a tensor its action can move.

    Example:
        >>> from erlangen.groups import SO, Scalar, Symmetry, Vector
        >>> length = lambda x: x.norm(dim=-1)
        >>> promise = Symmetry(SO(3), inputs=(Vector(SO(3)),), output=Scalar(SO(3)))
        >>> audit(length, torch.randn(8, 3), symmetry=promise).verdict
        'exact'
    """
    start = time.perf_counter()
    if num_elements < 1:
        raise ValueError(f"audit(num_elements): at least 1, got {num_elements}")
    if elements is not None and len(elements) == 0:
        raise ValueError("audit(elements): at least one element, got none")
    with untouched_randomness():
        reports = [
            audit_promise(module, inputs, promise, num_elements, elements, shared, other, seed)
            for promise in promises(module, inputs, symmetry)
        ]
        reports.sort(key=lambda r: (r.verdict in KEPT, -r.error))
        report, *report.others = reports
        if per_layer or hidden:
            report.layers = check_layers(module, inputs, hidden or {}, seed, audit_promise)
    report.seconds = time.perf_counter() - start
    return report


def promises(module: Any, inputs: Sequence[Any], symmetry: Promise) -> list[Symmetry]:
    """What is to be checked: what was passed, or what the module declares.

    Raises:
        ValueError: when neither says anything.
        TypeError: when it is no symmetry.
    """
    given = getattr(module, "symmetry", None) if symmetry is None else symmetry
    if given is None:
        raise ValueError(
            "audit(symmetry): the module declares no symmetry; pass one, or a group in words such as 'SO(3)' to infer "
            "the actions"
        )
    if isinstance(given, Group | Hom | str):
        output = Trial.example(module, inputs)
        return [infer_symmetry(given, *inputs, output=output, module=module)]
    found = [given] if isinstance(given, Symmetry) else list(given) if isinstance(given, Sequence) else []
    if not found or not all(isinstance(p, Symmetry) for p in found):
        raise TypeError(f"audit(symmetry): a Symmetry, several, a Group or its name, got {given!r}")
    return found


def audit_promise(
    module: Callable[..., Any],
    inputs: Sequence[Any],
    symmetry: Symmetry,
    num_elements: int = 32,
    elements: Sequence[Element] | None = None,
    shared: bool = False,
    other: Callable[..., Any] | None = None,
    seed: int = 0,
) -> Report:
    """The audit of a single promise."""
    start = time.perf_counter()
    with Trial(module, inputs, symmetry, other, shared, seed) as trial:
        return _measured(trial, trial.elements(num_elements, elements), start)


def _measured(trial: Trial, named: list[tuple[str, Element]], start: float) -> Report:
    control = measure.control(trial)
    if trial.symmetry.kind == "in_expectation" and control > 0:
        return audit_in_expectation(trial, named, start)

    precise, single, moved_in = [], [], 0.0
    for _, g in named:  # outputs are kept, moved inputs are not: they may be large
        gx = trial.move(g)
        precise.append(trial.second(gx))
        single.append(trial.second_in_float32(gx))
        moved_in = max(moved_in, measure.moved(trial, gx))
    scale, varies = measure.spreads(trial, [trial.y, *precise])
    floors = measure.floors(trial, scale, precise, single)
    errors64 = [measure.errors(trial, scale, g, trial.y, y) for (_, g), y in zip(named, precise, strict=True)]
    errors32 = [measure.errors(trial, scale, g, trial.y32, y) for (_, g), y in zip(named, single, strict=True)]
    worst64, worst32 = _worst_per_leaf(errors64, floors), _worst_per_leaf(errors32, floors)
    changes = [measure.differences(trial, scale, trial.y, y) for y in precise]

    verdict, tolerance, note = judge(trial.symmetry, trial.precise, worst64, worst32, floors, trial.coarse())
    trial.notes.extend([note] if note else [])
    if verdict == "breaks" and trial.samples.count not in (None, 1) and _holds_shared(trial, scale, named):
        trial.notes.append(
            "it holds when all samples are moved by the same element: samples leak into each other, or the first axis "
            "is no batch axis (then pass shared=True)"
        )
    if moved_in <= STILL or (verdict in KEPT and not varies):
        verdict = "vacuous"
        trial.notes.append("the elements moved no input" if moved_in <= STILL else "the outputs never vary")
        if trial.symmetry.group.order == 1:
            trial.notes.append(f"{trial.symmetry.group} has one element")
    if control > 0:
        verdict = "unsteady"
        trial.notes.append(f"the same input gave outputs that differ by {control:.1e}")
    alone = measure.alone(trial, scale) if control == 0 else None
    if alone is not None and alone > max(accepted(max(floors.values())), 1e-9):
        trial.notes.append(f"the output of a sample depends on what else is in its batch: {alone:.1e} when run alone")

    per_element = {label: max(e.value for e in found.values())
                   for (label, _), found in zip(named, errors64, strict=True)}  # fmt: skip
    return Report(
        symmetry=trial.symmetry,
        verdict=verdict,
        error=max(per_element.values()),
        mean=sum(per_element.values()) / len(per_element),
        per_element=per_element,
        per_output=worst64,
        worst=_worst(named, errors64),
        num_bad=sum(value > tolerance for value in per_element.values()),
        error32=max(worst32.values()),
        error64=max(worst64.values()) if trial.precise else None,
        floor32=max(floors.values()),
        control=control,
        moved_in=moved_in,
        moved_out=max(e.value for found in changes for e in found.values()),
        action_floor=measure.action_floor(trial, named),
        alone=alone,
        tolerance=tolerance,
        forwards=trial.forwards,
        seconds=time.perf_counter() - start,
        notes=trial.notes,
    )


def _worst_per_leaf(errors: list[dict[str, measure.Error]], names: Mapping[str, float]) -> dict[str, float]:
    return {name: max(found[name].value for found in errors) for name in names}


def _worst(named: list[tuple[str, Element]], errors: list[dict[str, measure.Error]]) -> Worst:
    every = [
        (error.value, Worst(label, name, error.index))
        for (label, _), found in zip(named, errors, strict=True)
        for name, error in found.items()
    ]
    return max(every, key=lambda item: item[0])[1]


def _holds_shared(trial: Trial, scale: dict[str, float], named: list[tuple[str, Element]]) -> bool:
    """Whether a broken promise holds once all samples share an element: a leak, or no batch at all."""
    if trial.samples.graph is not None:
        return False
    group, samples = trial.symmetry.group, trial.samples
    generator, whole = torch.Generator().manual_seed(trial.seed), Samples.one("")
    shared = [g for _, g in named if not group.batch_shape(g)]
    shared += [whole.draw(group, generator, trial.device) for _ in range(4)]
    try:
        trial.samples = whole
        found = [measure.errors(trial, scale, g, trial.y, trial.second(trial.move(g))) for g in shared]
    finally:
        trial.samples = samples
    return max(e.value for errors in found for e in errors.values()) < 1e-5
