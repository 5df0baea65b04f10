"""Local frames: every point sees its own neighbourhood in the axes of that neighbourhood."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from erlangen.groups import SE, SO, Action, E, Group, O, Points, Symmetry, Vector
from erlangen.groups.action import pull_back
from erlangen.groups.representation import Scalar
from erlangen.symmetrize.pca import PCAFrame
from erlangen.symmetrize.wrapper import symmetrize


def nearest_neighbours(x: Tensor, k: int) -> Tensor:
    """Indices of the k nearest points of every point, itself first, ``(B, n, d)`` to ``(B, n, k)``.

    Distances are those of the coordinates as they are, in float64 and without the shortcut through squares, which far
    from the origin loses them.

    Raises:
        ValueError: when ``x`` holds no clouds, or a cloud has fewer than k points.
    """
    if not isinstance(x, Tensor) or x.ndim != 3 or not x.is_floating_point():
        got = f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"nearest_neighbours(x): real coordinates of shape (B, n, d), got {got}")
    if not 1 <= k <= x.shape[1]:
        raise ValueError(f"nearest_neighbours(k): between 1 and the {x.shape[1]} points of a cloud, got {k}")
    x = x.double()
    distance = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    distance.diagonal(dim1=1, dim2=2).fill_(-1)  # itself first, also among points at the same place
    return distance.topk(k, dim=-1, largest=False).indices


class LocalFrames(nn.Module):
    """A network on patches of k neighbours, each averaged over the principal axes of its own patch.

    Patches ``(B * n, k, d)`` go through the backbone as samples of their own; its outputs come back as ``(B, n, ...)``,
    one per point, in world axes. Chaining layers whose outputs are vectors gives each its own new frames.

    Args:
        backbone: takes patches ``(P, k, d)`` of coordinates, returns ``(P, ...)``.
        group: O(d), SO(d), E(d) or SE(d).
        k: neighbours of a patch, the point itself among them.
        output: "scalar", "vector" or "points" as in :func:`symmetrize_points`, or an action.
        average: as in :func:`symmetrize`.
        degenerate: as in :class:`PCAFrame`; regular grids have many degenerate patches.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(6 * 3, 3))
        >>> layer = LocalFrames(net, SE(3), k=6, output="vector", degenerate="warn")
        >>> layer(torch.randn(2, 10, 3)).shape
        torch.Size([2, 10, 3])
    """

    def __init__(
        self,
        backbone: nn.Module,
        group: Group,
        k: int,
        output: str | Action = "vector",
        average: str = "full",
        degenerate: str = "raise",
    ) -> None:
        super().__init__()
        if not isinstance(group, O | SO | E | SE):
            raise ValueError(f"LocalFrames(group): O(d), SO(d), E(d) or SE(d), got {group}")
        known: dict[str, Action] = {"scalar": Scalar(group), "vector": Vector(group), "points": Points(group)}
        if isinstance(output, str) and output not in known:
            raise ValueError(f"LocalFrames(output): {', '.join(map(repr, known))} or an Action, got {output!r}")
        action = known[output] if isinstance(output, str) else pull_back(output, group)
        self.k = k
        frame = PCAFrame(group, degenerate=degenerate)
        self.patches = symmetrize(backbone, Symmetry(group, (Points(group),), action), frame, average)
        self.symmetry = Symmetry(
            group,
            (Points(group),),
            action,
            kind=self.patches.symmetry.kind,
            holds_where="distinct principal moments of every patch, no ties between neighbours",
        )

    def forward(self, x: Tensor) -> Tensor:
        """Coordinates ``(B, n, d)`` to one output per point ``(B, n, ...)``."""
        near = nearest_neighbours(x.detach(), self.k)
        count, n = x.shape[:2]
        rows = torch.arange(count, device=x.device)[:, None, None]
        return self.patches(x[rows, near].flatten(0, 1)).unflatten(0, (count, n))
