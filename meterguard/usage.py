"""Usage: what was used, by whom and when, and the balance of an account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

HOUR = 3600
DAY = 86_400

# What is kept of usage, in seconds: a thousand subjects with a call a second each need some 30 MB for it.
HOURS_KEPT = 35 * DAY
DAYS_KEPT = 400 * DAY


class UsageKey(NamedTuple):
    """The things that tell lines of usage apart."""

    scope: str
    """The licence, as in an account; for a meter the product."""
    name: str
    unit: str
    subject: str | None
    hour: int
    """The start of the hour in which it was charged, in seconds since the epoch."""
    is_metered: bool = False
    """True for a meter's, False for a draw's."""
    seconds: int = HOUR
    """The length of the span that starts with the hour: an hour, or a day where old hours were put together."""


class UsageLine(NamedTuple):
    """A quantity that was used: as it is added to a ledger, and as a ledger returns it."""

    key: UsageKey
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """Usage of one entitlement in one span of time."""

    entitlement: str
    unit: str
    subject: str | None
    """For whom, as ``subject=`` says; None where it was not asked to be told apart, or nobody said."""
    start: datetime
    end: datetime
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance of one entitlement: whole units. ``drawn`` is always ``charged + reserved + left + lost``."""

    unit: str
    drawn: int
    """Checked out from the licence, for good."""
    charged: int
    """Used."""
    reserved: int
    """In the hands of calls that run now, and of other processes."""
    left: int
    """Drawn and free to be used."""
    lost: int
    """In the hands of processes that died: whether they were used nobody can say."""
    owed: int = 0
    """Used on credit (``overdraft=``), and to be charged first when the service answers again."""
    pending: int = 0
    """Asked for without an answer: whether they were drawn is not known, or not known any more."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """How fast one entitlement is used by this ledger, and how long the licence has units for that."""

    rate_per_day: Decimal
    """Units a day, of the last days."""
    runs_out_at: datetime | None
    """None where nothing is used, or where nobody said what the licence has left."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The consumption of an entitlement that the service tells, beside what the ledger has drawn of it."""

    entitlement: str
    """As ``summary()`` names it."""
    unit: str
    consumed: int | None
    """None where the service names no such entitlement in this unit."""
    drawn: int
    pending: int
    """Asked for without an answer: part of ``consumed``, or not."""

    @property
    def difference(self) -> int | None:
        """The units that the service counts and the ledger does not; below zero the other way round."""
        return None if self.consumed is None else self.consumed - self.drawn

    @property
    def agrees(self) -> bool:
        """True when both say the same."""
        return self.difference == 0


def hour_of(moment: float) -> int:
    """Return the start of the hour of a moment, both in seconds since the epoch."""
    return int(moment // HOUR) * HOUR


def day_of(key: UsageKey) -> UsageKey:
    """Return the key of the whole day (UTC) in which a span lies."""
    return key._replace(hour=key.hour // DAY * DAY, seconds=DAY)
