"""Experiments with claims written before the run: one module per recipe, found through a catalogue that imports none.

>>> from erlangen.recipes import find
>>> find("quickstart").summary
'A CNN on real digits, made symmetric under quarter turns, and audited'
"""

from erlangen.recipes.catalog import CATALOG, Entry, UnknownRecipeError, find
from erlangen.recipes.config import TRAININGS, Config, ConfigError, did_you_mean, option
from erlangen.recipes.progress import is_first_process

__all__ = [
    "CATALOG",
    "TRAININGS",
    "Config",
    "ConfigError",
    "Entry",
    "UnknownRecipeError",
    "did_you_mean",
    "find",
    "is_first_process",
    "option",
]
