"""Checkpoints: one safetensors file each, never a pickle; whole, or refused with the reason.

A file holds tensors, and in its metadata a JSON document, the name and version of the format, and a checksum over both.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from erlangen.atomic import write_atomic
from erlangen.extras import require
from erlangen.train.tree import pack, unpack

FORMAT, VERSION = "erlangen.train", "1"
Kind = Literal["training", "weights"]
_PURPOSE = "a checkpoint"


class CheckpointError(ValueError):
    """A checkpoint cannot be read, is not one of ours, or belongs to another training; nothing was overwritten."""


def write_checkpoint(
    path: str | os.PathLike[str], kind: Kind, state: Mapping[str, Any], about: Mapping[str, Any] | None = None
) -> Path:
    """Writes a tree of tensors and plain values, so that a crash at any moment leaves the old file or the new one.

    Args:
        path: The file; its folder must exist.
        kind: ``"training"`` (all that a training goes on from) or ``"weights"``.
        state: The tree; see `pack`.
        about: Plain JSON values for a reader of the file.

    Raises:
        OSError: If it cannot be written.
        TypeError: If the tree holds anything else.
    """
    safetensors = require("safetensors.torch", "recipes", _PURPOSE)
    plain, tensors = pack(state)
    document = json.dumps(plain, ensure_ascii=False, allow_nan=False)
    metadata = {"format": FORMAT, "version": VERSION, "kind": kind, "document": document}
    metadata["about"] = json.dumps(about or {}, ensure_ascii=False)
    metadata["sha256"] = _digest(metadata, tensors)
    return write_atomic(path, safetensors.save(tensors, metadata))


def read_checkpoint(path: str | os.PathLike[str], kind: Kind) -> dict[str, Any]:
    """Reads what `write_checkpoint` wrote.

    Raises:
        CheckpointError: If the file is missing, cut off, damaged, of another program, format version or kind.
    """
    safetensors = require("safetensors.torch", "recipes", _PURPOSE)
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    metadata = _metadata(path, data, kind)
    try:
        tensors = safetensors.load(data)
    except Exception as error:
        raise CheckpointError(f"{path}: damaged ({error})") from None
    if metadata.get("sha256") != _digest(metadata, tensors):
        raise CheckpointError(f"{path}: damaged (its checksum is not that of its content)")
    return unpack(json.loads(metadata["document"]), tensors)


def load_weights(model: nn.Module, path: str | os.PathLike[str]) -> nn.Module:
    """Puts weights that `fit` kept (``best.safetensors``) into a model of the same architecture.

    Returns:
        The model.

    Raises:
        CheckpointError: If the file is not whole or not such a file, or if names or shapes differ.
    """
    weights = read_checkpoint(path, "weights")
    if different := weight_differences(weights, model.state_dict()):
        raise CheckpointError(f"{path}: holds the weights of another model: {different}")
    model.load_state_dict(weights)
    return model


def weight_differences(stored: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """What differs between two state dicts in names, shapes and types, in words; empty if nothing does."""
    first, second = describe_weights(stored), describe_weights(here)
    return "; ".join(
        f"{name} is {first.get(name, 'absent')} in the file and {second.get(name, 'absent')} here"
        for name in sorted(first.keys() | second.keys())
        if first.get(name) != second.get(name)
    )


def describe_weights(state: Mapping[str, Any]) -> dict[str, str]:
    """Type and shape of every tensor of a state dict, e.g. ``"float32 (3, 4)"``."""
    return {
        name: f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
        for name, value in state.items()
        if isinstance(value, Tensor)
    }


def _metadata(path: Path, data: bytes, kind: Kind) -> dict[str, str]:
    """The metadata of a file that is ours and whole in length; otherwise says what it is instead."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or data[8:9] != b"{":
        what = "cut off: it is empty" if not data else "not a checkpoint of erlangen (not safetensors)"
        raise CheckpointError(f"{path}: {what}")
    if len(data) < 8 + size:
        raise CheckpointError(f"{path}: cut off within its header, or not a checkpoint of erlangen")
    try:
        header = json.loads(data[8 : 8 + size])
        metadata = header.pop("__metadata__", {})
        end = 8 + size + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise CheckpointError(f"{path}: not a checkpoint of erlangen (its header is not that of safetensors)") from None
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a checkpoint of erlangen, but safetensors of another program")
    if metadata.get("version") != VERSION:
        raise CheckpointError(f"{path}: format version {metadata.get('version')}; this release reads {VERSION}")
    if metadata.get("kind") != kind:
        raise CheckpointError(f"{path}: holds {metadata.get('kind')}, and {kind} is wanted")
    if len(data) != end:
        what = "cut off" if len(data) < end else "damaged"
        raise CheckpointError(f"{path}: {what}: it has {len(data)} bytes, its header promises {end}")
    return metadata


def _digest(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key in ("format", "version", "kind", "document", "about"):
        digest.update(metadata.get(key, "").encode() + b"\0")
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\0".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
