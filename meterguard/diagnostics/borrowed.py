"""Borrowed licences: what they cover and until when, or why they are not believed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from ..borrowed_file import BorrowedFault
from ..borrowing import file_of
from ..config import Settings
from ..errors import ConfigurationError
from .findings import Finding

ANEW = "borrow anew with meterguard borrow"


def borrowed(settings: Settings) -> Iterator[Finding]:
    """Check the file of a guard with ``borrowed=``. Notes nothing in it."""
    if not settings.borrowed:
        return
    try:
        yield _judged(settings)
    except BorrowedFault as problem:
        yield _failed(str(problem), f"mend the file, or take it away and {ANEW}")
    except ConfigurationError as problem:
        yield _failed(str(problem))


def _judged(settings: Settings) -> Finding:
    from .. import assembly

    file = file_of(settings, None)
    found, now = assembly.borrowed_licences(settings)
    for one in found:
        if isinstance(one, str):
            refused = f"gates are refused, for a borrowed licence in {file} {one}"
            return _failed(refused, f"set the clock of this machine right, or take the file away and {ANEW}")
    covering = [(one.entitlements, one.end) for one in found if not isinstance(one, str)]
    live = [f"{' and '.join(map(str, what))} until {_day(end)}" for what, end in covering if end > now.wall]
    if live:
        return Finding("borrowed", "ok", f"{file} covers {', and '.join(live)}")
    if covering:
        return _failed(f"what was borrowed in {file} ended on {_day(max(end for _, end in covering))}", ANEW)
    nothing = f"nothing is borrowed in {file}, so that License Manager is asked about everything"
    return Finding("borrowed", "ok", nothing, "borrow with meterguard borrow where this machine goes offline")


def _failed(detail: str, fix: str | None = None) -> Finding:
    return Finding("borrowed", "failed", detail, fix)


def _day(wall: float) -> str:
    return f"{datetime.fromtimestamp(wall, UTC):%Y-%m-%d %H:%M} UTC"
