"""Networks on point clouds, interchangeable behind one interface.

Each is called as ``network(x, pos, edge_index, batch, vec)`` on clouds that lie flat in one tensor, as in PyTorch
Geometric, and returns numbers and vectors as a :class:`PointOutput`; its ``symmetry`` says what it keeps.
"""

from typing import TYPE_CHECKING, Any

from erlangen.points.convnext import FiberBundleConvNext
from erlangen.points.convolution import PointConv, PositionOrientationConv
from erlangen.points.egnn import EGNN
from erlangen.points.features import PolynomialCutoff, PolynomialFeatures
from erlangen.points.invariants import num_invariants, po_invariants
from erlangen.points.lift import LiftedGraph, lift_edges
from erlangen.points.message_passing import PointGNN
from erlangen.points.messages import weighted_sum
from erlangen.points.orientations import orientation_grid
from erlangen.points.output import PointOutput
from erlangen.points.pointnet import PointNet
from erlangen.points.ponita import PONITA

if TYPE_CHECKING:
    from erlangen.points.lift_transform import LiftToPositionOrientation

__all__ = [
    "EGNN",
    "FiberBundleConvNext",
    "LiftToPositionOrientation",
    "LiftedGraph",
    "PONITA",
    "PointConv",
    "PointGNN",
    "PointNet",
    "PointOutput",
    "PolynomialCutoff",
    "PolynomialFeatures",
    "PositionOrientationConv",
    "lift_edges",
    "num_invariants",
    "orientation_grid",
    "po_invariants",
    "weighted_sum",
]


def __getattr__(name: str) -> Any:
    # A transform of PyTorch Geometric needs its base class: loaded where it is asked for, not with the networks.
    if name != "LiftToPositionOrientation":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from erlangen.points.lift_transform import LiftToPositionOrientation

    return LiftToPositionOrientation
