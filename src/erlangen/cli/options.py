"""Options read by argparse: one-line errors, a suggestion for what is unknown, no abbreviations."""

from __future__ import annotations

import argparse
from typing import NoReturn

from erlangen.recipes import did_you_mean


class BadInputError(Exception):
    """What was asked for cannot be done; the message is shown as it is."""


class Parser(argparse.ArgumentParser):
    """Argparse with one-line errors, a suggestion for unknown options, and no abbreviations."""

    def __init__(self, program: str, about: str, examples: str = "") -> None:
        super().__init__(
            prog=program,
            description=about,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def read(self, given: list[str]) -> argparse.Namespace:
        """Parses, or raises `BadInputError`."""
        options, rest = self.parse_known_args(given)
        if rest:
            known = [flag for action in self._actions for flag in action.option_strings]
            kind = "option" if rest[0].startswith("-") else "argument"
            hint = did_you_mean(rest[0].partition("=")[0], known)
            raise BadInputError(f"unknown {kind} {rest[0]!r}{hint} (`{self.prog} --help` lists them)")
        return options

    def error(self, message: str) -> NoReturn:
        raise BadInputError(f"{message} (`{self.prog} --help` shows how)")


def require_device(device: str) -> None:
    """Refuses ``--device`` where nothing can be computed there.

    Raises:
        BadInputError: If it is unknown, absent, or computes no numbers.
    """
    import torch

    try:
        torch.zeros(1, device=device).item()  # some devices, such as "meta", make tensors and compute no number
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BadInputError(f"--device is {device!r}; it cannot be used here: {reason}") from None
