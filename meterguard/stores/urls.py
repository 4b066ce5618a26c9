"""Stores and ledgers by their URLs. A kind of store is imported when one of it is opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import ConfigurationError
from ..ports import Ledger
from ..rows import SharedStore
from .purposes import LEASE_STORE, LEDGER, Purpose

MEMORY = "memory://"
SHARED_FORMS = "sqlite:///relative.db, sqlite:////absolute.db, redis://HOST:PORT/DB or rediss://HOST:PORT/DB"
TABLE_FORMS = "postgresql://USER:PASSWORD@HOST/DB, django://ALIAS or dynamodb://TABLE"
SMALLEST = 100  # bytes of the header of a file of SQLite


def ledger(url: str) -> Ledger:
    """Return the ledger at a URL: ``memory://``, ``sqlite:///FILE`` or ``redis://HOST``. Its kind is imported now.

    :raises ConfigurationError: the URL is wrong. Its text is not repeated, for it may hold a password.
    """
    if url == MEMORY:
        from .memory_ledger import MemoryLedger

        return MemoryLedger()
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        from .sqlite_ledger import SqliteLedger
        from .sqlite_place import path_of

        return SqliteLedger(path_of(url))
    if scheme in {"redis", "rediss"}:
        from .redis_ledger import RedisLedger

        return RedisLedger(url)
    raise ConfigurationError(f"no ledger has such a URL: write {SHARED_FORMS}")


def existing_ledger(url: str) -> Ledger:
    """Return the ledger at a URL, for somebody who only reads it: a file has to be there already.

    :raises ConfigurationError: the URL is wrong, there is no such file, or no other process can read the ledger.
    """
    _check_existing(url, LEDGER)
    return ledger(url)


NewSession = Callable[[str | None], object]
"""Makes a session of boto3 for a Region."""


def shared_store(store: str | SharedStore, new_session: NewSession | None = None) -> SharedStore | None:
    """Return the store of leases at a URL, as ``ledger`` does; an object as it is.

    None for ``memory://``: leases are not shared.

    :param new_session: makes the session of a store in AWS; None: the store makes its own.
    :raises ConfigurationError: the URL is wrong. Its text is not repeated, for it may hold a password.
    """
    if not isinstance(store, str):
        return store
    return None if store == MEMORY else _shared_store(store, new_session)


def _shared_store(url: str, new_session: NewSession | None = None) -> SharedStore:
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        from .sqlite_place import path_of
        from .sqlite_rows import SqliteRows

        return SqliteRows(path_of(url))
    if scheme in {"redis", "rediss"}:
        from .redis_rows import RedisRows

        return RedisRows(url)
    if scheme in {"postgresql", "postgres"}:
        from .postgres_rows import PostgresRows

        return PostgresRows(url)
    if scheme == "django":
        from .django_rows import DjangoRows

        return DjangoRows(url.partition("://")[2])
    if scheme == "dynamodb":
        from .dynamodb_rows import DynamodbRows

        return DynamodbRows(url) if new_session is None else DynamodbRows(url, new_session)
    raise ConfigurationError(f"no store of leases has such a URL: write {SHARED_FORMS}, {TABLE_FORMS}")


def file_to_make(url: str | SharedStore) -> Path | None:
    """Return the file that the first use of a store will make; None where there is nothing to make."""
    if not isinstance(url, str) or not url.startswith("sqlite:"):
        return None
    from .sqlite_place import path_of

    path = Path(path_of(url))
    return None if path.exists() else path


def existing_store(url: str) -> SharedStore:
    """Return the store of leases at a URL, for somebody who only reads it: a file has to be there already.

    :raises ConfigurationError: the URL is wrong, there is no such file, or no other process can read the store.
    """
    _check_existing(url, LEASE_STORE)
    return _shared_store(url)


def _check_existing(url: str, purpose: Purpose) -> None:
    noun = purpose.noun
    if url == MEMORY:
        forms = f"{SHARED_FORMS}, {TABLE_FORMS}" if purpose is LEASE_STORE else SHARED_FORMS
        raise ConfigurationError(
            f"a {noun} at memory:// lives in the process that {purpose.use}, and ends with it: nobody else can read "
            f"it. Give that process a {noun} that others can read: {forms}"
        )
    if url.startswith("sqlite:"):
        from .sqlite_place import path_of

        _check_file(Path(path_of(url)), purpose)


def _check_file(path: Path, purpose: Purpose) -> None:
    noun = purpose.noun
    try:
        is_empty = path.is_file() and path.stat().st_size < SMALLEST
    except OSError as problem:
        raise ConfigurationError(f"the {noun} {path} cannot be read: {problem.strerror}") from None
    if not path.exists():
        raise ConfigurationError(
            f"there is no {noun} at {path}: {purpose.unused}, or the path is another one "
            "(sqlite:///x.db is relative to the working directory, sqlite:////x.db is not)"
        )
    if is_empty:
        raise ConfigurationError(f"the file {path} is empty, or too small for a {noun}: no process has made it one")
