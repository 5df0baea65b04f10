"""Data sets: generators, loaders that respect each publisher's layout, and the table of where things lie.

The loaders stand in their own modules, e.g. `erlangen.data.digits`.
"""

from erlangen.data.sources import VARIABLE, Found, MissingDataError, data_root, find_source, look
from erlangen.data.table import SOURCES, Source

__all__ = ["SOURCES", "VARIABLE", "Found", "MissingDataError", "Source", "data_root", "find_source", "look"]
