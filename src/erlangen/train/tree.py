"""Nested plain values with tensors in them, taken apart into JSON and named tensors, and put together again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def pack(value: Any, name: str = "") -> tuple[Any, dict[str, Tensor]]:
    """Takes a tree of dicts, lists, tuples, numbers, strings and tensors apart.

    Args:
        value: The tree.
        name: Where it hangs; names of tensors begin with it.

    Returns:
        JSON values, in which each tensor is a reference; and the tensors by name, contiguous copies on the CPU.

    Raises:
        TypeError: If the tree holds anything else; says where.

    >>> plain, tensors = pack({"step": 3, "weights": (torch.ones(2), math.inf)})
    >>> plain
    {'step': 3, 'weights': {'$tuple': [{'$tensor': 'weights/0'}, {'$float': 'inf'}]}}
    >>> unpack(plain, tensors)
    {'step': 3, 'weights': (tensor([1., 1.]), inf)}
    """
    tensors: dict[str, Tensor] = {}
    return _pack(value, name, tensors), tensors


def _pack(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    if value is None or isinstance(value, (bool, str)) or (type(value) is int):
        return value
    if isinstance(value, Tensor):
        return _pack_tensor(value, name, tensors)
    if isinstance(value, np.ndarray):
        return {"$array": _pack_tensor(torch.from_numpy(np.array(value)), name, tensors), "dtype": str(value.dtype)}
    if isinstance(value, np.generic):
        return _pack(value.item(), name, tensors)
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, list):
        return [_pack(item, _below(name, index), tensors) for index, item in enumerate(value)]
    if isinstance(value, tuple):
        return {"$tuple": _pack(list(value), name, tensors)}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: _pack(item, _below(name, key), tensors) for key, item in value.items()}
        if all(type(key) in (str, int) for key in value):
            return {"$items": [[key, _pack(item, _below(name, key), tensors)] for key, item in value.items()]}
    raise TypeError(f"{name or 'the state'} holds {type(value).__name__}; a checkpoint holds tensors and plain values")


def _below(name: str, key: str | int) -> str:
    return f"{name}/{key}" if name else str(key)


def _pack_tensor(value: Tensor, name: str, tensors: dict[str, Tensor]) -> dict[str, Any]:
    if value.layout != torch.strided or value.is_quantized:
        raise TypeError(f"{name}: a checkpoint holds dense tensors, got {value.layout}")
    value = value.detach()
    reference: dict[str, Any] = {"$tensor": name}
    if value.is_complex():
        reference["complex"] = True
        value = torch.view_as_real(value.resolve_conj())
    if name in tensors:
        raise TypeError(f"two tensors of the state are both called {name!r}")
    tensors[name] = value.to("cpu", copy=True).contiguous()
    return reference


def unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Puts together what `pack` took apart.

    Raises:
        KeyError: If a tensor is missing.
    """
    if isinstance(value, list):
        return [unpack(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if "$tensor" in value:
        tensor = tensors[value["$tensor"]]
        return torch.view_as_complex(tensor) if value.get("complex") else tensor
    if "$array" in value:
        return unpack(value["$array"], tensors).numpy().astype(value["dtype"])
    if "$float" in value:
        return float(value["$float"])
    if "$tuple" in value:
        return tuple(unpack(item, tensors) for item in value["$tuple"])
    if "$items" in value:
        return {key: unpack(item, tensors) for key, item in value["$items"]}
    return {key: unpack(item, tensors) for key, item in value.items()}
