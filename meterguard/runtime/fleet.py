"""The fleet: a guard's slots and the flights between them and the service."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import random
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from ..core import messages
from ..core.backoff import retry_pause
from ..core.lifecycle import Signal
from ..core.requirements import Ask, Requirement
from ..core.terms import Phase
from ..errors import ConfigurationError, EntitlementDenied
from ..lease import Lease
from ..ports import DenialMemory, LeaseTable, ServiceFault
from .clock import stopwatch
from .flights import Flight, Flights, Landing
from .queue import Queues
from .requests import Requester
from .returns import Owed
from .slots import Key, Slot
from .tending import Errand, Tender
from .waiting import wait_for
from .workers import Workers

CHECK_IN_WAIT = 2.0  # seconds a caller waits for its seat to be given back before it goes on


@dataclass(frozen=True, slots=True)
class Wait:
    """Something to wait for, and for how many seconds at most."""

    future: Future[Any]
    seconds: float


TableMaker = Callable[[Callable[[Slot], bool]], LeaseTable]
"""Makes a table, given what tells whether a slot has to stay."""


class Fleet:
    """Slots by key, seats of single calls, flights, workers."""

    def __init__(self, requester: Requester, make_table: TableMaker, denials: DenialMemory) -> None:
        self.requester = requester
        self.table = make_table(lambda slot: slot.is_busy() or slot.sought > 0 or self.flights.is_flying(slot.key))
        self.denials = denials
        self.lock = threading.RLock()
        self.flights = Flights()
        # a lane each: checkouts that take long, however many, hold up neither renewals nor check-ins
        self.workers, self.renewals, self.returns = (Workers(requester.policy.inline) for _ in range(3))
        self.tender = Tender(requester.clock, requester.policy, requester.announcer, self.renew, self.give_back_idle)
        self.errand = Errand(self._collect)
        requester.returns.on_return = self.vacated
        requester.returns.on_failure = functools.partial(self.tender.remind, self.errand)
        self.seats: set[Slot] = set()
        self.known: weakref.WeakSet[Slot] = weakref.WeakSet()
        self.returning: set[Future[None]] = set()
        self.serials = itertools.count(1)
        self.queues = Queues()
        self.is_closed = False
        self.is_inherited = False
        """Whether it came through a fork, so that nothing of it may be given back here."""

    def check_open(self) -> None:
        """A closed guard lets nothing through."""
        if self.is_closed:
            raise messages.closed()

    # -- slots -----------------------------------------------------------------------------------

    def seek(self, requirement: Requirement, ask: Ask) -> Slot:
        """The slot for this requirement, made when it is asked for the first time; it stays until it is found."""
        key = Key(requirement, ask.per, ask.single)
        evicted: list[Slot] = []
        with self.lock:
            slot: Slot | None = self.table.get(key)
            if slot is None:
                slot = Slot(key, self.requester.clock)
                self.known.add(slot)
                evicted = self.table.put(key, slot)
            slot.sought += 1
        for one in evicted:
            self._evict(one)
        return slot

    def found(self, slot: Slot) -> None:
        """A call that sought this slot was let in, or turned away."""
        with self.lock:
            slot.sought -= 1

    def _evict(self, slot: Slot) -> None:
        self.give_back(slot)
        for intent in slot.pending:
            self.returns.submit(functools.partial(self.requester.settle, slot, intent))

    def seat(self, parent: Slot) -> Slot:
        """A slot for one call, whose answers its parent hears of."""
        seat = Slot(parent.key._replace(serial=next(self.serials)), self.requester.clock, parent)
        with self.lock:
            self.known.add(seat)
            self.seats.add(seat)
        return seat

    def _drop(self, seat: Slot) -> None:
        with self.lock:
            self.seats.discard(seat)

    def all_slots(self) -> Iterator[Slot]:
        """Every slot there is, a snapshot, also one that was evicted while its caller was about to fly."""
        with self.lock:
            return iter(list(self.known))

    def leases(self) -> list[Lease]:
        """What is held."""
        return [lease for slot in self.all_slots() if (lease := slot.lease) is not None]

    def warm(self) -> None:
        """Make the client on a worker; what goes wrong is for the first call to say."""

        def work() -> None:
            with contextlib.suppress(ServiceFault, ConfigurationError):
                self.requester.service.connect()

        self.workers.submit(work)

    # -- flights ---------------------------------------------------------------------------------

    def board(self, slot: Slot, patience: float = math.inf, *, wanted: bool = True) -> Flight:
        """The flight that makes the slot's lease good, in the air; over, where it flies on the caller's own thread."""
        if wanted:
            slot.wanted = True
        inline = self.requester.policy.inline
        return self._board(slot, lambda slot: self.requester.obtain(slot, patience if inline else math.inf))

    def _board(self, slot: Slot, ask: Callable[[Slot], Landing]) -> Flight:
        flight, is_leader = self.flights.board(slot.key)
        if is_leader:
            is_renewal = slot.look(self.requester.clock.now()) in (Phase.DUE, Phase.DOUBTFUL)
            slot.asked_at = flight.boarded_at
            lane = self.renewals if is_renewal else self.workers
            _launch(lane, lambda: self.flights.fly(slot.key, flight, lambda: self._fly(slot, ask)))
        return flight

    def ask_again(self, slot: Slot) -> None:
        """Ask for a lease in the background, unless somebody does or it is too soon after the last try."""
        self._in_background(slot, self.requester.obtain)

    def renew(self, slot: Slot) -> None:
        """Renew the lease in the background, if it is still held then."""
        self._in_background(slot, self.requester.renew)

    def _in_background(self, slot: Slot, ask: Callable[..., Landing]) -> None:
        with slot.lock:
            if stopwatch() < slot.next_try or self.is_closed or self.flights.is_flying(slot.key):
                return
            self._pace(slot)
        if not self.requester.policy.inline:
            self._board(slot, ask)
            return
        # on the caller's thread, who pays for one attempt; the pause counts from its end, so that few calls pay
        self._board(slot, lambda slot: ask(slot, 0.0))
        if slot.tries:
            self._pace(slot)

    def _pace(self, slot: Slot) -> None:
        slot.next_try = stopwatch() + retry_pause(slot.tries, random.random())
        slot.tries += 1

    def _fly(self, slot: Slot, ask: Callable[[Slot], Landing]) -> Landing:
        if slot.returning is not None:  # beside it, a checkout might find its own unit still taken
            wait_for(slot.returning, CHECK_IN_WAIT)
        if self.is_closed:
            return Landing(messages.closed())
        if slot.abandoned:
            return Landing()
        if self.requester.policy.inline:
            self.requester.returns.collect()
        if slot.key.single and slot.parent is None:
            return self._sound(slot)
        landing = ask(slot)
        if isinstance(landing.error, EntitlementDenied) and not slot.state.holds:
            self.denials.remember((slot.parent or slot).key, landing.error)
        if landing.error is None or isinstance(landing.error, EntitlementDenied):
            (slot.parent or slot).leave_grace(self.requester.announcer, recovered=True)
        if slot.state.holds:
            self.tender.watch(slot)
        elif slot.parent is not None:
            self._drop(slot)
        return landing

    def _sound(self, parent: Slot) -> Landing:
        """Find out whether the service answers again, for calls that take seats of their own."""
        seat = self.seat(parent)
        try:
            return self.requester.obtain(seat)
        finally:
            self.give_back(seat)

    # -- giving back -----------------------------------------------------------------------------

    def abandon(self, slot: Slot) -> None:
        """The one call that wanted this seat is gone; what came for it, or still comes, goes back."""
        if slot.parent is not None:
            self.give_back(slot)

    def give_back_idle(self, slot: Slot) -> None:
        """Check the slot's lease in unless somebody took it up again."""
        self.give_back(slot, if_idle=True)

    def give_back(self, slot: Slot, *, if_idle: bool = False) -> Wait | None:
        """Check the slot's lease in, on a worker."""
        done = _pending()
        with slot.lock:
            owed = slot.let_go(Signal.RETURNED, self.requester.returns, if_idle=if_idle)
            if owed is not None:
                slot.returning = done
        if slot.parent is not None:
            self._drop(slot)
        if owed is None:
            return None
        self.returning.add(done)
        try:
            self.returns.submit(functools.partial(self._return, owed, done))
        except BaseException:  # Ctrl-C
            self.tender.remind(self.errand, 0.0)
            raise
        return Wait(done, CHECK_IN_WAIT)

    def _return(self, owed: Owed, done: Future[None]) -> None:
        try:
            self.requester.returns.give_back(owed)
        finally:
            self.returning.discard(done)
            done.set_result(None)

    def _collect(self) -> None:
        self.returns.submit(self.requester.returns.collect)

    def in_air(self) -> list[Future[Any]]:
        """Everything that is being asked or given back."""
        return [*(flight.future for flight in self.flights.in_air()), *self.returning.copy()]

    def end_threads(self, until: float) -> None:
        """Let all threads end, and wait for those that are idle. What is asked later has threads that end at once."""
        for lane in (self.workers, self.renewals, self.returns):
            lane.stop(until)
        self.tender.join(until)

    def forget(self) -> None:
        """In a forked child, whose only thread this is: nothing here is ours, and no lock of it may be taken."""
        self.is_closed = self.is_inherited = True
        self.lock = threading.RLock()
        self.tender.forget()
        self.requester.returns.forget()
        for slot in list(self.known):
            slot.forget()

    def vacated(self, requirement: Requirement) -> None:
        """Units came back: who was denied them may ask, and who waits for them longest does so at once."""
        names = {one.name for one in requirement}
        self.denials.forget(lambda key: any(one.name in names for one in key.requirement))
        self.queues.free(names)


def _launch(lane: Workers, job: Callable[[], None]) -> None:
    try:
        lane.submit(job)
    except BaseException:  # Ctrl-C, but others may wait for the flight already
        lane.submit(job)
        raise


def _pending() -> Future[None]:
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    return future
