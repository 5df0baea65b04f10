"""Networks on pairs of nodes: what each keeps, see registry.py."""

import torch
from tests.promises.registry import promise

from erlangen.graphs import PPGN, PPGNBlock, PPGNPlusPlus


def graphs(generator, in_channels=2):
    """Directed graphs of different sizes, with loops and an isolated node."""
    batch = torch.arange(4).repeat_interleave(torch.tensor([5, 3, 6, 4]))
    pairs = (batch[:, None] == batch).nonzero().T
    chosen = (torch.rand(pairs.shape[1], generator=generator) < 0.4) & (pairs != 7).all(0)
    x = torch.randn(18, in_channels, generator=generator) if in_channels else None
    return x, pairs[:, chosen], batch


@promise
def matrices_of_pairs(generator):
    mask = torch.arange(5) < torch.tensor([[5], [3], [4]])
    return PPGNBlock(3, 6), (torch.randn(3, 3, 5, 5, generator=generator), mask)


@promise
def matrices_of_pairs_that_know_loops_and_directions(generator):
    mask = torch.arange(5) < torch.tensor([[5], [3], [4]])
    block = PPGNBlock(3, 6, transpose=True, identity=True)
    return block, (torch.randn(3, 3, 5, 5, generator=generator), mask)


@promise
def products_of_matrices(generator):
    return PPGN(2, 8, 3, 3), graphs(generator)


@promise
def products_of_matrices_for_nodes(generator):
    x, edge_index, batch = graphs(generator)
    edge_attr = torch.randn(edge_index.shape[1], 2, generator=generator)
    network = PPGN(2, 8, 2, 3, edge_dim=2, transpose=True, identity=True, task="node")
    return network, (x, edge_index, batch, edge_attr)


@promise
def products_of_matrices_without_features(generator):
    return PPGN(0, 8, 2, 3, identity=True), graphs(generator, 0)


def simple_graphs(generator):
    """Dense enough to hold cliques of four nodes; the second is a single node."""
    batch = torch.arange(4).repeat_interleave(torch.tensor([6, 1, 5, 7]))
    i, j = ((batch[:, None] == batch).triu(1)).nonzero().T
    chosen = torch.rand(len(i), generator=generator) < 0.75
    i, j = i[chosen], j[chosen]
    return torch.randn(19, 2, generator=generator), torch.stack([torch.cat([i, j]), torch.cat([j, i])]), batch


@promise
def products_of_matrices_and_what_they_lack(generator):
    return PPGNPlusPlus(2, 8, 2, 3), simple_graphs(generator)


@promise
def products_of_matrices_and_what_they_lack_for_nodes(generator):
    return PPGNPlusPlus(2, 8, 2, 3, degree=5, task="node"), simple_graphs(generator)
