"""Renewal periods of a licence: weeks or calendar months, counted from its beginning."""

from __future__ import annotations

import calendar
import time

__all__ = ("period_of",)

_WEEK = 7 * 24 * 3600


def period_of(renew_type: str | None, begin: float, now: float) -> int:
    """Return the number of the period that a moment is in. A licence that does not renew has only period 0."""
    if now < begin:
        return 0
    if renew_type == "Weekly":
        return int((now - begin) // _WEEK)
    return _months(begin, now) if renew_type == "Monthly" else 0


def _months(begin: float, now: float) -> int:
    start, here = time.gmtime(begin), time.gmtime(now)
    # A licence that begins on the 31st renews on the last day of a shorter month.
    day = min(start.tm_mday, calendar.monthrange(here.tm_year, here.tm_mon)[1])
    is_early = (here.tm_mday, *here[3:6]) < (day, *start[3:6])
    return (here.tm_year - start.tm_year) * 12 + here.tm_mon - start.tm_mon - is_early
