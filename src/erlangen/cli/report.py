"""``erlangen report``: draws the results of recipes as one page."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from erlangen.cli.options import BadInputError, Parser
from erlangen.recipes import CATALOG, ConfigError, UnknownRecipeError, find
from erlangen.report import (
    About,
    ForeignFileError,
    Found,
    Result,
    collect,
    newest,
    render_page,
    require_free,
    write_page,
)

FOLDERS = ("runs", "results")  # where `erlangen run` puts results, and where kept ones lie
EXAMPLES = """\
examples:
  erlangen report                                  what lies in ./runs and ./results
  erlangen report results --out results/index.html
  erlangen report runs/first runs/second --all     several results of one recipe, side by side
"""


def report_command(given: list[str]) -> int:
    """Reads the results, says what cannot be used, and writes the page."""
    parser = Parser("erlangen report", "Draws results as one HTML page that needs nothing beside it.", EXAMPLES)
    parser.add_argument(
        "dirs", nargs="*", type=Path, metavar="DIR", help="folders (or files) of results; default: runs and results"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page; default: index.html in the first DIR")
    parser.add_argument("--all", action="store_true", help="every result, not only the newest of each recipe")
    options = parser.read(given)
    places = options.dirs or [Path(name) for name in FOLDERS if Path(name).is_dir()]
    if not places:
        raise BadInputError("there is no folder 'runs' or 'results' here; run a recipe first, or name a folder")
    out = options.out or (places[0] if places[0].is_dir() else places[0].parent) / "index.html"
    _require_writable(out)
    try:
        found, refused = collect(places)
    except FileNotFoundError as error:
        raise BadInputError(str(error)) from None
    for one in refused:
        print(f"erlangen: refused {one.path}: {one.reason}", file=sys.stderr)
    if not found:
        where = ", ".join(map(str, places))
        raise BadInputError(f"no result can be read in {where}; `erlangen run NAME` makes one. No page was written")
    chosen, left_out = (found, []) if options.all else newest(found)
    order = {entry.name: place for place, entry in enumerate(CATALOG)}
    shown = sorted(chosen, key=lambda one: (order.get(one.result.recipe, len(order)), one.result.recipe, str(one.path)))
    page = render_page(
        shown,
        about={one.path: _about(one.result) for one in shown},
        refused=refused,
        left_out=left_out,
        sources=[place.as_posix() for place in places],
    )
    try:
        write_page(out, page)
    except OSError as error:
        raise BadInputError(f"--out {out}: cannot be written ({error.strerror})") from error
    if not options.dirs:
        print(f"results from: {', '.join(map(str, places))}")
    _print_summary(shown, left_out, out)
    return 0


def _require_writable(out: Path) -> None:
    try:
        require_free(out)
    except ForeignFileError as error:
        raise BadInputError(f"--out would overwrite a file: {error}; remove it, or name another") from None
    except OSError as error:
        raise BadInputError(f"--out {out}: cannot be written ({error.strerror})") from None
    if not out.parent.is_dir():
        raise BadInputError(f"--out {out}: there is no folder {out.parent}")


def _print_summary(shown: Sequence[Found], left_out: Sequence[Found], out: Path) -> None:
    for one in shown:
        counts: dict[str, int] = {}
        for _, verdict in one.result.claims:
            counts[verdict.verdict] = counts.get(verdict.verdict, 0) + 1
        said = ", ".join(f"{verdict}: {count}" for verdict, count in counts.items()) or "no claims"
        print(f"  {one.result.recipe} ({one.result.size}, {one.date:%Y-%m-%d}): {said}")
    if left_out:
        print(f"  not shown: {len(left_out)} older (--all shows every result)")
    print(f"page: {out}")


def _about(result: Result) -> About:
    """What the catalogue knows of a result's recipe; nothing of a recipe that is not in it."""
    try:
        entry = find(result.recipe)
    except UnknownRecipeError:
        return About()
    return About(entry.summary, entry.paper, rerun_command(result))


def rerun_command(result: Result) -> str:
    """The command that runs a result's recipe with its settings; those that are their defaults are left out.

    Where the recipe cannot be loaded, or its settings have changed since, all are written out.
    """
    settings = {name: value for name, value in result.config.items() if value is not None}
    try:
        config_class = find(result.recipe).load().Config
        defaults = config_class(size=result.size).to_dict()
        config_class.from_dict(settings)
    except (ImportError, ConfigError, TypeError, ValueError):
        defaults = {}
    words = ["erlangen", "run", result.recipe, "--size", result.size]
    for name, value in settings.items():
        if name != "size" and (name not in defaults or _plain(defaults[name]) != _plain(value)):
            words += [f"--{name.replace('_', '-')}", value if isinstance(value, str) else json.dumps(value)]
    return shlex.join(words)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
