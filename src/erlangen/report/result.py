"""A run's result: what was measured, what it says about the claims, and the file that keeps it.

``result.json`` follows the schema shipped as ``result.schema.json`` beside this module; it is validated on save and on
load. Numbers that could not be measured (NaN, infinite) are ``null`` in the file. A verdict is never taken on trust: on
load each is judged again from the stored metrics, and a file whose verdicts its own numbers do not give is refused.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from erlangen.atomic import write_atomic
from erlangen.report.claims import Claim, Numbers, Verdict, judge
from erlangen.report.schema import SchemaError, result_schema, validate

SCHEMA_VERSION = 1
Metrics = dict[str, dict[str, list[float]]]
Cell = str | int | float | bool | None


class ResultError(ValueError):
    """A file is not a result that can be used; the message names the file and the reason."""


@dataclass(frozen=True)
class Table:
    """A table of a result: ``rows`` holds one cell per column."""

    title: str
    columns: list[str]
    rows: list[list[Cell]]
    note: str = ""

    def __post_init__(self) -> None:
        for index, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                takes = len(self.columns)
                raise ValueError(f"table {self.title!r}: row {index} has {len(row)} cells, takes {takes}")


@dataclass(frozen=True)
class Check:
    """An identity that cannot fail once the tests pass. A check is no evidence for a claim and is counted apart."""

    name: str
    statement: str
    passed: bool
    detail: str = ""


@dataclass
class Result:
    """Everything a recipe hands back.

    Args:
        recipe: Name of the recipe.
        size: ``"smoke"``, ``"small"`` or ``"paper"``.
        config: Every setting that can change a number, as plain JSON values.
        seeds: The seeds, in the order of the numbers in ``metrics``.
        environment: As `capture_environment` returns it.
        metrics: ``{experiment: {name: [one number per seed]}}``; a deterministic metric has one number.
        claims: Claims with their verdicts, as `judge_claims` returns them.
        tables: Tables to show.
        figures: Caption of each figure by its file name beside ``result.json``.
        checks: Identities, counted apart from the claims.
        audits: Reports of the audit as dicts, each with ``"name"`` and ``"verdict"``.
        status: ``"complete"``, or ``"partial"`` where experiments or seeds are missing.
        schema_version: Version of the file's schema.
    """

    recipe: str
    size: Literal["smoke", "small", "paper"]
    config: dict[str, Any]
    seeds: list[int]
    environment: dict[str, Any]
    metrics: Metrics
    claims: list[tuple[Claim, Verdict]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    audits: list[dict[str, Any]] = field(default_factory=list)
    status: Literal["complete", "partial"] = "complete"
    schema_version: int = SCHEMA_VERSION

    def to_dict(self) -> dict[str, Any]:
        """The result as plain JSON values, NaN and infinities as None."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        plain["tables"] = [asdict(table) for table in self.tables]
        plain["checks"] = [asdict(check) for check in self.checks]
        plain["claims"] = [asdict(claim) | asdict(verdict) | {"holds": verdict.holds} for claim, verdict in self.claims]
        first = ["schema_version", "recipe", "size", "status"]
        return json_values({key: plain[key] for key in first + [key for key in plain if key not in first]})

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Result:
        """Builds a result from `to_dict`'s values.

        Raises:
            ResultError: If the document does not fit the schema, has another schema version, or holds a verdict that
                its own numbers do not give.
        """
        document = dict(document)
        version = document.get("schema_version")
        if version is None or "recipe" not in document:
            raise ResultError("not a result of erlangen: it has no 'schema_version' and 'recipe'")
        if version != SCHEMA_VERSION:
            raise ResultError(f"schema_version is {version!r}; this release reads {SCHEMA_VERSION}")
        try:
            validate(document, result_schema())
            return cls._build(document)
        except ResultError:
            raise
        except (SchemaError, ValueError) as error:
            raise ResultError(str(error)) from None

    @classmethod
    def _build(cls, document: dict[str, Any]) -> Result:
        metrics: Metrics = {
            experiment: {name: [_number(value) for value in values] for name, values in block.items()}
            for experiment, block in document["metrics"].items()
        }
        for name in document["figures"]:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
                raise ResultError(f"figures: {name!r} points outside the run's folder")
        claims = [_read_claim(entry, metrics) for entry in document["claims"]]
        return cls(
            **document
            | {
                "metrics": metrics,
                "claims": claims,
                "tables": [Table(**entry) for entry in document["tables"]],
                "checks": [Check(**entry) for entry in document["checks"]],
            }
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes ``result.json`` atomically, after validating it.

        Raises:
            SchemaError: If a field holds what the schema does not take.
            OSError: If the file cannot be written.
        """
        document = self.to_dict()
        validate(document, result_schema())
        return write_atomic(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Result:
        """Reads a result, judging its claims again.

        Raises:
            ResultError: If the file is missing, cut off, not JSON, not a result, of another schema version, or holds
                verdicts that its own numbers do not give.
        """
        path = Path(path)
        try:
            text = path.read_bytes().decode("utf-8")
            document = json.loads(text, parse_constant=_refuse_constant)
        except OSError as error:
            raise ResultError(f"{path}: cannot be read ({error.strerror})") from None
        except UnicodeDecodeError:
            raise ResultError(f"{path}: not a result of erlangen (not text)") from None
        except json.JSONDecodeError as error:
            begun = text.lstrip().startswith("{") and not text.rstrip().endswith("}")
            cut = not text.strip() or begun or error.pos >= len(text.rstrip()) - 1
            what = f"{'cut off' if cut else 'not JSON'} at line {error.lineno}, column {error.colno}"
            raise ResultError(f"{path}: {what}; run the recipe again") from None
        except RecursionError:
            raise ResultError(f"{path}: not a result of erlangen (nested too deeply)") from None
        except ValueError as error:
            raise ResultError(f"{path}: {error}") from None
        if not isinstance(document, dict):
            raise ResultError(f"{path}: not a result of erlangen (a JSON {type(document).__name__}, not an object)")
        try:
            return cls.from_dict(document)
        except ResultError as error:
            raise ResultError(f"{path}: {error}") from None


def judge_claims(
    claims: Sequence[Claim], metrics: Mapping[str, Mapping[str, Sequence[float]]]
) -> list[tuple[Claim, Verdict]]:
    """Judges every claim by the metrics it names.

    A claim about an experiment or a metric that is not there is "not measurable here", with that reason.

    >>> claim = Claim("a", "A is larger than one.", ">", required_seeds=1, experiment="e", ours="a", baseline=1.0)
    >>> [verdict.verdict for _, verdict in judge_claims([claim], {"e": {"a": [2.0]}})]
    ['holds']
    >>> judge_claims([claim], {})[0][1].reason
    "experiment 'e' was not run"
    """
    return [(claim, _judge_by_name(claim, metrics)) for claim in claims]


def _judge_by_name(claim: Claim, metrics: Mapping[str, Mapping[str, Sequence[float]]]) -> Verdict:
    block = metrics.get(claim.experiment)
    if block is None:
        return Verdict("not measurable here", None, None, 0, f"experiment {claim.experiment!r} was not run")
    sides: list[Numbers] = []
    for reference in (claim.ours, claim.baseline):
        if isinstance(reference, str) and reference not in block:
            return Verdict("not measurable here", None, None, 0, f"metric {reference!r} was not measured")
        sides.append(list(block[reference]) if isinstance(reference, str) else reference)
    return judge(claim, *sides)


def _read_claim(entry: dict[str, Any], metrics: Metrics) -> tuple[Claim, Verdict]:
    claim = Claim(**{item.name: entry[item.name] for item in fields(Claim)})
    verdict = _judge_by_name(claim, metrics)
    again = json_values(asdict(verdict) | {"holds": verdict.holds})
    for key in ("verdict", "holds", "n", "effect", "interval"):
        if not _same(entry[key], again[key]):
            stands = f"{key} is stored as {entry[key]!r}, its own numbers give {again[key]!r}"
            raise ResultError(f"claim {claim.name!r}: {stands}")
    return claim, verdict


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_same, first, second))
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=1e-9, abs_tol=1e-12)
    return first == second


def _number(value: int | float | None) -> float:
    return math.nan if value is None else float(value)


def json_values(value: Any) -> Any:
    """JSON values: tuples as lists, NaN and infinities as None, numbers of numpy and the like as Python's."""
    if isinstance(value, Mapping):
        return {str(key): json_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_values(item) for item in value]
    if isinstance(value, (str, bool, int)) or value is None:
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return json_values(value.tolist())
    raise TypeError(f"a result holds plain values, got {type(value).__name__}: {value!r}")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"not a result of erlangen ({name} is not JSON)")
