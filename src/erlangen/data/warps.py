r"""Images moved by random maps of the plane: affine ones, as in affNIST, and homographies, as in homNIST.

A map is a matrix of homogeneous coordinates, ``(3, 3)``: :math:`p \mapsto (A p + t) / (v^\top p + 1)` for

.. math:: M = \begin{pmatrix} A & t \\ v^\top & 1 \end{pmatrix}.

The origin is the image's centre, the first coordinate points right, the second up, and the unit is half the longer
side, as for `erlangen.groups.Pixels`. An affine map draws

.. math:: A = R(\alpha)\, \begin{pmatrix} 1 & k \\ 0 & 1 \end{pmatrix} \begin{pmatrix} s_x & 0 \\ 0 & s_y \end{pmatrix}

from uniform ranges, and a translation as far as all ink stays inside the frame.

The ranges are those that affNIST (T. Tieleman, 2013) is said to have, and the perspective of homographies is this
module's own choice: the published sets are read by `erlangen.data.affnist`, these are made like them.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate, pad

Images = Float[Tensor, "n channels height width"]
Maps = Float[Tensor, "n 3 3"]
Resized = Float[Tensor, "n channels {size} {size}"]

INK = 0.2
"""A pixel brighter than this is part of what a translation keeps inside the frame."""
_OUTSIDE = 4.0  # a coordinate that no image reaches


def random_affine(
    images: Images,
    generator: torch.Generator,
    *,
    rotation: float = 20.0,
    shear: float = 0.2,
    scale: tuple[float, float] = (0.8, 1.2),
    translate: bool = True,
) -> Maps:
    r"""Draws one affine map per image, in float64, so that all ink stays at least one pixel inside the frame.

    Args:
        images: The images; where their ink is decides how far a map may move it.
        generator: The randomness.
        rotation: Largest angle :math:`|\alpha|`, in degrees.
        shear: Largest :math:`|k|`.
        scale: Range of :math:`s_x` and of :math:`s_y`.
        translate: Whether to draw a translation; without it the centre stays where it is.

    Returns:
        Maps. Where the ink does not fit into the frame, the translation centres it.

    Raises:
        ValueError: If a range has no meaning.

    >>> image = torch.zeros(2, 1, 8, 8)
    >>> image[..., 3:5, 3:5] = 1.0
    >>> random_affine(image, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3, 3])
    """
    _require_images(images)
    if not 0 <= rotation <= 180 or not shear >= 0 or not math.isfinite(shear):
        raise ValueError(
            f"random_affine(rotation, shear): an angle from 0 to 180 degrees and a shear from 0, "
            f"got {rotation} and {shear}"
        )
    if not 0 < scale[0] <= scale[1] < math.inf:
        raise ValueError(f"random_affine(scale): two positive numbers in order, got {scale}")
    n = len(images)
    angle = _uniform(n, generator) * math.radians(rotation)
    k = _uniform(n, generator) * shear
    sizes = scale[0] + (scale[1] - scale[0]) * torch.rand(n, 2, generator=generator, dtype=torch.float64)
    cos, sin, one, zero = angle.cos(), angle.sin(), torch.ones_like(k), torch.zeros_like(k)
    turn = torch.stack([cos, -sin, sin, cos], -1).reshape(n, 2, 2)
    slant = torch.stack([one, k, zero, one], -1).reshape(n, 2, 2)
    linear = turn @ slant * sizes[:, None]
    maps = torch.eye(3, dtype=torch.float64).repeat(n, 1, 1)
    maps[:, :2, :2] = linear
    if translate:
        maps[:, :2, 2] = _translations(images, linear, generator)
    return maps


def random_homographies(
    images: Images, generator: torch.Generator, *, perspective: float = 0.2, least: float = 0.5, **ranges: float
) -> Maps:
    r"""Draws one homography per image, in float64: an affine map and a perspective :math:`v`.

    Args:
        images: The images.
        generator: The randomness.
        perspective: Largest :math:`|v_i|`.
        least: Draws :math:`v` again where :math:`v^\top p + 1` falls below this on the image's square.
        **ranges: Of the affine part, as for `random_affine`.

    Raises:
        ValueError: If a range has no meaning.
    """
    if not 0 <= perspective < math.inf or not 0 < least < 1:
        raise ValueError(
            f"random_homographies(perspective, least): from 0, and between 0 and 1, got {perspective} and {least}"
        )
    maps = random_affine(images, generator, **ranges)  # type: ignore[arg-type]
    v = torch.zeros(len(maps), 2, dtype=torch.float64)
    left = torch.ones(len(maps), dtype=torch.bool)
    while left.any():
        v[left] = perspective * _uniform((int(left.sum()), 2), generator)
        left = 1 - v.abs().sum(1) < least  # the smallest value on the square is at a corner
    maps[:, 2, :2] = v
    return maps


def warp(images: Images, maps: Float[Tensor, "maps 3 3"]) -> Images:
    r"""Moves images by maps, :math:`(M \cdot f)(p) = f(M^{-1} p)`: bilinear, zeros outside.

    Points that a homography carries beyond the horizon are outside.

    Args:
        images: One or more channels.
        maps: One invertible map per image.

    Raises:
        ValueError: If there is not one map per image.

    >>> half_turn = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))[None]
    >>> warp(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), half_turn)
    tensor([[[[4., 3.],
              [2., 1.]]]])
    """
    _require_images(images)
    if len(images) != len(maps):
        raise ValueError(f"warp(maps): one per image, got {len(maps)} for {len(images)}")
    if not len(images):
        return images
    height, width = images.shape[-2:]
    half = max(height, width) / 2
    back = torch.linalg.inv(maps.to(images.device))
    options = {"dtype": back.dtype, "device": back.device}
    right = (torch.arange(width, **options) - (width - 1) / 2) / half
    up = ((height - 1) / 2 - torch.arange(height, **options)) / half
    x, y = torch.meshgrid(right, up, indexing="xy")
    q = torch.stack([x, y, torch.ones_like(x)], -1) @ back.mT[:, None]
    # A map and its multiples are the same; of the signs that one is meant under which the image's centre is in front.
    weight = q[..., 2:] * maps.to(back.device)[:, None, None, 2:, 2].sign()
    source = torch.where(weight > 1e-9, q[..., :2] / q[..., 2:], _OUTSIDE)
    grid = torch.stack([source[..., 0] * half / (width / 2), -source[..., 1] * half / (height / 2)], -1)
    dtype = torch.promote_types(grid.dtype, images.dtype)
    moved = grid_sample(images.to(dtype), grid.to(dtype), mode="bilinear", padding_mode="zeros", align_corners=False)
    return moved.to(images.dtype)


def centred(images: Images, size: int) -> Resized:
    """Images of a larger frame, with zeros around; an odd number of rows or columns has its larger part below, right.

    Raises:
        ValueError: If the images are larger than the frame.
    """
    height, width = images.shape[-2:]
    if max(height, width) > size:
        raise ValueError(f"centred(size): at least {max(height, width)}, the images' size, got {size}")
    above, left = (size - height) // 2, (size - width) // 2
    return pad(images, (left, size - width - left, above, size - height - above))


def resized(images: Images, size: int) -> Resized:
    """Square images of another size: smaller ones by averages of areas, larger ones bilinearly."""
    if images.shape[-1] >= size:
        return interpolate(images, (size, size), mode="area")
    return interpolate(images, (size, size), mode="bilinear", align_corners=False)


def _require_images(images: Tensor) -> None:
    if images.ndim != 4 or not images.is_floating_point() or 0 in images.shape[1:]:
        raise ValueError(
            f"images: floating-point numbers of shape (n, channels, height, width), got {images.dtype} of shape "
            f"{tuple(images.shape)}"
        )


def _uniform(shape: int | tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform in [-1, 1)."""
    shape = (shape,) if isinstance(shape, int) else shape
    return 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1


def _translations(images: Tensor, linear: Tensor, generator: torch.Generator) -> Tensor:
    """Uniform over what keeps all ink one pixel inside; the middle of the range where there is no such."""
    height, width = images.shape[-2:]
    half = max(height, width) / 2
    rows, columns = torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64)
    y, x = torch.meshgrid(((height - 1) / 2 - rows) / half, (columns - (width - 1) / 2) / half, indexing="ij")
    places = torch.stack([x, y], -1).flatten(0, 1) @ linear.mT  # (n, pixels, 2)
    ink = (images.amax(1) > INK).flatten(1).cpu()[..., None]
    ink = ink | ~ink.any(1, keepdim=True)  # a blank image is kept whole
    low, high = torch.where(ink, places, math.inf).amin(1), torch.where(ink, places, -math.inf).amax(1)
    edge = torch.tensor([width, height]) / 2 / half - 1.5 / half  # centres of the pixels next to the border's
    least, most = -edge - low, edge - high
    draw = torch.rand(len(images), 2, generator=generator, dtype=torch.float64)
    return torch.where(least <= most, least + draw * (most - least), (least + most) / 2)
