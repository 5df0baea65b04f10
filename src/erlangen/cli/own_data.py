"""What commands on a user's own data share: one result in a folder, made once, and errors in words of the command."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import TypeVar

from erlangen.cli.options import BadInputError, require_device
from erlangen.cli.run import output_folder, require_sharing
from erlangen.recipes import TRAININGS, ConfigError, is_first_process
from erlangen.recipes.config import Config
from erlangen.report import Result, print_result

C = TypeVar("C", bound=Config)


def keep_one(
    config: C,
    recipe: str,
    noun: str,
    make: Callable[[C], Result],
    is_whole: Callable[[Result], bool],
    source: str,
    rate: float,
    slower: str,
) -> int:
    """Makes the result, prints it, and keeps it; with ``--resume`` a whole one is only printed.

    Args:
        config: the settings.
        recipe: whose results may be replaced.
        noun: what is made, in words.
        make: makes it, from settings that name the folder.
        is_whole: whether a result that is there is all that would be made.
        source: the option to which errors in what the user gave belong.
        rate: the learning rate.
        slower: what helps where it was too large.
    """
    require_device(config.device)
    require_sharing(config)
    from erlangen.train import CheckpointError, DivergedError, remove_trainings

    started, out = time.perf_counter(), config.output_folder(recipe)
    with output_folder(out) as kept:
        if kept is not None and kept.recipe != recipe:
            raise BadInputError(f"--out: {out} holds a result of {kept.recipe}; name another folder")
        done = None
        try:
            if kept is not None and config.resume and kept.status == "complete" and is_whole(kept):
                done = kept
            result = done or make(dataclasses.replace(config, out=out))
        except CheckpointError as error:
            hint = "; without --resume all begins anew" if config.resume else ""
            raise BadInputError(f"--out: {error}{hint}") from error
        except DivergedError as error:
            raise BadInputError(f"--lr is {rate}; {error}; {slower}") from error
        except ConfigError:
            raise
        except ValueError as error:
            said = str(error)
            raise BadInputError(said if said.startswith("--") else f"{source}: {said}") from error
        if not is_first_process():
            return 0
        if done is None:
            result.environment["seconds"] = round(time.perf_counter() - started, 1)
            result.save(out / "result.json")
    remove_trainings(out / TRAININGS)
    print_result(result)
    if done is not None:
        print(f"\nThis {noun} was complete already, with the same settings; without --resume all begins anew")
    print("\nFiles")
    for name, what in {"result.json": "every number and every setting", **result.figures}.items():
        print(f"  {out / name}  {what}")
    return 0
