"""Loaders of digits: the real ones, and files in MNIST's layout, whole and broken."""

import gzip
import sys

import pytest
import torch

from erlangen.data import MissingDataError
from erlangen.data.digits import load_digits, load_mnist_test
from erlangen.extras import MissingExtra

IMAGES, LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"


def idx(shape, content):
    head = bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
    return gzip.compress(head + bytes(content), mtime=0)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "mnist" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    (folder / IMAGES).write_bytes(idx((2, 28, 28), [0] * 784 + [255] * 784))
    (folder / LABELS).write_bytes(idx((2,), [7, 2]))
    return tmp_path


def test_digits_of_scikit_learn():
    images, labels = load_digits()
    assert images.shape == (1797, 1, 8, 8) and images.dtype == torch.float32
    assert (float(images.min()), float(images.max())) == (0.0, 1.0)
    assert labels.unique().tolist() == list(range(10))


def test_without_scikit_learn_the_line_that_mends_it(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"] + ["sklearn"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r"'digits' needs sklearn.*pip install 'erlangen\[recipes\]'"):
        load_digits()


def test_mnist_in_its_publishers_layout(root):
    images, labels = load_mnist_test(root)
    assert images.shape == (2, 1, 28, 28) and images.mean((1, 2, 3)).tolist() == [0.0, 1.0]
    assert labels.tolist() == [7, 2]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (IMAGES, b"not gzip", "t10k-images-idx3-ubyte.gz: cannot be read as gzip"),
        (IMAGES, idx((2, 28, 28), [0] * 1568)[:-20], "cannot be read as gzip"),
        (IMAGES, idx((2, 28, 28), [0] * 1000), "1000 bytes for shape (2, 28, 28)"),
        (LABELS, idx((2, 1), [0, 0]), "t10k-labels-idx1-ubyte.gz: not an IDX file of bytes with 1 axes"),
        (LABELS, gzip.compress(b"", mtime=0), "not an IDX file"),
    ],
    ids=["no gzip", "cut off", "too few bytes", "wrong axes", "empty"],
)
def test_broken_files_are_named(root, name, content, message):
    (root / "mnist" / "MNIST" / "raw" / name).write_bytes(content)
    with pytest.raises(MissingDataError) as caught:
        load_mnist_test(root)
    assert message in str(caught.value)
