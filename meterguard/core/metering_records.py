"""Metering records: which usage is due, what it becomes, and what becomes of it in time. Values only.

A record names the lines of usage of which it is the sum. So the usage that is not reported yet is always what the
ledger says, less the parts of all records: also after a crash, with late usage, and with several processes at it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, Inexact
from typing import NamedTuple

from ..metering_records import MeteringRecord, RecordState, Series
from ..usage import DAY, HOUR, UsageKey, UsageLine, hour_of

HORIZON = 3 * DAY  # seconds for which records, and the usage beside them, are looked at
LAST_MONTH = timedelta(hours=6)  # after a month's end: until then AWS takes records of it
LARGEST = Decimal(2_147_483_647)  # in one record: what every botocore can send

_EXACT = Context(prec=1_000, traps=[Inexact])
_NOTHING = Decimal(0)

SeriesOf = Callable[[UsageKey], Series | None]
"""Says in which series usage is reported; None: nobody knows yet for whom it is."""


class Rules(NamedTuple):
    """The records that AWS accepts of one kind of product."""

    window: float
    """Seconds from the start of an hour for which AWS takes a record of it."""
    is_hourly: bool = True
    """False where AWS takes any number of records an hour, also of the hour that goes on."""
    is_by_host: bool = False
    """True where AWS counts by instance, task or pod, and knows nothing of what another one has sent."""


HOST = Rules(window=6 * HOUR, is_by_host=True)
"""AMI and containers (API reference, ``MeterUsage``)."""
AGENTCORE = Rules(window=6 * HOUR, is_hourly=False)
"""Containers in Bedrock AgentCore (API reference, ``MeterUsage``)."""
SAAS = Rules(window=24 * HOUR)
"""SaaS (API reference, ``BatchMeterUsage``)."""


def is_too_old(hour: float, now: float, rules: Rules) -> bool:
    """Return True when AWS takes no record of this hour any more."""
    if now - hour > rules.window:
        return True
    today = datetime.fromtimestamp(now, UTC)
    month = today.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return hour < month.timestamp() and today >= month + LAST_MONTH


# -- due ---------------------------------------------------------------------------------------------


class Plan(NamedTuple):
    """The records to write down, and what has to wait."""

    records: tuple[MeteringRecord, ...]
    waiting: tuple[UsageLine, ...]
    """Usage that has no record yet: nobody mapped its subject, or each closed hour has a record already."""


def plan(
    usage: Iterable[UsageLine],
    records: Iterable[MeteringRecord],
    series_of: SeriesOf,
    rules: Rules,
    now: float,
    new: Callable[[], MeteringRecord],
    *,
    fractions: bool = True,
) -> Plan:
    """Return what is to be reported now.

    Usage of an hour becomes a record of that hour. What comes later than its record goes into the first closed hour
    from there on that has none. What is too old is given up, unless its hour has a record.

    :param new: returns an empty record, with a token and a sender.
    :param fractions: False where only whole quantities can be sent: what is beyond them is carried to the next record.
    """
    known = {record.key: record for record in records}
    groups: defaultdict[_Place, list[UsageLine]] = defaultdict(list)
    waiting: list[UsageLine] = []

    def assign(lines: Iterable[UsageLine], place: _Place | None) -> None:
        (waiting if place is None else groups[place]).extend(lines)

    for line in due(usage, known.values()):
        assign([line], _place(line.key, series_of(line.key), known, rules, now))
    written = []
    while groups:
        place = min(groups)
        lines = groups.pop(place)
        record = _record(place, lines, new(), rules, fractions=fractions)
        if record is not None:
            written.append(record)
        else:  # less than a whole one: together with the next hour's it may be more
            later = lines[0].key._replace(hour=place.moment + HOUR)
            assign(lines, _place(later, place.series, known, rules, now))
    return Plan(tuple(written), tuple(waiting))


def due(usage: Iterable[UsageLine], records: Iterable[MeteringRecord]) -> Iterator[UsageLine]:
    """Yield what of the usage stands in no record."""
    taken: dict[UsageKey, Decimal] = {}
    for record in records:
        for key, quantity in record.parts:
            taken[key] = _EXACT.add(taken.get(key, _NOTHING), quantity)
    for key, quantity in usage:
        rest = _EXACT.subtract(quantity, taken.get(key, _NOTHING))
        if rest > 0:
            yield UsageLine(key, rest)


class _Place(NamedTuple):
    """The record that a line belongs in."""

    key: str
    moment: int
    series: Series | None
    state: RecordState


def _place(
    key: UsageKey, series: Series | None, known: Mapping[str, MeteringRecord], rules: Rules, now: float
) -> _Place | None:
    has_record = series is not None and _is_sent(known.get(_key(series, key.hour)))
    if is_too_old(key.hour, now, rules) and not has_record:
        return _Place(_key(series, key.hour, "late"), key.hour, series, RecordState.GIVEN_UP)
    if series is None:
        return None
    if not rules.is_hourly:
        # one of the hour's own moments, so that it is billed in the right month
        moment = max(key.hour, min(int(now), key.hour + HOUR - 1))
        return _Place(_key(series, key.hour), moment, series, RecordState.PENDING)
    for hour in range(key.hour, hour_of(now), HOUR):
        if not is_too_old(hour, now, rules) and _key(series, hour) not in known:
            return _Place(_key(series, hour), hour, series, RecordState.PENDING)
    return None


def _is_sent(record: MeteringRecord | None) -> bool:
    return record is not None and record.state is not RecordState.GIVEN_UP


def _key(series: Series | None, hour: int, kind: str = "") -> str:
    parts = (str(hour), series.digest if series else "", kind)
    return "/".join(part for part in parts if part)


def _record(
    place: _Place, lines: list[UsageLine], empty: MeteringRecord, rules: Rules, *, fractions: bool
) -> MeteringRecord | None:
    total = _NOTHING
    for line in lines:
        total = _EXACT.add(total, line.quantity)
    if place.state is RecordState.PENDING:
        total = min(total if fractions else total.to_integral_value("ROUND_DOWN"), LARGEST)
    if total <= 0:
        return None
    is_own = place.state is RecordState.GIVEN_UP or not rules.is_hourly
    return replace(
        empty,
        key=f"{place.key}/{empty.client_token}" if is_own else place.key,
        moment=place.moment,
        series=place.series,
        quantity=total,
        parts=tuple(_parts(lines, total)),
        state=place.state,
        is_late=place.state is RecordState.GIVEN_UP,
    )


def _parts(lines: Iterable[UsageLine], total: Decimal) -> Iterator[UsageLine]:
    """Yield lines, up to a total."""
    for key, quantity in sorted(lines, key=lambda line: (line.key.hour, line.key.name, line.key.subject or "")):
        part = min(quantity, total)
        total = _EXACT.subtract(total, part)
        if part > 0:
            yield UsageLine(key, part)


# -- in time -----------------------------------------------------------------------------------------


def aged(record: MeteringRecord, rules: Rules, now: float) -> MeteringRecord:
    """Give up a record that is too old now; take one up again that is not, for a clock was wrong."""
    old = is_too_old(record.moment, now, rules)
    if record.state is RecordState.PENDING and old:
        return replace(record, state=RecordState.GIVEN_UP)
    if record.state is RecordState.GIVEN_UP and not old and not record.is_late:
        return replace(record, state=RecordState.PENDING)
    return record


def is_void(record: MeteringRecord, series_of: SeriesOf, rules: Rules, now: float) -> bool:
    """Return True for a record whose usage is free again.

    AWS has refused it, and its usage is mapped otherwise now; or a wrong clock made it too old before it was sent.
    """
    if record.state is RecordState.REJECTED:
        return any(series_of(key) != record.series for key, _ in record.parts)
    return record.is_late and not is_too_old(record.moment, now, rules)


def watermark(records: Iterable[MeteringRecord], now: float) -> float | None:
    """Return the moment before which records may be put together; None: not known.

    What AWS has accepted proves that it is that late, whatever a clock here says.
    """
    latest = max((one.moment for one in records if one.state is RecordState.DELIVERED), default=None)
    return None if latest is None else hour_of(min(latest, now) - HORIZON)
