"""The numbers of an audit: spreads, rounding floors, relative errors."""

from __future__ import annotations

import math
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import Tensor

from erlangen.audit.runner import double, map_tensors
from erlangen.audit.trial import REFUSALS, Trial
from erlangen.groups import Action, Element, Pixels
from erlangen.groups.samples import base_actions, leaves

#: Other inputs tried near the given ones, where these alone do not show how an output varies.
JITTERS = 8


class Error(NamedTuple):
    """A relative error and the index of the entry that has it."""

    value: float
    index: tuple[int, ...]


def control(trial: Trial) -> float:
    """How far the output changes under another seed, relative to its size; zero for what only rounds differently."""
    again = trial.first(trial.inputs, trial.seed + 1)
    rounding = 1e-13 if trial.precise else 1e-5
    largest = 0.0
    for (name, _, a), (_, _, b) in zip(trial.leaves(trial.y), trial.leaves(again), strict=True):
        if a.numel():
            a, gap = double(a), _largest(_distance(trial, name, a, b), 1.0).value
            size = a.abs().max().item()
            scale = max((a - a.mean()).abs().max().item(), 1e-9 * size) or 1.0
            largest = max(largest, gap / scale if gap > rounding * size else 0.0)
    return largest


def spreads(trial: Trial, runs: list[Any]) -> tuple[dict[str, float], bool]:
    """Standard deviation of every output leaf over elements and samples, feature by feature; and whether any varies.

    The output of an invariant module for a single sample does not vary over elements: then its spread is taken over
    inputs near the given ones. A leaf that never varies has no spread: its size takes the place.
    """
    found = _deviations(trial, runs)
    if trial.samples.count in (None, 1) or any(s <= 1e-6 * size for s, size in found.values()):
        found = _deviations(trial, [*runs, *_jittered(trial)])
    # What is left of a constant is rounding, not variation.
    rounding = 1e-13 if trial.precise else 1e-6
    varies = {name for name, (s, size) in found.items() if s > rounding * size}
    return {name: s if name in varies else size or 1.0 for name, (s, size) in found.items()}, bool(varies)


def _deviations(trial: Trial, runs: list[Any]) -> dict[str, tuple[float, float]]:
    by_run = [trial.leaves(y) for y in runs]
    out = {}
    for i, (name, action, first) in enumerate(by_run[0]):
        same = [double(run[i][2]) for run in by_run if run[i][2].shape == first.shape]
        stack = torch.stack([y for y in same if bool(y.isfinite().all())] or [torch.zeros_like(same[0])])
        per_row = trial.samples.count is not None and first.ndim > 0 and trial.samples.has_rows(name, action, first)
        centre = stack.mean((0, 1) if per_row else 0, keepdim=True)
        spread = (stack - centre).abs().square().mean().sqrt().item() if stack.numel() else 0.0
        out[name] = spread, stack.abs().max().item() if stack.numel() else 0.0
    return out


def _jittered(trial: Trial) -> list[Any]:
    generator = torch.Generator().manual_seed(trial.seed)

    def jitter(x: Tensor) -> Tensor:
        if not (x.is_floating_point() or x.is_complex()) or x.numel() == 0:
            return x
        size = x.std() if x.numel() > 1 and x.std() > 0 else x.abs().max().clamp_min(1e-3)
        return x + 0.3 * size * torch.randn(x.shape, generator=generator, dtype=double(x).dtype).to(x)

    outputs = []
    for _ in range(JITTERS):
        try:
            y = trial.first(map_tensors(jitter, trial.inputs))
        except REFUSALS:
            break  # inputs that must not be perturbed: the spread over elements has to do
        if all(bool(v.isfinite().all()) for _, _, v in trial.leaves(y) if v.is_floating_point()):
            outputs.append(y)
    return outputs


def floors(trial: Trial, scale: dict[str, float], precise: list[Any], single: list[Any]) -> dict[str, float]:
    r"""Rounding of the module itself, :math:`|f_{32}(x) - f_{64}(x)|` over the spread, per output leaf.

    Taken at the inputs, and at least the median over moved inputs: one lucky rounding must not make a floor. Where both
    runs round alike, as in modules that cast their inputs, or where there is only one run, it is what rounding the
    inputs and the output does.
    """
    found = dict.fromkeys(scale, 0.0)
    if trial.precise and trial.single:
        here, *there = (
            differences(trial, scale, a, b) for a, b in zip([trial.y32, *single], [trial.y, *precise], strict=True)
        )
        found = {n: max(_finite(e.value), median([_finite(t[n].value) for t in there])) for n, e in here.items()}
    blind = trial.coarse() if trial.precise and trial.single else set(found)
    if blind:
        near, eps = _rounded(trial, scale), torch.finfo(torch.float32).eps
        for n, _, y in trial.leaves(trial.y):
            if n in blind and y.numel():
                found[n] = max(found[n], eps * y.abs().max().item() / scale[n], near[n])
    return found


def _rounded(trial: Trial, scale: dict[str, float]) -> dict[str, float]:
    """What it does to the output to change every real input by the rounding of float32."""
    generator, eps = torch.Generator().manual_seed(trial.seed), torch.finfo(torch.float32).eps

    def change(x: Tensor) -> Tensor:
        if not (x.is_floating_point() or x.is_complex()):
            return x
        return x * (1 + eps * (2 * torch.rand(x.shape, generator=generator, dtype=torch.float64).to(x) - 1))

    try:
        y = trial.first(map_tensors(change, trial.inputs))
        return {n: _finite(e.value) for n, e in differences(trial, scale, trial.y, y).items()}
    except REFUSALS:
        return dict.fromkeys(scale, 0.0)


def _finite(gap: float) -> float:
    # What overflows, or is not a number, is no rounding.
    return gap if math.isfinite(gap) else 0.0


def differences(trial: Trial, scale: dict[str, float], want: Any, got: Any) -> dict[str, Error]:
    """The largest difference per output leaf, over its spread."""
    pairs = zip(trial.leaves(want), trial.leaves(got), strict=True)
    return {name: _largest(_distance(trial, name, a, b), scale[name]) for (name, _, a), (_, _, b) in pairs}


def errors(trial: Trial, scale: dict[str, float], g: Element, y: Any, gy: Any) -> dict[str, Error]:
    """How far the output for moved inputs is from the moved output, per output leaf, over its spread."""
    out = {}
    for (name, action, want), (_, _, got) in zip(trial.leaves(trial.expected(g, y)), trial.leaves(gy), strict=True):
        gap = _distance(trial, name, want, got)
        if has_pixels(action):
            gap = gap * _inside(trial, action, g, want, name)
        out[name] = _largest(gap, scale[name])
    return out


def _distance(trial: Trial, name: str, want: Tensor, got: Tensor) -> Tensor:
    """Entry by entry, or what the promise compares by when outputs live in a quotient."""
    if want.shape != got.shape:
        raise ValueError(f"{name}: shape {tuple(got.shape)} for moved inputs, {tuple(want.shape)} for the others")
    want, got = double(want), double(got)
    return (got - want).abs() if trial.symmetry.compare is None else trial.symmetry.compare(got, want)


def _largest(gap: Tensor, scale: float) -> Error:
    if gap.numel() == 0:
        return Error(0.0, ())
    if not bool(gap.isfinite().all()):
        return Error(float("inf"), tuple(int(i) for i in (~gap.isfinite()).nonzero()[0]))
    at = int(gap.argmax())
    index = tuple(at // math.prod(gap.shape[i + 1 :]) % n for i, n in enumerate(gap.shape))
    return Error(gap.flatten()[at].item() / scale, index)


def has_pixels(action: Action) -> bool:
    """Whether the action resamples an image."""
    return any(isinstance(base, Pixels) for base in base_actions(action))


def _inside(trial: Trial, action: Action, g: Element, x: Tensor, name: str) -> Tensor:
    """Pixels whose whole interpolation neighbourhood was inside the image."""
    return trial.samples.act(action, g, torch.ones_like(x), name) >= 1 - 1e-6


def moved(trial: Trial, gx: tuple[Any, ...]) -> float:
    """How far the inputs moved, over their spread."""
    largest = 0.0
    before, after = leaves(trial.symmetry.inputs, trial.inputs), leaves(trial.symmetry.inputs, gx)
    for (_, _, a), (_, _, b) in zip(before, after, strict=True):
        if isinstance(a, Tensor) and a.numel():
            scale = (double(a).std().item() if a.numel() > 1 else 0.0) or double(a).abs().max().item() or 1.0
            largest = max(largest, (double(a) - double(b)).abs().max().item() / scale)
    return largest


def action_floor(trial: Trial, named: list[tuple[str, Element]]) -> float | None:
    """What resampling there and back does to the inputs themselves, where nothing left the image."""
    if all(a.exact for a in trial.symmetry.inputs):
        return None
    largest, group = 0.0, trial.symmetry.group
    for _, g in named:
        back = group.inverse(g)
        for name, action, x in leaves(trial.symmetry.inputs, trial.inputs):
            if has_pixels(action):
                there = trial.samples.act(action, back, trial.samples.act(action, g, x, name), name)
                ones = trial.samples.act(action, g, torch.ones_like(x), name)
                seen = trial.samples.act(action, back, ones, name) >= 1 - 1e-6
                if bool(seen.any()):
                    gap = (there - x)[seen].square().mean().sqrt() / x.std().clamp_min(1e-30)
                    largest = max(largest, gap.item())
    return largest


def alone(trial: Trial, scale: dict[str, float]) -> float | None:
    """The largest change of a sample's output when it is run without the rest of its batch; ``None`` if untried."""
    count = trial.samples.count
    if count is None or count < 2 or not trial.precise:
        return None
    largest = 0.0
    for sample in torch.linspace(0, count - 1, min(count, 8)).round().long().tolist():
        try:
            y = trial.alone(sample)
        except REFUSALS as error:
            trial.notes.append(f"a sample cannot be run alone ({type(error).__name__})")
            return None
        for (name, action, a), (_, _, b) in zip(trial.leaves(trial.y), trial.leaves(y), strict=True):
            rows = trial.samples.rows(name, action, a, sample)
            if rows.shape == b.shape and rows.numel():
                largest = max(largest, _largest(_distance(trial, name, rows, b), scale[name]).value)
    return largest
