"""A ledger in one file, for all processes of a host, with the SQLite of the standard library."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping

from ..account import Account
from ..ports import Change, Notes, Posting
from ..usage import UsageLine
from . import sqlite_faults, sqlite_hosts, sqlite_journal, sqlite_notes, sqlite_schema, sqlite_usage
from .purposes import LEDGER
from .sqlite_file import SqliteFile
from .sqlite_place import Place


class SqliteLedger:
    """A ``Ledger`` in a file, which is made at first use; its directory must be there.

    ``journal`` is ``"wal"`` or ``"truncate"``; None chooses by the version of SQLite, which is the only safe choice.
    ``host`` and ``schema`` are for tests.
    """

    is_shared = True
    is_fleet = False

    def __init__(
        self,
        path: str,
        *,
        journal: str | None = None,
        host: sqlite_hosts.Host | None = None,
        schema: sqlite_schema.Schema = sqlite_schema.LEDGER,
    ) -> None:
        place = self._place = Place.at(path, LEDGER)
        self.journal = journal or sqlite_journal.journal_for(sqlite3.sqlite_version_info)
        self._host = host or sqlite_hosts.this_host()
        self._file = SqliteFile(place, schema, self.journal, sqlite_usage.install)

    def transact(self, key: str, change: Change) -> Posting:
        """Change one account."""
        with self._file.writing() as connection:
            sqlite_hosts.note(connection, self._host, self._place)
            row = connection.execute("SELECT body FROM account WHERE key = ?", (key,)).fetchone()
            posting = change(None if row is None else self._account(row[0]), time.time())
            account = posting.account
            connection.execute(
                "INSERT INTO account VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
                (key, account.name, account.unit, account.encoded()),
            )
            sqlite_usage.add(connection, posting.usage)
        return posting

    def _account(self, text: object) -> Account:
        try:
            return Account.decoded(str(text))
        except ValueError as problem:
            raise sqlite_faults.damaged(self._place, str(problem)) from None

    def post(self, lines: Iterable[UsageLine], token: str | None = None) -> None:  # noqa: ARG002 - no fault leaves it open
        """Add to the usage."""
        lines = list(lines)  # whatever they come from may take its time, or fail
        with self._file.writing() as connection:
            sqlite_hosts.note(connection, self._host, self._place)
            sqlite_usage.add(connection, lines)

    def accounts(self) -> list[Account]:
        """Return all accounts."""
        with self._file.reading() as connection:
            return [self._account(row[0]) for row in connection.execute("SELECT body FROM account ORDER BY key")]

    def usage(self, since: float | None = None, until: float | None = None) -> Iterable[UsageLine]:
        """Return the usage of some hours, as it is now."""
        with self._file.reading() as connection:
            found = sqlite_usage.read(connection, since, until)
        return self._lines(found)

    def _lines(self, found: sqlite_usage.Rows) -> Iterator[UsageLine]:
        try:
            yield from found.lines()
        except (KeyError, ValueError, ArithmeticError) as problem:
            raise sqlite_faults.damaged(self._place, f"usage: {type(problem).__name__}") from None

    def notes(self, book: str) -> Notes:
        """Return what is noted in a book."""
        with self._file.reading() as connection:
            return sqlite_notes.read(connection, book)

    def note(self, book: str, expected: str, changes: Mapping[str, str | None]) -> str | None:
        """Write rows of a book."""
        with self._file.writing() as connection:
            sqlite_hosts.note(connection, self._host, self._place)
            return sqlite_notes.write(connection, book, expected, changes)

    def compact(self, hours_before: float, days_before: float) -> None:
        """Put old hours together to days, delete what is older still, and give the space back.

        Each day is a transaction of its own, so that others need not wait for all of them.
        """
        with self._file.writing() as connection:
            sqlite_hosts.note(connection, self._host, self._place)
            sqlite_usage.delete(connection, days_before)
            days = sqlite_usage.old_days(connection, hours_before)
        for day in days:
            with self._file.writing() as connection:
                sqlite_usage.merge_day(connection, day, hours_before)
        while self._gave_back():
            pass

    def _gave_back(self) -> bool:
        with self._file.alone() as connection:
            return sqlite_usage.give_back(connection)

    def describe(self) -> str:
        """Return where it is, and its journal mode; its integrity is checked."""
        return self._file.describe(self.accounts)

    def close(self) -> None:
        """Write everything into the one file, and close it."""
        self._file.close()

    def forget(self) -> None:
        """In a forked child: leave the parent's connection alone."""
        self._file.forget()
