"""Deferrals: background work that waits for the budget, renewals to before the end of their leases, check-ins last."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import TypeAlias

from ..core import rate
from ..core.requirements import Requirement
from .agenda import Errand
from .request_budget import RequestBudget

SHORTEST, LONGEST = 0.01, 1.0  # seconds between two looks at what waits

Run: TypeAlias = Callable[[], "Future[None] | None"]
"""Begins what has waited. Returns what is done once a lease is back, None where none goes back."""


@dataclass(slots=True, eq=False)
class Waiting:
    """Something that waits to begin."""

    requirement: Requirement
    key: bytes
    run: Run
    until: float = 0.0
    """When a renewal has to begin at the latest, by the budget's clock."""
    done: Future[None] | None = None
    """Done once somebody need not wait for it any more."""


class Deferrals:
    """Keeps what waits in one guard, without a thread.

    :param remind: has an errand run after so many seconds.
    """

    def __init__(self, budget: RequestBudget, remind: Callable[[Errand, float], None]) -> None:
        self._budget = budget
        self._remind = remind
        self._lock = threading.RLock()
        self._renewals: dict[Hashable, Waiting] = {}
        self._check_ins: dict[Hashable, Waiting] = {}
        self._errand = Errand(self.go_on)

    def __len__(self) -> int:
        return len(self._renewals) + len(self._check_ins)

    def __contains__(self, subject: Hashable) -> bool:
        return subject in self._check_ins or subject in self._renewals

    # -- asking to begin -------------------------------------------------------------------------

    def lets_renew(self, subject: Hashable, waiting: Waiting, left: float) -> bool:
        """Return True where a renewal may begin now; else it runs later, the most urgent one first.

        :param left: the seconds that it can wait at most.
        """
        waiting.until = until = self._budget.now() + left
        with self._lock:
            known = self._renewals.get(subject)
            if left > 0 and known is not None:
                known.until = min(known.until, until)  # clocks may jump
                return False
            self.drop(subject)
            return left <= 0 or self._lets(self._renewals, subject, waiting)

    def lets_check_in(self, subject: Hashable, waiting: Waiting) -> bool:
        """Return True where a lease may be checked in now; else it is later, those first that have waited longest."""
        with self._lock:
            if subject in self._check_ins:
                return False
            self.drop(subject)
            return self._lets(self._check_ins, subject, waiting)

    def _lets(self, queue: dict[Hashable, Waiting], subject: Hashable, waiting: Waiting) -> bool:
        delay = SHORTEST if len(self) else 0.0  # nobody comes before those who wait
        if self._budget.is_open or (not delay and not (delay := self._budget.take())):
            return True
        queue[subject] = waiting
        self._remind(self._errand, _jittered(delay))
        return False

    def drop(self, subject: Hashable) -> None:
        """Forget what waits, since it is not wanted any more."""
        if len(self):
            with self._lock:
                self._renewals.pop(subject, None)
                self._check_ins.pop(subject, None)

    # -- beginning -------------------------------------------------------------------------------

    def go_on(self) -> None:
        """Begin what the budget lets begin."""
        delay = 0.0
        pace = self._pace()
        while len(self) and not (delay := self._budget.take(pace)):
            with contextlib.suppress(Exception):  # one that fails is looked at again, and holds up no other
                self._begin_next()
            if not self._renewals:
                pace = 0.0
        if len(self):
            self._remind(self._errand, _jittered(delay))

    def _pace(self) -> float:
        """Return the requests a second with which every renewal begins in time."""
        with self._lock:
            until = sorted(one.until for one in self._renewals.values())
        now = self._budget.now()
        return rate.needed(moment - now for moment in until)

    def _begin_next(self) -> None:
        with self._lock:
            if self._renewals:
                first = min(self._renewals, key=lambda subject: self._renewals[subject].until)
                waiting = self._renewals.pop(first)
            elif self._check_ins:
                waiting = self._check_ins.pop(next(iter(self._check_ins)))
            else:
                return
        waiting.run()

    def hurry(self, key: bytes) -> list[Future[None]]:
        """Begin the check-ins of a key at once, for somebody who is about to check out under it."""
        return [done for one in self._check_ins_of(lambda one: one.key == key) if (done := one.run()) is not None]

    def make_room(self, what: Requirement) -> list[Future[None]]:
        """Begin as many check-ins at once as free what somebody wants who was denied."""
        missing = {one.name: _units(one.value) for one in what if one.is_counted}
        begun = []
        for waiting in self._check_ins_of(lambda one: any(missing.get(line.name, 0) > 0 for line in one.requirement)):
            done = waiting.run()
            if done is not None:  # not taken up again meanwhile
                begun.append(done)
                for line in waiting.requirement:
                    missing[line.name] = missing.get(line.name, 0) - _units(line.value)
        return begun

    def _check_ins_of(self, wanted: Callable[[Waiting], bool]) -> Iterator[Waiting]:
        if not self._check_ins:
            return
        with self._lock:
            known = list(self._check_ins.items())
        for subject, waiting in known:
            if wanted(waiting):
                with self._lock:
                    if self._check_ins.get(subject) is not waiting:
                        continue
                    del self._check_ins[subject]
                yield waiting

    # -- the end ---------------------------------------------------------------------------------

    def stop(self) -> None:
        """Let nothing wait any more. What has waited is left to who closes the guard."""
        with self._lock:
            self._budget.is_open = True
            waiting = list(self._check_ins.values())
            self._renewals.clear()
            self._check_ins.clear()
        for one in waiting:
            if one.done is not None:
                with contextlib.suppress(InvalidStateError):
                    one.done.set_result(None)

    def forget(self) -> None:
        """In a forked child: all of it is the parent's, and the lock may be another thread's."""
        self._lock = threading.RLock()
        self._renewals, self._check_ins = {}, {}
        self._budget.forget()


def _jittered(delay: float) -> float:
    """Return a delay that differs from process to process, so that those of a fleet do not ask all at once."""
    return min(max(delay, SHORTEST), LONGEST) * (1 + random.random() / 2)


def _units(value: int | str | None) -> int:
    return value if isinstance(value, int) else 1
