"""Returns: consumption tokens that nobody needs any more, kept until the service has them back.

A check-in that failed may have left its units taken. So it is tried again: in the background, before the same units
are asked for again, and when the guard closes.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from ..core.backoff import pause, retry_pause
from ..core.requirements import Requirement
from ..events import CheckInFailed, LeaseCheckedIn, LeaseLeft
from ..interruption import must_pass
from ..ports import FaultKind, ServiceFault
from .clock import stopwatch
from .lessor import Lessor
from .publisher import Publisher
from .request_budget import RequestBudget
from .waits import wait_for

SERIES = 2.0  # seconds for the attempts that follow each other at once
PROMPTED = 0.4  # seconds after an attempt until a call that needs the units may have the next one made
MOST_NOES = 3  # definite answers after which a token is given up
MOST_REFUSED = 1000  # tokens owed beyond which those that IAM keeps from going back are given up


@dataclass(slots=True, eq=False)
class Owed:
    """One token that the service should have back."""

    requirement: Requirement
    token: str = field(repr=False)
    lapses_at: float
    """When it has surely lapsed by itself, in stopwatch seconds."""
    settle: Callable[[str], None] = field(repr=False)
    """Hears that the service has it back, or that it has lapsed."""
    key: bytes = b""
    """The key under which it came."""
    mark: str = ""
    """Under which this process is listed among those that share the lease."""
    bars: bytes | None = None
    """The key for which nothing is checked out beside it; None for a seat of one call among others."""
    fault: ServiceFault | None = None
    """How the last attempt failed."""
    noes: int = 0
    was_told: bool = False
    is_left: bool = False
    """True once it is others who use it, or give it back."""
    asking: Future[None] | None = None
    """Done when the attempt that is in the air has ended."""

    @property
    def is_worth_waiting(self) -> bool:
        """True when another attempt may soon fare better: where none gets through, no call waits for it."""
        fault = self.fault  # read once: an attempt beside this clears it
        return fault is not None and fault.kind is FaultKind.UNKNOWN

    @property
    def may_be_tried_soon(self) -> bool:
        """True when another attempt is worth it at once, which it is not while the service throttles."""
        fault = self.fault
        return self.is_worth_waiting and not (fault is not None and fault.is_throttled)

    @property
    def is_unanswered(self) -> bool:
        """True when the last attempt got no answer, so that another attempt is worth it before a checkout."""
        fault = self.fault
        return fault is not None and fault.kind in (FaultKind.UNKNOWN, FaultKind.UNREACHABLE)


class Returns:
    """The tokens owed by one guard, and one pace for all attempts that follow a failure."""

    def __init__(self, lessor: Lessor, publisher: Publisher, leaving: threading.Event, budget: RequestBudget) -> None:
        self._lessor = lessor
        self._budget = budget
        self._publisher = publisher
        self._leaving = leaving
        self._lock = threading.RLock()
        self._owed: dict[str, Owed] = {}
        self._unanswered: dict[str, Owed] = {}  # of these, those whose last attempt got no answer
        self._tries = 0
        self._next_try = 0.0
        self._asked_at = -math.inf
        self.on_return: Callable[[Requirement], None] = lambda _: None
        self.on_failure: Callable[[float], None] = lambda _: None
        self.waits: Callable[[Owed], bool] = lambda _: False
        """Tells whether somebody else will make the first attempt for a token."""

    def owe(
        self,
        requirement: Requirement,
        token: str,
        lasting: float,
        settle: Callable[[str], None],
        key: bytes,
        *,
        mark: str | None = None,
        bars: bool = False,
    ) -> Owed:
        """Remember a token that has to go back and lapses by itself after ``lasting`` seconds.

        :param mark: None: the one under which a lease is held now.
        :param bars: True where nothing is checked out under the key beside it.
        """
        with self._lock:
            if token not in self._owed:
                until, mark = stopwatch() + lasting, self._lessor.mark(key) if mark is None else mark
                self._owed[token] = Owed(requirement, token, until, settle, key, mark, key if bars else None)
            return self._owed[token]

    def left(self) -> list[Owed]:
        """Return the leases that are owed and may be live, as a snapshot."""
        now = stopwatch()
        with self._lock:
            lapsed = [one for one in self._owed.values() if one.lapses_at <= now]
            for one in lapsed:
                self._drop(one)
            left = list(self._owed.values())
        for one in lapsed:
            one.settle(one.token)
        return left

    def forget(self) -> None:
        """In a forked child: the tokens are the parent's, and the lock may be another thread's."""
        self._lock = threading.RLock()
        self._owed, self._unanswered = {}, {}

    def _drop(self, owed: Owed) -> bool:
        self._unanswered.pop(owed.token, None)
        return self._owed.pop(owed.token, None) is not None

    # -- asking ----------------------------------------------------------------------------------

    def attempt(self, owed: Owed, *, parting: bool = False) -> bool:
        """Ask the service once to take a token back; whether it has it."""
        with self._lock:
            if owed.token not in self._owed:
                return True
        asking: Future[None] = Future()
        owed.asking, self._asked_at = asking, stopwatch()
        try:
            owed.fault = self._asked(owed, parting)
        finally:
            owed.asking = None
            asking.set_result(None)
        if owed.fault is None:
            self._came_back(owed)
        else:
            self._failed(owed, owed.fault)
        return owed.fault is None

    def _asked(self, owed: Owed, parting: bool) -> ServiceFault | None:
        try:
            owed.is_left = not self._lessor.check_in(owed.key, owed.mark, owed.token, parting=parting)
        except ServiceFault as fault:
            # not found: it lapsed, or an attempt whose answer was lost gave it back
            return None if fault.kind is FaultKind.NOT_FOUND else fault
        except BaseException as problem:  # a hook of the client's may raise anything
            if must_pass(problem):
                raise
            return ServiceFault(FaultKind.UNREACHABLE, "a hook of the client's failed", code=type(problem).__name__)
        return None

    def _came_back(self, owed: Owed) -> None:
        with self._lock:
            self._tries, self._next_try = 0, 0.0
            was_owed = self._drop(owed)
        if was_owed:
            owed.settle(owed.token)
            self._publisher.tell((LeaseLeft if owed.is_left else LeaseCheckedIn)(owed.requirement))
        if was_owed and not owed.is_left:
            self.on_return(owed.requirement)

    def _failed(self, owed: Owed, fault: ServiceFault) -> None:
        with self._lock:
            self._next_try = stopwatch() + max(pause(self._tries, random.random()), fault.retry_after or 0.0)
            self._tries += 1
            if not owed.is_unanswered and fault.kind is not FaultKind.REFUSED:  # IAM may be mended
                owed.noes += 1
            is_hopeless = owed.noes >= MOST_NOES or (not owed.is_unanswered and len(self._owed) > MOST_REFUSED)
            if self._drop(owed) and not is_hopeless:
                self._owed[owed.token] = owed  # behind the others
                if owed.is_unanswered:
                    self._unanswered[owed.token] = owed
        if is_hopeless:
            owed.settle(owed.token)
        self.on_failure(retry_pause(self._tries, random.random()))

    def give_back(self, owed: Owed, *, parting: bool = False) -> bool:
        """Make the first attempts to return a token. A failure is told once, and never raised."""
        until = stopwatch() + (0.0 if parting else SERIES)
        while not self.attempt(owed, parting=parting):
            delay = max(0.0, self._next_try - stopwatch())
            if not owed.may_be_tried_soon or stopwatch() + delay >= until or self._leaving.wait(delay):
                self.tell(owed)
                return False
        return True

    def tell(self, owed: Owed) -> None:
        """Tell, once, that a lease could not be given back."""
        if not owed.was_told:
            owed.was_told = True
            self._publisher.tell(CheckInFailed(owed.requirement, owed.fault.code if owed.fault else None))

    # -- asking again ----------------------------------------------------------------------------

    def recover(self, requirement: Requirement, key: bytes | None, soon: float, until: float) -> Owed | None:
        """Have back what is owed of these units, since a checkout would find them taken.

        Waits until ``soon``, and for what bars ``key`` until ``until``. Returns what is still owed then, else None.
        """
        is_first = True
        while (owed := self._in_the_way(requirement, key)) is not None:
            # who comes first asks at once, for the service may have come back since the last attempt
            is_time = stopwatch() >= (self._asked_at + PROMPTED if is_first else self._next_try)
            is_first = False
            if owed.asking is None and (is_time or owed.bars == key) and self.attempt(owed):
                continue
            left = (until if owed.bars == key else soon) - stopwatch()
            if left <= 0 or self._leaving.is_set() or not (owed.is_worth_waiting or owed.asking or owed.bars == key):
                return owed
            self._wait(owed, left)
        return None

    def owes(self, requirement: Requirement) -> bool:
        """Return True when units of these are owed, and could not be returned for want of an answer."""
        return self._in_the_way(requirement, None) is not None

    def _in_the_way(self, requirement: Requirement, key: bytes | None) -> Owed | None:
        names, now = {one.name for one in requirement}, stopwatch()
        with self._lock:
            failed = list(self._unanswered.values())
        owed = [one for one in failed if one.lapses_at > now and any(line.name in names for line in one.requirement)]
        return min(owed, key=lambda one: (one.bars != key, one.asking is not None), default=None)

    def _wait(self, owed: Owed, longest: float) -> None:
        asking = owed.asking
        if asking is not None:
            wait_for(asking, longest)
        else:
            self._leaving.wait(min(longest, max(0.0, self._next_try - stopwatch())))

    def collect(self) -> None:
        """Try failed check-ins again as the budget lets them, until one attempt fails."""
        for owed in self.left():
            if owed.asking is not None or self.waits(owed):
                continue
            too_soon = self._next_try - stopwatch()
            if too_soon <= 0:
                too_soon = self._budget.take()
            if too_soon > 0:
                self.on_failure(too_soon)
            if too_soon > 0 or self._leaving.is_set():
                break
            if not self.attempt(owed):
                self.tell(owed)
