"""Powers of features: the many-body step of atomic cluster expansion."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from erlangen.groups import Fixed, O, Symmetry
from erlangen.o3.constants import Constants
from erlangen.o3.layout import Unpack
from erlangen.o3.operation import power
from erlangen.o3.route import make_route
from erlangen.o3.signal import Signal, require_layout
from erlangen.o3.tensor_product import require_normalization


class GauntManyBody(Constants):
    r"""A polynomial of each channel's function on the sphere, with weights per order, element, channel and degree.

    .. math:: z_{c l} = \sum_{n=1}^{\nu} w^{(n)}_{e c l}\; P_l\big[f_c^n\big]

    where e is the element of the node, :math:`P_l` keeps degree l, and nothing is truncated before. It stands where
    MACE has its symmetric contraction, with one way to couple n factors instead of all: another, smaller family of
    functions.

    Args:
        irreps_in: e3nn's Irreps or their notation: one multiplicity, parities ``(-1) ** l``, or with a correlation of
            one ``-(-1) ** l``.
        irreps_out: of the same multiplicity and sign of parities; degrees up to ``correlation`` times those of
            ``irreps_in``.
        correlation: the largest power, :math:`\nu`.
        num_elements: kinds of nodes, each with weights of its own.
        method: as for :func:`gaunt_product`.
        normalization: "component": powers are scaled so that independent normal inputs give components whose square is
            one in the mean; or "integral", bare powers.
        layout: as for :class:`GauntTensorProduct`.
        generator: randomness of the first weights, which are normal with variance ``1 / correlation``.

    Raises:
        ValueError: when irreps do not fit, or an option is unknown; in ``forward`` when shapes do not fit.
        TypeError: in ``forward``, when a dtype does not fit.

    Source: Luo, Chen, Krishnapriyan, "Enabling Efficient Equivariant Operations in the Fourier Basis via Gaunt Tensor
    Products", 2024; Batatia, Kovacs, Simm, Ortner, Csanyi, "MACE: Higher Order Equivariant Message Passing Neural
    Networks for Fast and Accurate Force Fields", 2022.

    Example:
        >>> body = GauntManyBody("16x0e+16x1o+16x2e", "16x0e+16x1o", correlation=3, num_elements=4)
        >>> kinds = torch.nn.functional.one_hot(torch.arange(10) % 4, 4).float()
        >>> body(torch.randn(10, 144), kinds).shape
        torch.Size([10, 64])
    """

    def __init__(
        self,
        irreps_in: object,
        irreps_out: object,
        correlation: int,
        num_elements: int = 1,
        *,
        method: str = "auto",
        normalization: str = "component",
        layout: str = "flat",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        require_layout(layout, name)
        require_normalization(normalization, name)
        for argument, value in (("correlation", correlation), ("num_elements", num_elements)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}({argument}): a whole number >= 1, got {value!r}")
        one, out = Signal.read(irreps_in, f"{name}(irreps_in)"), Signal.read(irreps_out, f"{name}(irreps_out)")
        sign = one.sign(f"{name}(irreps_in)")
        if sign == -1 and correlation > 1:
            raise ValueError(f"{name}(irreps_in): parities (-1) ** l (0e+1o+2e+...) for powers, got {one}")
        if out.sign(f"{name}(irreps_out)") != sign or out.channels != one.channels:
            raise ValueError(f"{name}(irreps_out): multiplicity and parities as {one}, got {out}")
        largest = correlation * max(one.degrees)
        if max(out.degrees) > largest:
            raise ValueError(f"{name}(irreps_out): degrees up to {largest}, got {out}")
        self.irreps_in, self.irreps_out = one, out
        self.correlation, self.num_elements = correlation, num_elements
        self.route = make_route(power(1, correlation), method, (one.degrees,), out.degrees)
        self.unpack = Unpack(one, layout, self.route.orders_in[0], "x")
        self.pack = Unpack(out, layout, self.route.order_out, "output")
        of = [place for place, l in enumerate(out.degrees) for _ in range(2 * l + 1)]
        of = of if self.route.order_out is None else [of[k] for k in self.route.order_out]
        self.register_buffer("degree", torch.tensor(of), persistent=False)
        scale = torch.ones(correlation, len(out.degrees), dtype=torch.float64)
        if normalization == "component":
            rows = [_power_scale(one.degrees, n + 1, out.degrees) for n in range(correlation)]
            scale = torch.tensor(rows, dtype=torch.float64)
        self.keep("scale", scale)
        self.weight = nn.Parameter(torch.empty(correlation, num_elements, one.channels, len(out.degrees)))
        self.reset_parameters(generator)
        inputs = (one.representation(layout),) if num_elements == 1 else (one.representation(layout), Fixed())
        self.symmetry = Symmetry(O(3), inputs, out.representation(layout))

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draws new weights."""
        with torch.no_grad():
            draw = torch.randn(self.weight.shape, generator=generator)
            self.weight.copy_(draw / math.sqrt(self.correlation))

    def forward(self, x: Tensor, node_attrs: Tensor | None = None) -> Tensor:
        """The polynomial of every node.

        Args:
            x: shape ``(*, irreps_in.dim)``, or ``(*, channels, width)`` in that layout.
            node_attrs: shape ``(*, num_elements)``, one-hot or any mixture; may be left out for one element.

        Returns:
            Shape ``(*, irreps_out.dim)``, or ``(*, channels, width)``.
        """
        self.unpack.check(x)
        batch = self.unpack.batch(x)
        rows = self.unpack(x)
        items, channels, width = rows.shape
        powers = self.route(rows.to(self.route.wide(rows)).reshape(items * channels, width))
        weight = self.weight * self.get_buffer("scale")[:, None, None]
        weight = weight.index_select(-1, self.get_buffer("degree"))
        if self.num_elements > 1 or node_attrs is not None:
            weight = torch.einsum("be,necm->nbcm", self._kinds(node_attrs, batch).to(weight.dtype), weight)
        found = sum(w * p.reshape(items, channels, p.shape[1]) for w, p in zip(weight, powers, strict=True))
        assert isinstance(found, Tensor)
        return self.pack.back(found.to(x.dtype), batch)

    def _kinds(self, node_attrs: Tensor | None, batch: torch.Size) -> Tensor:
        shape = (*batch, self.num_elements)
        if node_attrs is None or tuple(node_attrs.shape) != shape:
            got = "nothing" if node_attrs is None else f"shape {tuple(node_attrs.shape)}"
            raise ValueError(f"node_attrs: shape {shape}, one number for each element, got {got}")
        return node_attrs.reshape(math.prod(batch), self.num_elements)

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"{self.irreps_in} -> {self.irreps_out}, correlation={self.correlation}, elements={self.num_elements}"


def _power_scale(degrees: tuple[int, ...], n: int, degrees_out: tuple[int, ...]) -> list[float]:
    r"""What brings the mean square of the components of a power to one, for independent normal coefficients.

    Values at two points are normal, with covariance :math:`K(t) = \sum_l \frac{2l+1}{4\pi} P_l(t)` for points at an
    angle of cosine t; the mean of the product of their n-th powers is a polynomial of K, by counting pairings.
    """
    nodes, weights = np.polynomial.legendre.leggauss(n * max(degrees) + max(degrees_out) + 1)
    kernel = np.zeros(1 + max(degrees))
    kernel[list(degrees)] = [(2 * l + 1) / (4 * math.pi) for l in degrees]
    between, own = np.polynomial.legendre.legval(nodes, kernel), float(kernel.sum())
    mean = np.zeros_like(nodes)
    for j in range(n % 2, n + 1, 2):
        pairs = (n - j) // 2
        ways = math.factorial(n) ** 2 / (math.factorial(j) * math.factorial(pairs) ** 2 * 4**pairs)
        mean += ways * own ** (2 * pairs) * between**j
    scales = []
    for l in degrees_out:
        power_of_degree = 2 * math.pi * float(weights @ (mean * np.polynomial.legendre.legval(nodes, [0] * l + [1])))
        scales.append(1 / math.sqrt(power_of_degree) if power_of_degree > 1e-12 else 1.0)
    return scales
