"""PLY files: text and both byte orders say the same; each broken file with its message."""

import numpy as np
import pytest

from erlangen.data.ply import read_ply

VERTICES = np.array(
    [(0.5, -1.25, 2.0, 200, -3), (1e6, 0.0, 0.25, 7, 4), (-3.0, 4.0, 5.0, 0, 0)],
    dtype=[("x", "f4"), ("y", "f8"), ("z", "f4"), ("red", "u1"), ("label", "i4")],
)
HEAD = """\
ply
format {format} 1.0
comment made for a test of what follows the end_header
{before}element vertex 3
property float x
property double y
property float32 z
property uchar red
property int32 label
element face 1
property list uchar int vertex_indices
end_header
"""
EDGES = "element edge 2\nproperty list uint8 int16 path\nproperty short weight\n"


def write(path, format, edges=False):
    before = EDGES if edges else ""
    content = HEAD.format(format=format, before=before).encode()
    if format == "ascii":
        rows = ["2 5 6 1", "0 9"] if edges else []
        rows += [" ".join(str(value) for value in row) for row in VERTICES.tolist()]
        content += ("\n".join([*rows, "3 0 1 2"]) + "\n").encode()
    else:
        order = "<" if "little" in format else ">"
        if edges:
            content += np.array([2], "u1").tobytes() + np.array([5, 6, 1], order + "i2").tobytes()
            content += np.array([0], "u1").tobytes() + np.array([9], order + "i2").tobytes()
        content += VERTICES.astype(VERTICES.dtype.newbyteorder(order)).tobytes()
        content += np.array([3], "u1").tobytes() + np.array([0, 1, 2], order + "i4").tobytes()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("format", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_all_formats_say_the_same(tmp_path, format, edges):
    found = read_ply(write(tmp_path / "a.ply", format, edges))
    assert list(found) == list(VERTICES.dtype.names)
    for name, values in found.items():
        assert values.dtype == VERTICES.dtype[name] and values.dtype.isnative
        np.testing.assert_array_equal(values, VERTICES[name])


def test_line_ends_of_other_systems(tmp_path):
    path = write(tmp_path / "a.ply", "ascii")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    np.testing.assert_array_equal(read_ply(path)["y"], VERTICES["y"])


def replaced(old, new):
    return lambda data: data.replace(old, new)


@pytest.mark.parametrize(
    ("format", "change", "message"),
    [
        ("ascii", lambda data: b"solid", "a.ply: not a PLY file"),
        ("ascii", lambda data: data[:60], "a.ply: cut off, no line 'end_header'"),
        ("ascii", lambda data: data[: data.find(b"\nend_header") + 26], r"cut off, the header says 3 vertices, got 1"),
        ("binary_little_endian", lambda data: data[:-40], "cut off, the header says 3 vertices of 21 bytes"),
        ("ascii", replaced(b"ascii", b"utf8"), "a header of format, element and property lines, got 'format utf8 1.0'"),
        ("ascii", replaced(b"property float x", b"property half x"), "got 'property half x'"),
        ("ascii", replaced(b"format ascii 1.0\n", b""), "one of the formats ascii, .*, the header names none"),
        ("ascii", replaced(b"element vertex", b"element point"), "no element 'vertex'; it has point, face"),
        ("ascii", replaced(b"float x", b"float u"), "vertices with x, y and z, got u, y, z, red, label without x"),
        (
            "ascii",
            replaced(b"property uchar red", b"property list uchar int red"),
            "of single numbers, got a list 'red'",
        ),
        ("ascii", replaced(b" 7 4", b" 7"), "5 numbers for each vertex, got 4 for vertex 1"),
        ("ascii", replaced(b" 200 -3", b" 200"), "5 numbers for each vertex, got 4 for vertex 0"),
        ("ascii", replaced(b" 7 4", b" 7 four"), "numbers for 'label' of the vertices"),
        ("ascii", replaced(b" 7 4", b" 300 4"), "whole numbers from 0 to 255 for 'red' of the vertices, got 300"),
        ("ascii", replaced(b" 7 4", b" nan 4"), "for 'red' of the vertices, got nan"),
        ("ascii", replaced(b" 7 4", b" 7 4.5"), "for 'label' of the vertices, got 4.5"),
    ],
)
def test_broken_files(tmp_path, format, change, message):
    path = write(tmp_path / "a.ply", format)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=message):
        read_ply(path)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_ply(tmp_path / "none.ply")


def test_a_list_that_is_cut_off(tmp_path):
    path = write(tmp_path / "a.ply", "binary_little_endian", edges=True)
    data = path.read_bytes()
    path.write_bytes(data[: data.find(b"\nend_header\n") + 12 + 7])
    with pytest.raises(ValueError, match="cut off within 'edge'"):
        read_ply(path)
