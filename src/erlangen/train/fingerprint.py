"""What tells data from other data, without reading all of them: structure and content of a few items."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from erlangen.train.randomness import random_state_kept, seed_everything

_ITEMS = 8  # items that are compared


def describe_items(fetch: Callable[[int], Any], count: int) -> str:
    """Number of items, the type of the first, and a digest of some.

    Compared are tensors, arrays, numbers and strings, alone or within tuples, lists, dicts, dataclasses and PyG's
    ``Data``. Of anything else only the type is. Items are fetched twice, each time from the same global random numbers,
    which are left as they were: what still differs then (noise from a generator of the data set's own) is no mark of
    the data, and of such items only the number and the type are compared.

    >>> rows = [(torch.tensor([1.0, 2.0]), 0), (torch.tensor([3.0, 4.0]), 1)]
    >>> more = [(torch.tensor([1.0, 2.0]), 0), (torch.tensor([3.0, 5.0]), 1)]
    >>> one, other = describe_items(rows.__getitem__, 2), describe_items(more.__getitem__, 2)
    >>> one.startswith("2 items: tuple with digest "), one == describe_items(rows.__getitem__, 2), one == other
    (True, True, False)
    """
    first, again = _digests(fetch, count), _digests(fetch, count)
    kind = first[0][0]
    if first != again:
        return f"{count} items: {kind}, never twice the same"
    together = hashlib.sha256("".join(digest for _, digest in first).encode()).hexdigest()
    return f"{count} items: {kind} with digest {together[:12]} of {len(first)}"


def _digests(fetch: Callable[[int], Any], count: int) -> list[tuple[str, str]]:
    """Type and digest of each item that is compared."""
    found: list[tuple[str, str]] = []
    with random_state_kept():
        for index in torch.linspace(0, count - 1, min(_ITEMS, count), dtype=torch.float64).long().tolist():
            seed_everything(0, index)
            item = fetch(index)
            digest = hashlib.sha256()
            for part in _parts(item):
                digest.update(part)
            found.append((type(item).__name__, digest.hexdigest()))
    return found


def _parts(value: Any) -> Iterator[bytes]:
    """A value as bytes that say its structure, its types and its content, the same in every process."""
    if isinstance(value, Tensor):
        yield from _tensor(value)
    elif isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        yield f"array {array.dtype} {array.shape}\0".encode()
        if not array.dtype.hasobject:
            yield array.tobytes()
    elif value is None or isinstance(value, bool | int | float | complex | str | bytes):
        yield f"{type(value).__name__} {value!r}\0".encode()
    elif isinstance(value, Mapping):
        yield from _named(type(value).__name__, value)
    elif isinstance(value, Sequence):
        yield f"{type(value).__name__} {len(value)}\0".encode()
        for item in value:
            yield from _parts(item)
    elif all(hasattr(value, name) for name in ("to_dict", "num_nodes")):  # PyG's Data, known by its shape
        yield from _named(type(value).__name__, value.to_dict())
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from _named(type(value).__name__, {f.name: getattr(value, f.name) for f in dataclasses.fields(value)})
    else:
        yield f"{type(value).__name__}\0".encode()


def _named(kind: str, values: Mapping[Any, Any]) -> Iterator[bytes]:
    yield f"{kind} {len(values)}\0".encode()
    for name in sorted(values, key=repr):
        yield f"{name!r}\0".encode()
        yield from _parts(values[name])


def _tensor(value: Tensor) -> Iterator[bytes]:
    yield f"{value.dtype} {tuple(value.shape)}\0".encode()
    if hasattr(value, "__tensor_flatten__"):  # a wrapper around tensors, such as PyG's EdgeIndex, has no bytes itself
        for name in value.__tensor_flatten__()[0]:  # pyright: ignore[reportAttributeAccessIssue]
            yield from _parts(getattr(value, name))
        return
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        yield f"{value.layout}\0".encode()
        return
    value = value.detach().cpu().resolve_conj().resolve_neg().contiguous()
    yield (torch.view_as_real(value) if value.is_complex() else value).reshape(-1).view(torch.uint8).numpy().tobytes()
