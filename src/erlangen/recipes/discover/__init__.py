"""Symmetries found in a user's data, or in a trained model: behind ``erlangen discover``."""

from erlangen.recipes.discover.discovery import RECIPE, discover, settings_of
from erlangen.recipes.discover.rule import RULE
from erlangen.recipes.discover.samples import FORMATS
from erlangen.recipes.discover.settings import Discovery
from erlangen.recipes.discover.trained import discover_model

__all__ = ["FORMATS", "RECIPE", "RULE", "Discovery", "discover", "discover_model", "settings_of"]
