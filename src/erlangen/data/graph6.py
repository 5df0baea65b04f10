"""McKay's graph6 format: one graph per line of printable characters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from erlangen.data.sources import MissingDataError

_HEADER = b">>graph6<<"


def decode_graph6(line: bytes) -> Float[Tensor, "n n"]:
    """The adjacency matrix of one line, for graphs of at most 62 nodes, float32.

    The first character is n + 63. The others hold six bits each, 63 added: the upper triangle column by column.

    Raises:
        ValueError: If the line is not such a graph.

    >>> decode_graph6(b"Bw")
    tensor([[0., 1., 1.],
            [1., 0., 1.],
            [1., 1., 0.]])
    """
    if not line or not all(63 <= character <= 126 for character in line):
        raise ValueError(f"not a line of graph6: {line[:20]!r}")
    n, pairs = line[0] - 63, (line[0] - 63) * (line[0] - 64) // 2
    if n > 62:
        raise ValueError("a graph of more than 62 nodes, which this reader does not take")
    if len(line) != 1 + (pairs + 5) // 6:
        raise ValueError(f"{len(line)} characters for a graph of {n} nodes, which takes {1 + (pairs + 5) // 6}")
    numbers = np.frombuffer(line[1:], np.uint8) - 63
    bits = np.unpackbits(numbers[:, None], axis=1)[:, 2:].reshape(-1)[:pairs]
    adjacency = np.zeros((n, n), np.float32)
    column, row = np.tril_indices(n, -1)
    adjacency[row, column] = adjacency[column, row] = bits
    return torch.from_numpy(adjacency)


def read_graph6(path: Path) -> list[Float[Tensor, "n n"]]:
    """All graphs of a file; a header may stand before any line, as in files that were joined.

    Raises:
        MissingDataError: If it cannot be read, or a line is broken; names the line.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise MissingDataError(f"{path.name}: cannot be read ({error.strerror}); get it again") from None
    graphs = []
    for number, line in enumerate(lines, start=1):
        try:
            graphs.append(decode_graph6(line.removeprefix(_HEADER)))
        except ValueError as error:
            raise MissingDataError(f"{path.name}: line {number}: {error}; get it again") from None
    return graphs
