"""The general equivariant linear layer: a dense layer restricted to the maps that commute with a group."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from erlangen.groups.basis import Basis, equivariant_basis
from erlangen.groups.representation import Representation, Scalar
from erlangen.groups.symmetry import Symmetry


class EquivariantLinear(nn.Module):
    r"""The layer :math:`y = W x + b` with every :math:`W` that commutes with the group and every fixed :math:`b`.

    Weights are the coefficients of orthonormal bases of :math:`\mathrm{Hom}_G(\rho_{in}, \rho_{out})` and of the
    invariant vectors of :math:`\rho_{out}`. They start as normals whose variance gives outputs of variance one for
    uncorrelated inputs of variance one; the bias starts at zero.

    Args:
        rep_in: representation on the last axis of the input.
        rep_out: representation on the last axis of the output.
        bias: whether to add an invariant vector.
        generator: randomness of the first weights.

    Raises:
        ValueError: as :func:`equivariant_basis`, and when no map but zero is equivariant.

    Example:
        >>> from erlangen.groups import O, Scalar, Vector
        >>> G = O(3)
        >>> layer = EquivariantLinear(8 * Scalar(G) + 4 * Vector(G), 2 * Scalar(G) + Vector(G))
        >>> layer.weight.shape, layer(torch.randn(10, 20)).shape
        (torch.Size([20]), torch.Size([10, 5]))
    """

    def __init__(
        self,
        rep_in: Representation,
        rep_out: Representation,
        bias: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.basis: Basis = equivariant_basis(rep_in, rep_out)
        if self.basis.dim == 0:
            raise ValueError(f"EquivariantLinear: only zero is equivariant from {rep_in!r} to {rep_out!r}")
        self.symmetry = Symmetry(rep_in.group, (rep_in,), rep_out)
        self.weight = nn.Parameter(torch.empty(self.basis.dim))
        invariants = equivariant_basis(Scalar(rep_out.group), rep_out)
        self._invariants = invariants if bias and invariants.dim else None
        self.bias = nn.Parameter(torch.zeros(invariants.dim)) if self._invariants is not None else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draws new weights; the bias goes back to zero."""
        fan: dict[tuple[int, int], int] = {}
        for rows, _, _, (_, m), block in self.basis.blocks:
            fan[rows.start, rows.stop] = fan.get((rows.start, rows.stop), 0) + m * block.dim
        with torch.no_grad():
            for rows, _, where, (n, _), _ in self.basis.blocks:
                # A basis map has norm one: its output's variance, summed over the d coordinates of a part, is one.
                d = (rows.stop - rows.start) // n
                scale = math.sqrt(d / fan[rows.start, rows.stop])
                self.weight[where] = scale * torch.randn(where.stop - where.start, generator=generator)
            if self.bias is not None:
                self.bias.zero_()

    def matrix(self) -> Tensor:
        """The dense matrix ``W``, shape ``(rep_out.dim, rep_in.dim)``."""
        return self.basis.matrix(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """``(*, rep_in.dim)`` to ``(*, rep_out.dim)``."""
        if x.shape[-1] != self.basis.rep_in.dim:
            raise ValueError(f"x: the last axis must have size {self.basis.rep_in.dim}, got shape {tuple(x.shape)}")
        shift = None
        if self._invariants is not None and self.bias is not None:
            shift = self._invariants.matrix(self.bias)[:, 0]
        return nn.functional.linear(x, self.matrix(), shift)

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"{self.basis.rep_in!r} -> {self.basis.rep_out!r}, {self.basis.dim} weights"
