"""Point clouds in PLY files, the format of scanners and of most programs that show clouds."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

# The format's names of types, old and new, and numpy's; "<" or ">" is put before them.
_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_FORMATS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass
class _Property:
    name: str
    kind: str
    counted_by: str = ""  # of a list: the type of its length


@dataclass
class _Element:
    name: str
    count: int
    properties: list[_Property] = field(default_factory=list)

    @property
    def has_lists(self) -> bool:
        return any(one.counted_by for one in self.properties)

    def dtype(self, order: str) -> np.dtype:
        return np.dtype([(one.name, (order or "=") + one.kind) for one in self.properties])


def read_ply(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    r"""The vertices of a PLY file: one array of length ``vertices`` for each of their properties.

    Text and both binary formats are read. Other elements, such as faces, are passed over.

    Args:
        path: The file.

    Returns:
        Arrays by name, in the file's types and order: usually ``x``, ``y``, ``z``, then for instance ``nx``, ``red``,
        ``label``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no PLY file, is cut off, or has no vertices, no coordinates, or lists in its vertices.

    Source: Turk, "The PLY Polygon File Format", 1994.

    >>> import tempfile, pathlib
    >>> head = ["ply", "format ascii 1.0", "element vertex 2", *(f"property float {c}" for c in "xyz"), "end_header"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "two.ply")
    ...     _ = path.write_text("\n".join([*head, "0 0 0", "1 2 3"]))
    ...     read_ply(path)["z"]
    array([0., 3.], dtype=float32)
    """
    path = Path(path)
    data = path.read_bytes()
    order, elements, start = _header(path.name, data)
    before = [element.name for element in elements].index("vertex")
    vertex = elements[before]
    if lists := [one.name for one in vertex.properties if one.counted_by]:
        raise ValueError(f"{path.name}: vertices of single numbers, got a list {lists[0]!r}")
    names = [one.name for one in vertex.properties]
    if missing := [name for name in "xyz" if name not in names]:
        raise ValueError(f"{path.name}: vertices with x, y and z, got {', '.join(names)} without {missing[0]}")
    if order == "":
        return _from_text(path.name, data[start:], elements[:before], vertex)
    for element in elements[:before]:
        start += _size(path.name, data, start, element, order)
    dtype = vertex.dtype(order)
    if len(data) - start < vertex.count * dtype.itemsize:
        raise ValueError(f"{path.name}: cut off, the header says {vertex.count} vertices of {dtype.itemsize} bytes")
    table = np.frombuffer(data, dtype, vertex.count, start)
    return {name: np.ascontiguousarray(table[name]).astype(table[name].dtype.newbyteorder("=")) for name in names}


def _header(file: str, data: bytes) -> tuple[str, list[_Element], int]:
    """The byte order ("" for text), the elements, and where the data begin."""
    if not data.startswith((b"ply\n", b"ply\r")):
        raise ValueError(f"{file}: not a PLY file, which begins with 'ply'")
    end = data.find(b"\nend_header") + 1
    line_end = data.find(b"\n", end)
    if end == 0 or line_end < 0:
        raise ValueError(f"{file}: cut off, no line 'end_header'")
    order, elements = None, []
    for line in data[:end].decode("ascii", errors="replace").split("\n")[1:]:
        match line.split():
            case [] | ["comment" | "obj_info", *_]:
                continue
            case ["format", name, _] if name in _FORMATS:
                order = _FORMATS[name]
            case ["element", name, count] if count.isdigit():
                elements.append(_Element(name, int(count)))
            case ["property", "list", length, kind, name] if elements and length in _TYPES and kind in _TYPES:
                elements[-1].properties.append(_Property(name, _TYPES[kind], _TYPES[length]))
            case ["property", kind, name] if elements and kind in _TYPES:
                elements[-1].properties.append(_Property(name, _TYPES[kind]))
            case _:
                raise ValueError(f"{file}: a header of format, element and property lines, got {line.strip()!r}")
    if order is None:
        raise ValueError(f"{file}: one of the formats {', '.join(_FORMATS)}, the header names none")
    if "vertex" not in [element.name for element in elements]:
        raise ValueError(f"{file}: no element 'vertex'; it has {', '.join(e.name for e in elements) or 'none'}")
    return order, elements, line_end + 1


def _from_text(file: str, body: bytes, before: list[_Element], vertex: _Element) -> dict[str, np.ndarray]:
    lines = (line for line in body.decode("ascii", errors="replace").splitlines() if line.strip())
    skipped = sum(element.count for element in before)
    rows = [line.split() for line in islice(lines, skipped, skipped + vertex.count)]
    if len(rows) < vertex.count:
        raise ValueError(f"{file}: cut off, the header says {vertex.count} vertices, got {len(rows)}")
    width = len(vertex.properties)
    wrong = next((i for i, row in enumerate(rows) if len(row) != width), None)
    if wrong is not None:
        raise ValueError(f"{file}: {width} numbers for each vertex, got {len(rows[wrong])} for vertex {wrong}")
    found = {}
    for column, one in enumerate(vertex.properties):
        words = [row[column] for row in rows]
        try:
            numbers = np.array(words, dtype=np.float64)
        except ValueError as error:
            raise ValueError(f"{file}: numbers for {one.name!r} of the vertices ({error})") from None
        if not one.kind.startswith("f"):
            limits = np.iinfo(one.kind)
            fits = (numbers == np.round(numbers)) & (numbers >= limits.min) & (numbers <= limits.max)
            if not fits.all():
                word = words[int(np.argmin(fits))]
                takes = f"whole numbers from {limits.min} to {limits.max}"
                raise ValueError(f"{file}: {takes} for {one.name!r} of the vertices, got {word}")
        found[one.name] = numbers.astype(one.kind)
    return found


def _size(file: str, data: bytes, start: int, element: _Element, order: str) -> int:
    """How many bytes an element takes; where it has lists, they have to be walked through."""
    if not element.has_lists:
        return element.count * element.dtype(order).itemsize
    place = start
    for _ in range(element.count):
        for one in element.properties:
            item = np.dtype(one.kind).itemsize
            if one.counted_by:
                length = np.dtype(order + one.counted_by)
                if len(data) - place < length.itemsize:
                    raise ValueError(f"{file}: cut off within {element.name!r}")
                item = length.itemsize + int(np.frombuffer(data, length, 1, place)[0]) * item
            place += item
    return place - start
