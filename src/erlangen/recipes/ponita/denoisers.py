"""Networks that tell noise from signal: PONITA with the noise level on edges, and the EGNN of equivariant diffusion.

Both read the noise level as the last feature of every node, and say the noise on features and, as one vector, on
positions, as :class:`erlangen.generative.EquivariantDiffusion` asks for.

Hoogeboom, Satorras, Vignac, Welling, "Equivariant Diffusion for Molecule Generation in 3D", 2022.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from erlangen.groups import E, Symmetry
from erlangen.points import PointOutput
from erlangen.points.flat import all_pairs, segment_sum
from erlangen.points.promise import cloud_symmetry


class LevelOnEdges(nn.Module):
    """A network that is told the noise level, which is the last feature of every node, on every edge, too.

    Args:
        network: takes ``edge_attr``, one number for each edge; gets all pairs of every cloud, and loops.

    Attributes:
        symmetry: what the network promises, of the inputs ``(x, pos, edge_index, batch)``; None if it promises nothing.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        given: Any = getattr(network, "symmetry", ())
        promises = (given,) if isinstance(given, Symmetry) else given
        self.symmetry = tuple(one.replace(inputs=one.inputs[:4]) for one in promises) or None

    def forward(
        self, x: Tensor, pos: Tensor, edge_index: Tensor | None, batch: Tensor, vec: Tensor | None = None
    ) -> PointOutput:
        """Scalars and vectors of every node."""
        if edge_index is None:
            loops = torch.arange(len(pos), device=pos.device)
            edge_index = torch.cat([all_pairs(batch), loops.expand(2, -1)], 1)
        return self.network(x, pos, edge_index, batch, vec, x[edge_index[0], -1:])


class DenoisingEGNN(nn.Module):
    r"""The EGNN of equivariant diffusion.

    Against :class:`erlangen.points.EGNN` it knows how far points were from each other at first, weighs messages by
    gates, and takes steps along differences of length below one, so that far points do not throw each other out:

    .. math::
        m_{ij} &= \phi_m(h_i, h_j, \|p_i - p_j\|^2, \|z_i - z_j\|^2), \qquad
        m_{ij} \leftarrow \mathrm{sigmoid}(\phi_g(m_{ij}))\, m_{ij} \\
        p_i &\leftarrow p_i + \sum_j \frac{p_i - p_j}{\|p_i - p_j\| + 1}\, \phi_p(m_{ij}), \qquad
        h_i \leftarrow h_i + \phi_h\Big(h_i, \sum_j m_{ij}\Big)

    beginning with :math:`p = z`. What it says is how far points have moved, and a linear map of the features.

    Args:
        in_scalar: features of a node, the noise level among them.
        hidden: width.
        out_scalar: numbers that come out.
        num_layers: rounds of messages.

    Source: Hoogeboom, Satorras, Vignac, Welling, "Equivariant Diffusion for Molecule Generation in 3D", 2022.
    """

    def __init__(self, in_scalar: int, hidden: int, out_scalar: int, num_layers: int) -> None:
        super().__init__()
        self.embed = nn.Linear(in_scalar, hidden)
        self.layers = nn.ModuleList(_Layer(hidden) for _ in range(num_layers))
        self.readout = nn.Linear(hidden, out_scalar)
        self.symmetry = cloud_symmetry(E(3), in_scalar=in_scalar, out_vector=1, task="node")

    def forward(
        self, x: Tensor, pos: Tensor, edge_index: Tensor | None, batch: Tensor, vec: Tensor | None = None
    ) -> PointOutput:
        """Scalars, and one vector, of every node."""
        edge_index = all_pairs(batch) if edge_index is None else edge_index
        first = _differences(pos, edge_index).square().sum(1, keepdim=True)
        h, place = self.embed(x), pos
        for layer in self.layers:
            h, place = layer(h, place, edge_index, first)
        return PointOutput(self.readout(h), (place - pos)[:, None])


class _Layer(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        # A linear map of (h_i, h_j, lengths) is the sum of three, of which two are taken of nodes, not of edges.
        self.source, self.target = nn.Linear(hidden, hidden, bias=False), nn.Linear(hidden, hidden)
        self.lengths = nn.Linear(2, hidden, bias=False)
        self.message = nn.Sequential(nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())
        self.gate = nn.Sequential(nn.Linear(hidden, 1), nn.Sigmoid())
        self.update = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        last = nn.Linear(hidden, 1, bias=False)
        nn.init.xavier_uniform_(last.weight, gain=0.001)  # points first stay where they are
        self.move = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), last)

    def forward(self, h: Tensor, pos: Tensor, edge_index: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        source, target = edge_index
        apart = _differences(pos, edge_index)
        square = apart.square().sum(1, keepdim=True)
        lengths = self.lengths(torch.cat([square, first], 1))
        m = self.message(self.source(h)[source] + self.target(h)[target] + lengths)
        m = self.gate(m) * m
        # The root has no slope at zero: points at the same place would have gradients that are not numbers.
        step = apart / (square.clamp_min(1e-12).sqrt() + 1)
        pos = pos + segment_sum(self.move(m) * step, target, len(pos))
        return h + self.update(torch.cat([h, segment_sum(m, target, len(h))], 1)), pos


def _differences(pos: Tensor, edge_index: Tensor) -> Tensor:
    return pos[edge_index[1]] - pos[edge_index[0]]
