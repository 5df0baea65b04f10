"""The aggregation that learned trees are compared with: a recurrent network over the messages, one after another."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch_geometric.nn.aggr import Aggregation


class RecurrentAggregation(Aggregation):
    """The last state of a GRU that reads the messages of each node, in random order while it learns.

    Messages are packed, so that no state reads padding.

    Args:
        channels: of messages and result.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gru = nn.GRU(channels, channels)

    def reset_parameters(self) -> None:
        self.gru.reset_parameters()

    def forward(
        self,
        x: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
        max_num_elements: int | None = None,
    ) -> Tensor:
        assert index is not None and dim_size is not None
        found = x.new_zeros(dim_size, x.shape[1])
        if not len(x):
            return found
        order, sizes, sets = packing(index, dim_size, shuffle=self.training)
        read = x[order]
        # Backwards, packed steps take time with the square of their number; sets of one size need no packing.
        alike = int(sizes[-1]) == len(sets)
        _, last = self.gru(read.view(len(sizes), len(sets), -1) if alike else PackedSequence(read, sizes))
        return found.index_copy(0, sets, last[0])


def packing(index: Tensor, num_sets: int, shuffle: bool) -> tuple[Tensor, Tensor, Tensor]:
    """How sets are packed: elements step by step, how many sets each step has, and the sets, the largest first.

    >>> order, sizes, sets = packing(torch.tensor([1, 0, 1]), 3, shuffle=False)
    >>> order.tolist(), sizes.tolist(), sets.tolist()
    ([0, 1, 2], [2, 1], [1, 0])
    """
    counts = torch.bincount(index, minlength=num_sets)
    sets = counts.argsort(descending=True, stable=True)[: int((counts > 0).sum())]
    rank = torch.empty_like(counts)
    rank[sets] = torch.arange(len(sets), device=index.device)
    mixed = (torch.randperm if shuffle else torch.arange)(len(index)).to(index.device)
    by_set = mixed[index[mixed].argsort(stable=True)]
    start = counts.cumsum(0) - counts
    step = torch.arange(len(index), device=index.device) - start[index[by_set]]
    order = by_set[(step * num_sets + rank[index[by_set]]).argsort()]
    return order, torch.bincount(step).cpu(), sets  # cuDNN wants the numbers of sets on the processor
