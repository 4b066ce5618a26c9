"""Figures of many fleets: kept in a file, and put into tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from .scenes import IN_SHORT, Figures, play
from .world import ARRANGEMENTS, Arrangement

SIZES = (1, 10, 100, 1_000, 10_000)
KEPT = Path(__file__).with_name("figures.json")
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "fleets.md"
BEGIN, END = "% begin: tables\n", "% end: tables\n"
Found = dict[str, dict[str, Figures]]
"""Figures, by the name of the arrangement and the number of processes."""
Cells = Callable[[Figures], list[str]]
LOAD = ("requests a minute", "of them at most", "seats", "at most", "store round trips a minute")
TROUBLE = (
    "seats right after a crash",
    "requests a minute in an outage",
    "leases right after it",
    "after a restart of all",
    "requests a minute without the store",
)


def found(
    arrangements: Iterable[Arrangement] = ARRANGEMENTS, sizes: Iterable[int] = SIZES, most: int = IN_SHORT
) -> Found:
    """Play all scenes with fleets of these sizes, in as many processes as there are cores."""
    arrangements, sizes = tuple(arrangements), tuple(sizes)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        largest_first = sorted(sizes, reverse=True)
        parts = {
            (one.name, size): pool.submit(play, one, size, most=most) for size in largest_first for one in arrangements
        }
        return {one.name: {str(size): parts[one.name, size].result() for size in sizes} for one in arrangements}


def write(figures: Found, kept: Path = KEPT) -> None:
    """Keep figures, to three digits."""
    rounded = {
        name: {size: {key: _rounded(value) for key, value in one.items()} for size, one in sizes.items()}
        for name, sizes in figures.items()
    }
    kept.write_text(json.dumps(rounded, indent=1) + "\n", "utf-8")


def read(kept: Path = KEPT) -> Found:
    """Return the figures that are kept."""
    figures: Found = json.loads(kept.read_text("utf-8"))
    return figures


def tables(figures: Found) -> str:
    """Return two tables in Markdown: the load in quiet times, and what trouble does."""
    load = _table(LOAD, figures, load_cells)
    return f"{load}\n\n{_table(TROUBLE, figures, trouble_cells)}"


def with_tables(page: str, figures: Found) -> str:
    """Return the text of the page with the tables of these figures."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{tables(figures)}\n\n{END}{rest.partition(END)[2]}"


def load_cells(one: Figures) -> list[str]:
    """Return a line's cells: what a fleet asks for and holds in quiet times."""
    trips = (one["trips"] or 0.0) + (one.get("looks") or 0.0) if "trips" in one else None
    return [shown(one.get(key)) for key in ("calls", "calls peak", "seats", "seats peak")] + [shown(trips)]


def trouble_cells(one: Figures) -> list[str]:
    """Return a line's cells: what crashes, outages and a restart of all come to."""
    return [
        span(one, "crash seats right"),
        shown(one.get("outage calls")),
        span(one, "outage recovery"),
        span(one, "deploy recovery"),
        shown(one.get("store outage calls")),
    ]


def _table(heads: tuple[str, ...], figures: Found, cells: Cells) -> str:
    lines = [f"| | processes | {' | '.join(heads)} |", "| --- | ---: |" + " ---: |" * len(heads)]
    lines += [f"| {' | '.join(line)} |" for line in _lines(figures, cells)]
    return "\n".join(lines)


def _lines(figures: Found, cells: Cells) -> Iterator[list[str]]:
    for arrangement in ARRANGEMENTS:
        for number, (size, one) in enumerate(figures.get(arrangement.name, {}).items()):
            yield ["" if number else arrangement.says, f"{int(size):,}", *cells(one)]


def shown(value: float | None) -> str:
    """Return a number as a person reads it."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def span(one: Figures, key: str) -> str:
    """Return a span of time as a person reads it. Below a second it is at once."""
    value = one.get(key)
    if value is None:
        is_given_up = f"{key.partition(' ')[0]} given up" in one
        return "given up" if is_given_up else "never" if key in one else "-"
    if value < 1:
        return "at once"
    return f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min"


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")
