"""``erlangen compare``: networks of every kind on a user's own data, at one budget."""

from __future__ import annotations

from erlangen.cli.own_data import keep_one
from erlangen.report import json_values

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
    return keep_one(
        config,
        RECIPE,
        "comparison",
        compare,
        lambda kept: kept.config == json_values(settings_of(config)),
        source="--data",
        rate=config.lr,
        slower="a smaller one may help, or --methods without this network",
    )
