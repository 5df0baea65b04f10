"""Every point by itself through shared layers, then the largest features of the cloud."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from erlangen.points.flat import read_inputs, require_task, segment_max
from erlangen.points.message_passing import split_outputs
from erlangen.points.output import PointOutput
from erlangen.points.perceptron import perceptron
from erlangen.points.promise import cloud_symmetry


class PointNet(nn.Module):
    r"""Shared layers on each point, the maximum over its cloud, and a dense head.

    .. math::
        f_i = \phi(x_i, p_i, v_i), \qquad c = \max_i W f_i, \qquad
        y = \psi(c) \;\text{ for a cloud}, \quad y_i = \psi(f_i, c) \;\text{ for a point}

    It keeps the order of the points, and nothing else: neither translations nor rotations. It looks at no edges, so it
    takes large clouds. Without the spatial transformers and the batch normalisation of the publication.

    Args:
        in_scalar: features of a point.
        hidden: width of the layers; the maximum is taken over four times as many features.
        out_scalar: numbers that come out.
        num_layers: layers on each point.
        in_vector: vectors of a point, such as normals.
        out_vector: vectors that come out; their coordinates are read off like any numbers.
        dim: of the space.
        task: "graph", one output for each cloud, or "node", one for each point.

    Raises:
        ValueError: if an argument has no meaning, or an input does not fit; see
            :func:`erlangen.points.flat.read_inputs`.
        TypeError: if an input has the wrong dtype.

    Source: Qi, Su, Mo, Guibas, "PointNet: Deep Learning on Point Sets for 3D Classification and Segmentation", 2017.

    Example:
        >>> net = PointNet(in_scalar=0, hidden=16, out_scalar=4, num_layers=2)
        >>> net(None, torch.randn(100, 3)).scalar.shape
        torch.Size([1, 4])
    """

    def __init__(
        self,
        in_scalar: int,
        hidden: int,
        out_scalar: int,
        num_layers: int,
        in_vector: int = 0,
        out_vector: int = 0,
        dim: int = 3,
        task: str = "graph",
    ) -> None:
        super().__init__()
        sizes = {"in_scalar": in_scalar, "hidden": hidden, "out_scalar": out_scalar, "num_layers": num_layers}
        require_task("PointNet", task, **sizes, in_vector=in_vector, out_vector=out_vector, dim=dim)
        self.in_scalar, self.out_scalar, self.in_vector, self.out_vector = in_scalar, out_scalar, in_vector, out_vector
        self.dim, self.task = dim, task
        self.points = perceptron(in_scalar + dim + in_vector * dim, *[hidden] * num_layers)
        self.widen = nn.Linear(hidden, 4 * hidden)
        width = 4 * hidden if task == "graph" else 5 * hidden
        self.head = perceptron(width, 2 * hidden, hidden, out_scalar + out_vector * dim)
        self.symmetry = cloud_symmetry(
            None, in_scalar=in_scalar, in_vector=in_vector, out_vector=out_vector, task=task, edges=False
        )

    def forward(
        self,
        x: Float[Tensor, "nodes in_scalar"] | None,
        pos: Float[Tensor, "nodes dim"],
        edge_index: Int[Tensor, "2 edges"] | None = None,
        batch: Int[Tensor, " nodes"] | None = None,
        vec: Float[Tensor, "nodes in_vector dim"] | None = None,
    ) -> PointOutput:
        """Numbers and vectors of every cloud, or every point.

        Args:
            x: features; None if there are none.
            pos: coordinates.
            edge_index: not looked at; it is there so that networks are interchangeable.
            batch: the cloud of each point, ascending; one cloud by default.
            vec: vectors; None if there are none.
        """
        clouds = read_inputs(
            self,
            x,
            pos,
            edge_index,
            batch,
            vec,
            in_scalar=self.in_scalar,
            in_vector=self.in_vector,
            dim=self.dim,
            edges=False,
        )
        points = nn.functional.silu(self.points(torch.cat([clouds.x, pos, clouds.vec.flatten(1)], -1)))
        cloud = segment_max(self.widen(points), clouds.batch, clouds.num_graphs)
        if self.task == "node":
            cloud = torch.cat([points, cloud[clouds.batch]], -1)
        return split_outputs(self.head(cloud), self.out_scalar, self.out_vector, self.dim)
