"""Invariant coordinates as a transform of PyTorch Geometric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from erlangen.extras import require
from erlangen.symmetrize.canonical import MDSCanonicalizer, to_canonical

if TYPE_CHECKING:
    from torch_geometric.transforms import BaseTransform
else:
    BaseTransform = require("torch_geometric.transforms", "graphs", "a transform of graphs").BaseTransform


class CanonicalCoordinates(BaseTransform):
    r"""Replaces the positions of a ``Data`` or a ``Batch`` by those that similarities do not change.

    PyG's ``NormalizeRotation`` turns to principal axes, too, but leaves their signs to chance, the cloud where it is
    and its scale as it was.

    Args:
        vectors: attributes that grow with the cloud, such as velocities; those that are absent are skipped.
        directions: attributes that only turn with it.
        keep_placement: whether ``center``, ``rotation`` and ``scale`` are stored, so that results can be carried back.
        **settings: of :class:`~erlangen.symmetrize.MDSCanonicalizer`.

    Raises:
        MissingExtra: if PyTorch Geometric is not installed.
        ValueError: when called, if there are no positions.

    Example:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> pos = torch.randn(20, 3, dtype=torch.float64)
        >>> transform = CanonicalCoordinates()
        >>> a, b = transform(Data(pos=pos)), transform(Data(pos=2 * pos.roll(1, -1) + 1))
        >>> torch.allclose(a.pos, b.pos)
        True
    """

    def __init__(
        self,
        vectors: Sequence[str] = ("vel", "velocity"),
        directions: Sequence[str] = ("normal",),
        keep_placement: bool = False,
        **settings: Any,
    ) -> None:
        self.canonicalizer = MDSCanonicalizer(**settings)
        if self.canonicalizer.sign == "average":
            raise ValueError("CanonicalCoordinates(sign): a transform has one result, got 'average'")
        self.vectors, self.directions, self.keep_placement = tuple(vectors), tuple(directions), keep_placement

    def forward(self, data: Any) -> Any:
        """The data with other positions; PyG hands in a shallow copy."""
        if getattr(data, "pos", None) is None:
            raise ValueError("CanonicalCoordinates(data): positions pos of shape (nodes, dim), got none")
        batch = getattr(data, "batch", None)
        placed = self.canonicalizer(data.pos, batch)
        for names, kind in ((self.vectors, "vector"), (self.directions, "direction")):
            for name in names:
                if getattr(data, name, None) is not None:
                    setattr(data, name, to_canonical(getattr(data, name), placed, kind))
        data.pos = placed.coords
        if self.keep_placement:
            data.center, data.rotation, data.scale = placed.center, placed.rotation, placed.scale
        return data

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.canonicalizer.extra_repr()})"
