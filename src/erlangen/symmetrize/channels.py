"""Hidden representations from a number of channels, and what networks have to know of their parts."""

from __future__ import annotations

import torch

from erlangen.groups import Representation, Scalar


def hidden_representation(vector: Representation, channels: int) -> Representation:
    r"""Tensor powers of a vector that together have so many dimensions, with about as many of each rank.

    With :math:`d` the size of the vector and :math:`q` the largest rank with :math:`(q + 1) d^q \le` ``channels``, rank
    :math:`r` gets :math:`d^{q - r}` copies, again and again while the budget allows; then :math:`q` is found anew for
    what is left.

    Args:
        vector: the representation whose powers are taken.
        channels: dimensions in all.

    Raises:
        TypeError: when ``vector`` is no representation.
        ValueError: for fewer than one channel.

    Source: Finzi, Welling, Wilson, "A Practical Method for Constructing Equivariant Multilayer Perceptrons for
    Arbitrary Matrix Groups", 2021.

    Example:
        >>> from erlangen.groups import O, Vector
        >>> [copies for copies, part in hidden_representation(Vector(O(3)), 128).parts]
        [38, 12, 3, 1]
    """
    if not isinstance(vector, Representation):
        raise TypeError(f"hidden_representation(vector): a representation, got {type(vector).__name__}")
    if isinstance(channels, bool) or not isinstance(channels, int) or channels < 1:
        raise ValueError(f"hidden_representation(channels): at least 1, got {channels!r}")
    copies: dict[int, int] = {}
    left, d = channels, vector.dim
    while left:
        if d == 1:
            copies[0] = copies.get(0, 0) + left
            break
        q = 0
        while (q + 2) * d ** (q + 1) <= left:
            q += 1
        rounds = left // ((q + 1) * d**q)
        for rank in range(q + 1):
            copies[rank] = copies.get(rank, 0) + rounds * d ** (q - rank)
        left -= rounds * (q + 1) * d**q
    out = 0 * Scalar(vector.group)
    for rank in sorted(copies):
        out = out + copies[rank] * vector**rank
    return out


def is_scalar(part: Representation) -> bool:
    """Whether the group leaves a part alone."""
    return part == Scalar(part.group)


def scalars_first(rep: Representation) -> Representation:
    """The same parts, scalars before all others."""
    scalars = sum(copies for copies, part in rep.parts if is_scalar(part))
    out = scalars * Scalar(rep.group)
    for copies, part in rep.parts:
        if not is_scalar(part):
            out = out + copies * part
    return out


def moves_orthogonally(rep: Representation) -> bool:
    """Whether all matrices of a representation are orthogonal, by those of its generators and its algebra."""
    one = torch.eye(rep.dim, dtype=torch.float64)
    turns = [rep.rho(g).double() for g in rep.group.generators()]
    rates = [rep.drho(a).double() for a in rep.group.algebra_basis()]
    return all(torch.allclose(m.mT @ m, one, atol=1e-10) for m in turns) and all(
        torch.allclose(m, -m.mT, atol=1e-10) for m in rates
    )
