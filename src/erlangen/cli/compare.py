"""``erlangen compare``: networks of every kind on a user's own data, at one budget."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

from erlangen.cli.options import BadInputError, require_device
from erlangen.cli.run import output_folder, require_sharing
from erlangen.recipes import TRAININGS, ConfigError, is_first_process
from erlangen.report import Result, json_values, print_result

HELP = """\
usage: erlangen compare --data CLOUDS [options]

Which network suits your point clouds, and what is its symmetry worth? Trains networks that turn with the cloud, that
see it from canonical sides, and that know nothing of rotations, at one budget: the same splits, epochs and steps, and
about as many weights. Shows accuracy or error as mean ± deviation over seeds, also on turned clouds, the time, and how
far each network really is from its symmetry, as `erlangen audit` measures it. Writes result.json and a figure.

  erlangen compare --data clouds.npz --size smoke            # seconds: is the file read as it should be?
  erlangen compare --data clouds.npz
  erlangen compare --data molecules.xyz --target forces --methods egnn,ponita,fa-gnn --epochs 100
  erlangen compare --data scans/ --group SO                  # where mirror images are different things
  erlangen compare --data my_file:make --device cuda
  erlangen compare --data clouds.npz --resume                # goes on where it was interrupted, to the same numbers

the clouds:
{formats}
networks (all that can take the clouds, if none are named):
{networks}

Clouds are centred and divided by one length; numbers are scaled for training, and errors are in the unit of the file.

options:
  --config FILE      settings from a YAML file; options after it win
{options}
"""


def compare_command(given: list[str]) -> int:
    """Compares, prints the table, and keeps the result."""
    if not given:
        print("usage: erlangen compare --data CLOUDS [options] (`erlangen compare --help` shows them)")
        return 2
    from erlangen.recipes.compare import FORMATS, METHODS, RECIPE, Comparison, compare, settings_of
    from erlangen.recipes.options import describe, parse

    if "--help" in given or "-h" in given:
        networks = "\n".join(f"  {name:<16} {method.about}" for name, method in METHODS.items())
        print(HELP.format(formats=FORMATS, networks=networks, options=describe(Comparison)), end="")
        return 0
    config = parse(Comparison, given, "erlangen compare")
    require_device(config.device)
    require_sharing(config)
    from erlangen.train import CheckpointError, DivergedError, remove_trainings

    started, out = time.perf_counter(), config.output_folder(RECIPE)
    with output_folder(out) as kept:
        _require_ours(kept, out)
        try:
            done = kept is not None and config.resume and _is_whole(kept, settings_of(config))
            result = kept if done else compare(dataclasses.replace(config, out=out))
        except CheckpointError as error:
            hint = "; without --resume all begins anew" if config.resume else ""
            raise BadInputError(f"--out: {error}{hint}") from error
        except DivergedError as error:
            hint = "a smaller one may help, or --methods without this network"
            raise BadInputError(f"--lr is {config.lr}; {error}; {hint}") from error
        except ConfigError:
            raise
        except ValueError as error:
            said = str(error)
            raise BadInputError(said if said.startswith("--") else f"--data: {said}") from error
        assert result is not None
        if not is_first_process():
            return 0
        if not done:
            result.environment["seconds"] = round(time.perf_counter() - started, 1)
            result.save(out / "result.json")
    remove_trainings(out / TRAININGS)
    print_result(result)
    if done:
        print("\nThis comparison was complete already, with the same settings; without --resume all begins anew")
    print("\nFiles")
    for name, what in {"result.json": "every number and every setting", **result.figures}.items():
        print(f"  {out / name}  {what}")
    return 0


def _require_ours(kept: Result | None, out: Path) -> None:
    """A comparison replaces comparisons only."""
    if kept is not None and kept.recipe != "compare":
        raise BadInputError(f"--out: {out} holds a result of {kept.recipe}; name another folder")


def _is_whole(kept: Result, settings: dict[str, Any]) -> bool:
    return kept.status == "complete" and kept.config == json_values(settings)
