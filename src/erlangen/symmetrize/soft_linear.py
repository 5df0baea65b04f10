"""A dense layer that is drawn towards equivariance, as strongly as one says, for each of several groups."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from erlangen.groups import Group, Hom, Representation, Symmetry, inclusion
from erlangen.symmetrize.block_form import BlockForm, LinearShape, block_form, flatten
from erlangen.symmetrize.linear_stack import initial_weights, split
from erlangen.symmetrize.projector import EquivariantProjector, require_representations


class SoftEquivariantLinear(nn.Module):
    r"""The layer :math:`y = W x + b` with free weights, which knows how far they are from equivariance.

    .. math:: R_g = \tfrac12 \|W - P_g W\|_F^2 + \tfrac12 \|b - P_g b\|^2

    for each group :math:`g`, with :math:`P_g` the projection onto its equivariant maps
    (:class:`~erlangen.symmetrize.EquivariantProjector`) and onto its invariant vectors. A loss that adds
    ``layer.penalty(strengths)`` draws the layer towards the groups, and one in which a strength is infinite would leave
    the equivariant layer.

    Args:
        rep_in: representation on the last axis of the input, of a group in which all the others have a place.
        rep_out: representation on the last axis of the output, of the same group.
        groups: the candidates: groups, maps into the group of the representations, or their names (``"O(2)@xy"``,
            ``"SO(3)*Scaling"``); see :func:`~erlangen.groups.inclusion`.
        bias: whether to add a vector.
        init: "orthogonal" weights; "halfsoft", the mean of these and their projection :math:`P_0` for the whole group
            of the representations; or "rpp", the projection plus a thousandth of the weights.
        generator: randomness of the first weights.

    Raises:
        TypeError: when a representation or a candidate is none.
        ValueError: for no candidates, one that has no place in the representations' group, another ``init``, or a block
            of weights too large to be solved (tensors of ranks that add up to eight in space); when called, for another
            number of features.

    Source: Kim, Lee, Yang, Lee, "Regularizing Towards Soft Equivariance Under Mixed Symmetries", 2023.

    Example:
        >>> from erlangen.groups import O, Scalar, Vector
        >>> V = Vector(O(3))
        >>> layer = SoftEquivariantLinear(4 * V, Scalar(O(3)) + 2 * V, ["O(3)", "O(2)@xy"])
        >>> layer(torch.randn(10, 12)).shape, layer.penalties().shape, layer.penalty([0.0, 1.0]).shape
        (torch.Size([10, 7]), torch.Size([2]), torch.Size([]))
    """

    def __init__(
        self,
        rep_in: Representation,
        rep_out: Representation,
        groups: Sequence[Group | Hom | str],
        bias: bool = True,
        init: str = "orthogonal",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        require_representations("SoftEquivariantLinear", rep_in, rep_out)
        self.rep_in, self.rep_out, self.init = rep_in, rep_out, init
        self.homs = candidates("SoftEquivariantLinear(groups)", groups, rep_in.group)
        self.weight = nn.Parameter(torch.empty(rep_out.dim, rep_in.dim))
        self.bias = nn.Parameter(torch.empty(rep_out.dim)) if bias else None
        self._form: BlockForm = block_form((LinearShape(rep_in, rep_out, bias),), self.homs)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draws new weights, orthogonal, then projected as ``init`` says, and biases."""
        shapes = self._form.layers
        with torch.no_grad():
            for parameter, drawn in zip(
                self.parameters(), split(initial_weights(shapes, self.init, generator), shapes), strict=True
            ):
                parameter.copy_(drawn)

    @property
    def symmetry(self) -> tuple[Symmetry, ...]:
        """What is approximated: one promise without a bound for each candidate."""
        return approximate_promises(self.homs, self.rep_in, self.rep_out)

    def forward(self, x: Float[Tensor, "*batch dim_in"]) -> Float[Tensor, "*batch dim_out"]:
        """``(*, rep_in.dim)`` to ``(*, rep_out.dim)``."""
        require_features("SoftEquivariantLinear", x, self.rep_in)
        return nn.functional.linear(x, self.weight, self.bias)

    def penalties(self) -> Float[Tensor, " groups"]:
        """The squared distances :math:`R_g` from each candidate's equivariant layers."""
        return self._form.distances(flatten(self.parameters()))

    def penalty(self, strengths: Sequence[float] | Tensor, weight_decay: float = 0.0) -> Float[Tensor, ""]:
        r"""The sum :math:`\sum_g \lambda_g R_g`, at a cost that does not grow with the number of candidates.

        Args:
            strengths: :math:`\lambda_g`, one for each candidate.
            weight_decay: adds so much times :math:`\frac12 (\|W\|^2 + \|b\|^2)`, at no cost.

        Raises:
            ValueError: for another number of strengths, or one that is negative or not finite.
        """
        return penalty_of(self._form, flatten(self.parameters()), strengths, weight_decay)

    def projected(self, group: Group | Hom | str) -> Tensor:
        """The weights nearest to these that commute with a group."""
        return EquivariantProjector(self.rep_in, self.rep_out, group)(self.weight)

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"{self.rep_in!r} -> {self.rep_out!r}, towards {', '.join(str(h.source) for h in self.homs)}"


def candidates(name: str, groups: Sequence[Group | Hom | str], target: Group) -> tuple[Hom, ...]:
    """The candidates as maps into the group of the representations.

    Raises:
        TypeError: when it is no sequence of groups, maps and names.
        ValueError: when it is empty, or one has no place in ``target``.
    """
    if isinstance(groups, str | Group | Hom):
        raise TypeError(f"{name}: a list of groups, got one, {groups!r}; put it in brackets")
    homs = tuple(inclusion(group, target) for group in groups)
    if not homs:
        raise ValueError(f"{name}: at least one group, got none")
    return homs


def approximate_promises(
    homs: tuple[Hom, ...], rep_in: Representation, rep_out: Representation
) -> tuple[Symmetry, ...]:
    """That each candidate is kept, approximately and without a bound."""
    return tuple(Symmetry(hom.source, (rep_in.along(hom),), rep_out.along(hom), kind="approximate") for hom in homs)


def require_features(name: str, x: Tensor, rep: Representation) -> None:
    """Checks the size of the last axis.

    Raises:
        ValueError: when it is not that of the representation.
    """
    if x.ndim < 1 or x.shape[-1] != rep.dim:
        raise ValueError(f"{name}(x): the last axis must have size {rep.dim}, got shape {tuple(x.shape)}")


def penalty_of(form: BlockForm, flat: Tensor, strengths: Sequence[float] | Tensor, weight_decay: float = 0.0) -> Tensor:
    """The fused penalty, after checking the strengths; through the single ones where strengths are to be learned.

    Raises:
        ValueError: for another number of strengths, or one that is negative or not finite.
    """
    values = require_strengths("penalty(strengths)", strengths, len(form.homs))
    if not 0 <= weight_decay < math.inf:
        raise ValueError(f"penalty(weight_decay): finite and not negative, got {weight_decay}")
    if isinstance(strengths, Tensor) and strengths.requires_grad:
        return (strengths * form.distances(flat)).sum() + weight_decay / 2 * flat.square().sum()
    return form.penalty(flat, values, weight_decay)


def require_strengths(name: str, strengths: Sequence[float] | Tensor, count: int | None = None) -> list[float]:
    """Strengths as numbers, ``count`` of them if that is known.

    Raises:
        ValueError: for another number of them, or one that is negative or not finite.
    """
    if isinstance(strengths, Tensor) and strengths.ndim != 1:
        raise ValueError(f"{name}: one axis, with a number for each group, got shape {tuple(strengths.shape)}")
    values = [float(s) for s in (strengths.tolist() if isinstance(strengths, Tensor) else strengths)]
    if count is not None and len(values) != count:
        raise ValueError(f"{name}: one for each of the {count} groups, got {len(values)}")
    if not all(0 <= value < math.inf for value in values):
        raise ValueError(f"{name}: finite and not negative, got {values}")
    return values
