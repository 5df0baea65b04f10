"""What every network on point clouds returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class PointOutput(NamedTuple):
    """Numbers and vectors, for each cloud (``task="graph"``) or each point (``task="node"``).

    Attributes:
        scalar: shape ``(graphs, out_scalar)`` or ``(nodes, out_scalar)``; what symmetries do not move.
        vector: shape ``(graphs, out_vector, dim)`` or ``(nodes, out_vector, dim)``; what turns with the cloud and does
            not move with it. None where the network has no vector outputs.
    """

    scalar: Tensor
    vector: Tensor | None
