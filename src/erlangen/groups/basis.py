"""All linear maps that commute with a group, found numerically for any two representations.

A linear map ``W`` is equivariant when ``rho_out(g) W = W rho_in(g)`` for the discrete generators and
``drho_out(A) W = W drho_in(A)`` for a basis of the Lie algebra. Blocks between parts are solved one by one and kept.
Where both parts permute their coordinates, the answer is combinatorial: one map per orbit of index pairs.

For the constraints see Finzi, Welling, Wilson: A Practical Method for Constructing Equivariant Multilayer Perceptrons
for Arbitrary Matrix Groups (2021); for orbits Maron, Ben-Hamu, Shamir, Lipman: Invariant and Equivariant Graph Networks
(2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from erlangen.groups.representation import Representation

#: Largest block, in unknowns, that is solved by eigenvectors of the constraints.
MAX_UNKNOWNS = 4096
#: Blocks up to this size are diagonalised; larger ones go by inverse iteration with this relative shift.
DIAGONALISED, SHIFT = 1024, 1e-10
#: Eigenvalues of the constraints below this share of the largest, and below this in themselves, are zero.
NULL = 1e-9
#: Largest block of two permutation representations: beyond it, the orbits no longer fit in memory.
MAX_ORBIT_UNKNOWNS = 50_000_000


class Block:
    """The equivariant maps between two parts: an orthonormal basis, dense or by orbits.

    Attributes:
        dim: how many there are.
    """

    dim: int

    def combine(self, coefficients: Tensor) -> Tensor:
        """Linear combinations, ``(*, dim)`` to ``(*, out, in)``."""
        raise NotImplementedError

    def coefficients(self, w: Tensor) -> Tensor:
        """Inner products with the basis, ``(*, out, in)`` to ``(*, dim)``."""
        raise NotImplementedError


@dataclass(frozen=True)
class DenseBlock(Block):
    """A basis written out, shape ``(dim, out, in)``."""

    maps: Tensor

    @property
    def dim(self) -> int:  # type: ignore[override]
        return self.maps.shape[0]

    def combine(self, coefficients: Tensor) -> Tensor:
        return torch.tensordot(coefficients, self.maps.to(coefficients), dims=1)

    def coefficients(self, w: Tensor) -> Tensor:
        return torch.einsum("...ij,kij->...k", w, self.maps.to(w))


@dataclass(frozen=True)
class OrbitBlock(Block):
    """Maps that are constant on the orbits of index pairs; ``labels`` holds the orbit of every entry, ``(out, in)``."""

    labels: Tensor
    sizes: Tensor

    @property
    def dim(self) -> int:  # type: ignore[override]
        return self.sizes.shape[0]

    def combine(self, coefficients: Tensor) -> Tensor:
        scaled = coefficients / self.sizes.to(coefficients).sqrt()
        return scaled[..., self.labels.to(coefficients.device)]

    def coefficients(self, w: Tensor) -> Tensor:
        flat = w.flatten(-2)
        labels = self.labels.to(w.device).flatten().expand(flat.shape)
        sums = flat.new_zeros(*flat.shape[:-1], self.dim).scatter_add(-1, labels, flat)
        return sums / self.sizes.to(w).sqrt()


@lru_cache(maxsize=512)
def block_basis(part_in: Representation, part_out: Representation) -> Block:
    """The equivariant maps between two parts (of multiplicity one).

    Raises:
        ValueError: when the block is too large.
    """
    unknowns = part_in.dim * part_out.dim
    if part_in.permutes and part_out.permutes:
        if unknowns > MAX_ORBIT_UNKNOWNS:
            raise ValueError(
                f"equivariant_basis: the block {part_in!r} -> {part_out!r} has {unknowns} unknowns, more than the "
                f"{MAX_ORBIT_UNKNOWNS} whose orbits are counted"
            )
        return _orbits(part_in, part_out)
    if unknowns > MAX_UNKNOWNS:
        raise ValueError(
            f"equivariant_basis: the block {part_in!r} -> {part_out!r} has {unknowns} unknowns, more than the "
            f"{MAX_UNKNOWNS} that are solved for; write the representation as a sum of smaller parts"
        )
    return DenseBlock(_null_space(part_in, part_out))


def _orbits(part_in: Representation, part_out: Representation) -> OrbitBlock:
    """Connected components of the index pairs, joined by the generators."""
    rows, columns = part_out.dim, part_in.dim
    total = rows * columns
    here = np.arange(total, dtype=np.int64)
    links = []
    for g in part_in.group.generators():
        out, into = part_out.permutation(g).numpy(), part_in.permutation(g).numpy()
        links.append((out[:, None] * columns + into[None, :]).reshape(-1))
    if not links:
        labels, count = here, total
    else:
        there = np.concatenate(links)
        graph = coo_matrix((np.ones(len(there), dtype=np.int8), (np.tile(here, len(links)), there)), (total, total))
        count, labels = connected_components(graph, directed=False)
    flat = torch.as_tensor(np.asarray(labels), dtype=torch.long)
    return OrbitBlock(flat.reshape(rows, columns), torch.bincount(flat, minlength=count))


def _null_space(part_in: Representation, part_out: Representation) -> Tensor:
    """Orthonormal maps on which every constraint vanishes, from the eigenvectors of the constraints' Gram matrix."""
    rows, columns = part_out.dim, part_in.dim
    gram = torch.zeros(rows * columns, rows * columns, dtype=torch.float64)
    one_out, one_in = torch.eye(rows, dtype=torch.float64), torch.eye(columns, dtype=torch.float64)
    group = part_in.group
    pairs = [(part_out.rho(g).double(), part_in.rho(g).double()) for g in group.generators()]
    pairs += [(part_out.drho(a).double(), part_in.drho(a).double()) for a in group.algebra_basis()]
    for left, right in pairs:
        # |L W - W R|^2 as a quadratic form in the row-major entries of W.
        gram += torch.kron(left.T @ left, one_in) + torch.kron(one_out, right @ right.T)
        gram -= torch.kron(left.T.contiguous(), right.T.contiguous()) + torch.kron(
            left.contiguous(), right.contiguous()
        )
    return null_vectors(gram).T.reshape(-1, rows, columns)


def null_vectors(gram: Tensor) -> Tensor:
    """Orthonormal null vectors of a positive semi-definite matrix, ``(n, n)`` to ``(n, nullity)``.

    Small matrices are diagonalised. Large ones are not, because that takes minutes: two steps of block inverse
    iteration on :math:`G + 10^{-10} |G|` lift null vectors above all others by about :math:`10^{20}`, and a
    Rayleigh-Ritz step tells them apart. A block that comes back full of null vectors is started again, larger. Ritz
    values bound eigenvalues from above, so nothing is taken for a null vector that is none.
    """
    n = gram.shape[0]
    largest = gram.abs().sum(0).max().item()
    limit = NULL * max(largest, 1.0)
    if n <= DIAGONALISED:
        values, vectors = torch.linalg.eigh(gram)
        return vectors[:, values <= limit]
    factor = torch.linalg.cholesky(gram + SHIFT * max(largest, 1.0) * torch.eye(n, dtype=gram.dtype))
    generator = torch.Generator().manual_seed(0)
    size = 64
    while True:
        q = torch.randn(n, size, generator=generator, dtype=gram.dtype)
        for _ in range(2):
            q = torch.linalg.qr(torch.cholesky_solve(q, factor)).Q
        values, mix = torch.linalg.eigh(q.T @ (gram @ q))
        null = values <= limit
        if not bool(null.all()) or size == n:
            return q @ mix[:, null]
        size = min(4 * size, n)


class Placed(NamedTuple):
    """A block and where it lies: its rows and columns of the map, its coefficients, its copies (output, input)."""

    rows: slice
    columns: slice
    where: slice
    copies: tuple[int, int]
    block: Block


@dataclass(frozen=True)
class Basis:
    r"""An orthonormal basis of :math:`\mathrm{Hom}_G(\rho_{in}, \rho_{out})`.

    Coefficients are ordered by output part, then input part; within a block by (output copy, input copy, basis map).
    """

    rep_in: Representation
    rep_out: Representation

    @cached_property
    def blocks(self) -> list[Placed]:
        """The blocks that are not zero."""
        found: list[Placed] = []
        at = row = 0
        for n, part_out in self.rep_out.parts:
            column = 0
            for m, part_in in self.rep_in.parts:
                block = block_basis(part_in, part_out)
                size = n * m * block.dim
                rows = slice(row, row + n * part_out.dim)
                columns = slice(column, column + m * part_in.dim)
                if size:
                    found.append(Placed(rows, columns, slice(at, at + size), (n, m), block))
                at += size
                column += m * part_in.dim
            row += n * part_out.dim
        return found

    @property
    def dim(self) -> int:
        """Number of independent equivariant maps."""
        return sum(n * m * block.dim for _, _, _, (n, m), block in self.blocks)

    def matrix(self, coefficients: Tensor) -> Tensor:
        """The map with the given coefficients, ``(dim,)`` to ``(rep_out.dim, rep_in.dim)``; differentiable.

        Raises:
            TypeError: for whole numbers.
            ValueError: when the number of coefficients is another.
        """
        _require_fractions("matrix(coefficients)", coefficients)
        if coefficients.shape != (self.dim,):
            raise ValueError(f"matrix(coefficients): shape ({self.dim},), got {tuple(coefficients.shape)}")
        w = coefficients.new_zeros(self.rep_out.dim, self.rep_in.dim)
        for rows, columns, where, (n, m), block in self.blocks:
            piece = block.combine(coefficients[where].reshape(n, m, block.dim))
            w[rows, columns] = piece.transpose(1, 2).reshape(w[rows, columns].shape)
        return w

    def coefficients(self, w: Tensor) -> Tensor:
        """Inner products of a map with the basis, ``(rep_out.dim, rep_in.dim)`` to ``(dim,)``."""
        self._check(w)
        out = w.new_zeros(self.dim)
        for rows, columns, where, (n, m), block in self.blocks:
            piece = w[rows, columns]
            piece = piece.reshape(n, piece.shape[0] // n, m, piece.shape[1] // m).transpose(1, 2)
            out[where] = block.coefficients(piece).flatten()
        return out

    def project(self, w: Tensor) -> Tensor:
        """The equivariant map nearest to ``w``."""
        return self.matrix(self.coefficients(w))

    def dense(self) -> Tensor:
        """All basis maps, ``(dim, rep_out.dim, rep_in.dim)``, float64."""
        if self.dim == 0:
            return torch.zeros(0, self.rep_out.dim, self.rep_in.dim, dtype=torch.float64)
        return torch.stack([self.matrix(row) for row in torch.eye(self.dim, dtype=torch.float64)])

    def _check(self, w: Tensor) -> None:
        _require_fractions("project(W)", w)
        if w.shape != (self.rep_out.dim, self.rep_in.dim):
            raise ValueError(f"project(W): shape ({self.rep_out.dim}, {self.rep_in.dim}), got {tuple(w.shape)}")


def _require_fractions(name: str, values: Tensor) -> None:
    if not (values.is_floating_point() or values.is_complex()):
        raise TypeError(f"{name}: floating-point numbers, got {values.dtype}")


def equivariant_basis(rep_in: Representation, rep_out: Representation) -> Basis:
    """All linear maps from one representation to another that commute with their group.

    Example:
        >>> from erlangen.groups import O, Symmetric, Vector
        >>> pairs = Vector(Symmetric(5)) ** 2
        >>> equivariant_basis(pairs, pairs).dim
        15
        >>> V = Vector(O(3))
        >>> equivariant_basis(3 * V, 2 * V).dim
        6

    Raises:
        TypeError: when one is no representation (points that also move have no matrix).
        ValueError: when the groups differ or are complex, a size is still a name, or a block is too large.
    """
    for name, rep in (("rep_in", rep_in), ("rep_out", rep_out)):
        if not isinstance(rep, Representation):
            raise TypeError(f"equivariant_basis({name}): a representation, got {rep!r}")
    if rep_in.group != rep_out.group:
        raise ValueError(f"equivariant_basis: both of one group, got {rep_in.group} and {rep_out.group}")
    if rep_in.group.complex:
        raise ValueError(f"equivariant_basis: real representations, but {rep_in.group} is complex")
    if rep_in.group.names:
        raise ValueError(f"equivariant_basis: bind the sizes of {rep_in.group} first, as in rep.bind({{'n': 7}})")
    return Basis(rep_in, rep_out)
