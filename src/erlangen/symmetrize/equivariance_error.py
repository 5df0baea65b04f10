"""The mean symmetric error by which soft equivariance is compared."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from erlangen.groups import Element, Group, Hom, Representation, inclusion
from erlangen.groups.element import cast
from erlangen.symmetrize.projector import require_representations


def equivariance_error(
    function: Callable[[Tensor], Tensor],
    rep_in: Representation,
    rep_out: Representation,
    group: Group | Hom | str,
    x: Float[Tensor, "batch dim_in"],
    num_elements: int = 16,
    spread: float | None = None,
    seed: int = 0,
) -> Float[Tensor, " batch"]:
    r"""How far a function is from equivariance, between 0 and 1 for each sample.

    .. math:: e(x) = \frac1n \sum_{i=1}^n \frac{\|f(g_i x) - g_i f(x)\|}{\|f(g_i x)\| + \|g_i f(x)\|}

    Every sample is moved by elements of its own. :func:`erlangen.audit.audit` decides whether a promise is kept; this
    is a mean that can be compared between networks, and with a function that the data come from.

    Args:
        function: ``(batch, rep_in.dim)`` to ``(batch, rep_out.dim)``; called without gradients.
        rep_in: representation of a larger group on what it reads.
        rep_out: representation of the same group on what it returns.
        group: whose equivariance is measured: a group, a map into the larger one, or a name (``"O(2)@xy"``).
        x: samples.
        num_elements: elements per sample.
        spread: draw :math:`\exp(\sigma \sum_i z_i A_i)`, with normal :math:`z` and so large a :math:`\sigma`, times
            discrete generators, each or not with even odds. By default the group's own way to sample: uniform where it
            is compact. Give one where the group is not and its own elements reach too far: errors go to one there.
        seed: of the elements.

    Raises:
        TypeError: when a representation or the group is none.
        ValueError: for no samples, no elements, a spread that is not above zero, NaN or infinity in samples or values,
            or shapes that do not fit.

    Source: Kim, Lee, Yang, Lee, "Regularizing Towards Soft Equivariance Under Mixed Symmetries", 2023.

    Example:
        >>> from erlangen.groups import O, Vector
        >>> V = Vector(O(3))
        >>> x = torch.randn(8, 3)
        >>> equivariance_error(lambda v: 2 * v, V, V, "O(3)", x).max() < 1e-6
        tensor(True)
        >>> equivariance_error(torch.relu, V, V, "O(3)", x).min() > 1e-2
        tensor(True)
    """
    require_representations("equivariance_error", rep_in, rep_out)
    hom = inclusion(group, rep_in.group)
    if isinstance(num_elements, bool) or not isinstance(num_elements, int) or num_elements < 1:
        raise ValueError(f"equivariance_error(num_elements): at least 1, got {num_elements!r}")
    if spread is not None and not 0 < spread < float("inf"):
        raise ValueError(f"equivariance_error(spread): finite and above zero, got {spread}")
    if x.ndim != 2 or x.shape[0] == 0:
        raise ValueError(f"equivariance_error(x): at least one sample, shape (batch, dim), got {tuple(x.shape)}")
    act_in, act_out = rep_in.along(hom), rep_out.along(hom)
    act_in.check(x, "equivariance_error(x)")
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(x.shape[0], dtype=torch.float64, device=x.device)
    with torch.no_grad():
        y = function(x)
        if y.shape != (x.shape[0], rep_out.dim):
            raise ValueError(f"equivariance_error(function): shape ({x.shape[0]}, {rep_out.dim}), got {tuple(y.shape)}")
        for _ in range(num_elements):
            g = cast(_elements(hom.source, x.shape[0], spread, generator), torch.float64, x.device)
            there, back = function(act_in(g, x)).double(), act_out(g, y).double()
            if not bool(there.isfinite().all() and back.isfinite().all()):
                raise ValueError("equivariance_error(function): finite values, got NaN or infinity")
            size = there.norm(dim=-1) + back.norm(dim=-1)
            # Where both vanish they agree.
            total += torch.where(size > 0, (there - back).norm(dim=-1) / torch.where(size > 0, size, 1), 0)
    return (total / num_elements).to(x.dtype)


def _elements(group: Group, count: int, spread: float | None, generator: torch.Generator) -> Element:
    if spread is None:
        return group.sample(count, generator=generator)
    algebra, g = group.algebra_basis(), group.identity(count)
    if algebra:
        rates = spread * torch.randn(count, len(algebra), generator=generator, dtype=torch.float64)
        g = group.exp(_combined(rates, algebra))
    for h in group.generators():
        flip = torch.rand(count, generator=generator) < 0.5
        g = _chosen(flip, group.compose(g, h), g)
    return g


def _combined(rates: Tensor, basis: list[Element]) -> Element:
    if isinstance(basis[0], tuple):
        return tuple(_combined(rates, [a[i] for a in basis]) for i in range(len(basis[0])))
    stacked = torch.stack([a for a in basis if isinstance(a, Tensor)])
    return torch.tensordot(rates, stacked, dims=1)


def _chosen(flip: Tensor, a: Element, b: Element) -> Element:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.where(flip.view(-1, *(1,) * (a.ndim - 1)), a, b)
    return tuple(_chosen(flip, p, q) for p, q in zip(a, b, strict=True))
