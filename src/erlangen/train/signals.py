"""Ctrl-C and SIGTERM as the caller would meet them without Lightning, which makes other exits of both."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def signals_passed_on(trainer: Any) -> Iterator[None]:
    """Around a trainer's work.

    Raises:
        KeyboardInterrupt: On Ctrl-C; and Ctrl-C goes on to be heard.
        SystemExit: On SIGTERM, after the step that was going on, with the exit code of a process that it ended.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            signal.signal(signal.SIGINT, handler)
            raise KeyboardInterrupt from None
        if trainer.received_sigterm:
            raise SystemExit(128 + signal.SIGTERM) from None
        raise
