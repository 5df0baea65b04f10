"""Partitions: which part of its cloud every point belongs to."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from erlangen.points.flat import segment_sum


class Partition(NamedTuple):
    """Clouds that lie flat in one tensor, each divided into parts that are numbered from 0 within the cloud.

    Made by :meth:`of`, which checks it, or by :meth:`from_labels`, which renumbers whatever it is given.

    Attributes:
        index: the part of each point, long ``(nodes,)``.
        batch: the cloud of each point, ascending, long ``(nodes,)``.
        num_parts: how many parts each cloud has, long ``(clouds,)``; none of them is empty.

    Example:
        >>> fine = Partition.of(torch.tensor([0, 1, 2, 0, 1]), torch.tensor([0, 0, 0, 1, 1]))
        >>> coarse = Partition.of(torch.tensor([0, 0, 1, 0, 0]), fine.batch)
        >>> fine.cell.tolist(), fine.refines(coarse).tolist(), coarse.refines(fine).tolist()
        ([0, 1, 2, 3, 4], [True, True], [False, False])
    """

    index: Tensor  # type: ignore[assignment]  # a field, where tuples have a method
    batch: Tensor
    num_parts: Tensor

    @classmethod
    def of(cls, index: Int[Tensor, " nodes"], batch: Int[Tensor, " nodes"] | None = None) -> Partition:
        """A partition, checked.

        Args:
            index: the part of each point; the parts of a cloud are numbered 0, 1, 2, ... without a gap.
            batch: the cloud of each point, ascending; one cloud by default.

        Raises:
            TypeError: if numbers are not long.
            ValueError: if shapes or devices differ, clouds are not ascending, or a part has no points.
        """
        index, batch = _read("Partition.of(index)", index, batch)
        clouds = int(batch[-1]) + 1 if len(batch) else 0
        num_parts = batch.new_zeros(clouds).scatter_reduce(0, batch, index + 1, "amax")
        if len(index) and int(index.min()) < 0:
            raise ValueError(f"Partition.of(index): parts are numbered from 0, got {int(index.min())}")
        made = cls(index, batch, num_parts)
        empty = made.sizes == 0
        if bool(empty.any()):
            cell = int(empty.nonzero()[0])
            cloud = int((made._first <= cell).sum()) - 1
            part = cell - int(made._first[cloud])
            raise ValueError(
                f"Partition.of(index): part numbers without a gap, got no point in part {part} of cloud {cloud}, which "
                f"has {int(num_parts[cloud])}; Partition.from_labels renumbers"
            )
        return made

    @classmethod
    def from_labels(cls, labels: Int[Tensor, " nodes"], batch: Int[Tensor, " nodes"] | None = None) -> Partition:
        """Points of a cloud with equal labels are one part; parts are numbered in the order of their labels.

        Args:
            labels: any whole numbers.
            batch: the cloud of each point, ascending; one cloud by default.

        Raises:
            TypeError: if numbers are not long.
            ValueError: if shapes or devices differ, or clouds are not ascending.

        >>> Partition.from_labels(torch.tensor([7, -1, 7, 3])).index
        tensor([2, 0, 2, 1])
        """
        labels, batch = _read("Partition.from_labels(labels)", labels, batch)
        pairs, cell = torch.stack([batch, labels]).unique(dim=1, return_inverse=True)
        clouds = int(batch[-1]) + 1 if len(batch) else 0
        num_parts = torch.bincount(pairs[0], minlength=clouds)
        return cls(cell - (num_parts.cumsum(0) - num_parts)[batch], batch, num_parts)

    @classmethod
    def whole(cls, batch: Int[Tensor, " nodes"]) -> Partition:
        """Every cloud as one part."""
        return cls.of(torch.zeros_like(batch), batch)

    @property
    def _first(self) -> Tensor:
        """The cell of part 0 of every cloud."""
        return self.num_parts.cumsum(0) - self.num_parts

    @property
    def cell(self) -> Tensor:
        """The part of each point, numbered through all clouds, ``(nodes,)``: a batch vector whose samples are parts."""
        return self._first[self.batch] + self.index

    @property
    def num_cells(self) -> int:
        """How many parts all clouds have together."""
        return int(self.num_parts.sum())

    @property
    def sizes(self) -> Tensor:
        """The number of points of each cell, ``(cells,)``."""
        return torch.bincount(self.cell, minlength=self.num_cells)

    @property
    def cloud_of_cell(self) -> Tensor:
        """The cloud of each cell, ``(cells,)``."""
        clouds = torch.arange(len(self.num_parts), device=self.num_parts.device)
        return clouds.repeat_interleave(self.num_parts)

    def one_hot(self, dtype: torch.dtype = torch.float32) -> Float[Tensor, "nodes parts"]:
        """The matrix Z: one column per part, as many as the cloud with the most parts has."""
        width = int(self.num_parts.max()) if len(self.num_parts) else 0
        columns = torch.arange(width, device=self.index.device)
        return (self.index[:, None] == columns).to(dtype)

    def refines(self, other: Partition) -> Bool[Tensor, " clouds"]:
        """Whether each cloud's parts lie within the other partition's parts.

        A part is within another's when the smallest and the largest number that its points have there agree.

        Raises:
            ValueError: if the two are of different clouds.
        """
        require_same_clouds("Partition.refines(other)", self, other)
        theirs, cells = other.cell, self.num_cells
        least = theirs.new_zeros(cells).scatter_reduce(0, self.cell, theirs, "amin", include_self=False)
        most = theirs.new_zeros(cells).scatter_reduce(0, self.cell, theirs, "amax", include_self=False)
        return segment_sum((least != most).long(), self.cloud_of_cell, len(self.num_parts)) == 0


def require_same_clouds(where: str, first: Partition, second: Partition) -> None:
    """Refuses partitions of different clouds.

    Raises:
        ValueError: naming ``where``.
    """
    if not torch.equal(first.batch, second.batch):
        raise ValueError(
            f"{where}: a partition of the same {len(first.index)} points in {len(first.num_parts)} clouds, got one of "
            f"{len(second.index)} points in {len(second.num_parts)} clouds"
        )


def _read(where: str, labels: Tensor, batch: Tensor | None) -> tuple[Tensor, Tensor]:
    if labels.dtype != torch.long:
        raise TypeError(f"{where}: torch.int64, got {labels.dtype}")
    if labels.ndim != 1:
        raise ValueError(f"{where}: shape (nodes,), got {tuple(labels.shape)}")
    if batch is None:
        return labels, torch.zeros_like(labels)
    name = where.partition("(")[0]
    if batch.dtype != torch.long:
        raise TypeError(f"{name}(batch): torch.int64, got {batch.dtype}")
    if batch.shape != labels.shape or batch.device != labels.device:
        raise ValueError(
            f"{name}(batch): the cloud of each of the {len(labels)} points on {labels.device}, got shape "
            f"{tuple(batch.shape)} on {batch.device}"
        )
    if len(batch) and (int(batch[0]) < 0 or bool((batch[1:] < batch[:-1]).any())):
        raise ValueError(f"{name}(batch): ascending numbers from 0, got {batch.tolist()[:8]}...")
    return labels, batch
