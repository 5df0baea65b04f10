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


@dataclass(frozen=True)
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

    Raises:
        ValueError: for other groups; when called, for too many equal rows under policy "raise".
    """

    group: Symmetric
    rows: int | str = 0
    max_frame: int = 64
    degenerate: str = "raise"
    holds_where: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.group, Symmetric):
            raise ValueError(f"SortFrame(group): a Symmetric group, got {self.group}")
        require_policy(self.degenerate, "SortFrame")
        if self.max_frame < 1:
            raise ValueError(f"SortFrame(max_frame): at least 1, got {self.max_frame}")

    def __call__(self, *inputs: Any) -> tuple[Element, Tensor | None]:
        """Permutations of shape ``(B, F, n)``, and weights where samples differ in how many they have."""
        x = pick(inputs, self.rows, "SortFrame(rows)")
        if not isinstance(x, Tensor) or x.ndim != 3:
            got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"SortFrame(rows): rows of shape (B, n, features), got {got}")
        x = x.detach()
        order = torch.arange(x.shape[1], device=x.device).expand(x.shape[:2])
        for column in reversed(range(x.shape[2])):
            key = x[..., column].gather(1, order)
            order = order.gather(1, key.argsort(dim=1, stable=True))
        ordered = x.gather(1, order[..., None].expand(x.shape))
        same = (ordered[:, 1:] == ordered[:, :-1]).all(-1)
        if not bool(same.any()):
            return order[:, None], None
        return self._with_ties(order, same)

    def _with_ties(self, order: Tensor, same: Tensor) -> tuple[Element, Tensor | None]:
        blocks = [_blocks(row) for row in same.tolist()]
        sizes = [math.prod(math.factorial(len(b)) for b in sample) for sample in blocks]
        too_many = [i for i, size in enumerate(sizes) if size > self.max_frame]
        if too_many:
            report_degenerate(
                self.degenerate,
                f"SortFrame: equal rows leave {sizes[too_many[0]]} ways to sort sample {too_many[0]}, more than "
                f"max_frame={self.max_frame}",
            )
        arrangements = [
            [list(range(order.shape[1]))] if sizes[i] > self.max_frame else _arrangements(order.shape[1], sample)
            for i, sample in enumerate(blocks)
        ]
        most = max(map(len, arrangements))
        index = torch.tensor([(a + [a[0]] * most)[:most] for a in arrangements], device=order.device)
        elements = order[:, None].expand(index.shape).gather(2, index)
        counts = torch.tensor([len(a) for a in arrangements], device=order.device)
        place = torch.arange(most, device=order.device)
        weight = (place < counts[:, None]).double() / counts[:, None]
        return elements, weight


def _blocks(same: list[bool]) -> list[list[int]]:
    """Runs of sorted places that hold equal rows."""
    blocks = [[0]]
    for place, tied in enumerate(same, start=1):
        if tied:
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
