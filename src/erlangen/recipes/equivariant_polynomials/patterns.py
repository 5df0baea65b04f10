"""Random graphs and how often they hold small patterns, as sub-graphs that need not be induced."""

from __future__ import annotations

import networkx
import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data

from erlangen.recipes.equivariant_polynomials.cliques import count_cliques

PATTERNS = {
    "star": "star of 3 edges",
    "triangle": "triangle",
    "square": "4-cycle",
    "chordal": "4-cycle, chord",
    "pentagon": "5-cycle",
    "clique": "4-clique",
}
SIZES = (10, 20)


def pattern_graphs(count: int, seed: int) -> list[Data]:
    """Graphs of 10 to 20 nodes, labelled by log(1 + count) of every pattern.

    Half of them join any two nodes at random, with a probability between 0.2 and 0.5; in the others every node has the
    same number of neighbours, three to six.

    >>> pattern_graphs(2, seed=0)[1].y.shape
    torch.Size([1, 6])
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    found = []
    for number in range(count):
        n, own = draw(*SIZES), draw(0, 2**31 - 1)
        if number % 2:
            degree = draw(3, 6)
            graph = networkx.random_regular_graph(degree, n + n * degree % 2, seed=own)
        else:
            graph = networkx.gnp_random_graph(n, float(0.2 + 0.3 * torch.rand((), generator=generator)), seed=own)
        adjacency = torch.from_numpy(networkx.to_numpy_array(graph, nodelist=range(len(graph))))
        y = torch.cat([count_patterns(adjacency), torch.tensor([count_cliques(graph)]).double()]).log1p()
        found.append(Data(edge_index=adjacency.nonzero().T.contiguous(), y=y[None].float(), num_nodes=len(graph)))
    return found


def count_patterns(adjacency: Float[Tensor, "n n"]) -> Float[Tensor, "5"]:
    """All patterns but the clique, in closed form.

    Closed walks of four and five steps are cycles, and walks that go back on themselves, which are taken off.

    Source: Harary, Manvel, "On the Number of Cycles in a Graph", 1971.

    >>> count_patterns(1 - torch.eye(4, dtype=torch.float64)).tolist()
    [4.0, 4.0, 3.0, 6.0, 0.0]
    """
    degree = adjacency.sum(1)
    square = adjacency @ adjacency
    cube = (square @ adjacency).diagonal()
    star = (degree * (degree - 1) * (degree - 2)).sum() / 6
    four = (square * square).sum() - 2 * degree.square().sum() + degree.sum()
    chordal = (adjacency * square * (square - 1)).sum() / 4
    five = (square * (square @ adjacency)).sum() - 5 * cube.sum() - 5 * (cube * (degree - 2)).sum()
    return torch.stack([star, cube.sum() / 6, four / 8, chordal, five / 10])
