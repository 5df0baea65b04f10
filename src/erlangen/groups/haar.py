r"""Invariant measures in coordinates: of positive matrices, of rotations, and the constant that joins them.

Which multiple of the invariant measure is meant:

* SO(n), O(n): total mass one.
* GL(n), GL+(n): :math:`d\mu(A) = |\det A|^{-n} \prod dA_{ij}`, invariant from both sides.
* SL(n): :math:`\mu_{GL^+} = d\tau\, \mu_{SL}` where :math:`A = e^{\tau / n} B`, so :math:`\tau = \ln \det A`.
* SPD(n): :math:`d\mu(S) = (\det S)^{-(n+1)/2} \prod_{i \le j} dS_{ij}`, invariant under :math:`S \mapsto B S B^T`.
* SSPD(n), of determinant one: :math:`\mu_{SPD} = d\tau\, \mu_{SSPD}` where :math:`S = e^{\tau / n} T`.

Then :math:`\int_{GL^+} f\, d\mu = \beta_n \int_{SPD} \int_{SO} f(S^{1/2} R)\, dR\, d\mu(S)`, and the same for SL(n) and
SSPD(n) with :math:`2 \beta_n`, because :math:`\ln \det S = 2 \ln \det A`.

Source: Muirhead, "Aspects of Multivariate Statistical Theory", 1982; Mironenco, Forre, "Lie Group Decompositions for
Equivariant Neural Networks", 2024.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from erlangen.groups.planar import log_sinhc


def log_polar_constant(n: int) -> float:
    r"""The logarithm of :math:`\beta_n = \tfrac12 \pi^{n^2 / 2} / \Gamma_n(n / 2)`.

    Example:
        >>> math.isclose(log_polar_constant(2), math.log(math.pi / 2))
        True
        >>> math.isclose(log_polar_constant(3), math.log(math.pi**2))
        True
    """
    gamma = n * (n - 1) / 4 * math.log(math.pi) + sum(math.lgamma((n - j) / 2) for j in range(n))
    return n * n / 2 * math.log(math.pi) - math.log(2) - gamma


def log_positive_density(X: Tensor, traceless: bool = False) -> Tensor:
    r"""The invariant measure of positive matrices :math:`e^X`, in orthonormal coordinates of X; its logarithm.

    .. math:: \frac{d\mu}{dX} = 2^{-n (n - 1) / 4} \prod_{i<j} \frac{\sinh(\delta_{ij} / 2)}{\delta_{ij} / 2},
        \qquad \delta_{ij} = x_i - x_j

    with the eigenvalues of X. The power of two is there because the measure is defined by the entries of the upper
    triangle, and the orthonormal coordinates of those off the diagonal are :math:`\sqrt 2` times as large. For
    determinant one, in coordinates of the traceless X, it is this over :math:`\sqrt n`.

    Args:
        X: symmetric, shape ``(*K, n, n)``.
        traceless: whether X runs over the traceless matrices only.
    """
    n = X.shape[-1]
    if n == 2:
        square = ((X[..., 0, 0] - X[..., 1, 1]) / 2).square() + X[..., 0, 1] * X[..., 1, 0]
        total = log_sinhc(square)
    else:
        values = torch.linalg.eigvalsh(X)
        i, j = torch.triu_indices(n, n, 1, device=X.device)
        total = log_sinhc(((values[..., i] - values[..., j]) / 2).square()).sum(-1)
    return total - n * (n - 1) / 4 * math.log(2) - (math.log(n) / 2 if traceless else 0.0)


def log_rotation_density(X: Tensor) -> Tensor:
    r"""The measure of mass one of rotations, in the coordinates of X in ``SO(n).algebra_basis()``; its logarithm.

    .. math:: \frac{dR}{dX} = \frac{1}{\mathrm{vol}} \prod_{a<b} \frac{\sin(\delta_{ab} / 2)}{\delta_{ab} / 2},
        \qquad \delta_{ab} = \lambda_a + \lambda_b

    with the eigenvalues :math:`i \lambda` of X and the volume :math:`\prod_{k<n} |S^k|`: 1/2π in the plane, and
    :math:`(1 - \cos\theta) / 4 \pi^2 \theta^2` in space. It is :math:`-\infty` where an angle is beyond π: there are
    the second coordinates of elements that have others already.

    Args:
        X: skew, shape ``(*K, n, n)``.
    """
    n = X.shape[-1]
    log_volume = sum(math.log(2) + (k + 1) / 2 * math.log(math.pi) - math.lgamma((k + 1) / 2) for k in range(1, n))
    edge = math.pi * (1 + 1e3 * torch.finfo(X.dtype).eps)
    if n <= 2:
        largest = X.abs().amax((-2, -1))
        return torch.full_like(largest, -log_volume).masked_fill(largest > edge, -math.inf)
    angles = torch.linalg.eigvalsh(torch.complex(torch.zeros_like(X), -X))
    i, j = torch.triu_indices(n, n, 1, device=X.device)
    inside = angles.abs().amax(-1) <= edge
    # sinc takes its argument in half turns; outside the ball of angles its logarithm is never looked at.
    turns = torch.where(inside[..., None], (angles[..., i] + angles[..., j]) / (2 * math.pi), 0.0)
    return torch.where(inside, torch.sinc(turns).abs().log().sum(-1) - log_volume, -math.inf)
