"""Optional packages: imported where they are used, and named in one sentence where they are missing."""

from __future__ import annotations

import importlib
from types import ModuleType


class MissingExtra(ImportError):
    """An optional package is needed and not installed; the message holds the line that installs it."""


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Imports an optional module, or says which install line mends its absence.

    Args:
        module: Name of the module, e.g. ``"sklearn.datasets"``.
        extra: The extra of this package that brings it, e.g. ``"recipes"``.
        purpose: What it is needed for, as the subject of the sentence "... needs PACKAGE".

    Returns:
        The imported module.

    Raises:
        MissingExtra: If the package is not installed. A package that is installed and fails in its own import is
            passed on as it is: that is another defect.

    >>> require("json", "recipes", "this example").__name__
    'json'
    >>> require("absent", "recipes", "this example")
    Traceback (most recent call last):
    ...
    erlangen.extras.MissingExtra: this example needs absent, which is not installed: pip install 'erlangen[recipes]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:
            raise
        line = f"{purpose} needs {package}, which is not installed: pip install 'erlangen[{extra}]'"
        raise MissingExtra(line, name=package) from None
