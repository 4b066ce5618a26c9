"""Tending leases: busy ones are renewed ahead of their end, idle ones lapse or are given back.

One daemon thread a guard, started when the first lease comes. The hot path never depends on it: when it is
dead, frozen or starved, leases end by the clocks as ever, and calls wait for a renewal that they find due.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import threading
import weakref
from collections.abc import Callable

from ..core.policy import Policy
from ..core.schedule import Tend, tend
from ..ports import Clock
from .announcing import Announcer
from .clock import stopwatch
from .slots import Slot

LONGEST_SLEEP = 30.0  # seconds after which a clock that jumped is noticed at the latest
AFTER_A_FAILURE = 0.25  # seconds
TIDY_FROM = 256  # entries


class Errand:
    """Something to run later; running it takes no time."""

    __slots__ = ("__weakref__", "next_look", "run")

    def __init__(self, run: Callable[[], None]) -> None:
        self.run = run
        self.next_look = math.inf


class Tender:
    """Looks at each slot when something may be due for it, and runs errands."""

    def __init__(
        self,
        clock: Clock,
        policy: Policy,
        announcer: Announcer,
        renew: Callable[[Slot], None],
        give_back: Callable[[Slot], object],
    ) -> None:
        self._clock = clock
        self._policy = policy
        self._announcer = announcer
        self._renew = renew
        self._give_back = give_back
        self._changed = threading.Condition(threading.RLock())
        self._due: list[tuple[float, int, weakref.ref[Slot | Errand]]] = []
        self._tidy_at = TIDY_FROM
        self._tickets = itertools.count(1)
        self._thread: threading.Thread | None = None
        self.stopped = False

    def watch(self, slot: Slot) -> None:
        """Look after this slot from now on, starting now."""
        if self._policy.inline:
            return
        self._schedule(slot, self._look(slot))

    def remind(self, errand: Errand, delay: float) -> None:
        """Run an errand after so many seconds, once, however often it is asked for until then."""
        if not self._policy.inline:
            self._schedule(errand, delay)

    def stop(self) -> None:
        """Look at nothing any more."""
        with self._changed:
            self.stopped = True
            self._due.clear()
            self._changed.notify_all()

    def join(self, until: float) -> None:
        """Wait, once it was stopped, for its thread to end."""
        thread = self._thread
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join(max(0.0, until - stopwatch()))

    def forget(self) -> None:
        """In a forked child: the lock may be another thread's."""
        self._changed = threading.Condition(threading.RLock())
        self.stopped = True

    def _schedule(self, slot: Slot | Errand, delay: float | None) -> None:
        if delay is None:
            return
        when = stopwatch() + min(delay, LONGEST_SLEEP)
        with self._changed:
            if self.stopped:
                return
            if when < slot.next_look:  # else it is looked at before, and scheduled anew
                slot.next_look = when
                heapq.heappush(self._due, (when, next(self._tickets), weakref.ref(slot)))
                self._tidy()
                self._changed.notify_all()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="meterguard-tender", daemon=True)
                self._start()

    def _tidy(self) -> None:
        """Drop what was evicted, or is scheduled otherwise by now, before it makes up most of the heap."""
        if len(self._due) > self._tidy_at:
            self._due = [one for one in self._due if (slot := one[2]()) is not None and slot.next_look == one[0]]
            heapq.heapify(self._due)
            self._tidy_at = max(TIDY_FROM, 2 * len(self._due))

    def _start(self) -> None:
        try:
            if self._thread is not None:
                self._thread.start()
        except RuntimeError:  # the interpreter is shutting down
            self._thread = None

    def _run(self) -> None:
        while (slot := self._next()) is not None:
            delay: float | None = AFTER_A_FAILURE
            # a bug, a filter of the log that raises, or a test that moves time away under it
            with contextlib.suppress(Exception):
                delay = self._look(slot)
            self._schedule(slot, delay)
            del slot  # it may be evicted while nothing is due

    def _next(self) -> Slot | Errand | None:
        with self._changed:
            while not self.stopped:
                if not self._due:
                    self._changed.wait()
                elif (delay := self._due[0][0] - stopwatch()) > 0:
                    self._changed.wait(delay)
                else:
                    when, _, ref = heapq.heappop(self._due)
                    slot = ref()
                    if slot is not None and when == slot.next_look:
                        slot.next_look = math.inf
                        return slot
                    del slot
            return None

    def _look(self, slot: Slot | Errand) -> float | None:
        """Do what is due; seconds until the next look, None when there is nothing to look after."""
        if isinstance(slot, Errand):
            slot.run()
            return None
        now = self._clock.now()
        slot.notice_end(now, self._announcer)
        with slot.lock:
            if slot.term is None or slot.used_at is None:
                verdict, delay = self._after_the_end(slot), 0.0
            else:
                if slot.is_in_doubt(now):
                    slot.empty_windows()  # a wall clock that is held or set back would keep them open
                verdict, delay = tend(slot.term, now, slot.used_at, slot.used, slot.pins > 0, self._policy.linger)
        if verdict is Tend.WAIT:
            return delay
        if verdict is Tend.RENEW:
            self._renew(slot)
            return max(0.05, slot.next_try - stopwatch())
        if verdict is Tend.RETURN:
            self._give_back(slot)
        return None

    def _after_the_end(self, slot: Slot) -> Tend | None:
        """What is due when nothing is held: nothing, unless the lease may be live at the service."""
        if not slot.is_unsure:
            return None
        return Tend.RENEW if slot.pins else Tend.RETURN
