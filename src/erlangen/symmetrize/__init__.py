"""Any backbone made symmetric: frames, and averages over them."""

from erlangen.symmetrize.fixed_signs import FixedSigns
from erlangen.symmetrize.frame import Frame
from erlangen.symmetrize.local import LocalFrames
from erlangen.symmetrize.minimal import MinimalFrame
from erlangen.symmetrize.padding import ZeroPadding
from erlangen.symmetrize.pca import PCAFrame
from erlangen.symmetrize.shortcuts import symmetrize_images, symmetrize_points
from erlangen.symmetrize.sorting import SortFrame
from erlangen.symmetrize.spectral import SpectralFrame
from erlangen.symmetrize.weighted import DirectionFrame, WeightedFrame
from erlangen.symmetrize.whole import WholeGroup
from erlangen.symmetrize.wrapper import Symmetrized, symmetrize

__all__ = [
    "DirectionFrame",
    "FixedSigns",
    "Frame",
    "LocalFrames",
    "MinimalFrame",
    "PCAFrame",
    "SortFrame",
    "SpectralFrame",
    "Symmetrized",
    "WeightedFrame",
    "WholeGroup",
    "ZeroPadding",
    "symmetrize",
    "symmetrize_images",
    "symmetrize_points",
]
