"""Renewal: busy leases are renewed ahead of their end, idle ones lapse or are given back.

The hot path never depends on it: when its thread is dead, frozen or starved, leases end by the clocks as ever, and
calls wait for a renewal that they find due.
"""

from __future__ import annotations

from collections.abc import Callable

from ..core.policy import Policy
from ..core.schedule import Tend, tend
from ..ports import Clock
from .agenda import LONGEST_SLEEP, Agenda, Entry
from .clock import stopwatch
from .records import Record


class Errand:
    """Something to run later."""

    __slots__ = ("entry", "run")

    def __init__(self, run: Callable[[], None]) -> None:
        self.run = run
        self.entry: Entry | None = None


class Renewal:
    """Does what is due for each record, and runs errands."""

    def __init__(
        self,
        clock: Clock,
        policy: Policy,
        renew: Callable[[Record], None],
        give_back: Callable[[Record], object],
        records: Callable[[], list[Record]],
    ) -> None:
        self.clock = clock
        self._policy = policy
        self._renew = renew
        self._give_back = give_back
        self._records = records
        self._round = Errand(self._look_at_all)
        self.agenda: Agenda[Record | Errand] = Agenda("meterguard-renewal", self._look_soon)

    def watch(self, record: Record) -> None:
        """Look after this record from now on, starting now."""
        if not self._policy.inline:
            self.agenda.put(record, self._look_soon(record))

    def remind(self, errand: Errand, delay: float) -> None:
        """Run an errand after so many seconds, once, however often it is asked for until then."""
        if not self._policy.inline:
            self.agenda.put(errand, delay)

    def _look_soon(self, subject: Record | Errand) -> float | None:
        """Do what is due. A record has a place in the agenda only while something is due for it soon."""
        delay = self._look(subject)
        if delay is not None and delay > LONGEST_SLEEP:
            self.agenda.put(self._round, LONGEST_SLEEP)
            return None
        return delay

    def _look_at_all(self) -> None:
        for record in self._records():
            if record.term is not None:
                self.watch(record)

    def _look(self, subject: Record | Errand) -> float | None:
        """Do what is due; return the seconds until the next look, None when there is nothing to look after."""
        if isinstance(subject, Errand):
            subject.run()
            return None
        subject.notice_end(self.clock.now())
        verdict, delay = self._due(subject)
        if verdict is Tend.WAIT:
            return delay
        if verdict is Tend.RENEW:
            self._renew(subject)
            return max(0.05, subject.setbacks.next_try - stopwatch())
        if verdict is Tend.RETURN:
            self._give_back(subject)
        return None

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
