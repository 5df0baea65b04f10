"""Where things are kept that are made here and take minutes: a folder that may be deleted at any time."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "ERLANGEN_CACHE"


def cache_folder(name: str) -> Path:
    """The folder ``name`` below ``ERLANGEN_CACHE``, else below the user's cache directory; made if it is not there.

    The user's cache directory is ``$XDG_CACHE_HOME/erlangen``, or ``~/.cache/erlangen``.

    Raises:
        OSError: If it cannot be made.
    """
    named = os.environ.get(CACHE_VARIABLE)
    root = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "erlangen"
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
