"""Pairs of graphs that colour refinement (1-WL), and so every message passing network, takes for the same graph."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from erlangen.data.sources import MissingDataError, find_source

_EXP_KEYS = {"x", "edge_index", "y", "node_ptr", "edge_ptr"}


class GraphPairs(NamedTuple):
    """Graphs padded with zeros to a common size; graphs 2 i and 2 i + 1 are a pair, and have different labels.

    Attributes:
        adjacency: Zeros and ones, symmetric, float32.
        bits: A zero or a one per node.
        sizes: Number of nodes.
        labels: Zero or one.
    """

    adjacency: Float[Tensor, "graphs n n"]
    bits: Float[Tensor, "graphs n 1"]
    sizes: Int[Tensor, " graphs"]
    labels: Float[Tensor, " graphs"]

    def first(self, count: int) -> GraphPairs:
        """The first ``count`` graphs."""
        return GraphPairs(*(tensor[:count] for tensor in self))


def load_exp(root: Path | None = None) -> GraphPairs:
    """EXP: 600 pairs of graphs of 32 to 64 nodes; one of each pair is a satisfiable formula, the other is not.

    Source: Abboud, Ceylan, Grohe, Lukasiewicz, "The Surprising Power of Graph Neural Networks with Random Node
    Initialization", 2021.

    Args:
        root: The data root; ``ERLANGEN_DATA`` by default. The file holds all graphs behind one another: nodes ``x``
            with borders ``node_ptr``, edges ``edge_index`` (numbered within a graph) with borders ``edge_ptr``, ``y``.

    Raises:
        MissingDataError: If the file is not there, or holds something else.
    """
    path = find_source("exp", root) / "exp.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: torch.from_numpy(file[key].astype(np.int64)) for key in _EXP_KEYS & set(file.files)}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise MissingDataError(f"{path.name}: cannot be read ({error}); get it again") from None
    if missing := _EXP_KEYS - set(arrays):
        raise MissingDataError(f"{path.name}: no array {sorted(missing)[0]!r}; get it again")
    sizes, edges = arrays["node_ptr"].diff(), arrays["edge_ptr"].diff()
    x, edge_index, y = arrays["x"], arrays["edge_index"], arrays["y"]
    graphs, n = len(y), int(sizes.max()) if len(sizes) else 0
    fits = (
        len(sizes) == len(edges) == graphs
        and len(x) == int(arrays["node_ptr"][-1])
        and edge_index.shape == (2, int(arrays["edge_ptr"][-1]))
        and graphs % 2 == 0
    )
    owner = torch.arange(graphs).repeat_interleave(edges) if fits else torch.zeros(0, dtype=torch.long)
    if not fits or bool(((edge_index < 0) | (edge_index >= sizes[owner])).any()):
        raise MissingDataError(f"{path.name}: its arrays do not fit together; get it again")
    adjacency = torch.zeros(graphs, n, n)
    adjacency[owner, edge_index[0], edge_index[1]] = 1
    bits = torch.zeros(graphs, n, 1)
    bits[torch.arange(n) < sizes[:, None]] = x[:, None].float()
    if not torch.equal(adjacency, adjacency.mT):
        raise MissingDataError(f"{path.name}: edges must go both ways; get it again")
    return GraphPairs(adjacency, bits, sizes, y.float())


def cycle_pairs(graphs: int, seed: int = 0, cycle: tuple[int, int] = (3, 8), rest: int = 16) -> GraphPairs:
    """Pairs to do without EXP: a cycle of 2 m nodes (label 1) or two of m nodes (label 0), beside a random tree.

    Both have the same degrees everywhere, and colour refinement sees no more than that. The nodes of the tree carry
    random bits, those of the cycles zeros; the two of a pair have the same tree. Nodes are shuffled.

    Args:
        graphs: How many, an even number.
        seed: Of the choice of m, of the trees and of the order.
        cycle: Least and largest m.
        rest: Largest tree; the least has two nodes.

    Raises:
        ValueError: If the number is odd, or cycles are shorter than triangles.

    >>> pairs = cycle_pairs(4)
    >>> pairs.labels.tolist(), bool((pairs.sizes[0] == pairs.sizes[1]).all())
    ([1.0, 0.0, 1.0, 0.0], True)
    """
    if graphs < 2 or graphs % 2:
        raise ValueError(f"graphs is {graphs}; it takes an even number from 2")
    if not 3 <= cycle[0] <= cycle[1]:
        raise ValueError(f"cycle is {cycle}; cycles take at least 3 nodes, and the least first")
    if rest < 2:
        raise ValueError(f"rest is {rest}; a tree takes at least 2 nodes")
    generator = torch.Generator().manual_seed(seed)

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    n = 2 * cycle[1] + rest
    adjacency, bits = torch.zeros(graphs, n, n), torch.zeros(graphs, n, 1)
    sizes = torch.zeros(graphs, dtype=torch.long)
    for pair in range(graphs // 2):
        m, nodes = draw(*cycle), draw(2, rest)
        tree = [(2 * m + child, 2 * m + draw(0, child - 1)) for child in range(1, nodes)]
        marks = torch.randint(2, (nodes,), generator=generator).float()
        long = [(i, (i + 1) % (2 * m)) for i in range(2 * m)]
        short = [(start + i, start + (i + 1) % m) for start in (0, m) for i in range(m)]
        for place, edges in ((2 * pair, long + tree), (2 * pair + 1, short + tree)):
            order = torch.randperm(2 * m + nodes, generator=generator)
            i, j = order[torch.tensor(edges).T]
            adjacency[place, i, j] = adjacency[place, j, i] = 1
            bits[place, order[2 * m :], 0] = marks
            sizes[place] = len(order)
    labels = torch.tensor([1.0, 0.0]).repeat(graphs // 2)
    return GraphPairs(adjacency, bits, sizes, labels)
