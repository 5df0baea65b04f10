"""Any backbone made symmetric: frames, and averages over them."""

from erlangen.symmetrize.frame import Frame
from erlangen.symmetrize.pca import PCAFrame
from erlangen.symmetrize.shortcuts import symmetrize_images, symmetrize_points
from erlangen.symmetrize.sorting import SortFrame
from erlangen.symmetrize.whole import WholeGroup
from erlangen.symmetrize.wrapper import Symmetrized, symmetrize

__all__ = [
    "Frame",
    "PCAFrame",
    "SortFrame",
    "Symmetrized",
    "WholeGroup",
    "symmetrize",
    "symmetrize_images",
    "symmetrize_points",
]
