"""What a user's own function returns, named on the command line as ``package.module:function``."""

from __future__ import annotations

import importlib
import os
import re
import sys
from typing import Any

from erlangen.recipes.config import ConfigError, did_you_mean


def is_factory(spec: str) -> bool:
    """Whether a word is written as ``package.module:function``.

    >>> is_factory("my_file:make"), is_factory("clouds.npz"), is_factory("folder/my_file:make")
    (True, False, False)
    """
    return re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", spec) is not None


def find_factory(spec: str) -> Any:
    """Imports what ``package.module:function`` names; the current folder is searched first.

    Raises:
        ConfigError: If it is not written so, or cannot be imported, or the module has nothing of that name.
    """
    name, colon, attribute = spec.partition(":")
    if not (name and colon and attribute):
        raise ConfigError(f"the factory is written package.module:function, got {spec!r}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            where = "neither the current folder nor the installed packages have it"
            raise ConfigError(f"{spec}: no module {error.name!r}: {where}") from error
        hint = ": pip install 'erlangen[graphs]'" if (error.name or "").startswith("torch_geometric") else ""
        raise ConfigError(f"{spec}: {name!r} cannot be imported: {error}{hint}") from error
    except Exception as error:
        raise ConfigError(f"{spec}: {name!r} cannot be imported: {type(error).__name__}: {error}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ConfigError(f"{spec}: no {part!r} in {name!r}{did_you_mean(part, vars(found))}")
        found = getattr(found, part)
    return found


def made_by(spec: str) -> Any:
    """Calls the function that ``package.module:function`` names, or takes what stands there as it is.

    Raises:
        ConfigError: As `find_factory`; and if the function raises, with what it said.
    """
    found = find_factory(spec)
    if not callable(found):
        return found
    try:
        return found()
    except ModuleNotFoundError as error:
        hint = ": pip install 'erlangen[graphs]'" if (error.name or "").startswith("torch_geometric") else ""
        raise ConfigError(f"{spec}: the factory raised {type(error).__name__}: {error}{hint}") from error
    except Exception as error:
        raise ConfigError(f"{spec}: the factory raised {type(error).__name__}: {error}") from error
