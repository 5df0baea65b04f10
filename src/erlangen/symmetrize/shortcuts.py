"""The common cases in one call: point clouds and images."""

from __future__ import annotations

import torch
from torch import nn

from erlangen.groups import SE, SO, Action, Cyclic, E, Group, O, Points, QuarterTurns, Scalar, Symmetry, Vector
from erlangen.symmetrize.pca import PCAFrame
from erlangen.symmetrize.whole import WholeGroup
from erlangen.symmetrize.wrapper import Symmetrized, symmetrize


def _output(output: str | Action, known: dict[str, Action], function: str) -> Action:
    if isinstance(output, Action):
        return output
    if output not in known:
        raise ValueError(f"{function}(output): {', '.join(map(repr, known))} or an Action, got {output!r}")
    return known[output]


def symmetrize_points(
    backbone: nn.Module,
    group: Group,
    output: str | Action = "scalar",
    average: str = "full",
    degenerate: str = "raise",
    generator: torch.Generator | None = None,
) -> Symmetrized:
    """Makes a network on point clouds ``(batch, points, dim)`` invariant or equivariant.

    Args:
        backbone: takes the cloud, with any number of points it likes.
        group: O(d), SO(d), E(d) or SE(d), by the frame of principal axes; or a finite group of matrices, whole.
        output: "scalar" for numbers that do not change, "vector" for vectors that turn, "points" for points that also
            move; or any action. Vectors and points lie on the output's last axis.
        average: as in :func:`symmetrize`.
        degenerate: as in :class:`PCAFrame`.
        generator: as in :func:`symmetrize`.

    Raises:
        ValueError: for other groups or words.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 3))
        >>> symmetrize_points(net, SO(3), output="vector").symmetry
        SO(3): (Points(SO(3))) -> Vector(SO(3)), exact
    """
    if not isinstance(group, O | SO | E | SE) and (group.names or group.order is None):
        raise ValueError(f"symmetrize_points(group): O(d), SO(d), E(d), SE(d) or a finite group, got {group}")
    known: dict[str, Action] = {"scalar": Scalar(group), "vector": Vector(group), "points": Points(group)}
    out = _output(output, known, "symmetrize_points")
    principal = isinstance(group, O | SO | E | SE)
    frame = PCAFrame(group, degenerate=degenerate) if principal else WholeGroup(group)
    return symmetrize(backbone, Symmetry(group, (Points(group),), out), frame, average, generator)


def symmetrize_images(
    backbone: nn.Module,
    group: Cyclic = Cyclic(4),
    output: str | Action = "scalar",
    average: str = "full",
    generator: torch.Generator | None = None,
) -> Symmetrized:
    """Makes a network on square images ``(batch, channels, height, width)`` invariant or equivariant to quarter turns.

    Args:
        backbone: takes the images.
        group: Cyclic(4) for quarter turns, Cyclic(2) for half turns.
        output: "scalar" for numbers that do not change (class scores), "image" for images that turn; or any action.
        average: as in :func:`symmetrize`.
        generator: as in :func:`symmetrize`.

    Raises:
        ValueError: for other groups or words.

    Example:
        >>> net = nn.Conv2d(1, 1, 3, padding=1)
        >>> model, x = symmetrize_images(net, output="image"), torch.randn(2, 1, 8, 8)
        >>> torch.allclose(model(x.rot90(1, (-2, -1))), model(x).rot90(1, (-2, -1)), atol=1e-6)
        True
    """
    turns = QuarterTurns(group)
    out = _output(output, {"scalar": Scalar(group), "image": turns}, "symmetrize_images")
    return symmetrize(backbone, Symmetry(group, (turns,), out), WholeGroup(group), average, generator)
