"""Point clouds as batches: what a network reads and what it should say, one cloud after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from erlangen.audit import audit
from erlangen.groups import SO
from erlangen.points.flat import all_pairs


class Clouds(NamedTuple):
    """One cloud, or several one after another. What a task does not have has no columns.

    Args:
        pos: Positions, ``(nodes, dim)``.
        x: Scalar features, ``(nodes, scalars)``.
        vec: Vector features, ``(nodes, vectors, dim)``.
        edge_index: From sources to targets, ``(2, edges)``.
        batch: The cloud of each node, ``(nodes,)``.
        scalar: What is to be said of each cloud, ``(clouds, ...)``.
        vector: What is to be said of each node, ``(nodes, vectors, dim)``; turns with the cloud.
    """

    pos: Tensor
    x: Tensor
    vec: Tensor
    edge_index: Tensor
    batch: Tensor
    scalar: Tensor
    vector: Tensor


def cloud(
    pos: Tensor,
    edge_index: Tensor | None = None,
    *,
    x: Tensor | None = None,
    vec: Tensor | None = None,
    scalar: Tensor | None = None,
    vector: Tensor | None = None,
) -> Clouds:
    """One cloud, by default with all its pairs as edges; ``scalar`` has no axis for clouds yet.

    >>> one = cloud(torch.zeros(3, 2), scalar=torch.tensor([1.0]))
    >>> one.x.shape, one.edge_index.shape, one.scalar.shape
    (torch.Size([3, 0]), torch.Size([2, 6]), torch.Size([1, 1]))
    """
    nodes, dim = pos.shape
    batch = torch.zeros(nodes, dtype=torch.long)
    return Clouds(
        pos,
        pos.new_zeros(nodes, 0) if x is None else x,
        pos.new_zeros(nodes, 0, dim) if vec is None else vec,
        all_pairs(batch) if edge_index is None else edge_index,
        batch,
        pos.new_zeros(1, 0) if scalar is None else scalar[None],
        pos.new_zeros(nodes, 0, dim) if vector is None else vector,
    )


def joined(clouds: Sequence[Clouds]) -> Clouds:
    """Several clouds, or batches of them, as one batch.

    >>> joined([cloud(torch.zeros(2, 3))] * 2).edge_index
    tensor([[1, 0, 3, 2],
            [0, 1, 2, 3]])
    """
    nodes = torch.tensor([0, *(len(c.pos) for c in clouds)]).cumsum(0).tolist()
    graphs = torch.tensor([0, *(len(c.scalar) for c in clouds)]).cumsum(0).tolist()
    return Clouds(
        torch.cat([c.pos for c in clouds]),
        torch.cat([c.x for c in clouds]),
        torch.cat([c.vec for c in clouds]),
        torch.cat([c.edge_index + start for c, start in zip(clouds, nodes, strict=False)], 1),
        torch.cat([c.batch + start for c, start in zip(clouds, graphs, strict=False)]),
        torch.cat([c.scalar for c in clouds]),
        torch.cat([c.vector for c in clouds]),
    )


def turned(clouds: Clouds, turn: Tensor) -> Clouds:
    """Every cloud turned about the origin by its own matrix, ``(clouds, dim, dim)``, or all by one, ``(dim, dim)``."""
    turn = turn.to(clouds.pos).expand(len(clouds.scalar), -1, -1)[clouds.batch]
    return clouds._replace(
        pos=torch.einsum("nij,nj->ni", turn, clouds.pos),
        vec=torch.einsum("nij,nvj->nvi", turn, clouds.vec),
        vector=torch.einsum("nij,nvj->nvi", turn, clouds.vector),
    )


def turned_at_random(clouds: Clouds, generator: torch.Generator | None = None) -> Clouds:
    """Every cloud turned by a rotation of its own; without a generator from torch's global state, which `fit` keeps."""
    turns = SO(clouds.pos.shape[1]).sample(len(clouds.scalar), generator=generator)
    return turned(clouds, turns)


def moved_to(clouds: Clouds, device: str | torch.device) -> Clouds:
    """The same on another device."""
    return Clouds(*(tensor.to(device) for tensor in clouds))


def inputs(clouds: Clouds) -> tuple[Tensor | None, ...]:
    """What a network of `erlangen.points` reads of a batch: features, positions, edges, clouds, and vectors if any."""
    x = clouds.x if clouds.x.shape[1] else None
    return (x, clouds.pos, clouds.edge_index, clouds.batch, *((clouds.vec,) if clouds.vec.shape[1] else ()))


def answer(network: nn.Module, clouds: Any) -> Any:
    """What a network of `erlangen.points` says of a batch: scalars and vectors."""
    return network(*inputs(Clouds(*clouds)))


def audited(title: str, network: nn.Module, *read: Tensor | None) -> dict[str, Any]:
    """The report of an audit of what a network promises, on what it reads."""
    return {"name": title} | audit(network, *read, num_elements=12).to_dict()
