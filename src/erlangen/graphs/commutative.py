"""Learned binary operators that are commutative by construction."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from erlangen.groups import Nodes, Scalar, Symmetric, Symmetry

_EXCHANGE = Symmetric(2)


class CommutativeOperator(nn.Module, ABC):
    r"""A binary operator :math:`x \circ y = y \circ x` on feature vectors: the base class of your own.

    ``forward`` takes pairs ``(P, 2, channels)`` and gives ``(P, channels)``, each pair by itself. That it does not mind
    the order of a pair is its promise, which an audit measures. Associativity is a matter of training: see
    :func:`associativity_loss`.

    Example:
        >>> class Larger(CommutativeOperator):
        ...     def forward(self, pairs):
        ...         return pairs.amax(1)
        >>> Larger()(torch.tensor([[[1.0, 4.0], [3.0, 2.0]]]))
        tensor([[3., 4.]])
    """

    def __init__(self) -> None:
        super().__init__()
        self.symmetry = Symmetry(_EXCHANGE, (Nodes(_EXCHANGE),), Scalar(_EXCHANGE))

    @abstractmethod
    def forward(self, pairs: Float[Tensor, "pairs 2 channels"]) -> Float[Tensor, "pairs channels"]:
        """Both vectors of each pair, combined."""

    def reset_parameters(self) -> None:
        """Draws the weights anew."""
        for child in self.children():
            if callable(reset := getattr(child, "reset_parameters", None)):
                reset()


class BinaryGRU(CommutativeOperator):
    r"""A recurrent cell that reads either of two vectors into the other, the mean of both.

    .. math:: x \circ y = \tfrac12 \left[\mathrm{GRU}(u = x, h = y) + \mathrm{GRU}(u = y, h = x)\right]

    Coordinates stay within :math:`[-m, m]`, where :math:`m` is the larger of 1 and the largest magnitude that goes in,
    whatever the number of elements. It has :math:`6 d^2 + 6 d` weights.

    Args:
        channels: of both vectors and the result.

    Source: Ong, Veličković, "Learnable Commutative Monoids for Graph Neural Networks", 2022.

    Example:
        >>> BinaryGRU(16)(torch.randn(5, 2, 16)).shape
        torch.Size([5, 16])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        _require_positive("BinaryGRU", channels=channels)
        self.channels = channels
        self.cell = nn.GRUCell(channels, channels)

    def forward(self, pairs: Float[Tensor, "pairs 2 channels"]) -> Float[Tensor, "pairs channels"]:
        _require_pairs(self, pairs, self.channels)
        both = self.cell(pairs.flatten(0, 1), pairs.flip(1).flatten(0, 1))
        return both.view_as(pairs).mean(1)


class SymmetricMLP(CommutativeOperator):
    r"""A perceptron of the sum of what is seen in each of two vectors, at less than half the cost of the cell.

    .. math:: x \circ y = \tfrac12 (x + y) + W \sigma(V (\phi(x) + \phi(y))), \qquad \phi(x) = \sigma(U x)

    Sums of learned features can tell any two pairs apart. Sums and products of the coordinates themselves cannot: the
    pairs (1, 1), (0, 0) and (1, 0), (0, 1) agree in both; and products of products grow with a power that doubles at
    each level of a tree.

    Args:
        channels: of both vectors and the result.
        hidden: channels in between; as many by default.

    Example:
        >>> SymmetricMLP(16)(torch.randn(5, 2, 16)).shape
        torch.Size([5, 16])
    """

    def __init__(self, channels: int, hidden: int | None = None) -> None:
        super().__init__()
        hidden = channels if hidden is None else hidden
        _require_positive("SymmetricMLP", channels=channels, hidden=hidden)
        self.channels = channels
        self.inner = nn.Linear(channels, hidden)
        self.middle = nn.Linear(hidden, hidden)
        self.outer = nn.Linear(hidden, channels)

    def forward(self, pairs: Float[Tensor, "pairs 2 channels"]) -> Float[Tensor, "pairs channels"]:
        _require_pairs(self, pairs, self.channels)
        seen = torch.relu(self.inner(pairs)).sum(1)
        return pairs.mean(1) + self.outer(torch.relu(self.middle(seen)))


def _require_pairs(op: nn.Module, pairs: Tensor, channels: int) -> None:
    if pairs.ndim != 3 or tuple(pairs.shape[1:]) != (2, channels):
        raise ValueError(f"{type(op).__name__}(pairs): shape (pairs, 2, {channels}), got {tuple(pairs.shape)}")


def _require_positive(name: str, **values: int) -> None:
    for argument, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}({argument}): a whole number from 1, got {value!r}")
