"""Principal axes of point clouds, and what is done where they are ambiguous. Shared by all frames made of them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from erlangen.symmetrize.clouds import Clouds
from erlangen.symmetrize.frame import report_degenerate

#: Relative gap of neighbouring eigenvalues below which principal axes are arbitrary.
GAP = 1e-6
#: Size of the deterministic shift, relative to the cloud, under policy "perturb".
SHIFT = 1e-4


class Principal(NamedTuple):
    """Centroid, second moments about it and their axes.

    Attributes:
        centre: ``(B, d)``; zero where clouds are not centred.
        offset: the coordinates from there, in the layout of the clouds.
        moments: their second moments, ``(B, d, d)``.
        values: moments along the axes, ascending, ``(B, d)``.
        axes: unit columns of arbitrary signs, ``(B, d, d)``.
    """

    centre: Tensor
    offset: Clouds
    moments: Tensor
    values: Tensor
    axes: Tensor


def principal_axes(
    clouds: Clouds,
    *,
    centred: bool = True,
    degenerate: str = "raise",
    grad: str = "detach",
    tol: float = GAP,
    caller: str = "principal_axes",
) -> Principal:
    r"""Eigenvectors of :math:`\sum_i w_i (x_i - t)(x_i - t)^T`, ascending.

    Args:
        clouds: coordinates in float64.
        centred: whether :math:`t` is the centroid, or zero.
        degenerate: what to do when neighbouring eigenvalues agree to a relative ``tol``: "raise", "warn", "perturb"
            (the axes of slightly shifted points), or anything else to go on in silence.
        grad: "detach", axes are constants; "full", axes that are not ambiguous are differentiated.
        tol: relative gap.
        caller: who is named in messages.

    Raises:
        ValueError: for ambiguous axes under policy "raise".
    """
    centre, offset, covariance = about_the_centre(clouds, centred)
    values, axes = small_eigh(covariance.detach())
    ambiguous = relative_gap(values) <= tol
    if grad == "full" and covariance.requires_grad:
        # Axes that are arbitrary have no derivative; those of another matrix in their place keep NaN out.
        d = values.shape[-1]
        other = torch.arange(1.0, d + 1, dtype=covariance.dtype, device=covariance.device).diag()
        clear = torch.where(ambiguous[:, None, None], other, covariance)
        axes = torch.where(ambiguous[:, None, None], axes, small_eigh(clear)[1])
    if bool(ambiguous.any()):
        report_ambiguous(values, ambiguous, degenerate, caller)
        if degenerate == "perturb":
            shifted = clouds.moved(clouds.x.detach() + _shift(clouds, values))
            _, _, other = about_the_centre(shifted, centred)
            axes = torch.where(ambiguous[:, None, None], small_eigh(other)[1], axes)
    return Principal(centre, offset, covariance, values, axes)


def report_ambiguous(values: Tensor, ambiguous: Tensor, degenerate: str, caller: str) -> None:
    """Raises, warns, or stays silent about samples, of which there are some, whose axes are ambiguous.

    Raises:
        ValueError: under policy "raise".
    """
    where = ambiguous.nonzero().flatten().tolist()
    report_degenerate(
        degenerate,
        f"{caller}: the principal axes of {len(where)} of {len(values)} samples are ambiguous (first: sample "
        f"{where[0]}, moments {[float(f'{v:.3g}') for v in values[where[0]]]})",
    )


def about_the_centre(clouds: Clouds, centred: bool) -> tuple[Tensor, Clouds, Tensor]:
    """Centroids (or zero), the coordinates from there, and their second moments."""
    centre = clouds.centre() if centred else clouds.x.new_zeros(clouds.count, clouds.x.shape[-1])
    offset = clouds.moved(clouds.x - clouds.each(centre)) if centred else clouds
    return centre, offset, offset.moments()


def relative_gap(values: Tensor) -> Tensor:
    """The least difference of neighbouring eigenvalues, against the largest; one in one dimension, zero for a point."""
    if values.shape[-1] == 1:
        return torch.ones_like(values[:, 0])
    top = values[:, -1]
    gap = (values[:, 1:] - values[:, :-1]).amin(1)
    return torch.where(top > 0, gap / torch.where(top > 0, top, 1), 0)


def small_eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    r"""Eigenvalues, ascending, and eigenvectors of symmetric matrices ``(B, d, d)``; in the plane in closed form.

    There, with :math:`\theta = \tfrac12 \operatorname{atan2}(2 m_{12},\, m_{11} - m_{22})`, the larger axis is
    :math:`(\cos\theta, \sin\theta)`: its first entry is never negative.
    """
    if matrix.shape[-1] != 2:
        values, axes = torch.linalg.eigh(matrix)
        return values, axes
    a, b, c = matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 1, 1]
    half, middle = (a - c) / 2, (a + c) / 2
    angle, radius = torch.atan2(b, half) / 2, torch.hypot(half, b)
    cos, sin = angle.cos(), angle.sin()
    axes = torch.stack([torch.stack([-sin, cos], -1), torch.stack([cos, sin], -1)], -2)
    return torch.stack([middle - radius, middle + radius], -1), axes


def _shift(clouds: Clouds, values: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = clouds.x.shape if clouds.graph is not None else clouds.x.shape[1:]
    noise = torch.randn(shape, generator=generator, dtype=torch.float64).to(clouds.x.device)
    size = SHIFT * values[:, -1].clamp_min(0).sqrt()
    size = torch.where(size > 0, size, SHIFT)
    return noise * clouds.each(size[:, None])
