"""Message passing on coordinates as they are, which knows nothing of rotations: the plain baseline."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from erlangen.groups import Translation
from erlangen.points.flat import centred, read_inputs, require_task, segment_sum
from erlangen.points.output import PointOutput
from erlangen.points.perceptron import perceptron
from erlangen.points.promise import cloud_symmetry


class Messages(nn.Module):
    r"""What neighbours tell a point, along every edge, :math:`m_{ij} = \phi(h_i, h_j, e_{ij})`.

    A network of two layers. Its first layer is linear in its three arguments, so that it runs on points, not on edges.

    Args:
        hidden: features of a point and of a message.
        edge_channels: features of an edge.
    """

    def __init__(self, hidden: int, edge_channels: int) -> None:
        super().__init__()
        self.target = nn.Linear(hidden, hidden)
        self.source = nn.Linear(hidden, hidden, bias=False)
        self.edge = nn.Linear(edge_channels, hidden, bias=False)
        self.second = nn.Linear(hidden, hidden)

    def forward(
        self,
        h: Float[Tensor, "nodes hidden"],
        edge_index: Int[Tensor, "2 edges"],
        edges: Float[Tensor, "edges edge_channels"],
    ) -> Float[Tensor, "edges hidden"]:
        """The message of every edge."""
        source, target = edge_index
        silu = nn.functional.silu
        first = self.target(h).index_select(0, target) + self.source(h).index_select(0, source) + self.edge(edges)
        return silu(self.second(silu(first)))


class PointGNN(nn.Module):
    r"""Plain message passing, with coordinates and vectors as features.

    .. math::
        h_i = W (x_i, p_i - \bar p, v_i), \qquad
        h_i \leftarrow h_i + \phi_h\Big(h_i, \sum_{j \to i} \phi_m(h_i, h_j, p_j - p_i)\Big)

    It keeps the order of the points and translations, not rotations. The read-out is a dense network on every point;
    for a whole cloud its outputs are summed.

    Args:
        in_scalar: features of a point.
        hidden: width.
        out_scalar: numbers that come out.
        num_layers: rounds of messages.
        in_vector: vectors of a point, such as velocities.
        out_vector: vectors that come out; their coordinates are read off like any numbers.
        dim: of the space.
        task: "graph", one output for each cloud, or "node", one for each point.

    Raises:
        ValueError: if an argument has no meaning, or an input does not fit; see
            :func:`erlangen.points.flat.read_inputs`.
        TypeError: if an input has the wrong dtype.

    Source: Gilmer, Schoenholz, Riley, Vinyals, Dahl, "Neural Message Passing for Quantum Chemistry", 2017.

    Example:
        >>> net = PointGNN(in_scalar=2, hidden=16, out_scalar=1, num_layers=2)
        >>> net(torch.randn(5, 2), torch.randn(5, 3), batch=torch.tensor([0, 0, 0, 1, 1])).scalar.shape
        torch.Size([2, 1])
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
        require_task("PointGNN", task, **sizes, in_vector=in_vector, out_vector=out_vector, dim=dim)
        self.in_scalar, self.out_scalar, self.in_vector, self.out_vector = in_scalar, out_scalar, in_vector, out_vector
        self.dim, self.task = dim, task
        self.embed = nn.Linear(in_scalar + dim + in_vector * dim, hidden)
        self.messages = nn.ModuleList(Messages(hidden, dim) for _ in range(num_layers))
        self.updates = nn.ModuleList(perceptron(2 * hidden, hidden, hidden) for _ in range(num_layers))
        self.readout = perceptron(hidden, hidden, out_scalar + out_vector * dim)
        self.symmetry = cloud_symmetry(
            Translation(dim), in_scalar=in_scalar, in_vector=in_vector, out_vector=out_vector, task=task
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
            edge_index: edges from sources to targets; all pairs of each cloud by default.
            batch: the cloud of each point, ascending; one cloud by default.
            vec: vectors; None if there are none.
        """
        clouds = read_inputs(
            self, x, pos, edge_index, batch, vec, in_scalar=self.in_scalar, in_vector=self.in_vector, dim=self.dim
        )
        assert clouds.edge_index is not None
        source, target = clouds.edge_index
        place = centred(clouds.pos, clouds.batch, clouds.num_graphs)
        apart = pos.index_select(0, source) - pos.index_select(0, target)
        h: Tensor = self.embed(torch.cat([clouds.x, place, clouds.vec.flatten(1)], -1))
        for messages, update in zip(self.messages, self.updates, strict=True):
            heard = segment_sum(messages(h, clouds.edge_index, apart), target, len(h))
            h = h + update(torch.cat([h, heard], -1))
        found = self.readout(h)
        if self.task == "graph":
            found = segment_sum(found, clouds.batch, clouds.num_graphs)
        return split_outputs(found, self.out_scalar, self.out_vector, self.dim)


def split_outputs(found: Tensor, out_scalar: int, out_vector: int, dim: int) -> PointOutput:
    """Reads the columns of a network that knows no vectors as numbers, then coordinates of vectors."""
    vector = found[:, out_scalar:].unflatten(1, (out_vector, dim)) if out_vector else None
    return PointOutput(found[:, :out_scalar], vector)
