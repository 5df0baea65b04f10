"""Measuring promises: equivariance error and Lie derivative of any module."""

from erlangen.audit.equivariance import audit
from erlangen.audit.lie import LieReport, lie_derivative
from erlangen.audit.report import LayerReport, Report

__all__ = ["LayerReport", "LieReport", "Report", "audit", "lie_derivative"]
