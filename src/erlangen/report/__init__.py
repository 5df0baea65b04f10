"""Results: claims and their verdicts, the file that keeps them, and how they are shown.

>>> from erlangen.report import Claim, judge
>>> claim = Claim("faster", "Ours takes less than half the time.", "<", margin=0.5, form="ratio", required_seeds=3)
>>> judge(claim, [1.0, 1.1, 0.9], [4.0, 4.1, 4.2]).holds
True
"""

from erlangen.atomic import write_atomic
from erlangen.report.claims import Claim, Verdict, judge
from erlangen.report.environment import capture_environment
from erlangen.report.figure import new_figure, save_figure
from erlangen.report.result import SCHEMA_VERSION, Check, Result, ResultError, Table, json_values, judge_claims
from erlangen.report.schema import SchemaError, result_schema, validate
from erlangen.report.terminal import check_lines, plain_text, print_result, verdict_line

__all__ = [
    "SCHEMA_VERSION",
    "Check",
    "Claim",
    "Result",
    "ResultError",
    "SchemaError",
    "Table",
    "Verdict",
    "capture_environment",
    "check_lines",
    "json_values",
    "judge",
    "judge_claims",
    "new_figure",
    "plain_text",
    "print_result",
    "result_schema",
    "save_figure",
    "validate",
    "verdict_line",
    "write_atomic",
]
