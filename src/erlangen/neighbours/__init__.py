"""Who is near whom: graphs of neighbours within a radius or by rank, periodic cells, farthest points.

Stands on the ground floor: point clouds, molecules, graphs and data all take their neighbours from here. The search
runs on SciPy's k-d trees, in float64 on the CPU, whatever the dtype and device of the points; its time grows linearly
with the points (times a logarithm). Results lie on the device of the points.
"""

from erlangen.neighbours.farthest import farthest_points
from erlangen.neighbours.nearest import knn_graph
from erlangen.neighbours.radius import radius_graph

__all__ = ["farthest_points", "knn_graph", "radius_graph"]
