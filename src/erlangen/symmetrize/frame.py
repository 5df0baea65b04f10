"""What a frame is: a small set of group elements that moves with the input."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from erlangen.groups import Element, Group
from erlangen.groups.fields import field_names, is_graph_data

#: What can be done about an input whose frame is ambiguous.
POLICIES = ("raise", "warn", "perturb", "keep")


@runtime_checkable
class Frame(Protocol):
    r"""A map from inputs to finite sets of group elements with :math:`F(g \cdot x) = g\, F(x)`.

    A frame is any callable with these two attributes. One whose elements are the same for all inputs has an attribute
    ``shared = True`` besides, and gives them once, as for a batch of one.
    """

    @property
    def group(self) -> Group:
        """Whose elements they are."""
        ...

    @property
    def holds_where(self) -> str:
        """For which inputs the equation is true, in words; empty when for all."""
        ...

    def __call__(self, *inputs: Any) -> tuple[Element, Tensor | None]:
        """The elements, shape ``(B, F, ...)`` (``(1, F, ...)`` where they are shared), and weights ``(B, F)``.

        Weights are non-negative and sum to one over ``F``; ``None`` means equal ones.
        """
        ...


def pick(inputs: Sequence[Any], where: int | str, argument: str) -> Any:
    """One input by position, or one field of the first input that has it.

    Raises:
        ValueError: when there is no such input or field.
    """
    if isinstance(where, str):
        for x in inputs:
            if (isinstance(x, Mapping) or is_graph_data(x)) and where in field_names(x):
                return x[where]
        raise ValueError(f"{argument}={where!r}: no input has a field of that name")
    if not 0 <= where < len(inputs):
        raise ValueError(f"{argument}={where}: there are {len(inputs)} inputs")
    return inputs[where]


def require_policy(policy: str, frame: str) -> str:
    """Checks the name of a policy.

    Raises:
        ValueError: when it is unknown.
    """
    if policy not in POLICIES:
        raise ValueError(f"{frame}(degenerate): one of {', '.join(POLICIES)}, got {policy!r}")
    return policy


def report_degenerate(policy: str, message: str) -> None:
    """Raises, warns, or stays silent, as the policy says: "perturb" and "keep" are silent.

    Raises:
        ValueError: under policy "raise".
    """
    if policy == "raise":
        raise ValueError(message + "; degenerate='warn' or 'perturb' goes on with an arbitrary choice")
    if policy == "warn":
        warnings.warn(message + "; the promise does not hold there", stacklevel=3)
