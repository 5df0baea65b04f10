"""Loaders of affNIST and homNIST, on small files in their publishers' layouts, whole and broken."""

import io
import zipfile

import numpy as np
import pytest
import torch
from scipy.io import savemat

from erlangen.data import MissingDataError
from erlangen.data.affnist import load_affnist, load_homnist

SPLITS = {
    "centred/train": "just_centered/training",
    "centred/test": "just_centered/test",
    "moved/validation": "transformed/validation",
    "moved/test": "transformed/test",
}


def mat(content):
    file = io.BytesIO()
    savemat(file, content)
    return file.getvalue()


def digits(n, seed):
    return np.random.default_rng(seed).integers(0, 256, (n, 40, 40), dtype=np.uint8)


@pytest.fixture
def root(tmp_path):
    for seed, path in enumerate(SPLITS.values()):
        file = tmp_path / "affnist" / "32x" / f"{path}.mat.zip"
        file.parent.mkdir(parents=True, exist_ok=True)
        record = {"image": digits(3, seed).reshape(3, 1600).T, "label_int": np.array([[7, 2, seed]], dtype=np.uint8)}
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(file.name.removesuffix(".zip"), mat({"affNISTdata": record}))
    (tmp_path / "homnist").mkdir()
    content = {"img_data": digits(4, 9), "labels": np.arange(4), "hom_matrices": np.stack([np.eye(3)] * 4)}
    (tmp_path / "homnist" / "homNIST_test.mat").write_bytes(mat(content))
    return tmp_path


@pytest.mark.parametrize(("seed", "split"), enumerate(SPLITS))
def test_affnist(root, seed, split):
    images, labels = load_affnist(split, root)
    assert images.dtype == torch.float32 and labels.tolist() == [7, 2, seed]
    assert torch.equal(images[:, 0], torch.from_numpy(digits(3, seed)).float() / 255)
    fewer, labels = load_affnist(split, root, count=2)
    assert torch.equal(fewer, images[:2]) and labels.tolist() == [7, 2]


def test_homnist(root):
    images, labels, maps = load_homnist(root)
    assert torch.equal(images[:, 0], torch.from_numpy(digits(4, 9)).float() / 255)
    assert labels.tolist() == [0, 1, 2, 3] and maps is not None and torch.equal(maps, torch.eye(3).expand(4, 3, 3))
    assert [None if part is None else len(part) for part in load_homnist(root, count=1)] == [1, 1, 1]
    content = {"img_data": digits(4, 9).reshape(4, 1600) / 255, "labels": np.arange(4)}
    (root / "homnist" / "homNIST_test.mat").write_bytes(mat(content))
    flat, _, none = load_homnist(root)
    torch.testing.assert_close(flat, images)
    assert none is None


def record(image, label):
    return {"affNISTdata": {"image": np.zeros(image, dtype=np.uint8), "label_int": np.zeros(label)}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not MATLAB", "test.mat.zip: cannot be read as a MATLAB file"),
        (mat({"other": 1.0}), "holds no record 'affNISTdata'"),
        (mat({"affNISTdata": {"image": np.zeros((1600, 2))}}), "has no 'label_int'"),
        (mat(record((1600, 3), 2)), r"'image' takes shape \(1600, n\) .* got \(1600, 3\) and \(2,\)"),
        (mat(record((784, 3), 3)), r"got \(784, 3\)"),
    ],
)
def test_broken_records_of_affnist_are_named(root, content, message):
    with zipfile.ZipFile(root / "affnist" / "32x" / "transformed" / "test.mat.zip", "w") as archive:
        archive.writestr("test.mat", content)
    with pytest.raises(MissingDataError, match=message):
        load_affnist("moved/test", root)


def test_broken_zips_are_named(root):
    path = root / "affnist" / "32x" / "transformed" / "test.mat.zip"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(MissingDataError, match=r"test\.mat\.zip: cannot be read .* get it again"):
        load_affnist("moved/test", root)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other.mat", b"")
    with pytest.raises(MissingDataError, match=r"test\.mat\.zip: cannot be read"):
        load_affnist("moved/test", root)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"img_data": np.zeros((3, 40, 40)), "labels": np.zeros(2)}, r"'img_data' takes shape \(2, 40, 40\)"),
        ({"img_data": np.zeros((2, 28, 28)), "labels": np.zeros(2)}, r"got \(2, 28, 28\)"),
        ({"labels": np.zeros(2)}, "has no 'img_data'"),
        (
            {"img_data": np.zeros((2, 40, 40)), "labels": np.zeros(2), "hom_matrices": np.zeros((2, 2, 3))},
            r"'hom_matrices' takes shape \(2, 3, 3\), got \(2, 2, 3\)",
        ),
    ],
)
def test_broken_files_of_homnist_are_named(root, content, message):
    (root / "homnist" / "homNIST_test.mat").write_bytes(mat(content))
    with pytest.raises(MissingDataError, match=message):
        load_homnist(root)


def test_what_is_not_there_is_named_with_where_to_get_it(tmp_path):
    with pytest.raises(MissingDataError, match=r"affnist.*training\.mat\.zip.*tijmen"):
        load_affnist("centred/train", tmp_path)
    with pytest.raises(MissingDataError, match=r"homNIST_test\.mat"):
        load_homnist(tmp_path)
    with pytest.raises(ValueError, match="one of centred/train"):
        load_affnist("test", tmp_path)
