"""A network that finds out which symmetries of a list hold, and one that keeps a symmetry exactly."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from erlangen.groups import Group, Hom, Representation, Symmetry
from erlangen.symmetrize.block_form import BlockForm, LinearShape, block_form
from erlangen.symmetrize.linear_stack import LinearStack, split
from erlangen.symmetrize.projector import require_representations
from erlangen.symmetrize.soft_linear import (
    approximate_promises,
    candidates,
    penalty_of,
    require_features,
)
from erlangen.symmetrize.tensor_body import TensorBody


class SoftEMLP(nn.Module):
    r"""A multilayer perceptron on tensors with free weights and a penalty for each symmetry that may hold.

    Linear maps, products of tensors and gates take turns; at the end stands a linear map. With all distances
    :math:`R_g` and the leaks at zero the network is equivariant under :math:`g`. Trained with

    .. math:: \mathrm{loss} + \sum_g \lambda_g R_g, \qquad R_g = \sum_{layers} \tfrac12 \|W - P_g W\|^2 + \ldots

    it comes close to the symmetries that the data have, and away from those that they lack;
    :class:`~erlangen.symmetrize.PenaltyTuner` weakens the strengths of the latter on the way.

    Args:
        rep_in: representation on the last axis of the input, of a group in which all candidates have a place, as
            ``5 * Scalar(O(3)) + 5 * Vector(O(3))``; where candidates change lengths (``Scaling()``), of ``GL(3)``.
        rep_out: representation on the last axis of the output, of the same group.
        groups: the candidates: groups, maps into the group of the representations, or their names (``"O(2)@xy"``,
            ``"SO(3)*Scaling"``); see :func:`~erlangen.groups.inclusion`.
        channels: the hidden representation, or its size, split among ranks by
            :func:`~erlangen.symmetrize.hidden_representation`.
        num_layers: number of linear maps.
        init: of the linear maps: "orthogonal", "halfsoft" or "rpp", see
            :class:`~erlangen.symmetrize.SoftEquivariantLinear`.
        leak: where the leaks of the gates start; ``None`` for none.
        generator: randomness of the first weights.

    Raises:
        TypeError: when a representation or a candidate is none.
        ValueError: for no candidates, one that has no place in the representations' group, another ``init``, fewer
            than one channel or layer; when called, for another number of features.

    Source: Kim, Lee, Yang, Lee, "Regularizing Towards Soft Equivariance Under Mixed Symmetries", 2023.

    Example:
        >>> from erlangen.groups import O, Scalar, Vector
        >>> V = Vector(O(3))
        >>> net = SoftEMLP(5 * Scalar(O(3)) + 5 * V, V**2, ["O(2)@xy", "O(2)@yz", "O(2)@xz"], channels=32, num_layers=3)
        >>> y = net(torch.randn(100, 20))
        >>> loss = y.square().mean() + net.penalty([1.0, 1.0, 0.5], weight_decay=1e-4) + 1e-4 * net.leak_penalty()
        >>> y.shape, net.penalties().shape
        (torch.Size([100, 9]), torch.Size([3]))
    """

    def __init__(
        self,
        rep_in: Representation,
        rep_out: Representation,
        groups: Sequence[Group | Hom | str],
        channels: int | Representation = 128,
        num_layers: int = 4,
        init: str = "orthogonal",
        leak: float | None = 1e-3,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        require_representations("SoftEMLP", rep_in, rep_out)
        self.homs = candidates("SoftEMLP(groups)", groups, rep_in.group)
        self.rep_in, self.rep_out = rep_in, rep_out
        self.body = TensorBody("SoftEMLP", rep_in, rep_out, channels, num_layers, self.homs, leak, generator)
        self.linears = LinearStack(self.body.shapes, init, generator)
        self._form: BlockForm = block_form(self.body.shapes, self.homs)

    @property
    def symmetry(self) -> tuple[Symmetry, ...]:
        """What is approximated: one promise without a bound for each candidate."""
        return approximate_promises(self.homs, self.rep_in, self.rep_out)

    def forward(self, x: Float[Tensor, "*batch dim_in"]) -> Float[Tensor, "*batch dim_out"]:
        """``(*, rep_in.dim)`` to ``(*, rep_out.dim)``."""
        require_features("SoftEMLP", x, self.rep_in)
        return self.body(x, self.linears())

    def penalties(self) -> Float[Tensor, " groups"]:
        """The squared distances :math:`R_g` from each candidate's equivariant networks, summed over linear maps."""
        return self._form.distances(self.linears.flat)

    def penalty(self, strengths: Sequence[float] | Tensor, weight_decay: float = 0.0) -> Float[Tensor, ""]:
        r"""The sum :math:`\sum_g \lambda_g R_g`, at a cost that does not grow with the number of candidates.

        Args:
            strengths: :math:`\lambda_g`, one for each candidate.
            weight_decay: adds so much times half the squared norm of the linear maps, at no cost.

        Raises:
            ValueError: for another number of strengths, or one that is negative or not finite.
        """
        return penalty_of(self._form, self.linears.flat, strengths, weight_decay)

    def leak_penalty(self) -> Float[Tensor, ""]:
        """The sum of the squared leaks of the gates, which the distances do not see."""
        return self.body.leak_penalty()

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"{self.rep_in!r} -> {self.rep_out!r}, towards {', '.join(str(h.source) for h in self.homs)}"


class EMLP(nn.Module):
    """A multilayer perceptron on tensors that is equivariant under one group, exactly.

    The network of :class:`SoftEMLP` without leaks, whose weights and biases are projected onto the equivariant ones
    each time, all layers at once. ``free`` holds them before the projection; what they have beside the projected ones
    is never seen and never changes.

    Args:
        rep_in: representation on the last axis of the input, of a group in which ``group`` has a place.
        rep_out: representation on the last axis of the output, of the same group.
        group: a group, a map into the group of the representations, or its name (``"O(2)@xy"``).
        channels: the hidden representation, or its size.
        num_layers: number of linear maps.
        generator: randomness of the first weights.

    Raises:
        TypeError: when a representation or the group is none.
        ValueError: when the group has no place in the representations' group, for fewer than one channel or layer;
            when called, for another number of features.

    Source: Finzi, Welling, Wilson, "A Practical Method for Constructing Equivariant Multilayer Perceptrons for
    Arbitrary Matrix Groups", 2021.

    Example:
        >>> from erlangen.groups import O, Scalar, Vector
        >>> V = Vector(O(3))
        >>> net = EMLP(5 * Scalar(O(3)) + 5 * V, V**2, "O(2)@xy", channels=32, num_layers=3)
        >>> net(torch.randn(100, 20)).shape
        torch.Size([100, 9])
    """

    def __init__(
        self,
        rep_in: Representation,
        rep_out: Representation,
        group: Group | Hom | str,
        channels: int | Representation = 128,
        num_layers: int = 4,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        require_representations("EMLP", rep_in, rep_out)
        (self.hom,) = candidates("EMLP(group)", [group], rep_in.group)
        self.rep_in, self.rep_out = rep_in, rep_out
        self.body = TensorBody("EMLP", rep_in, rep_out, channels, num_layers, (self.hom,), None, generator)
        self.free = LinearStack(self.body.shapes, generator=generator)
        self._form: BlockForm = block_form(self.body.shapes, (self.hom,))
        self.symmetry = Symmetry(self.hom.source, (rep_in.along(self.hom),), rep_out.along(self.hom))

    @property
    def shapes(self) -> tuple[LinearShape, ...]:
        """What the linear maps map."""
        return self.body.shapes

    def flat_weights(self) -> Tensor:
        """The equivariant weights, in the order of ``free.flat``."""
        return self._form.projection(0, self.free.flat)(self.free.flat)

    def forward(self, x: Float[Tensor, "*batch dim_in"]) -> Float[Tensor, "*batch dim_out"]:
        """``(*, rep_in.dim)`` to ``(*, rep_out.dim)``."""
        require_features("EMLP", x, self.rep_in)
        return self.body(x, split(self.flat_weights(), self.shapes))

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"{self.rep_in!r} -> {self.rep_out!r}, {self.hom.source}"
