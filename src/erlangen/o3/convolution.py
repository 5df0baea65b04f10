"""Convolution of features over the edges of a geometric graph."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from erlangen.groups import EdgeIndex, Fixed, Nodes, O, Symmetric, Symmetry, Vector
from erlangen.o3.coefficients import component_scale
from erlangen.o3.edges import FORMS, choose_form
from erlangen.o3.layout import Unpack
from erlangen.o3.operation import PRODUCT
from erlangen.o3.signal import Signal, require_layout
from erlangen.o3.tensor_product import DegreeWeight, require_normalization


class GauntConv(nn.Module):
    r"""Messages from neighbours: their features times a filter along the edge, summed.

    Per channel c, for every edge from j to i with direction :math:`\hat r`,

    .. math:: z_i = \sum_{j \to i} x_j \odot f_{ij}, \qquad f_{ij,l} = h_{cl}(e_{ij})\, Y_l(\hat r_{ij})

    where :math:`\odot` is the Gaunt product and :math:`h` the radial network. It has the paths of even sum of e3nn's
    ``uvu`` convolution, with one radial weight per channel and degree of the filter instead of one per path.

    Args:
        irreps_in: e3nn's Irreps or their notation: one multiplicity, parities ``p * (-1) ** l``.
        irreps_sh: the filter's degrees, of multiplicity one (``1x0e+1x1o+1x2e``).
        irreps_out: of the multiplicity of ``irreps_in``, with the parities of the product.
        radial: a module from ``edge_attr`` to ``(edges, weight_numel)``, which are ``h`` channel by channel.
        method: "grid" (messages are summed on the sphere), "edge" (carried back edge by edge), "aligned" (in the
            coordinates of the edge), or "auto". The results agree to rounding.
        normalization: "component", so that normal features and ``h = 1`` give messages of variance one, or "integral".
        layout: as for :class:`GauntTensorProduct`.

    Attributes:
        weight_numel: how many numbers ``radial`` must give for each edge.

    Raises:
        ValueError: when irreps do not fit, or an option is unknown; in ``forward``, when shapes do not fit, there is no
            node of an edge's number, or an edge has length zero, and so no direction.
        TypeError: in ``forward``, when a dtype does not fit.

    Source: Luo, Chen, Krishnapriyan, "Enabling Efficient Equivariant Operations in the Fourier Basis via Gaunt Tensor
    Products", 2024.

    Example:
        >>> radial = nn.Linear(8, 16 * 3)
        >>> conv = GauntConv("16x0e+16x1o", "1x0e+1x1o+1x2e", "16x0e+16x1o+16x2e", radial)
        >>> edge_index = torch.tensor([[0, 1, 2], [1, 2, 0]])
        >>> conv(torch.randn(3, 64), edge_index, torch.randn(3, 3), torch.randn(3, 8)).shape
        torch.Size([3, 144])
    """

    def __init__(
        self,
        irreps_in: object,
        irreps_sh: object,
        irreps_out: object,
        radial: nn.Module,
        *,
        method: str = "auto",
        normalization: str = "component",
        layout: str = "flat",
    ) -> None:
        super().__init__()
        name = type(self).__name__
        require_layout(layout, name)
        require_normalization(normalization, name)
        if method != "auto" and method not in FORMS:
            raise ValueError(f"{name}(method): one of auto, {', '.join(FORMS)}, got {method!r}")
        one, sh, out = (
            Signal.read(irreps, f"{name}({argument})")
            for irreps, argument in ((irreps_in, "irreps_in"), (irreps_sh, "irreps_sh"), (irreps_out, "irreps_out"))
        )
        if sh.channels != 1 or sh.sign(f"{name}(irreps_sh)") != 1:
            raise ValueError(f"{name}(irreps_sh): harmonics, 1x0e+1x1o+1x2e+..., got {sh}")
        sign = one.sign(f"{name}(irreps_in)")
        if out.channels != one.channels or out.sign(f"{name}(irreps_out)") != sign:
            raise ValueError(f"{name}(irreps_out): multiplicity and parities as {one}, got {out}")
        degree = max(one.degrees) + max(sh.degrees)
        if max(out.degrees) > degree:
            raise ValueError(f"{name}(irreps_out): degrees up to {degree}, got {out}")
        self.irreps_in, self.irreps_sh, self.irreps_out = one, sh, out
        self.radial = radial
        self.weight_numel = one.channels * len(sh.terms)
        degrees = one.degrees, sh.degrees, out.degrees
        self.form = (choose_form(*degrees) if method == "auto" else FORMS[method])(*degrees)
        self.unpack = Unpack(one, layout, None, "x")
        self.pack = Unpack(out, layout, None, "output")
        scale = [1.0] * len(out.terms)
        if normalization == "component":
            # Harmonics of components of variance one are larger than orthonormal ones by the root of 4 pi.
            scale = component_scale(PRODUCT, one.degrees, sh.degrees, out.degrees)
            scale = [math.sqrt(4 * math.pi) * s for s in scale]
        self.weight = DegreeWeight(out, 1, None, scale, learned=False)
        group = Symmetric("nodes")
        nodes = Nodes(group, features=1 if layout == "flat" else 2)
        self.symmetry = Symmetry(
            group * O(3),
            (nodes & one.representation(layout), EdgeIndex(group), Vector(O(3)), Fixed()),
            nodes & out.representation(layout),
        )

    def forward(self, x: Tensor, edge_index: Tensor, edge_vec: Tensor, edge_attr: Tensor) -> Tensor:
        """The messages summed at every node.

        Args:
            x: shape ``(nodes, irreps_in.dim)``, or ``(nodes, channels, width)`` in that layout.
            edge_index: long, shape ``(2, edges)``: sources, then targets.
            edge_vec: shape ``(edges, 3)``, of any length but zero.
            edge_attr: what the radial network takes, ``(edges, *)``: invariant numbers, as functions of the length.

        Returns:
            Shape ``(nodes, irreps_out.dim)``, or ``(nodes, channels, width)``.
        """
        self.unpack.check(x)
        edges = edge_vec.shape[0]
        if len(self.unpack.batch(x)) != 1:
            raise ValueError(f"x: one leading axis, nodes, got shape {tuple(x.shape)}")
        if edge_index.dtype != torch.long or tuple(edge_index.shape) != (2, edges):
            raise ValueError(f"edge_index: long, shape (2, {edges}), got {edge_index.dtype} {tuple(edge_index.shape)}")
        if tuple(edge_vec.shape) != (edges, 3) or edge_vec.dtype != x.dtype:
            raise ValueError(f"edge_vec: shape (edges, 3) of {x.dtype}, got {edge_vec.dtype} {tuple(edge_vec.shape)}")
        wide = self.form.wide(x)  # type: ignore[operator]
        length = torch.linalg.vector_norm(edge_vec.to(wide), dim=-1, keepdim=True)
        if not torch.compiler.is_compiling() and edges:
            if not bool(length.all()):
                first = int((length[:, 0] == 0).nonzero()[0])
                raise ValueError(f"edge_vec: edge {first} has length zero, and so no direction")
            low, high = edge_index.aminmax()
            if low < 0 or high >= x.shape[0]:
                raise ValueError(f"edge_index: numbers of {x.shape[0]} nodes, got {int(low)} to {int(high)}")
        h = self.radial(edge_attr)
        if tuple(h.shape) != (edges, self.weight_numel):
            raise ValueError(f"radial: must return shape ({edges}, {self.weight_numel}), got {tuple(h.shape)}")
        unit = edge_vec.to(wide) / length
        h = h.to(wide).unflatten(1, (self.irreps_in.channels, len(self.irreps_sh.terms)))
        source, target = edge_index
        found = self.weight(self.form(self.unpack(x).to(wide), h, unit, source, target))
        return self.pack.back(found.to(x.dtype), x.shape[:1])

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"{self.irreps_in} x {self.irreps_sh} -> {self.irreps_out}"
