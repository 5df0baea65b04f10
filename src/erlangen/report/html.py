"""Results as one HTML page that needs nothing else: no file beside it, no network, no script.

Equal results give equal pages: nothing on a page depends on when it was drawn. The page forbids, in its own head, all
that it does not need.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from erlangen.atomic import write_atomic
from erlangen.extras import require
from erlangen.report.claims import Claim, Verdict
from erlangen.report.collect import Found, Refused
from erlangen.report.images import ImageError, inline_image
from erlangen.report.interval import interval_svg, short
from erlangen.report.result import Result
from erlangen.report.terminal import cell_text

MARK = '<meta name="generator" content="erlangen report">'
KINDS = {"holds": "holds", "does not hold": "fails", "undecided": "open", "not measurable here": "unknown"}
_IN_SUMS = {"holds": "hold", "does not hold": "do not hold"}
_KNOWN = ("date", "python", "packages", "commit", "modified", "platform", "device", "cores", "threads", "seconds")
_NUMBER = re.compile(r"[-+−]?[\d.]+(e[-+]?\d+)?( ?[±%] ?[\d.]*(e[-+]?\d+)?)*|-|–|nan|inf")


class ForeignFileError(ValueError):
    """A page would overwrite a file that is not a page of ours; the message names it."""


@dataclass(frozen=True)
class About:
    """What a result does not hold itself: what its recipe is, its paper, and the command that reruns it."""

    summary: str = ""
    paper: str = ""
    command: str = ""


def render_page(
    shown: Sequence[Found],
    *,
    about: Mapping[Path, About] | None = None,
    refused: Sequence[Refused] = (),
    left_out: Sequence[Found] = (),
    sources: Sequence[str] = (),
) -> str:
    """Draws a page.

    Args:
        shown: The results to show, in order.
        about: What each result's recipe is, by the result's path.
        refused: What could not be used; listed with the reasons.
        left_out: Older results of the same recipes; named, not shown.
        sources: Where the results were looked for, as a reader should see it.

    Returns:
        The page, as HTML.

    Raises:
        MissingExtra: If jinja2 is not installed.
    """
    jinja2 = require("jinja2", "recipes", "`erlangen report`")
    files = {name: resources.files(__package__ or "").joinpath(name).read_text("utf-8") for name in _FILES}
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(files),
        autoescape=lambda name: name != "page.css",
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["signs"] = _with_signs
    names = _Names()
    sections = [_section(one, (about or {}).get(one.path, About()), left_out, shown, names) for one in shown]
    verdicts = Counter(claim["verdict"] for section in sections for claim in section["claims"])
    checks = [check for section in sections for check in section["checks"]]
    page = environment.get_template("page.html.jinja").render(
        mark=MARK,
        sections=sections,
        tally=[(_IN_SUMS.get(verdict, verdict), kind, verdicts[verdict]) for verdict, kind in KINDS.items()],
        num_claims=verdicts.total(),
        num_checks=len(checks),
        num_failed=sum(not check.passed for check in checks),
        refused=refused,
        sources=sources,
        svg=jinja2.utils.markupsafe.Markup,
    )
    return page.encode("utf-8", "replace").decode()  # JSON can hold halves of characters, a page cannot


def write_page(path: str | os.PathLike[str], page: str) -> Path:
    """Writes a page atomically, over nothing but an older page.

    Raises:
        ForeignFileError: If the path is taken by anything but a page that `render_page` drew.
        OSError: If the file cannot be written.
    """
    require_free(path)
    return write_atomic(path, page)


def require_free(path: str | os.PathLike[str]) -> None:
    """Raises `ForeignFileError` if a page written there would overwrite anything but an older page."""
    path = Path(path)
    if path.is_symlink() and not path.exists():
        raise ForeignFileError(f"{path} is a link to nothing")
    if not path.exists():
        return
    if not path.is_file():
        raise ForeignFileError(f"{path} is {'a folder' if path.is_dir() else 'no file'}")
    with path.open("rb") as file:
        start = file.read(2000)
    if MARK.encode() not in start:
        raise ForeignFileError(f"{path} is not a page that `erlangen report` wrote")


_FILES = ("page.html.jinja", "page.css")


class _Names:
    """Anchors of a page: readable and unique."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def __call__(self, *words: str) -> str:
        base = re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-") or "part"
        name, count = base, 1
        while name in self.taken:
            count += 1
            name = f"{base}-{count}"
        self.taken.add(name)
        return name


def _section(one: Found, about: About, left_out: Sequence[Found], shown: Sequence[Found], names: _Names) -> dict:
    result = one.result
    anchor = names(result.recipe)
    return {
        "anchor": anchor,
        "recipe": result.recipe,
        "size": result.size,
        "partial": result.status == "partial",
        "num_seeds": len(result.seeds),
        "path": one.path.as_posix(),
        "date": one.date.strftime("%Y-%m-%d"),
        "about": about,
        "claims": [_claim(claim, verdict, result, names(anchor, claim.name)) for claim, verdict in result.claims],
        "checks": sorted(result.checks, key=lambda check: check.passed),
        "num_passed": sum(check.passed for check in result.checks),
        "tables": [_table(table.title, table.columns, table.rows, table.note) for table in result.tables],
        "figures": [_figure(one.path.parent, name, caption) for name, caption in result.figures.items()],
        "audits": _audits(result.audits),
        "environment": _environment(result.environment, one),
        "config": [(key, _plain(value)) for key, value in result.config.items()],
        "seeds": ", ".join(map(str, result.seeds)),
        "older": [old for old in left_out if old.result.recipe == result.recipe],
        "several": sum(other.result.recipe == result.recipe for other in shown) > 1,
    }


def _claim(claim: Claim, verdict: Verdict, result: Result, anchor: str) -> dict[str, Any]:
    interval = verdict.interval
    needs = f"of {claim.required_seeds} seeds" if not claim.deterministic else "(deterministic)"
    return {
        "anchor": anchor,
        "name": claim.name,
        "statement": claim.statement,
        "verdict": verdict.verdict,
        "kind": KINDS[verdict.verdict],
        "reason": verdict.reason,
        "experiment": claim.experiment,
        "criterion": _criterion(claim),
        "effect": "" if verdict.effect is None else short(verdict.effect),
        "interval": None
        if interval is None or claim.deterministic
        else f"{short(interval[0])} to {short(interval[1])}",
        "n": f"{verdict.n} {needs}",
        "svg": interval_svg(claim, verdict),
        "numbers": _numbers(claim, result),
    }


def _criterion(claim: Claim) -> str:
    """The comparison in symbols; a baseline that is a number stands there as that number."""
    words = _with_signs(claim.criterion).replace("ours - ", "ours − ")
    return words if isinstance(claim.baseline, str) else words.replace("baseline", f"{claim.baseline:g}")


def _with_signs(words: str) -> str:
    """Signs of numbers as minus, which no line ends after, and ``<=`` as one sign."""
    return re.sub(r"(?<![\w.])-(?=\d)|(?<=\de)-(?=\d)", "−", words).replace("<=", "≤").replace(">=", "≥")


def _numbers(claim: Claim, result: Result) -> dict[str, Any] | None:
    """The numbers that a verdict was computed from, seed by seed."""
    block = result.metrics.get(claim.experiment, {})
    ours = block.get(claim.ours, [])
    theirs = block.get(claim.baseline, []) if isinstance(claim.baseline, str) else [float(claim.baseline)] * len(ours)
    if not ours or len(ours) != len(theirs):
        return None
    first = result.seeds if len(result.seeds) == len(ours) else range(1, len(ours) + 1)
    baseline = claim.baseline if isinstance(claim.baseline, str) else "baseline"
    rows = [[str(seed), short(a, 5), short(b, 5)] for seed, a, b in zip(first, ours, theirs, strict=True)]
    return _table("", ["seed", claim.ours, baseline], rows, "")


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], note: str) -> dict[str, Any]:
    """A table whose columns of numbers are told from columns of words."""
    cells = [[cell_text(cell).replace("e-", "e−") for cell in row] for row in rows]
    right = [all(_NUMBER.fullmatch(row[index].replace("−", "-")) for row in cells) for index in range(len(columns))]
    return {"title": title, "columns": list(zip(columns, right, strict=True)), "rows": cells, "note": note}


def _figure(folder: Path, name: str, caption: str) -> dict[str, Any]:
    try:
        image = inline_image(folder, name)
    except ImageError as error:
        return {"name": name, "caption": caption, "missing": str(error), "image": None}
    return {"name": name, "caption": caption, "missing": "", "image": image}


def _audits(audits: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    if not audits:
        return None
    rows = []
    for audit in audits:
        error = audit.get("error")
        said = f"{error:.1e}" if isinstance(error, (int, float)) else "-"
        rows.append([str(audit["name"]), str(audit["verdict"]), said, str(audit.get("symmetry", "-"))])
    return _table("Audits", ["what was audited", "verdict", "error", "promise"], rows, "")


def _environment(environment: Mapping[str, Any], one: Found) -> list[tuple[str, str]]:
    """What a run ran on, the important first, each in words."""
    packages = environment.get("packages")
    packages = packages if isinstance(packages, Mapping) else {}
    commit, modified = environment.get("commit"), environment.get("modified")
    state = " (modified: the code had changes that are not in it)" if modified else " (unmodified)"
    seconds = environment.get("seconds")
    pairs = [
        ("date", one.date.strftime("%Y-%m-%d %H:%M %Z")),
        (
            "commit",
            f"{str(commit)[:12]}{'' if modified is None else state}"
            if commit
            else "unknown: not run from a repository",
        ),
        ("python", environment.get("python")),
        ("torch", packages.get("torch")),
        ("erlangen", packages.get("erlangen")),
        ("device", environment.get("device")),
        ("platform", environment.get("platform")),
        ("cores", environment.get("cores")),
        ("threads", environment.get("threads")),
        ("time", _duration(seconds) if isinstance(seconds, (int, float)) else None),
        *((name, packages[name]) for name in packages if name not in ("torch", "erlangen")),
        *((name, _plain(value)) for name, value in environment.items() if name not in _KNOWN),
    ]
    return [(name, str(value)) for name, value in pairs if value is not None]


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
