"""How good partitions are: probability of a bad one, uncertainty, purity, and the error that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from erlangen.groups import SE, E, Element
from erlangen.points.flat import segment_sum
from erlangen.points.partition import Partition, require_same_clouds

Sampler = Callable[[torch.Generator | None], Partition]


class Uncertainty(NamedTuple):
    r"""How far the rows of a soft partition are from certain, of each cloud.

    Attributes:
        any: :math:`\delta = 1 - \prod_i \max_j Q_{ij}`, the probability that a drawn partition differs from the most
            probable one.
        mean: :math:`\mathrm{mean}_i (1 - \max_j Q_{ij})`, the share of points that a draw puts elsewhere.
    """

    any: Float[Tensor, " clouds"]
    mean: Float[Tensor, " clouds"]


def partition_uncertainty(
    soft: Float[Tensor, "nodes parts"], batch: Int[Tensor, " nodes"] | None = None
) -> Uncertainty:
    """Both forms of the uncertainty of independent draws, one for each point; zero if and only if rows are one-hot.

    Args:
        soft: the probability of each part for each point.
        batch: the cloud of each point, ascending; one cloud by default.

    Raises:
        TypeError: if the batch vector is not long.
        ValueError: if rows are no probabilities, or clouds do not ascend.

    Source: for the first, Atzmon, Huang, Williams, Litany, "Approximately Piecewise E(3) Equivariant Point Networks",
    2024, who leave the measure open; this is the one for which their bound is true.

    Example:
        >>> found = partition_uncertainty(torch.tensor([[1.0, 0.0], [0.5, 0.5]]))
        >>> found.any, found.mean
        (tensor([0.5000]), tensor([0.2500]))
    """
    _require_probabilities("partition_uncertainty(soft)", soft)
    batch = Partition.whole(soft.new_zeros(len(soft), dtype=torch.long) if batch is None else batch).batch
    if len(batch) != len(soft):
        raise ValueError(f"partition_uncertainty(batch): the cloud of each of {len(soft)} points, got {len(batch)}")
    clouds = int(batch[-1]) + 1 if len(batch) else 0
    most = soft.max(1).values.clamp(0, 1)
    sizes = torch.bincount(batch, minlength=clouds).clamp_min(1)
    return Uncertainty(
        any=-torch.expm1(segment_sum(most.log(), batch, clouds)), mean=segment_sum(1 - most, batch, clouds) / sizes
    )


def bad_partition_probability(
    source: Float[Tensor, "nodes parts"] | Partition | Sampler,
    true_part: Partition,
    draws: int = 100,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " clouds"]:
    r"""The probability :math:`\lambda` that a partition does not refine the true one, of each cloud.

    Args:
        source: a partition, for which it is 0 or 1; probabilities of parts, drawn for each point by itself; or a
            function that takes the generator and draws a partition. The latter two are estimated.
        true_part: the true parts.
        draws: partitions to draw.
        generator: the randomness; torch's own by default.

    Raises:
        ValueError: if ``draws`` is below 1, or the partitions are of other points.

    Source: Atzmon, Huang, Williams, Litany, "Approximately Piecewise E(3) Equivariant Point Networks", 2024.

    Example:
        >>> truth = Partition.of(torch.tensor([0, 0, 1]))
        >>> bad_partition_probability(Partition.of(torch.tensor([0, 1, 1])), truth)
        tensor([1.], dtype=torch.float64)
    """
    if isinstance(source, Partition):
        return (~source.refines(true_part)).double()
    if draws < 1:
        raise ValueError(f"bad_partition_probability(draws): a whole number from 1, got {draws}")
    if isinstance(source, Tensor):
        _require_probabilities("bad_partition_probability(source)", source)
        if len(source) != len(true_part.index):
            raise ValueError(
                f"bad_partition_probability(source): a row for each of {len(true_part.index)} points, got {len(source)}"
            )
        draw: Sampler = lambda generator: draw_partition(source, true_part.batch, generator)
    else:
        draw = source
    bad = torch.stack([~draw(generator).refines(true_part) for _ in range(draws)])
    return bad.double().mean(0)


def draw_partition(
    soft: Float[Tensor, "nodes parts"], batch: Int[Tensor, " nodes"], generator: torch.Generator | None = None
) -> Partition:
    """Each point draws its part from its own row of probabilities.

    >>> draw_partition(torch.eye(3), torch.zeros(3, dtype=torch.long)).index
    tensor([0, 1, 2])
    """
    device = soft.device if generator is None else generator.device
    labels = torch.multinomial(soft.detach().to(device), 1, generator=generator)[:, 0]
    return Partition.from_labels(labels.to(batch), batch)


def pair_purity(part: Partition, true_part: Partition) -> Float[Tensor, " clouds"]:
    """The share of all pairs of points in one part that belong to one true part, of each cloud; 1 without any pair.

    Example:
        >>> part = Partition.of(torch.tensor([0, 0, 0, 1]))
        >>> pair_purity(part, Partition.of(torch.tensor([0, 0, 1, 1])))
        tensor([0.3333], dtype=torch.float64)
    """
    require_same_clouds("pair_purity(true_part)", part, true_part)
    clouds = len(part.num_parts)
    theirs = max(true_part.num_cells, 1)
    both, sizes = (theirs * part.cell + true_part.cell).unique(return_counts=True)
    pure = segment_sum((sizes * (sizes - 1)).double(), part.cloud_of_cell[both // theirs], clouds)
    pairs = segment_sum((part.sizes * (part.sizes - 1)).double(), part.cloud_of_cell, clouds)
    return torch.where(pairs > 0, pure / pairs.clamp_min(1), 1.0)


def piecewise_equivariance_error(
    model: Callable[[Tensor], Any],
    pos: Float[Tensor, "nodes dim"],
    true_part: Partition,
    num: int = 20,
    group: E | SE = E(3),
    spread: int | float = 1.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " num"]:
    r"""How much independent motions of the true parts change what should move along.

    For random :math:`g \in G^k`, one element for each part, :math:`\|\phi(g X) - g \phi(X)\| / \|\phi(X)\|` over
    numbers and vectors of all points.

    Args:
        model: takes coordinates; what it returns begins with numbers ``(nodes, *)`` that should stay, and vectors
            ``(nodes, *, dim)`` that should turn with their part, or None.
        pos: coordinates.
        true_part: the parts that move.
        num: how many motions are drawn.
        group: from which.
        spread: the standard deviation of translations.
        generator: the randomness; torch's own by default.

    Raises:
        ValueError: if shapes do not fit.

    Source: Atzmon, Huang, Williams, Litany, "Approximately Piecewise E(3) Equivariant Point Networks", 2024.

    Example:
        >>> from erlangen.points import PointOutput
        >>> truth = Partition.of(torch.tensor([0, 0, 1, 1]))
        >>> lengths = lambda x: PointOutput(x.norm(dim=1, keepdim=True), None)
        >>> float(piecewise_equivariance_error(lengths, torch.randn(4, 3), truth).mean()) > 0.01
        True
    """
    before = model(pos)
    numbers, vectors = before[0].detach().double(), before[1]
    size = numbers.square().sum()
    if numbers.shape[0] != len(pos):
        raise ValueError(
            f"piecewise_equivariance_error(model): numbers for each of {len(pos)} points, got {tuple(numbers.shape)}"
        )
    if vectors is not None:
        size = size + vectors.detach().double().square().sum()
    errors = []
    for _ in range(num):
        g = group.sample(true_part.num_cells, generator=generator)
        after = model(move_parts(pos, true_part, g, group, spread))
        error = (after[0].detach().double() - numbers).square().sum()
        if vectors is not None:
            turn = group.matrix(g).to(pos.device, torch.float64)[true_part.cell]
            expected = torch.einsum("nij,n...j->n...i", turn, vectors.detach().double())
            error = error + (after[1].detach().double() - expected).square().sum()
        errors.append((error / size).sqrt())
    return torch.stack(errors) if errors else pos.new_zeros(0, dtype=torch.float64)


def move_parts(
    pos: Float[Tensor, "nodes dim"], part: Partition, g: Element, group: E | SE = E(3), spread: int | float = 1.0
) -> Float[Tensor, "nodes dim"]:
    r""":math:`g \cdot (X, Z)`: every part moved by its own element.

    Args:
        pos: coordinates.
        part: the parts.
        g: one element for each cell, ``(cells, dim + 1, dim + 1)``.
        group: whose elements they are.
        spread: factor of the translations.

    Raises:
        ValueError: if there are not as many elements as parts.
    """
    matrix, shift = group.matrix(g).to(pos.device, torch.float64), group.translation(g)
    assert shift is not None
    if matrix.shape[0] != part.num_cells:
        raise ValueError(f"move_parts(g): an element for each of {part.num_cells} parts, got {matrix.shape[0]}")
    cell = part.cell
    moved = (matrix[cell] @ pos.double()[..., None])[..., 0] + spread * shift.to(pos.device)[cell]
    return moved.to(pos.dtype)


def _require_probabilities(where: str, soft: Tensor) -> None:
    if soft.ndim != 2 or not bool(soft.isfinite().all()) or bool((soft < 0).any()):
        raise ValueError(f"{where}: probabilities of shape (nodes, parts), got {tuple(soft.shape)} with others")
    sums = soft.sum(1)
    if len(soft) and float((sums - 1).abs().max()) > 1e-4:
        raise ValueError(
            f"{where}: rows that sum to one, got one that sums to {float(sums[(sums - 1).abs().argmax()]):.4g}"
        )
