"""The products of functions on the sphere, from coefficients to coefficients."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from erlangen.o3.operation import POISSON, PRODUCT, Operation, power
from erlangen.o3.route import kept_route, run


def gaunt_product(
    x: Float[Tensor, "*batch dim1"],
    y: Float[Tensor, "*batch2 dim2"],
    lmax_in1: int,
    lmax_in2: int,
    lmax_out: int | None = None,
    method: str = "auto",
) -> Float[Tensor, "*batch3 dim3"]:
    r"""The product of two functions on the sphere: multiply them point by point, keep the degrees up to ``lmax_out``.

    Coefficients are those of orthonormal real harmonics (:func:`real_spherical_harmonics`); nothing is normalised.

    .. math:: z_k = \sum_{ij} G_{ijk}\, x_i y_j, \qquad G_{ijk} = \int Y_i Y_j Y_k\, d\Omega

    Of the paths (l1, l2, l3) of a Clebsch-Gordan product it has those with even sum, with fixed weights. Commutative.
    With all degrees kept, ``lmax_out = lmax_in1 + lmax_in2``, it is associative, and
    :math:`f_z(p) = f_x(p) f_y(p)`. Backward keeps ``x`` and ``y`` only, and has derivatives of all orders.

    Args:
        x: shape ``(*, (lmax_in1 + 1) ** 2)``.
        y: shape ``(*, (lmax_in2 + 1) ** 2)``; leading axes broadcast.
        lmax_in1: largest degree of ``x``.
        lmax_in2: largest degree of ``y``.
        lmax_out: largest degree of the output, at most and by default the sum of the two.
        method: how: "auto" (the fastest as measured), "grid:interpolation", "grid:half", "grid:gl", "grid:lebedev",
            "fourier" (the publication's), or "dense" (the reference). The results agree to rounding.

    Returns:
        Shape ``(*, (lmax_out + 1) ** 2)``. float16 and bfloat16 are computed in float32.

    Raises:
        ValueError: when a degree or a shape does not fit, or the method is unknown.
        TypeError: when a dtype is not real floating point, the two differ, or "fourier" gets float16 or bfloat16.

    Source: Luo, Chen, Krishnapriyan, "Enabling Efficient Equivariant Operations in the Fourier Basis via Gaunt Tensor
    Products", 2024.

    Example:
        >>> x, one = torch.randn(8, 32, 9), torch.tensor([(4 * torch.pi) ** 0.5])
        >>> torch.allclose(gaunt_product(x, one, 2, 0), x, atol=1e-5)
        True
    """
    return _bilinear(PRODUCT, x, y, lmax_in1, lmax_in2, lmax_out, method)


def poisson_product(
    x: Float[Tensor, "*batch dim1"],
    y: Float[Tensor, "*batch2 dim2"],
    lmax_in1: int,
    lmax_in2: int,
    lmax_out: int | None = None,
    method: str = "auto",
) -> Float[Tensor, "*batch3 dim3"]:
    r"""The Poisson bracket of two functions on the sphere, :math:`\{f, g\}(p) = p \cdot (\nabla f \times \nabla g)`.

    It has exactly the paths (l1, l2, l3) that :func:`gaunt_product` lacks: those with odd sum. Antisymmetric; a
    derivation in both arguments; obeys Jacobi's identity when nothing is truncated. The degrees of the result end at
    ``lmax_in1 + lmax_in2 - 1``, and its parity is the opposite of the product's. With a function of degree 1 it is the
    rotation about an axis; of two functions of degree 1 it is :math:`\sqrt{3 / 4\pi}` times the cross product.

    Args, returns and errors are those of :func:`gaunt_product`.

    Example:
        >>> x = torch.randn(5, 16)
        >>> float(poisson_product(x, x, 3, 3).abs().max()) < 1e-5
        True
    """
    return _bilinear(POISSON, x, y, lmax_in1, lmax_in2, lmax_out, method)


def spherical_power(
    x: Float[Tensor, "*batch dim"], n: int, lmax_out: int | None = None, method: str = "auto"
) -> Float[Tensor, "*batch dim_out"]:
    r"""The n-th power of a function on the sphere, :math:`\int Y_k f_x^n\, d\Omega`, nothing truncated before the end.

    Args:
        x: shape ``(*, (lmax + 1) ** 2)``.
        n: exponent >= 1.
        lmax_out: largest degree of the output, at most and by default ``n * lmax``.
        method: as for :func:`gaunt_product`.

    Returns:
        Shape ``(*, (lmax_out + 1) ** 2)``.

    Raises:
        ValueError: when the exponent, a degree or a shape does not fit, or the method is unknown.
        TypeError: as :func:`gaunt_product`.

    Example:
        >>> x = torch.randn(5, 16, dtype=torch.float64)
        >>> torch.allclose(spherical_power(x, 2, 3), gaunt_product(x, x, 3, 3, 3))
        True
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"spherical_power(n): a whole number >= 1, got {n!r}")
    lmax = round(x.shape[-1] ** 0.5) - 1 if x.ndim else -1
    if lmax < 0:
        raise ValueError(f"spherical_power(x): shape (*, (lmax + 1) ** 2), got {tuple(x.shape)}")
    operation = power(n, n)
    lmax_out = _require_degree(operation, "lmax_out", n * lmax if lmax_out is None else lmax_out, n * lmax)
    _require_components(operation, "x", x, lmax, method)
    return _whole(operation, (x,), (lmax,), lmax_out, method)


def _bilinear(
    operation: Operation,
    x: Tensor,
    y: Tensor,
    lmax_in1: int,
    lmax_in2: int,
    lmax_out: int | None,
    method: str,
) -> Tensor:
    _require_degree(operation, "lmax_in1", lmax_in1)
    _require_degree(operation, "lmax_in2", lmax_in2)
    lmax_out = lmax_in1 + lmax_in2 if lmax_out is None else lmax_out
    _require_degree(operation, "lmax_out", lmax_out, lmax_in1 + lmax_in2)
    _require_components(operation, "x", x, lmax_in1, method)
    _require_components(operation, "y", y, lmax_in2, method)
    if x.dtype != y.dtype:
        raise TypeError(f"{operation.name}(x, y): of one dtype, got {x.dtype} and {y.dtype}")
    if x.device != y.device:
        raise ValueError(f"{operation.name}(x, y): on one device, got {x.device} and {y.device}")
    if x.shape[:-1] != y.shape[:-1]:
        try:
            batch = torch.broadcast_shapes(x.shape[:-1], y.shape[:-1])
        except RuntimeError:
            shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
            raise ValueError(f"{operation.name}(x, y): leading axes that broadcast, got shapes {shapes}") from None
        x, y = x.expand(*batch, -1), y.expand(*batch, -1)
    return _whole(operation, (x, y), (lmax_in1, lmax_in2), lmax_out, method)


def _whole(
    operation: Operation, inputs: tuple[Tensor, ...], lmaxes: tuple[int, ...], lmax_out: int, method: str
) -> Tensor:
    """Applies an operation to all degrees."""
    batch, dtype = inputs[0].shape[:-1], inputs[0].dtype
    wide = torch.promote_types(dtype, torch.float32)
    route = kept_route(operation, method, lmaxes, lmax_out, wide, inputs[0].device)  # type: ignore[call-arg]
    rows = [(x if dtype == wide else x.to(wide)).reshape(batch.numel(), x.shape[-1]) for x in inputs]
    found = run(route, rows)[0].reshape(*batch, (lmax_out + 1) ** 2)
    return found if dtype == wide else found.to(dtype)


def _require_degree(operation: Operation, name: str, degree: object, largest: int | None = None) -> int:
    if isinstance(degree, bool) or not isinstance(degree, int) or degree < 0:
        raise ValueError(f"{operation.name}({name}): a degree >= 0, got {degree!r}")
    if largest is not None and degree > largest:
        raise ValueError(f"{operation.name}({name}): at most {largest}, the degree of the whole result, got {degree}")
    return degree


def _require_components(operation: Operation, name: str, x: Tensor, lmax: int, method: str) -> None:
    if not isinstance(x, Tensor):
        raise TypeError(f"{operation.name}({name}): a tensor, got {type(x).__name__}")
    if not x.is_floating_point():
        raise TypeError(f"{operation.name}({name}): a real floating-point dtype, got {x.dtype}")
    if method == "fourier" and x.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{operation.name}(method='fourier'): {name} of float32 or float64, got {x.dtype}")
    if x.ndim < 1 or x.shape[-1] != (lmax + 1) ** 2:
        size = (lmax + 1) ** 2
        raise ValueError(f"{operation.name}({name}): last axis {size} for degrees up to {lmax}, got {tuple(x.shape)}")
