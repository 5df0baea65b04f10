"""The folder of a training: its last state, its best weights, its history; nobody else's files."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

from erlangen.atomic import write_atomic
from erlangen.train.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from erlangen.train.journey import Journey

LAST, BEST, HISTORY = "last.safetensors", "best.safetensors", "history.csv"


class Folder:
    """Files of one training.

    ``last.safetensors`` is all that it goes on from; the two others follow from it: ``best.safetensors`` (weights under
    their own names, for anybody's reader) and ``history.csv``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.best_written: int | None = None

    def open(self, resume: bool, overwrite: bool) -> dict[str, Any] | None:
        """Makes the folder if there is none, and looks at what it holds, before anything is written.

        Returns:
            The state to go on from; None to start from the beginning.

        Raises:
            CheckpointError: If it cannot be written to, or holds what must not be overwritten.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise CheckpointError(f"out: {self.path} cannot be written to ({error.strerror})") from None
        there = [name for name in (LAST, BEST, HISTORY) if (self.path / name).exists()]
        if not there:
            return None
        if LAST not in there:
            raise CheckpointError(f"out: {self.path} holds {there[0]} and no {LAST}; move it, or name another folder")
        stored = read_checkpoint(self.path / LAST, "training")
        if resume:
            return stored
        if overwrite:
            return None
        journey = Journey.from_dict(stored["journey"])
        how = "a finished training" if journey.finished else f"a training that came as far as epoch {journey.epoch + 1}"
        raise CheckpointError(f"out: {self.path} holds {how}; resume=True goes on, overwrite=True begins anew")

    def clean(self) -> None:
        """Removes what a killed process left half-written under temporary names."""
        for name in (LAST, BEST, HISTORY):
            for file in self.path.glob(f".{name}.*.tmp"):
                with contextlib.suppress(OSError):
                    file.unlink()

    def write(self, state: dict[str, Any]) -> None:
        """Writes the state, then what follows from it."""
        write_checkpoint(self.path / LAST, "training", state)
        journey = Journey.from_dict(state["journey"])
        if journey.step:
            return
        if journey.best_epoch is not None and self.best_written != journey.best_epoch:
            weights = state["model"] if state["best"] is None else state["best"]
            about = {"epoch": journey.best_epoch, "monitor": state["settings"]["monitor"], "value": journey.best}
            write_checkpoint(self.path / BEST, "weights", weights, about)
            self.best_written = journey.best_epoch
        write_atomic(self.path / HISTORY, journey.to_csv())


def remove_trainings(folder: str | Path) -> None:
    """Removes what `fit` has written below a folder, and folders that are empty then; nobody else's files.

    Args:
        folder: The ``out`` of a training, or a folder of such folders; it may be missing.
    """
    ours = (LAST, BEST, HISTORY)
    for path in sorted(Path(folder).rglob("*"), reverse=True):  # what is in a folder comes before the folder
        if path.is_dir() and not path.is_symlink():
            with contextlib.suppress(OSError):
                path.rmdir()
        elif path.name in ours or any(path.match(f".{name}.*.tmp") for name in ours):
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        Path(folder).rmdir()
