"""The data sets that recipes read: where each lies below a data root, and where to get it.

The data root is the folder that ``ERLANGEN_DATA`` (or ``--data``) names. Each data set keeps the layout in which its
publisher, or the standard loader, has it. Nothing is downloaded behind your back.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from erlangen.data.table import SOURCES, Source

VARIABLE = "ERLANGEN_DATA"


class MissingDataError(FileNotFoundError):
    """A data set is not where it should be; the message says what is missing, where it belongs, and where to get it."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)


@dataclass(frozen=True)
class Found:
    """Whether a data set is there: ``missing`` names its first missing file; ``path`` is None for a packaged one."""

    source: Source
    path: Path | None
    missing: str | None

    @property
    def there(self) -> bool:
        """Whether nothing is missing."""
        return self.missing is None


def data_root(given: Path | None = None) -> Path | None:
    """The data root: ``given``, else the folder named by ``ERLANGEN_DATA``, else None."""
    if given is not None:
        return given
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def look(source: Source, root: Path | None) -> Found:
    """Looks for a data set below a data root, without reading it."""
    if source.package:
        from importlib.util import find_spec

        return Found(source, None, None if find_spec(source.package) else f"the package {source.package}")
    if root is None:
        return Found(source, None, f"a data root: {VARIABLE} is not set")
    folder = root / source.folder
    for name in source.files:
        if not (folder / name).is_file():
            return Found(source, folder, str(Path(source.folder, name)))
    return Found(source, folder, None)


def find_source(name: str, root: Path | None = None) -> Path:
    """The folder of a data set, once every file is known to be there.

    Args:
        name: Name of the data set, as ``erlangen data`` lists it.
        root: The data root; ``ERLANGEN_DATA`` by default.

    Raises:
        KeyError: If there is no such data set.
        MissingDataError: If it is not there; says what, where it belongs, and where to get it.
    """
    source = SOURCES[name]
    root = data_root(root)
    found = look(source, root)
    if found.there and found.path is not None:
        return found.path
    where = f"not found below {root}" if root is not None else f"{VARIABLE} is not set and no --data was given"
    raise MissingDataError(
        f"data set {name!r} ({source.summary}): {where}; it takes {source.layout}, from {source.publisher}"
    )
