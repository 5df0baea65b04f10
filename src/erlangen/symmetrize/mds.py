"""Classical multidimensional scaling: coordinates from distances."""

from __future__ import annotations

import warnings

import torch
from jaxtyping import Float
from torch import Tensor

from erlangen.groups.action import require_real

#: Relative asymmetry, and relative size of the diagonal, that is taken for rounding in float64; float32 gets its own.
ROUNDING = 1e-9


def classical_mds(
    dist: Float[Tensor, "*batch n n"], dim: int, clip: bool = True
) -> tuple[Float[Tensor, "*batch n dim"], Float[Tensor, "*batch n"]]:
    r"""Points whose distances are the given ones, or nearly so where no such points exist.

    With squared distances :math:`D^{(2)}` and :math:`J = I - \frac1n 1 1^T`,

    .. math:: B = -\tfrac12 J D^{(2)} J = U \Lambda U^T, \qquad Z = U_d \Lambda_d^{1/2},

    where :math:`\Lambda_d` are the ``dim`` largest eigenvalues. :math:`B` holds the inner products of the centred
    points. It has no negative eigenvalue exactly if the distances are those of points in a Euclidean space; then, if
    these span at most ``dim`` dimensions, all distances are kept. Of other distances (in graphs, along roads) the
    negative eigenvalues say how far from Euclidean they are. Columns are orthogonal, in descending order, and defined
    up to their signs; hand them to :func:`mds_coordinates` to fix these. Costs :math:`O(n^3)`: for coordinates
    :func:`mds_coordinates` gives the same in :math:`O(n)`.

    Args:
        dist: symmetric distances with a zero diagonal; not squared.
        dim: number of coordinates. Those beyond the number of positive eigenvalues are zero, with a warning.
        clip: whether negative eigenvalues are taken for zero; if not, distances that have one are refused.

    Returns:
        The coordinates, and all eigenvalues of :math:`B`, descending, negative ones included.

    Raises:
        TypeError: when ``dist`` is not a real floating-point tensor.
        ValueError: when it is not square, symmetric and finite with zeros on the diagonal and nothing negative; when
            ``dim`` is no whole number from 1; without ``clip``, when the distances are not Euclidean.

    Source: Torgerson, "Multidimensional Scaling: I. Theory and Method", 1952.

    Example:
        >>> square = torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0], [0.0, 4.0]])
        >>> z, eigenvalues = classical_mds(torch.cdist(square, square), 2)
        >>> torch.allclose(torch.cdist(z, z), torch.cdist(square, square), atol=1e-5)
        True
        >>> eigenvalues.round().abs()
        tensor([16.,  9.,  0.,  0.])
    """
    require_real(dist, "classical_mds(dist)", "MDS")
    if dist.ndim < 2 or dist.shape[-1] != dist.shape[-2] or dist.shape[-1] < 1:
        raise ValueError(f"classical_mds(dist): shape (..., n, n), n from 1, got {tuple(dist.shape)}")
    if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
        raise ValueError(f"classical_mds(dim): a whole number from 1, got {dim!r}")
    _require_distances(dist)
    squared = dist.double().square()
    squared = (squared + squared.mT) / 2
    inner = -0.5 * _centred(_centred(squared).mT)
    values, vectors = torch.linalg.eigh(inner)
    values, vectors = values.flip(-1), vectors.flip(-1)
    top, n = values[..., :1].clamp_min(0), values.shape[-1]
    # Errors of n distances hardly add up beside the largest eigenvalue, which grows with n.
    rounding = (8 + n**0.5) * torch.finfo(dist.dtype).eps * values.abs().amax(-1, keepdim=True)
    if not clip and bool((values < -rounding).any()):
        raise ValueError(
            f"classical_mds(dist): Euclidean distances where clip=False, got an eigenvalue of {float(values.min()):.3g}"
            f" against a largest of {float(top.max()):.3g}"
        )
    positive = int((values > rounding).sum(-1).amin()) if values.numel() else dim
    if dim > positive:
        warnings.warn(
            f"classical_mds(dim): {dim} coordinates of distances with {positive} positive eigenvalues; the others are "
            "zero",
            stacklevel=2,
        )
    kept = torch.where(values > rounding, values, 0)[..., :dim]
    z = vectors[..., :dim] * kept.sqrt()[..., None, :]
    z = torch.nn.functional.pad(z, (0, dim - z.shape[-1]))
    return z.to(dist.dtype), values.to(dist.dtype)


def _centred(matrix: Tensor) -> Tensor:
    return matrix - matrix.mean(-1, keepdim=True)


def _require_distances(dist: Tensor) -> None:
    if not dist.numel():
        return
    size = float(dist.detach().abs().max())
    rounding = max(ROUNDING, 16 * torch.finfo(dist.dtype).eps) * size
    if float(dist.detach().min()) < 0:
        raise ValueError(f"classical_mds(dist): distances are not negative, got {float(dist.min()):.3g}")
    apart = float((dist - dist.mT).detach().abs().max())
    if apart > rounding:
        raise ValueError(f"classical_mds(dist): symmetric, got entries that differ by {apart:.3g} from their mirror")
    diagonal = float(dist.detach().diagonal(dim1=-2, dim2=-1).abs().max())
    if diagonal > rounding:
        raise ValueError(f"classical_mds(dist): zeros on the diagonal, got {diagonal:.3g}")


def stress(
    z: Float[Tensor, "*batch n dim"], dist: Float[Tensor, "*batch n n"], best_scale: bool = False
) -> Float[Tensor, "*batch"]:
    r"""How badly points keep given distances.

    .. math:: \sqrt{\textstyle\sum_{i<j} (\|z_i - z_j\| - d_{ij})^2 \big/ \sum_{i<j} d_{ij}^2}

    Args:
        z: the points.
        dist: the distances that they should have.
        best_scale: whether the points are first scaled by the factor that makes it least.

    Source: Kruskal, "Multidimensional Scaling by Optimizing Goodness of Fit to a Nonmetric Hypothesis", 1964.

    Example:
        >>> z = torch.tensor([[0.0], [1.0], [3.0]])
        >>> float(stress(z, (z - z.T).abs())), float(stress(2 * z, (z - z.T).abs(), best_scale=True))
        (0.0, 0.0)
    """
    if z.shape[-2] != dist.shape[-1]:
        raise ValueError(f"stress(z): {dist.shape[-1]} points, as many as dist has, got {z.shape[-2]}")
    found = (z[..., :, None, :] - z[..., None, :, :]).norm(dim=-1)
    if best_scale:
        size = found.square().sum((-2, -1))
        factor = (found * dist).sum((-2, -1)) / torch.where(size > 0, size, 1)
        found = factor[..., None, None] * found
    total = dist.square().sum((-2, -1))
    return ((found - dist).square().sum((-2, -1)) / torch.where(total > 0, total, 1)).sqrt()
