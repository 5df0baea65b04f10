"""A user's samples as rows of numbers, and how linear maps of space act on them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from erlangen.groups import GL, Representation, Scalar, Vector, parse_actions
from erlangen.groups.representation import TensorProduct
from erlangen.recipes.compare.clouds import CloudSet, assemble
from erlangen.recipes.compare.files import from_items, read_records
from erlangen.recipes.compare.records import check_records
from erlangen.recipes.discover.candidates import whole_space
from erlangen.recipes.factory import is_factory, made_by

#: Fewer samples cannot be learned from, validated and tested on.
LEAST = 20

FORMATS = """\
  samples.npz         x (samples, k, dim): k vectors, or (samples, numbers) in any order that --inputs tells;
                      y (samples,), (samples, k, dim), (samples, dim, dim) or (samples, numbers)
  samples.pt          a dict of such tensors, by torch.save
  my_file:make        a function that returns (x, y), or a dict of them
  clouds              whatever `erlangen compare` reads (pos and y of clouds, molecules.xyz, data sets of PyTorch
                      Geometric), where all clouds have equally many points; they are centred first
"""


@dataclass(frozen=True)
class Samples:
    """Inputs and what is to be learned, one flat row per sample, float64.

    Attributes:
        name: where they are from.
        x: ``(samples, rep_in.dim)``.
        y: ``(samples, rep_out.dim)``.
        rep_in: how GL(dim) acts on the inputs.
        rep_out: how it acts on the output.
        said: what was assumed, in sentences.
    """

    name: str
    x: Tensor
    y: Tensor
    rep_in: Representation
    rep_out: Representation
    said: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.x)

    def __str__(self) -> str:
        return f"{len(self)} samples of {self.name}: {in_words(self.rep_in)} -> {in_words(self.rep_out)}"


@dataclass(frozen=True)
class Raw:
    """What was read, before anything is said of how groups act: arrays as they are, or clouds."""

    name: str
    arrays: tuple[Tensor, Tensor] | None = None
    clouds: CloudSet | None = None
    unused: tuple[str, ...] = ()

    @property
    def dim(self) -> int | None:
        """The dimension of the space, where shapes tell it."""
        if self.clouds is not None:
            return self.clouds.dim
        assert self.arrays is not None
        return self.arrays[0].shape[-1] if self.arrays[0].ndim > 2 else None


def read_raw(data: Path, target: str | None) -> Raw:
    """Reads samples or clouds.

    Raises:
        ValueError: if nothing can be learned from it; names the file, the array, and what it takes.
        MissingExtra: if a package is not installed that the format needs.
    """
    if not data.exists() and is_factory(str(data)):
        return _from_object(str(data), made_by(str(data)), target)
    if data.is_file() and data.suffix.lower() == ".npz":
        arrays = _npz(data)
        if "pos" not in arrays:
            return _from_arrays(data.name, arrays, target)
    if data.is_file() and data.suffix.lower() == ".pt":
        stored = _tensors(data)
        if isinstance(stored, Mapping) and "pos" not in stored:
            return _from_object(data.name, stored, target)
    records, name = read_records(data, target)
    return _from_clouds(data.name or str(data), records, name)


def _npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as store:
            return {name: store[name] for name in store.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name}: not an npz file of plain arrays ({error})") from None


def _tensors(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise ValueError(f"{path.name}: tensors alone, as a dict with x and y ({reason})") from None


def _from_object(where: str, made: Any, target: str | None) -> Raw:
    if isinstance(made, tuple) and len(made) == 2 and all(isinstance(part, Tensor | np.ndarray) for part in made):
        made = {"x": made[0], "y": made[1]}
    if isinstance(made, Mapping):
        return _from_arrays(where, made, target)
    records = from_items(where, made)
    name = records.choose(where, target)
    check_records(where, records, name)
    return _from_clouds(where, records, name)


def _from_arrays(where: str, arrays: Mapping[str, Any], target: str | None) -> Raw:
    wanted = target or "y"
    for name, what in (("x", "inputs"), (wanted, "what is to be learned")):
        if name not in arrays:
            has = ", ".join(map(str, arrays)) or "nothing"
            raise ValueError(f"{where}: {what} under {name!r}; it has {has}")
    x, y = (_numbers(where, name, arrays[name]) for name in ("x", wanted))
    if len(x) != len(y):
        raise ValueError(f"{where}: as many rows in 'x' as in {wanted!r}, got {len(x)} and {len(y)}")
    _require_something(where, y)
    return Raw(where, (x, y), unused=tuple(str(name) for name in arrays if name not in ("x", wanted)))


def _numbers(where: str, name: str, value: Any) -> Tensor:
    array = value.detach().cpu() if isinstance(value, Tensor) else value
    kind = getattr(getattr(array, "dtype", None), "kind", None)
    if not isinstance(array, Tensor):
        if kind not in ("f", "i", "u"):
            got = getattr(array, "dtype", type(array).__name__)
            raise ValueError(f"{where}: an array of numbers in {name!r}, got {got}")
        array = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64))
    if array.dtype == torch.bool or array.is_complex():
        raise ValueError(f"{where}: real numbers in {name!r}, got {array.dtype}")
    array = array.double()
    if array.ndim == 0 or (name == "x" and array.ndim < 2):
        raise ValueError(f"{where}: a row for each sample in {name!r}, got shape {tuple(array.shape)}")
    if not bool(array.isfinite().all()):
        row = int((~array.isfinite()).reshape(len(array), -1).any(1).nonzero()[0])
        raise ValueError(f"{where}: finite numbers in {name!r}, got NaN or infinity in row {row}")
    return array


def _from_clouds(where: str, records: Any, target: str) -> Raw:
    clouds = assemble(where, records, target)
    if clouds.kind == "classes":
        raise ValueError(
            f"{where}: numbers or vectors in {target!r}, got classes; save them as floats if they are none"
        )
    counts = [len(cloud.pos) for cloud in clouds.clouds]
    if min(counts) != max(counts):
        raise ValueError(f"{where}: clouds of equally many points, got from {min(counts)} to {max(counts)}")
    _require_something(where, torch.stack([cloud.target for cloud in clouds.clouds]))
    return Raw(where, clouds=clouds, unused=clouds.unused)


def _require_something(where: str, y: Tensor) -> None:
    if len(y) < LEAST:
        raise ValueError(f"{where}: at least {LEAST} samples, to learn from, to choose by and to test, got {len(y)}")
    if y.numel() == 0 or bool((y == y[:1]).all()):
        raise ValueError(f"{where}: something to learn, got the same answer everywhere")


def describe(raw: Raw, dim: int, inputs: str | None, output: str | None) -> Samples:
    """Says how linear maps of the space act on what was read: in the user's words, or by shape.

    Raises:
        ValueError: if words do not fit shapes, a shape does not speak for itself, or there is nothing to learn.
    """
    said = [f"Not used: {', '.join(raw.unused)}."] if raw.unused else []
    if raw.clouds is not None:
        x, y, rep_in, rep_out = _flat_clouds(raw.clouds, dim, said)
    else:
        assert raw.arrays is not None
        x, y = raw.arrays
        rep_in = rep_out = None
    if inputs is not None:
        rep_in = _in_words("--inputs", inputs, dim)
    elif rep_in is None:
        rep_in = _by_shape("x", "--inputs", tuple(x.shape[1:]), dim, said)
    if output is not None:
        rep_out = _in_words("--output", output, dim)
    elif rep_out is None:
        rep_out = _by_shape("y", "--output", tuple(y.shape[1:]), dim, said)
    x, y = x.reshape(len(x), -1), y.reshape(len(y), -1)
    for flag, rep, array in (("--inputs", rep_in, x), ("--output", rep_out, y)):
        if rep.dim != array.shape[1]:
            raise ValueError(
                f"{flag}: {in_words(rep)} are {rep.dim} numbers, but {raw.name} has {array.shape[1]} for each sample"
            )
    if all(isinstance(part, Scalar) for _, part in rep_in.parts):
        raise ValueError(f"--inputs: {in_words(rep_in)}, which no group moves; say what is a vector")
    return Samples(raw.name, x, y, rep_in, rep_out, tuple(said))


def _in_words(flag: str, words: str, dim: int) -> Representation:
    try:
        found = list(parse_actions(words, whole_space(dim)).values())
    except ValueError as error:
        raise ValueError(f"{flag}: {error}") from None
    if len(found) != 1 or not isinstance(found[0], Representation):
        takes = "one word for all numbers of a row, such as 5*scalar+5*vector (scalar, vector, vector*vector, + and *)"
        raise ValueError(f"{flag} is {words!r}; it takes {takes}")
    return found[0]


def _by_shape(name: str, flag: str, shape: tuple[int, ...], dim: int, said: list[str]) -> Representation:
    """How a shape is read; what else it might have been is for the user to say."""
    scalar, vector = Scalar(GL(dim)), Vector(GL(dim))
    found: Representation | None = None
    if shape in ((), (1,)):
        found = scalar
    elif len(shape) == 1 and shape[0] % dim == 0 and (name == "x" or shape[0] == dim):
        found = shape[0] // dim * vector
    elif name == "y" and shape[-2:] == (dim, dim):
        found = int(np.prod(shape[:-2], dtype=int)) * (vector * vector)
    elif len(shape) > 1 and shape[-1] == dim:
        found = int(np.prod(shape[:-1], dtype=int)) * vector
    if found is None:
        full = f"(samples{''.join(f', {size}' for size in shape)}{',' if not shape else ''})"
        raise ValueError(
            f"{flag}: {name} has the shape {full}, which does not say what in it turns in {dim} dimensions; say it, as "
            f"in {flag} '2*scalar+vector'"
        )
    said.append(f"{name} of shape {shape} is read as {in_words(found)} ({flag} says otherwise).")
    return found


def _flat_clouds(found: CloudSet, dim: int, said: list[str]) -> tuple[Tensor, Tensor, Representation, Representation]:
    """Clouds as rows: features, coordinates about the centre, vectors, each of all points."""
    if found.dim != dim:
        raise ValueError(f"--groups act on {dim} dimensions, the clouds have {found.dim}")
    scalar, vector = Scalar(GL(dim)), Vector(GL(dim))
    points = len(found.clouds[0].pos)
    flat: Callable[[str], Tensor] = lambda name: torch.stack([getattr(one, name) for one in found.clouds]).flatten(1)
    parts, rep = [], 0 * scalar
    for name, count, kind in (("x", found.in_scalar, scalar), ("pos", 1, vector), ("vec", found.in_vector, vector)):
        if count:
            parts.append(flat(name).double())
            rep = rep + points * count * kind
    y = flat("target").double()
    out = y.shape[1] * scalar if found.kind == "numbers" else y.shape[1] // dim * vector
    said.append(f"{found}; coordinates about the centre of each cloud.")
    said.append("Points are told apart by their order in the file, which has to mean something.")
    return torch.cat(parts, 1), y, rep, out


def in_words(rep: Representation) -> str:
    """A representation in the words that the command line takes.

    >>> in_words(2 * Scalar(GL(3)) + Vector(GL(3)) * Vector(GL(3)))
    '2*scalar+vector*vector'
    """
    counted = [(count, _word(part)) for count, part in rep.parts]
    return "+".join(word if count == 1 else f"{count}*{word}" for count, word in counted) or "nothing"


def _word(part: Representation) -> str:
    if isinstance(part, TensorProduct):
        return f"{_word(part.first)}*{_word(part.second)}"
    return {Scalar: "scalar", Vector: "vector"}.get(type(part), repr(part))
