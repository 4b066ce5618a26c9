"""One connection of a process to a file of SQLite: opened at first use, one transaction at a time, not for children."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from ..errors import ConfigurationError
from . import sqlite_faults, sqlite_journal, sqlite_schema
from .purposes import FAULTS
from .sqlite_place import Place, check_place, identity, make_private

FORK_PATIENCE = 15.0  # seconds that a fork waits for a transaction
_LOOK = 20  # milliseconds

_files: weakref.WeakValueDictionary[int, SqliteFile] = weakref.WeakValueDictionary()
_held: list[Any] = []
# Connections of parents. In a child even closing one is wrong: it could undo what the parent is writing.
_abandoned: list[sqlite3.Connection] = []

_SETTINGS = (
    "PRAGMA fullfsync=1",  # macOS flushes a disk's cache only so
    "PRAGMA checkpoint_fullfsync=1",
    "PRAGMA cell_size_check=1",
    "PRAGMA trusted_schema=0",
    "PRAGMA mmap_size=0",  # a failing disk would end the process by a signal
    "PRAGMA journal_size_limit=4194304",
)


class SqliteFile:
    """A file of SQLite, as one process uses it.

    ``journal`` is a mode of ``sqlite_journal``. ``synchronous`` is SQLite's: with ``FULL`` what was committed outlives
    a power cut, with ``NORMAL`` only the end of a process. ``install`` is called for each connection, to give it
    functions. Errors of SQLite come out as ``ConfigurationError`` and the fault of the place's purpose; after one the
    next transaction opens and checks the file anew.
    """

    def __init__(
        self,
        place: Place,
        schema: sqlite_schema.Schema,
        journal: str,
        install: Callable[[sqlite3.Connection], None] = lambda _: None,
        *,
        synchronous: str = "FULL",
    ) -> None:
        self.place = place
        self._schema = schema
        self._journal = journal
        self._install = install
        self._synchronous = synchronous
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None  # of the file that was open last, and not closed
        self._is_stranded = False
        self._begin_anew()
        _files[id(self)] = self

    def _begin_anew(self) -> None:
        self._lock = threading.RLock()
        self._is_used = False
        self._process = os.getpid()

    # -- transactions --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection for one transaction that writes: all of it is written, or nothing."""
        with self._current() as connection, self._transaction(connection, "BEGIN IMMEDIATE"):
            if self._journal != sqlite_journal.WAL and sqlite_journal.mode_of(connection) == sqlite_journal.WAL:
                raise self.place.purpose.fault(
                    f"The {self.place} was given a write-ahead log by a process with another SQLite, which is"
                    " not safe with this one. Nothing was written; the next attempt takes it away, if it can."
                )
            yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection for reading what was true at one moment."""
        with self._current() as connection, self._transaction(connection, "BEGIN"):
            yield connection

    @contextlib.contextmanager
    def alone(self) -> Iterator[sqlite3.Connection]:
        """Give a connection for statements that are transactions of their own."""
        with self._current() as connection:
            yield connection

    @contextlib.contextmanager
    def _transaction(self, connection: sqlite3.Connection, begin: str) -> Iterator[None]:
        self._begin(connection, begin)
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            # A COMMIT that fails leaves the transaction open; without this a later one would write it after all.
            self._roll_back(connection)
            raise

    def _begin(self, connection: sqlite3.Connection, begin: str) -> None:
        """Begin a transaction, and look often whether it is our turn.

        SQLite itself waits longer from one look to the next, so that of many busy writers one may never get its turn.
        """
        connection.execute(f"PRAGMA busy_timeout={_LOOK}")
        try:
            for _ in range(int(sqlite_faults.PATIENCE * 1000 / _LOOK) - 1):
                if _is_begun(connection, begin):
                    return
            connection.execute(begin)
        finally:
            connection.execute(f"PRAGMA busy_timeout={int(sqlite_faults.PATIENCE * 1000)}")

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._drop()  # the next one to open the file undoes it

    @contextlib.contextmanager
    def _current(self) -> Iterator[sqlite3.Connection]:
        with self._turn():
            try:
                yield self._opened()
            except sqlite3.Error as problem:
                self._drop()
                raise sqlite_faults.reported(problem, self.place) from problem
            except (ConfigurationError, *FAULTS):
                self._drop()
                raise

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        if self._process != os.getpid():  # forked by a program in C, which calls no hooks
            self.forget()
        with self._lock:
            if self._is_used:  # by this very thread: the garbage collector ended something that writes
                raise self.place.purpose.fault(f"The {self.place} is in the middle of a transaction of this thread.")
            self._is_used = True
            try:
                yield
            finally:
                self._is_used = False

    def describe(self, look: Callable[[], object]) -> str:
        """Return where the file is, and its journal mode. Where it is there, its integrity is checked.

        ``look`` reads what is in it.
        """
        check_place(self.place)
        is_there = os.path.exists(self.place.path)  # noqa: PTH110 - of a text, as it is everywhere else
        if is_there:
            look()
        state = "whose integrity was checked" if is_there else "which is made at the first use"
        return f"the file {self.place.path}, {state}; {sqlite_journal.explained(self._journal)}"

    # -- the connection ------------------------------------------------------------------------------

    def _opened(self) -> sqlite3.Connection:
        if self._is_stranded:
            raise ConfigurationError(
                f"The {self.place} was open when this process was forked by a program that runs no hooks of"
                " Python before a fork, and cannot be used safely here. Use it in the children only, or have each"
                " load the application itself (with uWSGI: lazy-apps)."
            )
        found = identity(self.place.path)
        if self._identity is not None and found is None:
            raise ConfigurationError(
                f"The {self.place} was taken away while it was in use. Put it back; or restart the processes"
                " that use it, to begin with an empty one."
            )
        if self._connection is not None and (found != self._identity or self._connection.in_transaction):
            self._drop()  # another file was put there, a copy for instance
        if self._connection is None:
            self._connection = self._open()
            self._identity = identity(self.place.path)
        return self._connection

    def _open(self) -> sqlite3.Connection:
        check_place(self.place)
        make_private(self.place)
        connection = sqlite3.connect(
            f"file:{quote(self.place.path)}?mode=rw",  # never makes a file
            uri=True,
            timeout=sqlite_faults.PATIENCE,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            for setting in (f"PRAGMA synchronous={self._synchronous}", *_SETTINGS):
                connection.execute(setting)
            self._install(connection)
            sqlite_schema.prepare(connection, self._schema, self.place)
            sqlite_journal.switch(connection, self._journal, self.place)
        except BaseException:
            connection.close()
            raise
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def close(self) -> None:
        """Write the log into the file, if it has one, and close it. The next transaction opens it again."""
        with contextlib.suppress(*FAULTS), self._turn():
            if self._connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self._drop()
            self._identity = None

    # -- forks ---------------------------------------------------------------------------------------

    def forget(self) -> None:
        """In a child: leave the parent's connection alone, and take no lock."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _abandon(connection)
            # SQLite keeps a list of the locks of this process, and still has the parent's in it. An idle
            # connection has none with a rollback journal; else SQLite would believe that a lock is held which is not.
            self._is_stranded = connection.in_transaction or self._journal == sqlite_journal.WAL
        self._begin_anew()

    def hold_for_fork(self) -> Any | None:
        """Close the connection, so that a child has none, and return the lock that keeps it so; None: it is taken."""
        lock = self._lock
        if not lock.acquire(timeout=FORK_PATIENCE):
            return None
        if not self._is_used:
            self._drop()
        return lock


def _abandon(connection: sqlite3.Connection) -> None:
    """Keep a connection from being closed, also by an interpreter that ends."""
    _abandoned.append(connection)
    with contextlib.suppress(ImportError, AttributeError):
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _is_begun(connection: sqlite3.Connection, begin: str) -> bool:
    try:
        connection.execute(begin)
    except sqlite3.OperationalError as problem:
        if sqlite_faults.primary(problem) != "BUSY":
            raise
        return False
    return True


def _all_files() -> list[SqliteFile]:
    # Other threads may make files meanwhile; this list is copied in one step.
    return [one for reference in _files.valuerefs() if (one := reference()) is not None]


def _before_fork() -> None:
    _held[:] = [lock for one in _all_files() if (lock := one.hold_for_fork()) is not None]


def _after_fork() -> None:
    held = _held.copy()
    _held.clear()
    for lock in held:
        lock.release()


def _in_child() -> None:
    _held.clear()
    for one in _all_files():
        one.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
