"""affNIST and homNIST: digits of MNIST in a frame of 40 x 40, moved by affine maps and by homographies.

affNIST (T. Tieleman, 2013) comes as MATLAB files, each in a zip of its own; homNIST (MacDonald, Ramasinghe, Lucey,
"Enabling Equivariance for Arbitrary Lie Groups", 2022) as one MATLAB file. Both are read as they are published. Where
they are not at hand, `erlangen.data.warps` makes images like theirs.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.io import loadmat
from torch import Tensor

from erlangen.data.sources import MissingDataError, find_source

SIZE = 40
Images = Float[Tensor, "n 1 40 40"]
Labels = Int[Tensor, " n"]

_FILES = {
    "centred/train": "32x/just_centered/training.mat.zip",
    "centred/test": "32x/just_centered/test.mat.zip",
    "moved/validation": "32x/transformed/validation.mat.zip",
    "moved/test": "32x/transformed/test.mat.zip",
}


def load_affnist(split: str, root: Path | None = None, count: int | None = None) -> tuple[Images, Labels]:
    """Digits of affNIST, float32, scaled to 0..1: 32 versions of each digit in the sets that are moved.

    Args:
        split: ``"centred/train"`` and ``"centred/test"`` hold digits as they are, in the middle of the frame;
            ``"moved/validation"`` and ``"moved/test"`` moved ones. The moved test digits are MNIST's test digits.
        root: The data root; ``ERLANGEN_DATA`` by default.
        count: Only the first so many.

    Raises:
        MissingDataError: If the files are not there, or are cut off.
        ValueError: If there is no such split.
    """
    if split not in _FILES:
        raise ValueError(f"load_affnist(split): one of {', '.join(_FILES)}, got {split!r}")
    path = find_source("affnist", root) / _FILES[split]
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read(path.name.removesuffix(".zip"))
    except (KeyError, OSError, zipfile.BadZipFile) as error:
        raise MissingDataError(f"{path.name}: cannot be read ({error}); get it again") from None
    record = _read(content, path.name).get("affNISTdata")
    if not isinstance(record, Mapping):
        raise MissingDataError(f"{path.name}: holds no record 'affNISTdata'; get it again")
    images, labels = (_field(record, key, path.name) for key in ("image", "label_int"))
    if images.ndim != 2 or len(images) != SIZE**2 or labels.shape != images.shape[1:]:
        raise MissingDataError(
            f"{path.name}: 'image' takes shape ({SIZE**2}, n) and 'label_int' (n,), got {images.shape} and "
            f"{labels.shape}; get it again"
        )
    return _scaled(images.T[:count].reshape(-1, 1, SIZE, SIZE)), torch.from_numpy(labels[:count].astype(np.int64))


def load_homnist(
    root: Path | None = None, count: int | None = None
) -> tuple[Images, Labels, Float[Tensor, "n 3 3"] | None]:
    """Digits of homNIST's test set, float32, scaled to 0..1, and their homographies where the file has them.

    Args:
        root: The data root; ``ERLANGEN_DATA`` by default.
        count: Only the first so many.

    Raises:
        MissingDataError: If the file is not there, or is cut off.
    """
    path = find_source("homnist", root) / "homNIST_test.mat"
    record = _read(path.read_bytes(), path.name)
    images, labels = (_field(record, key, path.name) for key in ("img_data", "labels"))
    n = len(labels)
    if images.size != n * SIZE**2 or len(images) != n:
        takes = f"'img_data' takes shape ({n}, {SIZE}, {SIZE}) or ({n}, {SIZE**2}), as many as 'labels'"
        raise MissingDataError(f"{path.name}: {takes}, got {images.shape}; get it again")
    maps = record.get("hom_matrices")
    if maps is not None:
        if np.shape(maps) != (n, 3, 3):
            raise MissingDataError(
                f"{path.name}: 'hom_matrices' takes shape ({n}, 3, 3), got {np.shape(maps)}; get it again"
            )
        maps = torch.from_numpy(np.asarray(maps, dtype=np.float32)[:count])
    images = images[:count].reshape(-1, 1, SIZE, SIZE)
    return _scaled(images), torch.from_numpy(labels[:count].astype(np.int64)), maps


def _read(content: bytes, name: str) -> dict[str, Any]:
    try:
        return loadmat(io.BytesIO(content), simplify_cells=True)
    except Exception as error:  # whatever a damaged file makes the reader stumble over
        raise MissingDataError(f"{name}: cannot be read as a MATLAB file ({error}); get it again") from None


def _field(record: Mapping[str, Any], key: str, name: str) -> np.ndarray:
    value = record.get(key)
    if value is None:
        raise MissingDataError(f"{name}: has no {key!r}; get it again")
    value = np.asarray(value)
    return value.reshape(-1) if key.startswith("label") else value


def _scaled(images: np.ndarray) -> Tensor:
    """Bytes to 0..1; numbers that are not whole are taken as they are."""
    whole = np.issubdtype(images.dtype, np.integer)
    return torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32)) / (255 if whole else 1)
