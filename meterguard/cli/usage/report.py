"""Usage for people: balances, what is to be known about them, records, and the comparison with the licence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from ...usage import Balance, Comparison, Forecast, UsageRecord
from ..table import Table
from ..texts import number, period, printable

_NUMBERS = ("drawn", "charged", "reserved", "left", "lost")
_TENTH = Decimal("0.1")


def balances(found: Mapping[str, Balance], forecasts: Mapping[str, Forecast]) -> Iterator[str]:
    """Yield the table of balances, and below it what needs a sentence."""
    if not found:
        yield "Nothing was drawn."
        return
    rows = [(name, one.unit, *(f"{getattr(one, part):,}" for part in _NUMBERS)) for name, one in found.items()]
    yield from Table(("entitlement", "unit", *(f">{part}" for part in _NUMBERS)), rows).lines()
    for name, one in found.items():
        yield from (f"{printable(name)}: {note}" for note in _notes(one, forecasts.get(name)))


def records(found: Sequence[UsageRecord], *, by_subject: bool) -> Iterator[str]:
    """Yield the table of records."""
    if not found:
        yield "Nothing was used in this time."
        return
    headings = ("start (UTC)", "entitlement", *(("subject",) if by_subject else ()), ">quantity", "unit")
    yield from Table(headings, (_row(one, by_subject=by_subject) for one in found)).lines()


def comparison(found: Iterable[Comparison]) -> Iterator[str]:
    """Yield what the licence says beside what the ledger says, and why the two can differ."""
    found = list(found)
    if not found:
        yield "Nothing was drawn, so there is nothing to compare with the licence."
        return
    rows = [
        (one.entitlement, one.unit, _signed(one.consumed), f"{one.drawn:,}", _signed(one.difference, "+"))
        for one in found
    ]
    yield from Table(("entitlement", "unit", ">licence says", ">ledger drew", ">difference"), rows).lines()
    for one in found:
        yield from (f"{printable(one.entitlement)}: {line}" for line in _reasons(one))


def _row(one: UsageRecord, *, by_subject: bool) -> tuple[str, ...]:
    subject = ("-" if one.subject is None else one.subject,) if by_subject else ()
    return (period(one.start, one.end), one.entitlement, *subject, f"{one.quantity:,f}", one.unit)


def _signed(value: int | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign if value else ''},}"


def _notes(one: Balance, forecast: Forecast | None) -> Iterator[str]:
    if one.owed:
        yield f"{one.owed:,} used on credit, charged first when units are drawn again"
    if one.pending:
        yield f"{one.pending:,} asked for without an answer, so drawn or not"
    if one.lost:
        yield f"{one.lost:,} in the hands of processes that died, so used or not"
    if forecast is not None and forecast.rate_per_day:
        end = "" if forecast.runs_out_at is None else f"; at this rate it runs out on {forecast.runs_out_at:%Y-%m-%d}"
        yield f"{number(forecast.rate_per_day.quantize(_TENTH))} a day in the last week{end}"


def _reasons(one: Comparison) -> Iterator[str]:
    if one.difference is None:
        yield "the licence does not have it in this unit (any more)."
    elif one.difference < 0:
        yield "the licence counts less. The issuer can have reset its count, or the"
        yield "ledger also has the draws of an earlier period or of another licence."
    elif one.difference > 0:
        yield "the licence counts more. Others draw from it too, with another ledger or"
        yield "with none" + (f", or some of the {one.pending:,} pending units were drawn." if one.pending else ".")
