"""Networks on subgraphs: what each keeps, see registry.py."""

import torch
from tests.promises.registry import promise

from erlangen.graphs import IGN2, SPEN, PermutationEquivariantLinear


def graphs(generator, in_channels=2, in_edge=0):
    """Three graphs of different sizes, one with an isolated node."""
    sizes = torch.tensor([5, 3, 6])
    batch = torch.arange(3).repeat_interleave(sizes)
    pairs = ((batch[:, None] == batch) & torch.ones(14, 14).triu(1).bool()).nonzero().T
    kept = pairs[:, (torch.rand(pairs.shape[1], generator=generator) < 0.5) & (pairs != 4).all(0)]
    edge_index = torch.cat([kept, kept.flip(0)], 1)
    x = torch.randn(14, in_channels, generator=generator) if in_channels else None
    edges = [torch.randn(edge_index.shape[1], in_edge, generator=generator)] if in_edge else []
    return x, edge_index, batch, *edges


@promise
def pairs_and_nodes_of_a_set(generator):
    linear = PermutationEquivariantLinear({0: 2, 1: 3, 2: 4}, {0: 2, 1: 3, 2: 4})
    return linear, ({k: torch.randn(6, *[5] * k, 2 + k, generator=generator) for k in (0, 1, 2)},)


@promise
def ego_networks(generator):
    return SPEN(2, 8, 2, 3), graphs(generator)


@promise
def ego_networks_of_two_hops_with_edges(generator):
    return SPEN(0, 6, 2, 2, num_hops=2, reps=(2,), norm="graph", in_edge=2), graphs(generator, 0, 2)


@promise
def all_pairs_of_a_graph(generator):
    return IGN2(2, 8, 2, 3, norm="none"), graphs(generator)
