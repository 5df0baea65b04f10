"""Local checks: every inner layer that declares a promise, on the inputs that it receives.

A model can keep a promise while its layers do not (a frame-averaged network), so a layer is only ever held to what it
declares itself, or to what the caller says in ``hidden``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from erlangen.audit.report import LayerReport
from erlangen.audit.runner import Runner, map_tensors, to_dtype
from erlangen.audit.trial import REFUSALS
from erlangen.groups import Symmetry

#: Elements tried per layer.
ELEMENTS = 8


def check_layers(
    module: Callable[..., Any],
    inputs: Sequence[Any],
    hidden: Mapping[str, Symmetry],
    seed: int,
    audit_one: Callable[..., Any],
) -> list[LayerReport]:
    """Audits the declared layers from the outside in; the others are listed as not checked.

    Raises:
        ValueError: when ``hidden`` names a layer that does not exist.
        TypeError: when the module is not an ``nn.Module``.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"audit(per_layer): an nn.Module has layers, got {type(module).__name__}")
    known = dict(module.named_modules())
    strangers = [name for name in hidden if name not in known or name == ""]
    if strangers:
        raise ValueError(f"audit(hidden): no layer {strangers[0]!r}; layers are {', '.join(n for n in known if n)}")
    declared = {n: hidden.get(n, getattr(m, "symmetry", None)) for n, m in known.items() if n}
    caught = _catch_inputs(module, inputs, [n for n, s in declared.items() if s is not None], seed)
    reports = []
    for name, symmetry in declared.items():
        layer = known[name]
        kind = type(layer).__name__
        if symmetry is None:
            if not any(True for _ in layer.children()) or any(True for _ in layer.parameters(recurse=False)):
                reports.append(LayerReport(name, kind, "not checked", note="declares no symmetry"))
            continue
        if name not in caught:
            reports.append(LayerReport(name, kind, "not checked", note="was not called"))
            continue
        args, keywords = caught[name]
        if keywords:
            reports.append(LayerReport(name, kind, "not checked", note=f"is called with {', '.join(keywords)} by name"))
            continue
        for promise in [symmetry] if isinstance(symmetry, Symmetry) else symmetry:
            try:
                report = audit_one(layer, args, promise, ELEMENTS, seed=seed)
            except REFUSALS as error:
                reports.append(LayerReport(name, kind, "not checked", note=str(error)))
            else:
                note = f"under {promise.group}" + (f" where {promise.holds_where}" if promise.holds_where else "")
                reports.append(LayerReport(name, kind, report.verdict, report.error, note))
    return reports


def _catch_inputs(
    module: nn.Module, inputs: Sequence[Any], names: list[str], seed: int
) -> dict[str, tuple[tuple[Any, ...], list[str]]]:
    """What the named layers receive in one run of a copy; of several calls the first."""
    caught: dict[str, tuple[tuple[Any, ...], list[str]]] = {}
    runner = Runner(module, None, [])
    target = runner.module
    assert isinstance(target, nn.Module)

    def catch(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
            caught.setdefault(name, (map_tensors(lambda t: t.detach().clone(), args), list(keywords)))

        return hook

    layers = dict(target.named_modules())
    handles = [layers[name].register_forward_pre_hook(catch(name), with_kwargs=True) for name in names]
    try:
        dtype = next((p.dtype for p in target.parameters() if p.is_floating_point()), torch.float32)
        runner(to_dtype(tuple(inputs), dtype), seed)
    finally:
        for handle in handles:
            handle.remove()
        runner.close()
    return caught
