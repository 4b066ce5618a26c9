"""Renewal: busy leases are renewed ahead of their end, idle ones lapse or are given back.

The hot path never depends on it: when its thread is dead, frozen or starved, leases end by the clocks as ever, and
calls wait for a renewal that they find due.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from ..core.policy import Policy
from ..core.schedule import Tend, tend
from ..ports import Clock
from .agenda import AFTER_A_FAILURE, LONGEST_SLEEP, Agenda, Errand
from .clock import stopwatch
from .deferrals import Deferrals, Waiting
from .records import Record
from .request_budget import RequestBudget

SOONEST = 0.05  # seconds until a lease is looked at again whose renewal is in the air


class Renewal:
    """Does what is due for each record, and runs errands."""

    def __init__(
        self,
        clock: Clock,
        policy: Policy,
        budget: RequestBudget,
        renew: Callable[[Record], None],
        give_back: Callable[[Record], object],
        is_flying: Callable[[bytes], bool],
        records: Callable[[], list[Record]],
    ) -> None:
        self.clock = clock
        self._policy = policy
        self._renew = renew
        self._give_back = give_back
        self._is_flying = is_flying
        self._records = records
        self._round = Errand(self._look_at_all)
        self.agenda: Agenda[Record | Errand] = Agenda("meterguard-renewal", self._look_soon)
        self.deferrals = Deferrals(budget, self.remind)

    def watch(self, record: Record) -> None:
        """Look after this record from now on, starting now."""
        if not self._policy.inline:
            self.agenda.put(record, self._look_soon(record))

    def remind(self, errand: Errand, delay: float) -> None:
        """Run an errand after so many seconds, once, however often it is asked for until then."""
        if not self._policy.inline:
            self.agenda.put(errand, delay)

    def drop(self, record: Record) -> None:
        """Look after this record no longer, and keep it no longer."""
        self.agenda.drop(record)
        self.deferrals.drop(record)

    def stop(self) -> None:
        """Do nothing any more. What has waited is left to who closes the guard."""
        self.agenda.stop()
        self.deferrals.stop()

    def forget(self) -> None:
        """In a forked child: all of it is the parent's."""
        self.agenda.forget()
        self.deferrals.forget()

    def _look_soon(self, subject: Record | Errand, *, has_waited: bool = False) -> float | None:
        """Do what is due. A record has a place in the agenda only while something is due for it soon."""
        delay = self._look(subject, has_waited)
        if delay is not None and delay > LONGEST_SLEEP:
            self.agenda.put(self._round, LONGEST_SLEEP)
            return None
        return delay

    def _look_at_all(self) -> None:
        for record in self._records():
            if record.term is not None:
                self.watch(record)

    def _look(self, subject: Record | Errand, has_waited: bool) -> float | None:
        """Do what is due; return the seconds until the next look, None when there is nothing to look after."""
        if isinstance(subject, Errand):
            subject.run()
            return None
        subject.notice_end(self.clock.now())
        verdict, delay = self._due(subject)
        if verdict is Tend.WAIT:
            return delay
        if verdict is Tend.RENEW:
            return self.renew(subject, has_waited=has_waited)
        if verdict is Tend.RETURN and (has_waited or self.deferrals.lets_check_in(subject, self._waiting(subject))):
            self._give_back(subject)
        return None

    def renew(self, record: Record, *, has_waited: bool = False) -> float | None:
        """Renew a lease that is due as soon as the budget lets it; return the seconds until the next look."""
        pause = record.setbacks.next_try - stopwatch()
        if pause <= 0 and not self._is_flying(record.key):
            # half of its time is left for attempts that fail
            if not (has_waited or self.deferrals.lets_renew(record, self._waiting(record), record.remaining() / 2)):
                return None  # until it has waited
            self._renew(record)
            pause = record.setbacks.next_try - stopwatch()
        return max(SOONEST, pause)

    def _waiting(self, record: Record) -> Waiting:
        return Waiting(record.requirement, record.key, partial(self._go_on, record))

    def _go_on(self, record: Record) -> Future[None] | None:
        """Do what is still due for a record that has waited for the budget. Returns what is done once it is back."""
        delay: float | None = AFTER_A_FAILURE
        try:
            delay = self._look_soon(record, has_waited=True)
        finally:
            self.agenda.put(record, delay)
        return record.setbacks.returning

    def _due(self, record: Record) -> tuple[Tend | None, float]:
        now = self.clock.now()
        with record.lock:
            if record.term is None:  # nothing is due, unless the lease may be live at the service
                return (Tend.RENEW if record.pins else Tend.RETURN) if record.is_unsure else None, 0.0
            if record.is_in_doubt(now):
                record.empty_windows()  # a wall clock that is held or set back would keep them open
            linger = self._policy.linger
            used_at = record.used_at or now
            return tend(record.term, now, used_at, record.used, record.pins > 0, linger)
