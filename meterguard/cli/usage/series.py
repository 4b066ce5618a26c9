"""Usage over time, for plots: one series for each entitlement, with a point for every span between first and last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from ...usage import UsageRecord


class Point(NamedTuple):
    """The quantity that was used in one span."""

    start: datetime
    end: datetime
    quantity: Decimal


class Series(NamedTuple):
    """The usage of one entitlement."""

    title: str
    points: list[Point]


def series(records: Iterable[UsageRecord]) -> list[Series]:
    """Return the usage of each entitlement, of all subjects together, without the spans in which nothing was used."""
    found: dict[str, dict[tuple[datetime, datetime], Decimal]] = {}
    for one in records:
        spans = found.setdefault(f"{one.entitlement} ({one.unit})", {})
        spans[one.start, one.end] = spans.get((one.start, one.end), Decimal()) + one.quantity
    return [Series(title, [Point(*at, quantity) for at, quantity in spans.items()]) for title, spans in found.items()]


def latest(points: list[Point], bucket: str, most: int) -> list[Point]:
    """Return the latest points, at most so many, and those of quantity zero that lie between them."""
    kept: list[Point] = []
    for point in sorted(points, reverse=True):
        if kept:
            kept += _between(point.end, kept[-1].start, bucket, most - len(kept))
        if len(kept) >= most:
            break
        kept.append(point)
    return kept[::-1]


def _between(begin: datetime, end: datetime, bucket: str, most: int) -> Iterator[Point]:
    """Yield the spans from ``begin`` to ``end`` in which nothing was used, the latest first."""
    for _ in range(most):
        start = _before(end, bucket)
        if start < begin:
            return
        yield Point(start, end, Decimal())
        end = start


def _before(end: datetime, bucket: str) -> datetime:
    if bucket == "month":
        return (end - timedelta(days=1)).replace(day=1)
    return end - (timedelta(hours=1) if bucket == "hour" else timedelta(days=1))
