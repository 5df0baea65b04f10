"""Figures: one look, no global state, whole files."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erlangen.atomic import write_atomic
from erlangen.extras import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.titlesize": "medium",
    "legend.frameon": False,
    "font.size": 9.0,
}


def new_figure(rows: int = 1, columns: int = 1, *, width: float = 9.0, height: float = 3.4) -> tuple[Figure, list[Any]]:
    """A figure and its axes, row by row, drawn without a window and without pyplot's global state.

    Args:
        rows: Rows of axes.
        columns: Columns of axes.
        width: In inches.
        height: In inches.

    Raises:
        MissingExtra: If matplotlib is not installed.
    """
    matplotlib = require("matplotlib", "recipes", "a figure")
    figure_module = require("matplotlib.figure", "recipes", "a figure")
    with matplotlib.rc_context(_STYLE):
        figure = figure_module.Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


def save_figure(figure: Figure, path: str | os.PathLike[str], *, dots_per_inch: int = 150) -> Path:
    """Writes a figure atomically, in the format of the file's ending, without dates: equal figures are equal files.

    A ``.png`` has a palette of 256 colours, which makes it a third as large, so that evidence can be kept.

    Args:
        figure: The figure.
        path: File ending in ``.png``, ``.svg`` or ``.pdf``.
        dots_per_inch: Resolution of a ``.png``.

    Raises:
        ValueError: If the ending is another.
    """
    path = Path(path)
    kind = path.suffix.removeprefix(".").lower()
    metadata = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    if metadata is None:
        raise ValueError(f"path ends in {path.suffix!r}; it takes '.png', '.svg' or '.pdf'")
    buffer = io.BytesIO()
    matplotlib = require("matplotlib", "recipes", "a figure")
    with matplotlib.rc_context({"svg.hashsalt": "erlangen"}):
        figure.savefig(buffer, format=kind, dpi=dots_per_inch, metadata=metadata)
    return write_atomic(path, _with_palette(buffer, dots_per_inch) if kind == "png" else buffer.getvalue())


def _with_palette(buffer: io.BytesIO, dots_per_inch: int) -> bytes:
    image = require("PIL.Image", "recipes", "a figure")
    smaller = io.BytesIO()
    picture = image.open(buffer).convert("RGB").quantize(256, dither=image.Dither.NONE)
    picture.save(smaller, format="png", optimize=True, dpi=(dots_per_inch, dots_per_inch))
    return smaller.getvalue()
