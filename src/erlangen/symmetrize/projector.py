"""Orthogonal projections of linear maps onto those that commute with a group."""

from __future__ import annotations

from functools import lru_cache

from jaxtyping import Float
from torch import Tensor

from erlangen.groups import Group, Hom, Representation, equivariant_basis, inclusion


class EquivariantProjector:
    r"""The projection of linear maps onto the equivariant ones, and the distance from them.

    With an orthonormal basis :math:`Q` of the maps that commute with the group,

    .. math:: \mathrm{vec}(P W) = Q Q^T \mathrm{vec}(W), \qquad R(W) = \tfrac12 \|W - P W\|^2 .

    On compact groups acting by orthogonal matrices, :math:`P W` is the mean over the group of
    :math:`\rho_{out}(g) W \rho_{in}(g)^{-1}`. Nothing of the size of :math:`W` squared is formed: the projection works
    block by block, with one small basis for each pair of parts, kept for all that ask for the same pair and group.

    Args:
        rep_in: representation of a larger group (or of the group itself) on what the maps read.
        rep_out: representation of the same larger group on what they return.
        group: the group that the maps are to commute with, a map of it into the larger one, or its name
            (``"O(2)@xy"``); see :func:`~erlangen.groups.inclusion`.

    Raises:
        TypeError: when one of them is no representation, or the group is none; when called, for whole numbers.
        ValueError: when the representations belong to different groups, the group has no place in theirs, or a block
            is too large to be solved; when called, for a matrix of another shape.

    Source: Finzi, Welling, Wilson, "A Practical Method for Constructing Equivariant Multilayer Perceptrons for
    Arbitrary Matrix Groups", 2021; Kim, Lee, Yang, Lee, "Regularizing Towards Soft Equivariance Under Mixed
    Symmetries", 2023, for the distance as a penalty.

    Example:
        >>> import torch
        >>> from erlangen.groups import O, Vector
        >>> V = Vector(O(3))
        >>> project = EquivariantProjector(V, V, "O(2)@xy")
        >>> w = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
        >>> project(w).diagonal().round(decimals=4)
        tensor([3., 3., 9.])
        >>> round(project.distance(w).item(), 4)
        93.0
    """

    def __init__(self, rep_in: Representation, rep_out: Representation, group: Group | Hom | str) -> None:
        require_representations("EquivariantProjector", rep_in, rep_out)
        self.rep_in, self.rep_out = rep_in, rep_out
        self.hom = inclusion(group, rep_in.group)
        self.basis = equivariant_basis(rep_in.along(self.hom), rep_out.along(self.hom))
        _ = self.basis.blocks  # solved now, so that what is too large is refused here

    def __call__(self, w: Float[Tensor, "out in"]) -> Float[Tensor, "out in"]:
        """The equivariant map nearest to ``w``, of shape ``(rep_out.dim, rep_in.dim)``."""
        return self.basis.project(w)

    def distance(self, w: Float[Tensor, "out in"]) -> Float[Tensor, ""]:
        """Half the squared distance from the equivariant maps; its gradient is ``w`` minus its projection."""
        return (w - self(w)).square().sum() / 2

    def __repr__(self) -> str:
        return f"EquivariantProjector({self.rep_in!r} -> {self.rep_out!r}, {self.hom.source})"


def require_representations(name: str, rep_in: Representation, rep_out: Representation) -> None:
    """Checks that both are representations of one group.

    Raises:
        TypeError: when one is none.
        ValueError: when their groups differ.
    """
    for argument, rep in (("rep_in", rep_in), ("rep_out", rep_out)):
        if not isinstance(rep, Representation):
            raise TypeError(f"{name}({argument}): a representation, got {type(rep).__name__}")
    if rep_in.group != rep_out.group:
        raise ValueError(f"{name}(rep_in, rep_out): both of one group, got {rep_in.group} and {rep_out.group}")


@lru_cache(maxsize=4096)
def part_projection(part_in: Representation, part_out: Representation, hom: Hom) -> Tensor:
    """The projection of maps between two parts as a matrix on their row-major entries, ``(out in, out in)``, float64.

    Kept by the two parts and the homomorphism, so by group and tensor rank.
    """
    basis = equivariant_basis(part_in.along(hom), part_out.along(hom)).dense().flatten(1)
    return basis.T @ basis
