"""Rows of leases in PostgreSQL, through psycopg. This is the only file that knows it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Mapping
from typing import Any, TypeVar

from ..errors import ConfigurationError
from ..extras import needed
from ..secret import Secret
from .postgres_table import LIMITS, TIMEOUT, Found, TableRows, Trouble, Values

with needed("psycopg", "postgres", by="A lease store in PostgreSQL"):
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

T = TypeVar("T")
MALFORMED = "22000"


class PostgresRows(TableRows):
    """A ``SharedStore`` at a URL: ``postgresql://user:password@host:port/database``, with any parameter of libpq."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = Secret(url)
        parts = _parts(self._url)
        if parts is None:
            raise ConfigurationError(
                "The lease store's URL must be postgresql://[user[:password]@]host[:port]/database, then perhaps "
                "?parameters of libpq. Special characters in a password are written %XX."
            )
        self.place = f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"

    def _open(self) -> PsycopgSession:
        return PsycopgSession(LIMITS | (_parts(self._url) or {}))


class PsycopgSession:
    """A ``Session`` on a connection of psycopg."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        fixed = {"autocommit": True, "prepare_threshold": None, "client_encoding": "UTF8"}
        with _troubles():
            self._connection: psycopg.Connection[tuple[Any, ...]] = _Limited.connect(**(dict(parameters) | fixed))

    def run(self, statement: str, values: Values) -> Found:
        """Return the rows that a statement gives."""
        with _troubles(), self._connection.cursor() as cursor:
            cursor.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def fileno(self) -> int:
        """Return the number of its socket."""
        return self._connection.fileno()

    def close(self) -> None:
        """Close it, whatever its state."""
        self._connection.close()


class _Limited(psycopg.Connection[tuple[Any, ...]]):
    """A connection that waits for a reply no longer than the limit.

    A limit at the server would be state of the session, and holds neither where the server is frozen nor where
    PgBouncer waits for one.
    """

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **options: Any) -> T:
        return super().wait(_limited(gen), *args, **options)


def _limited(replies: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
    """Pass on what psycopg waits for and gets, until time is over. It looks in ten times a second."""
    deadline = time.monotonic() + TIMEOUT
    try:
        wanted = next(replies)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() >= deadline:
                raise Trouble.slow()
            wanted = replies.send(ready)
    except StopIteration as end:
        result: T = end.value
        return result


@contextlib.contextmanager
def _troubles() -> Generator[None]:
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as problem:
        trouble = Trouble(problem.sqlstate, problem.diag.message_primary or str(problem))
    except psycopg.Error as problem:
        trouble = Trouble(problem.sqlstate or MALFORMED, problem.diag.message_primary or str(problem))
    else:
        return
    raise trouble


def _parts(url: str) -> dict[str, Any] | None:
    """Return the parameters of a URL; None for a wrong one: an error from here would carry the password."""
    if url.startswith(("postgresql://", "postgres://")):
        with contextlib.suppress(psycopg.Error):
            return conninfo_to_dict(url)
    return None
