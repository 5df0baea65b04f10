"""``erlangen run``: reruns a recipe, keeps its result, and prints it."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from erlangen.cli.options import BadInputError, require_device
from erlangen.recipes import TRAININGS, Config, Entry, did_you_mean, find, is_first_process
from erlangen.recipes.config import SIZES
from erlangen.recipes.options import describe, parse, to_yaml
from erlangen.report import Result, ResultError, print_result
from erlangen.report.result import json_values

HELP = """\
usage: erlangen run NAME [options]

Reruns a recipe: trains, measures, judges its claims, and writes result.json and figures.

  erlangen run quickstart
  erlangen run quickstart --size smoke --seeds 3 --out my-run
  erlangen run quickstart --print-config > my.yaml
  erlangen run quickstart --config my.yaml --steps 1000
  erlangen run frame-averaging --resume

options of every recipe (further ones: erlangen run NAME --help):
  --config FILE     settings from a YAML file; options after it win
  --print-config    print all settings as YAML and stop
  --resume          go on where an interrupted run into the same folder stopped: what is trained stays trained;
                    where it had come to its end, its result is shown, and nothing is run again
  --strict          exit with 1 if a claim does not hold or a check fails (undecided is no failure)
  -h, --help        after NAME: the recipe's experiments, claims and own options

A result is not replaced by one of a smaller size, or of fewer experiments: name another folder with --out.
`erlangen list` shows the names.
"""


def run_command(given: list[str]) -> int:
    """Runs the recipe named first, with the options after it."""
    if not given or given[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if given else 2
    if given[0].startswith("-"):
        raise BadInputError(
            f"the recipe's name comes first: erlangen run NAME {given[0]} ... (`erlangen list` shows names)"
        )
    entry = find(given[0])
    options = [word for word in given[1:] if word not in ("-h", "--help", "--strict", "--print-config")]
    recipe = entry.load()
    if "--help" in given or "-h" in given:
        print(_recipe_help(entry, recipe, describe(recipe.Config)), end="")
        return 0
    config = parse(recipe.Config, options, f"erlangen run {entry.name}")
    if "--print-config" in given:
        print(to_yaml(config), end="")
        return 0
    _require_data(config.data)
    require_device(config.device)
    require_sharing(config)
    from erlangen.train import CheckpointError, remove_trainings

    started = time.perf_counter()
    out = config.output_folder(entry.name)
    with output_folder(out) as kept:
        over = kept is not None and config.resume and _is_result_of(kept, entry, config)
        if over:
            assert kept is not None
            result = kept
        else:
            if kept is not None:
                _require_no_less(kept, config, out)
            try:
                result = recipe.run(dataclasses.replace(config, out=out))
            except CheckpointError as error:
                hint = "; without --resume all begins anew" if config.resume else ""
                raise BadInputError(f"--out: {error}{hint}") from error
        if not is_first_process():  # the first one does the rest
            return 0
        if not over:
            result.environment["seconds"] = round(time.perf_counter() - started, 1)
            result.save(out / "result.json")
    remove_trainings(out / TRAININGS)
    print_result(result)
    if over:
        print("\nThis run was complete already, with the same settings; without --resume all begins anew")
    print("\nFiles")
    for name, what in {"result.json": "every number, claim and verdict", **result.figures}.items():
        print(f"  {out / name}  {what}")
    if following := getattr(recipe, "NEXT", ()):
        print("\nNext\n" + "\n".join(f"  {line}" for line in following))
    failed = any(verdict.holds is False for _, verdict in result.claims) or any(not c.passed for c in result.checks)
    return 1 if failed and "--strict" in given else 0


def _recipe_help(entry: Entry, recipe: Any, options: str) -> str:
    experiments = "\n".join(f"  {name:<12} {what}" for name, what in recipe.EXPERIMENTS.items())
    claims = "\n".join(f"  {claim.statement}" for claim in recipe.CLAIMS)
    return (
        f"usage: erlangen run {entry.name} [options]\n\n{entry.summary}.{f' {entry.paper}' if entry.paper else ''}\n\n"
        f"experiments:\n{experiments}\n\nclaims, written before the first run:\n{claims}\n\noptions:\n{options}\n"
        f"\n`erlangen run --help` explains --config, --print-config and --strict.\n"
    )


def _require_data(folder: Path | None) -> None:
    """A data root that is not there would be one without any data set, and some recipes do without."""
    if folder is not None and not folder.is_dir():
        raise BadInputError(f"--data is {str(folder)!r}; it takes a folder, and there is none of that name")


def require_sharing(config: Config) -> None:
    """Refuses ``--devices``, ``--num-nodes`` and ``--strategy`` that Lightning does not take together.

    Raises:
        BadInputError: With what it says.
    """
    how = {"devices": config.devices, "num_nodes": config.num_nodes, "strategy": config.strategy}
    if how == {"devices": 1, "num_nodes": 1, "strategy": "auto"}:  # spares the import of Lightning
        return
    from erlangen.train import require_placement, strategies

    known = strategies()
    if config.strategy.lower() not in known:
        hint = did_you_mean(config.strategy, known)
        raise BadInputError(f"--strategy is {config.strategy!r}; Lightning takes {', '.join(known)}{hint}")
    try:
        require_placement(config.device, **how)
    except ValueError as error:
        given = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in how.items())
        raise BadInputError(f"--device {config.device} {given}: Lightning refuses: {error}") from error


@contextlib.contextmanager
def output_folder(out: Path) -> Iterator[Result | None]:
    """Makes sure, before any work, that results can be written, and yields the result that is there.

    Takes an empty folder away again if there are none in the end.
    """
    missing = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise BadInputError(f"--out {out}: cannot be written to ({error.strerror}); name another folder") from error
    kept = None
    if (out / "result.json").exists():
        try:
            kept = Result.load(out / "result.json")
        except ResultError as error:
            raise BadInputError(f"--out would overwrite a file: {error}; remove it, or name another folder") from error
    try:
        with _alone(out):
            yield kept
    except OSError as error:
        ours = isinstance(error.filename, str) and out in Path(error.filename).parents
        if ours or error.errno == errno.ENOSPC:
            raise BadInputError(f"--out {out}: cannot be written to ({error.strerror})") from error
        raise
    except KeyboardInterrupt:
        if (out / TRAININGS).exists() and is_first_process():
            print("\nerlangen: what is trained is kept; the same command with --resume goes on", file=sys.stderr)
        raise
    finally:
        _remove_empty(missing)


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Refuses to work in a folder where another run is at work.

    The folder itself is locked, so that nothing is left in it; the system takes the lock from a run that is killed.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        fcntl = None
    if fcntl is None or not is_first_process():
        yield
        return
    folder = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise BadInputError(f"--out {out}: another run is at work in it; wait, or name another folder") from None
    except OSError:  # a file system without locks
        pass
    try:
        yield
    finally:
        os.close(folder)


def _is_result_of(kept: Result, entry: Entry, config: Config) -> bool:
    """Whether a result is all that a run would give: that recipe's, complete, and of the same settings."""
    same = kept.config == json_values(config.to_dict())
    return same and kept.recipe == entry.name and kept.status == "complete"


def _require_no_less(kept: Result, config: Config, out: Path) -> None:
    """Refuses to put a result of a smaller size, or of some experiments only, in the place of a larger or whole one."""
    if SIZES.index(kept.size) > SIZES.index(config.size):
        lesser = f"of size {config.size}"
    elif kept.status == "complete" and config.chosen != config.experiments:
        lesser = f"of one experiment only ({config.experiment})"
    else:
        return
    holds = f"a {kept.status} result of {kept.recipe} at size {kept.size}"
    raise BadInputError(
        f"--out: {out} holds {holds}, and this run would replace it by one {lesser}; "
        f"name another folder with --out, or remove {out / 'result.json'}"
    )


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
