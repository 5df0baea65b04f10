"""Any backbone made symmetric: frames and averages over them, and invariant coordinates."""

from erlangen.symmetrize.canonical import (
    Canonical,
    MDSCanonicalizer,
    from_canonical,
    mds_coordinates,
    to_canonical,
)
from erlangen.symmetrize.fixed_signs import FixedSigns
from erlangen.symmetrize.frame import Frame
from erlangen.symmetrize.invariant import TransformationInvariant
from erlangen.symmetrize.local import LocalFrames
from erlangen.symmetrize.mds import classical_mds, stress
from erlangen.symmetrize.mds_frame import MDSFrame
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
    "Canonical",
    "DirectionFrame",
    "FixedSigns",
    "Frame",
    "LocalFrames",
    "MDSCanonicalizer",
    "MDSFrame",
    "MinimalFrame",
    "PCAFrame",
    "SortFrame",
    "SpectralFrame",
    "Symmetrized",
    "TransformationInvariant",
    "WeightedFrame",
    "WholeGroup",
    "ZeroPadding",
    "classical_mds",
    "from_canonical",
    "mds_coordinates",
    "stress",
    "symmetrize",
    "symmetrize_images",
    "symmetrize_points",
    "to_canonical",
]
