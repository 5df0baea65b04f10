"""How much of what a module answers breaks a symmetry: sample by sample, on a scale from nothing to everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from erlangen.audit.resampling import ratio_interval
from erlangen.audit.runner import double, to_dtype, untouched_randomness
from erlangen.audit.trial import Trial
from erlangen.groups import Element, Symmetry


@dataclass(frozen=True)
class Violation:
    r"""What the module makes of moved samples; with ``T f(x)`` short for :math:`g^{-1} \cdot f(g \cdot x)`.

    Every attribute but the first has one number per sample, summed over the entries of the answer and averaged over the
    elements that were tried, float64.

    Attributes:
        symmetry: the promise, its sizes bound.
        broken: :math:`|T f(x) - f(x)|^2`.
        chance: what ``broken`` would be if ``T f(x)`` belonged to another sample, drawn at random.
        own: :math:`|f(x) - y|^2`, where targets ``y`` were given.
        moved: :math:`|T f(x) - y|^2`, where they were.
    """

    symmetry: Symmetry
    broken: Tensor
    chance: Tensor
    own: Tensor | None = None
    moved: Tensor | None = None

    @property
    def error(self) -> float:
        """The relative error: 0 where the symmetry is kept, about 1 where moved answers say nothing of the answers."""
        return relative_error([self])

    def interval(self, level: float = 0.95, seed: int = 0) -> tuple[float, float]:
        """Where the error lies if other samples of the kind are taken, by bootstrap."""
        return error_interval([self], level, seed)


def relative_error(found: Sequence[Violation]) -> float:
    r"""The root of :math:`\langle|T f - f|^2\rangle / \langle chance\rangle`.

    Several violations are those of several seeds, which count alike. Answers that never vary break nothing: 0.
    """
    below = sum(float(one.chance.mean()) for one in found)
    return (sum(float(one.broken.mean()) for one in found) / below) ** 0.5 if below else 0.0


def error_interval(found: Sequence[Violation], level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """The interval of :func:`relative_error`, by bootstrap over samples, and seeds if there are several."""
    if not any(bool(one.chance.any()) for one in found):
        return 0.0, 0.0
    low, high = ratio_interval([one.broken for one in found], [one.chance for one in found], level=level, seed=seed)
    return low**0.5, high**0.5


def measure_violation(
    module: Callable[..., Any],
    *inputs: Any,
    symmetry: Symmetry,
    target: Tensor | None = None,
    num_elements: int = 16,
    elements: Sequence[Element] | None = None,
    seed: int = 0,
) -> Violation:
    r"""Measures how far :math:`g^{-1} \cdot f(g \cdot x)` is from :math:`f(x)`, for every sample.

    Where the group is compact, its elements are drawn from the Haar measure. If moved samples are then as likely as the
    samples themselves, half of the squared error is the part of the answer that breaks the symmetry: the distance
    of ``f`` from its average over the group, which is the nearest function that keeps it. On the scale of ``chance``,
    for all pairs of samples, the share is that of all that varies in the answers.

    With targets it can be seen whether the *data* break the symmetry: where their law keeps it, a moved sample is
    predicted as well as the sample itself, whatever the module is, so that ``moved`` is ``own`` on average.

    Args:
        module: as in :func:`erlangen.audit.audit`: run on a copy in eval mode, in float64 where it can.
        inputs: a batch of different samples.
        symmetry: the promise.
        target: what the answers should be, of the shape of the output.
        num_elements: elements per sample.
        elements: elements to try instead of drawing any, each for all samples or with one for each.
        seed: of the elements.

    Raises:
        ValueError: when the inputs are not a batch of several samples, do not fit the promise, or a number is not
            finite.
        TypeError: when an output or target is not a tensor its action can move.

    Source: for the part that breaks a symmetry, Elesedy, Zaidi: Provably Strict Generalisation Benefit for Equivariant
    Models (2021).

    Example:
        >>> from erlangen.groups import SO, Scalar, Symmetry, Vector
        >>> promise = Symmetry(SO(3), inputs=(Vector(SO(3)),), output=Scalar(SO(3)))
        >>> x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
        >>> found = measure_violation(lambda x: x[:, 0], x, symmetry=promise)
        >>> 0.9 < found.error < 1.1
        True
        >>> measure_violation(lambda x: x.norm(dim=1), x, symmetry=promise).error < 1e-12
        True
    """
    if num_elements < 1:
        raise ValueError(f"measure_violation(num_elements): at least 1, got {num_elements}")
    if symmetry.compare is not None:
        raise ValueError("measure_violation(symmetry): answers are compared by a distance of its own, and have no mean")
    with untouched_randomness(), Trial(module, inputs, symmetry, seed=seed) as trial:
        if trial.samples.count is None or trial.samples.count < 2:
            why = trial.samples.reason or "it has one sample"
            raise ValueError(f"measure_violation(inputs): a batch of several different samples; {why}")
        answer = _rows(trial, trial.y)
        wanted = None if target is None else _rows(trial, to_dtype(target, torch.float64), answer)
        sums = {name: _Sums(trial, name, y, None if wanted is None else wanted[name]) for name, y in answer.items()}
        generator, group = torch.Generator().manual_seed(seed), trial.symmetry.group
        tried = elements or [trial.samples.draw(group, generator, trial.device) for _ in range(num_elements)]
        for g in tried:
            back = trial.expected(group.inverse(g), trial.second(trial.move(g)))
            for name, y in _rows(trial, back, answer).items():
                sums[name].add(y)
        found = [one.violation(len(tried)) for one in sums.values()]
    # Leaves of an output have units of their own: the one that breaks the symmetry most speaks for all.
    return max(found, key=lambda one: float(one.broken.mean()) / (float(one.chance.mean()) or 1.0))


def _rows(trial: Trial, y: Any, like: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The real and complex leaves of an output, by name: all of them finite, and of the shape that others have."""
    found = {
        name: double(value) for name, _, value in trial.leaves(y) if value.is_floating_point() or value.is_complex()
    }
    if not found:
        raise ValueError("measure_violation: the output has no real numbers")
    for name, value in found.items():
        if like is not None and (name not in like or like[name].shape != value.shape):
            wanted = tuple(like[name].shape) if name in like else "none"
            raise ValueError(f"measure_violation: {name} has shape {wanted}, got {tuple(value.shape)}")
        if not bool(value.isfinite().all()):
            raise ValueError(f"measure_violation: {name} holds what is no finite number")
    return found


class _Sums:
    """What is added up over elements, for one leaf of the output."""

    def __init__(self, trial: Trial, name: str, y: Tensor, wanted: Tensor | None) -> None:
        self.trial, self.name, self.y, self.wanted = trial, name, y, wanted
        self.action = next(action for leaf, action, _ in trial.leaves(trial.y) if leaf == name)
        self.centre = y.mean(0, keepdim=True)
        self.broken, self.chance, self.moved = (self.squared(y, y) for _ in range(3))

    def squared(self, a: Tensor, b: Tensor) -> Tensor:
        """Squared distances, summed over the entries of each sample."""
        gap = (a - b).abs().square()
        rows = gap.flatten(1).sum(1) if gap.ndim > 1 else gap
        place = self.trial.samples.place(self.name, self.action, a)
        if place is None:
            return rows
        return rows.new_zeros(self.trial.samples.count or 1).index_add(0, place.to(rows.device), rows)

    def add(self, y: Tensor) -> None:
        """Takes the answers for moved inputs, moved back."""
        self.broken += self.squared(y, self.y)
        self.chance += self.squared(y, self.centre)
        if self.wanted is not None:
            self.moved += self.squared(y, self.wanted)

    def violation(self, count: int) -> Violation:
        """The means over ``count`` elements."""
        # Over all pairs of samples i, j the mean of |T_i - f_j|^2 is that of |T_i - centre|^2 + |f_j - centre|^2.
        chance = self.chance / count + self.squared(self.y, self.centre)
        if self.wanted is None:
            return Violation(self.trial.symmetry, self.broken / count, chance)
        own, moved = self.squared(self.y, self.wanted), self.moved / count
        return Violation(self.trial.symmetry, self.broken / count, chance, own, moved)
