"""Measuring promises: equivariance error and Lie derivative of any module, and which symmetries it keeps."""

from erlangen.audit.discovery import Discovered, discover_symmetries
from erlangen.audit.equivariance import audit
from erlangen.audit.lie import LieReport, lie_derivative
from erlangen.audit.report import LayerReport, Report
from erlangen.audit.resampling import ratio_interval
from erlangen.audit.violation import Violation, measure_violation

__all__ = [
    "Discovered",
    "LayerReport",
    "LieReport",
    "Report",
    "Violation",
    "audit",
    "discover_symmetries",
    "lie_derivative",
    "measure_violation",
    "ratio_interval",
]
