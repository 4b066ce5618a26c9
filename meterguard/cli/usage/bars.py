"""A plot in a terminal: a bar for each span of time. Needs rich."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...extras import needed
from ...usage import UsageRecord
from ..texts import number, period, printable
from .series import Point, latest, series

with needed("rich.bar", "cli", by="a plot in the terminal"):
    from rich.bar import Bar
    from rich.console import Console
    from rich.table import Table

MOST = 24
WIDTH = 80


def show(records: Iterable[UsageRecord], bucket: str, console: Console | None = None) -> None:
    """Print the latest spans of each entitlement as bars."""
    console = console or Console(highlight=False, markup=False, emoji=False)
    width = min(WIDTH, console.width)
    for one in series(records):
        points = latest(one.points, bucket, MOST)
        console.print(f"\n{printable(one.title)}")
        console.print(_bars(points), width=width)
        if len(one.points) > sum(1 for point in points if point.quantity):
            console.print(f"The latest {len(points)} only; --since, --until and --bucket show others.")


def _bars(points: Sequence[Point]) -> Table:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    table.add_column(no_wrap=True, justify="right")
    most = max((float(point.quantity) for point in points), default=0.0) or 1.0
    for point in points:
        bar = Bar(most, 0, float(point.quantity), color="cyan")
        table.add_row(period(point.start, point.end), bar, number(point.quantity))
    return table
