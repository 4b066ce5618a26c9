"""Forecasts: how fast the units of a licence are used, and when it will have none left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Context, Decimal

from ..ports import Usage
from ..usage import DAY, Forecast, UsageLine
from .balances import Book

DAYS = 7
"""A week: its days differ, and weeks differ less."""
LOOK_BACK = 2 * DAYS * DAY
"""Seconds of usage that a forecast reads: the days that count, and as many before, which tell that it is not new."""

_ROUNDED = Context(prec=12)
_LONGEST = 36_525  # days; what lasts longer than a century never runs out


def forecasts(
    books: Mapping[str, Book], lines: Iterable[UsageLine], licensed: Iterable[Usage], now: datetime
) -> dict[str, Forecast]:
    """Return a forecast for each book, from the usage of the last days.

    :param lines: usage from ``LOOK_BACK`` seconds before ``now`` on; what meters wrote is left out.
    :param licensed: what the service says is consumed of the licence, and what it has in all.
    """
    drawn: dict[tuple[str, str], list[UsageLine]] = {}
    for line in lines:
        if not line.key.is_metered:
            drawn.setdefault((line.key.name, line.key.unit), []).append(line)
    free = {(one.name, one.unit.value): one.maximum - one.consumed for one in licensed if one.maximum is not None}
    return {
        title: _forecast(_rate(drawn.get(book[:2], ()), now.timestamp()), _remaining(book, free.get(book[:2])), now)
        for title, book in books.items()
    }


def _rate(lines: Iterable[UsageLine], now: float) -> Decimal:
    """Return the units a day. An entitlement that is new is measured over its own life, but at least over a day."""
    lines, begin = [line for line in lines if line.key.hour < now], now - DAYS * DAY
    first = min((line.key.hour for line in lines), default=now)
    begin = max(begin, min(first, now - DAY))
    used = sum((line.quantity * _share(line, begin, now) for line in lines), Decimal())
    return _ROUNDED.divide(used * DAY, Decimal(now - begin))


def _share(line: UsageLine, begin: float, now: float) -> Decimal:
    """Return the part of a span that counts. One that goes on holds only what was used until now."""
    start, end = line.key.hour, min(line.key.hour + line.key.seconds, now)
    inside = end - max(start, begin)
    return _ROUNDED.divide(Decimal(inside), Decimal(end - start)) if inside > 0 else Decimal()


def _remaining(book: Book, at_licence: int | None) -> int | None:
    if at_licence is None:
        return None
    balance = book.balance
    return max(0, at_licence + balance.left + balance.reserved - balance.owed)


def _forecast(rate: Decimal, remaining: int | None, now: datetime) -> Forecast:
    if remaining is None or rate <= 0:
        return Forecast(rate, None)
    days = remaining / rate
    return Forecast(rate, now + timedelta(days=float(days)) if days < _LONGEST else None)
