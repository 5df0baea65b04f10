"""Handwritten digits: scikit-learn's, which are always there, and MNIST's test file."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from erlangen.data.sources import MissingDataError, find_source
from erlangen.extras import require

Images = Float[Tensor, "n 1 size size"]
Labels = Int[Tensor, " n"]


def load_digits() -> tuple[Images, Labels]:
    """The 1797 digits of scikit-learn (UCI, Alpaydin and Kaynak 1998): 8 x 8, float32, scaled to 0..1.

    Raises:
        MissingExtra: If scikit-learn is not installed.
    """
    datasets = require("sklearn.datasets", "recipes", "the data set 'digits'")
    images, labels = datasets.load_digits(return_X_y=True)
    return torch.from_numpy(images).float().reshape(-1, 1, 8, 8) / 16, torch.from_numpy(labels).long()


def load_mnist_test(root: Path | None = None) -> tuple[Images, Labels]:
    """The 10000 digits of MNIST's test file (LeCun, Cortes and Burges 1998): 28 x 28, float32, scaled to 0..1.

    Args:
        root: The data root; ``ERLANGEN_DATA`` by default.

    Raises:
        MissingDataError: If the files are not there, or are cut off.
    """
    folder = find_source("mnist", root)
    images = _read_idx(folder / "t10k-images-idx3-ubyte.gz", dimensions=3)
    labels = _read_idx(folder / "t10k-labels-idx1-ubyte.gz", dimensions=1)
    return torch.from_numpy(images).float().unsqueeze(1) / 255, torch.from_numpy(labels).long()


def _read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Reads a gzipped IDX file of bytes: two zeros, type 8, number of axes, their lengths (big-endian), the bytes."""
    try:
        with gzip.open(path, "rb") as file:
            content = file.read()
    except (OSError, EOFError) as error:
        raise MissingDataError(f"{path.name}: cannot be read as gzip ({error}); get it again") from None
    head = 4 + 4 * dimensions
    if len(content) < head or content[:4] != bytes([0, 0, 8, dimensions]):
        raise MissingDataError(f"{path.name}: not an IDX file of bytes with {dimensions} axes; get it again")
    shape = struct.unpack(f">{dimensions}I", content[4:head])
    if len(content) - head != int(np.prod(shape)):
        raise MissingDataError(f"{path.name}: {len(content) - head} bytes for shape {shape}; get it again")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape).copy()
