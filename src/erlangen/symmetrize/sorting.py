"""The frame of S_n for sets of rows: the permutations that sort them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from erlangen.groups import Element, Symmetric
from erlangen.symmetrize.frame import pick, report_degenerate, require_policy


@dataclass(frozen=True, eq=False)
class SortFrame:
    r"""All permutations that sort the rows of a set lexicographically, first column first.

    Rows that are all different have exactly one. Equal rows can be exchanged, so a sample whose groups of equal rows
    have sizes :math:`m_1, m_2, \ldots` has :math:`\prod_j m_j!` elements; samples with fewer than the batch's most get
    weight zero on the rest.

    Args:
        group: ``Symmetric("n")`` or ``Symmetric(n)``.
        rows: which input holds the rows, shape ``(B, n, features)``: its position, or a field of a dict.
        max_frame: more elements than this are a degenerate case.
        degenerate: what to do then: "raise", "warn" and sort equal rows in the order in which they came, or "perturb",
            the same without a word.
        draws: instead of all elements, this many uniformly random ones, each with its own random order of equal rows;
            the promise is then kept in expectation.
        generator: randomness of the draws; by default torch's own.

    Raises:
        ValueError: for other groups; when called, for too many equal rows under policy "raise".
    """

    group: Symmetric
    rows: int | str = 0
    max_frame: int = 64
    degenerate: str = "raise"
    draws: int | None = None
    generator: torch.Generator | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.group, Symmetric):
            raise ValueError(f"{type(self).__name__}(group): a Symmetric group, got {self.group}")
        require_policy(self.degenerate, type(self).__name__)
        if self.max_frame < 1:
            raise ValueError(f"{type(self).__name__}(max_frame): at least 1, got {self.max_frame}")
        if self.draws is not None and self.draws < 1:
            raise ValueError(f"{type(self).__name__}(draws): at least 1, got {self.draws}")

    @property
    def kind(self) -> str:
        """What an average over the frame keeps: "exact", or "in_expectation" over the draws."""
        return "exact" if self.draws is None else "in_expectation"

    @property
    def holds_where(self) -> str:
        """For every input, or where equal rows are few enough to be exchanged in all ways."""
        return "" if self.draws is not None or self.degenerate == "raise" else "few equal rows"

    def ranks(self, *inputs: Any) -> Tensor:
        """The place of every row in sorted order, equal rows sharing one; long, shape ``(B, n)``."""
        x = pick(inputs, self.rows, "SortFrame(rows)")
        if not isinstance(x, Tensor) or x.ndim != 3:
            got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"SortFrame(rows): rows of shape (B, n, features), got {got}")
        return lexicographic_ranks(x.detach())

    def sizes(self, *inputs: Any) -> list[int]:
        """The number of elements of every sample's frame, without listing them."""
        return [
            math.prod(math.factorial(count) for count in torch.bincount(ranks).tolist())
            for ranks in self.ranks(*inputs)
        ]

    def __call__(self, *inputs: Any) -> tuple[Element, Tensor | None]:
        """Permutations of shape ``(B, F, n)``, and weights where samples differ in how many they have."""
        ranks = self.ranks(*inputs)
        if self.draws is not None:
            return random_sorts(ranks, self.draws, self.generator), None
        order = ranks.argsort(dim=1, stable=True)
        sorted_ranks = ranks.gather(1, order)
        tied = sorted_ranks[:, 1:] == sorted_ranks[:, :-1]
        if not bool(tied.any()):
            return order[:, None], None
        return self._with_ties(order, tied)

    def _with_ties(self, order: Tensor, tied: Tensor) -> tuple[Element, Tensor | None]:
        # Many samples share few patterns of ties; each pattern is worked out once.
        patterns, which = torch.unique(tied, dim=0, return_inverse=True)
        blocks = [_blocks(row) for row in patterns.tolist()]
        sizes = [math.prod(math.factorial(len(b)) for b in pattern) for pattern in blocks]
        too_many = torch.tensor([size > self.max_frame for size in sizes], device=which.device)[which]
        if bool(too_many.any()):
            first = int(too_many.nonzero()[0])
            report_degenerate(
                self.degenerate,
                f"{type(self).__name__}: equal rows leave {sizes[int(which[first])]} ways to sort sample {first}, more "
                f"than max_frame={self.max_frame} (draws=1 takes a random one)",
            )
        arrangements = [
            [list(range(order.shape[1]))] if sizes[i] > self.max_frame else _arrangements(order.shape[1], pattern)
            for i, pattern in enumerate(blocks)
        ]
        most = max(map(len, arrangements))
        table = torch.tensor([(a + [a[0]] * most)[:most] for a in arrangements], device=order.device)
        index = table[which]
        elements = order[:, None].expand(index.shape).gather(2, index)
        counts = torch.tensor([len(a) for a in arrangements], device=order.device)[which]
        weight = (torch.arange(most, device=order.device) < counts[:, None]).double() / counts[:, None]
        return elements, weight


def lexicographic_ranks(rows: Tensor) -> Tensor:
    """Dense ranks of rows in lexicographic order, ``(B, n, columns)`` to ``(B, n)``; equal rows have equal ranks."""
    count, n, columns = rows.shape
    order = torch.arange(n, device=rows.device).expand(count, n)
    for column in reversed(range(columns)):
        order = order.gather(1, rows[..., column].gather(1, order).argsort(dim=1, stable=True))
    ordered = rows.gather(1, order[..., None].expand(rows.shape))
    new = (ordered[:, 1:] != ordered[:, :-1]).any(-1).long()
    ranks = torch.nn.functional.pad(new.cumsum(1), (1, 0)) if n else order
    return torch.zeros_like(order).scatter(1, order, ranks)


def random_sorts(ranks: Tensor, draws: int, generator: torch.Generator | None) -> Tensor:
    """Sorting permutations with equal ranks in random order, ``(B, n)`` to ``(B, draws, n)``."""
    device = generator.device if generator is not None else "cpu"
    coins = torch.rand(ranks.shape[0], draws, ranks.shape[1], generator=generator, device=device, dtype=torch.float64)
    return (ranks[:, None] + coins.to(ranks.device)).argsort(-1)


def _blocks(tied: list[bool]) -> list[list[int]]:
    """Runs of sorted places that hold equal rows."""
    blocks = [[0]]
    for place, same in enumerate(tied, start=1):
        if same:
            blocks[-1].append(place)
        else:
            blocks.append([place])
    return blocks


def _arrangements(n: int, blocks: list[list[int]]) -> list[list[int]]:
    """Every rearrangement of the places that stays within the blocks."""
    out = []
    for choice in itertools.product(*(itertools.permutations(block) for block in blocks)):
        arrangement = list(range(n))
        for block, places in zip(blocks, choice, strict=True):
            for at, place in zip(block, places, strict=True):
                arrangement[at] = place
        out.append(arrangement)
    return out
