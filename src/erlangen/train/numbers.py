"""Numbers among arguments, checked, with errors that name the argument."""

from __future__ import annotations

import operator
from numbers import Real
from typing import Any


def whole_number(name: str, value: Any, least: int) -> int:
    """The value as an int.

    Args:
        name: The argument, for messages.
        value: An int, or an integer of numpy or torch; a bool is none.
        least: The smallest it takes.

    Raises:
        TypeError: If it is no whole number.
        ValueError: If it is too small.

    >>> whole_number("epochs", 1.5, 1)
    Traceback (most recent call last):
    TypeError: epochs is 1.5; it takes a whole number from 1
    """
    takes = f"{name} is {value!r}; it takes a whole number from {least}"
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(takes)
    try:
        whole = operator.index(value)
    except TypeError:  # an array or a tensor of fractions, or of several numbers
        raise TypeError(takes) from None
    if whole < least:
        raise ValueError(takes)
    return whole


def real_number(name: str, value: Any, takes: str) -> float:
    """The value as a float.

    Args:
        name: The argument, for messages.
        value: An int or a float, Python's or numpy's; a bool is none.
        takes: What the argument takes, for messages.

    Raises:
        TypeError: If it is no real number.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {value!r}; it takes {takes}")
    return float(value)
