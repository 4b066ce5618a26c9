"""The metering book: all records of one product, and the sums of those that are long over. Values only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal, Inexact
from typing import NamedTuple

from ..metering_records import FINAL, Answer, MeteringRecord, RecordState
from . import metering_records as rules_of_records
from .metering_records import Rules, SeriesOf

_EXACT = Context(prec=1_000, traps=[Inexact])
_SUMS = "sums"


class Tally(NamedTuple):
    """How many records, and of how much."""

    records: int = 0
    quantity: Decimal = Decimal(0)

    def plus(self, quantity: Decimal) -> Tally:
        """Add one record."""
        return Tally(self.records + 1, _EXACT.add(self.quantity, quantity))


@dataclass(frozen=True, slots=True)
class Book:
    """The records by key, sums by state, and the moment before which everything is in the sums."""

    records: Mapping[str, MeteringRecord] = field(default_factory=dict)
    sums: Mapping[RecordState, Tally] = field(default_factory=dict)
    watermark: float | None = None

    @classmethod
    def read(cls, rows: Mapping[str, str]) -> Book:
        """Return the book that rows of text say. Raises ``ValueError`` for a row that is none."""
        records = {key: MeteringRecord.decoded(key, text) for key, text in rows.items() if key != _SUMS}
        if _SUMS not in rows:
            return cls(records)
        try:
            said = json.loads(rows[_SUMS])
            sums = {RecordState(name): Tally(int(n), Decimal(q)) for name, (n, q) in said["sums"].items()}
            return cls(records, sums, said["watermark"])
        except (ArithmeticError, KeyError, TypeError) as problem:
            raise ValueError(f"no sums of metering records ({type(problem).__name__})") from None

    def since(self, before: Book) -> dict[str, str | None]:
        """Return the rows by which this book differs from an earlier one; None for those to delete."""
        rows: dict[str, str | None] = dict.fromkeys(before.records.keys() - self.records.keys())
        for key, record in self.records.items():
            old = before.records.get(key)
            if record is not old and record != old:
                rows[key] = record.encoded()
        if (self.sums, self.watermark) != (before.sums, before.watermark):
            sums = {state: [tally.records, f"{tally.quantity:f}"] for state, tally in self.sums.items()}
            rows[_SUMS] = json.dumps({"sums": sums, "watermark": self.watermark}, separators=(",", ":"))
        return rows

    def tallies(self) -> dict[RecordState, Tally]:
        """Return how many records there are of each state, and of how much."""
        found = {state: self.sums.get(state, Tally()) for state in RecordState}
        for record in self.records.values():
            found[record.state] = found[record.state].plus(record.quantity)
        return found

    def with_records(self, records: Iterable[MeteringRecord]) -> Book:
        """Add records."""
        return replace(self, records={**self.records, **{record.key: record for record in records}})

    def in_time(self, series_of: SeriesOf, rules: Rules, now: float) -> Book:
        """Return the book as it is now: what is too old is given up, what is void or long over is taken out."""
        kept = [
            rules_of_records.aged(record, rules, now)
            for record in self.records.values()
            if not rules_of_records.is_void(record, series_of, rules, now)
        ]
        return replace(self, records={record.key: record for record in kept}).summed_up(now)

    def summed_up(self, now: float) -> Book:
        """Put the records that are long over into the sums."""
        mark = rules_of_records.watermark(self.records.values(), now)
        if mark is None or mark <= (self.watermark or mark - 1):
            return self
        sums, kept = dict(self.sums), {}
        for key, record in self.records.items():
            if record.moment < mark and record.state is not RecordState.PENDING:
                sums[record.state] = sums.get(record.state, Tally()).plus(record.quantity)
            else:
                kept[key] = record
        return Book(kept, sums, mark)

    def answered(self, answers: Mapping[str, Answer]) -> Book:
        """Note what AWS said of records, by key. What is final already stays as it is."""
        changed = {}
        for key, answer in answers.items():
            record, state = self.records.get(key), FINAL.get(answer.verdict)
            if record is not None and state is not None and record.state in _OPEN:
                changed[key] = replace(record, state=state)
        return self.with_records(changed.values())


_OPEN = (RecordState.PENDING, RecordState.GIVEN_UP)  # given up while its last answer was on the way
