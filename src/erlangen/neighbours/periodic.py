r"""Neighbours in periodic cells: every point sees the images of the others, and of itself, within the cutoff.

With the periodic cell vectors as rows of :math:`P` and the columns :math:`q_k` of its pseudo-inverse, a point has
the fractions :math:`x \cdot q_k`. A step of length :math:`c` changes fraction :math:`k` by at most
:math:`c \|q_k\|`. So points are moved into the cell, and only those images are laid out whose fractions lie within
that margin around it; the images of a large cell are then not many more than its points.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial import KDTree
from torch import Tensor

from erlangen.neighbours.clouds import laid_apart

MOST_IMAGES = 10**8


def read_cells(cell: Tensor, pbc: object, cloud: np.ndarray, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Cell and periodic directions of each cloud, as ``(clouds, dim, dim)`` floats and ``(clouds, dim)`` booleans.

    Raises:
        ValueError: If shapes do not fit the dimension or the clouds, or a cell is not finite.
    """
    clouds = int(cloud.max()) + 1 if len(cloud) else 0
    shape = tuple(cell.shape)
    if shape[-2:] != (dim, dim) or cell.ndim not in (2, 3) or (cell.ndim == 3 and shape[0] < clouds):
        raise ValueError(
            f"radius_graph(cell): shape ({dim}, {dim}), or ({clouds}, {dim}, {dim}) for {clouds} clouds, got {shape}"
        )
    cells = cell.detach().to("cpu", torch.float64).numpy()
    if not np.isfinite(cells).all():
        raise ValueError("radius_graph(cell): finite vectors, got some that are not")
    if pbc is None:
        pbc = True
    periodic = pbc.detach().cpu().numpy() if isinstance(pbc, Tensor) else np.asarray(pbc)
    several = periodic.ndim == 2
    if periodic.dtype != bool or periodic.shape[periodic.ndim - 1 :] not in ((), (dim,)) or periodic.ndim > 2:
        raise ValueError(f"radius_graph(pbc): {dim} booleans, for all clouds or each, got {pbc}")
    if several and len(periodic) < clouds:
        raise ValueError(f"radius_graph(pbc): a row for each of {clouds} clouds, got {len(periodic)}")
    cells = np.broadcast_to(cells, (clouds, dim, dim)) if cells.ndim == 2 else cells[:clouds]
    return cells, periodic[:clouds] if several else np.broadcast_to(periodic, (clouds, dim))


class _Laid(NamedTuple):
    """Points of one cloud moved into its cell, the whole multiples that moved them, and the images around them."""

    inside: np.ndarray
    moved: np.ndarray
    images: np.ndarray
    owner: np.ndarray
    multiple: np.ndarray


def _lay_out(points: np.ndarray, cell: np.ndarray, periodic: np.ndarray, cutoff: float, name: int) -> _Laid:
    """Moves the points of one cloud into its cell and lays out their images."""
    span = cell[periodic]
    moved = np.zeros(points.shape, np.int64)
    if len(span) == 0:
        return _Laid(points, moved, points, np.arange(len(points)), moved)
    lengths = np.linalg.svd(span, compute_uv=False)
    if lengths[-1] <= 1e-10 * lengths[0]:
        raise ValueError(
            f"radius_graph(cell): {len(span)} independent vectors for the periodic directions, "
            f"got {span.tolist()} (cloud {name})"
        )
    inverse = np.linalg.pinv(span)
    fraction = points @ inverse
    whole = np.floor(fraction)
    moved[:, periodic] = whole.astype(np.int64)
    fraction = fraction - whole
    margin = cutoff * np.linalg.norm(inverse, axis=0) + 1e-6
    if (many := len(points) * math.prod((1 + 2 * margin).tolist())) > MOST_IMAGES:
        raise ValueError(
            f"radius_graph(cell): cells in which a cutoff of {cutoff} reaches at most {MOST_IMAGES} images, "
            f"got about {many:.1e} (cloud {name})"
        )
    owner = np.arange(len(points))
    multiple = np.zeros((len(points), len(span)), np.int64)
    for k, (places, border) in enumerate(zip(fraction.T, margin, strict=True)):
        farthest = math.ceil(border) + 1
        steps = np.arange(-farthest, farthest + 1)
        place = places[owner][:, None] + steps
        row, step = np.nonzero((place >= -border) & (place <= 1 + border))
        owner, multiple = owner[row], multiple[row]
        multiple[:, k] = steps[step]
    inside = points - whole @ span
    everywhere = np.zeros((len(owner), len(periodic)), np.int64)
    everywhere[:, periodic] = multiple
    return _Laid(inside, moved, inside[owner] + multiple @ span, owner, everywhere)


def pairs_of_images(
    points: np.ndarray, cloud: np.ndarray, cutoff: float, cells: np.ndarray, periodic: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sources and targets, and the whole multiples of cell vectors by which the source is to be shifted.

    Returns:
        Integers of shapes ``(2, edges)`` and ``(edges, dim)``, ordered by target, source, and multiples.
    """
    nothing = np.zeros((2, 0), np.int64), np.zeros((0, points.shape[1]), np.int64)
    if not len(points):
        return nothing
    order = np.argsort(cloud, kind="stable")
    names, starts = np.unique(cloud[order], return_index=True)
    members = np.split(order, starts[1:])
    laid = [
        _lay_out(points[rows], cells[name], periodic[name], cutoff, int(name))
        for name, rows in zip(names, members, strict=True)
    ]
    # One search for all clouds. The trees propose a little more than the cutoff; the distance computed below decides.
    inside = np.concatenate([part.inside for part in laid])
    images = np.concatenate([part.images for part in laid])
    extent = max(float(np.abs(points).max()), float(np.abs(images).max()))
    reach = cutoff * (1 + 1e-9) + 1e-12 * extent
    points_of = np.arange(len(names)).repeat([len(part.inside) for part in laid])
    images_of = np.arange(len(names)).repeat([len(part.images) for part in laid])
    tree = KDTree(laid_apart(inside, points_of, 2 * reach))
    proposed = tree.sparse_distance_matrix(
        KDTree(laid_apart(images, images_of, 2 * reach)), reach, output_type="ndarray"
    )
    # Images of a cloud are laid out by owner, then multiple, so one number per edge holds the whole order.
    keys = np.sort(order[proposed["i"]] * len(images) + proposed["j"])
    target, image = np.divmod(keys, len(images))
    source = np.concatenate([rows[part.owner] for rows, part in zip(members, laid, strict=True)])[image]
    moved = np.empty(points.shape, np.int64)
    moved[order] = np.concatenate([part.moved for part in laid])
    multiple = np.concatenate([part.multiple for part in laid])[image] - moved[source] + moved[target]
    vector = points[source] - points[target]
    shifted = np.flatnonzero(multiple.any(1))
    vector[shifted] += np.einsum("ek,ekd->ed", multiple[shifted], cells[cloud[target[shifted]]])
    # Changing all signs changes no rounding here: an edge and its reverse are kept or left out together.
    near = np.sqrt((vector**2).sum(1)) <= cutoff
    near &= (source != target) | multiple.any(1)
    return np.stack([source, target])[:, near], multiple[near]
