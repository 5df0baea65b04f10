"""Clouds ready for networks: one kind of target, one scale, edges; and many of them as one flat batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from erlangen.neighbours import knn_graph
from erlangen.points.flat import all_pairs
from erlangen.recipes.compare.records import Records

Kind = Literal["classes", "numbers", "vectors"]
#: Up to so many points every point hears every other, where nobody says how many.
SMALL_CLOUD, NEAREST = 32, 16


class Cloud(NamedTuple):
    """One cloud, float32.

    Attributes:
        pos: coordinates about the centroid, ``(points, dim)``.
        x: features, ``(points, features)``, or None.
        vec: vectors, ``(points, vectors, dim)``, or None.
        edge_index: edges, ``(2, edges)``.
        target: with one row, or a row for each point: classes ``(rows,)``, numbers ``(rows, outputs)``, or vectors
            ``(rows, outputs, dim)``.
    """

    pos: Tensor
    x: Tensor | None
    vec: Tensor | None
    edge_index: Tensor
    target: Tensor


class Batch(NamedTuple):
    """Clouds behind one another; ``batch`` is the cloud of each point, ``rows`` the cloud of each row of the target."""

    x: Tensor | None
    pos: Tensor
    edge_index: Tensor
    batch: Tensor
    vec: Tensor | None
    target: Tensor
    rows: Tensor


def joined(clouds: Sequence[Cloud]) -> Batch:
    """One batch of several clouds.

    >>> one = Cloud(torch.zeros(2, 3), None, None, torch.tensor([[0], [1]]), torch.zeros(1, 1))
    >>> joined([one, one]).edge_index, joined([one, one]).batch
    (tensor([[0, 2],
            [1, 3]]), tensor([0, 0, 1, 1]))
    """
    number = torch.arange(len(clouds))
    points = torch.tensor([len(cloud.pos) for cloud in clouds])
    first = points.cumsum(0) - points
    edges = [cloud.edge_index + offset for cloud, offset in zip(clouds, first.tolist(), strict=True)]
    return Batch(
        _together([cloud.x for cloud in clouds]),
        torch.cat([cloud.pos for cloud in clouds]),
        torch.cat(edges, 1),
        number.repeat_interleave(points),
        _together([cloud.vec for cloud in clouds]),
        torch.cat([cloud.target for cloud in clouds]),
        number.repeat_interleave(torch.tensor([len(cloud.target) for cloud in clouds])),
    )


def _together(parts: Sequence[Tensor | None]) -> Tensor | None:
    given = [part for part in parts if part is not None]
    return torch.cat(given) if given else None


@dataclass(frozen=True)
class CloudSet:
    """Clouds in the file's own units, float64, and what is to be learned of them.

    Attributes:
        clouds: about their centroids.
        target: its name.
        kind: classes, numbers or vectors.
        task: "graph" or "node".
        outputs: how many classes, numbers or vectors.
        dim: of the space.
        in_scalar: features of a point.
        in_vector: vectors of a point.
        explained: whether the target is first explained by the composition.
        edges: where edges come from, in words.
        unused: names of what the file holds and no network sees.
    """

    clouds: list[Cloud]
    target: str
    kind: Kind
    task: Literal["graph", "node"]
    outputs: int
    dim: int
    in_scalar: int
    in_vector: int
    explained: bool
    edges: str = "of the file"
    unused: tuple[str, ...] = ()

    @property
    def seen(self) -> str:
        """What networks see of the clouds, and what of the file they do not."""
        parts = ["coordinates"]
        for count, one in ((self.in_scalar, "feature"), (self.in_vector, "vector")):
            if count:
                parts.append(f"{count} {one}{'s' * (count > 1)} of each point")
        unused = f" Not used: {', '.join(self.unused)}." if self.unused else ""
        return f"Networks see {', '.join(parts)}; edges: {self.edges}.{unused}"

    def __str__(self) -> str:
        rows = "point" if self.task == "node" else "cloud"
        what = {"classes": f"one of {self.outputs} classes", "numbers": f"{self.outputs} numbers"}
        learned = what.get(self.kind, f"{self.outputs} vectors").replace("1 numbers", "a number")
        learned = learned.replace("1 vectors", "a vector")
        return f"{len(self.clouds)} clouds; {self.target!r}: {learned} for each {rows}"


def assemble(where: str, records: Records, target: str, kind: str = "auto", neighbours: int | None = None) -> CloudSet:
    """Finds out what kind of target it is, centres the clouds, and finds edges where the file has none.

    Args:
        where: the file, for messages.
        records: the clouds.
        target: the name of what is to be learned.
        kind: "classes", "numbers", "vectors", or "auto": whole numbers are classes, named vectors vectors.
        neighbours: nearest neighbours that each point hears; 0 for all points; by default all of small clouds.

    Raises:
        ValueError: if the target cannot be of that kind, or all clouds have the same.
    """
    values = [cloud[target] for cloud in records.clouds]
    dim = records.clouds[0]["pos"].shape[1]
    found = _kind(where, target, values[0], dim, kind, target in records.vectors)
    labels = torch.cat(values).unique() if found == "classes" else torch.zeros(0)
    if found == "classes" and not 2 <= len(labels) <= max(2, len(torch.cat(values)) // 2):
        hint = "save them as floats, or say --target-kind numbers, where they are no classes"
        hint = "each folder is a class" if target == "folder" else hint
        raise ValueError(f"{where}: from 2 classes to half as many as rows in {target!r}, got {len(labels)}; {hint}")
    if found != "classes" and bool((torch.cat(values) == values[0][:1]).all()):
        raise ValueError(f"{where}: something to learn in {target!r}, got the same everywhere")
    largest = max(len(cloud["pos"]) for cloud in records.clouds)
    nearest = (0 if largest <= SMALL_CLOUD else NEAREST) if neighbours is None else neighbours
    clouds = []
    for cloud, value in zip(records.clouds, values, strict=True):
        pos = cloud["pos"].double()
        edges = cloud.get("edge_index")
        if edges is None:
            edges = knn_graph(pos, nearest) if nearest else all_pairs(torch.zeros(len(pos), dtype=torch.long))
        wanted = torch.searchsorted(labels, value.flatten()) if found == "classes" else _rows(value, found, dim)
        clouds.append(Cloud(pos - pos.mean(0), cloud.get("x"), cloud.get("vec"), edges, wanted))
    first = clouds[0]
    outputs = len(labels) if found == "classes" else first.target.shape[1]
    return CloudSet(
        clouds,
        target,
        found,
        "node" if records.belongs_to_points(target) else "graph",
        outputs,
        dim,
        0 if first.x is None else first.x.shape[1],
        0 if first.vec is None else first.vec.shape[1],
        records.composition == target,
        "of the file" if "edge_index" in records.clouds[0] else f"{nearest} nearest" if nearest else "all pairs",
        records.unused,
    )


def _kind(where: str, target: str, value: Tensor, dim: int, kind: str, named: bool) -> Kind:
    """What a target is, from its type, its shape, and what was said of it."""
    single = value.ndim == 1 or (value.ndim == 2 and value.shape[1] == 1)
    vectors = value.ndim in (2, 3) and value.shape[-1] == dim
    if kind == "auto":
        whole = not value.is_floating_point()
        kind = "classes" if whole and single else "vectors" if named and vectors else "numbers"
    if (kind == "classes" and (not single or value.is_floating_point())) or (kind == "vectors" and not vectors):
        wanted = "a whole number in each row" if kind == "classes" else f"rows of {dim} numbers"
        raise ValueError(
            f"{where}: --target-kind {kind} takes {wanted}, {target!r} is {value.dtype} of shape {tuple(value.shape)}"
        )
    if kind == "numbers" and value.ndim > 2:
        raise ValueError(f"{where}: rows of numbers in {target!r}, got shape {tuple(value.shape)}")
    return kind  # type: ignore[return-value]


def _rows(value: Tensor, kind: Kind, dim: int) -> Tensor:
    if kind == "vectors":
        return value.double().reshape(len(value), -1, dim)
    return value.double().reshape(len(value), -1)


@dataclass(frozen=True)
class Split:
    """Clouds to learn from, to choose the epoch and to test on, float32 in one scale; and the way back.

    Attributes:
        train: to learn from.
        validation: to choose the epoch.
        test: to test on.
        unit: one of the network's numbers in the file's unit.
        guess: the error, or the accuracy, of the best answer that looks at no cloud.
    """

    train: list[Cloud]
    validation: list[Cloud]
    test: list[Cloud]
    unit: float
    guess: float


def split(clouds: CloudSet, seed: int, validation: float, test: float) -> Split:
    """Splits by a seed, and scales by what stands in the clouds to learn from.

    Coordinates are divided by one length, the root mean square distance from centroids, and vectors by theirs, so that
    every symmetry stays one. Numbers are shifted and scaled to mean zero and deviation one; total energies lose the
    part that only says which atoms there are.

    Args:
        clouds: all of them.
        seed: of the split.
        validation: share that chooses the epoch.
        test: share that is tested on.

    Raises:
        ValueError: if nothing is left to learn from.
    """
    count = len(clouds.clouds)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    tests, chosen = max(1, round(test * count)), max(1, round(validation * count))
    if count - tests - chosen < 1:
        raise ValueError(f"{count} clouds, of which {tests} to test and {chosen} to choose the epoch leave none")
    parts = [[clouds.clouds[i] for i in part] for part in (order[tests + chosen :], order[tests : tests + chosen])]
    train, held, tested = *parts, [clouds.clouds[i] for i in order[:tests]]
    if clouds.explained:
        energies = _per_kind(train)
        train, held, tested = ([_explained(cloud, energies) for cloud in part] for part in (train, held, tested))
    length = _root_mean_square([cloud.pos for cloud in train])
    speed = _root_mean_square([cloud.vec for cloud in train if cloud.vec is not None])
    shift, unit = torch.zeros(1, dtype=torch.float64), 1.0
    targets = torch.cat([cloud.target for cloud in train])
    if clouds.kind == "numbers":
        shift, unit = targets.mean(0), float((targets - targets.mean(0)).square().mean().sqrt()) or 1.0
    elif clouds.kind == "vectors":
        unit = float(targets.square().mean().sqrt()) or 1.0

    def scaled(cloud: Cloud) -> Cloud:
        x, vec, target = cloud.x, cloud.vec, cloud.target
        return Cloud(
            (cloud.pos / length).float(),
            None if x is None else x.float(),
            None if vec is None else (vec / speed).float(),
            cloud.edge_index,
            target if clouds.kind == "classes" else ((target - shift) / unit).float(),
        )

    guess = _guess(clouds.kind, targets, torch.cat([cloud.target for cloud in tested]))
    return Split(
        [scaled(cloud) for cloud in train],
        [scaled(cloud) for cloud in held],
        [scaled(cloud) for cloud in tested],
        unit,
        guess,
    )


def _root_mean_square(parts: Sequence[Tensor]) -> float:
    """Of the lengths of rows; one where all are zero, or there are none."""
    return (
        float(torch.cat([part.flatten(0, -2) for part in parts]).square().sum(-1).mean().sqrt()) or 1.0
        if parts
        else 1.0
    )


def _guess(kind: Kind, train: Tensor, test: Tensor) -> float:
    if kind == "classes":
        return float((test == train.bincount().argmax()).double().mean())
    if kind == "vectors":
        return float(test.square().mean().sqrt())
    return float((test - train.median(0).values).abs().mean())


def _per_kind(clouds: Sequence[Cloud]) -> Tensor:
    """How much of the target each kind of point explains, by least squares of least norm."""
    counts = torch.stack([cloud.x.sum(0) for cloud in clouds if cloud.x is not None])
    return torch.linalg.lstsq(counts, torch.cat([cloud.target for cloud in clouds]), driver="gelsd").solution


def _explained(cloud: Cloud, per_kind: Tensor) -> Cloud:
    assert cloud.x is not None
    return cloud._replace(target=cloud.target - cloud.x.sum(0, keepdim=True) @ per_kind)
