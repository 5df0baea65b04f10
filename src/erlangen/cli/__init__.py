"""The ``erlangen`` command: one file per command, and `main`, which finds it and turns failures into exit codes."""

from erlangen.cli.command import main

__all__ = ["main"]
