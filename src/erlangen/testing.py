"""The audit as an assertion, for your own tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from erlangen.audit import Report, audit
from erlangen.groups import Group, Hom, Symmetry


def assert_equivariant(
    module: Callable[..., Any],
    *inputs: Any,
    symmetry: Symmetry | Sequence[Symmetry] | Group | Hom | str | None = None,
    tolerance: float | None = None,
    **options: Any,
) -> Report:
    """Audits a module and fails, with the whole report, when the promise is not kept.

    Args:
        module: an ``nn.Module`` or any callable.
        inputs: example inputs.
        symmetry: the promise; by default the module's own.
        tolerance: the largest relative error accepted; by default what rounding explains.
        options: further arguments of :func:`erlangen.audit.audit`.

    Raises:
        AssertionError: carrying the report.
        ValueError: when an approximate promise names no bound and no tolerance is given: there is nothing to assert.

    Example:
        >>> import torch
        >>> from erlangen.groups import O, Scalar, Vector
        >>> promise = Symmetry(O(2), inputs=(Vector(O(2)),), output=Scalar(O(2)))
        >>> assert_equivariant(lambda x: x.norm(dim=-1), torch.randn(4, 2), symmetry=promise).verdict
        'exact'
    """
    report = audit(module, *inputs, symmetry=symmetry, **options)
    for part in (report, *report.others):
        if part.symmetry.kind == "approximate" and part.symmetry.bound is None and tolerance is None:
            raise ValueError(
                f"assert_equivariant(tolerance): {part.symmetry} names no bound, so there is nothing to assert; "
                "pass one"
            )
    if not report.holds(tolerance):
        asked = "" if tolerance is None else f" at tolerance {tolerance:g}"
        raise AssertionError(f"the promise is not kept{asked}\n{report.table()}")
    return report
