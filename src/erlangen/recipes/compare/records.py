"""Clouds as a file holds them: one dict of tensors each, whatever the format; checked before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Record = dict[str, Tensor]

#: What a network may see; every other tensor of a record is something that can be learned.
INPUTS = ("pos", "x", "vec", "edge_index")
#: What is learned where nobody says what, the first of these that is there.
USUAL = ("y", "y_node", "vectors", "energy", "forces", "folder")


@dataclass
class Records:
    """Clouds and what may be learned of them.

    Args:
        clouds: of each cloud ``pos`` (points, dim) and, where there are any, ``x`` (points, features), ``vec`` (points,
            vectors, dim), ``edge_index`` (2, edges), and targets under any other name: of the cloud, with a first axis
            of length one, or of its points.
        per_point: for names of targets, whether they belong to points; what is not named is told by lengths.
        vectors: names of targets that are vectors.
        composition: name of the target that is first explained by how many points of each kind there are (total
            energies, by the elements), from the one-hot features.
        unused: names of what the file holds and no network sees.
    """

    clouds: Sequence[Record]
    per_point: Mapping[str, bool] = field(default_factory=dict)
    vectors: frozenset[str] = frozenset()
    composition: str | None = None
    unused: tuple[str, ...] = ()

    def choose(self, where: str, target: str | None) -> str:
        """The name of what is to be learned; everything else that is no input is dropped.

        Raises:
            ValueError: if there is nothing of that name, or several things and no name.
        """
        _require_enough(where, self.clouds)
        known = [name for name in self.clouds[0] if name not in INPUTS]
        found = target or next((name for name in USUAL if name in known), known[0] if len(known) == 1 else None)
        if found not in known:
            if not known:
                raise ValueError(f"{where}: something to learn, y for instance; it has {', '.join(self.clouds[0])}")
            raise ValueError(f"{where}: --target, one of {', '.join(known)}, got {target or 'none'}")
        self.unused += tuple(name for name in known if name != found)
        keep = (*INPUTS, found)
        self.clouds = [{name: value for name, value in cloud.items() if name in keep} for cloud in self.clouds]
        return found

    def belongs_to_points(self, name: str) -> bool:
        """Whether a target has a row for every point; where every cloud is one point, it is the cloud's."""
        if name in self.per_point:
            return self.per_point[name]
        several = any(len(cloud["pos"]) > 1 for cloud in self.clouds)
        return several and all(len(cloud[name]) == len(cloud["pos"]) for cloud in self.clouds)


def check_records(where: str, records: Records, target: str) -> None:
    """Refuses records that are not whole.

    Args:
        where: the file, for messages.
        records: what was read.
        target: what is to be learned.

    Raises:
        ValueError: naming the file, the cloud and the array.
    """
    clouds = records.clouds
    first = clouds[0]
    dim = first["pos"].shape[-1] if first["pos"].ndim == 2 else 0
    for number, cloud in enumerate(clouds):
        here = f"{where}, cloud {number}"
        if set(cloud) != set(first):
            odd = sorted(set(cloud) ^ set(first))[0]
            raise ValueError(f"{here}: the same arrays as cloud 0, but {odd!r} is in one of them only")
        points = _check_inputs(here, cloud, dim)
        for name, value in cloud.items():
            if value.is_floating_point() and not bool(value.isfinite().all()):
                raise ValueError(f"{here}: finite numbers in {name!r}, got NaN or infinity")
            if value.is_complex():
                raise ValueError(f"{here}: real numbers in {name!r}, got {value.dtype}")
            if value.ndim == 0 or (name != "edge_index" and value.shape[1:] != first[name].shape[1:]):
                shapes = f"{tuple(first[name].shape[1:])} in cloud 0, {tuple(value.shape[1:])} here"
                raise ValueError(f"{here}: rows of {name!r} of one shape, got {shapes}")
        wanted = points if records.belongs_to_points(target) else 1
        if len(cloud[target]) != wanted:
            raise ValueError(f"{here}: {wanted} rows in {target!r}, got shape {tuple(cloud[target].shape)}")


def _require_enough(where: str, clouds: Sequence[Record]) -> None:
    if len(clouds) < 3:
        raise ValueError(
            f"{where}: at least 3 clouds, to learn from, to choose the epoch and to test, got {len(clouds)}"
        )


def _check_inputs(here: str, cloud: Record, dim: int) -> int:
    """The number of points, once the inputs are known to fit together."""
    pos = cloud["pos"]
    if pos.ndim != 2 or pos.shape[1] != dim or dim < 1 or not pos.is_floating_point():
        raise ValueError(f"{here}: coordinates 'pos' of shape (points, {dim or 'dim'}), got {_said(pos)}")
    points = len(pos)
    if not points:
        raise ValueError(f"{here}: at least one point, got none")
    if "x" in cloud and (cloud["x"].ndim != 2 or len(cloud["x"]) != points):
        raise ValueError(f"{here}: features 'x' of shape ({points}, features), got {_said(cloud['x'])}")
    if "vec" in cloud and (cloud["vec"].ndim != 3 or len(cloud["vec"]) != points or cloud["vec"].shape[2] != dim):
        raise ValueError(f"{here}: vectors 'vec' of shape ({points}, vectors, {dim}), got {_said(cloud['vec'])}")
    if "edge_index" in cloud:
        edges = cloud["edge_index"]
        if edges.ndim != 2 or edges.shape[0] != 2 or edges.dtype != torch.long:
            raise ValueError(f"{here}: whole numbers 'edge_index' of shape (2, edges), got {_said(edges)}")
        if edges.numel() and (int(edges.min()) < 0 or int(edges.max()) >= points):
            strange = int(edges.min()) if int(edges.min()) < 0 else int(edges.max())
            raise ValueError(f"{here}: 'edge_index' of points from 0 to {points - 1}, got {strange}")
    return points


def _said(value: Tensor) -> str:
    return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"


def split_flat(
    where: str, arrays: Mapping[str, Tensor], counts: Sequence[int], per_point: Mapping[str, bool]
) -> Iterator[Record]:
    """Takes flat arrays apart into clouds: rows of points by their counts, rows of clouds one by one, edges by ends.

    Args:
        where: the file, for messages.
        arrays: tensors by name; ``edge_index`` numbers all points through.
        counts: points of each cloud.
        per_point: for each name, whether its rows are points.
    """
    total, clouds = sum(counts), len(counts)
    pieces: dict[str, Sequence[Tensor]] = {}
    for name, value in arrays.items():
        wanted = total if per_point[name] else clouds
        if name == "edge_index":
            continue
        if value.ndim == 0 or len(value) != wanted:
            rows = f"a row for each of {wanted} {'points' if per_point[name] else 'clouds'}"
            raise ValueError(f"{where}: {name!r} with {rows}, got shape {tuple(value.shape)}")
        pieces[name] = value.split(list(counts) if per_point[name] else 1)
    if "edge_index" in arrays:
        pieces["edge_index"] = _split_edges(where, arrays["edge_index"], counts)
    for number in range(clouds):
        yield {name: parts[number] for name, parts in pieces.items()}


def _split_edges(where: str, edges: Tensor, counts: Sequence[int]) -> list[Tensor]:
    if edges.ndim != 2 or edges.shape[0] != 2 or edges.dtype != torch.long:
        raise ValueError(f"{where}: whole numbers 'edge_index' of shape (2, edges), got {_said(edges)}")
    total = sum(counts)
    if edges.numel() and (int(edges.min()) < 0 or int(edges.max()) >= total):
        raise ValueError(f"{where}: 'edge_index' of points from 0 to {total - 1}")
    cloud = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    if bool((cloud[edges[0]] != cloud[edges[1]]).any()):
        raise ValueError(f"{where}: edges within clouds, got one between two")
    first = torch.tensor([0, *counts]).cumsum(0)
    return [edges[:, cloud[edges[0]] == number] - first[number] for number in range(len(counts))]
