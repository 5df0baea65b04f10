"""A result in the terminal: its tables, one line per claim, the checks counted apart."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from erlangen.extras import MissingExtra, require
from erlangen.report.result import Cell, Result, Table

if TYPE_CHECKING:
    from erlangen.report.claims import Claim, Verdict

_COLOURS = {"holds": "green", "does not hold": "red", "undecided": "yellow", "not measurable here": "dim"}


def print_result(result: Result) -> None:
    """Prints tables, verdicts and checks to standard output.

    With rich, in colour on a terminal; without it as plain text, after a line on stderr that says so.
    """
    try:
        require("rich.console", "recipes", "a coloured table")
    except MissingExtra as missing:
        print(f"plain text: {missing}", file=sys.stderr)
        print(plain_text(result))
        return
    _print_rich(result)


def plain_text(result: Result) -> str:
    """The same content as `print_result`, as text without colour."""
    blocks = [f"{result.recipe} · size {result.size} · {_seeds(result)}"]
    blocks += [_plain_table(table) for table in result.tables]
    if result.claims:
        blocks.append("\n".join(["Claims", *(verdict_line(claim, verdict) for claim, verdict in result.claims)]))
    blocks.append("\n".join(check_lines(result)))
    return "\n\n".join(block for block in blocks if block)


def verdict_line(claim: Claim, verdict: Verdict) -> str:
    """One line per claim: the verdict, the sentence, and the numbers that decided it.

    >>> from erlangen.report.claims import Claim, judge
    >>> claim = Claim("a", "Ours is larger.", ">", required_seeds=1)
    >>> print(verdict_line(claim, judge(claim, 2.0, 1.0)))
      holds: Ours is larger.
          deterministic (n = 1): effect 1, ours - baseline > 0
    """
    effect = "" if verdict.effect is None or claim.deterministic else f"effect {verdict.effect:.4g}; "
    return f"  {verdict.verdict}: {claim.statement}\n      {effect}{verdict.reason}"


def check_lines(result: Result) -> list[str]:
    """The checks: one line if all passed, else one more for each that failed."""
    if not result.checks:
        return []
    failed = [check for check in result.checks if not check.passed]
    lines = [f"Checks (identities, no evidence): {len(result.checks) - len(failed)} of {len(result.checks)} passed"]
    return lines + [f"  FAILED: {check.statement} ({check.detail})" for check in failed]


def _print_rich(result: Result) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as RichTable

    console = Console(highlight=False, soft_wrap=False)
    console.print(f"[bold]{escape(result.recipe)}[/bold] · size {result.size} · {_seeds(result)}")
    for table in result.tables:
        drawn = RichTable(title=table.title, title_justify="left", caption=table.note or None, caption_justify="left")
        for index, column in enumerate(table.columns):
            drawn.add_column(escape(column), justify="left" if index == 0 else "right")
        for row in table.rows:
            drawn.add_row(*(escape(cell_text(cell)) for cell in row))
        console.print(drawn)
    if result.claims:
        console.print("[bold]Claims[/bold]")
    for claim, verdict in result.claims:
        colour = _COLOURS[verdict.verdict]
        first, _, second = verdict_line(claim, verdict).partition("\n")
        head, _, sentence = first.partition(": ")
        console.print(f"[{colour}]{escape(head)}[/{colour}]: {escape(sentence)}", soft_wrap=True)
        console.print(f"[dim]{escape(second)}[/dim]", soft_wrap=True)
    for line in check_lines(result):
        console.print(escape(line), style="red" if "FAILED" in line else None, soft_wrap=True)


def _plain_table(table: Table) -> str:
    rows = [table.columns, *([cell_text(cell) for cell in row] for row in table.rows)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(table.columns))]
    rows.insert(1, ["-" * width for width in widths])
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return "\n".join([table.title, *(line.rstrip() for line in lines), *([table.note] if table.note else [])])


def cell_text(cell: Cell) -> str:
    """A cell of a table in words: four digits of a number, yes or no, a dash for nothing."""
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def _seeds(result: Result) -> str:
    return f"{len(result.seeds)} seed{'' if len(result.seeds) == 1 else 's'}"
