"""Convolutions whose kernels are linear in a basis of functions of pair invariants."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from erlangen.points.messages import Links


class PointConv(nn.Module):
    r"""Neighbours weighted by a kernel and summed.

    .. math:: y_i = b + \sum_{j \to i} k(a_{ij})\, x_j, \qquad k(a) = W \Phi(a)

    where the basis :math:`\Phi` of the pair invariants :math:`a_{ij}` is computed once and shared by all layers.

    Args:
        in_channels: features that come in.
        out_channels: features that go out.
        basis_dim: functions in the basis.
        groups: a channel reads channels of its group alone. By default as many as channels (depthwise) if as many come
            in as go out, and one otherwise.

    Raises:
        ValueError: for a size below 1, or groups that do not divide both numbers of channels.

    Example:
        >>> conv = PointConv(4, 4, basis_dim=8)
        >>> conv(torch.randn(3, 4), torch.tensor([[0, 1, 2], [1, 2, 2]]), torch.randn(3, 8)).shape
        torch.Size([3, 4])
    """

    def __init__(self, in_channels: int, out_channels: int, basis_dim: int, groups: int | None = None) -> None:
        super().__init__()
        self.groups = require_groups(type(self).__name__, in_channels, out_channels, groups)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel = nn.Linear(basis_dim, in_channels * out_channels // self.groups, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(
        self,
        x: Float[Tensor, "nodes in_channels"],
        edge_index: Int[Tensor, "2 edges"],
        basis: Float[Tensor, "edges basis_dim"],
    ) -> Float[Tensor, "nodes out_channels"]:
        """The sums.

        Args:
            x: features.
            edge_index: edges, sources then targets.
            basis: the basis at each edge's invariants.
        """
        return self.steps(x, Links(edge_index), self.kernel(basis))[-1] + self.bias

    def steps(self, x: Tensor, links: Links, kernel: Tensor, fiber_kernel: Tensor | None = None) -> list[Tensor]:
        """The result without bias, as the only one of a list, from the kernels of links."""
        if self.groups == self.in_channels == self.out_channels:
            return [links.sum(kernel, x)]
        kernel = kernel.unflatten(-1, _blocks(self))
        x = x.unflatten(-1, (self.groups, 1, -1)).expand(-1, *kernel.shape[1:])
        return [links.sum(kernel, x).sum(-1).flatten(-2)]

    def weights(self) -> list[nn.Linear]:
        """The linear maps that make the kernel of each step."""
        return [self.kernel]


class PositionOrientationConv(nn.Module):
    r"""Convolution over positions and orientations of features that live on a grid of orientations at each node.

    Separable, the default, is a convolution over positions for each orientation, then one over orientations:

    .. math::
        z_{io} = \sum_{j \to i} K(r_{ij}, n_o)\, x_{jo}, \qquad
        y_{ip} = b + \frac{1}{O} \sum_o \Psi(n_p, n_o)\, z_{io}

    with :math:`K = W_K \Phi` and :math:`\Psi = W_F \Phi'`, bases of the invariants of position and orientation and of
    two orientations. The first is depthwise, the second has the groups. Otherwise it is one convolution,

    .. math:: y_{ip} = b + \frac{1}{O} \sum_{j \to i} \sum_o k(r_{ij}, n_p, n_o)\, x_{jo},

    of which the separable one is the case of a product, at O times its cost.

    Args:
        in_channels: features of each orientation that come in.
        out_channels: features that go out.
        basis_dim: functions in each basis.
        groups: as for :class:`PointConv`.
        separable: as above.

    Raises:
        ValueError: for a size below 1, or groups that do not divide both numbers of channels; when called, for a basis
            of orientations that is missing, or not expected.

    Source: Bekkers, Vadgama, Hesselink, van der Linden, Romero, "Fast, Expressive SE(n) Equivariant Networks through
    Weight-Sharing in Position-Orientation Space", 2024.

    Example:
        >>> conv, edge_index = PositionOrientationConv(4, 4, basis_dim=8), torch.tensor([[0, 1, 2], [1, 2, 2]])
        >>> conv(torch.randn(3, 12, 4), edge_index, torch.randn(3, 12, 8), torch.randn(12, 12, 8)).shape
        torch.Size([3, 12, 4])
    """

    def __init__(
        self, in_channels: int, out_channels: int, basis_dim: int, groups: int | None = None, separable: bool = True
    ) -> None:
        super().__init__()
        self.groups = require_groups(type(self).__name__, in_channels, out_channels, groups)
        self.in_channels, self.out_channels, self.separable = in_channels, out_channels, separable
        mixed = in_channels * out_channels // self.groups
        self.kernel = nn.Linear(basis_dim, in_channels if separable else mixed, bias=False)
        self.fiber_kernel = nn.Linear(basis_dim, mixed, bias=False) if separable else None
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(
        self,
        x: Float[Tensor, "nodes orientations in_channels"],
        edge_index: Int[Tensor, "2 edges"],
        basis: Float[Tensor, "edges orientations basis_dim"]
        | Float[Tensor, "edges orientations orientations basis_dim"],
        fiber_basis: Float[Tensor, "orientations orientations basis_dim"] | None = None,
    ) -> Float[Tensor, "nodes orientations out_channels"]:
        """The convolution.

        Args:
            x: features.
            edge_index: edges, sources then targets.
            basis: the basis at the invariants of each edge and orientation; if not separable, of each edge and pair of
                orientations, the receiver's first.
            fiber_basis: the basis at the invariants of each pair of orientations, the receiver's first; only if
                separable.
        """
        if (fiber_basis is not None) != self.separable or basis.ndim != 4 - self.separable:
            raise ValueError(
                "PositionOrientationConv(basis, fiber_basis): shapes (edges, O, basis_dim) and (O, O, basis_dim) if "
                f"separable, else (edges, O, O, basis_dim) and None, got {tuple(basis.shape)} and "
                f"{None if fiber_basis is None else tuple(fiber_basis.shape)} with separable={self.separable}"
            )
        fiber_kernel = None if self.fiber_kernel is None else self.fiber_kernel(fiber_basis)
        return self.steps(x, Links(edge_index), self.kernel(basis), fiber_kernel)[-1] + self.bias

    def steps(self, x: Tensor, links: Links, kernel: Tensor, fiber_kernel: Tensor | None = None) -> list[Tensor]:
        """What comes out of each step, without bias, from the kernels of links and of pairs of orientations."""
        depthwise = self.groups == self.in_channels == self.out_channels
        if fiber_kernel is not None:
            z = links.sum(kernel, x)
            if depthwise:
                return [z, torch.einsum("poc,noc->npc", fiber_kernel, z) / x.shape[1]]
            fiber_kernel = fiber_kernel.unflatten(-1, _blocks(self))
            y = torch.einsum("pogab,nogb->npga", fiber_kernel, z.unflatten(-1, (self.groups, -1)))
            return [z, y.flatten(-2) / x.shape[1]]
        if not depthwise:
            kernel = kernel.unflatten(-1, _blocks(self))
            x = x.unflatten(-1, (self.groups, 1, -1))
        y = links.sum(kernel, x[:, None].expand(-1, *kernel.shape[1:])).mean(2)
        return [y if depthwise else y.sum(-1).flatten(-2)]

    def weights(self) -> list[nn.Linear]:
        """The linear maps that make the kernel of each step."""
        return [self.kernel] if self.fiber_kernel is None else [self.kernel, self.fiber_kernel]


def _blocks(conv: PointConv | PositionOrientationConv) -> tuple[int, int, int]:
    return conv.groups, conv.out_channels // conv.groups, conv.in_channels // conv.groups


def require_groups(name: str, in_channels: int, out_channels: int, groups: int | None) -> int:
    """The number of groups, if it fits the channels.

    Raises:
        ValueError: if it does not, or there are no channels.
    """
    if min(in_channels, out_channels) < 1:
        raise ValueError(f"{name}(in_channels, out_channels): at least 1, got {in_channels}, {out_channels}")
    if groups is None:
        return in_channels if in_channels == out_channels else 1
    if (
        isinstance(groups, bool)
        or not isinstance(groups, int)
        or groups < 1
        or in_channels % groups
        or out_channels % groups
    ):
        raise ValueError(f"{name}(groups): a divisor of {in_channels} and {out_channels} channels, got {groups!r}")
    return groups
