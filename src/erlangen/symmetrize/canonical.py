"""A cloud in its own coordinates, how it lies in space, and the ways between the two."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

KINDS = ("position", "vector", "direction")


class Canonical(NamedTuple):
    """A cloud in its own coordinates, and how it lies in space.

    Attributes:
        coords: canonical coordinates, in the layout and dtype of the input; under sign "average" with a leading axis
            of all ``2^d`` patterns of signs.
        rotation: the axes as columns, float64, ``(B, d, d)``, or ``(2^d, B, d, d)`` under sign "average".
        center: centroids, float64, ``(B, d)``.
        scale: what lengths were divided by, float64, ``(B,)``.
        spectrum: second moments along the axes, descending: the eigenvalues of classical MDS, ``(B, d)``.
        gap: the least difference of neighbouring eigenvalues, relative to the largest, ``(B,)``. Coordinates of clouds
            where it is small hang on details; below the tolerance they are not invariant.
        moment: the normalised odd moments that decided the signs, in [0, 1], ``(B, d)``; where one is small, another
            sampling of the same shape may get the other sign, and where it is zero the order of the points decided.
        vectors: the attached vectors, turned and scaled along; None without any.
        directions: the attached unit vectors, turned along; None without any.
        batch: the batch vector that came in.
    """

    coords: Tensor
    rotation: Tensor
    center: Tensor
    scale: Tensor
    spectrum: Tensor
    gap: Tensor
    moment: Tensor
    vectors: Tensor | None = None
    directions: Tensor | None = None
    batch: Tensor | None = None

    def patterns(self) -> list[Canonical]:
        """One for every pattern of signs under sign "average", else itself alone."""
        if self.rotation.ndim == 3:
            return [self]

        def one(t: Tensor | None, f: int) -> Tensor | None:
            return None if t is None else t[f]

        return [
            self._replace(
                coords=self.coords[f],
                rotation=self.rotation[f],
                vectors=one(self.vectors, f),
                directions=one(self.directions, f),
            )
            for f in range(len(self.rotation))
        ]


def to_canonical(
    y: Float[Tensor, "rows *channels dim"], canonical: Canonical, kind: str = "position"
) -> Float[Tensor, "rows *channels dim"]:
    r"""Sees something from where the clouds lie: what :func:`from_canonical` undoes.

    Args:
        y: a row for every cloud, ``(B, ..., d)``; where clouds are flat, for every cloud or for every node.
        canonical: of the clouds.
        kind: "position", :math:`(y - t) Q / \rho`; "vector", :math:`y\, Q / \rho`; "direction", :math:`y\, Q`.

    Raises:
        ValueError: for another kind, or when the rows do not fit.
    """
    graph, each = _rows("to_canonical", y, canonical, kind)
    z = y.double() - each(canonical.center) if kind == "position" else y.double()
    z = turned(z, canonical.rotation, graph)
    return (z if kind == "direction" else z / each(canonical.scale[:, None])).to(y.dtype)


def from_canonical(
    y: Float[Tensor, "rows *channels dim"], canonical: Canonical, kind: str = "position"
) -> Float[Tensor, "rows *channels dim"]:
    r"""Carries what was found in canonical coordinates back to where the clouds lie.

    Args:
        y: a row for every cloud, ``(B, ..., d)``; where clouds are flat, for every cloud or for every node.
        canonical: of the clouds.
        kind: "position", :math:`\rho\, y Q^T + t`; "vector", :math:`\rho\, y Q^T`; "direction", :math:`y Q^T`.

    Raises:
        ValueError: for another kind, or when the rows do not fit.

    Example:
        >>> from erlangen.symmetrize import mds_coordinates
        >>> x = torch.randn(2, 10, 3, dtype=torch.float64)
        >>> placed = mds_coordinates(x)
        >>> torch.allclose(from_canonical(placed.coords, placed), x)
        True
    """
    graph, each = _rows("from_canonical", y, canonical, kind)
    x = turned(y.double(), canonical.rotation.mT, graph)
    x = x if kind == "direction" else x * each(canonical.scale[:, None])
    return (x + each(canonical.center) if kind == "position" else x).to(y.dtype)


def _rows(caller: str, y: Tensor, canonical: Canonical, kind: str) -> tuple[Tensor | None, Callable[[Tensor], Tensor]]:
    """The cloud of every row of a tensor (None: rows are clouds), and what makes values of clouds broadcast with it."""
    if kind not in KINDS:
        raise ValueError(f"{caller}(kind): one of {', '.join(KINDS)}, got {kind!r}")
    if canonical.rotation.ndim != 3:
        raise ValueError(f"{caller}(canonical): with one pattern of signs, as canonical.patterns() gives them")
    count, d, _ = canonical.rotation.shape
    flat = canonical.coords.ndim == 2
    nodes = canonical.coords.shape[0] if flat else count
    if y.ndim < 2 or y.shape[-1] != d or y.shape[0] not in (count, nodes):
        takes = f"{count} rows or {nodes}" if flat else f"{count} rows"
        raise ValueError(f"{caller}(y): {takes}, and a last axis of {d}, got shape {tuple(y.shape)}")
    graph = None
    if flat and y.shape[0] == nodes:
        one = torch.zeros(nodes, dtype=torch.long, device=y.device)
        graph = one if canonical.batch is None else canonical.batch

    def each(values: Tensor) -> Tensor:
        values = values if graph is None else values[graph]
        return values.reshape(values.shape[0], *(1,) * (y.ndim - values.ndim), *values.shape[1:])

    return graph, each


def turned(y: Tensor, matrix: Tensor, graph: Tensor | None) -> Tensor:
    """Rows times the matrix of their cloud, ``(B, ..., d)`` or with a batch vector ``(nodes, ..., d)``."""
    if graph is None:
        rows = y if y.ndim == 3 else y.reshape(len(matrix), y.shape[1:-1].numel(), y.shape[-1])
        return (matrix.mT @ rows.mT).mT.reshape(y.shape)
    return (y[..., None] * matrix[graph].reshape(-1, *(1,) * (y.ndim - 2), *matrix.shape[1:])).sum(-2)
