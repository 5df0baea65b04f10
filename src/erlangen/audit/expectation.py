"""Promises in expectation: means over the module's own randomness, held against their standard errors."""

from __future__ import annotations

import time

import torch

from erlangen.audit import measure
from erlangen.audit.report import STILL, Report, Worst
from erlangen.audit.trial import Trial
from erlangen.groups import Element

#: Draws of the module's randomness, and the critical value for the largest difference in standard errors: with a
#: million outputs, the largest of as many t-values stays below it in 99 of 100 audits.
DRAWS, CRITICAL = 64, 7.5
#: Elements tried beyond the discrete generators.
RANDOM = 4


def audit_in_expectation(trial: Trial, named: list[tuple[str, Element]], start: float) -> Report:
    """Compares the mean output for moved inputs with the moved mean output."""
    named = named[: len(trial.samples.generators(trial.symmetry.group, trial.device)) + RANDOM]
    still = [trial.first(trial.inputs, trial.seed + r) for r in range(DRAWS)]
    scale, _ = measure.spreads(trial, still)
    eps, bound = (1e-14 if trial.precise else 1e-5), trial.symmetry.bound or 0.0
    per_element: dict[str, float] = {}
    per_output: dict[str, float] = {}
    noise, ratio, moved_in, worst = 0.0, 0.0, 0.0, None
    for i, (label, g) in enumerate(named):
        gx = trial.move(g)
        moved_in = max(moved_in, measure.moved(trial, gx))
        seeds = range(trial.seed + (i + 1) * DRAWS, trial.seed + (i + 2) * DRAWS)
        there = [trial.leaves(trial.second(gx, seed)) for seed in seeds]
        want = [trial.leaves(trial.expected(g, y)) for y in still]
        per_element[label] = 0.0
        for j, (name, _, _) in enumerate(there[0]):
            a, b = (torch.stack([run[j][2] for run in runs]) for runs in (there, want))
            gap = (a.mean(0) - b.mean(0)).abs() / scale[name]
            error = ((a.var(0) + b.var(0)) / DRAWS).sqrt() / scale[name]
            if not bool(gap.isfinite().all()):
                gap, error = torch.full_like(gap, float("inf")), torch.zeros_like(error)
            # Entries that do not vary are held to rounding.
            rounding = 1e-11 + eps * a.abs().nan_to_num().max() / scale[name]
            ratio = max(ratio, ((gap - bound).clamp_min(0) / (error + rounding)).max().item())
            noise = max(noise, error.max().item())
            value = gap.max().item()
            per_output[name] = max(per_output.get(name, 0.0), value)
            if worst is None or value >= max(per_element.values()):
                index = torch.unravel_index(gap.argmax(), gap.shape)
                worst = Worst(label, name, tuple(int(k) for k in index))
            per_element[label] = max(per_element[label], value)
    verdict = "in_expectation" if ratio <= CRITICAL else "breaks"
    if moved_in <= STILL:
        verdict = "vacuous"
        trial.notes.append("the elements moved no input")
    trial.notes.append(
        f"means over {DRAWS} draws differ by at most {ratio:.1f} standard errors"
        f"{f' more than {bound:g}' if bound else ''} (accepted {CRITICAL}); "
        f"the largest standard error is {noise:.1e} of the spread"
    )
    error = max(per_element.values(), default=0.0)
    return Report(
        symmetry=trial.symmetry,
        verdict=verdict,
        error=error,
        mean=sum(per_element.values()) / max(len(per_element), 1),
        per_element=per_element,
        per_output=per_output,
        worst=worst,
        num_bad=0 if verdict == "in_expectation" else sum(v > bound + CRITICAL * noise for v in per_element.values()),
        error32=None,
        error64=error if trial.precise else None,
        floor32=0.0,
        control=noise,
        moved_in=moved_in,
        moved_out=error,
        action_floor=None,
        alone=None,
        tolerance=bound + CRITICAL * noise,
        forwards=trial.forwards,
        seconds=time.perf_counter() - start,
        notes=trial.notes,
    )
