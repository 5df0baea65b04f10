"""Products of the tensors of one feature with each other, with features along the first axis."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from erlangen.groups import Representation
from erlangen.groups.representation import TensorProduct
from erlangen.symmetrize.channels import is_scalar


class Path(NamedTuple):
    """Which parts are multiplied, by their place among the parts, which one the product joins, and how."""

    left: int
    right: int
    out: int
    contracts: bool


class Bilinear(nn.Module):
    r"""Adds products of learned mixes of a feature's tensors to the feature.

    .. math::
        y_{ab} = h_{ab} + \epsilon\, (A h_a) \otimes (B h_b), \qquad
        y_{a'} = h_{a'} + \epsilon\, (A h_a) \cdot (B h_1)

    The first form multiplies parts :math:`a, b` into the part that is their tensor product, wherever the feature has
    one: vectors into matrices. It is equivariant for every group. The second one contracts the last axis of a tensor
    with a vector: two vectors into a number, a matrix and a vector into a vector. It is equivariant where vectors move
    by orthogonal matrices, and left out where not. :math:`A` and :math:`B` mix copies, start as normals of variance
    one over the number of copies, and have as many rows as the product's part has copies. Products with scalars are
    what the gates are for.

    EMLP's own bilinear layer multiplies by learned combinations of all the tensors of rank :math:`a + b` in the
    feature, and so needs rank 3 for products of two vectors. This one does not, and takes no random choices.

    Args:
        rep: of what comes in, and of what goes out.
        contract: whether vectors move by orthogonal matrices under every group in question.
        scale: the factor :math:`\epsilon`.
        generator: randomness of the first weights.

    Source: Finzi, Welling, Wilson, "A Practical Method for Constructing Equivariant Multilayer Perceptrons for
    Arbitrary Matrix Groups", 2021, for what it replaces.

    Example:
        >>> from erlangen.groups import O, Scalar, Vector
        >>> V = Vector(O(3))
        >>> layer = Bilinear(4 * Scalar(O(3)) + 3 * V + 2 * V**2, contract=True)
        >>> layer(torch.randn(4 + 9 + 18, 100)).shape
        torch.Size([31, 100])
    """

    def __init__(
        self,
        rep: Representation,
        contract: bool,
        scale: float = 0.1,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.rep, self.contract, self.scale = rep, contract, scale
        self._parts = [(copies, part.dim) for copies, part in rep.parts]
        self.paths = paths(rep, contract)
        # Mixes of one part, for all the paths that read it, come from one product of matrices.
        self._reads = [
            [self._parts[path.out][0] for path in self.paths for side in (path.left, path.right) if side == k]
            for k in range(len(self._parts))
        ]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(sum(rows), copies))
            for rows, (copies, _) in zip(self._reads, self._parts, strict=True)
        )
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draws new weights."""
        with torch.no_grad():
            for weight in self.weights:
                weight.copy_(torch.randn(weight.shape, generator=generator) / max(1, weight.shape[1]) ** 0.5)

    def forward(self, h: Float[Tensor, "dim batch"]) -> Float[Tensor, "dim batch"]:
        """``(rep.dim, batch)`` to the same shape."""
        if not self.paths:
            return h
        features = h.split([copies * dim for copies, dim in self._parts])
        operands = []
        for weight, rows, x, (copies, dim) in zip(self.weights, self._reads, features, self._parts, strict=True):
            mixed = torch.mm(weight, x.reshape(copies, -1)).view(weight.shape[0], dim, -1) if rows else x
            operands.append(iter(mixed.split(rows)) if rows else iter(()))
        added: dict[int, Tensor] = {}
        for path in self.paths:
            left, right = next(operands[path.left]), next(operands[path.right])
            if path.contracts:
                n, d = right.shape[0], right.shape[1]
                product = (left.view(n, -1, d, h.shape[-1]) * right[:, None]).sum(2)
            else:
                product = left[:, :, None] * right[:, None]
            product = product.reshape(-1, h.shape[-1])
            added[path.out] = product if path.out not in added else added[path.out] + product
        return torch.cat([x.add(added[k], alpha=self.scale) if k in added else x for k, x in enumerate(features)])


def paths(rep: Representation, contract: bool) -> list[Path]:
    """Which parts can be multiplied into which."""
    parts = [part for _, part in rep.parts]
    tensors = [k for k, part in enumerate(parts) if not is_scalar(part)]
    found = [
        Path(a, b, out, False)
        for a, b in itertools.combinations_with_replacement(tensors, 2)
        for out in tensors
        if parts[a] * parts[b] == parts[out]
    ]
    if contract:
        vectors = [k for k in tensors if not isinstance(parts[k], TensorProduct)]
        found += [
            Path(a, b, out, True)
            for a, b in itertools.product(tensors, vectors)
            for out, part in enumerate(parts)
            if part * parts[b] == parts[a]
        ]
    return found


def moves_orthogonally(rep: Representation) -> bool:
    """Whether all matrices of a representation are orthogonal, by those of its generators and its algebra."""
    one = torch.eye(rep.dim, dtype=torch.float64)
    turns = [rep.rho(g).double() for g in rep.group.generators()]
    rates = [rep.drho(a).double() for a in rep.group.algebra_basis()]
    return all(torch.allclose(m.mT @ m, one, atol=1e-10) for m in turns) and all(
        torch.allclose(m, -m.mT, atol=1e-10) for m in rates
    )
