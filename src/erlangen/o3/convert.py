"""From e3nn's tensor products to Gaunt products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from erlangen.extras import require
from erlangen.o3.coefficients import dense
from erlangen.o3.operation import POISSON, PRODUCT, Operation
from erlangen.o3.signal import Signal
from erlangen.o3.tensor_product import Branch, GauntTensorProduct

#: Sweeps of the least-squares fit over the three sets of weights.
SWEEPS = 300


class Conversion(NamedTuple):
    """What :func:`from_e3nn` returns.

    Attributes:
        product: the layer, in the layout of the original.
        residual: norm of the difference of the two bilinear maps, divided by the norm of the original; rounding when
            the weights factorise.
    """

    product: GauntTensorProduct
    residual: float


def from_e3nn(tensor_product: Any) -> Conversion:
    r"""The Gaunt product that is an e3nn tensor product, or the nearest one.

    e3nn has a weight for each path, :math:`w_{l_1 l_2 l_3}` per channel; a Gaunt product has
    :math:`w^1_{l_1} w^2_{l_2} w^3_{l_3}\, \gamma_{l_1 l_2 l_3}`, and the same with :math:`\kappa` for paths of odd sum.
    Where the weights of the original factorise so, the two are the same function. Otherwise the weights are fitted by
    least squares, and the residual says how far the two maps are apart: look at it before using the result.

    The signs of e3nn's coupling coefficients, which differ between its versions, are taken from the one installed.

    Args:
        tensor_product: an ``e3nn.o3.TensorProduct`` or a subclass, with weights of its own or without weights.

    Raises:
        TypeError: when it is not a tensor product.
        ValueError: when it has what no Gaunt product has: channels mixed within the product, several outputs of one
            irrep, both parities of one degree in an input, or weights given at each call. Names the path.
        MissingExtra: when e3nn is not installed.

    Example:
        >>> from e3nn import o3
        >>> paths = [(0, 0, 0, "uuu", True), (1, 1, 0, "uuu", True)]
        >>> tp = o3.TensorProduct("8x0e+8x1o", "8x0e+8x1o", "8x0e", paths)
        >>> product, residual = from_e3nn(tp)
        >>> residual < 1e-6
        True
    """
    for attribute in ("irreps_in1", "irreps_in2", "irreps_out", "instructions"):
        if not hasattr(tensor_product, attribute):
            raise TypeError(
                f"from_e3nn(tensor_product): an e3nn TensorProduct, got {type(tensor_product).__name__}, "
                f"which has no {attribute}"
            )
    one, two, out = (_signal(tensor_product, name) for name in ("irreps_in1", "irreps_in2", "irreps_out"))
    product = GauntTensorProduct(one, two, out, antisymmetric=True, normalization="integral")
    coupling = require("e3nn.o3", "o3", "from_e3nn").wigner_3j
    wanted = torch.zeros(out.channels, len(one.terms), len(two.terms), len(out.terms), dtype=torch.float64)
    for i, path in enumerate(tensor_product.instructions):
        _require_channelwise(i, path, two.channels, out.channels)
        wanted[:, path.i_in1, path.i_in2, path.i_out] += path.path_weight * _weight(tensor_product, i, out.channels)
    difference = 0.0
    for branch in product.branches:
        assert isinstance(branch, Branch)
        operation = branch.route.operation
        places = [out.terms.index(term) for term in branch.signal.terms]
        size = path_sizes(operation, one, two, branch.signal, coupling)
        weights = _factorise(wanted[..., places], size)
        fitted = torch.einsum("abk,ca,cb,ck->cabk", size, *weights)
        difference += float((wanted[..., places] - fitted).square().sum())
        branch.set_weights(*weights)
    return Conversion(product, (difference / max(float(wanted.square().sum()), 1e-300)) ** 0.5)


def _signal(tensor_product: Any, name: str) -> Signal:
    irreps = getattr(tensor_product, name)
    kinds = [str(irrep) for _, irrep in irreps]
    if len(set(kinds)) < len(kinds):
        raise ValueError(
            f"from_e3nn(tensor_product.{name}): every irrep once, as a Gaunt product sums all paths to it, got {irreps}"
        )
    return Signal.read(irreps, f"from_e3nn(tensor_product.{name})")


def _require_channelwise(i: int, path: Any, channels2: int, channels_out: int) -> None:
    """A path is channel by channel, or becomes so because a multiplicity is one."""
    mode = path.connection_mode
    if mode == "uuu" or (mode in ("uvu", "uvuv") and channels2 == 1) or (mode == "uvw" and channels_out == 1):
        return
    raise ValueError(
        f"from_e3nn(tensor_product): path {i} ({path.i_in1}, {path.i_in2}, {path.i_out}) has mode {mode!r}, which "
        f"mixes channels; a Gaunt product is 'uuu', with a DegreeLinear before or after for the rest"
    )


def _weight(tensor_product: Any, i: int, channels: int) -> Tensor:
    """The weights of one path, per channel."""
    paths = tensor_product.instructions
    if not paths[i].has_weight:
        return torch.ones(channels, dtype=torch.float64)
    if not getattr(tensor_product, "internal_weights", False):
        raise ValueError("from_e3nn(tensor_product): weights of its own, got one whose weights are given at each call")
    sizes = [torch.Size(p.path_shape).numel() if p.has_weight else 0 for p in paths]
    start = sum(sizes[:i])
    return tensor_product.weight.detach().flatten()[start : start + sizes[i]].double().cpu()


def path_sizes(operation: Operation, one: Signal, two: Signal, out: Signal, coupling: Callable[..., Tensor]) -> Tensor:
    """The signed coefficient of every path relative to e3nn's coupling coefficients, zero where there is none."""
    sizes = torch.zeros(len(one.terms), len(two.terms), len(out.terms), dtype=torch.float64)
    parity = {PRODUCT: 0, POISSON: 1}[operation]
    for a, l1 in enumerate(one.degrees):
        for b, l2 in enumerate(two.degrees):
            for k, l3 in enumerate(out.degrees):
                if abs(l1 - l2) <= l3 <= l1 + l2 and (l1 + l2 + l3) % 2 == parity:
                    block = dense(operation, (l1,), (l2,), (l3,))
                    sizes[a, b, k] = (block * coupling(l1, l2, l3, dtype=torch.float64).cpu()).sum()
    return sizes


def _factorise(wanted: Tensor, size: Tensor) -> list[Tensor]:
    r"""Weights that minimise :math:`\sum (t_{abk} - s_{abk}\, u_a v_b w_k)^2` for every channel.

    They start at an exact solution if there is one, from the logarithms of sizes and the signs apart; then each set is
    optimised in turn, which never increases the sum.
    """
    weights = [torch.empty(wanted.shape[0], n, dtype=torch.float64) for n in wanted.shape[1:]]
    for channel, t in enumerate(wanted):
        for own, start in zip(weights, _start(t, size), strict=True):
            own[channel] = start
    formulas = (
        ("cabk,cb,ck->ca", "abk,cb,ck->ca", (1, 2)),
        ("cabk,ca,ck->cb", "abk,ca,ck->cb", (0, 2)),
        ("cabk,ca,cb->ck", "abk,ca,cb->ck", (0, 1)),
    )
    for _ in range(SWEEPS):
        for own, (above, below, others) in enumerate(formulas):
            u, v = (weights[i] for i in others)
            numerator = torch.einsum(above, wanted * size, u, v)
            denominator = torch.einsum(below, size.square(), u.square(), v.square())
            weights[own] = torch.where(denominator > 0, numerator / denominator.clamp_min(1e-300), weights[own])
    return weights


def _start(t: Tensor, size: Tensor) -> list[Tensor]:
    """Factors of the paths that are there: their sizes from a linear system, their signs from one modulo two."""
    there = ((t != 0) & (size != 0)).nonzero()
    counts = t.shape
    offsets = (0, counts[0], counts[0] + counts[1])
    if len(there) == 0:
        return [torch.zeros(n, dtype=torch.float64) for n in counts]
    ratio = (t[tuple(there.T)] / size[tuple(there.T)]).double()
    system = torch.zeros(len(there), sum(counts), dtype=torch.float64)
    for axis, offset in enumerate(offsets):
        system[torch.arange(len(there)), there[:, axis] + offset] = 1
    sizes = (torch.linalg.pinv(system) @ ratio.abs().log()).exp()
    signs = _signs(system.long(), (ratio < 0).long())
    return list((sizes * signs).split(list(counts)))


def _signs(system: Tensor, negative: Tensor) -> Tensor:
    """Signs whose products are as wanted, by elimination modulo two; contradicting rows count for nothing."""
    rows = torch.cat([system, negative[:, None]], 1).tolist()
    solved: dict[int, list[int]] = {}
    for row in rows:
        for pivot, other in solved.items():
            if row[pivot]:
                row = [a ^ b for a, b in zip(row, other, strict=True)]
        pivot = next((k for k, bit in enumerate(row[:-1]) if bit), None)
        if pivot is not None:
            for key, other in solved.items():
                if other[pivot]:
                    solved[key] = [a ^ b for a, b in zip(other, row, strict=True)]
            solved[pivot] = row
    signs = torch.ones(system.shape[1], dtype=torch.float64)
    for pivot, row in solved.items():
        signs[pivot] = -1.0 if row[-1] else 1.0
    return signs
