"""Networks on point clouds, trained at one budget on a user's own clouds: behind ``erlangen compare``."""

from erlangen.recipes.compare.comparison import RECIPE, compare, settings_of
from erlangen.recipes.compare.files import FORMATS
from erlangen.recipes.compare.methods import METHODS
from erlangen.recipes.compare.settings import Comparison

__all__ = ["FORMATS", "METHODS", "RECIPE", "Comparison", "compare", "settings_of"]
