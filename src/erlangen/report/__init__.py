"""Results: claims and their verdicts, the file that keeps them, and how they are shown.

>>> from erlangen.report import Claim, judge
>>> claim = Claim("faster", "Ours takes less than half the time.", "<", margin=0.5, form="ratio", required_seeds=3)
>>> judge(claim, [1.0, 1.1, 0.9], [4.0, 4.1, 4.2]).holds
True
"""

from erlangen.atomic import write_atomic
from erlangen.report.claims import Claim, Verdict, judge
from erlangen.report.collect import Found, Refused, collect, newest
from erlangen.report.environment import capture_environment
from erlangen.report.figure import new_figure, save_figure
from erlangen.report.html import About, ForeignFileError, render_page, require_free, write_page
from erlangen.report.images import ImageError, inline_image
from erlangen.report.interval import interval_svg
from erlangen.report.result import SCHEMA_VERSION, Check, Result, ResultError, Table, json_values, judge_claims
from erlangen.report.schema import SchemaError, result_schema, validate
from erlangen.report.terminal import check_lines, plain_text, print_result, verdict_line

__all__ = [
    "SCHEMA_VERSION",
    "About",
    "Check",
    "Claim",
    "ForeignFileError",
    "Found",
    "ImageError",
    "Refused",
    "Result",
    "ResultError",
    "SchemaError",
    "Table",
    "Verdict",
    "capture_environment",
    "check_lines",
    "collect",
    "inline_image",
    "interval_svg",
    "json_values",
    "judge",
    "judge_claims",
    "new_figure",
    "newest",
    "plain_text",
    "print_result",
    "render_page",
    "require_free",
    "result_schema",
    "save_figure",
    "validate",
    "verdict_line",
    "write_atomic",
    "write_page",
]
