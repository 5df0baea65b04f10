"""APEN: a network whose parts move independently, while it finds out what its parts are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from erlangen.groups import BatchVector, E, Fields, Fixed, Nodes, Points, Symmetry
from erlangen.points.flat import centred, read_inputs, require_task, segment_max, segment_mean
from erlangen.points.gaussian_partition import GaussianPartition
from erlangen.points.part_pointnet import PartPointNet
from erlangen.points.partition import Partition
from erlangen.points.perceptron import perceptron
from erlangen.points.piecewise import PiecewiseEquivariant
from erlangen.points.promise import NODES, cloud_symmetry
from erlangen.points.voronoi import voronoi_partition

#: Widths of the mixtures where none are given, from the finest to the coarsest, as shares of ``length``.
FINEST, COARSEST = 0.25, 0.6


class APENOutput(NamedTuple):
    """What APEN returns; the first two are a :class:`~erlangen.points.PointOutput`.

    Attributes:
        scalar: ``(graphs, out_scalar)`` or ``(nodes, out_scalar)``.
        vector: ``(graphs, out_vector, dim)`` or ``(nodes, out_vector, dim)``; None without vector outputs.
        votes: of each layer, where each point believes the centre of its part, ``(nodes, dim)``.
        partitions: of each layer, the partition that it worked with, from the finest to the coarsest.
    """

    scalar: Tensor
    vector: Tensor | None
    votes: tuple[Tensor, ...]
    partitions: tuple[Partition, ...]


class APEN(nn.Module):
    r"""Approximately piecewise equivariant network: layers on parts that grow from Voronoi cells to whole objects.

    Layer l treats each part of :math:`Z_l` alone, with a PointNet averaged over the principal frames of the part. Its
    invariant features go on to the next layer; its vote :math:`Y_l = v_i + \bar x_{j(i)}` for the centre of the point's
    true part decides the next partition, by a mixture of width :math:`\sigma_l`:

    .. math:: (f_{l+1}, Y_{l+1}) = \psi_l(f_l, X, Z_l), \qquad
       Z_{l+1} = \arg\max_j Q_{\sigma_{l}}(Y_{l+1}, Z_l), \qquad Z_1 = \mathrm{Voronoi}(X, k)

    A dense head reads the features of all layers. The network is exactly equivariant under motions of a whole cloud,
    and under independent motions of its true parts as long as every partition refines them and the motions do not
    change the cells; with the probability :math:`\lambda` that a partition does not refine, and its uncertainty
    :math:`\delta`, the expected error is at most :math:`(\lambda + \delta) M`. With ``parts=1`` it averages whole
    clouds over their frames.

    Lengths: coordinates are divided by ``length``, a constant. (Scaling every cloud by its own size would undo the
    symmetry, since that changes as the parts move apart.)

    Args:
        in_scalar: invariant features of a point.
        hidden: width of the layers and of the head.
        out_scalar: numbers that come out, such as logits.
        num_layers: layers.
        in_vector: vectors of a point, seen by every layer in the frames of its parts.
        out_vector: vectors that come out, from the last layer; of a cloud, their mean.
        dim: of the space, 2 or 3.
        task: "node", or "graph" with the maximum of all features over the points before the head.
        parts: number of Voronoi cells of the first partition; a cell should hold at least eight points.
        sigmas: widths of the mixtures in units of ``length``, one between two layers, rising; by default from a quarter
            to three fifths.
        channels: invariant features of each layer.
        length: the diameter of a typical true part, over about 2.4, in the units of the coordinates.
        tau: see :class:`GaussianPartition`.

    Raises:
        ValueError: if an argument has no meaning, a cloud has fewer points than ``parts``, or an input does not fit;
            see :func:`erlangen.points.flat.read_inputs`.
        TypeError: if an input has the wrong dtype.

    Source: Atzmon, Huang, Williams, Litany, "Approximately Piecewise E(3) Equivariant Point Networks", 2024.

    Example:
        >>> net = APEN(in_scalar=0, hidden=16, out_scalar=4, num_layers=3, parts=8, task="node")
        >>> out = net(None, torch.randn(64, 3))
        >>> out.scalar.shape, out.votes[0].shape, [int(part.num_parts) for part in out.partitions][0]
        (torch.Size([64, 4]), torch.Size([64, 3]), 8)
    """

    def __init__(
        self,
        in_scalar: int,
        hidden: int,
        out_scalar: int,
        num_layers: int = 4,
        in_vector: int = 0,
        out_vector: int = 0,
        dim: int = 3,
        task: str = "graph",
        *,
        parts: int = 32,
        sigmas: Sequence[int | float] | None = None,
        channels: int = 32,
        length: int | float = 1.0,
        tau: int | float = 0.0,
    ) -> None:
        super().__init__()
        sizes = {"in_scalar": in_scalar, "hidden": hidden, "out_scalar": out_scalar, "num_layers": num_layers}
        sizes |= {"in_vector": in_vector, "out_vector": out_vector, "dim": dim, "parts": parts, "channels": channels}
        require_task("APEN", task, **sizes)
        if not math.isfinite(length) or length <= 0:
            raise ValueError(f"APEN(length): a finite number above 0, got {length}")
        sigmas = _default_sigmas(num_layers - 1) if sigmas is None else tuple(sigmas)
        if len(sigmas) != num_layers - 1 or any(b <= a for a, b in pairwise(sigmas)):
            raise ValueError(f"APEN(sigmas): {num_layers - 1} rising numbers, one between two layers, got {sigmas}")
        self.in_scalar, self.in_vector, self.out_vector = in_scalar, in_vector, out_vector
        self.dim, self.task, self.parts, self.length, self.channels = dim, task, parts, float(length), channels
        layers = []
        for layer in range(num_layers):
            features = in_scalar if layer == 0 else channels
            vectors = 1 + (out_vector if layer == num_layers - 1 else 0)
            backbone = PartPointNet(features, dim * (1 + in_vector), hidden, channels + vectors * dim, dim)
            layers.append(PiecewiseEquivariant(backbone, channels, vectors, E(dim)))
        self.layers = nn.ModuleList(layers)
        self.mixtures = nn.ModuleList(GaussianPartition(sigma, tau, implicit_grad=False) for sigma in sigmas)
        self.head = perceptron(num_layers * channels, hidden, out_scalar) if out_scalar else None
        shared = cloud_symmetry(
            E(dim),
            in_scalar=in_scalar,
            in_vector=in_vector,
            out_vector=out_vector,
            task=task,
            edges=False,
            holds_where="no two seeds, parts or centres equally near",
        )
        self.symmetry = _promise(shared, num_layers, dim)

    def forward(
        self,
        x: Float[Tensor, "nodes in_scalar"] | None,
        pos: Float[Tensor, "nodes dim"],
        edge_index: Int[Tensor, "2 edges"] | None = None,
        batch: Int[Tensor, " nodes"] | None = None,
        vec: Float[Tensor, "nodes in_vector dim"] | None = None,
    ) -> APENOutput:
        """Numbers and vectors of every cloud or point, and the votes and partitions of every layer.

        Args:
            x: features; None if there are none.
            pos: coordinates.
            edge_index: not looked at; it is there so that networks are interchangeable.
            batch: the cloud of each point, ascending; one cloud by default.
            vec: vectors; None if there are none.
        """
        widths = {"in_scalar": self.in_scalar, "in_vector": self.in_vector, "dim": self.dim}
        clouds = read_inputs(self, x, pos, edge_index, batch, vec, **widths, edges=False)
        # Seen from the centroid, float32 is precise wherever a cloud lies; votes are seen from their points.
        position = centred(clouds.pos, clouds.batch, clouds.num_graphs) / self.length
        part = voronoi_partition(position, self.parts, clouds.batch)
        features, read, vectors = clouds.x, [], None
        votes, partitions = [], []
        for number, layer in enumerate(self.layers):
            if number:
                with torch.no_grad():
                    part = self.mixtures[number - 1](votes[-1].detach(), part).partition
            given = clouds.vec if self.in_vector else None
            features, vectors = layer(features, position, part, given)
            assert vectors is not None
            mean = segment_mean(position, part.cell, part.num_cells)
            votes.append(vectors[:, 0] + mean[part.cell])
            partitions.append(part)
            read.append(features)
        every = torch.cat(read, -1)
        if self.task == "graph":
            every = segment_max(every, clouds.batch, clouds.num_graphs)
        scalar = every.new_zeros(len(every), 0) if self.head is None else self.head(every)
        vector = None
        if self.out_vector:
            assert vectors is not None
            vector = vectors[:, 1:]
            if self.task == "graph":
                vector = segment_mean(vector, clouds.batch, clouds.num_graphs)
        return APENOutput(scalar, vector, tuple(pos + (v - position) * self.length for v in votes), tuple(partitions))


def vote_loss(
    votes: Sequence[Float[Tensor, "nodes dim"]], centers: Float[Tensor, "nodes dim"], length: int | float = 1.0
) -> Float[Tensor, ""]:
    r"""How far votes are from the true centres, :math:`\sum_l \mathrm{mean}\, |Y_l - c| / \mathrm{length}`.

    Args:
        votes: of each layer.
        centers: the centre of the true part of each point.
        length: that of the network.

    Example:
        >>> vote_loss([torch.zeros(2, 3), torch.ones(2, 3)], torch.ones(2, 3))
        tensor(1.)
    """
    if not votes:
        raise ValueError("vote_loss(votes): those of at least one layer, got none")
    return torch.stack([(vote - centers).abs().mean() for vote in votes]).sum() / length


def _default_sigmas(count: int) -> tuple[float, ...]:
    """Evenly spaced in their logarithm."""
    if count < 2:
        return (COARSEST,) * count
    return tuple(FINEST * (COARSEST / FINEST) ** (i / (count - 1)) for i in range(count))


def _promise(shared: Symmetry, layers: int, dim: int) -> Symmetry:
    """What all networks on clouds promise, and the same of votes and partitions."""
    assert isinstance(shared.output, Fields)
    scalar, *vector = (action for _, action in shared.output.items)
    votes = (Nodes(NODES) & Points(E(dim)),) * layers
    partitions = ((Nodes(NODES, features=0), BatchVector(NODES), Fixed()),) * layers
    return shared.replace(output=(scalar, *(vector or [None]), votes, partitions))
