"""Lightning without its tips and notices; what others warn about is heard."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

_LOGGERS = ("lightning.pytorch", "lightning.fabric")


def silence_lightning() -> None:
    """Silences Lightning in this process from now on."""
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")


@contextlib.contextmanager
def quiet_lightning(quiet: bool = True) -> Iterator[None]:
    """Silences Lightning for a while.

    >>> logger = logging.getLogger("lightning.pytorch")
    >>> before = logger.level
    >>> with quiet_lightning():
    ...     logger.isEnabledFor(logging.WARNING)
    False
    >>> logger.level == before
    True
    """
    if not quiet:
        yield
        return
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    try:
        with warnings.catch_warnings():
            silence_lightning()
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
