"""The usage that was metered: the first record of an hour stands, and whatever comes later changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from ..protocol.errors import ServiceError
from ..protocol.quantities import Allocation

__all__ = ("MeteringRecord", "Meterings", "hour_of", "require_in_time")

_HOUR: Final = 3600
_GRACE: Final = timedelta(hours=6)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MeteringRecord:
    """Usage that was metered and is billed.

    ``product`` is None where the emulator does not know the product of a licence. ``license_arn`` is None for usage
    that was metered by product code. Times are in seconds since 1970.
    """

    record_id: str
    product: str | None
    account: str
    license_arn: str | None = field(repr=False)
    dimension: str
    timestamp: float
    quantity: Decimal
    region: str
    reporter: str | None = field(default=None, repr=False)
    is_hourly: bool = True
    allocations: tuple[Allocation, ...] = ()

    @property
    def hour(self) -> float:
        """Return the start of the hour that the usage belongs to."""
        return hour_of(self.timestamp)

    @property
    def key(self) -> Key:
        """Return what no two hourly records share."""
        whose = (self.account, self.license_arn or "", "" if self.license_arn else self.product or "")
        return (self.region, self.reporter or "", *whose, self.dimension, str(self.hour))


class Meterings:
    """All records, in the order in which they were accepted. Whoever calls holds the lock."""

    def __init__(self, records: MutableMapping[str, MeteringRecord]) -> None:
        self._records = records
        self._hourly = {one.key: one for one in records.values() if one.is_hourly}

    def __iter__(self) -> Iterator[MeteringRecord]:
        """Return every record."""
        return iter(self._records.values())

    def first(self, record: MeteringRecord) -> MeteringRecord:
        """Return the record that stands: this one, which is then kept, or an earlier one of the same hour."""
        if record.is_hourly:
            known = self._hourly.setdefault(record.key, record)
            if known is not record:
                return known
        self._records[record.record_id] = record
        return record

    def bill(self, is_meant: Callable[[MeteringRecord], bool]) -> dict[str, Decimal]:
        """Return the sums of what is charged for, by dimension."""
        sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        for one in self:
            if one.quantity and is_meant(one):
                sums[one.dimension] += one.quantity
        return dict(sums)


def hour_of(timestamp: float) -> float:
    """Return the start of an hour."""
    return float(timestamp // _HOUR * _HOUR)


def require_in_time(timestamp: float, now: float, *, oldest: float, ahead: float) -> None:
    """Refuse a timestamp that lies too far back or ahead, or in a month that is billed.

    A month is billed six hours after its end.
    """
    moment = _EPOCH + timedelta(seconds=now)
    month = (moment - _GRACE).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if not max(oldest, (month - _EPOCH).total_seconds()) <= timestamp <= now + ahead:
        raise ServiceError("TimestampOutOfBoundsException", "The timestamp is out of the allowed range.")
