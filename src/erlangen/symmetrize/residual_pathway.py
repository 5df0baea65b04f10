"""Residual pathway priors: an equivariant path and a free one beside it, which has to be paid for."""

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
    require_features,
)
from erlangen.symmetrize.tensor_body import TensorBody

#: Size of the free path at the start, next to the equivariant one.
RESIDUAL = 1e-3


class ResidualPathway(nn.Module):
    r"""Weights that are a sum, :math:`W = P_0 W_e + P_1 W_b`, of an equivariant path and a residual one.

    :math:`P_0` projects onto what commutes with the main group. :math:`P_1` is the identity, or projects onto what
    commutes with another group, mostly a smaller one. At first :math:`W_b = 10^{-3} W_e`.

    Args:
        shapes: what each linear map maps.
        hom: the main group.
        residual: the group of the residual path, ``None`` for a free one.
        generator: randomness of the first weights.
    """

    def __init__(
        self,
        shapes: tuple[LinearShape, ...],
        hom: Hom,
        residual: Hom | None,
        generator: torch.Generator | None,
    ) -> None:
        super().__init__()
        self.equivariant = LinearStack(shapes, generator=generator)
        self.residual = LinearStack(shapes)
        with torch.no_grad():
            self.residual.flat.copy_(RESIDUAL * self.equivariant.flat)
        self._form: BlockForm = block_form(shapes, (hom,) if residual is None else (hom, residual))

    @property
    def shapes(self) -> tuple[LinearShape, ...]:
        """What the linear maps map."""
        return self.equivariant.shapes

    def forward(self) -> list[Tensor]:
        """The matrix and vector of each linear map, in turn."""
        return split(self.flat_weights(), self.shapes)

    def flat_weights(self) -> Tensor:
        """The sum of both paths, in the order of their ``flat``."""
        main, side = self.equivariant.flat, self.residual.flat
        if len(self._form.homs) > 1:
            side = self._form.projection(1, side)(side)
        return self._form.projection(0, main)(main) + side

    def penalty(self, equivariant: float, residual: float) -> Tensor:
        """The squared norms of both paths, times their factors, a number."""
        main, side = self.equivariant.flat, self.residual.flat
        return equivariant * main.square().sum() + residual * side.square().sum()


class RPPLinear(nn.Module):
    r"""A linear layer with an equivariant path and a residual one beside it.

    .. math:: y = (P_0 W_e + P_1 W_b)\, x + P_0 b_e + P_1 b_b, \qquad \text{at first } W_b = 10^{-3} W_e

    The prior that the layer is nearly equivariant is the penalty :math:`\alpha \|W_e\|^2 + \beta \|W_b\|^2` with
    :math:`\beta \gg \alpha`.

    Args:
        rep_in: representation on the last axis of the input, of a group in which ``group`` has a place.
        rep_out: representation on the last axis of the output, of the same group.
        group: what the equivariant path commutes with: a group, a map into the group of the representations, or its
            name (``"O(2)@xy"``).
        residual: what the residual path commutes with; free by default.
        bias: whether to add a vector.
        generator: randomness of the first weights.

    Raises:
        TypeError: when a representation or a group is none.
        ValueError: when a group has no place in the representations' group; when called, for another number of
            features.

    Source: Finzi, Benton, Wilson, "Residual Pathway Priors for Soft Equivariance Constraints", 2021.

    Example:
        >>> from erlangen.groups import O, Scalar, Vector
        >>> layer = RPPLinear(4 * Vector(O(3)), 2 * Scalar(O(3)) + Vector(O(3)), "O(3)")
        >>> layer(torch.randn(10, 12)).shape, layer.penalty().shape
        (torch.Size([10, 5]), torch.Size([]))
    """

    def __init__(
        self,
        rep_in: Representation,
        rep_out: Representation,
        group: Group | Hom | str,
        residual: Group | Hom | str | None = None,
        bias: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        require_representations("RPPLinear", rep_in, rep_out)
        self.rep_in, self.rep_out = rep_in, rep_out
        self.homs = _paths("RPPLinear", rep_in, group, residual)
        shape = LinearShape(rep_in, rep_out, bias)
        self.pathway = ResidualPathway(
            (shape,), self.homs[0], self.homs[1] if residual is not None else None, generator
        )

    @property
    def symmetry(self) -> tuple[Symmetry, ...]:
        """What is approximated: a promise without a bound for the group, and one for that of the residual path."""
        return approximate_promises(self.homs, self.rep_in, self.rep_out)

    def forward(self, x: Float[Tensor, "*batch dim_in"]) -> Float[Tensor, "*batch dim_out"]:
        """``(*, rep_in.dim)`` to ``(*, rep_out.dim)``."""
        require_features("RPPLinear", x, self.rep_in)
        return nn.functional.linear(x, *self.pathway())

    def penalty(self, equivariant: float = 1e-5, residual: float = 1.0) -> Float[Tensor, ""]:
        r"""The prior :math:`\alpha \|W_e\|^2 + \beta \|W_b\|^2`, biases included."""
        return self.pathway.penalty(equivariant, residual)


class ResidualPathwayEMLP(nn.Module):
    """A multilayer perceptron on tensors with an equivariant and a residual path in each linear map.

    The network of :class:`~erlangen.symmetrize.SoftEMLP`, with the linear maps of :class:`RPPLinear`. With a group for
    the residual path it is the mixed form of the prior: what that group forbids, it cannot learn.

    Args:
        rep_in: representation on the last axis of the input, of a group in which ``group`` has a place.
        rep_out: representation on the last axis of the output, of the same group.
        group: what the equivariant paths commute with: a group, a map into the group of the representations, or its
            name.
        residual: what the residual paths commute with; free by default.
        channels: the hidden representation, or its size.
        num_layers: number of linear maps.
        leak: where the leaks of the gates start; ``None`` for none.
        generator: randomness of the first weights.

    Raises:
        TypeError: when a representation or a group is none.
        ValueError: when a group has no place in the representations' group, for fewer than one channel or layer; when
            called, for another number of features.

    Source: Finzi, Benton, Wilson, "Residual Pathway Priors for Soft Equivariance Constraints", 2021; Kim, Lee, Yang,
    Lee, "Regularizing Towards Soft Equivariance Under Mixed Symmetries", 2023, for the mixed form.

    Example:
        >>> from erlangen.groups import O, Scalar, Vector
        >>> V = Vector(O(3))
        >>> net = ResidualPathwayEMLP(5 * Scalar(O(3)) + 5 * V, V**2, "O(3)", channels=32, num_layers=3)
        >>> loss = net(torch.randn(100, 20)).square().mean() + net.penalty() + 1e-4 * net.leak_penalty()
        >>> loss.shape
        torch.Size([])
    """

    def __init__(
        self,
        rep_in: Representation,
        rep_out: Representation,
        group: Group | Hom | str,
        residual: Group | Hom | str | None = None,
        channels: int | Representation = 128,
        num_layers: int = 4,
        leak: float | None = 1e-3,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        require_representations("ResidualPathwayEMLP", rep_in, rep_out)
        self.rep_in, self.rep_out = rep_in, rep_out
        self.homs = _paths("ResidualPathwayEMLP", rep_in, group, residual)
        name = "ResidualPathwayEMLP"
        self.body = TensorBody(name, rep_in, rep_out, channels, num_layers, self.homs, leak, generator)
        side = self.homs[1] if residual is not None else None
        self.pathway = ResidualPathway(self.body.shapes, self.homs[0], side, generator)

    @property
    def symmetry(self) -> tuple[Symmetry, ...]:
        """What is approximated: a promise without a bound for the group, and one for that of the residual paths."""
        return approximate_promises(self.homs, self.rep_in, self.rep_out)

    def forward(self, x: Float[Tensor, "*batch dim_in"]) -> Float[Tensor, "*batch dim_out"]:
        """``(*, rep_in.dim)`` to ``(*, rep_out.dim)``."""
        require_features("ResidualPathwayEMLP", x, self.rep_in)
        return self.body(x, self.pathway())

    def penalty(self, equivariant: float = 1e-5, residual: float = 1.0) -> Float[Tensor, ""]:
        r"""The prior :math:`\alpha \|W_e\|^2 + \beta \|W_b\|^2` of all linear maps, biases included."""
        return self.pathway.penalty(equivariant, residual)

    def leak_penalty(self) -> Float[Tensor, ""]:
        """The sum of the squared leaks of the gates."""
        return self.body.leak_penalty()


def _paths(
    name: str, rep: Representation, group: Group | Hom | str, residual: Group | Hom | str | None
) -> tuple[Hom, ...]:
    asked: Sequence[Group | Hom | str] = [group] if residual is None else [group, residual]
    return candidates(f"{name}(group, residual)", asked, rep.group)
