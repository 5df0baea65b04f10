"""The weights of several linear maps in one vector."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from erlangen.groups import inclusion
from erlangen.symmetrize.block_form import LinearShape, block_form, flatten

#: How weights may start.
INITS = ("orthogonal", "halfsoft", "rpp")


class LinearStack(nn.Module):
    """Matrices and vectors of linear maps, all in one parameter, so that what is done to all of them is done once.

    Penalties read all weights, and so do optimizers: for networks of this size, starting each of their many small
    operations costs more than the arithmetic.

    Args:
        shapes: what each linear map maps.
        init: how they start, see :func:`initial_weights`.
        generator: randomness of the first weights.

    Attributes:
        flat: the entries of each matrix, row by row, and of its vector, map by map.

    Example:
        >>> from erlangen.groups import O, Scalar, Vector
        >>> V = Vector(O(3))
        >>> stack = LinearStack((LinearShape(V, 2 * V, True), LinearShape(2 * V, Scalar(O(3)), True)))
        >>> [tuple(x.shape) for x in stack()]
        [(6, 3), (6,), (1, 6), (1,)]
    """

    def __init__(
        self, shapes: tuple[LinearShape, ...], init: str = "orthogonal", generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.shapes = shapes
        self.flat = nn.Parameter(initial_weights(shapes, init, generator))

    def forward(self) -> list[Tensor]:
        """The matrix and the vector, if it has one, of each map, in turn."""
        return split(self.flat, self.shapes)

    def flat_weights(self) -> Tensor:
        """The weights that are used, in the order of ``flat``."""
        return self.flat

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"{len(self.shapes)} linear maps, {self.flat.numel()} weights"


def split(flat: Tensor, shapes: tuple[LinearShape, ...]) -> list[Tensor]:
    """The matrix and the vector, if it has one, of each map, in turn."""
    sizes = [size for s in shapes for size in (s.rep_out.dim * s.rep_in.dim, *(s.rep_out.dim,) * s.bias)]
    pieces = iter(flat.split(sizes))
    out = []
    for shape in shapes:
        out.append(next(pieces).view(shape.rep_out.dim, shape.rep_in.dim))
        if shape.bias:
            out.append(next(pieces))
    return out


def initial_weights(
    shapes: tuple[LinearShape, ...], init: str = "orthogonal", generator: torch.Generator | None = None
) -> Tensor:
    """First weights of linear maps: orthogonal matrices, and vectors from 0 to one over the root of their size.

    Args:
        shapes: what each map maps.
        init: "orthogonal" leaves it there; "halfsoft" takes the mean of these and their projection for the whole group
            of the representations, "rpp" the projection plus a thousandth of them.
        generator: of random numbers.

    Raises:
        ValueError: for another ``init``.
    """
    if init not in INITS:
        raise ValueError(f"init: one of {', '.join(INITS)}, got {init!r}")
    drawn = []
    for shape in shapes:
        matrix = torch.empty(shape.rep_out.dim, shape.rep_in.dim)
        drawn.append(nn.init.orthogonal_(matrix, generator=generator))
        if shape.bias:
            vector = torch.rand(shape.rep_out.dim, generator=generator)
            drawn.append(vector / math.sqrt(max(1, shape.rep_out.dim)))
    flat = flatten(drawn)
    if init == "orthogonal":
        return flat
    group = shapes[0].rep_in.group
    projected = block_form(shapes, (inclusion(group, group),)).projection(0, flat)(flat)
    return (flat + projected) / 2 if init == "halfsoft" else projected + 1e-3 * flat
