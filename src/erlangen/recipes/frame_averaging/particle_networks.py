"""Networks that say where charged particles will be: one that knows nothing of rotations, and what frames make of it.

All take positions ``(B, n, 3)``, velocities ``(B, n, 3)`` and charges ``(B, n)``, and return positions. Every particle
talks to every other: messages lie on dense ``(B, n, n)`` pairs.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from erlangen.groups import Action, E, Nodes, O, Points, Symmetric, Symmetry, Vector
from erlangen.symmetrize import PCAFrame, Symmetrized, symmetrize

S = Symmetric("n")
POSITIONS = Nodes(S) & Points(E(3))
PROMISE = Symmetry(
    S * E(3), inputs=(POSITIONS, Nodes(S) & Vector(O(3)), Nodes(S, features=0)), output=Nodes(S) & Points(E(3))
)
"""Renumbered, turned, mirrored and shifted particles have renumbered, turned, mirrored and shifted futures."""


class MessagePassing(nn.Module):
    r"""A layer that adds what all others tell a node.

    .. math:: h_i \leftarrow h_i + \phi_h\Big(h_i, \sum_{j \ne i} \phi_e(h_i, h_j, e_{ij})\Big)

    with two-layer networks :math:`\phi_e` and :math:`\phi_h`. The first layer of :math:`\phi_e` is linear in its three
    arguments, so that it is applied to nodes, not to pairs.

    Args:
        channels: features of a node.
        edge_channels: features of a pair.
    """

    def __init__(self, channels: int, edge_channels: int = 2) -> None:
        super().__init__()
        self.own = nn.Linear(channels, channels)
        self.others = nn.Linear(channels, channels, bias=False)
        self.edge = nn.Linear(edge_channels, channels, bias=False)
        self.message = nn.Linear(channels, channels)
        self.update = perceptron(2 * channels, channels, channels)

    def messages(self, h: Tensor, edges: Tensor) -> Tensor:
        r"""All :math:`\phi_e`, ``(B, n, n, channels)``; those of a node to itself are zero."""
        pairs = self.own(h)[:, :, None] + self.others(h)[:, None] + self.edge(edges)
        silu = nn.functional.silu
        return silu(self.message(silu(pairs))) * different(h)

    def forward(self, h: Tensor, edges: Tensor) -> Tensor:
        """From features ``(B, n, channels)`` and pairs ``(B, n, n, edge_channels)`` to new features."""
        return self.step(h, self.messages(h, edges))

    def step(self, h: Tensor, messages: Tensor) -> Tensor:
        r"""The last part, :math:`h_i + \phi_h`."""
        return h + self.update(torch.cat([h, messages.sum(2)], -1))


class GNN(nn.Module):
    """Message passing on coordinates as they are: it keeps permutations and translations, but not rotations.

    Nodes start from the position relative to the centroid and the velocity; pairs have the product of charges and the
    squared distance; what comes out is added to the position.

    Args:
        channels: features of a node.
        num_layers: rounds of messages.
    """

    def __init__(self, channels: int = 60, num_layers: int = 4) -> None:
        super().__init__()
        self.embed = nn.Linear(6, channels)
        self.layers = nn.ModuleList(MessagePassing(channels) for _ in range(num_layers))
        self.decode = perceptron(channels, channels, 3)

    def forward(self, position: Tensor, velocity: Tensor, charge: Tensor) -> Tensor:
        """Positions later on."""
        edges = pair_features(position, charge)
        h = self.embed(torch.cat([position - position.mean(1, keepdim=True), velocity], -1))
        for layer in self.layers:
            h = layer(h, edges)
        return position + self.decode(h)


class EGNN(nn.Module):
    r"""Equivariant by construction: numbers are made of invariants, and positions move along differences.

    .. math::
        m_{ij} = \phi_e(h_i, h_j, \|x_i - x_j\|^2, q_i q_j), \quad
        x_i \leftarrow x_i + \phi_v(h_i) v_i + \frac{1}{n - 1} \sum_{j \ne i} (x_i - x_j) \phi_x(m_{ij}), \quad
        h_i \leftarrow h_i + \phi_h(h_i, \sum_j m_{ij})

    Args:
        channels: features of a node.
        num_layers: rounds of messages.

    Source: Satorras, Hoogeboom, Welling, "E(n) Equivariant Graph Neural Networks", 2021.
    """

    def __init__(self, channels: int = 48, num_layers: int = 4) -> None:
        super().__init__()
        self.embed = nn.Linear(1, channels)
        self.layers = nn.ModuleList(MessagePassing(channels) for _ in range(num_layers))
        self.along = nn.ModuleList(perceptron(channels, channels, 1) for _ in range(num_layers))
        self.speed = nn.ModuleList(perceptron(channels, channels, 1) for _ in range(num_layers))
        for network in self.along:
            last = list(network.modules())[-1]
            assert isinstance(last, nn.Linear)
            nn.init.xavier_uniform_(last.weight, gain=0.001)  # the authors': positions first move by inertia
            nn.init.zeros_(last.bias)
        self.layers[-1].update.requires_grad_(False)  # features are not read after the last round
        self.symmetry = PROMISE

    def forward(self, position: Tensor, velocity: Tensor, charge: Tensor) -> Tensor:
        """Positions later on."""
        h, x = self.embed(velocity.norm(dim=-1, keepdim=True)), position
        for layer, along, speed in zip(self.layers, self.along, self.speed, strict=True):
            assert isinstance(layer, MessagePassing)
            messages = layer.messages(h, pair_features(x, charge))
            apart = x[:, :, None] - x[:, None]
            x = x + speed(h) * velocity + (apart * along(messages)).sum(2) / max(1, x.shape[1] - 1)
            if layer is not self.layers[-1]:
                h = layer.step(h, messages)
        return x


def framed(backbone: GNN) -> Symmetrized:
    """The network averaged over the eight principal frames of its particles; its weights stay the only ones."""
    return symmetrize(backbone, PROMISE, PCAFrame(E(3)))


class Reframed(nn.Module):
    """The layers of a `GNN`, each averaged over its own frames: those of the vectors that the layer before it made.

    Between layers the features of a node are read as ``channels / 3`` vectors. The weights are the network's own.

    Args:
        backbone: the network.

    Raises:
        ValueError: If its channels are not a multiple of three.
    """

    def __init__(self, backbone: GNN) -> None:
        super().__init__()
        channels = backbone.embed.out_features
        if channels % 3:
            raise ValueError(f"Reframed(backbone): channels come in threes, got {channels}")
        hidden, pairs = Nodes(S, features=2) & Vector(O(3)), Nodes(S, order=2)
        moving = Nodes(S) & Vector(O(3))

        def averaged(layer: nn.Module, inputs: tuple[Action, ...], output: Action) -> Symmetrized:
            return symmetrize(layer, Symmetry(S * O(3), inputs, output), PCAFrame(O(3)))

        layers = [averaged(_Embedding(backbone.embed), (moving, moving), hidden)]
        layers += [averaged(_OnVectors(layer), (hidden, pairs), hidden) for layer in backbone.layers]
        layers += [averaged(_OnVectors(backbone.decode), (hidden,), hidden)]
        self.first, *middle, self.last = layers
        self.middle = nn.ModuleList(middle)
        self.symmetry = PROMISE.replace(holds_where="distinct principal moments of every layer's vectors")

    def forward(self, position: Tensor, velocity: Tensor, charge: Tensor) -> Tensor:
        """Positions later on."""
        edges = pair_features(position, charge)
        h = self.first(position - position.mean(1, keepdim=True), velocity)
        for layer in self.middle:
            h = layer(h, edges)
        return position + self.last(h)[:, :, 0]


class _Embedding(nn.Module):
    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, position: Tensor, velocity: Tensor) -> Tensor:
        return self.layer(torch.cat([position, velocity], -1)).unflatten(-1, (-1, 3))


class _OnVectors(nn.Module):
    """A layer on numbers, given vectors: ``(B, n, vectors, 3)`` are read as ``(B, n, 3 * vectors)``."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, h: Tensor, *edges: Tensor) -> Tensor:
        return self.layer(h.flatten(2), *edges).unflatten(-1, (-1, 3))


def perceptron(*widths: int) -> nn.Sequential:
    """Linear layers with SiLU between them."""
    layers: list[nn.Module] = []
    for wide, next_wide in pairwise(widths):
        layers += [nn.Linear(wide, next_wide), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def pair_features(position: Tensor, charge: Tensor) -> Tensor:
    """Products of charges and squared distances of all pairs, ``(B, n, n, 2)``."""
    square = (position[:, :, None] - position[:, None]).square().sum(-1)
    return torch.stack([charge[:, :, None] * charge[:, None], square], -1)


def different(h: Tensor) -> Tensor:
    """One for pairs of different nodes, zero on the diagonal, ``(n, n, 1)``."""
    n = h.shape[1]
    return (1 - torch.eye(n, dtype=h.dtype, device=h.device))[..., None]
