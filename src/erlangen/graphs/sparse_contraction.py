"""Products and sums of sparse tensors, for polynomials of large graphs with few edges."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Int, Num
from torch import Tensor

#: Most entries of one product.
MAX_ENTRIES = 1 << 27


class SparseTensor(NamedTuple):
    """The entries of a tensor with axes of one length that are not zero, each once.

    Attributes:
        index: where they are, one row per axis.
        value: what they are.
        size: length of every axis.
    """

    index: Int[Tensor, "axes entries"]
    value: Num[Tensor, " entries"]
    size: int

    def to_dense(self) -> Tensor:
        """The whole tensor."""
        dense = self.value.new_zeros((self.size,) * len(self.index))
        if len(self.index) == 0:
            return self.value.sum()
        dense[tuple(self.index)] = self.value
        return dense


def sparse_einsum(equation: str, *operands: SparseTensor) -> SparseTensor:
    """Einsum of one or two sparse tensors, in time that is linear in the entries of their joint product, times a log.

    Args:
        equation: as for ``torch.einsum``; no letter twice in one operand.
        operands: the tensors.

    Raises:
        ValueError: if the product has more than 2^27 entries, or a tensor so many places that 64 bits do not number
            them.

    Example:
        >>> path = SparseTensor(torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), torch.ones(4), 3)
        >>> sparse_einsum("ab,bc->ac", path, path).to_dense()
        tensor([[1., 0., 1.],
                [0., 2., 0.],
                [1., 0., 1.]])
    """
    inputs, _, output = equation.partition("->")
    letters = inputs.split(",")
    size = operands[0].size
    if len(operands) == 1:
        columns, value = dict(zip(letters[0], operands[0].index, strict=True)), operands[0].value
    else:
        columns, value = _join(letters, operands, equation)
    index = torch.stack([columns[letter] for letter in output]) if output else value.new_zeros(0, len(value)).long()
    if set(output) == set(columns):
        return SparseTensor(index, value, size)
    keys, place = torch.unique(_key(index, size), return_inverse=True)
    sums = value.new_zeros(len(keys)).index_add_(0, place, value)
    return SparseTensor(_digits(keys, size, len(output)), sums, size)


def _join(letters: list[str], operands: tuple[SparseTensor, ...], equation: str) -> tuple[dict[str, Tensor], Tensor]:
    """All pairs of entries that agree at the letters that both tensors have."""
    first, second = operands
    shared = [letter for letter in letters[0] if letter in letters[1]]
    one = _key(first.index[[letters[0].index(letter) for letter in shared]], first.size)
    two = _key(second.index[[letters[1].index(letter) for letter in shared]], second.size)
    two, order = two.sort()
    start = torch.searchsorted(two, one)
    count = torch.searchsorted(two, one, right=True) - start
    total = int(count.sum())
    if total > MAX_ENTRIES:
        raise ValueError(
            f"sparse_einsum: the product {equation} has {total} entries, more than {MAX_ENTRIES}; nodes with very many "
            "neighbours have too many pairs of them"
        )
    left = torch.repeat_interleave(torch.arange(len(one), device=one.device), count)
    within = torch.arange(total, device=one.device) - (count.cumsum(0) - count)[left]
    right = order[start[left] + within]
    columns = {letter: row[right] for letter, row in zip(letters[1], second.index, strict=True)}
    columns |= {letter: row[left] for letter, row in zip(letters[0], first.index, strict=True)}
    return columns, first.value[left] * second.value[right]


def _key(index: Tensor, size: int) -> Tensor:
    if size ** len(index) >= 1 << 63:
        raise ValueError(
            f"sparse_einsum: tensors of fewer than 2^63 places, got {len(index)} axes of length {size}; take smaller "
            "graphs, or polynomials of less width"
        )
    key = index.new_zeros(index.shape[1])
    for row in index:
        key = key * size + row
    return key


def _digits(keys: Tensor, size: int, count: int) -> Tensor:
    rows = []
    for _ in range(count):
        rows.append(keys % size)
        keys = keys // size
    return torch.stack(rows[::-1]) if rows else keys.new_zeros(0, len(keys))
