"""Rows of leases in one file, for all processes of a host, with the SQLite of the standard library."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator

from ..rows import Row, Seen, Written
from . import sqlite_faults, sqlite_hosts, sqlite_journal, sqlite_schema
from .purposes import LEASE_STORE
from .sqlite_file import SqliteFile
from .sqlite_place import Place

PAGE = 200  # rows of a listing that are read at once
_BEYOND = "\U0010ffff"  # comes after every character of a key
_READ = "SELECT version, body FROM row WHERE key = ? AND forget_at > ?"
_WRITE = "INSERT OR REPLACE INTO row VALUES (?, ?, ?, ?)"
_LIST = "SELECT key, version, body FROM row WHERE key >= ? AND key < ? AND forget_at > ? ORDER BY key LIMIT ?"
# So few at once that no writer is held up; each one writes one row, so that those whose time is over get fewer.
_FORGET = "DELETE FROM row WHERE key IN (SELECT key FROM row WHERE forget_at <= ? LIMIT 20)"


class SqliteRows:
    """A ``SharedStore`` in a file, which is made at first use; its directory must be there.

    * What was written outlives the end of any process. A crash of the host may undo the last writes; the epoch is
      another one then, so that readers doubt what is there.
    * ``journal`` is ``"wal"`` or ``"truncate"``; None chooses by the version of SQLite, which is the only safe choice.
      ``host`` is for tests.
    """

    is_fleet = False

    def __init__(self, path: str, *, journal: str | None = None, host: sqlite_hosts.Host | None = None) -> None:
        self.journal = journal or sqlite_journal.journal_for(sqlite3.sqlite_version_info)
        self._place = Place.at(path, LEASE_STORE)
        self._host = host or sqlite_hosts.this_host()
        # Without an epoch of each start, nobody would doubt what a crash has undone: then nothing may be undone.
        synchronous = "NORMAL" if self._host.is_of_one_start else "FULL"
        self._file = SqliteFile(self._place, sqlite_schema.LEASE_STORE, self.journal, synchronous=synchronous)

    def read(self, key: str) -> Seen:
        """Return what is kept under a key. It waits for no writer, where there is a write-ahead log."""
        with self._file.reading() as connection:
            now = time.time()
            return self._seen(self._kept(connection, key, now), now)

    def replace(self, key: str, expected: str, row: Row | None, keep: float) -> Written:
        """Keep a row if nobody was faster."""
        with self._file.writing() as connection:
            sqlite_hosts.note(connection, self._host, self._place)
            now = time.time()
            connection.execute(_FORGET, (now,))
            kept = self._kept(connection, key, now)
            version = "" if kept is None else kept.version
            if version not in (expected, "" if row is None else row.version):
                return Written(False, self._seen(kept, now))
            if row is None:
                connection.execute("DELETE FROM row WHERE key = ?", (key,))
            else:
                connection.execute(_WRITE, (key, *row, now + keep))
        return Written(True, self._seen(row, now))

    def rows(self, prefix: str) -> Iterator[tuple[str, Row]]:
        """Yield the rows whose keys begin so, read page by page: no transaction lasts while the caller is at work."""
        page = self._page(prefix, prefix)
        while page:
            yield from page
            page = self._page(page[-1][0] + "\0", prefix) if len(page) == PAGE else []

    def _page(self, first: str, prefix: str) -> list[tuple[str, Row]]:
        with self._file.reading() as connection:
            found = connection.execute(_LIST, (first, prefix + _BEYOND, time.time(), PAGE)).fetchall()
        return [(key, self._row(*texts)) for key, *texts in found]

    def _kept(self, connection: sqlite3.Connection, key: str, now: float) -> Row | None:
        found = connection.execute(_READ, (key, now)).fetchone()
        return None if found is None else self._row(*found)

    def _row(self, version: object, body: object) -> Row:
        if not isinstance(version, str) or not isinstance(body, str):
            raise sqlite_faults.damaged(self._place, "a row is no text")
        return Row(version, body)

    def _seen(self, row: Row | None, now: float) -> Seen:
        return Seen(row, now, self._host.boot)

    def describe(self) -> str:
        """Return where it is, and its journal mode; its integrity is checked."""
        return self._file.describe(lambda: self._page("", ""))

    def close(self) -> None:
        """Write everything into the one file, and close it."""
        self._file.close()

    def forget(self) -> None:
        """In a forked child: leave the parent's connection alone."""
        self._file.forget()
