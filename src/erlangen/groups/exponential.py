"""The matrix exponential, to rounding."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: 0.5^17 / 17! is below the rounding of float64: the series is cut without a trace.
_TERMS = 16


def matrix_exp(A: Tensor) -> Tensor:
    r"""Scaling and squaring of the Taylor series, :math:`\exp(A) = (\sum_k (A / 2^s)^k / k!)^{2^s}`.

    ``torch.linalg.matrix_exp`` is off by up to 1e-9 in float64 for single matrices of norm 0.01 to 1 (its batched path
    is not), too much for the steps of a Lie derivative. Differentiable in both modes, also at zero.

    Args:
        A: shape ``(*K, n, n)``; all matrices are scaled by the largest among them.

    Example:
        >>> matrix_exp(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
        tensor([[1., 1.],
                [0., 1.]])
    """
    norm = float(A.detach().abs().sum(-1).amax()) if A.numel() else 0.0
    squarings = max(0, math.ceil(math.log2(2 * norm))) if 0 < norm < math.inf else 0
    small, one = A / 2**squarings, torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    power = one + small / _TERMS
    for k in range(_TERMS - 1, 0, -1):
        power = one + small @ power / k
    for _ in range(squarings):
        power = power @ power
    return power
