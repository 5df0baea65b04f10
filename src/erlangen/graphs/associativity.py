"""How far a binary operator is from a monoid, as losses."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

import torch
from jaxtyping import Float
from torch import Tensor, nn

from erlangen.graphs.commutative import CommutativeOperator


def associativity_loss(
    op: Callable[[Tensor], Tensor],
    x: Float[Tensor, "rows channels"],
    num_triples: int = 256,
    generator: torch.Generator | None = None,
) -> Float[Tensor, ""]:
    r"""How much brackets matter, over random triples of rows.

    .. math:: \mathrm{mean}_{x, y, z} \| (x \circ y) \circ z - x \circ (y \circ z) \|^2

    It is never negative, and zero for a semigroup. An operator can make it small by making its values small: compare it
    with their spread.

    Args:
        op: from pairs ``(P, 2, channels)`` to ``(P, channels)``.
        x: vectors to draw from, with replacement. Without any, the loss is zero.
        num_triples: how many are drawn.
        generator: draws them.

    Raises:
        ValueError: for fewer than one triple, or vectors of another shape.

    Source: Ong, Veličković, "Learnable Commutative Monoids for Graph Neural Networks", 2022.

    Example:
        >>> x = torch.randn(10, 4, dtype=torch.float64)
        >>> bool(associativity_loss(lambda pairs: pairs.sum(1), x) < 1e-28)
        True
        >>> bool(associativity_loss(lambda pairs: pairs.mean(1), x) > 0.01)
        True
    """
    if num_triples < 1:
        raise ValueError(f"num_triples: a whole number from 1, got {num_triples}")
    if x.ndim != 2:
        raise ValueError(f"x: rows and channels, two axes, got shape {tuple(x.shape)}")
    if not len(x):
        return x.sum()
    place = generator.device if generator is not None else x.device
    draw = torch.randint(len(x), (3, num_triples), generator=generator, device=place).to(x.device)
    first, second, third = x[draw[0]], x[draw[1]], x[draw[2]]
    inner = op(torch.cat([torch.stack([first, second], 1), torch.stack([second, third], 1)]))
    left, right = inner.chunk(2)
    outer = op(torch.cat([torch.stack([left, third], 1), torch.stack([first, right], 1)]))
    left, right = outer.chunk(2)
    return (left - right).square().sum(1).mean()


def identity_loss(
    op: Callable[[Tensor], Tensor], x: Float[Tensor, "rows channels"], e: Float[Tensor, " channels"]
) -> Float[Tensor, ""]:
    r"""How far ``e`` is from an identity: the mean over rows of :math:`\| x \circ e - x \|^2`.

    Raises:
        ValueError: if shapes do not fit.

    Example:
        >>> identity_loss(lambda pairs: pairs.sum(1), torch.randn(10, 4), torch.zeros(4))
        tensor(0.)
    """
    if x.ndim != 2 or tuple(e.shape) != tuple(x.shape[1:]):
        raise ValueError(f"x and e: shapes (rows, channels) and (channels,), got {tuple(x.shape)} and {tuple(e.shape)}")
    if not len(x):
        return x.sum()
    return (op(torch.stack([x, e.expand_as(x)], 1)) - x).square().sum(1).mean()


class OperatorInputs:
    """Notes what the commutative operators of a model are given, so that they can be held to associativity there.

    An operator has to be associative where it is used: on messages, and on its own results further up a tree. Both are
    noted while the context lasts.

    Args:
        model: whatever contains operators (:class:`CommutativeOperator`), as
            :class:`~erlangen.graphs.LCMAggregation` does.

    Raises:
        ValueError: if it contains none.

    Example:
        >>> from erlangen.graphs import BinaryGRU, SegmentTreePlan, segment_tree_reduce
        >>> op, x = BinaryGRU(4), torch.randn(6, 4)
        >>> plan = SegmentTreePlan.from_index(torch.tensor([0, 0, 0, 1, 1, 1]))
        >>> with OperatorInputs(op) as inputs:
        ...     y = segment_tree_reduce(x, plan, op)
        >>> loss = y.square().mean() + 0.01 * inputs.associativity_loss()
    """

    def __init__(self, model: nn.Module) -> None:
        self.operators = [module for module in model.modules() if isinstance(module, CommutativeOperator)]
        if not self.operators:
            raise ValueError(f"model: contains commutative operators, got {type(model).__name__} without any")
        self.seen: list[list[Tensor]] = [[] for _ in self.operators]
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> OperatorInputs:
        for operator, seen in zip(self.operators, self.seen, strict=True):
            seen.clear()

            def note(_: nn.Module, inputs: tuple[Tensor, ...], seen: list[Tensor] = seen) -> None:
                seen.append(inputs[0].flatten(0, 1))

            self._hooks.append(operator.register_forward_pre_hook(note))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        while self._hooks:
            self._hooks.pop().remove()

    def associativity_loss(self, num_triples: int = 256, generator: torch.Generator | None = None) -> Tensor:
        """The mean of :func:`associativity_loss` over the operators that were used; zero where none was."""
        used = [(op, torch.cat(seen)) for op, seen in zip(self.operators, self.seen, strict=True) if seen]
        if not used:
            return torch.zeros(())
        losses = [associativity_loss(operator, rows, num_triples, generator) for operator, rows in used]
        return torch.stack(losses).mean()
