"""Networks on point clouds, interchangeable behind one interface.

Each is called as ``network(x, pos, edge_index, batch, vec)`` on clouds that lie flat in one tensor, as in PyTorch
Geometric, and returns numbers and vectors as a :class:`PointOutput`; its ``symmetry`` says what it keeps.
"""

from erlangen.points.egnn import EGNN
from erlangen.points.message_passing import PointGNN
from erlangen.points.output import PointOutput
from erlangen.points.pointnet import PointNet

__all__ = ["EGNN", "PointGNN", "PointNet", "PointOutput"]
