"""Findings as a table: rich where it is installed, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import NamedTuple

from .plan import Found, Goal, Row, Study

HEADS = ("row", "measured", "x base", "goal", "limit", "is", "verdict")
WIDE = 150  # columns, where the output is no terminal that says how wide it is


class Line(NamedTuple):
    """One line of the table, all text."""

    row: str
    measured: str
    ratio: str
    goal: str = ""
    limit: str = ""
    value: str = ""
    verdict: str = ""


def lines(study: Study, found: Found) -> Iterator[Line]:
    """Yield a line for each row that was measured, and one more for each further goal of it."""
    for row in study.rows:
        value = found.figures.get(row.figure)
        if value is None and not row.goals:
            continue
        first = Line(row.says, "" if value is None else shown(value, row.unit), _ratio(study, row, found))
        blank = Line("", "", "")
        judged = [_judged(goal, row, found) for goal in row.goals]
        yield first._replace(**judged[0]) if judged else first
        yield from (blank._replace(**one) for one in judged[1:])


def met(study: Study, found: Found) -> list[bool]:
    """Return True or False for each measured goal: is it met?"""
    return [goal.is_met(found.figures[goal.figure]) for goal in study.goals if goal.figure in found.figures]


def shown(value: float, unit: str) -> str:
    """Return a number as a person reads it."""
    digits = 0 if value == int(value) or value >= 1000 else 1 if value >= 100 else 2 if value >= 1 else 4
    return f"{value:,.{digits}f} {unit}".strip()


def _ratio(study: Study, row: Row, found: Found) -> str:
    ratio = found.figures.get(f"{row.figure}/{study.base}")
    return "" if ratio is None else f"{ratio:.3g}" if ratio < 1000 else f"{ratio:,.0f}"


def _judged(goal: Goal, row: Row, found: Found) -> dict[str, str]:
    sign = ">=" if goal.at_least else "<="
    unit = "" if "/" in goal.figure else row.unit
    limit = f"{sign} {goal.limit:g} {goal.says}"
    value = found.figures.get(goal.figure)
    if value is None:
        return {"goal": goal.name, "limit": limit, "verdict": "not measured"}
    return {"goal": goal.name, "limit": limit, "value": shown(value, unit), "verdict": verdict(goal, value)}


def verdict(goal: Goal, value: float) -> str:
    """Return "met" or "MISSED", and by how much of the limit."""
    word = "met" if goal.is_met(value) else "MISSED"
    if not goal.limit or value == goal.limit:
        return word if goal.is_met(value) else f"{word} by {value - goal.limit:g}"
    return f"{word} by {abs(value - goal.limit) / goal.limit:.1%}"


def show(study: Study, found: Found, aside: str) -> None:
    """Print the table and what has to be said about it."""
    body = list(lines(study, found))
    title = f"{study.name}: {study.title} ({aside})"
    try:
        _rich(title, body)
    except ImportError:
        _plain(title, body)
    for remark in (*study.remarks, *found.remarks):
        print(f"  {remark}")
    if found.absent:
        print(f"  not installed, so not measured: {', '.join(found.absent)}")
    print(flush=True)


def _rich(title: str, body: list[Line]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else WIDE)
    table = Table(title=Text(title), title_justify="left", title_style="bold")
    for head in HEADS:
        table.add_column(head, justify="right" if head in {"measured", "x base", "is"} else "left")
    for line in body:
        style = "red" if line.verdict.startswith("MISSED") else "green" if line.verdict.startswith("met") else ""
        table.add_row(*(Text(cell) for cell in line[:-1]), Text(line.verdict, style=style))
    console.print(table)


def _plain(title: str, body: list[Line]) -> None:
    rows = [Line(*HEADS), *body]
    widths = [max(len(line[column]) for line in rows) for column in range(len(HEADS))]
    print(title)
    for line in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
