"""Equivariant polynomials of matrices, see registry.py."""

import torch
from tests.promises.registry import promise

from erlangen.graphs import EquivariantPolynomials, enumerate_basis, missing_polynomials


@promise
def polynomials_of_any_matrix(generator):
    graphs = [graph for degree in (1, 2) for order in (0, 1, 2) for graph in enumerate_basis(degree, order)]
    return EquivariantPolynomials(graphs), (torch.randn(4, 6, 6, generator=generator),)


@promise
def polynomials_of_graphs_that_matrix_products_do_not_reach(generator):
    upper = torch.rand(4, 9, 9, generator=generator).lt(0.7).triu(1).float()
    return EquivariantPolynomials(missing_polynomials("edge", 6), simple=True), (upper + upper.mT,)
