"""Logarithms of positive and polar factors of invertible matrices, with derivatives where singular values coincide.

Derivatives through eigenvectors divide by gaps of eigenvalues, and those of any multiple of a rotation are zero. The
factors themselves are smooth there: their derivatives, of Daleckii and Krein, divide by sums or by mean slopes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

#: The quotient atanh(d) / d is read off its series below this square of d.
SERIES_BELOW = 1e-3


def mean_slope_of_log(a: Tensor, b: Tensor) -> Tensor:
    r"""The slope :math:`(\ln a - \ln b) / (a - b)`, at :math:`a = b` its limit :math:`1 / a`.

    With :math:`d = (a - b) / (a + b)` it is :math:`\frac{2}{a + b} \operatorname{atanh}(d) / d`.
    """
    d = (a - b) / (a + b)
    q = d * d
    series = 1 + q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q / 9)))
    far = q > SERIES_BELOW
    return 2 / (a + b) * torch.where(far, ((a / b).log() / 2) / torch.where(far, d, 1.0), series)


class _Log(torch.autograd.Function):
    """The logarithm of a symmetric positive matrix; its derivative in the eigenbasis is a Hadamard product."""

    generate_vmap_rule = True

    @staticmethod
    def forward(S: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        values, axes = torch.linalg.eigh(S)
        return (axes * values.log()[..., None, :]) @ axes.mT, values, axes

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor, Tensor]) -> None:
        _, values, axes = output
        ctx.mark_non_differentiable(values, axes)
        ctx.save_for_backward(values, axes)
        ctx.save_for_forward(values, axes)

    @staticmethod
    def _derivative(ctx: Any, direction: Tensor) -> Tensor:
        values, axes = ctx.saved_tensors
        slope = mean_slope_of_log(values[..., :, None], values[..., None, :])
        return axes @ (slope * (axes.mT @ direction @ axes)) @ axes.mT

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return _Log._derivative(ctx, grads[0])  # it is its own adjoint

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> tuple[Tensor, None, None]:
        return _Log._derivative(ctx, tangents[0]), None, None


class _Polar(torch.autograd.Function):
    r"""The factors :math:`A = P R`.

    In the axes of P, with singular values :math:`s` and :math:`M = dA\,R^T`, they have the derivatives
    :math:`(dR\,R^T)_{ij} = (M_{ij} - M_{ji}) / (s_i + s_j)` and :math:`dP_{ij} = (s_j M_{ij} + s_i M_{ji}) / (s_i +
    s_j)`.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(A: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        left, values, right = torch.linalg.svd(A)
        stretch = (left * values[..., None, :]) @ left.mT
        return (stretch + stretch.mT) / 2, left @ right, values, left

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
        _, rotation, values, left = output
        ctx.mark_non_differentiable(values, left)
        ctx.save_for_backward(rotation, values, left)
        ctx.save_for_forward(rotation, values, left)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        rotation, values, left = ctx.saved_tensors
        stretched, turned = left.mT @ grads[0] @ left, left.mT @ grads[1] @ rotation.mT @ left
        row, column = values[..., :, None], values[..., None, :]
        both = row + column
        slope = (column * stretched + (row * stretched).mT + turned - turned.mT) / both
        return left @ slope @ left.mT @ rotation

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> tuple[Tensor, Tensor, None, None]:
        rotation, values, left = ctx.saved_tensors
        moved = left.mT @ tangents[0] @ rotation.mT @ left
        row, column = values[..., :, None], values[..., None, :]
        stretch = (column * moved + row * moved.mT) / (row + column)
        turn = (moved - moved.mT) / (row + column)
        return left @ stretch @ left.mT, left @ turn @ left.mT @ rotation, None, None


def log_of_positive(S: Tensor) -> Tensor:
    """The symmetric logarithm of symmetric positive matrices, once differentiable."""
    symmetric = (S + S.mT) / 2
    out, _, _ = _Log.apply(symmetric)  # pyright: ignore[reportGeneralTypeIssues]
    return out


def polar_by_singular_values(A: Tensor) -> tuple[Tensor, Tensor]:
    """The factors P and R of ``A = P R`` for positive determinants, once differentiable."""
    stretch, rotation, _, _ = _Polar.apply(A)  # pyright: ignore[reportGeneralTypeIssues]
    return stretch, rotation
