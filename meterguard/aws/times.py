"""Times of the service, which writes them in several ways."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_LONGEST = 64
_EPOCH = re.compile(r"\d{9,11}(\.\d{1,9})?", re.ASCII)
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def parse_time(value: object) -> datetime | None:
    """Return an aware UTC datetime; None when the value cannot be read.

    ISO 8601 with or without zone, fraction and stray blanks, or seconds since the epoch. A missing zone
    means UTC.
    """
    try:
        if isinstance(value, datetime):
            return _utc(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str) and len(value) <= _LONGEST:
            return _from_text(value.strip().upper())
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _from_text(text: str) -> datetime:
    if _EPOCH.fullmatch(text):
        return datetime.fromtimestamp(float(text), UTC)
    if "T" in text:
        text = "".join(text.split())
    return _utc(datetime.fromisoformat(text))


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def parse_http_date(value: object) -> datetime | None:
    """Return the time of a ``Date`` or ``Retry-After`` header."""
    found = _HTTP_DATE.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(found[group]) for group in (1, 3, 4, 5, 6))
    try:
        return datetime(year, _MONTHS.index(found[2]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
