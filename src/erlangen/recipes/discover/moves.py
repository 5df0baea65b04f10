"""By which elements samples are moved: such that moved samples are samples as they might be, as far as that can be."""

from __future__ import annotations

import torch
from torch import Tensor

from erlangen.groups import Element, Group, Product, Representation, Scaling
from erlangen.groups.representation import Scalar


def draw_elements(group: Group, x: Tensor, rep: Representation, count: int, seed: int) -> list[Element]:
    """Elements for every sample, ``count`` of them.

    Compact groups have a uniform measure, and that is where their elements are from. Stretches have none, and far
    enough stretched every sample is like no other: so each sample is stretched to the size of another one.

    Args:
        group: whose elements.
        x: samples, ``(samples, rep.dim)``.
        rep: how the linear maps of space act on them.
        count: how many for each sample.
        seed: of the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    size = sizes(x, rep)
    return [_draw(group, size, generator) for _ in range(count)]


def _draw(group: Group, size: Tensor, generator: torch.Generator) -> Element:
    if isinstance(group, Product):
        return tuple(_draw(factor, size, generator) for factor in group.factors)
    if not isinstance(group, Scaling):
        return group.sample(len(size), generator=generator)
    other = size[torch.randperm(len(size), generator=generator)]
    factor = torch.where((size > 0) & (other > 0), other / torch.where(size > 0, size, 1.0), 1.0)
    return factor[:, None, None]


def sizes(x: Tensor, rep: Representation) -> Tensor:
    """The size of each sample, which stretches multiply by their factor: of its vectors, else of products of vectors.

    >>> from erlangen.groups import GL, Scalar, Vector
    >>> sizes(torch.tensor([[7.0, 3.0, 0.0, 4.0]]), Scalar(GL(3)) + Vector(GL(3)))
    tensor([5.])
    """
    space, found, at = rep.group.matrix_dim, {}, 0
    for copies, part in rep.parts:
        block = x[:, at : at + copies * part.dim]
        at += copies * part.dim
        if isinstance(part, Scalar) or part.dim < 2:
            continue
        rank = 1
        while space**rank < part.dim:
            rank += 1
        found[rank] = found.get(rank, 0.0) + block.square().sum(1)
    if not found:
        return torch.ones(len(x), dtype=x.dtype)
    rank = min(found)
    return found[rank].sqrt() ** (1 / rank)
