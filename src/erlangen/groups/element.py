"""Elements of groups: plain tensors, or tuples of elements for product groups.

Every element carries its batch axes on the left. The functions here are the only places that look inside the tuples.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

#: A tensor, or one element per factor of a product group.
Element = Tensor | tuple[Any, ...]


def map_element(function: Callable[[Tensor], Tensor], g: Element) -> Element:
    """Applies ``function`` to every tensor of an element.

    Example:
        >>> map_element(lambda t: t + 1, (torch.tensor(1), torch.tensor(2)))
        (tensor(2), tensor(3))
    """
    if isinstance(g, tuple):
        return tuple(map_element(function, part) for part in g)
    return function(g)


def tensors(g: Element) -> Iterator[Tensor]:
    """Yields the tensors of an element, factor by factor."""
    if isinstance(g, tuple):
        for part in g:
            yield from tensors(part)
    else:
        yield g


def device_of(g: Element) -> torch.device:
    """The device of an element."""
    return next(tensors(g)).device


def dtype_of(g: Element) -> torch.dtype:
    """The dtype of an element's matrices, the widest when they differ; float64 when it has only index permutations."""
    dtypes = [t.dtype for t in tensors(g) if t.is_floating_point() or t.is_complex()]
    return functools.reduce(torch.promote_types, dtypes) if dtypes else torch.float64


def cast(g: Element, dtype: torch.dtype, device: torch.device | None = None) -> Element:
    """Moves an element to a device and its matrices to a dtype; index permutations keep their integer dtype."""

    def move(t: Tensor) -> Tensor:
        return t.to(device=device, dtype=dtype if t.is_floating_point() else t.dtype)

    return map_element(move, g)


def join_batch(k: torch.Size, x: Tensor, event_dim: int) -> torch.Size:
    """The batch axes that an element's axes ``K`` and the LEFT axes of ``x`` broadcast to.

    Raises:
        ValueError: when ``x`` has too few axes, or its left axes do not fit the element's.
    """
    if x.ndim < len(k) + event_dim:
        raise ValueError(
            f"x of shape {tuple(x.shape)} has {x.ndim} axes, too few for an element with {len(k)} batch axes "
            f"and an action on the last {event_dim}"
        )
    if any(a != b and 1 not in (a, b) for a, b in zip(k, x.shape, strict=False)):
        raise ValueError(
            f"an element with batch axes {tuple(k)} does not fit x of shape {tuple(x.shape)}: "
            f"the element's axes are aligned with the left of x"
        )
    return torch.Size(b if a == 1 else a for a, b in zip(k, x.shape, strict=False))


def apply_matrix(matrix: Tensor, x: Tensor) -> Tensor:
    r"""Multiplies the last axis of ``x`` by a matrix aligned with the LEFT of ``x``.

    .. math:: y_{k, s, i} = \sum_j M_{k, i, j}\, x_{k, s, j}

    Args:
        matrix: shape ``(*K, out, in)``.
        x: shape ``(*K, *sites, in)``; its ``K`` axes may have size one.

    Returns:
        Shape ``(*K, *sites, out)``, in the wider dtype of the two; in memory the sites may run along the last axis.

    Raises:
        TypeError: when ``x`` holds integers, which a matrix would leave.
        ValueError: when ``x`` has fewer axes than the element's batch axes need, or an axis does not fit.
    """
    k = matrix.ndim - 2
    join_batch(matrix.shape[:k], x, 1)
    if x.shape[-1] != matrix.shape[-1]:
        raise ValueError(f"the last axis of x must have size {matrix.shape[-1]}, got shape {tuple(x.shape)}")
    if not (x.is_floating_point() or x.is_complex()):
        raise TypeError(f"a matrix moves floating-point tensors, got dtype {x.dtype}")
    dtype = torch.promote_types(matrix.dtype, x.dtype)
    matrix, x = matrix.to(dtype), x.to(dtype)
    sites = x.shape[k:-1]
    rows = x.reshape(*x.shape[:k], sites.numel(), x.shape[-1])
    # Many rows of a few coordinates, as point clouds have, are multiplied several times faster from the left.
    long = matrix.shape[-1] <= 8 and rows.shape[-2] >= 16
    y = (matrix @ rows.mT).mT if long else rows @ matrix.mT
    return y.reshape(*y.shape[:k], *sites, matrix.shape[-2])


def permute_axis(permutation: Tensor, x: Tensor, axis: int) -> Tensor:
    r"""Moves entry ``i`` of an axis to place ``permutation[i]``: :math:`(g \cdot x)_{g(i)} = x_i`.

    Args:
        permutation: long, shape ``(*K, n)``, aligned with the left of ``x``.
        x: shape ``(*K, ..., n, ...)``; its ``K`` axes may have size one.
        axis: the permuted axis, negative (counted from the right).

    Raises:
        ValueError: when ``x`` has fewer axes than the element's batch axes need, or an axis does not fit.
    """
    k, n = permutation.ndim - 1, permutation.shape[-1]
    batch = join_batch(permutation.shape[:-1], x, -axis)
    if x.shape[axis] != n:
        raise ValueError(f"axis {axis} of x must have size {n}, as the permutation has, got shape {tuple(x.shape)}")
    inverse = permutation.argsort(-1).to(x.device)
    if k == 0:
        return x.index_select(axis, inverse)
    inverse = inverse.expand(*batch, n).reshape(batch.numel(), n)
    flat = x.expand(*batch, *x.shape[k:]).reshape(batch.numel(), *x.shape[k:]).movedim(axis, 1)
    rows = torch.arange(batch.numel(), device=x.device)[:, None]
    return flat[rows, inverse].movedim(1, axis).reshape(*batch, *x.shape[k:])
