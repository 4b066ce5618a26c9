"""The layout of a file of SQLite: whose it is, its version, and the way from one version to the next."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from ..errors import ConfigurationError
from . import sqlite_faults
from .sqlite_place import Place


class Schema(NamedTuple):
    """A layout, and how it came about."""

    application: int
    """Says in the file's header whose file it is."""
    steps: tuple[tuple[str, ...], ...]
    """The statements that lead from each version to the next. A step that was published never changes."""

    @property
    def version(self) -> int:
        """The version to which the steps lead."""
        return len(self.steps)


# body: what Account.encoded() says; the other columns are for people.
_ACCOUNT = """
CREATE TABLE account (
    key TEXT PRIMARY KEY, name TEXT NOT NULL, unit TEXT NOT NULL, body TEXT NOT NULL
)"""
# Each name once, for there are many lines of usage.
_METER = """
CREATE TABLE meter (
    id INTEGER PRIMARY KEY, scope TEXT NOT NULL, name TEXT NOT NULL, unit TEXT NOT NULL, is_metered INTEGER NOT NULL,
    UNIQUE (scope, name, unit, is_metered)
)"""
_SUBJECT = "CREATE TABLE subject (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)"
# start: seconds since the epoch; subject: 0 for none. quantity has no type: a whole number is an integer where that
# can hold it, anything else is a decimal number as text, and always exact.
_USAGE = """
CREATE TABLE usage (
    seconds INTEGER NOT NULL, start INTEGER NOT NULL, meter INTEGER NOT NULL, subject INTEGER NOT NULL,
    quantity NOT NULL,
    PRIMARY KEY (seconds, start, meter, subject)
) WITHOUT ROWID"""
_READABLE_USAGE = """
CREATE VIEW readable_usage AS
SELECT datetime(usage.start, 'unixepoch') AS start, usage.seconds, meter.name, meter.unit, subject.name AS subject,
    usage.quantity, meter.is_metered
FROM usage JOIN meter ON meter.id = usage.meter LEFT JOIN subject ON subject.id = usage.subject"""
_HOST = "CREATE TABLE host (boot TEXT PRIMARY KEY, name TEXT NOT NULL, seen REAL NOT NULL)"

# The row of a book whose key is empty has its version.
_NOTE = """
CREATE TABLE note (
    book TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (book, key)
) WITHOUT ROWID"""

LEDGER = Schema(0x4D476C31, ((_ACCOUNT, _METER, _SUBJECT, _USAGE, _READABLE_USAGE, _HOST), (_NOTE,)))

# forget_at: seconds since the epoch, by the clock of the host. Rows are too long to stand in the tree of the keys.
_ROW = """
CREATE TABLE row (key TEXT PRIMARY KEY, version TEXT NOT NULL, body TEXT NOT NULL, forget_at REAL NOT NULL)"""
_ROW_FORGET_AT = "CREATE INDEX row_forget_at ON row (forget_at)"

LEASE_STORE = Schema(0x4D477231, ((_ROW, _ROW_FORGET_AT, _HOST),))


def prepare(connection: sqlite3.Connection, schema: Schema, place: Place) -> None:
    """Check a file, and bring it to the version of the schema, in one transaction."""
    if _version(connection, schema, place) > 0:
        _check(connection, place)
    if _version(connection, schema, place) == schema.version:
        return
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # here, for it writes also into a file that has it already
    connection.execute("BEGIN IMMEDIATE")  # several processes may be here
    try:
        for step in schema.steps[_version(connection, schema, place) :]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id={schema.application}")
        connection.execute(f"PRAGMA user_version={schema.version}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection, schema: Schema, place: Place) -> int:
    # In this order: another process may make the file meanwhile, and what is seen of that is then known as ours.
    tables = _number(connection, "SELECT count(*) FROM sqlite_master")
    version = _number(connection, "PRAGMA user_version")
    application = _number(connection, "PRAGMA application_id")
    if application != schema.application and (application or version or tables):
        raise ConfigurationError(
            f"The {place} is a database of something else, and was left as it is: name another file."
        )
    if version > schema.version:
        raise ConfigurationError(
            f"The {place} was written by a newer meterguard (version {version} of its layout; this one knows"
            f" {schema.version}), and was left as it is: upgrade meterguard here too."
        )
    return version


def _number(connection: sqlite3.Connection, statement: str) -> int:
    return int(connection.execute(statement).fetchone()[0])


def _check(connection: sqlite3.Connection, place: Place) -> None:
    found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    if found != "ok":
        raise sqlite_faults.damaged(place, " ".join(found.split()))
