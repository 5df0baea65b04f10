"""The functions of invariants that kernels are linear in."""

from __future__ import annotations

from torch import nn

from erlangen.points.features import PolynomialFeatures


class KernelBasis(nn.Sequential):
    r"""Two layers on monomials of the invariants, :math:`\mathrm{GELU}(W_2\, \mathrm{GELU}(W_1\, \mathrm{poly}(a)))`.

    Biases start at zero. Drawn at random, as by default, they outweigh the monomials where invariants are below one,
    and then all kernels are nearly constant: one of pairs of orientations replaces features by their mean over
    orientations, and a network has to unlearn that before it sees any.

    Args:
        degree: of the monomials.
        invariants: how many there are.
        hidden: functions in between.
        basis_dim: functions that come out.

    Example:
        >>> import torch
        >>> KernelBasis(3, 2, 16, 8)(torch.randn(5, 12, 2)).shape
        torch.Size([5, 12, 8])
    """

    def __init__(self, degree: int, invariants: int, hidden: int, basis_dim: int) -> None:
        monomials = PolynomialFeatures(degree)
        first, second = nn.Linear(monomials.out_features(invariants), hidden), nn.Linear(hidden, basis_dim)
        super().__init__(monomials, first, nn.GELU(), second, nn.GELU())
        nn.init.zeros_(first.bias)
        nn.init.zeros_(second.bias)
