"""Reports of usage to AWS Marketplace: written down, sent, and their outcome written down.

A crash at any point leaves a record that is written down and sent again unchanged: AWS takes it once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from socket import gethostname
from uuid import uuid4

from ..core import metering_records as planning
from ..core.metering_book import Book, Tally
from ..core.metering_records import Rules, SeriesOf
from ..metering_records import MeteringFault, MeteringRecord, MeteringService, RecordState, Reply, Verdict
from ..ports import Clock, Ledger, LedgerFault, Moment
from ..usage import HOUR, UsageKey, UsageLine, hour_of
from .announcements import Announcements
from .publisher import Publisher
from .record_book import RecordBook

SKEW = 5.0  # seconds by which the wall clock may be ahead of the service's before that one counts


@dataclass(frozen=True, slots=True)
class Product:
    """A product as it is reported."""

    book: str
    """The name of its records in a ledger."""
    scope: str
    """The licence whose usage is reported."""
    code: str | None
    """The product code; None for SaaS, where the licence of each customer says the product."""
    rules: Rules
    names: frozenset[str]
    """The entitlements that are reported."""
    mapping: Callable[[], SeriesOf]
    """Returns what says, during one pass, in which series usage is reported."""


class Reports:
    """Reports the usage of one product. Several processes may do so at once."""

    def __init__(
        self,
        ledger: Ledger,
        service: MeteringService,
        product: Product,
        clock: Clock,
        publisher: Publisher,
        settle: Callable[[], object],
    ) -> None:
        self._ledger = ledger
        self._book = RecordBook(ledger, product.book)
        self._service = service
        self.product = product
        # AWS tells hosts apart here, and would take what one has sent a second time from another.
        self._sender = gethostname() if product.rules.is_by_host and ledger.is_fleet else ""
        self._clock = clock
        self.announcements = Announcements(publisher)
        self._settle = settle
        self._served: Moment | None = None
        """What the service's clock said last (wall), and when that was (mono)."""
        self._last: dict[RecordState, Tally] = dict.fromkeys(RecordState, Tally())
        self.forget()

    def forget(self) -> None:
        """In a forked child: the lock may be another thread's."""
        self._lock = threading.RLock()

    # -- what is asked for ---------------------------------------------------------------------------

    def flush(self) -> tuple[dict[RecordState, Tally], bool]:
        """Send what is due. Returns all tallies, and False where something has to be tried again soon.

        :raises ConfigurationError: the set-up is wrong.
        """
        with self._lock:
            try:
                self._settle()
                waiting = self._write_down()
                is_done = self._send_all()
                self._last = _tallies(self._book.book, waiting)
            except LedgerFault as fault:
                self.announcements.unavailable(str(fault))
                is_done = False
            return self._last, is_done

    def tallies(self) -> dict[RecordState, Tally]:
        """Return how many records there are of each state, those that are still to be written down among the pending.

        :raises LedgerFault: the ledger cannot be read.
        """
        with self._lock:
            now, series_of = self._now(), self.product.mapping()
            book = self._book.read().in_time(series_of, self.product.rules, now)
            planned = self._planned(book, series_of, now)
            self._last = _tallies(book.with_records(planned.records), planned.waiting)
            return self._last

    # -- before it is sent ---------------------------------------------------------------------------

    def _write_down(self) -> tuple[UsageLine, ...]:
        """Write down what is due, and what has become too old. Returns what has to wait."""
        rules, series_of = self.product.rules, self.product.mapping()
        waiting: tuple[UsageLine, ...] = ()

        def change(book: Book) -> Book:
            nonlocal waiting
            now = self._now()
            book = book.in_time(series_of, rules, now)
            planned = self._planned(book, series_of, now)
            waiting = planned.waiting
            return book.with_records(planned.records)

        self._book.read()
        before, after = self._book.change(change)
        self.announcements.given_up(before, after)
        self.announcements.unmapped([line for line in waiting if series_of(line.key) is None])
        return waiting

    def _planned(self, book: Book, series_of: SeriesOf, now: float) -> planning.Plan:
        """Plan over the usage of now. It is read after the book: what is used meanwhile is due later, never twice."""
        rules, fractions = self.product.rules, self._service.takes_fractions()
        since = now - planning.HORIZON if book.watermark is None else book.watermark
        usage = self._ledger.usage(hour_of(since), hour_of(now) if rules.is_hourly else now)
        reported = [line for line in usage if self._is_reported(line.key)]
        return planning.plan(reported, book.records.values(), series_of, rules, now, self._empty, fractions=fractions)

    def _is_reported(self, key: UsageKey) -> bool:
        return key.scope == self.product.scope and key.name in self.product.names and key.seconds == HOUR

    def _empty(self) -> MeteringRecord:
        return MeteringRecord("", None, 0, Decimal(0), (), uuid4().hex, self._sender)

    def _now(self) -> float:
        """Return the time. A wall clock that is far ahead of the service's closes no hour and makes nothing too old."""
        wall, mono = self._clock.now()
        if self._served is None:
            return wall
        served = self._served.wall + mono - self._served.mono
        return served if wall - served > SKEW else wall

    # -- sending -------------------------------------------------------------------------------------

    def _send_all(self) -> bool:
        """Send what is pending. Returns False where some of it is to be sent again soon."""
        batches, is_done = deque(self._batches()), True
        while batches:
            records = batches.popleft()
            try:
                reply = self._service.send(records)
            except MeteringFault as fault:
                if fault.of_record and len(records) > 1:  # one of them spoils it for the others
                    half = len(records) // 2
                    batches.extendleft((records[half:], records[:half]))
                    continue
                reply = Reply((fault.answer,) * len(records))
                if not fault.of_record:
                    batches.clear()
                    is_done = False
            self._note_time(reply)
            self._write_outcome(records, reply)
            is_done = is_done and all(answer.verdict is not Verdict.UNKNOWN for answer in reply.answers)
        return is_done

    def _batches(self) -> Iterator[list[MeteringRecord]]:
        senders = ("", self._sender)
        records = self._book.book.records.values()
        pending = [one for one in records if one.state is RecordState.PENDING and one.sender in senders]
        pending.sort(key=lambda one: (one.moment, one.key))
        for start in range(0, len(pending), self._service.most):
            yield pending[start : start + self._service.most]

    def _note_time(self, reply: Reply) -> None:
        if reply.served_at is not None:
            self._served = Moment(reply.served_at.timestamp(), self._clock.now().mono)

    def _write_outcome(self, records: Sequence[MeteringRecord], reply: Reply) -> None:
        answers = {record.key: answer for record, answer in zip(records, reply.answers, strict=True)}
        before, after = self._book.change(lambda book: book.answered(answers))
        self.announcements.outcome(before, after, answers)


def _tallies(book: Book, waiting: Sequence[UsageLine]) -> dict[RecordState, Tally]:
    found = book.tallies()
    for line in waiting:
        found[RecordState.PENDING] = found[RecordState.PENDING].plus(line.quantity)
    return found
