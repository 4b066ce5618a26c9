"""Rows of leases in a table of PostgreSQL, whichever driver reaches it.

One statement is one call, and one transaction: nothing is kept in the session of the server, so that it may be behind
PgBouncer in transaction mode. Of two who write at once the second waits for the lock of the row, then sees that the
version is another one.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from ..errors import ConfigurationError
from ..rows import Row, Seen, StoreFault, Written

TIMEOUT = 3.0  # seconds to connect, and for each statement
# Also notices a host that is gone, and keeps firewalls from forgetting an idle connection.
LIMITS = {"connect_timeout": int(TIMEOUT), "tcp_user_timeout": int(TIMEOUT * 1000), "keepalives_idle": 30}
CONNECTIONS = 4  # of one process
RACES = 10  # attempts to tell a writer what is kept while others write it
SWEEPS = 1 / 50  # of the writes

# Sorted by bytes: the index stays right when the operating system learns to sort words another way.
TABLE = """CREATE TABLE IF NOT EXISTS meterguard_lease (
    key text COLLATE "C" PRIMARY KEY, version text NOT NULL, body text NOT NULL, forget_at timestamptz NOT NULL)"""

# A server that was started at another moment is another one: what a standby had not heard yet is lost when it takes
# over. The number of the timeline would say so too, but on some managed servers nobody may ask for it.
READ = """
SELECT extract(epoch FROM clock_timestamp())::float8, extract(epoch FROM pg_postmaster_start_time())::text,
    pg_is_in_recovery(), kept.version, kept.body, {written}
FROM (SELECT 1) AS one LEFT JOIN meterguard_lease AS kept
    ON kept.key = %(key)s AND kept.forget_at > clock_timestamp()"""
IS_WRITTEN = "EXISTS (SELECT FROM written)"
MAKE = """
INSERT INTO meterguard_lease AS kept (key, version, body, forget_at)
VALUES (%(key)s, %(version)s, %(body)s, clock_timestamp() + %(keep)s::float8 * interval '1 second')
ON CONFLICT (key) DO UPDATE
    SET version = EXCLUDED.version, body = EXCLUDED.body, forget_at = EXCLUDED.forget_at
    WHERE kept.version = EXCLUDED.version OR kept.forget_at <= clock_timestamp()
RETURNING key"""
REPLACE = """
UPDATE meterguard_lease
SET version = %(version)s, body = %(body)s, forget_at = clock_timestamp() + %(keep)s::float8 * interval '1 second'
WHERE key = %(key)s AND version IN (%(expected)s, %(version)s) AND forget_at > clock_timestamp()
RETURNING key"""
DELETE = "DELETE FROM meterguard_lease WHERE key = %(key)s AND version = %(expected)s RETURNING key"
LIST = """
SELECT key, version, body FROM meterguard_lease
WHERE starts_with(key, %(prefix)s) AND forget_at > clock_timestamp()"""
SWEEP = """
DELETE FROM meterguard_lease WHERE key IN (
    SELECT key FROM meterguard_lease WHERE forget_at < clock_timestamp() LIMIT 20 FOR UPDATE SKIP LOCKED)
    AND forget_at < clock_timestamp()"""

NO_TABLE = "42P01"
MADE_BY_ANOTHER = {"23505", "42710", "42P07"}  # IF NOT EXISTS looks first, and two may look at once
RACE = "40"  # of transactions, on a server whose default is a stricter isolation
NO_RIGHT = {"42501", "3F000"}  # the second one: no schema in which it could be made
# Classes of errors that do not pass by themselves: in what is sent, in who is let in, in what there is.
LASTING = ("0A", "22", "23", "28", "3D", "3F", "42")

NOT_LET_IN = "28000"
REFUSAL = re.compile(
    "authentication failed|no password supplied|no pg_hba.conf entry|not permitted to log in|no such (user|database)|"
    'permission denied for database|(role|database) "[^"]*" does not exist',
    re.IGNORECASE,
)
PREFIX = re.compile('connection failed: |connection to server at "[^"]*"[^"]*?, port [0-9]+ failed: |FATAL: ')
WHO = re.compile('(user|role) "[^"]*"')

Values = Mapping[str, object]
Found = list[tuple[Any, ...]]


class Trouble(Exception):
    """A statement failed, or there is no connection. Without a state the server did not say why."""

    def __init__(self, state: str | None, text: str, *, is_slow: bool = False) -> None:
        text = " ".join(text.partition("\n\t")[0].split()).rstrip(".")
        text = WHO.sub(r"\1 ...", PREFIX.sub("", text))
        # Drivers do not pass on the state of a refusal to let somebody in; its text may be in another language.
        self.state = state or (NOT_LET_IN if REFUSAL.search(text) else "")
        self.text, self.is_slow = text, is_slow
        super().__init__(self.state, text)

    @property
    def is_final(self) -> bool:
        """True where the connection is of no more use: it broke, or the server ends or has become a replica."""
        return self.state.startswith(("08", "25", "28", "57P")) or not self.state

    @classmethod
    def slow(cls) -> Trouble:
        """Return that there was no reply in time."""
        return cls(None, f"there was no reply within {TIMEOUT:.0f} seconds", is_slow=True)


class Session(Protocol):
    """A connection of its own, on which each statement is a transaction. Failures are ``Trouble``."""

    def run(self, statement: str, values: Values) -> Found:
        """Return the rows that a statement gives."""
        ...

    def fileno(self) -> int:
        """Return the number of its socket."""
        ...

    def close(self) -> None:
        """Close it, whatever its state."""
        ...


class _Found(NamedTuple):
    is_written: bool
    seen: Seen


class TableRows(ABC):
    """A ``SharedStore`` in the table ``meterguard_lease``, made at first use by a role that may."""

    is_fleet = True
    place: str
    """The server and the database, without user and password."""

    def __init__(self) -> None:
        self._idle: list[Session] = []
        self._start_over()

    def _start_over(self) -> None:
        self._pid = os.getpid()
        self._idle = []
        self._free = threading.BoundedSemaphore(CONNECTIONS)

    @abstractmethod
    def _open(self) -> Session:
        """Return a new connection."""

    # -- the contract ------------------------------------------------------------------------------

    def read(self, key: str) -> Seen:
        """Return what is kept under a key."""
        return self._find(READ.format(written="false"), {"key": key}).seen

    def replace(self, key: str, expected: str, row: Row | None, keep: float) -> Written:
        """Keep a row if nobody was faster."""
        values: dict[str, object] = {"key": key, "expected": expected}
        if row is None:
            write = DELETE
        else:
            write = REPLACE if expected else MAKE
            values |= {"version": row.version, "body": row.body, "keep": keep}
        written = self._write(f"WITH written AS ({write})" + READ.format(written=IS_WRITTEN), values)
        if written.is_won and random.random() < SWEEPS:
            with contextlib.suppress(StoreFault, ConfigurationError):
                self._run(SWEEP, {})
        return Written(True, written.seen._replace(row=row)) if written.is_won else written

    def _write(self, statement: str, values: Values) -> Written:
        """Write, and tell a loser what is kept.

        A statement reads the table as it was when it began. Where that is what the writer expected, somebody wrote
        in between, and the statement is run again: it will lose again, and read what the other one wrote.
        """
        expected = values["expected"]
        for _ in range(RACES):
            is_written, seen = self._find(statement, values)
            version = "" if seen.row is None else seen.row.version
            if is_written or ("version" not in values and not version):
                return Written(True, seen)
            if version not in (expected, values.get("version")):
                return Written(False, seen)
        raise StoreFault(f"the lease store at {self.place} cannot be had now: others write the same row all the time")

    def rows(self, prefix: str) -> Iterable[tuple[str, Row]]:
        """Return the rows whose keys begin so."""
        return [(key, Row(version, body)) for key, version, body in self._run(LIST, {"prefix": prefix})]

    def describe(self) -> str:
        """Return where it is."""
        return f"the table meterguard_lease of PostgreSQL at {self.place}, for all hosts that reach it"

    def close(self) -> None:
        """Close the connections that nobody uses at the moment; the others end with their calls."""
        idle, self._idle = self._idle, []
        if self._pid == os.getpid():
            for session in idle:
                session.close()

    def forget(self) -> None:
        """In a forked child: let go of the parent's connections without a word to the server."""
        inherited = self._idle
        self._start_over()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for session in inherited:
            with contextlib.suppress(Trouble, OSError, ValueError):
                os.dup2(nowhere, session.fileno(), inheritable=False)  # the farewell of a driver goes there
            session.close()
        os.close(nowhere)

    # -- statements --------------------------------------------------------------------------------

    def _find(self, statement: str, values: Values) -> _Found:
        ((now, started, is_replica, version, body, is_written),) = self._run(statement, values)
        if is_replica:
            self.close()  # another server may answer to the name by now
            raise StoreFault(f"the lease store at {self.place} cannot be had now: it is a replica, which hears late")
        row = None if version is None else Row(version, body)
        return _Found(is_written, Seen(row, now, started))

    def _run(self, statement: str, values: Values) -> Found:
        """Run a statement; make the table where there is none."""
        outcome = self._attempt(statement, values)
        if isinstance(outcome, Trouble) and outcome.state == NO_TABLE:
            made = self._attempt(TABLE, {})
            if isinstance(made, Trouble) and made.state not in MADE_BY_ANOTHER:
                raise self._failure(made)
            outcome = self._attempt(statement, values)
        if isinstance(outcome, Trouble):  # raised where no exception of a driver, whose frames hold secrets, is handled
            raise self._failure(outcome)
        return outcome

    def _attempt(self, statement: str, values: Values) -> Found | Trouble:
        """Run a statement, again where a connection turns out to be closed: writing twice is no second write."""
        if self._pid != os.getpid():  # forked where no hook runs
            self.forget()
        free, outcome = self._free, Trouble(None, f"all {CONNECTIONS} connections of this process are in use")
        if not free.acquire(timeout=TIMEOUT):
            return outcome
        try:
            for _ in range(RACES):
                was_idle, found = self._ask(statement, values)
                if not isinstance(found, Trouble):
                    return found
                outcome = found
                if outcome.is_slow:
                    self.close()  # something on the way may have forgotten the idle ones too
                    break
                if not (outcome.state.startswith(RACE) or (was_idle and outcome.is_final)):
                    break
        finally:
            free.release()
        return outcome

    def _ask(self, statement: str, values: Values) -> tuple[bool, Found | Trouble]:
        """Run a statement on an idle connection or on a new one; also return which."""
        idle, was_idle, is_fit, session = self._idle, True, False, None
        with contextlib.suppress(IndexError):
            session = idle.pop()
        try:
            if session is None:
                was_idle = False
                session = self._open()
            found = session.run(statement, values)
            is_fit = True
        except Trouble as trouble:
            is_fit = not trouble.is_final
            return was_idle, trouble
        finally:
            if session is not None:
                keep = idle.append if is_fit and idle is self._idle else _close
                keep(session)
        return was_idle, found

    def _failure(self, trouble: Trouble) -> StoreFault | ConfigurationError:
        """Return the meaning of a failure."""
        state, text = trouble.state, trouble.text
        if state in NO_RIGHT:
            return ConfigurationError(
                f"The role that the lease store has at {self.place} may not make or use its table ({text}). Let "
                f"somebody who may run this, and grant the role SELECT, INSERT, UPDATE and DELETE on it:\n{TABLE};"
            )
        if state.startswith("28"):
            return ConfigurationError(
                f"PostgreSQL at {self.place} does not let the lease store in: {text}. Look at the user, the password "
                "and the name of the database."
            )
        if state.startswith(LASTING):
            return ConfigurationError(f"PostgreSQL at {self.place} cannot keep a lease store: {text}")
        return StoreFault(f"the lease store at {self.place} cannot be had now: {text}")


def _close(session: Session) -> None:
    session.close()
