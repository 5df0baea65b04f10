"""What is read of a user's clouds: each format against the arrays it was written from, each wrong one with its line."""

import io
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase import io as ase_io
from ase.calculators.singlepoint import SinglePointCalculator
from torch_geometric.data import Data

from erlangen.recipes.compare.clouds import assemble
from erlangen.recipes.compare.files import from_items, read_records

RNG = np.random.default_rng(0)
POS = RNG.normal(size=(4, 5, 3))
SIZES = [5, 3, 4, 1]
MASK = np.arange(5) < np.array(SIZES)[:, None]
BATCH = np.repeat(np.arange(4), SIZES)


def npz(folder, **arrays):
    np.savez(folder / "clouds.npz", **arrays)
    return folder / "clouds.npz"


def test_padded_and_flat_are_the_same(tmp_path):
    x, vec, y_node = RNG.normal(size=(4, 5)), RNG.normal(size=(4, 5, 3)), RNG.integers(2, size=(4, 5))
    padded, name = read_records(npz(tmp_path, pos=POS, mask=MASK, x=x, vec=vec, y_node=y_node))
    flat, _ = read_records(
        npz(tmp_path, pos=POS[MASK], batch=BATCH, x=x[MASK], vec=vec[MASK][:, None], y_node=y_node[MASK])
    )
    assert name == "y_node" and padded.belongs_to_points("y_node")
    for one, other, size, i in zip(padded.clouds, flat.clouds, SIZES, range(4), strict=True):
        assert set(one) == {"pos", "x", "vec", "y_node"}
        assert one["x"].shape == (size, 1) and one["vec"].shape == (size, 1, 3)
        np.testing.assert_array_equal(one["pos"], POS[i, :size])
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_edges_are_numbered_anew_in_each_cloud(tmp_path):
    edges = np.array([[0, 5, 9, 11], [1, 6, 8, 8]])
    records, _ = read_records(npz(tmp_path, pos=POS[MASK], batch=BATCH, y=np.arange(4.0), edge_index=edges))
    found = [cloud["edge_index"].tolist() for cloud in records.clouds]
    assert found == [[[0], [1]], [[0], [1]], [[1, 3], [0, 0]], [[], []]]


@pytest.mark.parametrize(
    ("arrays", "kind", "task", "outputs"),
    [
        ({"y": np.array([3, 7, 3, 7])}, "classes", "graph", 2),
        ({"y": np.array([0.5, 1, 2, 3])}, "numbers", "graph", 1),
        ({"y": RNG.normal(size=(4, 6))}, "numbers", "graph", 6),
        ({"y_node": np.arange(20).reshape(4, 5) % 3}, "classes", "node", 3),
        ({"y_node": RNG.normal(size=(4, 5, 2))}, "numbers", "node", 2),
        ({"vectors": RNG.normal(size=(4, 3))}, "vectors", "graph", 1),
        ({"vectors": RNG.normal(size=(4, 5, 3))}, "vectors", "node", 1),
        ({"vectors": RNG.normal(size=(4, 5, 2, 3))}, "vectors", "node", 2),
    ],
)
def test_the_task_is_told_by_the_arrays(tmp_path, arrays, kind, task, outputs):
    records, name = read_records(npz(tmp_path, pos=POS, **arrays))
    clouds = assemble("clouds.npz", records, name)
    assert (clouds.kind, clouds.task, clouds.outputs, clouds.dim) == (kind, task, outputs, 3)
    assert clouds.clouds[0].target.shape[0] == (5 if task == "node" else 1)
    if kind == "classes" and task == "graph":
        assert [int(cloud.target) for cloud in clouds.clouds] == [0, 1, 0, 1]


def test_the_kind_can_be_said(tmp_path):
    records, name = read_records(npz(tmp_path, pos=POS, y=RNG.normal(size=(4, 3))))
    assert assemble("f", records, name).kind == "numbers"
    assert assemble("f", records, name, "vectors").clouds[0].target.shape == (1, 1, 3)
    records, name = read_records(npz(tmp_path, pos=POS, y=np.array([1, 2, 5, 9])))
    assert assemble("f", records, name, "numbers").clouds[2].target.tolist() == [[5.0]]
    with pytest.raises(ValueError, match=r"from 2 classes to half as many as rows in 'y', got 4; save them as floats"):
        assemble("f", records, name)
    with pytest.raises(ValueError, match=r"--target-kind vectors takes rows of 3 numbers, 'y' is torch.int64"):
        assemble("f", records, name, "vectors")


def frames(path):
    made = []
    for i in range(4):
        atoms = Atoms("OH2" if i % 2 else "OH", positions=POS[i, : 3 if i % 2 else 2])
        forces = RNG.normal(size=(len(atoms), 3))
        atoms.calc = SinglePointCalculator(atoms, energy=-10.0 - i, forces=forces)
        made.append(atoms)
    ase_io.write(path, made, format="extxyz")
    return made


def test_extended_xyz(tmp_path):
    made = frames(tmp_path / "a.xyz")
    records, name = read_records(tmp_path / "a.xyz")
    assert name == "energy" and records.composition == "energy"
    assert [float(cloud["energy"]) for cloud in records.clouds] == [-10.0, -11.0, -12.0, -13.0]
    assert records.clouds[1]["x"].tolist() == [[0, 1], [1, 0], [1, 0]]  # hydrogen, oxygen
    records, name = read_records(tmp_path / "a.xyz", "forces")
    clouds = assemble("a.xyz", records, name)
    assert (clouds.kind, clouds.task, clouds.explained) == ("vectors", "node", False)
    np.testing.assert_allclose(clouds.clouds[1].target[:, 0], made[1].get_forces(), atol=1e-7)
    with pytest.raises(ValueError, match=r"a.xyz: --target energy or forces, got 'dipole'"):
        read_records(tmp_path / "a.xyz", "dipole")


def ply(path, points=4, **properties):
    columns = dict(zip("xyz", RNG.normal(size=(3, points)), strict=True)) | properties
    kinds = {"f": "float", "i": "int", "u": "uchar"}
    head = [f"property {kinds[np.asarray(value).dtype.kind]} {name}" for name, value in columns.items()]
    rows = [" ".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["ply", "format ascii 1.0", f"element vertex {points}", *head, "end_header", *rows]))


def test_folders_of_ply_files_are_classes(tmp_path):
    for i in range(4):
        ply(tmp_path / "ba"[i % 2] / f"{i}.ply", 3 + i, nx=np.ones(3 + i), ny=np.zeros(3 + i), nz=np.zeros(3 + i))
    records, name = read_records(tmp_path)
    assert name == "folder" and [int(cloud["folder"]) for cloud in records.clouds] == [0, 0, 1, 1]
    assert records.clouds[0]["pos"].shape == (4, 3) and records.clouds[0]["vec"].tolist() == [[[1, 0, 0]]] * 4


def test_labels_colours_and_normals_of_vertices(tmp_path):
    for i in range(3):
        label, red = np.array([0.0, 1.0, 1.0, 2.0]), np.array([0, 255, 51, 0], np.uint8)
        normals = dict(zip(("nx", "ny", "nz"), RNG.normal(size=(3, 4)), strict=True))
        ply(
            tmp_path / f"{i}.ply",
            scalar_Label=label,
            red=red,
            green=red,
            blue=red,
            height=RNG.normal(size=4),
            **normals,
        )
    records, name = read_records(tmp_path)
    assert name == "scalar_Label" and assemble("f", records, name).kind == "classes"
    assert records.clouds[0]["x"][:, 0].tolist() == [0.0, 1.0, 0.2, 0.0] and "vec" in records.clouds[0]
    records, name = read_records(tmp_path, "height")
    assert assemble("f", records, name).kind == "numbers" and assemble("f", records, name).task == "node"
    records, name = read_records(tmp_path, "normals")
    assert assemble("f", records, name).kind == "vectors" and "vec" not in records.clouds[0]
    with pytest.raises(ValueError, match=r"--target, one of scalar_Label, red, .*, normals of the vertices, got label"):
        read_records(tmp_path, "label")
    with pytest.raises(ValueError, match=r"0.ply: one cloud \(of 4 points\); name the folder"):
        read_records(tmp_path / "0.ply")


class Foreign:
    """What a pickle could hold, and run."""

    def __init__(self):
        self.pos = torch.zeros(2, 3)


def test_files_of_tensors_and_nothing_else(tmp_path):
    path = tmp_path / "a.pt"
    torch.save({"pos": torch.tensor(POS), "y": torch.arange(4.0)}, path)
    assert read_records(path)[0].clouds[3]["y"].tolist() == [3.0]
    items = [{"pos": torch.tensor(POS[i]), "y": torch.tensor(i / 2), "z": torch.arange(5)} for i in range(4)]
    torch.save(items, path)
    records, _ = read_records(path)
    assert records.clouds[1]["y"].tolist() == [0.5] and records.clouds[1]["x"].shape == (5, 1)
    torch.save([Foreign()], path)
    with pytest.raises(ValueError, match=r"a.pt: tensors alone, .* other objects are not read, so name a function"):
        read_records(path)
    path.write_bytes(b"no file of torch")
    with pytest.raises(ValueError, match=r"a.pt: tensors alone"):
        read_records(path)


def test_data_sets_of_pytorch_geometric(monkeypatch):
    module = types.ModuleType("somebodys_clouds")
    edges = torch.tensor([[0, 1], [1, 0]])
    whole = [Data(pos=torch.randn(n, 3), y=torch.tensor([n % 2]), edge_index=edges, name="a") for n in (2, 3, 4, 5)]
    module.whole = lambda: whole
    module.points = [Data(pos=torch.randn(n, 2), y=torch.randn(n), x=torch.ones(n, 2)) for n in (1, 3, 4)]
    monkeypatch.setitem(sys.modules, "somebodys_clouds", module)
    records, name = read_records(Path("somebodys_clouds:whole"))
    clouds = assemble("f", records, name)
    assert (clouds.kind, clouds.task, clouds.outputs) == ("classes", "graph", 2)
    assert torch.equal(clouds.clouds[0].edge_index, edges)
    records, name = read_records(Path("somebodys_clouds:points"))
    clouds = assemble("f", records, name)
    assert (clouds.kind, clouds.task, clouds.dim, clouds.in_scalar) == ("numbers", "node", 2, 2)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": np.arange(4.0)}, "coordinates under 'pos'; it has y"),
        ({"pos": POS}, "clouds.npz: something to learn, y for instance; it has pos"),
        ({"pos": POS[:0], "y": np.arange(0.0)}, "at least 3 clouds, .* got 0"),
        ({"pos": POS, "a": np.arange(4.0), "b": np.arange(4.0)}, "--target, one of a, b, got none"),
        ({"pos": POS[0], "y": np.arange(4.0)}, r"or \(points, dim\) with 'batch', got \(5, 3\)"),
        ({"pos": POS[:2], "y": np.arange(2.0)}, "at least 3 clouds, .* got 2"),
        ({"pos": POS, "y": np.arange(3.0)}, r"'y' with a row for each of 4 clouds, got shape \(3,\)"),
        ({"pos": POS, "y": np.array([0, 1, np.nan, 0])}, "cloud 2: finite numbers in 'y', got NaN"),
        ({"pos": POS * np.inf, "y": np.arange(4.0)}, "cloud 0: finite numbers in 'pos'"),
        ({"pos": POS, "mask": MASK[:, :4], "y": np.arange(4.0)}, r"'mask' of shape \(4, 5\), got \(4, 4\)"),
        ({"pos": POS, "mask": MASK & False, "y": np.arange(4.0)}, "cloud 0: at least one point, got none"),
        ({"pos": POS, "x": POS[:, :4], "y": np.arange(4.0)}, r"'x' of shape \(4, 5, ...\), as 'pos', got"),
        ({"pos": POS, "vec": POS[..., :2], "y": np.arange(4.0)}, r"vectors 'vec' of shape \(5, vectors, 3\)"),
        ({"pos": POS[MASK], "batch": BATCH[::-1].copy(), "y": np.arange(4.0)}, "'batch' ascending"),
        ({"pos": POS[MASK], "batch": BATCH * 1.0, "y": np.arange(4.0)}, "'batch' of 13 whole numbers from 0"),
        (
            {"pos": POS[MASK], "batch": BATCH, "y": np.arange(4.0), "edge_index": np.array([[0], [9]])},
            "edges within clouds, got one between two",
        ),
        (
            {"pos": POS[MASK], "batch": BATCH, "y": np.arange(4.0), "edge_index": np.array([[0], [13]])},
            "'edge_index' of points from 0 to 12",
        ),
        ({"pos": np.array(["a"]), "y": np.arange(4.0)}, "arrays of numbers, 'pos' is <U1"),
    ],
)
def test_wrong_arrays(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=message):
        read_records(npz(tmp_path, **arrays))


def test_pickled_arrays_are_not_loaded(tmp_path):
    path = npz(tmp_path, pos=np.array([Foreign()], dtype=object))
    with pytest.raises(ValueError, match=r"clouds.npz: not an npz file of plain arrays"):
        read_records(path)
    path.write_bytes(b"PK")
    with pytest.raises(ValueError, match="not an npz file of plain arrays"):
        read_records(path)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (3, "a data set with a length and items, got int"),
        ([{"y": torch.zeros(1)}], r"cloud 0: an object or a dict with a tensor 'pos', got one with y"),
        ([io.StringIO()], r"cloud 0: an object or a dict with a tensor 'pos', got StringIO"),
    ],
)
def test_wrong_items(items, message):
    with pytest.raises(ValueError, match=message):
        from_items("f", items)


def test_the_same_everywhere_is_nothing_to_learn(tmp_path):
    records, name = read_records(npz(tmp_path, pos=POS, y=np.ones(4)))
    with pytest.raises(ValueError, match="something to learn in 'y', got the same everywhere"):
        assemble("f", records, name)


def test_what_no_network_sees_is_said():
    plain = {"pos": torch.randn(3, 3), "y": torch.tensor(1.0)}
    items = [plain | {"z": torch.arange(3), "edge_attr": torch.zeros(2, 1), "u": torch.zeros(1)} for _ in range(3)]
    records = from_items("f", items)
    assert records.choose("f", "y") == "y" and records.unused == ("edge_attr", "u")
    assert records.clouds[0]["x"].tolist() == [[0.0], [1.0], [2.0]]
    records = from_items("f", [item | {"x": torch.zeros(3)} for item in items])
    assert records.choose("f", "u") == "u" and records.unused == ("z", "edge_attr", "y")
