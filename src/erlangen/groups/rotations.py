"""The principal logarithm of rotations."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from scipy.linalg import schur
from torch import Tensor
from torch.autograd.function import once_differentiable

from erlangen.groups.planar import BRANCH, principal_angle, square_of
from erlangen.groups.polar import first_place, require_square


def log_rotation(R: Float[Tensor, "*batch n n"], tol: float = 1e-4) -> Float[Tensor, "*batch n n"]:
    r"""The skew matrix :math:`X` of least norm with :math:`e^X = R`, all its angles in :math:`[-\pi, \pi]`.

    For n = 2 it is :math:`\theta \begin{pmatrix} 0 & -1 \\ 1 & 0 \end{pmatrix}`, :math:`-\pi < \theta \le \pi`. For
    n = 3 it is taken from the unit quaternion, which is accurate at every angle, and for larger n from the real Schur
    form, matrix by matrix. Where an angle is :math:`\pi` there are two such matrices or more. One is chosen by a rule
    that rounding does not upset: :math:`+\pi` for n = 2, and the axis whose first component that is not zero (to the
    root of rounding) is positive for n = 3. For larger n the choice is arbitrary.

    Derivatives exist everywhere for n = 2, and for larger n where no angle is :math:`\pi`; of first order for n > 3.

    Args:
        R: rotation matrices, float32 or float64.
        tol: how far :math:`R^T R` may be from one.

    Raises:
        TypeError: if ``R`` is not of float32 or float64.
        ValueError: if it is not square, or not a rotation (the batch index is named).

    Source: Shepperd, "Quaternion from Rotation Matrix", 1978, for n = 3.

    Example:
        >>> log_rotation(-torch.eye(2))[1, 0]
        tensor(3.1416)
    """
    require_rotation(R, "log_rotation(R)", tol)
    return principal_log(R)


def require_rotation(R: Tensor, argument: str, tol: float = 1e-4) -> None:
    """Checks that matrices are rotations.

    Raises:
        TypeError: for a dtype other than float32 and float64.
        ValueError: for matrices that are not square, or no rotations.
    """
    require_square(R, argument)
    with torch.no_grad():
        gap = (R.mT @ R - torch.eye(R.shape[-1], dtype=R.dtype, device=R.device)).abs().amax((-2, -1))
        bad = ~((gap <= tol) & (torch.linalg.det(R) > 0))
    if bool(bad.any()):
        place, where = first_place(bad)
        raise ValueError(
            f"{argument}: rotations, R^T R = 1 to {tol:g} and determinant 1, got an error of {float(gap[place]):.3g} "
            f"and determinant {float(torch.linalg.det(R.detach()[place])):.3g}{where}"
        )


def principal_log(R: Tensor) -> Tensor:
    """:func:`log_rotation` of matrices that are known to be rotations."""
    n = R.shape[-1]
    if n == 1:
        return torch.zeros_like(R)
    if n == 2:
        angle = principal_angle(R[..., 1, 0] - R[..., 0, 1], R[..., 0, 0] + R[..., 1, 1])
        zero = torch.zeros_like(angle)
        return square_of(zero, -angle, angle, zero)
    if n == 3:
        return _cross_product(_rotation_vector(R))
    out, _, _ = _SchurLog.apply(R)  # pyright: ignore[reportGeneralTypeIssues]
    return out


def _quaternion(R: Tensor) -> Tensor:
    """A unit quaternion, real part first, of either sign: the longest row of the matrix 4 q q^T."""
    (a, b, c), (d, e, f), (g, h, i) = (row.unbind(-1) for row in R.unbind(-2))
    rows = torch.stack([
        torch.stack([1 + a + e + i, h - f, c - g, d - b], -1),
        torch.stack([h - f, 1 + a - e - i, b + d, c + g], -1),
        torch.stack([c - g, b + d, 1 - a + e - i, f + h], -1),
        torch.stack([d - b, c + g, f + h, 1 - a - e + i], -1),
    ], -2)  # fmt: skip
    longest = rows.diagonal(dim1=-2, dim2=-1).argmax(-1)
    row = rows.gather(-2, longest[..., None, None].expand(*longest.shape, 1, 4))[..., 0, :]
    return row / row.norm(dim=-1, keepdim=True)


def _rotation_vector(R: Tensor) -> Tensor:
    q = _quaternion(R)
    real, axis = q[..., 0], q[..., 1:]
    tiny = BRANCH * torch.finfo(R.dtype).eps
    # At a half turn both signs are right up to rounding: there the axis decides.
    first = (axis.abs() > math.sqrt(tiny)).to(axis.dtype).argmax(-1, keepdim=True)
    decides = torch.where(real.abs() <= tiny, axis.gather(-1, first)[..., 0], real)
    sign = torch.where(decides < 0, -1.0, 1.0).to(R.dtype).detach()
    real, axis = sign * real, sign[..., None] * axis
    square = axis.square().sum(-1)
    small = square < 1e-3
    sine = torch.where(small, 1.0, square).sqrt()
    near = torch.where(small, square, 0.0)
    # asin(x) / x, twice, for the half angle.
    series = 1 + near * (1 / 6 + near * (3 / 40 + near * (5 / 112 + near * (35 / 1152 + near * 63 / 2816))))
    ratio = 2 * torch.where(small, series, torch.atan2(sine, torch.where(small, 0.0, real)) / sine)
    return ratio[..., None] * axis


def _cross_product(w: Tensor) -> Tensor:
    """The matrices of ``x -> w x x``."""
    x, y, z = w.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))


class _SchurLog(torch.autograd.Function):
    r"""The logarithm from the real Schur form.

    In the complex axes of the result, with angles :math:`\theta`, :math:`R^T dR` is multiplied entry by entry with
    :math:`i\delta / (1 - e^{-i\delta})`, :math:`\delta_{ab} = \theta_a - \theta_b`.
    """

    @staticmethod
    def forward(R: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        flat = R.detach().double().reshape(-1, *R.shape[-2:]).cpu()
        logs = torch.stack([_log_by_schur(one) for one in flat]) if len(flat) else torch.zeros_like(flat)
        angles, axes = torch.linalg.eigh(-1j * logs)
        out = torch.empty_like(R, memory_format=torch.contiguous_format).copy_(logs.reshape(R.shape))
        return out, angles.reshape(R.shape[:-1]).to(R.device), axes.reshape(R.shape).to(R.device)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor, Tensor]) -> None:
        _, angles, axes = output
        ctx.mark_non_differentiable(angles, axes)
        ctx.save_for_backward(inputs[0], angles, axes)
        ctx.save_for_forward(inputs[0], angles, axes)

    @staticmethod
    def _factors(angles: Tensor) -> Tensor:
        half = (angles[..., :, None] - angles[..., None, :]) / 2
        small = half.abs() < 1e-4
        sine = half.sin()
        # A plane that turns by pi: nothing skew has a component between its two axes.
        flat = ~small & (sine.abs() < 1e-9)
        cotangent = torch.where(
            small | flat, 1 - half * half / 3, half / torch.where(small | flat, 1.0, sine) * half.cos()
        )
        return torch.complex(torch.where(flat, 0.0, cotangent), half)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        R, angles, axes = ctx.saved_tensors
        grad = grads[0].to(axes.dtype)
        grad = (grad - grad.mT) / 2
        inner = axes @ (_SchurLog._factors(angles).conj() * (axes.mH @ grad @ axes)) @ axes.mH
        return R @ inner.real.contiguous().to(R.dtype)

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> tuple[Tensor, None, None]:
        R, angles, axes = ctx.saved_tensors
        moved = R.mT @ tangents[0]
        moved = ((moved - moved.mT) / 2).to(axes.dtype)
        out = axes @ (_SchurLog._factors(angles) * (axes.mH @ moved @ axes)) @ axes.mH
        return out.real.contiguous().to(R.dtype), None, None


def _log_by_schur(R: Tensor) -> Tensor:
    blocks, basis = schur(R.numpy(), output="real")[:2]
    n, i, flips = len(blocks), 0, []
    skew = torch.zeros(n, n, dtype=torch.float64)
    while i < n:
        if i + 1 < n and blocks[i + 1, i] != 0:
            angle = math.atan2(blocks[i + 1, i] - blocks[i, i + 1], blocks[i, i] + blocks[i + 1, i + 1])
            skew[i + 1, i], skew[i, i + 1] = angle, -angle
            i += 2
        else:
            if blocks[i, i] < 0:
                flips.append(i)
            i += 1
    # Eigenvalues -1 come in pairs, and each pair spans a plane that turns by pi.
    for a, b in zip(flips[::2], flips[1::2], strict=True):
        skew[b, a], skew[a, b] = math.pi, -math.pi
    turn = torch.from_numpy(basis)
    return turn @ skew @ turn.mT
