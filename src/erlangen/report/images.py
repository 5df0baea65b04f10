"""Figures as ``data:`` addresses, so that a page needs no file beside it."""

from __future__ import annotations

import base64
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

_LARGEST = 4_000_000  # bytes; one page holds many figures
_INCH = 96  # pixels of a page
_METRE = 39.3701  # in inches


class ImageError(ValueError):
    """A figure cannot be shown; the message says why."""


@dataclass(frozen=True)
class Inlined:
    """An image as an address, and its width in a page's pixels (None where the file does not tell)."""

    address: str
    width: int | None = None


def inline_image(folder: str | os.PathLike[str], name: str) -> Inlined:
    """Reads a figure of a run.

    Args:
        folder: The run's folder.
        name: Path of the figure below it: a PNG, JPEG or SVG.

    Raises:
        ImageError: If the file is missing, outside the folder, too large, cut off, or no such image.
    """
    path = Path(folder, name)
    try:
        if not path.resolve().is_relative_to(Path(folder).resolve()):
            raise ImageError("it lies outside the run's folder")
        if not path.is_file():
            raise ImageError("the file is missing")
        if (size := path.stat().st_size) > _LARGEST:
            raise ImageError(f"the file is too large ({size / 1e6:.1f} MB, at most {_LARGEST / 1e6:.0f} MB)")
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"the file cannot be read ({error.strerror})") from None
    except ImageError:
        raise
    except ValueError:  # a zero byte, half a character
        raise ImageError("no file can have this name") from None
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return Inlined(_address("png", data), _png_width(data))
    if data.startswith(b"\xff\xd8"):
        if not data.rstrip(b"\0").endswith(b"\xff\xd9"):
            raise ImageError("the file is cut off")
        return Inlined(_address("jpeg", data))
    if data.lstrip().startswith(b"<"):
        _require_svg(data)
        return Inlined(_address("svg+xml", data))
    raise ImageError("a PDF is not drawn on a page" if data.startswith(b"%PDF") else "it is no PNG, JPEG or SVG")


def _address(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _png_width(data: bytes) -> int:
    """Walks through all chunks, and returns the width on a page by the resolution that the file states."""
    place, width, per_metre = 8, 0, 0
    while True:
        head = data[place : place + 8]
        length, kind = struct.unpack(">I4s", head) if len(head) == 8 else (0, b"")
        body, mark = data[place + 8 : place + 8 + length], data[place + 8 + length : place + 12 + length]
        if not kind or len(body) < length or len(mark) < 4:
            raise ImageError("the file is cut off")
        if struct.pack(">I", zlib.crc32(kind + body)) != mark:
            raise ImageError("the file is damaged")
        if kind == b"IHDR":
            width = struct.unpack(">I", body[:4])[0]
        elif kind == b"pHYs" and body[8] == 1:
            per_metre = struct.unpack(">I", body[:4])[0]
        elif kind == b"IEND":
            return round(width * _INCH * _METRE / per_metre) if per_metre else width
        place += 12 + length


def _require_svg(data: bytes) -> None:
    if b"<!ENTITY" in data:
        raise ImageError("an SVG with entities is not shown")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise ImageError(f"the file is cut off, or no SVG ({error})") from None
    if root.tag != "{http://www.w3.org/2000/svg}svg":
        raise ImageError("it is no PNG, JPEG or SVG")
