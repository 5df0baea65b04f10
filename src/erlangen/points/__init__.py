"""Networks on point clouds, interchangeable behind one interface.

Each is called as ``network(x, pos, edge_index, batch, vec)`` on clouds that lie flat in one tensor, as in PyTorch
Geometric, and returns numbers and vectors as a :class:`PointOutput`; its ``symmetry`` says what it keeps.
"""

from typing import TYPE_CHECKING, Any

from erlangen.points.apen import APEN, APENOutput, vote_loss
from erlangen.points.cells import DegenerateCells, degenerate_cells
from erlangen.points.convnext import FiberBundleConvNext
from erlangen.points.convolution import PointConv, PositionOrientationConv
from erlangen.points.egnn import EGNN
from erlangen.points.features import PolynomialCutoff, PolynomialFeatures
from erlangen.points.gaussian_partition import GaussianPartition, SoftPartition
from erlangen.points.invariants import num_invariants, po_invariants
from erlangen.points.lift import LiftedGraph, lift_edges
from erlangen.points.message_passing import PointGNN
from erlangen.points.messages import weighted_sum
from erlangen.points.orientations import orientation_grid
from erlangen.points.output import PointOutput
from erlangen.points.part_pointnet import PartPointNet
from erlangen.points.partition import Partition
from erlangen.points.partition_measures import (
    bad_partition_probability,
    draw_partition,
    move_parts,
    pair_purity,
    partition_uncertainty,
    piecewise_equivariance_error,
)
from erlangen.points.piecewise import PartBackbone, PiecewiseEquivariant
from erlangen.points.pointnet import PointNet
from erlangen.points.ponita import PONITA
from erlangen.points.uniform import uniform_bad_probability, uniform_partition
from erlangen.points.voronoi import voronoi_partition

if TYPE_CHECKING:
    from erlangen.points.lift_transform import LiftToPositionOrientation

__all__ = [
    "APEN",
    "APENOutput",
    "DegenerateCells",
    "EGNN",
    "FiberBundleConvNext",
    "GaussianPartition",
    "LiftToPositionOrientation",
    "LiftedGraph",
    "PONITA",
    "PartBackbone",
    "PartPointNet",
    "Partition",
    "PiecewiseEquivariant",
    "PointConv",
    "PointGNN",
    "PointNet",
    "PointOutput",
    "PolynomialCutoff",
    "PolynomialFeatures",
    "PositionOrientationConv",
    "SoftPartition",
    "bad_partition_probability",
    "degenerate_cells",
    "draw_partition",
    "lift_edges",
    "move_parts",
    "num_invariants",
    "orientation_grid",
    "pair_purity",
    "partition_uncertainty",
    "piecewise_equivariance_error",
    "po_invariants",
    "uniform_bad_probability",
    "uniform_partition",
    "voronoi_partition",
    "vote_loss",
    "weighted_sum",
]


def __getattr__(name: str) -> Any:
    # A transform of PyTorch Geometric needs its base class: loaded where it is asked for, not with the networks.
    if name != "LiftToPositionOrientation":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from erlangen.points.lift_transform import LiftToPositionOrientation

    return LiftToPositionOrientation
