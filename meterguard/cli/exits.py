"""Exit codes, the same for every command."""

from __future__ import annotations

from enum import IntEnum

from ..errors import EntitlementDenied, EntitlementUnavailable, MeterGuardError


class Exit(IntEnum):
    """The way in which a command ended."""

    OK = 0
    FAILED = 1
    USAGE = 2
    DENIED = 3
    UNAVAILABLE = 4
    INTERRUPTED = 130
    """The code that shells expect after Ctrl-C."""


def exit_of(error: MeterGuardError) -> Exit:
    """Return the exit code of a command that this error ended."""
    if isinstance(error, EntitlementDenied):
        return Exit.DENIED
    return Exit.UNAVAILABLE if isinstance(error, EntitlementUnavailable) else Exit.FAILED
