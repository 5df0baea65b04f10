"""Citation graphs with the public split: Cora and CiteSeer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from erlangen.data.sources import MissingDataError, find_source
from erlangen.extras import require

if TYPE_CHECKING:
    from torch_geometric.data import Data

PLANETOID_SETS = ("Cora", "CiteSeer")


def load_planetoid(name: str, root: Path | None = None) -> Data:
    """A citation graph: bags of words, links both ways, the topic of each paper, and the masks of the public split.

    As PyG's ``Planetoid`` has it, read from the same files by PyG's own reader, and without a processed copy. The
    published files are pickles, which that reader unpickles: take them from their publisher alone.

    Source: Yang, Cohen, Salakhutdinov, "Revisiting Semi-Supervised Learning with Graph Embeddings", 2016.

    Args:
        name: "Cora" (2708 papers) or "CiteSeer" (3327, some of them without links).
        root: The data root; ``ERLANGEN_DATA`` by default.

    Raises:
        ValueError: If the name is another.
        MissingDataError: If the files are not there, or are broken.
        MissingExtra: If PyTorch Geometric is not installed.
    """
    if name not in PLANETOID_SETS:
        raise ValueError(f"load_planetoid(name): one of {', '.join(PLANETOID_SETS)}, got {name!r}")
    folder = find_source(name.lower(), root)
    reader = require("torch_geometric.io", "graphs", "a citation graph")
    try:
        return reader.read_planetoid_data(str(folder), name.lower())
    except Exception as error:  # whatever a broken pickle does
        raise MissingDataError(f"{folder.parent.name}: cannot be read ({error}); get it again") from None
