"""Finding results below folders: those that can be read, and those that are refused, with the reason."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from erlangen.report.result import Result, ResultError

_NAME = "result.json"
_HALF_WRITTEN = f".{_NAME}.*.tmp"  # what `write_atomic` leaves behind if the process is killed while writing


@dataclass(frozen=True)
class Found:
    """A result, the file it stands in, and when it was made (by its environment, else by the file's own date)."""

    path: Path
    result: Result
    date: datetime


@dataclass(frozen=True)
class Refused:
    """A file or folder that cannot be used, and why."""

    path: Path
    reason: str


def collect(places: Sequence[str | os.PathLike[str]]) -> tuple[list[Found], list[Refused]]:
    """Reads every ``result.json`` in and below some folders.

    Args:
        places: Folders, or files of results. A file that two of them hold is read once.

    Returns:
        The results, and what was refused: files cut off, half-written, foreign, tampered with or unreadable.

    Raises:
        FileNotFoundError: If a place does not exist.
    """
    found: list[Found] = []
    refused: list[Refused] = []
    seen: set[Path] = set()
    for place in map(Path, places):
        if not place.exists():
            raise FileNotFoundError(f"{place}: no such folder")
        for path in [place] if not place.is_dir() else _below(place, refused):
            if path.resolve() in seen:
                continue
            seen.add(path.resolve())
            one = _read(path)
            (found if isinstance(one, Found) else refused).append(one)  # type: ignore[arg-type]
    return found, refused


def newest(found: Sequence[Found]) -> tuple[list[Found], list[Found]]:
    """The newest result of each recipe, and the rest; both in the order given."""
    best: dict[str, Found] = {}
    for one in found:
        if one.result.recipe not in best or one.date > best[one.result.recipe].date:
            best[one.result.recipe] = one
    chosen = [one for one in found if best[one.result.recipe] is one]
    return chosen, [one for one in found if best[one.result.recipe] is not one]


def _below(folder: Path, refused: list[Refused]) -> Iterator[Path]:
    """Files of results in and below a folder, in the order of their paths; links to folders are not followed."""
    unreadable = lambda error: refused.append(Refused(Path(error.filename), f"cannot be read ({error.strerror})"))
    for parent, folders, files in os.walk(folder, onerror=unreadable):
        folders.sort()
        for name in sorted(files):
            if name == _NAME or fnmatch.fnmatch(name, _HALF_WRITTEN):
                yield Path(parent, name)


def _read(path: Path) -> Found | Refused:
    if not path.is_file():
        return Refused(path, "not a file")
    if fnmatch.fnmatch(path.name, _HALF_WRITTEN):
        return Refused(path, "half-written: the run was killed while it saved its result; remove it")
    try:
        result = Result.load(path)
    except ResultError as error:
        return Refused(path, str(error).removeprefix(f"{path}: "))
    return Found(path, result, _date(result, path))


def _date(result: Result, path: Path) -> datetime:
    try:
        date = datetime.fromisoformat(str(result.environment.get("date")))
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
