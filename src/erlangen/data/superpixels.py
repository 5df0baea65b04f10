r"""Images as clouds of superpixels: patches of pixels that are near each other and alike.

Centres :math:`(r, c, v)` of place and brightness start on a square grid. Then, alternately, each pixel joins the centre
nearest to it,

.. math:: d^2 = \frac{(r - r_k)^2 + (c - c_k)^2}{s^2} + \frac{(v - v_k)^2}{m^2},

with the spacing s of the grid, and each centre moves to the mean of its pixels. A small m follows edges closely, a
large one gives compact patches.

Achanta, Shaji, Smith, Lucchi, Fua, Süsstrunk, "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods", 2012.
Here every centre is compared with every pixel, and no patch is cut where it is not connected.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

_AT_ONCE = 64  # images; all distances of so many lie in memory together


def superpixels(
    images: Float[Tensor, "images 1 height width"], side: int = 9, compactness: float = 0.5, rounds: int = 5
) -> tuple[Float[Tensor, "images superpixels 2"], Float[Tensor, "images superpixels"]]:
    """Places and brightness of the superpixels of each image.

    Args:
        images: Brightness, about from 0 to 1.
        side: Superpixels along each side of the grid they start on; ``side ** 2`` in all.
        compactness: How far brightness may differ, against the spacing of the grid, m above.
        rounds: How often pixels choose and centres move.

    Returns:
        Centres ``(row, column)`` in pixels, the first pixel's at 0, and mean brightness. A superpixel that no pixel
        chooses stays where it was.

    Raises:
        ValueError: If there are more superpixels along a side than pixels, or an argument is not positive.

    >>> image = torch.zeros(1, 1, 4, 4)
    >>> image[..., 2:] = 1.0
    >>> places, brightness = superpixels(image, side=2)
    >>> places[0].tolist(), brightness[0].tolist()
    ([[0.5, 0.5], [0.5, 2.5], [2.5, 0.5], [2.5, 2.5]], [0.0, 1.0, 0.0, 1.0])
    """
    height, width = images.shape[-2:]
    if not 1 <= side <= min(height, width):
        raise ValueError(f"superpixels(side): from 1 to {min(height, width)} along a side of the images, got {side}")
    if not compactness > 0 or rounds < 1:
        raise ValueError(f"superpixels(compactness, rounds): above zero, got {compactness} and {rounds}")
    found = [_of_few(few, side, compactness, rounds) for few in images.split(_AT_ONCE)]
    places, brightness = zip(*found, strict=True) if found else ((images.new_zeros(0, side**2, 2),), ())
    return torch.cat(places), torch.cat(brightness) if brightness else images.new_zeros(0, side**2)


def _of_few(images: Tensor, side: int, compactness: float, rounds: int) -> tuple[Tensor, Tensor]:
    height, width = images.shape[-2:]
    rows, columns = torch.arange(height).to(images), torch.arange(width).to(images)
    spacing = (height * width) ** 0.5 / side
    place = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1).flatten(0, 1) / spacing
    pixels = torch.cat([place.expand(len(images), -1, -1), images.flatten(1)[..., None] / compactness], -1)
    middle = (torch.arange(side).to(images) + 0.5) / side
    start = [middle * size - 0.5 for size in (height, width)]
    centres = torch.stack(torch.meshgrid(*start, indexing="ij"), -1).flatten(0, 1) / spacing
    nearest = torch.cdist(place, centres).argmin(0)
    centres = torch.cat([centres.expand(len(images), -1, -1), pixels[:, nearest, 2:]], -1)
    for _ in range(rounds):
        choice = torch.cdist(pixels, centres).argmin(-1)
        count = pixels.new_zeros(centres.shape[:2]).scatter_add_(1, choice, torch.ones_like(pixels[..., 0]))
        total = torch.zeros_like(centres).scatter_add_(1, choice[..., None].expand_as(pixels), pixels)
        centres = torch.where(count[..., None] > 0, total / count.clamp_min(1)[..., None], centres)
    return centres[..., :2] * spacing, centres[..., 2] * compactness
