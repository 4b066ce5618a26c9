"""Rows of leases in the database of a Django application. Of this room's files only this one knows Django."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from ..errors import ConfigurationError
from ..extras import needed
from .postgres_table import LIMITS, TIMEOUT, Found, Session, TableRows, Trouble, Values

with needed("django", "django", by="A lease store in the database of Django"):
    from django.core.exceptions import ImproperlyConfigured
    from django.db import connections
    from django.utils.connection import ConnectionDoesNotExist

PSYCOPG_3 = "psycopg"


class DjangoRows(TableRows):
    """A ``SharedStore`` in a database of Django's setting ``DATABASES``, which has to be PostgreSQL.

    Its connections have the parameters of the application's, and are others: what it writes is not rolled back with a
    transaction of the application, and a transaction of the application does not fail with it.
    """

    def __init__(self, alias: str) -> None:
        super().__init__()
        self._alias = alias
        self.place = f"DATABASES[{alias!r}] of Django"  # settings are not read before the first use

    def _open(self) -> Session:
        driver, parameters = self._settings()
        if driver.__name__ == PSYCOPG_3:
            from .postgres_rows import PsycopgSession

            return PsycopgSession(parameters)
        return Psycopg2Session(driver, parameters)

    def _settings(self) -> tuple[ModuleType, Mapping[str, Any]]:
        """Return the driver, and the parameters of a connection. Nothing is connected for it."""
        try:
            wrapper = connections[self._alias]
            if wrapper.vendor == "postgresql":
                parameters = wrapper.get_connection_params()
                parameters.pop("cursor_factory", None)
                return wrapper.Database, LIMITS | parameters
            problem = f"its engine is {wrapper.vendor}. It needs PostgreSQL, or a URL of a store of another kind"
        except ConnectionDoesNotExist:
            problem = "DATABASES has no such alias"
        except (ImproperlyConfigured, ImportError) as wrong:
            problem = str(wrong).rstrip(".")
        raise ConfigurationError(f"The lease store cannot be in {self.place}: {problem}.")


class Psycopg2Session:
    """A ``Session`` on a connection of psycopg2, which has limits of time only where it does not block."""

    def __init__(self, driver: ModuleType, parameters: Mapping[str, Any]) -> None:
        self._errors = driver.Error
        self._connection: Any = None
        self._waited_for(lambda: setattr(self, "_connection", driver.connect(async_=1, **parameters)))

    def run(self, statement: str, values: Values) -> Found:
        """Return the rows that a statement gives."""
        with self._connection.cursor() as cursor:
            self._waited_for(lambda: cursor.execute(statement, values))
            return cursor.fetchall() if cursor.description else []

    def _waited_for(self, begin: Callable[[], object]) -> None:
        try:
            begin()
            trouble = Trouble.slow() if self._wait(time.monotonic() + TIMEOUT) else None
        except self._errors as problem:
            trouble = Trouble(problem.pgcode, problem.diag.message_primary or str(problem))
        if trouble is not None:
            raise trouble

    def _wait(self, deadline: float) -> bool:
        """Return True where that took too long."""
        while wanted := self._connection.poll():  # 1 to read, 2 to write, as for selectors
            with selectors.DefaultSelector() as selector:
                selector.register(self._connection.fileno(), wanted)
                if not selector.select(deadline - time.monotonic()):
                    return True
        return False

    def fileno(self) -> int:
        """Return the number of its socket."""
        number: int = self._connection.fileno()
        return number

    def close(self) -> None:
        """Close it, whatever its state."""
        self._connection.close()
