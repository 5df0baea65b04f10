"""Promises: how an output moves when the inputs are moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from erlangen.groups.action import Action, pull_back
from erlangen.groups.fields import as_action
from erlangen.groups.group import Group
from erlangen.groups.samples import leaves

KINDS = ("exact", "approximate", "in_expectation")


@dataclass(frozen=True)
class Symmetry:
    r"""The promise :math:`f(g \cdot x) = g \cdot f(x)` for every ``g`` of a group.

    Args:
        group: who acts.
        inputs: one action per positional input. Actions of other groups are pulled back along the canonical map,
            so ``Symmetry(E(3), inputs=(Points(E(3)), Vector(O(3))), output=Scalar(E(3)))`` reads as it should.
        output: the action on the output; a tuple or dict of actions when there are several.
        kind: "exact", "approximate", or "in_expectation" (the mean over the module's own randomness keeps it).
        bound: for approximate promises, the largest relative error promised; ``None`` is reported, never asserted.
        holds_where: the conditions in words ("distinct eigenvalues"); printed with every report.
        compare: distance between two outputs when they live in a quotient (up to sign, unordered, ...): a function of
            (actual, expected) that returns non-negative distances.
        assumed: what was assumed when the symmetry was inferred; printed with every report.

    Raises:
        ValueError: when an action cannot be pulled back to the group, the kind is unknown, or an exact promise rests
            on an action that is itself not exact.

    Example:
        >>> from erlangen.groups import E, Points, Scalar
        >>> Symmetry(E(3), inputs=(Points(E(3)),), output=Scalar(E(3)))
        E(3): (Points(E(3))) -> Scalar(E(3)), exact
    """

    group: Group
    inputs: tuple[Action, ...]
    output: Action
    kind: str = "exact"
    bound: float | None = None
    holds_where: str = ""
    compare: Callable[[Tensor, Tensor], Tensor] | None = None
    assumed: tuple[str, ...] = field(default=(), compare=False)

    def __init__(
        self,
        group: Group,
        inputs: Action | Mapping[str, Any] | Sequence[Any],
        output: Any,
        kind: str = "exact",
        bound: float | None = None,
        holds_where: str = "",
        compare: Callable[[Tensor, Tensor], Tensor] | None = None,
        assumed: tuple[str, ...] = (),
    ) -> None:
        if not isinstance(group, Group):
            raise TypeError(f"Symmetry(group): a Group, got {type(group).__name__}")
        if kind not in KINDS:
            raise ValueError(f"Symmetry(kind): one of {', '.join(KINDS)}, got {kind!r}")
        if bound is not None and kind == "exact":
            raise ValueError("Symmetry(bound): only for kind='approximate' or 'in_expectation'")
        given = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
        actions = tuple(pull_back(as_action(a, f"Symmetry(inputs[{i}])"), group) for i, a in enumerate(given))
        out = pull_back(as_action(output, "Symmetry(output)"), group)
        inexact = next((a for a in (*actions, out) if not a.exact), None)
        if kind == "exact" and inexact is not None:
            raise ValueError(
                f"Symmetry(kind='exact'): {inexact!r} resamples, so it is not an exact action; use kind='approximate'"
            )
        values = {
            "group": group, "inputs": actions, "output": out, "kind": kind, "bound": bound,
            "holds_where": holds_where, "compare": compare, "assumed": assumed,
        }  # fmt: skip
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def bind(self, *inputs: Any) -> Symmetry:
        """The same promise with named sizes read off the inputs, after checking that the inputs fit it.

        Raises:
            ValueError: when the number of inputs, a size that two inputs share, or an input's shape does not fit.
            TypeError: when an input has the wrong type or dtype.
        """
        if len(inputs) != len(self.inputs):
            raise ValueError(
                f"the symmetry names {len(self.inputs)} inputs ({', '.join(map(repr, self.inputs))}), got {len(inputs)}"
            )
        known: dict[str, tuple[int, str]] = {}
        for name, action, x in leaves(self.inputs, inputs):
            self._require_axes(name, action, x)
            for size, n in action.sizes(x).items():
                before = known.setdefault(size, (n, name))
                if before[0] != n:
                    raise ValueError(f"the size {size!r} is {before[0]} in {before[1]} but {n} in {name}")
        sizes = {size: n for size, (n, _) in known.items()}
        open_names = self.group.names - sizes.keys()
        if open_names:
            raise ValueError(f"no input tells the size {sorted(open_names)[0]!r} of {self.group}")
        bound = self.replace(
            group=self.group.bind(sizes),
            inputs=tuple(a.bind(sizes) for a in self.inputs),
            output=self.output.bind(sizes),
        )
        for name, action, x in leaves(bound.inputs, inputs):
            action.check(x, name)
        return bound

    def _require_axes(self, name: str, action: Action, x: Any) -> None:
        # Sizes are read before the full check, which needs them: only what reading takes is checked here.
        if action.event_dim == 0:
            return
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: {action!r} moves a tensor, got {type(x).__name__}")
        if x.ndim < action.event_dim:
            raise ValueError(f"{name}: {action!r} needs at least {action.event_dim} axes, got shape {tuple(x.shape)}")

    def replace(self, **changes: Any) -> Symmetry:
        """A copy with some attributes changed."""
        return replace(self, **changes)

    def __repr__(self) -> str:
        inputs = ", ".join(map(repr, self.inputs))
        extra = f" <= {self.bound}" if self.bound is not None else ""
        return f"{self.group}: ({inputs}) -> {self.output!r}, {self.kind}{extra}"
