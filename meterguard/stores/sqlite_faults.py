"""Exceptions for the errors of SQLite, which say why, what to do, and whether another attempt may fare better."""

from __future__ import annotations

import sqlite3

from ..errors import ConfigurationError
from .purposes import Fault
from .sqlite_place import Place

PATIENCE = 10  # seconds that a writer waits for the others

# The primary codes of SQLite that pass by themselves, or once somebody has seen to their cause.
_PASSING = {
    "BUSY": (
        f"another process kept it locked for {PATIENCE} seconds",
        "Look for a process that was stopped while it wrote, or for a slow disk.",
    ),
    "LOCKED": ("another connection keeps it locked", "Try again."),
    "FULL": ("the disk is full", "Free some space; then it can be used again."),
    "READONLY": (
        "it is read-only for this process",
        "Let the process write the file and its directory, on a file system that is not mounted read-only.",
    ),
    "IOERR": (
        "the disk refuses to read or write",
        "Look for a full or failing disk, a quota, a limit of the size of files; then it can be used again.",
    ),
    "CANTOPEN": (
        "it or the files beside it cannot be opened",
        "Let the process read and write the file and its directory, and look for a limit of open files.",
    ),
    "PERM": ("this process may not use it", "Look at the rights of the file and its directory."),
    "NOMEM": ("there is too little memory", "Free some memory; then it can be used again."),
    "INTERRUPT": ("it was interrupted", "Try again."),
    "PROTOCOL": ("another process kept its lock", "Try again."),
    "TOOBIG": ("a value is too large for SQLite", "Use shorter names and subjects."),
}
# A table that is missing, a number that is none: the file is not what meterguard wrote.
_DAMAGED = {"CORRUPT", "NOTADB", "ERROR", "CONSTRAINT", "MISMATCH", "FORMAT", "SCHEMA"}


def reported(problem: sqlite3.Error, place: Place) -> ConfigurationError | Fault:
    """Return the exception that tells people what an error of SQLite means."""
    name = primary(problem)
    if name in _DAMAGED:
        return damaged(place, str(problem))
    why, what_to_do = _PASSING.get(name, (str(problem), "Try again."))
    return place.purpose.fault(f"The {place} could not be used, and nothing was written: {why}. {what_to_do}")


def primary(problem: sqlite3.Error) -> str:
    """Return the name of an error's primary code, as ``BUSY``; an empty text where it has none."""
    return getattr(problem, "sqlite_errorname", "").removeprefix("SQLITE_").partition("_")[0]


def damaged(place: Place, detail: str) -> ConfigurationError:
    """Return the exception for a file that cannot be believed."""
    purpose = place.purpose
    return ConfigurationError(
        f"The {place} is damaged, or is none ({detail[:200]}). Nothing was changed in it. Stop the processes that use"
        f" it, then {purpose.remedy}, with the files of the same name that end in -wal and -journal, and an empty"
        f" {purpose.noun} will be made. {purpose.price}"
    )
