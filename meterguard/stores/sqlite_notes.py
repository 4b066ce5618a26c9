"""The notes in a file of SQLite: books of rows, each with a version."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from ..ports import Notes

_VERSION = ""  # the key of the row with the version


def read(connection: sqlite3.Connection, book: str) -> Notes:
    """Read a book, in a transaction of the caller."""
    rows = dict(connection.execute("SELECT key, body FROM note WHERE book = ?", (book,)))
    return Notes(rows.pop(_VERSION, ""), rows)


def write(connection: sqlite3.Connection, book: str, expected: str, changes: Mapping[str, str | None]) -> str | None:
    """Write rows of a book that has the version that is expected, in a transaction of the caller."""
    row = connection.execute("SELECT body FROM note WHERE book = ? AND key = ?", (book, _VERSION)).fetchone()
    version = "" if row is None else str(row[0])
    if version != expected:
        return None
    connection.executemany(
        "DELETE FROM note WHERE book = ? AND key = ?", [(book, key) for key, text in changes.items() if text is None]
    )
    written = str(int(version or "0") + 1)
    kept = {_VERSION: written, **{key: text for key, text in changes.items() if text is not None}}
    connection.executemany(
        "INSERT INTO note VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
        [(book, key, text) for key, text in kept.items()],
    )
    return written
