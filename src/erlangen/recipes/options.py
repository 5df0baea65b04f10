"""From a command line, and a YAML file, to a `Config`; from a `Config` to a YAML file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from erlangen.extras import require
from erlangen.recipes.config import Config, ConfigError, did_you_mean

C = TypeVar("C", bound=Config)


def parse(config_class: type[C], arguments: Sequence[str], program: str = "erlangen run NAME") -> C:
    """Reads options into a config: every field is one, ``--config FILE`` reads YAML; what comes later wins.

    Args:
        config_class: The recipe's config.
        arguments: The command line after the recipe's name.
        program: For messages and help.

    Raises:
        ConfigError: If an option or a setting is unknown (names the nearest), or a value is not of its type.
        MissingExtra: If jsonargparse is not installed.
    """
    known = config_class.options()
    _refuse_unknown(arguments, [*known, "config"], program)
    jsonargparse = require("jsonargparse", "recipes", "`erlangen run`")
    parser = _parser(jsonargparse, config_class, program)
    try:
        given = vars(parser.parse_args(list(arguments)))
    except Exception as error:
        raise ConfigError(_one_line(str(error), known)) from None
    return config_class(**{name: given[name] for name in known if given[name] is not None})


def describe(config_class: type[Config]) -> str:
    """The options of a recipe, one or two lines each, for ``--help``."""
    lines = []
    for name, (_, text) in config_class.options().items():
        head = f"  --{name.replace('_', '-')}"
        lines.append(f"{head:<18} {text}" if len(head) < 18 else f"{head}\n{'':<18} {text}")
    return "\n".join(lines)


def to_yaml(config: Config) -> str:
    """A config as YAML that ``--config`` reads back; settings that are not set are left out."""
    yaml = require("yaml", "recipes", "a YAML file")
    plain = {item.name: _plain(getattr(config, item.name)) for item in fields(config)}
    return yaml.safe_dump({name: value for name, value in plain.items() if value is not None}, sort_keys=False)


def _parser(jsonargparse: Any, config_class: type[Config], program: str) -> Any:
    parser = jsonargparse.ArgumentParser(prog=program, exit_on_error=False, add_help=False, allow_abbrev=False)
    parser.add_argument("--config", action="config")
    for name, (kind, _) in config_class.options().items():
        flags = [f"--{name}"] + ([f"--{name.replace('_', '-')}"] if "_" in name else [])
        parser.add_argument(*flags, type=kind, default=None, **({"nargs": "?", "const": True} if kind is bool else {}))
    return parser


def _refuse_unknown(arguments: Sequence[str], known: Sequence[str], program: str) -> None:
    flags = {f"--{name}" for name in known} | {f"--{name.replace('_', '-')}" for name in known}
    for argument in arguments:
        flag = argument.partition("=")[0]
        if flag.startswith("-") and not re.fullmatch(r"-\.?\d.*", flag) and flag not in flags:
            shown = sorted(name for name in flags if "_" not in name)
            raise ConfigError(f"unknown option {flag!r}{did_you_mean(flag, shown)} (`{program} --help` lists them)")


def _one_line(message: str, known: Sequence[str] | dict[str, Any]) -> str:
    """The message of jsonargparse as one line, in our words."""
    message = " ".join(message.split())
    if found := re.fullmatch(r"Option '(.+)' is not accepted", message):
        return f"--config: unknown setting {found[1]!r}{did_you_mean(found[1], list(known))}"
    message = re.sub(r"typing\.Literal\[(.*?)\]", r"one of \1", message)
    message = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", message)
    if found := re.match(r'Parser key "(\w+)": Expected an? (.+?)\. Got value: (.*)', message):
        return f"--{found[1].replace('_', '-')} is {found[3]!r}; it takes {found[2]}"
    return re.sub(r'Parser key "(\w+)": ', r"--\1: ", message)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value
