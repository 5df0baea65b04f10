"""What a run ran on: enough to judge its numbers, nothing that tells who or where."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("erlangen", "torch", "numpy", "scipy", "scikit-learn", "lightning", "torch-geometric", "e3nn")
_PACKAGE_FOLDER = Path(__file__).parent.parent


def capture_environment() -> dict[str, Any]:
    """Versions, platform and commit of this process.

    Returns:
        ``date`` (and time, UTC), ``python``, ``platform`` (system and processor type), ``cores``, ``threads`` (of
        torch), ``device`` (name of the first GPU or ``"cpu"``), ``packages`` (installed versions), ``commit`` (of this
        library, None unless it runs from its repository) and ``modified`` (whether that tree had uncommitted changes).
        No user names, host names or paths.
    """
    import torch

    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu",
        "packages": {name: version for name in _PACKAGES if (version := _version(name)) is not None},
        **_commit(_PACKAGE_FOLDER),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit(folder: Path) -> dict[str, Any]:
    """Commit of the repository that tracks this very package; a user's own repository around it does not count."""
    nothing: dict[str, Any] = {"commit": None, "modified": None}
    if _git(folder, "ls-files", "--error-unmatch", "report/environment.py") is None:
        return nothing
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return nothing
    return {"commit": commit, "modified": bool(_git(folder, "status", "--porcelain", "--", "."))}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
