"""Gaunt and Poisson coefficients: the two products as dense tensors."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

import torch
from jaxtyping import Float64
from torch import Tensor

from erlangen.o3.apart import kept_apart
from erlangen.o3.operation import POISSON, PRODUCT, Operation
from erlangen.o3.plan import Degrees, matrices


@kept_apart
def dense(operation: Operation, degrees1: Degrees, degrees2: Degrees, degrees_out: Degrees) -> Tensor:
    """The tensor of a bilinear operation, from Gauss-Legendre quadrature, shape ``(dim1, dim2, dim_out)``."""
    made = matrices(operation, "gl", (degrees1, degrees2), degrees_out)
    total = torch.zeros(0)
    for exponents, coefficient in operation.polynomials[0]:
        a, b = (made.analysis[i] for i, e in enumerate(exponents) if e)
        term = torch.stack([(row * b) @ made.synthesis[0] for row in a])
        total = coefficient * term if total.numel() == 0 else total + coefficient * term
    return total


def gaunt_coefficients(l1: int, l2: int, l3: int) -> Float64[Tensor, "d1 d2 d3"]:
    r"""Integrals of three real spherical harmonics, :math:`G_{ijk} = \int Y_i Y_j Y_k\, d\Omega`.

    A multiple of Wigner's 3j symbols: with :math:`w` of Frobenius norm one, :math:`G = \gamma\, w`,
    :math:`|\gamma| = \sqrt{(2l_1+1)(2l_2+1)(2l_3+1) / 4\pi}\; |\begin{pmatrix} l_1 & l_2 & l_3 \\ 0 & 0 & 0
    \end{pmatrix}|`. Zero unless the degrees make a triangle and have an even sum.

    Returns:
        Shape ``(2 l1 + 1, 2 l2 + 1, 2 l3 + 1)``, float64.

    Raises:
        ValueError: when a degree is negative.

    Example:
        >>> round(float(gaunt_coefficients(1, 1, 2).norm()), 7), float(gaunt_coefficients(1, 1, 1).norm()) < 1e-14
        (0.6909883, True)
    """
    return _block(PRODUCT, l1, l2, l3)


def poisson_coefficients(l1: int, l2: int, l3: int) -> Float64[Tensor, "d1 d2 d3"]:
    r"""The same for the Poisson product, :math:`\int Y_k\; p \cdot (\nabla Y_i \times \nabla Y_j)\, d\Omega`.

    A multiple :math:`\kappa` of Wigner's 3j symbols, with :math:`|\kappa| = \sqrt{(2l_1+1)(2l_2+1)(2l_3+1)\,
    l_1(l_1+1)\, l_2(l_2+1) / 4\pi}\; |\begin{pmatrix} l_1 & l_2 & l_3 \\ 1 & -1 & 0 \end{pmatrix}|`. Zero unless the
    degrees make a triangle and have an odd sum.

    Returns:
        Shape ``(2 l1 + 1, 2 l2 + 1, 2 l3 + 1)``, float64.

    Raises:
        ValueError: when a degree is negative.

    Example:
        >>> c = poisson_coefficients(1, 1, 1)
        >>> torch.allclose(c, -c.transpose(0, 1)), float(poisson_coefficients(1, 1, 2).norm()) < 1e-13
        (True, True)
    """
    return _block(POISSON, l1, l2, l3)


def _block(operation: Operation, *degrees: int) -> Tensor:
    if any(isinstance(l, bool) or not isinstance(l, int) or l < 0 for l in degrees):
        raise ValueError(f"coefficients of degrees l1, l2, l3: whole numbers >= 0, got {degrees}")
    l1, l2, l3 = degrees
    return dense(operation, (l1,), (l2,), (l3,)).clone()


@cache
def wigner_3j_size(l1: int, l2: int, l3: int, m: int) -> float:
    """The absolute value of Wigner's 3j symbol of three degrees and the orders m, -m, 0, by Racah's formula."""
    if not abs(l1 - l2) <= l3 <= l1 + l2 or m > min(l1, l2):
        return 0.0
    f = math.factorial
    triangle = Fraction(f(l1 + l2 - l3) * f(l1 - l2 + l3) * f(l2 + l3 - l1), f(l1 + l2 + l3 + 1))
    squares = triangle * f(l1 + m) * f(l1 - m) * f(l2 + m) * f(l2 - m) * f(l3) ** 2
    total = Fraction(0)
    for k in range(max(0, l2 - l3 - m, l1 - l3 - m), min(l1 + l2 - l3, l1 - m, l2 - m) + 1):
        below = f(k) * f(l3 - l2 + m + k) * f(l3 - l1 + m + k) * f(l1 + l2 - l3 - k) * f(l1 - m - k) * f(l2 - m - k)
        total += Fraction((-1) ** k, below)
    return math.sqrt(squares * total * total)


@cache
def coefficient_size(operation: Operation, l1: int, l2: int, l3: int) -> float:
    r"""The norms :math:`|\gamma|` and :math:`|\kappa|` of a block of Gaunt or Poisson coefficients."""
    scale = math.sqrt((2 * l1 + 1) * (2 * l2 + 1) * (2 * l3 + 1) / (4 * math.pi))
    if operation == PRODUCT:
        return scale * wigner_3j_size(l1, l2, l3, 0)
    if (l1 + l2 + l3) % 2 == 0:
        return 0.0
    return scale * math.sqrt(l1 * (l1 + 1) * l2 * (l2 + 1)) * wigner_3j_size(l1, l2, l3, 1)


def component_scale(operation: Operation, degrees1: Degrees, degrees2: Degrees, degrees_out: Degrees) -> list[float]:
    """For each output degree, the factor that gives components of variance one for independent normal inputs."""
    scales = []
    for l3 in degrees_out:
        power = sum(coefficient_size(operation, l1, l2, l3) ** 2 for l1 in degrees1 for l2 in degrees2)
        scales.append(math.sqrt((2 * l3 + 1) / power) if power > 0 else 1.0)
    return scales
