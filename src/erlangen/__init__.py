"""Symmetry for neural networks: say who acts on the data, then build that in, wrap it on, or measure it.

The names live one floor down, so that importing the package stays cheap:
`erlangen.groups` (who acts, and how), `erlangen.audit` (is a promise kept?), `erlangen.symmetrize` (make it kept).
"""

__version__ = "0.1.0.dev0"
