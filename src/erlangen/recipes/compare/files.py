"""Reading a user's own clouds: arrays, molecules, scans, or whatever a function of his returns."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from erlangen.data.extended_xyz import read_trajectory
from erlangen.data.ply import read_ply
from erlangen.recipes.compare.records import INPUTS, Record, Records, check_records, split_flat
from erlangen.recipes.factory import is_factory, made_by

VECTORS = frozenset({"vectors", "forces", "normals"})
CLASSES = ("label", "labels", "class", "scalar_label", "scalar_class")  # of vertices, in lower case

FORMATS = """\
  clouds.npz          pos (clouds, points, dim), or all points (points, dim) with batch (points,), which numbers clouds;
                      optional: mask (clouds, points), x features, vec vectors (velocities, normals), edge_index;
                      to learn: y of each cloud, y_node of each point, vectors of each cloud or point.
                      Whole numbers are classes, others are numbers.
  molecules.xyz       extended xyz: elements are features; to learn: energy (default) or forces
  scans/              a folder of PLY files, or of one folder of them for each class;
                      to learn: the folder, a property of the vertices (label, ...), or normals
  clouds.pt           a dict of tensors as in the npz, or a list of dicts with one cloud each, by torch.save
  my_file:make        a function that returns a data set of PyTorch Geometric, or a list of objects or dicts with pos,
                      y, ...; z is a feature where there is no x, edge_attr is not used; a file of pickled objects is
                      not read, since whoever wrote it could run programs here
"""


def read_records(data: Path, target: str | None = None) -> tuple[Records, str]:
    """Reads clouds by the ending of the file's name, a folder of PLY files, or from ``package.module:function``.

    Args:
        data: the place.
        target: what is to be learned; by default what there is.

    Returns:
        The clouds, and the name of what is to be learned of them.

    Raises:
        ValueError: if it cannot be read as such; names the file, and what it takes.
        MissingExtra: if a package is not installed that the format needs.
    """
    records = _read(data, target)
    where = str(data) if is_factory(str(data)) else data.name or str(data)
    name = records.choose(where, target)
    check_records(where, records, name)
    return records, name


def _read(data: Path, target: str | None) -> Records:
    if not data.exists() and is_factory(str(data)):
        return from_items(str(data), made_by(str(data)))
    if data.is_dir():
        return _from_folder(data, target)
    if not data.is_file():
        raise ValueError(f"no file {data}")
    readers: dict[str, Callable[[Path], Records]] = {
        ".npz": _from_npz,
        ".xyz": lambda path: _from_xyz(path, target),
        ".extxyz": lambda path: _from_xyz(path, target),
        ".pt": _from_tensors,
        ".ply": _from_one_ply,
    }
    if data.suffix.lower() not in readers:
        raise ValueError(f"{data}: one of {', '.join(readers)}, a folder of .ply files, or package.module:function")
    return readers[data.suffix.lower()](data)


def _from_npz(path: Path) -> Records:
    try:
        with np.load(path, allow_pickle=False) as store:
            arrays = {name: store[name] for name in store.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name}: not an npz file of plain arrays ({error})") from None
    for name, value in arrays.items():
        if value.dtype.kind not in "fiub":
            raise ValueError(f"{path.name}: arrays of numbers, {name!r} is {value.dtype}")
    return from_arrays(path.name, {name: _tensor(value) for name, value in arrays.items()})


def _tensor(value: np.ndarray) -> Tensor:
    kinds = {"f": np.float64, "i": np.int64, "u": np.int64, "b": np.bool_}
    return torch.from_numpy(np.ascontiguousarray(value, dtype=kinds[value.dtype.kind]))


def from_arrays(where: str, arrays: dict[str, Tensor]) -> Records:
    """Clouds from the arrays of one file: padded ``(clouds, points, ...)``, or flat with a batch vector.

    Raises:
        ValueError: if ``pos`` is missing, or shapes do not fit together.
    """
    arrays = dict(arrays)
    pos = arrays.get("pos")
    if pos is None:
        raise ValueError(f"{where}: coordinates under 'pos'; it has {', '.join(arrays) or 'nothing'}")
    batch, mask = arrays.pop("batch", None), arrays.pop("mask", None)
    if pos.ndim == 3:
        if batch is not None:
            raise ValueError(f"{where}: 'batch' goes with 'pos' of shape (points, dim), got {tuple(pos.shape)}")
        arrays, counts = _unpadded(where, arrays, mask)
    else:
        counts = _counts(where, pos, batch)
    per_point = {name: name in ("pos", "x", "vec", "y_node") for name in arrays}
    for name in arrays:
        if name not in (*INPUTS, "y", "y_node"):
            per_point[name] = arrays[name].ndim > 0 and len(arrays[name]) == sum(counts) != len(counts)
    arrays = {name: _shaped(name, value, pos.shape[-1]) for name, value in arrays.items()}
    clouds = list(split_flat(where, arrays, counts, per_point))
    return Records(clouds, {name: per_point[name] for name in arrays if name not in INPUTS}, VECTORS)


def _unpadded(where: str, arrays: dict[str, Tensor], mask: Tensor | None) -> tuple[dict[str, Tensor], list[int]]:
    """Padded arrays made flat, and the points of each cloud."""
    shape = arrays["pos"].shape[:2]
    if "edge_index" in arrays:
        raise ValueError(f"{where}: 'edge_index' goes with 'pos' of shape (points, dim) and 'batch'")
    if mask is None:
        mask = torch.ones(shape, dtype=torch.bool)
    if mask.shape != shape:
        raise ValueError(f"{where}: 'mask' of shape {tuple(shape)}, got {tuple(mask.shape)}")
    valid, flat = mask.bool(), {}
    for name, value in arrays.items():
        points = name in ("pos", "x", "vec", "y_node") or (name != "y" and value.shape[:2] == shape)
        if points and value.shape[:2] != shape:
            wanted = f"({shape[0]}, {shape[1]}, ...)"
            raise ValueError(f"{where}: {name!r} of shape {wanted}, as 'pos', got {tuple(value.shape)}")
        flat[name] = value[valid] if points else value
    return flat, valid.sum(1).tolist()


def _counts(where: str, pos: Tensor, batch: Tensor | None) -> list[int]:
    if batch is None:
        raise ValueError(
            f"{where}: 'pos' of shape (clouds, points, dim), or (points, dim) with 'batch', got {tuple(pos.shape)}"
        )
    if batch.dtype != torch.long or batch.shape != pos.shape[:1] or (len(batch) and int(batch[0]) < 0):
        raise ValueError(f"{where}: 'batch' of {len(pos)} whole numbers from 0, got {batch.dtype} {tuple(batch.shape)}")
    if bool((batch[1:] < batch[:-1]).any()):
        raise ValueError(f"{where}: 'batch' ascending, so that the points of a cloud stand together")
    return torch.bincount(batch).tolist()


def _shaped(name: str, value: Tensor, dim: int) -> Tensor:
    """Features with a feature axis, vectors with an axis of vectors."""
    if name == "x":
        return value.double().unsqueeze(-1) if value.ndim == 1 else value.double()
    if name == "vec" and value.ndim == 2 and value.shape[1] == dim:
        return value.double()[:, None]
    return value.double() if name in ("pos", "vec") else value


def _from_xyz(path: Path, target: str | None) -> Records:
    forces = target == "forces"
    if target not in (None, "energy", "forces"):
        raise ValueError(f"{path.name}: --target energy or forces, got {target!r}")
    snapshots = read_trajectory(path, with_forces=forces)
    if any(snapshot.cell is not None for snapshot in snapshots):
        raise ValueError(f"{path.name}: molecules in open space, got a periodic cell")
    elements = torch.cat([snapshot.numbers for snapshot in snapshots]).unique()
    clouds: list[Record] = []
    for snapshot in snapshots:
        cloud = {"pos": snapshot.position, "x": (snapshot.numbers[:, None] == elements).double()}
        if forces:
            assert snapshot.forces is not None
            clouds.append(cloud | {"forces": snapshot.forces})
        else:
            clouds.append(cloud | {"energy": torch.tensor([snapshot.energy], dtype=torch.float64)})
    return Records(clouds, {"forces": True} if forces else {"energy": False}, VECTORS, None if forces else "energy")


def _from_one_ply(path: Path) -> Records:
    points = len(read_ply(path)["x"])
    raise ValueError(f"{path.name}: one cloud (of {points} points); name the folder of several such files")


def _from_folder(folder: Path, target: str | None) -> Records:
    """PLY files: of classes named by their folders, or with something to learn in their vertices."""
    classes = sorted(one for one in folder.iterdir() if one.is_dir() and any(_plys(one)))
    if classes:
        if target not in (None, "folder"):
            raise ValueError(f"{folder.name}: its folders are the classes; without --target")
        files = [(path, number) for number, one in enumerate(classes) for path in _plys(one)]
        clouds = [_vertices(path, None) | {"folder": torch.tensor([number])} for path, number in files]
        return Records(clouds, {"folder": False})
    paths = list(_plys(folder))
    if not paths:
        raise ValueError(f"{folder}: a folder of .ply files, or of folders of them; it has none")
    names = list(read_ply(paths[0]))
    if target is None:
        target = next((name for name in names if name.lower() in CLASSES), None)
    if target is None or (target != "normals" and target not in names) or (target == "normals" and "nx" not in names):
        known = [name for name in names if name not in "xyz"] + ["normals"] * ("nx" in names)
        raise ValueError(
            f"{folder.name}: --target, one of {', '.join(known) or 'nothing'} of the vertices, got {target}"
        )
    return Records([_vertices(path, target) for path in paths], {target: True}, VECTORS)


def _plys(folder: Path) -> Sequence[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".ply" and path.is_file())


def _vertices(path: Path, target: str | None) -> Record:
    """Coordinates, normals as vectors, colours as features, and one property of the vertices to be learned."""
    found = read_ply(path)
    stack = lambda names: torch.from_numpy(np.stack([found[name].astype(np.float64) for name in names], -1))
    if target is not None and target != "normals" and target not in found:
        raise ValueError(f"{path.name}: vertices with {target!r}, got {', '.join(found)}")
    cloud = {"pos": stack("xyz")}
    normals, colours = ("nx", "ny", "nz"), ("red", "green", "blue")
    if all(name in found for name in normals):
        cloud["normals" if target == "normals" else "vec"] = stack(normals)[:, None]
    elif target == "normals":
        raise ValueError(f"{path.name}: vertices with nx, ny and nz, got {', '.join(found)}")
    if all(name in found and name != target for name in colours):
        cloud["x"] = stack(colours) / (255 if found["red"].dtype.kind in "iu" else 1)
    if target is not None and target != "normals":
        value = found[target]
        named_class = target.lower() in CLASSES and bool((value == np.round(value)).all())  # some programs write 3.0
        cloud[target] = _tensor(value.astype(np.int64) if named_class else value)
    return cloud


def _from_tensors(path: Path) -> Records:
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise ValueError(
            f"{path.name}: tensors alone, as a dict, or a list of dicts; other objects are not read, so name a "
            f"function that returns them, --data my_file:make ({reason})"
        ) from None
    if isinstance(stored, Mapping) and all(isinstance(value, Tensor) for value in stored.values()):
        return from_arrays(path.name, {str(name): value for name, value in stored.items()})
    return from_items(path.name, stored)


def from_items(where: str, items: Any) -> Records:
    """Clouds from a data set: objects of PyTorch Geometric, or dicts, each with ``pos`` and something to learn.

    Raises:
        ValueError: if it has no items, or one has no ``pos``.
    """
    if isinstance(items, Mapping | str) or not hasattr(items, "__len__") or not hasattr(items, "__getitem__"):
        raise ValueError(f"{where}: a data set with a length and items, got {type(items).__name__}")
    clouds = []
    for number in range(len(items)):
        item = items[number]
        fields = item.to_dict() if hasattr(item, "to_dict") else item
        if not isinstance(fields, Mapping) or not isinstance(fields.get("pos"), Tensor):
            raise ValueError(f"{where}, cloud {number}: an object or a dict with a tensor 'pos', got {_fields(fields)}")
        clouds.append({name: value.detach().cpu() for name, value in fields.items() if isinstance(value, Tensor)})
    read = [_record(cloud) for cloud in clouds]
    unused = [
        name
        for name in ("z", "edge_attr")
        if any(name in cloud for cloud in clouds) and not (name == "z" and all("x" not in cloud for cloud in clouds))
    ]
    return Records(read, vectors=VECTORS, unused=tuple(unused))


def _fields(item: Any) -> str:
    return f"one with {', '.join(map(str, item))}" if isinstance(item, Mapping) else type(item).__name__


def _record(cloud: Record) -> Record:
    """A cloud with rows: what has no axis, or one row of features of the cloud, is the cloud's."""
    dropped = ("batch", "ptr", "z", "edge_attr")
    pos, found = cloud["pos"], {}
    for name, value in cloud.items():
        if name in dropped:
            continue
        value = value.double() if value.is_floating_point() or name in ("pos", "x", "vec") else value.long()
        found[name] = value.reshape(1) if value.ndim == 0 else _shaped(name, value, pos.shape[-1])
    if "x" not in found and "z" in cloud:
        found["x"] = cloud["z"].double().reshape(len(pos), -1)
    return found
