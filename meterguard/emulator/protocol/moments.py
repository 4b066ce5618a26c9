"""Moments and durations as callers give them, in seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ("LATEST", "Duration", "Moment", "moment_of", "seconds_of")

Duration = float | timedelta
"""Seconds, or a timedelta."""

Moment = float | str | datetime
"""Seconds since 1970, an ISO 8601 text, or a datetime (a naive one is UTC)."""

LATEST = 7_258_118_400
"""The start of the year 2200. A lifetime of 95 years added to it still fits into a timestamp."""


def seconds_of(duration: Duration) -> float:
    """Return a duration in seconds."""
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)


def moment_of(moment: Moment) -> float:
    """Return a moment in seconds since 1970."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    if isinstance(moment, datetime):
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return aware.timestamp()
    return float(moment)
