"""The state file of an emulator: an SQLite database that one process holds.

A commit gives its data to the operating system before it returns, so a killed process loses nothing.
The data are not flushed to the disk each time: a power cut may cost the last moments, and leaves a sound file.

This module is imported when a file is given, for the import of SQLite is slow.
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ..protocol.errors import StateError
from .consistency import contradictions
from .documents import TABLES, read, write
from .mappings import Noted

__all__ = ("StateFile",)

_APPLICATION: Final = 0x6D677374
_LAYOUT: Final = 3
_SET: Final = (
    "INSERT INTO {} (key, document) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET document = excluded.document"
)
_files: weakref.WeakSet[StateFile] = weakref.WeakSet()


class StateFile:
    """Tables that outlive the process. Not safe for threads: whoever calls holds a lock."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._name = os.fspath(path)
        self._path = Path(path).absolute()
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = connection = self._open()
            self._recognize(connection)
            self._tables = {name: Noted(self._rows(connection, name)) for name in TABLES}
            self._require_agreement()
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise self._explained("opened", error) from error
        except BaseException:
            self.close()
            raise
        _files.add(self)

    @property
    def is_open(self) -> bool:
        """Return whether the file is open in this process, so that changes are kept."""
        return self._connection is not None

    def table(self, name: str) -> Noted[Any, Any]:
        """Return the table of that name."""
        return self._tables[name]

    def save(self) -> None:
        """Commit all changes, or none with a StateError; then the next call tries again."""
        changed = {name: table for name, table in self._tables.items() if table.has_changed}
        connection = self._connection
        if connection is None or not changed:
            return
        try:
            _write(connection, changed)
        except (sqlite3.Error, OSError) as error:
            raise self._explained("written", error) from error
        for table in changed.values():
            table.forget()

    def close(self) -> None:
        """Close the file without saving. The tables stay in memory."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def forget(self) -> None:
        """Leave the file to the parent, in a forked child."""
        if self._connection is not None:
            # To close it here, even at the interpreter's end, would take the parent's log from under it.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._connection))
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        # It will hold tokens, so there is no moment at which others could open it.
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        return sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)

    def _recognize(self, connection: sqlite3.Connection) -> None:
        """Begin the first transaction, and refuse a file that is neither an emulator's nor empty."""
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        # A commit writes whole pages, and a request changes a few rows here and there: half of SQLite's default.
        connection.execute("PRAGMA page_size = 2048")
        connection.execute("BEGIN EXCLUSIVE")
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (layout,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if (application, layout, tables) != (0, 0, 0) and application != _APPLICATION:
            raise StateError(f"{self._name} is a database of another program; choose another file")
        if layout > _LAYOUT:
            raise StateError(
                f"{self._name} was written by another version of meterguard (layout {layout}, and this version reads "
                f"layouts up to {_LAYOUT}); use that version, or choose another file"
            )
        _lay_out(connection)
        self._path.chmod(0o600)

    def _rows(self, connection: sqlite3.Connection, name: str) -> Iterator[tuple[Any, Any]]:
        # All at once: a statement that is not read to its end would keep the file locked after an error.
        rows = connection.execute(f"SELECT number, key, document FROM {name} ORDER BY number").fetchall()  # noqa: S608
        for number, key, document in rows:
            try:
                yield read(name, key, document)
            except (ValueError, TypeError, LookupError, RecursionError) as error:
                raise self._damaged(f"row {number} of {name} cannot be read") from error

    def _require_agreement(self) -> None:
        for name in contradictions(self._tables):
            raise self._damaged(f"a row of {name} does not agree with the others")

    def _damaged(self, why: str) -> StateError:
        return StateError(f"{self._name} is damaged: {why}. Restore it from a backup, or choose another file")

    def _explained(self, what: str, error: sqlite3.Error | OSError) -> StateError:
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None and code & 0xFF == sqlite3.SQLITE_BUSY:
            return StateError(f"{self._name} is in use by another process; only one process at a time can use it")
        if code == sqlite3.SQLITE_NOTADB:
            return StateError(f"{self._name} is not a state file; choose another file")
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return StateError(f"{self._name} cannot be {what}: {reason}. Check the file and its directory")


def _lay_out(connection: sqlite3.Connection) -> None:
    """Make what is missing: everything in a new file, and the later tables in one of an earlier layout."""
    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    connection.execute(f"PRAGMA user_version = {_LAYOUT}")
    for name in TABLES:
        columns = "number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, document TEXT NOT NULL"
        connection.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")


def _write(connection: sqlite3.Connection, changed: Mapping[str, Noted[Any, Any]]) -> None:
    is_first = connection.in_transaction
    try:
        if not is_first:
            connection.execute("BEGIN")
        for name, table in changed.items():
            connection.executemany(f"DELETE FROM {name} WHERE key = ?", [(write(key),) for key in table.gone])  # noqa: S608 - ours
            connection.executemany(_SET.format(name), [(write(key), write(table[key])) for key in table.set])
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.rollback()
        raise
    if is_first:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")


def _forget_in_child() -> None:
    for file in list(_files):
        file.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
