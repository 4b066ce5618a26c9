"""Vacancies: when units that this process holds, and does not use, come back by themselves."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.requirements import Requirement
from ..core.terms import elapsed, remaining
from ..ports import Moment
from .records import Record

SOON = 30.0  # seconds beyond which somebody else is as likely to give a unit back


def soonest(records: Iterable[Record], wanted: Requirement, now: Moment) -> float | None:
    """Return the seconds until an idle lease of these units ends or is given back; None where none does so soon."""
    names = {one.name for one in wanted if one.is_counted}
    ends = (_end(one, now) for one in records if any(line.name in names for line in one.requirement))
    return min((end for end in ends if end is not None and 0 < end <= SOON), default=None)


def _end(record: Record, now: Moment) -> float | None:
    linger = record.around.linger
    with record.lock:
        term = record.term
        if term is None or record.pins:
            return None
        if linger is not None and record.used_at is not None:
            return linger - elapsed(record.used_at, now)[1]
        return None if record.used else remaining(term, now)
