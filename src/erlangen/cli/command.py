"""Finding the command, and turning failures into exit codes.

Exit codes: 0 done, and every promise kept; 1 a promise is broken (``audit``), or with ``--strict`` a claim does not
hold; 2 the input was wrong, and one line on standard error says how; 3 an unexpected failure; 130 and 143 stopped by
Ctrl-C or by SIGTERM. ``ERLANGEN_DEBUG=1`` shows tracebacks.

Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from erlangen import __version__
from erlangen.cli.options import BadInputError
from erlangen.data import MissingDataError
from erlangen.extras import MissingExtra
from erlangen.recipes import ConfigError, UnknownRecipeError, did_you_mean

HELP = """\
usage: erlangen COMMAND ...

Symmetry for neural networks: rerun the evidence, and check your own model's promises.

commands:
  list          what experiments there are
  run           rerun one: table, figure, and a verdict for each of its claims
  report        draw all results as one page
  audit         is a model really equivariant? Exit code 1 if not
  data          what data sets the experiments can use, and where to get them
  potential     an interatomic potential for your own molecules: train it, run it
  compare       networks of every kind on your own point clouds, at one budget
  discover      which symmetries your data, or a trained model, have: exactly, nearly, or not at all
  expressivity  what a network on graphs cannot compute

start here:
  erlangen run quickstart --size smoke          real digits, in seconds
  erlangen run quickstart                       the same in full, under a minute
  erlangen run quickstart --help                its options

check a model of yours: in my_file.py, a function that returns the model and example inputs
  erlangen audit my_file:make --group 'SO(3)' --inputs 'pos:points q:fixed' --output vector

options:
  -h, --help    this text, or a command's own: erlangen COMMAND --help
  --version     the version
"""

# command -> module of this folder
COMMANDS = {
    "list": "listing",
    "data": "listing",
    "run": "run",
    "report": "report",
    "audit": "audit",
    "potential": "potential",
    "compare": "compare",
    "discover": "discover",
    "expressivity": "expressivity",
}


class _Terminated(KeyboardInterrupt):
    """SIGTERM, taken as Ctrl-C is, so that files and processes are cleaned up."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code; see the module's description."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = os.environ.get("ERLANGEN_DEBUG", "") not in ("", "0")
    try:
        with _sigterm_as_interrupt():
            return _dispatch(given)
    except KeyboardInterrupt as stop:
        print("\nerlangen: stopped; nothing is left half-written", file=sys.stderr)
        # An interrupt that passed through an `exec` of text (imports of dataclasses do that) stays noted in the
        # interpreter, which then ends `python -m` by the signal instead of with our code; another `exec` clears it.
        exec("")
        return 143 if isinstance(stop, _Terminated) else 130
    except BrokenPipeError:  # the reader of `erlangen list | head` has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (BadInputError, ConfigError, UnknownRecipeError, MissingDataError, MissingExtra) as error:
        if debug:
            raise
        print(f"erlangen: {error}", file=sys.stderr)
        return 2
    except Exception as error:
        if debug:
            raise
        said = f"unexpected {type(error).__name__}: {' '.join(str(error).split())[:500]}"
        print(f"erlangen: {said} (ERLANGEN_DEBUG=1 shows where)", file=sys.stderr)
        return 3


def _dispatch(given: list[str]) -> int:
    if not given or given[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if given[0] in ("--version", "-V"):
        print(f"erlangen {__version__}")
        return 0
    if given[0] not in COMMANDS:
        kind = "option" if given[0].startswith("-") else "command"
        known = ["--help", "--version"] if kind == "option" else list(COMMANDS)
        raise BadInputError(
            f"unknown {kind} {given[0]!r}{did_you_mean(given[0], known)} (`erlangen --help` lists them)"
        )
    module = importlib.import_module(f"erlangen.cli.{COMMANDS[given[0]]}")
    return getattr(module, f"{given[0]}_command")(given[1:])


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> NoReturn:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
