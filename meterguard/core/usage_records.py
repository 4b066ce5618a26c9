"""Usage records: lines of usage, added up by entitlement, subject and span of time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Literal, NamedTuple

from ..usage import UsageKey, UsageLine, UsageRecord, day_of

Bucket = Literal["hour", "day", "month"]

_DIGITS = 1_000  # a sum is exact, whatever precision the application has set for its own decimals


class _Group(NamedTuple):
    start: datetime
    entitlement: str
    has_subject: bool  # sorts those first that have none
    subject: str
    unit: str
    end: datetime


def recorded(lines: Iterable[UsageLine], bucket: Bucket, *, by_subject: bool) -> list[UsageRecord]:
    """Return the records, sorted by start, entitlement and subject. Different units are never added up."""
    exact, found = Context(prec=_DIGITS), dict[_Group, Decimal]()
    for key, quantity in lines:
        group = _group(key, bucket, by_subject=by_subject)
        found[group] = exact.add(found.get(group, Decimal()), quantity)
    return [
        UsageRecord(
            entitlement=group.entitlement,
            unit=group.unit,
            subject=group.subject if group.has_subject else None,
            start=group.start,
            end=group.end,
            quantity=found[group],
        )
        for group in sorted(found)
    ]


def span(key: UsageKey, bucket: Bucket) -> tuple[datetime, datetime]:
    """Return start and end of the bucket in which a span lies (UTC). A day that was put together stays a day."""
    if bucket == "day":
        key = day_of(key)
    start = datetime.fromtimestamp(key.hour, UTC)
    if bucket == "month":
        start = start.replace(day=1, hour=0)
        return start, (start + timedelta(days=32)).replace(day=1)
    return start, start + timedelta(seconds=key.seconds)


def _group(key: UsageKey, bucket: Bucket, *, by_subject: bool) -> _Group:
    subject = key.subject if by_subject else None
    start, end = span(key, bucket)
    return _Group(start, key.name, subject is not None, subject or "", key.unit, end)
