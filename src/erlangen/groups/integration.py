"""Monte-Carlo integrals for the invariant measure of groups and of spaces of positive matrices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from erlangen.groups.affine import SE, Affine, E
from erlangen.groups.group import Group
from erlangen.groups.haar import log_polar_constant
from erlangen.groups.matrix import GL, SL, SO, GLPlus, O
from erlangen.groups.positive import SPD, SSPD
from erlangen.groups.proposal import LogNormal


class Integral(NamedTuple):
    """An integral as estimated from samples.

    Attributes:
        value: the weighted mean.
        standard_error: its standard deviation over draws of the samples, estimated from the same samples.
    """

    value: Float[Tensor, "*event"]
    standard_error: Float[Tensor, "*event"]


def integrate(
    function: Callable[[Tensor], Tensor],
    space: Group | SPD,
    num: int = 10_000,
    proposal: LogNormal = LogNormal(1.0),
    spread: float = 1.0,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
) -> Integral:
    r"""Integrates a function for the invariant measure, by weighted random samples.

    .. math:: \int f\, d\mu \approx \frac1N \sum_i w_i f(g_i), \qquad w_i = \frac{d\mu}{dq}(g_i)

    On SO(n) and O(n) samples are uniform and the weights one. On GL(n), GL+(n) and SL(n), :math:`g = S^{1/2} R` with
    uniform R and S from the proposal, as on SPD(n) and SSPD(n). Which multiples of the measures are meant is said in
    :mod:`erlangen.groups.haar`; that of GL(n) is twice that of GL+(n). On affine groups,
    :math:`g = (x \mapsto h x + t)`, it is the left measure :math:`dt\, d\mu(h) / |\det h|`, and t is drawn from a
    normal distribution; the right measure differs from it where determinants are not one.

    Weights of a log-normal proposal grow faster than any power of S. The function has to decay, and the standard error
    can be trusted where most of the integral lies in reach of the proposal.

    Args:
        function: from elements, shape ``(num, n, n)``, or homogeneous ``(num, n + 1, n + 1)`` on affine groups, to
            values of shape ``(num, *event)``.
        space: SO(n), O(n), SL(n), GLPlus(n), GL(n), SPD(n), SSPD(n), or SE(n), E(n), Affine(n) and Affine(n, linear)
            with one of these groups.
        num: number of samples, at least two.
        proposal: of the positive matrices.
        spread: standard deviation of the translations.
        generator: source of randomness.
        dtype: of the elements that the function sees; weights are computed in float64.
        device: of the elements.

    Raises:
        ValueError: for another space, fewer than two samples, a spread that is not positive, or values of another
            length.

    Source: Mironenco, Forre, "Lie Group Decompositions for Equivariant Neural Networks", 2024.

    Example:
        >>> from erlangen.groups import SO
        >>> mean = integrate(lambda R: R[:, 0, 0] ** 2, SO(3), generator=torch.Generator().manual_seed(0))
        >>> abs(float(mean.value) - 1 / 3) < 4 * float(mean.standard_error) < 0.02
        True
    """
    if isinstance(num, bool) or not isinstance(num, int) or num < 2:
        raise ValueError(f"integrate(num): a whole number from 2, got {num!r}")
    if not 0 < spread < math.inf:
        raise ValueError(f"integrate(spread): a positive number, got {spread!r}")
    elements, log_weight = _draw(space, num, proposal, spread, generator)
    values = function(elements.to(dtype=dtype, device=device))
    if not isinstance(values, Tensor) or values.ndim < 1 or len(values) != num:
        got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(f"integrate(function): values of shape ({num}, *event), one per element, got {got}")
    weight = log_weight.to(values.device).exp().reshape(num, *[1] * (values.ndim - 1))
    terms = weight * values
    return Integral(terms.mean(0).to(values.dtype), (terms.std(0) / math.sqrt(num)).to(values.dtype))


def _draw(
    space: Group | SPD, num: int, proposal: LogNormal, spread: float, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Elements in float64, and the logarithms of their weights."""
    if isinstance(space, SPD):
        X = proposal.sample(space.n, num, traceless=space.traceless, generator=generator)
        return space.exp(X), space.log_density(X) - proposal.log_density(X, space.traceless)
    if isinstance(space, SO | O):
        turns = space.sample(num, generator=generator)
        return turns, turns.new_zeros(num)
    if isinstance(space, GL | GLPlus | SL):
        stretches = SSPD(space.n) if isinstance(space, SL) else SPD(space.n)
        X = proposal.sample(space.n, num, traceless=stretches.traceless, generator=generator)
        turns = (O(space.n) if isinstance(space, GL) else SO(space.n)).sample(num, generator=generator)
        log_weight = stretches.log_density(X) - proposal.log_density(X, stretches.traceless)
        twice = 0.0 if isinstance(space, GLPlus) else math.log(2)
        return stretches.exp(X / 2) @ turns.to(X.device), log_weight + log_polar_constant(space.n) + twice
    if isinstance(space, SE | E | Affine):
        h, log_weight = _draw(space.linear, num, proposal, spread, generator)
        t = torch.randn(num, space.n, generator=generator, dtype=h.dtype, device=h.device)
        log_normal = -t.square().sum(-1) / 2 - space.n * math.log(spread * math.sqrt(2 * math.pi))
        return space.pack(h, spread * t), log_weight - torch.linalg.slogdet(h)[1] - log_normal
    raise ValueError(
        "integrate(space): SO(n), O(n), SL(n), GLPlus(n), GL(n), SPD(n), SSPD(n), SE(n), E(n), or Affine(n, linear) "
        f"with one of these groups, got {space!r}"
    )
