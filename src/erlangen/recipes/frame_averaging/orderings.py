"""All different matrices that a frame of a graph can show, without listing the frame.

The elements of a frame that differ by an automorphism show a backbone the same matrix, and every matrix is shown
equally often (Puny et al.: a frame is a union of cosets of the stabiliser). So the mean over the different matrices is
the mean over the frame. The complete graph on eight nodes has 40320 elements and one matrix.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor


class Orderings(NamedTuple):
    """Different matrices of all graphs behind one another.

    Attributes:
        adjacency: shape ``(matrices, n, n)``.
        graph: whose it is, ascending, shape ``(matrices,)``.
        sizes: number of elements of each graph's frame, shape ``(graphs,)``.
    """

    adjacency: Tensor
    graph: Tensor
    sizes: Tensor

    def mean(self, values: Tensor) -> Tensor:
        """From values ``(matrices, c)`` to their mean over each graph's frame, ``(graphs, c)``."""
        total = values.new_zeros(len(self.sizes), values.shape[1]).index_add(0, self.graph, values)
        return total / torch.bincount(self.graph, minlength=len(self.sizes))[:, None]

    def of(self, graphs: Tensor) -> Orderings:
        """The matrices of some graphs, which are numbered anew in the order given."""
        number = torch.full((len(self.sizes),), -1)
        number[graphs] = torch.arange(len(graphs))
        chosen = number[self.graph] >= 0
        graph, order = number[self.graph[chosen]].sort(stable=True)
        return Orderings(self.adjacency[chosen][order], graph, self.sizes[graphs])


def orderings(adjacency: Tensor, ranks: Tensor, largest: int = 40320) -> Orderings:
    """Lists the different matrices of the frames that sort nodes by ``ranks``.

    Args:
        adjacency: zeros and ones, shape ``(graphs, n, n)`` with n at most 10.
        ranks: places in sorted order, equal ones shared, as `SpectralFrame.ranks` gives them, ``(graphs, n)``.
        largest: frames with more elements are refused.

    Raises:
        ValueError: If a graph has too many nodes, or a frame too many elements.
    """
    graphs, n = ranks.shape
    if n > 10:
        raise ValueError(f"adjacency has {n} nodes; all orderings are listed for at most 10")
    order = ranks.argsort(dim=1, stable=True)
    ordered = adjacency.gather(1, order[..., None].expand(-1, -1, n)).gather(2, order[:, None].expand(-1, n, -1))
    patterns, which = ranks.gather(1, order).unique(dim=0, return_inverse=True)
    upper = torch.triu_indices(n, n, 1)
    worth = 2 ** torch.arange(upper.shape[1])
    codes, owners, sizes = [], [], torch.zeros(graphs, dtype=torch.long)
    for index, pattern in enumerate(patterns):
        mine = (which == index).nonzero()[:, 0]
        ways = arrangements(torch.bincount(pattern).tolist(), largest)
        sizes[mine] = len(ways)
        for some in mine.split(max(1, 2_000_000 // (len(ways) * upper.shape[1]))):
            entries = ordered[some][:, ways[:, upper[0]], ways[:, upper[1]]].long()  # (some, ways, pairs)
            shown = (entries * worth).sum(-1) + (some[:, None] << upper.shape[1])
            different = shown.unique()
            codes.append(different & ((1 << upper.shape[1]) - 1))
            owners.append(different >> upper.shape[1])
    code, owner = torch.cat(codes), torch.cat(owners)
    owner, sorting = owner.sort(stable=True)
    out = torch.zeros(len(code), n, n, dtype=adjacency.dtype)
    bits = ((code[sorting][:, None] >> torch.arange(upper.shape[1])) & 1).to(out.dtype)
    out[:, upper[0], upper[1]] = out[:, upper[1], upper[0]] = bits
    return Orderings(out, owner, sizes)


def arrangements(blocks: list[int], largest: int) -> Tensor:
    """All permutations that stay within blocks of neighbours, ``(ways, n)``.

    >>> arrangements([1, 2], 10).tolist()
    [[0, 1, 2], [0, 2, 1]]
    """
    ways = math.prod(math.factorial(size) for size in blocks)
    if ways > largest:
        raise ValueError(f"a frame has {ways} elements, more than {largest}")
    starts = itertools.accumulate([0, *blocks[:-1]])
    each = [itertools.permutations(range(start, start + size)) for start, size in zip(starts, blocks, strict=True)]
    return torch.tensor([sum(choice, ()) for choice in itertools.product(*each)])
