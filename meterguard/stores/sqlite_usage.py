"""The lines of usage in a file of SQLite: each name once, each quantity exact."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import NamedTuple

from ..usage import DAY, HOUR, UsageKey, UsageLine

# The default context rounds to 28 digits, and says nothing.
_EXACT = Context(prec=1000, traps=[Inexact, InvalidOperation])
_LARGEST = 2**63 - 1

Meter = tuple[str, str, str, bool]


def as_stored(quantity: Decimal) -> int | str:
    """Return a quantity as it is kept: an integer of SQLite where that can hold it, else text."""
    if quantity == quantity.to_integral_value(context=_EXACT) and abs(quantity) <= _LARGEST:
        return int(quantity)
    return f"{quantity.normalize(_EXACT):f}"


def as_read(stored: object) -> Decimal:
    """Return a quantity that was kept. Raises ``ValueError`` or ``ArithmeticError`` where it is none."""
    quantity = Decimal(stored) if isinstance(stored, int | str) else Decimal("NaN")
    if not quantity.is_finite():
        raise ValueError("a quantity that is no number")
    return quantity


def added(one: object, other: object) -> int | str:
    """Return the sum of two quantities, all three as they are kept."""
    return as_stored(_EXACT.add(as_read(one), as_read(other)))


def install(connection: sqlite3.Connection) -> None:
    """Let the statements of a connection add quantities."""
    connection.create_function("added", 2, added, deterministic=True)


_EACH = (HOUR, DAY)  # with which the key of the table finds a range of moments


def add(connection: sqlite3.Connection, lines: Iterable[UsageLine]) -> None:
    """Add lines, in a transaction of the caller."""
    meters: dict[Meter, int] = {}
    subjects: dict[str | None, int] = {None: 0}
    for key, quantity in lines:
        meter = (key.scope, key.name, key.unit, key.is_metered)
        if meter not in meters:
            meters[meter] = _meter(connection, meter)
        if key.subject not in subjects:
            subjects[key.subject] = _subject(connection, key.subject)
        connection.execute(
            "INSERT INTO usage VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET quantity = added(quantity, excluded.quantity)",
            (key.seconds, key.hour, meters[meter], subjects[key.subject], as_stored(quantity)),
        )


def _meter(connection: sqlite3.Connection, meter: Meter) -> int:
    query = "SELECT id FROM meter WHERE scope = ? AND name = ? AND unit = ? AND is_metered = ?"
    row = connection.execute(query, meter).fetchone()
    if row is None:
        connection.execute("INSERT INTO meter (scope, name, unit, is_metered) VALUES (?, ?, ?, ?)", meter)
        row = connection.execute(query, meter).fetchone()
    return int(row[0])


def _subject(connection: sqlite3.Connection, name: str | None) -> int:
    row = connection.execute("SELECT id FROM subject WHERE name = ?", (name,)).fetchone()
    if row is None:
        connection.execute("INSERT INTO subject (name) VALUES (?)", (name,))
        row = connection.execute("SELECT id FROM subject WHERE name = ?", (name,)).fetchone()
    return int(row[0])


class Rows(NamedTuple):
    """Lines of usage as they were at one moment."""

    meters: dict[int, Meter]
    subjects: dict[int, str | None]
    rows: list[tuple[int, int, int, int, object]]

    def lines(self) -> Iterator[UsageLine]:
        """Yield them. Raises ``KeyError`` or ``ValueError`` for one that is damaged."""
        for seconds, start, meter, subject, quantity in self.rows:
            scope, name, unit, is_metered = self.meters[meter]
            key = UsageKey(scope, name, unit, self.subjects[subject], start, is_metered, seconds)
            yield UsageLine(key, as_read(quantity))


def read(connection: sqlite3.Connection, since: float | None, until: float | None) -> Rows:
    """Read the lines of the spans that start from ``since`` on and before ``until``, in a transaction of the caller."""
    meters = {row[0]: (*row[1:4], bool(row[4])) for row in connection.execute("SELECT * FROM meter")}
    subjects = dict(connection.execute("SELECT id, name FROM subject"))
    rows = connection.execute(
        "SELECT * FROM usage WHERE seconds IN (?, ?) AND start >= ? AND start < ?",
        (*_EACH, float("-inf") if since is None else since, float("inf") if until is None else until),
    )
    return Rows(meters, {0: None, **subjects}, rows.fetchall())


# -- compaction --------------------------------------------------------------------------------------


def old_days(connection: sqlite3.Connection, before: float) -> list[int]:
    """Return the days that have hours before a moment."""
    query = "SELECT DISTINCT start / ? * ? FROM usage WHERE seconds = ? AND start < ?"
    return [row[0] for row in connection.execute(query, (DAY, DAY, HOUR, before))]


def merge_day(connection: sqlite3.Connection, day: int, before: float) -> None:
    """Put the hours of a day that are before a moment together, in a transaction of the caller."""
    hours = (HOUR, day, min(before, day + DAY))
    connection.execute(
        "INSERT INTO usage SELECT ?, ?, meter, subject, quantity FROM usage"
        " WHERE seconds = ? AND start >= ? AND start < ?"
        " ON CONFLICT DO UPDATE SET quantity = added(quantity, excluded.quantity)",
        (DAY, day, *hours),
    )
    connection.execute("DELETE FROM usage WHERE seconds = ? AND start >= ? AND start < ?", hours)


def delete(connection: sqlite3.Connection, before: float) -> None:
    """Delete the spans that start before a moment, and the names that are not used any more."""
    if connection.execute("DELETE FROM usage WHERE seconds IN (?, ?) AND start < ?", (*_EACH, before)).rowcount:
        connection.execute("DELETE FROM subject WHERE id NOT IN (SELECT subject FROM usage)")
        connection.execute("DELETE FROM meter WHERE id NOT IN (SELECT meter FROM usage)")


def give_back(connection: sqlite3.Connection, pages: int = 256) -> bool:
    """Give some free space back to the disk, in a transaction so short that others need not wait.

    Returns False when there was none any more.
    """
    is_there = bool(connection.execute("PRAGMA freelist_count").fetchone()[0])
    if is_there:
        connection.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()  # each row that is fetched frees a page
    return is_there
