"""The Gaunt tensor product as a layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from erlangen.groups import O, Symmetry
from erlangen.o3.coefficients import component_scale
from erlangen.o3.constants import Constants
from erlangen.o3.layout import Unpack
from erlangen.o3.operation import POISSON, PRODUCT, Operation
from erlangen.o3.route import make_route
from erlangen.o3.signal import Signal, require_layout

NORMALIZATIONS = ("component", "integral")


class GauntTensorProduct(nn.Module):
    r"""The channel-wise product of two sets of features, as functions on the sphere.

    Per channel, with weights per degree,

    .. math:: z_{l_3} = w^3_{l_3}\, P_{l_3}\big[(w^1 x)(w^2 y)\big]

    where :math:`P_l` keeps degree l of a function. This has the paths of e3nn's ``uuu`` tensor product whose degrees
    have an even sum, with weights :math:`w^1_{l_1} w^2_{l_2} w^3_{l_3}` instead of one for each path: fewer functions,
    computed faster. It is the same function as an e3nn tensor product only where that one's weights factorise
    (:func:`from_e3nn`). Paths of odd sum, among them the cross product, come with ``antisymmetric=True``, through the
    Poisson product and at about three times the cost; they are the ones whose parity is that of a pseudo-tensor.

    Args:
        irreps_in1: e3nn's Irreps or their notation. All degrees have the same multiplicity, and parities
            ``p * (-1) ** l`` with one sign ``p``, as functions on the sphere have (``16x0e+16x1o+16x2e``).
        irreps_in2: likewise, with the same multiplicity or with one, which meets every channel.
        irreps_out: which outputs to keep; by default all that are reached.
        method: as for :func:`gaunt_product`.
        weights: "degree", or ``None`` for a product without parameters.
        antisymmetric: whether to have the paths of odd sum, too.
        normalization: "component", so that independent normal inputs give outputs of variance one (the weights start at
            one), or "integral", the bare product.
        layout: "flat", e3nn's, or "channels", which is faster: shape ``(*, channels, width)``, where the components of
            a channel stand degree by degree.

    Attributes:
        irreps_in1: a :class:`Signal`; ``str`` gives e3nn's notation, ``dim`` its size. Likewise ``irreps_in2`` and
            ``irreps_out``.

    Raises:
        ValueError: when irreps cannot be multiplied so, an output is not reached, or an option is unknown; and in
            ``forward``, when shapes do not fit.
        TypeError: in ``forward``, when a dtype is not real floating point, or not the module's.

    Source: Luo, Chen, Krishnapriyan, "Enabling Efficient Equivariant Operations in the Fourier Basis via Gaunt Tensor
    Products", 2024.

    Example:
        >>> product = GauntTensorProduct("16x0e+16x1o", "16x0e+16x1o")
        >>> str(product.irreps_out), product(torch.randn(10, 64), torch.randn(10, 64)).shape
        ('16x0e+16x1o+16x2e', torch.Size([10, 144]))
        >>> cross = GauntTensorProduct("1x1o", "1x1o", "1x1e", antisymmetric=True, weights=None)
        >>> a, b = torch.randn(2, 5, 3)
        >>> torch.allclose(cross(a, b), torch.linalg.cross(a, b) / 2**0.5, atol=1e-5)
        True
    """

    def __init__(
        self,
        irreps_in1: object,
        irreps_in2: object,
        irreps_out: object | None = None,
        *,
        method: str = "auto",
        weights: str | None = "degree",
        antisymmetric: bool = False,
        normalization: str = "component",
        layout: str = "flat",
    ) -> None:
        super().__init__()
        name = type(self).__name__
        require_layout(layout, name)
        require_normalization(normalization, name)
        if weights not in ("degree", None):
            raise ValueError(f"{name}(weights): 'degree' or None, got {weights!r}")
        one, two = Signal.read(irreps_in1, f"{name}(irreps_in1)"), Signal.read(irreps_in2, f"{name}(irreps_in2)")
        sign = one.sign(f"{name}(irreps_in1)") * two.sign(f"{name}(irreps_in2)")
        if two.channels not in (1, one.channels):
            raise ValueError(
                f"{name}(irreps_in2): multiplicity {one.channels}, that of irreps_in1, or 1, got {two.channels}"
            )
        reached = _reached(one, two, sign, antisymmetric)
        out = reached if irreps_out is None else Signal.read(irreps_out, f"{name}(irreps_out)")
        if out.channels != one.channels:
            raise ValueError(
                f"{name}(irreps_out): multiplicity {one.channels}, that of irreps_in1, got {out.channels}; "
                f"mix channels before or after"
            )
        missing = Signal(out.channels, tuple(t for t in out.terms if t not in reached.terms))
        if missing.terms:
            hint = "" if antisymmetric else "; paths of odd sum need antisymmetric=True"
            raise ValueError(f"{name}(irreps_out): among {reached}, which are reached, got {missing}{hint}")
        self.irreps_in1, self.irreps_in2, self.irreps_out = one, two, out
        branches = [(PRODUCT, out.of_sign(sign)), (POISSON, out.of_sign(-sign))]
        self.branches = nn.ModuleList(
            Branch(operation, method, one, two, part, weights is not None, normalization, layout)
            for operation, part in branches
            if part.terms
        )
        # Branch after branch, with the components of each in the order of its route.
        order = tuple(k for branch in self.branches for k in branch.places(out))  # type: ignore[operator]
        self.pack = Unpack(out, layout, order, f"{name}(output)")
        self.symmetry = Symmetry(
            O(3), (one.representation(layout), two.representation(layout)), out.representation(layout)
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The product; leading axes broadcast.

        Args:
            x: shape ``(*, irreps_in1.dim)``, or ``(*, channels, width)`` in that layout.
            y: the same with ``irreps_in2``.

        Returns:
            Shape ``(*, irreps_out.dim)``, or ``(*, channels, width)``.
        """
        branches = list(self.branches)
        x, y, batch = branches[0].broadcast(x, y)  # type: ignore[operator]
        found = [branch(x, y) for branch in branches]
        return self.pack.back(found[0] if len(found) == 1 else torch.cat(found, -1), batch)

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"{self.irreps_in1} x {self.irreps_in2} -> {self.irreps_out}"


class Branch(nn.Module):
    """The paths of even sum, or those of odd sum: unpacks, weighs, multiplies, weighs; packing is its owner's."""

    def __init__(
        self,
        operation: Operation,
        method: str,
        one: Signal,
        two: Signal,
        out: Signal,
        weighted: bool,
        normalization: str,
        layout: str,
    ) -> None:
        super().__init__()
        self.signal, self.width = out, out.width
        self.route = make_route(operation, method, (one.degrees, two.degrees), out.degrees)
        self.unpack1 = Unpack(one, layout, self.route.orders_in[0], "x")
        self.unpack2 = Unpack(two, layout, self.route.orders_in[1], "y")
        self.as_they_are = layout == "channels" and self.unpack1.order is self.unpack2.order is None
        scale = [1.0] * len(out.terms)
        if normalization == "component":
            scale = component_scale(operation, one.degrees, two.degrees, out.degrees)
        plain = all(s == 1 for s in scale)
        self.weight1 = DegreeWeight(one, one.channels, self.route.orders_in[0]) if weighted else None
        self.weight2 = DegreeWeight(two, one.channels, self.route.orders_in[1]) if weighted else None
        self.weight3 = DegreeWeight(out, out.channels, self.route.order_out, scale, weighted)
        if not weighted and plain:
            self.weight3 = None

    def places(self, out: Signal) -> list[int]:
        """Where the components it gives, in their order, belong within a channel of the whole output."""
        own = out.within(self.signal)
        order = self.route.order_out
        return own if order is None else [own[k] for k in order]

    @torch.no_grad()
    def set_weights(self, *values: Tensor) -> None:
        """Replaces the weights of the two inputs and of the output, ``(channels, degrees)`` each."""
        for own, value in zip((self.weight1, self.weight2, self.weight3), values, strict=True):
            if own is None or own.weight is None:
                raise ValueError("set_weights: this product has no weights")
            own.weight.copy_(value)

    def broadcast(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, torch.Size]:
        """Checks the inputs and makes their leading axes equal."""
        unpack1, unpack2 = self.unpack1, self.unpack2
        unpack1.check(x)
        unpack2.check(y)
        if x.dtype != y.dtype:
            raise TypeError(f"x, y: of one dtype, got {x.dtype} and {y.dtype}")
        one, two = unpack1.batch(x), unpack2.batch(y)
        if one == two:
            return x, y, one
        try:
            batch = torch.broadcast_shapes(one, two)
        except RuntimeError:
            raise ValueError(f"x, y: leading axes that broadcast, got {tuple(one)} and {tuple(two)}") from None
        return x.expand(*batch, *unpack1.shape), y.expand(*batch, *unpack2.shape), batch

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Two inputs of one batch to ``(items, channels, components)``."""
        a, b = (x, y) if self.as_they_are and x.ndim == 3 else (self.unpack1(x), self.unpack2(y))
        if self.weight1 is not None and self.weight2 is not None:
            a, b = self.weight1(a), self.weight2(b)
        items, channels, _ = a.shape
        if b.shape[1] != channels:
            b = b.expand(-1, channels, -1)
        route = self.route
        wide = route.wide(a)
        rows = [(t if t.dtype == wide else t.to(wide)).reshape(items * channels, t.shape[2]) for t in (a, b)]
        z = route(*rows)[0].view(items, channels, self.width)
        z = z if self.weight3 is None else self.weight3(z)
        return z if z.dtype == x.dtype else z.to(x.dtype)


class DegreeWeight(Constants):
    """One factor for each channel and degree, starting at one, times a constant for each degree.

    Args:
        signal: whose degrees.
        channels: how many channels.
        components: the order in which the components of a channel stand; ``None`` for that of the degrees.
        scale: the constants.
        learned: whether there are weights besides the constants.
    """

    def __init__(
        self,
        signal: Signal,
        channels: int,
        components: tuple[int, ...] | None,
        scale: list[float] | None = None,
        learned: bool = True,
    ) -> None:
        super().__init__()
        of = [place for place, l in enumerate(signal.degrees) for _ in range(2 * l + 1)]
        of = of if components is None else [of[k] for k in components]
        constants = torch.tensor([1.0] * len(signal.degrees) if scale is None else scale, dtype=torch.float64)
        self.register_buffer("degree", torch.tensor(of), persistent=False)
        self.keep("scale", constants)
        self.weight = nn.Parameter(torch.ones(channels, len(signal.degrees))) if learned else None

    def forward(self, x: Tensor) -> Tensor:
        """Shape ``(items, channels, components)``."""
        factors = self.get_buffer("scale")
        if self.weight is not None:
            factors = factors * self.weight
        return x * factors.index_select(-1, self.get_buffer("degree")).to(x.dtype)


def require_normalization(normalization: str, name: str) -> None:
    """Checks the name of a normalization.

    Raises:
        ValueError: when it is unknown.
    """
    if normalization not in NORMALIZATIONS:
        raise ValueError(f"{name}(normalization): one of {', '.join(NORMALIZATIONS)}, got {normalization!r}")


def _reached(one: Signal, two: Signal, sign: int, antisymmetric: bool) -> Signal:
    """All irreps that some path leads to, by degree, those of the plain product first."""
    terms = []
    for l in range(max(one.degrees) + max(two.degrees) + 1):
        sums = {(a + b + l) % 2 for a in one.degrees for b in two.degrees if abs(a - b) <= l <= a + b}
        if 0 in sums:
            terms.append((l, sign * (-1) ** l))
        if 1 in sums and antisymmetric:
            terms.append((l, -sign * (-1) ** l))
    return Signal(one.channels, tuple(terms))
