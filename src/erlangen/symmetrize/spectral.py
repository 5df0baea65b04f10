"""The frame of S_n for graphs, from the spectrum of the Laplacian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from erlangen.symmetrize.frame import pick
from erlangen.symmetrize.sorting import SortFrame, lexicographic_ranks


@dataclass(frozen=True, eq=False)
class SpectralFrame(SortFrame):
    r"""The permutations that sort the nodes of a graph by its spectrum.

    With the Laplacian :math:`L = D - A = \sum_k \lambda_k P_k` over its *distinct* eigenvalues, node ``i`` gets the key
    :math:`(\|P_k e_i\|)_k`, after its features if there are some. Keys do not depend on the choice of eigenvectors, and
    relabelling the nodes relabels them. Nodes with equal keys (at least those that an automorphism exchanges) can be
    sorted in any order, so a frame has :math:`\prod_j m_j!` elements for groups of :math:`m_j` equal keys; graphs with
    many need ``draws``. Eigenvalues closer than ``tol`` (relative to the largest) are taken for one, and so are key
    entries in a chain of gaps below ``tol_keys``: no rounding border cuts through equal values. Computed in float64,
    not differentiated.

    Args:
        group: ``Symmetric("n")`` or ``Symmetric(n)``.
        rows: which input is the adjacency matrix, symmetric, shape ``(B, n, n)``; weights are allowed.
        features: which input holds node features ``(B, n, channels)`` that sort before the spectrum, if any.
        sizes_input: which input holds the number of nodes ``(B,)`` of graphs padded with zeros to a common size, if
            any; padding sorts behind the nodes.
        tol: relative gap below which eigenvalues are one.
        tol_keys: gap below which two key entries are one.
        max_frame: as in :class:`SortFrame`, and so are degenerate, draws and generator.

    Raises:
        ValueError: for other groups; when called, for matrices that are not square and symmetric, and for too many
            equal keys under policy "raise".

    Source: Puny, Atzmon, Ben-Hamu, Misra, Grover, Smith, Lipman, "Frame Averaging for Invariant and Equivariant Network
    Design", 2022; tolerances instead of equality are ours.
    """

    features: int | str | None = None
    sizes_input: int | str | None = None
    tol: float = 1e-6
    tol_keys: float = 1e-5

    def ranks(self, *inputs: Any) -> Tensor:
        """The place of every node in sorted order, equal nodes sharing one; long, shape ``(B, n)``."""
        adjacency = self._adjacency(inputs)
        keys = spectral_keys(adjacency, self.tol)
        columns = [clustered(keys, self.tol_keys)]
        if self.features is not None:
            x = pick(inputs, self.features, "SpectralFrame(features)")
            if x.ndim != 3 or x.shape[:2] != adjacency.shape[:2]:
                raise ValueError(
                    f"SpectralFrame(features): shape {tuple(adjacency.shape[:2])} and channels, got {tuple(x.shape)}"
                )
            columns.insert(0, clustered(x.detach().double(), self.tol_keys))
        if self.sizes_input is not None:
            counts = pick(inputs, self.sizes_input, "SpectralFrame(sizes_input)")
            places = torch.arange(adjacency.shape[1], device=adjacency.device)
            # Padding sorts behind the nodes, in the order in which it stands: it is moved by nobody.
            columns.insert(0, (places - counts[:, None] + 1).clamp_min(0)[..., None])
        return lexicographic_ranks(torch.cat(columns, -1))

    def _adjacency(self, inputs: tuple[Any, ...]) -> Tensor:
        a = pick(inputs, self.rows, "SpectralFrame(rows)")
        if not isinstance(a, Tensor) or a.ndim != 3 or a.shape[1] != a.shape[2]:
            got = tuple(a.shape) if isinstance(a, Tensor) else type(a).__name__
            raise ValueError(f"SpectralFrame(rows): adjacency matrices of shape (B, n, n), got {got}")
        a = a.detach().double()
        if not bool(a.isfinite().all()):
            raise ValueError("SpectralFrame(rows): an adjacency matrix holds NaN or infinity")
        uneven = ((a - a.mT).abs().amax((1, 2)) > 1e-9 * a.abs().amax((1, 2))) if a.numel() else torch.zeros(0).bool()
        if bool(uneven.any()):
            first = int(uneven.nonzero()[0])
            raise ValueError(f"SpectralFrame(rows): adjacency matrices must be symmetric, sample {first} is not")
        return a


def spectral_keys(adjacency: Tensor, tol: float = 1e-6) -> Tensor:
    r"""The norms :math:`\|P_k e_i\|` of node vectors in the eigenspaces of the Laplacian.

    Args:
        adjacency: symmetric, float64, shape ``(B, n, n)``.
        tol: eigenvalues closer than this share of the largest are one.

    Returns:
        Shape ``(B, n, n)``: node, then distinct eigenvalue in ascending order; zero where there are fewer.
    """
    laplacian = adjacency.sum(-1).diag_embed() - adjacency
    values, vectors = torch.linalg.eigh(laplacian)
    if values.shape[1] == 0:
        return vectors
    scale = values.abs().amax(1, keepdim=True).clamp_min(1e-300)
    space = torch.nn.functional.pad((values[:, 1:] - values[:, :-1] > tol * scale).long().cumsum(1), (1, 0))
    squares = torch.zeros_like(vectors).scatter_add(2, space[:, None].expand(vectors.shape), vectors.square())
    return squares.clamp_min(0).sqrt()


def clustered(columns: Tensor, tol: float) -> Tensor:
    """Ranks of the entries of every column, ``(B, n, c)``; entries in a chain of gaps of at most ``tol`` share one."""
    ordered, order = columns.sort(dim=1)
    steps = (ordered[:, 1:] - ordered[:, :-1] > tol).long().cumsum(1)
    ranks = torch.nn.functional.pad(steps, (0, 0, 1, 0)) if columns.shape[1] else order
    return torch.zeros_like(order).scatter(1, order, ranks)
