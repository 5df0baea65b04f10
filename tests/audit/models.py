"""Small networks whose symmetry is known by construction, for the kill table and the tests of the audit.

Each takes one keyword, the bug that a mutant of it has, with its size; zero is the healthy network.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from erlangen.groups import Element, GLPlus, Hom, Scaling


def mlp(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def mixed(right: Tensor, wrong: Tensor, bug: float) -> Tensor:
    """A share ``bug`` of the wrong thing in place of the right one."""
    return (1 - bug) * right + bug * wrong


class Det(Hom):
    """The determinant of GLPlus(n), as an element of the scalings."""

    def __init__(self, n: int) -> None:
        super().__init__(GLPlus(n), Scaling())

    def __call__(self, g: Element) -> Element:
        assert isinstance(g, Tensor)
        return torch.linalg.det(g)[..., None, None]

    def on_algebra(self, A: Element) -> Element:
        assert isinstance(A, Tensor)
        return A.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]


class EGNN(nn.Module):
    """Satorras, Hoogeboom, Welling (2021), dense: ``x (B, n, 3), h (B, n, c) -> (x, h)`` under S_n x E(3)."""

    def __init__(self, channels: int = 4, layers: int = 2, absolute: float = 0.0) -> None:
        super().__init__()
        self.edge = nn.ModuleList([mlp(2 * channels + 1, 16, 16) for _ in range(layers)])
        self.shift = nn.ModuleList([mlp(16, 16, 1) for _ in range(layers)])
        self.node = nn.ModuleList([mlp(channels + 16, 16, channels) for _ in range(layers)])
        self.absolute = absolute

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        n = x.shape[-2]
        for edge, shift, node in zip(self.edge, self.shift, self.node, strict=True):
            gap = x[:, :, None] - x[:, None]
            squares = gap.square().sum(-1, keepdim=True)
            pairs = torch.cat([h[:, :, None].expand(-1, -1, n, -1), h[:, None].expand(-1, n, -1, -1), squares], -1)
            # The bug: messages see where the sender is.
            message = edge(pairs / (1 + squares)) * (1 + self.absolute * x[:, None].sum(-1, keepdim=True))
            x = x + (gap / (1 + gap.norm(dim=-1, keepdim=True)) * shift(message)).mean(2)
            h = h + node(torch.cat([h, message.mean(2)], -1))
        return x, h


class RaggedEGNN(nn.Module):
    """One layer of it on a PyG batch: ``pos, h, edge_index, batch -> (pos, energy per graph)``."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.edge, self.shift = mlp(2 * channels + 1, 16, 16), mlp(16, 1)
        self.energy = mlp(16, 1)

    def forward(self, pos: Tensor, h: Tensor, edge_index: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        i, j = edge_index
        gap = pos[i] - pos[j]
        message = self.edge(torch.cat([h[i], h[j], gap.square().sum(-1, keepdim=True)], -1))
        moved = pos + torch.zeros_like(pos).index_add(0, i, gap * self.shift(message))
        energy = message.new_zeros(int(batch.max()) + 1, 1).index_add(0, batch[i], self.energy(message))
        return moved, energy


class Distances(nn.Module):
    """Sorted pairwise distances of a cloud ``(B, n, d)``: invariant under S_n x E(d)."""

    def __init__(self, points: int) -> None:
        super().__init__()
        self.net = mlp(points * (points - 1) // 2, 16, 3)

    def forward(self, x: Tensor) -> Tensor:
        i, j = torch.triu_indices(x.shape[-2], x.shape[-2], 1)
        return self.net((x[:, i] - x[:, j]).norm(dim=-1).sort(-1).values)


class Forces(nn.Module):
    """Energy and forces of a cloud ``(B, n, d)``, the forces by differentiating the energy."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp(1, 16, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            squares = (x[:, :, None] - x[:, None]).square().sum(-1, keepdim=True)
            energy = self.net(squares / (1 + squares)).sum((1, 2))
            (gradient,) = torch.autograd.grad(energy.sum(), x)
        return energy.detach(), -gradient


class FrameNet(nn.Module):
    """Vectors ``(B, n, 3)`` in the frame of the first two of them: ``Q f(Q^T x)``, SO(3)-equivariant."""

    def __init__(self, vectors: int, transposed: float = 0.0) -> None:
        super().__init__()
        self.net = mlp(3 * vectors, 16, 3 * vectors)
        self.transposed = transposed

    def forward(self, x: Tensor) -> Tensor:
        a = nn.functional.normalize(x[:, 0], dim=-1)
        b = nn.functional.normalize(x[:, 1] - (x[:, 1] * a).sum(-1, keepdim=True) * a, dim=-1)
        frame = torch.stack([a, b, torch.linalg.cross(a, b)], -1)
        y = self.net((x @ frame).flatten(1)).view_as(x)
        return y @ mixed(frame.mT, frame, self.transposed)


class Vectors(nn.Module):
    """``(B, n, 3) -> (B, n, 3)``, O(3)-equivariant: invariant coefficients times the vectors themselves."""

    def __init__(self, vectors: int, leak: float = 0.0, parity: float = 0.0) -> None:
        super().__init__()
        self.net = mlp(vectors * vectors, 16, vectors * vectors)
        self.leak, self.parity = leak, parity

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[1]
        products = (x @ x.mT).flatten(1)
        weights = self.net(products / (1 + products.abs())).view(-1, n, n)
        y = weights @ x
        y = mixed(y, x.mean(0, keepdim=True).expand_as(x), self.leak)
        return mixed(y, torch.linalg.cross(x, x.roll(1, 1)), self.parity)


class Slater(nn.Module):
    """Determinant of orbitals of three electrons ``(B, 3, d)``: changes sign with every exchange."""

    def __init__(self, dim: int, sign: float = 0.0) -> None:
        super().__init__()
        self.orbitals = mlp(dim, 16, 3)
        self.sign = sign

    def forward(self, x: Tensor) -> Tensor:
        m = self.orbitals(x)
        total = torch.zeros_like(m[:, 0, 0])
        for p in itertools.permutations(range(3)):
            sign = 1 - 2 * (sum(p[i] > p[j] for i, j in itertools.combinations(range(3), 2)) % 2)
            term = m[:, 0, p[0]] * m[:, 1, p[1]] * m[:, 2, p[2]]
            # The missing sign: one odd term counts as if it were even.
            total = total + (mixed(sign * term, term, self.sign) if p == (1, 0, 2) else sign * term)
        return total[:, None]


class DeepSet(nn.Module):
    """Zaheer et al. (2017): ``(B, n, c) -> (B, out)``."""

    def __init__(self, channels: int, order: float = 0.0) -> None:
        super().__init__()
        self.inner, self.outer = mlp(channels, 16, 16), mlp(16, 16, 3)
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        place = torch.linspace(-1, 1, x.shape[1], dtype=x.dtype, device=x.device)[:, None]
        return self.outer((self.inner(x) * (1 + self.order * place)).mean(1))


class SetLayer(nn.Module):
    """``(B, n, c) -> (B, n, c)``: each node and the maximum of all."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.net = mlp(2 * channels, 16, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(torch.cat([x, x.amax(1, keepdim=True).expand_as(x)], -1))


class Density(nn.Module):
    """A density of point sets ``(B, n, 2)`` that transforms as densities do: ``p(g x) |det g| = p(x)``."""

    def __init__(self, jacobian: float = 0.0) -> None:
        super().__init__()
        self.net = mlp(1, 16, 1)
        self.jacobian = jacobian

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        covariance = centred.mT @ centred / x.shape[1]
        squares = torch.einsum("bni,bij,bnj->bn", centred, torch.linalg.inv(covariance), centred)
        shape = self.net(squares[..., None]).mean(1).exp()
        return shape * torch.linalg.det(covariance)[:, None] ** (-0.5 * (1 - self.jacobian))


class RingConv(nn.Module):
    """Convolutions of ``(B, channels, n)`` around a ring, equivariant to shifts."""

    def __init__(self, channels: int = 3, index: float = 0.0) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(1, channels, 3), nn.Conv1d(channels, 1, 3)
        self.index = index

    def pad(self, x: Tensor) -> Tensor:
        # The bug: the entry to the left of the first is taken one too early.
        left = mixed(x[..., -1:], x[..., -2:-1], self.index)
        return torch.cat([left, x, x[..., :1]], -1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.pad(self.first(self.pad(x)).tanh()))


class Centred(nn.Module):
    """Radii around the centroid of a cloud ``(B, n, 3)``, with a buffer that should follow every call."""

    centre: Tensor

    def __init__(self, points: int, stale: float = 0.0) -> None:
        super().__init__()
        self.net = mlp(points, 16, 3)
        self.stale = stale
        self.register_buffer("centre", torch.full((1, 1, 3), float("nan")))

    def forward(self, x: Tensor) -> Tensor:
        centre = x.mean(1, keepdim=True)
        if self.centre.isnan().any():
            self.centre = centre.mean(0, keepdim=True)
        centre = mixed(centre, self.centre, self.stale)
        return self.net((x - centre).norm(dim=-1).sort(-1).values.log())


class Normalised(nn.Module):
    """Radii behind a BatchNorm whose running statistics are those of training."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.SiLU(), nn.Linear(8, 3))
        for _ in range(20):
            self.net(torch.randn(32, 4).abs())

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.norm(dim=-1))


class NormGate(nn.Module):
    """Features ``4x0e+2x1o+1x2e``: mixed within each degree, degrees gated by scalars and norms."""

    def __init__(self) -> None:
        super().__init__()
        self.scalars, self.gates = mlp(7, 16, 4), mlp(7, 16, 3)
        self.mix = nn.Parameter(torch.randn(2, 2))

    def forward(self, x: Tensor) -> Tensor:
        s, v, d = x[..., :4], x[..., 4:10].unflatten(-1, (2, 3)), x[..., 10:]
        norms = torch.cat([v.square().sum(-1).add(1e-6).sqrt(), d.square().sum(-1, keepdim=True).add(1e-6).sqrt()], -1)
        known = torch.cat([s, norms], -1)
        known = known / (1 + known.abs())
        gates = self.gates(known)
        v = torch.einsum("oi,...ic->...oc", self.mix, v) * gates[..., :2, None]
        return torch.cat([self.scalars(known), v.flatten(-2), d * gates[..., 2:]], -1)


class PairNet(nn.Module):
    """Maron et al. (2019), PPGN: ``(B, n, n, c)``, products of matrices channel by channel."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.left, self.right = mlp(channels, 8, channels), mlp(channels, 8, channels)
        self.skip = mlp(2 * channels, 8, channels)

    def forward(self, x: Tensor) -> Tensor:
        product = torch.einsum("bijc,bjkc->bikc", self.left(x), self.right(x)) / x.shape[1]
        return self.skip(torch.cat([x, product], -1))


class Attention(nn.Module):
    """A transformer encoder on sets ``(B, n, c)``, with dropout that is silent in eval mode."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(channels, 2, 16, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x)


class Plain(nn.Module):
    """A small convolutional classifier of images ``(B, c, s, s)`` without any symmetry but its own."""

    def __init__(self, channels: int = 1, outputs: int = 3) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(channels, 6, 3, padding=1), nn.BatchNorm2d(6), nn.SiLU(), nn.Conv2d(6, outputs, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x).mean((-2, -1))


class Turned(nn.Module):
    """The mean of a network over the four quarter turns of its input."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.net(x.rot90(k, (-2, -1))) for k in range(4)]).mean(0)


class RoundConv(nn.Module):
    """Convolution with a kernel that looks the same from four sides: images to images."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(4, 1, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        kernel = sum(self.kernel.rot90(k, (-2, -1)) for k in range(4))
        y = nn.functional.conv2d(x, kernel, padding=1).tanh()
        return nn.functional.conv2d(y, kernel.transpose(0, 1), padding=1)


class Directions(nn.Module):
    """Scale-free: a network on ratios of lengths, times the size; degree one under scalings."""

    def __init__(self, vectors: int) -> None:
        super().__init__()
        self.net = mlp(3 * vectors, 16, 3 * vectors)

    def forward(self, x: Tensor) -> Tensor:
        size = x.square().mean((1, 2), keepdim=True).sqrt()
        return self.net((x / size).flatten(1)).view_as(x) * size


class Areas(nn.Module):
    """Signed areas spanned by vectors of the plane ``(B, n, 2)``: kept by SL(2)."""

    def __init__(self, vectors: int) -> None:
        super().__init__()
        self.net = mlp(vectors - 1, 16, 3)

    def forward(self, x: Tensor) -> Tensor:
        a, b = x[:, :-1], x[:, 1:]
        areas = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
        return self.net(areas / (1 + areas.abs()))


class Octahedral(nn.Module):
    """The sorted sizes of coordinates: kept by signed permutations of the axes."""

    def __init__(self, dim: int = 3) -> None:
        super().__init__()
        self.net = mlp(dim, 16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.abs().sort(-1).values)


class Complex(nn.Module):
    """Complex weights and a complex hidden feature, then its modulus: kept by turns of the plane."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 4, dtype=torch.cfloat))
        self.net = mlp(4, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = torch.complex(x[..., 0], x[..., 1])
        return self.net((z @ self.weight).abs())


class CastInside(nn.Module):
    """Computes in float32 whatever it is given: the promise is kept, but only to the rounding of float32."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp(1, 16, 3)

    def forward(self, x: Tensor) -> Tensor:
        radius = x.float().norm(dim=-1, keepdim=True).to(x.dtype)
        return self.net(radius)


class Shifted(nn.Module):
    """Another network whose invariant output is a large number plus its own."""

    def __init__(self, net: nn.Module, offset: float) -> None:
        super().__init__()
        self.net, self.offset = net, offset

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.net(*inputs) + self.offset
