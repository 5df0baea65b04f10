"""The polar decomposition of matrices of positive determinant."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from erlangen.groups.planar import polar_of_plane
from erlangen.groups.spectral import polar_by_singular_values


def polar(
    A: Float[Tensor, "*batch n n"], side: str = "left"
) -> tuple[Float[Tensor, "*batch n n"], Float[Tensor, "*batch n n"]]:
    r"""Splits a matrix of positive determinant into a stretch and a rotation.

    From the left, :math:`A = P R` with :math:`P = (A A^T)^{1/2}` symmetric positive and :math:`R = P^{-1} A` in SO(n);
    from the right, :math:`A = R Q` with :math:`Q = R^T P R = (A^T A)^{1/2}` and the same R. Both are unique and smooth,
    and have derivatives also where singular values coincide, as at multiples of rotations: in closed form, of every
    order, for n = 2; by the formula of Daleckii and Krein, of first order, for larger n.

    Args:
        A: matrices, float32 or float64.
        side: on which side of the rotation the stretch stands, "left" or "right".

    Returns:
        The stretch, then the rotation.

    Raises:
        TypeError: if ``A`` is not of float32 or float64.
        ValueError: if it is not square, or a determinant is not positive (the batch index is named), or for another
            side.

    Source: Higham, "Functions of Matrices: Theory and Computation", 2008; Daleckii, Krein, "Integration and
    differentiation of functions of Hermitian operators", 1965.

    Example:
        >>> stretch, rotation = polar(torch.tensor([[0.0, -2.0], [3.0, 0.0]]))
        >>> stretch.tolist(), rotation.tolist()
        ([[2.0, 0.0], [0.0, 3.0]], [[0.0, -1.0], [1.0, 0.0]])
    """
    if side not in ("left", "right"):
        raise ValueError(f"polar(side): 'left' or 'right', got {side!r}")
    require_positive_determinant(A, "polar(A)")
    if A.shape[-1] == 2:
        stretch, rotation = polar_of_plane(A)
    else:
        stretch, rotation = polar_by_singular_values(A)
    if side == "right":
        turned = rotation.mT @ stretch @ rotation
        stretch = (turned + turned.mT) / 2
    return stretch, rotation


def require_square(A: Tensor, argument: str, n: int | None = None) -> None:
    """Checks that matrices are square and of single or double precision.

    Args:
        A: the matrices.
        argument: what they are called in the message.
        n: the size they must have; any, by default.

    Raises:
        TypeError: for another dtype.
        ValueError: for another shape.
    """
    if A.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{argument}: matrices of float32 or float64, got {A.dtype}")
    size = "n" if n is None else str(n)
    if A.ndim < 2 or A.shape[-1] != A.shape[-2] or A.shape[-1] == 0 or (n is not None and A.shape[-1] != n):
        raise ValueError(f"{argument}: square matrices of shape (*K, {size}, {size}), got {tuple(A.shape)}")


def require_positive_determinant(A: Tensor, argument: str, n: int | None = None) -> None:
    """Checks that matrices can be split, as :func:`require_square` and by their determinants.

    Raises:
        TypeError: for another dtype.
        ValueError: for another shape, entries that are not finite, or a determinant that is not positive.
    """
    require_square(A, argument, n)
    with torch.no_grad():
        if A.shape[-1] == 2:
            a, b, c, d = A.flatten(-2).unbind(-1)
            # The sign of the determinant, free of overflow: its two products are compared after scaling.
            scale = A.abs().amax((-2, -1))
            sign = a / scale * (d / scale) - b / scale * (c / scale)
        else:
            sign = torch.where(A.isfinite().all(-1).all(-1), torch.linalg.slogdet(A)[0], -1)
        bad = ~(sign > 0)
    if bool(bad.any()):
        raise ValueError(_refusal(A, bad, argument))


def _refusal(A: Tensor, bad: Tensor, argument: str) -> str:
    place, where = first_place(bad)
    one = A.detach()[place]
    if not bool(one.isfinite().all()):
        return f"{argument}: finite entries, got {one[~one.isfinite()][0].item()}{where}"
    return f"{argument}: a positive determinant, got {float(torch.linalg.det(one)):.6g}{where}"


def first_place(bad: Tensor) -> tuple[tuple[int, ...], str]:
    """The first batch index where something is wrong, and the words that say so; none for a single matrix."""
    place = tuple(bad.nonzero()[0].tolist())
    return place, f" at batch index {place if len(place) != 1 else place[0]}" if place else ""
