"""Announcements of what became of metering records: to subscribers and the log, and without naming a customer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from ..core.metering_book import Book
from ..events import UsageDiffers, UsageGivenUp, UsagePending, UsageRejected, UsageReported
from ..metering_records import Answer, MeteringRecord, RecordState, Verdict
from ..model import Entitlement
from ..units import Unit
from ..usage import UsageLine
from .publisher import Publisher


class Announcements:
    """Tells what became of metering records."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def outcome(self, before: Book, after: Book, answers: Mapping[str, Answer]) -> None:
        """Tell what AWS said of records, those that were final before aside."""
        pending: defaultdict[Answer, list[MeteringRecord]] = defaultdict(list)
        for key, answer in answers.items():
            record = before.records.get(key)
            if record is None:
                continue
            if after.records[key].state is RecordState.PENDING:
                pending[answer].append(record)
            elif record.state is not after.records[key].state:
                self._final(record, answer)
        for answer, records in pending.items():
            what = entitlements(line for record in records for line in record.parts)
            self._publisher.tell(UsagePending(what, len(records), answer.code, answer.problem))

    def _final(self, record: MeteringRecord, answer: Answer) -> None:
        what, facts = entitlements(record.parts), _facts(record)
        if answer.verdict is Verdict.REJECTED:
            self._publisher.tell(UsageRejected(what, *facts, answer.code, answer.problem))
        elif answer.verdict is Verdict.DIFFERS:
            self._publisher.tell(UsageDiffers(what, *facts, answer.code))
        else:
            self._publisher.tell(UsageReported(what, *facts))

    def given_up(self, before: Book, after: Book) -> None:
        """Tell which records are given up now."""
        for key, record in after.records.items():
            old = before.records.get(key)
            if record.state is RecordState.GIVEN_UP and (old is None or old.state is not RecordState.GIVEN_UP):
                self._publisher.tell(UsageGivenUp(entitlements(record.parts), *_facts(record), record.is_late))

    def unmapped(self, lines: Sequence[UsageLine]) -> None:
        """Tell that nobody knows for whom usage is."""
        if lines:
            subjects = len({line.key.subject for line in lines})
            problem = f"customers= has no customer for {subjects} subject{'' if subjects == 1 else 's'}"
            self._publisher.tell(UsagePending(entitlements(lines), len(lines), None, problem))

    def unavailable(self, problem: str) -> None:
        """Tell that the ledger cannot be had, so that nothing is known of what is pending."""
        self._publisher.tell(UsagePending((), 0, None, problem))


def entitlements(lines: Iterable[UsageLine]) -> tuple[Entitlement, ...]:
    """Return what lines of usage are of; a value is at least one, and whole."""
    found: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for key, quantity in lines:
        found[key.name, key.unit] += quantity
    return tuple(Entitlement(name, max(1, int(total)), Unit(unit)) for (name, unit), total in sorted(found.items()))


def _facts(record: MeteringRecord) -> tuple[str | None, Decimal, datetime]:
    dimension = record.series.dimension if record.series else None
    return dimension, record.quantity, datetime.fromtimestamp(record.moment, UTC)
