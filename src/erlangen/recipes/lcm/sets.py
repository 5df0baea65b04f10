"""Sets of whole numbers, written in bits, and the network that is asked for their second smallest."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch_geometric.nn.aggr import Aggregation

from erlangen.graphs import LCMAggregation
from erlangen.recipes.lcm.settings import Config

Sets = tuple[Tensor, Tensor]  # numbers (sets, most), and how many of each row count


def draw_sets(count: int, sizes: tuple[int, int], bits: int, seed: int) -> Sets:
    """Sets of a random size, of random numbers below ``2 ** bits``, with replacement.

    >>> numbers, sizes = draw_sets(10, (2, 4), 3, 0)
    >>> numbers.shape, bool((2 <= sizes).all() and (sizes <= 4).all() and (numbers < 8).all())
    (torch.Size([10, 4]), True)
    """
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randint(2**bits, (count, sizes[1]), generator=generator)
    return numbers, torch.randint(sizes[0], sizes[1] + 1, (count,), generator=generator)


def second_smallest(numbers: Tensor, sizes: Tensor) -> Tensor:
    """The second smallest of each set, where equal numbers count each: of {3, 3, 5} it is 3.

    >>> second_smallest(torch.tensor([[3, 5, 3, 0], [7, 1, 0, 0]]), torch.tensor([3, 2])).tolist()
    [3, 7]
    """
    counted = torch.arange(numbers.shape[1]) < sizes[:, None]
    largest = torch.iinfo(numbers.dtype).max
    return numbers.masked_fill(~counted, largest).sort(1).values[:, 1]


def to_bits(numbers: Tensor, bits: int) -> Tensor:
    """Zeros and ones, the highest bit first.

    >>> to_bits(torch.tensor([6]), 4).tolist()
    [[0.0, 1.0, 1.0, 0.0]]
    """
    return (numbers[..., None] >> torch.arange(bits - 1, -1, -1) & 1).float()


class SetNetwork(nn.Module):
    """Encoder of each number, aggregation, decoder of the bits of the answer.

    Args:
        make: the aggregation, from a number of channels.
        config: the settings.
    """

    def __init__(self, make: Callable[[int], Aggregation], config: Config) -> None:
        super().__init__()
        d, drop = config.minimum_channels, config.minimum_dropout
        self.bits = config.minimum_bits
        self.aggregation = make(d)
        # A monoid's elements are not cut off below.
        last = nn.Identity() if isinstance(self.aggregation, LCMAggregation) else nn.GELU()
        inner = nn.Linear(self.bits, d), nn.Dropout(drop), nn.GELU()
        self.encoder = nn.Sequential(*inner, nn.Linear(d, d), last)
        self.decoder = nn.Sequential(nn.Linear(d, d), nn.Dropout(drop / 2), nn.GELU(), nn.Linear(d, self.bits))
        self.register_buffer("steps", torch.tensor(0))  # of training: what warms up goes by them

    def forward(self, numbers: Tensor, sizes: Tensor) -> Tensor:
        """Logits of the bits, ``(sets, bits)``."""
        x, index = self.elements(numbers, sizes)
        return self.decoder(self.aggregation(x, index, dim_size=len(sizes)))

    def elements(self, numbers: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
        """What is aggregated: a vector for each number, and the set it belongs to."""
        counted = torch.arange(numbers.shape[1]) < sizes[:, None]
        index = torch.arange(len(sizes)).repeat_interleave(sizes)
        return self.encoder(to_bits(numbers[counted], self.bits)), index
