"""Any backbone made symmetric: frames and averages over them, invariant coordinates, and soft symmetries."""

from erlangen.symmetrize.canonical import Canonical, from_canonical, to_canonical
from erlangen.symmetrize.channels import hidden_representation
from erlangen.symmetrize.coordinates import MDSCanonicalizer, mds_coordinates
from erlangen.symmetrize.equivariance_error import equivariance_error
from erlangen.symmetrize.fixed_signs import FixedSigns
from erlangen.symmetrize.frame import Frame
from erlangen.symmetrize.invariant import TransformationInvariant
from erlangen.symmetrize.local import LocalFrames
from erlangen.symmetrize.mds import classical_mds, stress
from erlangen.symmetrize.mds_frame import MDSFrame
from erlangen.symmetrize.minimal import MinimalFrame
from erlangen.symmetrize.padding import ZeroPadding
from erlangen.symmetrize.pca import PCAFrame
from erlangen.symmetrize.penalty import equivariance_penalty
from erlangen.symmetrize.penalty_tuner import PenaltyTuner
from erlangen.symmetrize.projector import EquivariantProjector
from erlangen.symmetrize.residual_pathway import ResidualPathwayEMLP, RPPLinear
from erlangen.symmetrize.shortcuts import symmetrize_images, symmetrize_points
from erlangen.symmetrize.soft_emlp import EMLP, SoftEMLP
from erlangen.symmetrize.soft_linear import SoftEquivariantLinear
from erlangen.symmetrize.sorting import SortFrame
from erlangen.symmetrize.spectral import SpectralFrame
from erlangen.symmetrize.weighted import DirectionFrame, WeightedFrame
from erlangen.symmetrize.whole import WholeGroup
from erlangen.symmetrize.wrapper import Symmetrized, symmetrize

__all__ = [
    "Canonical",
    "DirectionFrame",
    "EMLP",
    "EquivariantProjector",
    "FixedSigns",
    "Frame",
    "LocalFrames",
    "MDSCanonicalizer",
    "MDSFrame",
    "MinimalFrame",
    "PCAFrame",
    "PenaltyTuner",
    "RPPLinear",
    "ResidualPathwayEMLP",
    "SoftEMLP",
    "SoftEquivariantLinear",
    "SortFrame",
    "SpectralFrame",
    "Symmetrized",
    "TransformationInvariant",
    "WeightedFrame",
    "WholeGroup",
    "ZeroPadding",
    "classical_mds",
    "equivariance_error",
    "equivariance_penalty",
    "from_canonical",
    "hidden_representation",
    "mds_coordinates",
    "stress",
    "symmetrize",
    "symmetrize_images",
    "symmetrize_points",
    "to_canonical",
]
