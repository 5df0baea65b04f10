"""Regular graphs and how many cliques of four nodes they hold."""

from __future__ import annotations

import math

import networkx
import torch
from torch_geometric.data import Data

DEGREE = 6
SIZES = (12, 16)


def clique_graphs(count: int, seed: int) -> list[Data]:
    r"""Graphs of 12 to 16 nodes with six neighbours each, labelled by :math:`\log(1 + \text{cliques of four})`.

    Half of them are random; half are circulants, in which every node is joined to the three next to it on either side,
    with up to as many swaps of two edges as there are nodes. All nodes having as many neighbours, message passing sees
    nothing but the size. (With four neighbours, as in circulants of two steps, hardly one graph in twenty holds a
    clique of four.)

    Args:
        count: An even number.
        seed: Of the sizes, graphs and swaps.

    >>> [data.num_nodes for data in clique_graphs(4, seed=0)], clique_graphs(2, seed=1)[1].y.shape
    ([16, 12, 15, 13], torch.Size([1, 1]))
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    found = []
    for number in range(count):
        n = draw(*SIZES)
        own = draw(0, 2**31 - 1)
        if number % 2:
            graph = networkx.circulant_graph(n, range(1, DEGREE // 2 + 1))
            swaps = draw(0, n)
            if swaps:
                networkx.double_edge_swap(graph, swaps, max_tries=100 * n, seed=own)
        else:
            graph = networkx.random_regular_graph(DEGREE, n, seed=own)
        adjacency = torch.from_numpy(networkx.to_numpy_array(graph, nodelist=range(n)))
        y = torch.tensor([[math.log1p(count_cliques(graph))]])
        found.append(Data(edge_index=adjacency.nonzero().T.contiguous(), y=y, num_nodes=n))
    return found


def count_cliques(graph: networkx.Graph) -> int:
    """How many sets of four nodes are all joined to each other.

    >>> count_cliques(networkx.complete_graph(5))
    5
    """
    return sum(len(clique) == 4 for clique in networkx.enumerate_all_cliques(graph))
