"""The journal mode of a file: a write-ahead log where it is safe with several processes, else a rollback journal.

With several connections, SQLite before 3.44.6, 3.50.7 and 3.51.3 can lose committed writes of a write-ahead log. A
rollback journal is safe in each version, and about three times as slow.
"""

from __future__ import annotations

import sqlite3
import time

from .sqlite_faults import PATIENCE, primary
from .sqlite_place import Place

WAL = "wal"
# Truncated, not deleted: with synchronous=FULL a truncated journal is flushed, and a deleted one is not, so that a
# power failure could bring it back, and undo a commit.
ROLLBACK = "truncate"

_MENDED = {(3, 44): 6, (3, 50): 7, (3, 51): 3}
_PAUSE = 0.05


def journal_for(version: tuple[int, ...]) -> str:
    """Return the journal mode for a version of SQLite, as in ``sqlite3.sqlite_version_info``."""
    branch, patch = (version[0], version[1]), version[2]
    is_mended = branch > max(_MENDED) or (branch in _MENDED and patch >= _MENDED[branch])
    return WAL if is_mended else ROLLBACK


def explained(mode: str) -> str:
    """Return in plain words what a journal mode is, and why it was chosen."""
    here = f"SQLite {sqlite3.sqlite_version}"
    if mode == WAL:
        return f"with a write-ahead log, which is safe in {here}"
    return f"with a rollback journal, for in {here} a write-ahead log can lose what was written (3.51.3 is mended)"


def mode_of(connection: sqlite3.Connection) -> str:
    """Return the journal mode that a file has now."""
    return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def switch(connection: sqlite3.Connection, wanted: str, place: Place) -> None:
    """Bring a file into a journal mode. Raises a fault where a mode that is not safe cannot be left."""
    if wanted == WAL and not _is_switched(connection, WAL, attempts=20):
        wanted = ROLLBACK  # others are at work; that is safe, too
    if wanted == ROLLBACK and not _is_switched(connection, ROLLBACK, attempts=int(PATIENCE / _PAUSE)):
        raise place.purpose.fault(
            f"The {place} is open in another process with a write-ahead log, which is not safe with SQLite"
            f" {sqlite3.sqlite_version} of this process: it could lose what was written. End the other process, or"
            f" let all that use this {place.purpose.noun} have the same SQLite, 3.51.3 or newer."
        )


def _is_switched(connection: sqlite3.Connection, wanted: str, attempts: int) -> bool:
    """Ask again and again: SQLite itself does not wait for those who use the file when it changes the mode."""
    if mode_of(connection) == wanted:
        return True
    patience = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute("PRAGMA busy_timeout=0")
    try:
        for attempt in range(attempts):
            if attempt:
                time.sleep(_PAUSE)
            if _attempt(connection, wanted) == wanted:
                return True
        return False
    finally:
        connection.execute(f"PRAGMA busy_timeout={patience}")


def _attempt(connection: sqlite3.Connection, wanted: str) -> str:
    try:
        return str(connection.execute(f"PRAGMA journal_mode={wanted}").fetchone()[0])
    except sqlite3.OperationalError as problem:
        if primary(problem) != "BUSY":
            raise
        return ""
