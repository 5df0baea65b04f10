"""Batches whose order depends on the seed and the epoch alone, so that a counter is enough to go on from any."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset, default_collate

from erlangen.extras import require
from erlangen.train.numbers import whole_number
from erlangen.train.randomness import ORDER, WORKERS, derive_seed

Collate = Callable[[list[Any]], Any]


class Batches:
    """Iterates over the batches of one epoch, from ``first`` on; a process of several takes its share of each batch.

    Args:
        data: A tensor, a tuple of tensors (batches are slices of them), or anything with a length and items.
        batch_size: Items per batch, over all processes together. The last batch holds what is left.
        seed: Shuffles by ``(seed, epoch)``; None keeps the order.
        collate: Makes a batch of a list of items. By default PyG's for graphs, torch's for everything else.
        workers: Processes that fetch items.
        name: What an error calls the data.

    Raises:
        TypeError: If the data have no length or no items, or are a dict; if a number is not whole.
        ValueError: If they are empty or of different lengths, or if ``batch_size`` is below one.

    >>> batches = Batches(torch.arange(5), 2, seed=0)
    >>> batches.epoch = 3
    >>> once = [batch.tolist() for batch in batches]
    >>> batches.first = 1
    >>> [batch.tolist() for batch in batches] == once[1:], len(batches)
    (True, 2)
    """

    def __init__(
        self,
        data: Any,
        batch_size: int,
        *,
        seed: int | None = None,
        collate: Collate | None = None,
        workers: int = 0,
        name: str = "train_data",
    ) -> None:
        if isinstance(data, TensorDataset) and collate is None:
            data = data.tensors
        self.count = _count(data, name)
        self.data: Any = data
        self.batch_size = whole_number("batch_size", batch_size, 1)
        self.seed, self.workers = seed, whole_number("workers", workers, 0)
        self.columns = collate is None and (isinstance(data, Tensor) or _is_columns(data))
        self.collate = collate or (None if self.columns else _default_collate(data))
        self.epoch, self.first, self.rank, self.world = 0, 0, 0, 1
        self.before_first: Callable[[], object] | None = (
            None  # called once, right before the next first item is fetched
        )

    @property
    def steps(self) -> int:
        """Batches of a whole epoch."""
        return math.ceil(self.count / self.batch_size)

    def __len__(self) -> int:
        return self.steps - self.first

    def size(self, step: int) -> int:
        """Items in batch ``step`` over all processes."""
        return min(self.batch_size, self.count - step * self.batch_size)

    def share(self, step: int) -> int:
        """Items of batch ``step`` that count in this process; 0 if it only keeps the others company."""
        return len(range(self.rank, self.size(step), self.world))

    def __iter__(self) -> Iterator[Any]:
        indices = self._indices()
        if self.workers and not self.columns:
            generator = torch.Generator().manual_seed(derive_seed(self.seed or 0, WORKERS, self.epoch, self.rank))
            yield from DataLoader(
                self.data,
                batch_sampler=[index.tolist() for index in indices],
                collate_fn=self.collate,
                num_workers=self.workers,
                generator=generator,
            )
            return
        for index in indices:
            if self.before_first is not None:
                self.before_first()
                self.before_first = None
            yield self._fetch(index)

    def _indices(self) -> Iterator[Tensor]:
        """Indices of this process's share of each batch; one item where it has none, so that all make as many steps."""
        order = torch.arange(self.count)
        if self.seed is not None:
            generator = torch.Generator().manual_seed(derive_seed(self.seed, ORDER, self.epoch))
            order = torch.randperm(self.count, generator=generator)
        for whole in order.split(self.batch_size)[self.first :]:
            mine = whole[self.rank :: self.world]
            yield mine if len(mine) else whole[:1]

    def _fetch(self, index: Tensor) -> Any:
        if isinstance(self.data, Tensor):
            return self.data[index.to(self.data.device)]
        if self.columns:
            return tuple(column[index.to(column.device)] for column in self.data)
        assert self.collate is not None
        return self.collate([self.data[i] for i in index.tolist()])


def _is_columns(data: Any) -> bool:
    return type(data) is tuple and all(isinstance(column, Tensor) for column in data)


def _count(data: Any, name: str) -> int:
    takes = "it takes a tensor, a tuple of tensors, or a data set with a length and items"
    has_items = hasattr(data, "__len__") and hasattr(data, "__getitem__")
    if isinstance(data, (DataLoader, IterableDataset, dict, str)) or not has_items:
        hint = " (pass its data set; fit makes the batches)" if isinstance(data, DataLoader) else ""
        hint = " (pass a list with one dict for each item)" if isinstance(data, dict) else hint
        raise TypeError(f"{name} is a {type(data).__name__}; {takes}{hint}")
    if _is_columns(data) and data:
        lengths = {len(column) if column.dim() else 0 for column in data}
        if len(lengths) > 1:
            shapes = ", ".join(str(tuple(column.shape)) for column in data)
            raise ValueError(f"{name} holds tensors of different lengths: {shapes}")
    count = len(data[0]) if _is_columns(data) and data else len(data)
    if count == 0:
        raise ValueError(f"{name} is empty; it takes at least one item")
    return count


def _default_collate(data: Any) -> Collate:
    """PyG's way of making batches if an item is, or holds, a graph; torch's otherwise."""
    item = data[0]
    parts = item if isinstance(item, (tuple, list)) else item.values() if isinstance(item, dict) else [item]
    if not any(all(hasattr(part, name) for name in ("to_dict", "num_nodes")) for part in parts):
        return default_collate
    loaders = require("torch_geometric.loader.dataloader", "graphs", "a batch of graphs")
    return loaders.Collater(data)
