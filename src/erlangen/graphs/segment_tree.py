"""Balanced-tree reduction of ragged sets: any binary operator, nothing padded, as many steps as the tree is deep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

# Pairs go through an operator in blocks whose intermediate values stay in the cache of a core; on other devices, blocks
# only bound the memory.
_BLOCK, _BLOCK_ELSEWHERE = 2**16, 2**26


@dataclass(frozen=True, eq=False)
class TreeLevel:
    """One step of all trees at once: rows are put in order, pairs are combined, rows without a partner move up.

    The pairs of sets that are done after this step come last.

    Args:
        order: the rows of this level, first those of the pairs, then those without a partner; None for as they are.
        num_pairs: pairs to combine.
        num_finished: pairs whose set is done.
    """

    order: Int[Tensor, " rows"] | None
    num_pairs: int
    num_finished: int


@dataclass(frozen=True, eq=False)
class SegmentTreePlan:
    r"""Which rows a balanced tree combines in which step, for all sets of a batch: integers alone, made once per graph.

    The elements of a set are combined in the order in which they are stored: positions (0, 1), (2, 3), ...; an unpaired
    last one is carried up unchanged and stays last; and again, until one is left. A set of :math:`c` elements takes
    :math:`c - 1` applications of the operator in :math:`\lceil \log_2 c \rceil` steps. Made by :meth:`from_index` or
    :meth:`from_ptr`.

    Args:
        index: the set of each element.
        counts: elements of each set.
        order: the elements, set by set, those of sets of one element last; None for as they are stored.
        num_single: sets of one element.
        levels: the steps.
        roots: the set of each result, in the order in which results come.

    Source: Ong, Veličković, "Learnable Commutative Monoids for Graph Neural Networks", 2022.

    Example:
        >>> plan = SegmentTreePlan.from_index(torch.tensor([2, 0, 2, 2, 0]), num_segments=4)
        >>> plan.depth, plan.num_pairs, plan.counts.tolist()
        (2, 3, [2, 0, 3, 0])
    """

    index: Int[Tensor, " elements"]
    counts: Int[Tensor, " segments"]
    order: Int[Tensor, " elements"] | None
    num_single: int
    levels: tuple[TreeLevel, ...]
    roots: Int[Tensor, " filled"]

    @classmethod
    def from_index(cls, index: Int[Tensor, " elements"], num_segments: int | None = None) -> SegmentTreePlan:
        """The plan of elements in any order.

        Args:
            index: the set of each element, from 0.
            num_segments: number of sets; those without elements are empty. By default the largest number plus one.

        Raises:
            TypeError: if the index holds no integers.
            ValueError: if it has another shape, or numbers that are no set's.
        """
        index = _integers(index, "index").clone()
        low, high = (int(v) for v in index.aminmax()) if len(index) else (0, -1)
        if low < 0:
            raise ValueError(f"index: numbers of sets start at 0, got {low}")
        if num_segments is None:
            num_segments = high + 1
        if num_segments < 0 or high >= num_segments:
            raise ValueError(f"num_segments: at least {high + 1}, as the index goes up to {high}, got {num_segments}")
        counts = torch.bincount(index, minlength=num_segments)
        order = _arranged(index, counts)
        single, levels, roots = _levels(counts)
        return cls(index, counts, _unless_identity(order), single, levels, roots)

    @classmethod
    def from_ptr(cls, ptr: Int[Tensor, " borders"]) -> SegmentTreePlan:
        """The plan of elements that are stored set by set: set ``i`` is ``x[ptr[i] : ptr[i + 1]]``.

        Raises:
            TypeError: if the borders are no integers.
            ValueError: if they do not start at 0, or descend.
        """
        return cls.from_index(segments(ptr), len(ptr) - 1)

    @property
    def num_elements(self) -> int:
        """Elements of all sets."""
        return len(self.index)

    @property
    def num_segments(self) -> int:
        """Number of sets."""
        return len(self.counts)

    @property
    def depth(self) -> int:
        """Steps that follow one another: the largest set decides."""
        return len(self.levels)

    @property
    def num_pairs(self) -> int:
        """Applications of the operator in all steps together."""
        return sum(level.num_pairs for level in self.levels)

    @cached_property
    def max_count(self) -> int:
        """Elements of the largest set."""
        return int(self.counts.max()) if len(self.counts) else 0

    @cached_property
    def in_place(self) -> bool:
        """Whether results come set by set, none missing."""
        return len(self.roots) == self.num_segments and bool((self.roots[1:] > self.roots[:-1]).all())

    @cached_property
    def leaves(self) -> tuple[Tensor | None, Tensor | None]:
        """The elements of the first step in its order, and those of sets of one element; None for as they are.

        The order of the elements and that of the first step are taken together: rows are gathered once.
        """
        first = self.levels[0].order if self.levels else None
        if self.order is None:
            return first, None
        several, single = self.order.split([self.num_elements - self.num_single, self.num_single])
        return several if first is None else several[first], single

    def matches(self, index: Int[Tensor, " elements"], num_segments: int) -> bool:
        """Whether this is the plan of that index."""
        if len(index) != self.num_elements or num_segments != self.num_segments or index.device != self.index.device:
            return False
        return torch.equal(index.long(), self.index)

    def reordered(self, order: Int[Tensor, " elements"]) -> SegmentTreePlan:
        """The plan that combines the elements of each set in the order in which ``order``, a permutation, has them.

        Example:
            >>> plan = SegmentTreePlan.from_index(torch.tensor([0, 0, 1, 0]))
            >>> plan.reordered(torch.tensor([3, 2, 1, 0])).order.tolist()
            [3, 1, 0, 2]
        """
        if len(order) != self.num_elements:
            raise ValueError(f"order: a permutation of {self.num_elements} elements, got {len(order)}")
        order = order.to(self.index.device)
        return replace(self, order=order[_arranged(self.index[order], self.counts)])

    def to(self, device: torch.device | str) -> SegmentTreePlan:
        """The same plan on a device."""
        levels = tuple(replace(level, order=_moved(level.order, device)) for level in self.levels)
        index, counts, roots = self.index.to(device), self.counts.to(device), self.roots.to(device)
        return replace(self, index=index, counts=counts, order=_moved(self.order, device), levels=levels, roots=roots)


class PlanCache:
    """The plans of the last few graphs: the layers of a network may share one, so that each graph is planned once.

    A plan is taken again only where the whole index is the same, which takes a fraction of the time to make one.

    Args:
        capacity: plans that are kept.

    Example:
        >>> cache = PlanCache()
        >>> index = torch.tensor([1, 0, 1])
        >>> cache.plan(index, 2) is cache.plan(index.clone(), 2)
        True
    """

    def __init__(self, capacity: int = 2) -> None:
        if capacity < 1:
            raise ValueError(f"PlanCache(capacity): a whole number from 1, got {capacity}")
        self.capacity = capacity
        self.plans: list[SegmentTreePlan] = []

    def plan(self, index: Int[Tensor, " elements"], num_segments: int | None = None) -> SegmentTreePlan:
        """The plan of an index, see :meth:`SegmentTreePlan.from_index`."""
        index = _integers(index, "index")
        for place, plan in enumerate(self.plans):
            if plan.matches(index, plan.num_segments if num_segments is None else num_segments):
                # Without a number of sets, a plan with empty sets at its end is another one.
                if num_segments is not None or not len(plan.counts) or int(plan.counts[-1]):
                    self.plans.append(self.plans.pop(place))
                    return plan
        self.plans = [*self.plans, SegmentTreePlan.from_index(index, num_segments)][-self.capacity :]
        return self.plans[-1]


def segment_tree_reduce(
    x: Float[Tensor, "elements channels"],
    plan: SegmentTreePlan,
    op: Callable[[Tensor], Tensor],
    identity: Float[Tensor, " channels"] | None = None,
) -> Float[Tensor, "segments channels"]:
    r"""Reduces every set by a balanced tree of a binary operator.

    .. math:: ((x_1 \circ x_2) \circ (x_3 \circ x_4)) \circ \dots

    A set of one element is that element, an empty set the identity. With an operator that is associative and
    commutative it is the reduction by that operator, whatever the order.

    Args:
        x: the elements of all sets.
        plan: which of them belong together.
        op: from pairs ``(P, 2, channels)`` to ``(P, channels)``. Each pair by itself: pairs come in blocks, so that
            memory stays small.
        identity: what empty sets give; zeros by default.

    Raises:
        ValueError: when shapes do not fit, or the operator returns another one.

    Example:
        >>> x = torch.tensor([[1.0], [2.0], [4.0], [8.0]])
        >>> plan = SegmentTreePlan.from_index(torch.tensor([0, 2, 0, 0]), 3)
        >>> segment_tree_reduce(x, plan, lambda pairs: pairs.sum(1))[:, 0]
        tensor([13.,  0.,  2.])
    """
    if x.ndim != 2:
        raise ValueError(f"x: elements and channels, two axes, got shape {tuple(x.shape)}")
    if len(x) != plan.num_elements:
        raise ValueError(f"plan: made for {plan.num_elements} elements, got {len(x)}")
    if identity is not None and tuple(identity.shape) != tuple(x.shape[1:]):
        raise ValueError(f"identity: shape ({x.shape[1]},), got {tuple(identity.shape)}")
    channels, several = x.shape[1], len(x) - plan.num_single
    first, alone = plan.leaves
    rows = x[:several] if first is None else x.index_select(0, first)
    done = [x[several:] if alone is None else x.index_select(0, alone)]
    for step, level in enumerate(plan.levels):
        if step and level.order is not None:
            rows = rows.index_select(0, level.order)
        pairs, carried = rows.split([2 * level.num_pairs, len(rows) - 2 * level.num_pairs])
        combined = _combine(op, pairs.reshape(level.num_pairs, 2, channels))
        rows, finished = combined.split([level.num_pairs - level.num_finished, level.num_finished])
        if len(carried):
            rows = torch.cat([rows, carried])
        if level.num_finished:
            done.append(finished)
    result = torch.cat(done)
    if plan.in_place:
        return result
    empty = result.new_zeros(channels) if identity is None else identity.to(result.dtype)
    return empty.expand(plan.num_segments, channels).index_copy(0, plan.roots, result)


def segments(ptr: Int[Tensor, " borders"]) -> Int[Tensor, " elements"]:
    """The set of each element, from the borders of sets that are stored one behind another.

    Raises:
        TypeError: if the borders are no integers.
        ValueError: if they do not start at 0, or descend.

    Example:
        >>> segments(torch.tensor([0, 2, 2, 3])).tolist()
        [0, 0, 2]
    """
    ptr = _integers(ptr, "ptr")
    if not len(ptr) or int(ptr[0]) != 0:
        raise ValueError(f"ptr: borders from 0 on, got {ptr[:1].tolist()}")
    counts = ptr.diff()
    if len(counts) and int(counts.min()) < 0:
        raise ValueError(f"ptr: ascending borders, got {int(counts.min())} elements in set {int(counts.argmin())}")
    return torch.arange(len(counts), device=ptr.device).repeat_interleave(counts)


def lexicographic_order(x: Float[Tensor, "elements channels"]) -> Int[Tensor, " elements"]:
    """The permutation that sorts rows by their first number, among equals by the second, and so on.

    Raises:
        ValueError: for NaN, which has no place.

    Example:
        >>> lexicographic_order(torch.tensor([[1.0, 5.0], [0.0, 7.0], [1.0, 2.0]])).tolist()
        [1, 2, 0]
    """
    x = x.detach()
    if bool(x.isnan().any()):
        raise ValueError("x: numbers that can be sorted, got NaN")
    if not x.numel():
        return torch.arange(len(x), device=x.device)
    return torch.unique(x, dim=0, return_inverse=True)[1].argsort(stable=True)


def _combine(op: Callable[[Tensor], Tensor], pairs: Tensor) -> Tensor:
    count, _, channels = pairs.shape
    block = _BLOCK * torch.get_num_threads() if pairs.device.type == "cpu" else _BLOCK_ELSEWHERE
    found = []
    for part in pairs.split(max(256, block // max(1, channels))) if count else ():
        out = op(part)
        if not isinstance(out, Tensor) or tuple(out.shape) != (len(part), channels):
            got = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise ValueError(f"op: must return shape ({len(part)}, {channels}) for {len(part)} pairs, got {got}")
        found.append(out)
    return found[0] if len(found) == 1 else torch.cat(found)


def _levels(counts: Tensor) -> tuple[int, tuple[TreeLevel, ...], Tensor]:
    """The number of sets of one element, all steps, and the sets in the order in which they are done."""
    single = (counts == 1).nonzero()[:, 0]
    sets = (counts > 1).nonzero()[:, 0]
    roots, levels, left_over = [single], [], counts[sets]
    row = torch.arange(int(left_over.sum()), device=counts.device)  # of each element, set by set
    while len(sets):
        size = left_over.repeat_interleave(left_over)
        start = left_over.cumsum(0) - left_over
        position = torch.arange(len(row), device=row.device) - start.repeat_interleave(left_over)
        even, last = position % 2 == 0, size == 2
        paired = even & (position + 1 < size)
        going = (paired & ~last).nonzero()[:, 0]
        ending = (paired & last).nonzero()[:, 0]
        left = torch.cat([going, ending])
        order = torch.cat([torch.stack([row[left], row[left + 1]], 1).flatten(), row[even & ~paired]])
        levels.append(TreeLevel(_unless_identity(order), len(left), len(ending)))
        roots.append(sets[left_over == 2])
        combined = paired[even & ~last]
        row = torch.where(combined, combined.cumsum(0) - 1, len(going) + (~combined).cumsum(0) - 1)
        sets, left_over = sets[left_over > 2], (left_over[left_over > 2] + 1) // 2
    return len(single), tuple(levels), torch.cat(roots)


def _arranged(index: Tensor, counts: Tensor) -> Tensor:
    """The elements set by set, in the order of each set, sets of one element last."""
    single = counts == 1
    key = index + len(counts) * single[index] if bool(single.any()) else index
    if bool((key[1:] >= key[:-1]).all()):
        return torch.arange(len(index), device=index.device)
    return key.argsort(stable=True)


def _unless_identity(order: Tensor) -> Tensor | None:
    return None if torch.equal(order, torch.arange(len(order), device=order.device)) else order


def _moved(order: Tensor | None, device: torch.device | str) -> Tensor | None:
    return None if order is None else order.to(device)


def _integers(x: Tensor, name: str) -> Tensor:
    if x.dtype == torch.bool or x.is_floating_point() or x.is_complex():
        raise TypeError(f"{name}: integers, got {x.dtype}")
    if x.ndim != 1:
        raise ValueError(f"{name}: one axis, got shape {tuple(x.shape)}")
    return x.long()
