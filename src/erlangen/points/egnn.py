"""E(n)-equivariant message passing by distances and differences."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from erlangen.groups import E
from erlangen.points.flat import FlatClouds, read_edge_attr, read_inputs, require_task, segment_mean, segment_sum
from erlangen.points.message_passing import Messages
from erlangen.points.output import PointOutput
from erlangen.points.perceptron import perceptron
from erlangen.points.promise import cloud_symmetry


class EGNN(nn.Module):
    r"""Numbers are made of invariants, and points move along differences.

    With features :math:`h`, coordinates :math:`p` and vectors :math:`v`, each of the layers is

    .. math::
        m_{ij} &= \phi_m(h_i, h_j, \|p_i - p_j\|^2, e_{ij}) \\
        p_i &\leftarrow p_i + \frac{1}{|N(i)|} \sum_{j \to i} (p_i - p_j)\, \phi_p(m_{ij})
        + \sum_k \phi_{v,k}(h_i) v_{ik} \\
        h_i &\leftarrow h_i + \phi_h\Big(h_i, \sum_{j \to i} m_{ij}\Big)

    Vector outputs are how far points have moved in the end, and so, for one of them, the publication's own; several
    share all moves but the last, which each has for itself. Without vector outputs the last layer moves nothing. The
    numbers are a dense network on the features. For a whole cloud outputs are summed. It is exactly equivariant to E(n)
    and to permutations, and blind to chirality.

    Args:
        in_scalar: features of a point.
        hidden: width.
        out_scalar: numbers that come out.
        num_layers: rounds of messages.
        in_vector: vectors of a point, such as velocities; their lengths are features, too.
        out_vector: vectors that come out.
        dim: of the space.
        in_edge: invariant features of an edge.
        task: "graph", one output for each cloud, or "node", one for each point.

    Raises:
        ValueError: if an argument has no meaning, or an input does not fit; see
            :func:`erlangen.points.flat.read_inputs`.
        TypeError: if an input has the wrong dtype.

    Source: Satorras, Hoogeboom, Welling, "E(n) Equivariant Graph Neural Networks", 2021.

    Example:
        >>> net = EGNN(in_scalar=1, hidden=16, out_scalar=1, num_layers=2, in_vector=1, out_vector=1, task="node")
        >>> charge, position, velocity = torch.ones(5, 1), torch.randn(5, 3), torch.randn(5, 1, 3)
        >>> moved = net(charge, position, vec=velocity).vector
        >>> mirrored = net(charge, -position, vec=-velocity).vector
        >>> moved.shape, torch.allclose(mirrored, -moved, atol=1e-5)
        (torch.Size([5, 1, 3]), True)
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
        in_edge: int = 0,
        task: str = "graph",
    ) -> None:
        super().__init__()
        sizes = {"in_scalar": in_scalar, "hidden": hidden, "out_scalar": out_scalar, "num_layers": num_layers}
        sizes |= {"in_vector": in_vector, "out_vector": out_vector, "dim": dim, "in_edge": in_edge}
        require_task("EGNN", task, **sizes)
        self.in_scalar, self.in_vector, self.out_vector = in_scalar, in_vector, out_vector
        self.dim, self.in_edge, self.task = dim, in_edge, task
        # Without any features there is still one, the same for all, so that there is something to send.
        self.embed = nn.Linear(max(1, in_scalar + in_vector), hidden)
        self.messages = nn.ModuleList(Messages(hidden, 1 + in_edge) for _ in range(num_layers))
        # What is not read after the last layer is not there: features for vectors alone, moves for numbers alone.
        self.updates = nn.ModuleList(
            perceptron(2 * hidden, hidden, hidden) for _ in range(num_layers if out_scalar else num_layers - 1)
        )
        moves = [1] * (num_layers - 1) + [out_vector] * bool(out_vector)
        self.moves = nn.ModuleList(_Move(hidden, in_vector, count) for count in moves)
        self.readout = perceptron(hidden, hidden, out_scalar) if out_scalar else None
        self.symmetry = cloud_symmetry(
            E(dim), in_scalar=in_scalar, in_vector=in_vector, out_vector=out_vector, task=task, in_edge=in_edge
        )

    def forward(
        self,
        x: Float[Tensor, "nodes in_scalar"] | None,
        pos: Float[Tensor, "nodes dim"],
        edge_index: Int[Tensor, "2 edges"] | None = None,
        batch: Int[Tensor, " nodes"] | None = None,
        vec: Float[Tensor, "nodes in_vector dim"] | None = None,
        edge_attr: Float[Tensor, "edges in_edge"] | None = None,
    ) -> PointOutput:
        """Numbers and vectors of every cloud, or every point.

        Args:
            x: features; None if there are none.
            pos: coordinates.
            edge_index: edges from sources to targets; all pairs of each cloud by default.
            batch: the cloud of each point, ascending; one cloud by default.
            vec: vectors; None if there are none.
            edge_attr: invariant features of the edges; None if there are none.
        """
        clouds = read_inputs(
            self, x, pos, edge_index, batch, vec, in_scalar=self.in_scalar, in_vector=self.in_vector, dim=self.dim
        )
        attributes = read_edge_attr(self, pos, edge_index, edge_attr, self.in_edge)
        assert clouds.edge_index is not None
        source, target = clouds.edge_index
        h: Tensor = self.embed(self._features(clouds))
        # Moves are kept apart from coordinates, which round them far from the origin.
        between = pos.index_select(0, target) - pos.index_select(0, source)
        shift, moved = torch.zeros_like(pos), None
        for layer, messages in enumerate(self.messages):
            apart = between + (shift.index_select(0, target) - shift.index_select(0, source)) if layer else between
            square = apart.square().sum(-1, keepdim=True)
            m = messages(h, clouds.edge_index, square if attributes is None else torch.cat([square, attributes], -1))
            if layer < len(self.moves):
                move = self.moves[layer](h, m, apart, target, clouds.vec)
                moved = shift[:, None] + move
                shift = shift + move[:, 0]
            if layer < len(self.updates):
                h = h + self.updates[layer](torch.cat([h, segment_sum(m, target, len(h))], -1))
        scalar = pos.new_zeros(len(h), 0) if self.readout is None else self.readout(h)
        vector = moved if self.out_vector else None
        if self.task == "graph":
            scalar = segment_sum(scalar, clouds.batch, clouds.num_graphs)
            vector = None if vector is None else segment_sum(vector, clouds.batch, clouds.num_graphs)
        return PointOutput(scalar, vector)

    def _features(self, clouds: FlatClouds) -> Tensor:
        if not self.in_scalar + self.in_vector:
            return torch.ones_like(clouds.pos[:, :1])
        return torch.cat([clouds.x, torch.linalg.vector_norm(clouds.vec, dim=-1)], -1)


class _Move(nn.Module):
    """How far points move, ``(nodes, count, dim)``: along the differences to their neighbours and their own vectors."""

    def __init__(self, hidden: int, in_vector: int, count: int) -> None:
        super().__init__()
        self.along = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, count, bias=False))
        self.own = perceptron(hidden, hidden, count * in_vector) if in_vector else None
        last = self.along[-1]
        assert isinstance(last, nn.Linear)
        nn.init.xavier_uniform_(last.weight, gain=0.001)  # the publication's: points first stay where they are

    def forward(self, h: Tensor, m: Tensor, apart: Tensor, target: Tensor, vec: Tensor) -> Tensor:
        move = segment_mean(self.along(m)[:, :, None] * apart[:, None], target, len(h))
        if self.own is None:
            return move
        return move + self.own(h).unflatten(-1, (-1, vec.shape[1])) @ vec
