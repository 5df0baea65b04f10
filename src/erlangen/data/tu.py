"""Graph classification in the text layout of the TU Dortmund collection: MUTAG, PROTEINS, and any other of its sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from erlangen.data.sources import MissingDataError, find_source
from erlangen.extras import require

if TYPE_CHECKING:
    from torch_geometric.data import Data

TU_SETS = ("MUTAG", "PROTEINS")


def load_tu(name: str, root: Path | None = None, attributes: bool = False) -> list[Data]:
    """The graphs of a TU set, as `read_tu` reads them: MUTAG (188 molecules) or PROTEINS (1113 proteins).

    Source: Morris, Kriege, Bause, Kersting, Mutzel, Neumann, "TUDataset: A Collection of Benchmark Datasets for
    Learning with Graphs", 2020.

    Args:
        name: "MUTAG" or "PROTEINS".
        root: The data root; ``ERLANGEN_DATA`` by default.
        attributes: Also take the real attributes of nodes and edges.

    Raises:
        ValueError: If the name is another.
        MissingDataError: If the files are not there, or are broken.
        MissingExtra: If PyTorch Geometric is not installed.
    """
    if name not in TU_SETS:
        raise ValueError(f"load_tu(name): one of {', '.join(TU_SETS)}, got {name!r}")
    return read_tu(find_source(name.lower(), root), name, attributes)


def read_tu(folder: Path, name: str, attributes: bool = False) -> list[Data]:
    """The graphs of the set ``name`` whose text files lie in ``folder``.

    As PyG's ``TUDataset`` has them: ``x`` and ``edge_attr`` are one-hot labels (behind the attributes, if those are
    taken; missing where the set has neither), self-loops are dropped, and classes count from zero in the order of their
    labels. An edge that is listed again counts once (PyG adds its features up). Nothing is written beside the files.

    Args:
        folder: Holds ``NAME_A.txt``, ``NAME_graph_indicator.txt``, ``NAME_graph_labels.txt``, and those that the set
            has of ``NAME_node_labels.txt``, ``NAME_edge_labels.txt``, ``NAME_node_attributes.txt`` and
            ``NAME_edge_attributes.txt``.
        name: The set's name, which all files begin with.
        attributes: Also take the real attributes of nodes and edges.

    Raises:
        MissingDataError: If a file cannot be read, or the files do not fit together; names the file.
        MissingExtra: If PyTorch Geometric is not installed.
    """
    data = require("torch_geometric.data", "graphs", "a set of graphs")
    graph = _whole(folder / f"{name}_graph_indicator.txt")[:, 0] - 1
    edges = _whole(folder / f"{name}_A.txt", columns=2).T - 1
    labels = _whole(folder / f"{name}_graph_labels.txt")[:, 0]
    graphs, nodes = len(labels), len(graph)
    if nodes and (bool((graph.diff() < 0).any()) or int(graph[0]) < 0 or int(graph[-1]) >= graphs):
        raise MissingDataError(f"{name}_graph_indicator.txt: ascending numbers from 1 to {graphs}; get it again")
    if edges.numel() and (int(edges.min()) < 0 or int(edges.max()) >= nodes):
        raise MissingDataError(f"{name}_A.txt: numbers from 1 to {nodes}, the number of nodes; get it again")
    if bool((graph[edges[0]] != graph[edges[1]]).any()):
        raise MissingDataError(f"{name}_A.txt: an edge joins two graphs; get it again")
    x = _features(folder, name, "node", nodes, attributes)
    edge_attr = _features(folder, name, "edge", edges.shape[1], attributes)
    # Rows sorted by source, then target: an edge that is listed again counts once, with the attributes it had first.
    key = edges[0] * max(nodes, 1) + edges[1]
    order = key.argsort(stable=True)
    kept = order[(key[order].diff(prepend=key.new_tensor([-1])) != 0) & (edges[0] != edges[1])[order]]
    edges, edge_attr = edges[:, kept], None if edge_attr is None else edge_attr[kept]
    y = labels.unique(return_inverse=True)[1]
    sizes, counts = graph.bincount(minlength=graphs), graph[edges[0]].bincount(minlength=graphs)
    starts = sizes.cumsum(0) - sizes
    local = (edges - starts[graph[edges[0]]]).split(counts.tolist(), 1)
    rows = [None] * graphs if x is None else x.split(sizes.tolist())
    attrs = [None] * graphs if edge_attr is None else edge_attr.split(counts.tolist())
    return [
        data.Data(x=rows[i], edge_index=local[i], edge_attr=attrs[i], y=y[i : i + 1], num_nodes=int(sizes[i]))
        for i in range(graphs)
    ]


def _features(folder: Path, name: str, what: str, count: int, attributes: bool) -> Tensor | None:
    """Attributes, if they are taken, and one-hot labels, one column block for every column of labels."""
    found = []
    real, labels = folder / f"{name}_{what}_attributes.txt", folder / f"{name}_{what}_labels.txt"
    if attributes and real.is_file():
        found.append(torch.from_numpy(_read(real)).float())
    if labels.is_file():
        columns = _whole(labels).T
        found += [torch.nn.functional.one_hot(column - column.min()).float() for column in columns if len(column)]
    for block in found:
        if len(block) != count:
            raise MissingDataError(f"{name}_{what}_labels.txt or _attributes.txt: {count} rows; get them again")
    return torch.cat(found, 1) if found else None


def _whole(path: Path, columns: int | None = None) -> Tensor:
    """A table of whole numbers."""
    table = torch.from_numpy(_read(path)).round().long()
    if columns is not None and table.shape[1] != columns:
        raise MissingDataError(f"{path.name}: {columns} columns, got {table.shape[1]}; get it again")
    return table


def _read(path: Path) -> np.ndarray:
    try:
        return np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise MissingDataError(f"{path.name}: cannot be read ({error}); get it again") from None
