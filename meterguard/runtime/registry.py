"""The registry: a guard's records by key, and the flights between them and the service."""

from __future__ import annotations

import contextlib
import copy
import functools
import itertools
import math
import random
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any
from uuid import uuid4

from ..core import keys, lease_state, messages
from ..core.backoff import retry_pause
from ..core.lease_state import LeaseState
from ..core.requirements import Question, Requirement
from ..core.terms import Phase
from ..errors import ConfigurationError, EntitlementDenied
from ..lease import Lease
from ..lease_store import DenialMemory, LeaseStore
from ..ports import ServiceFault
from .check_ins import CHECK_IN_WAIT, CheckIns
from .clock import stopwatch
from .deferrals import Waiting
from .exchange import Exchange
from .holdings import Surroundings, new_locks
from .lost_checkouts import settle
from .queue import Queues
from .records import Record, Seat, SharedBySeats
from .renewal import Renewal
from .single_flight import Flight, Landing, SingleFlight
from .waits import Wait, wait_for
from .workers import Workers

Work = Callable[[Record, float], Landing]
"""Asks the service for a record's lease, which was wanted at a moment of the stopwatch."""


class Registry:
    """Records by key, seats of single calls, flights, workers."""

    def __init__(
        self, exchange: Exchange, store: LeaseStore[LeaseState], denials: DenialMemory[tuple[bytes, Requirement]]
    ) -> None:
        self.exchange = exchange
        self.around = Surroundings(
            exchange.clock, store, exchange.publisher, exchange.returns, exchange.policy.linger, exchange.policy.inline
        )
        self.index: dict[Hashable, Record] = {}
        """The one used last comes last. A key is canonical, or where there is none what was asked for."""
        self.denials = denials
        self.lock = threading.RLock()
        self.flights = SingleFlight()
        # a lane each: checkouts that take long, however many, hold up neither renewals nor check-ins
        self.workers, self.renewals, self.returns = (Workers(exchange.policy.inline) for _ in range(3))
        self.renewal = Renewal(
            exchange.clock,
            exchange.policy,
            exchange.budget,
            functools.partial(self._in_background, ask=exchange.renew),
            self.give_back_idle,
            self.flights.is_flying,
            self.all_records,
        )
        self.check_ins = CheckIns(self.returns, exchange.returns, self.renewal, self._drop)
        exchange.returns.on_return = self.vacated
        exchange.make_room = self.renewal.deferrals.make_room
        self.seats: set[Record] = set()
        self.serials = itertools.count(1)
        self.mark = uuid4().hex[:12]  # of the seats of this registry
        self.queues = Queues()
        self.parting: list[Callable[[], None]] = []
        """What else is to be done when the guard closes."""
        self.is_closed = False
        self.is_inherited = False
        """Whether it came through a fork, so that nothing of it may be given back here."""

    def denial(self, record: Record) -> Exception | None:
        """Return the denial that is remembered of this record's lease."""
        return self.denials.recall(_remembered(record))

    def check_open(self) -> None:
        """Raise ConfigurationError where the guard is closed."""
        if self.is_closed:
            raise messages.closed()

    # -- records ---------------------------------------------------------------------------------

    def seek(self, requirement: Requirement, question: Question) -> Record:
        """Return the record for this requirement, made when it is asked for first; it stays until it is found."""
        per, single = question.per, question.single
        key = keys.encoded(requirement, per, "" if single else None)
        place: Hashable = (requirement, per, single) if key is None else key
        evicted: list[Record] = []
        with self.lock:
            record = self.index.pop(place, None)
            if record is None:
                key = key or keys.numbered(requirement, self._number(), "" if single else None)
                record = (SharedBySeats if single else Record)(key, keys.shared(requirement), self.around)
            self.index[place] = record
            record.sought += 1
            if len(self.index) > self.exchange.policy.max_leases:
                evicted = self._make_room()
        for one in evicted:
            self._evict(one)
        return record

    def _number(self) -> int | str:
        number = next(self.serials)
        return f"{self.mark}-{number}" if self.exchange.lessor.is_shared else number

    def _make_room(self) -> list[Record]:
        """Take out the records used longest ago, but those that are in use."""
        surplus = len(self.index) - self.exchange.policy.max_leases
        unused = ((place, one) for place, one in self.index.items() if not self.is_busy(one))
        evicted = list(itertools.islice(unused, surplus))
        for place, _ in evicted:
            del self.index[place]
        return [one for _, one in evicted]

    def is_busy(self, record: Record) -> bool:
        """Tell whether a call uses a record, looks for it, or waits for its lease."""
        return record.pins > 0 or record.sought > 0 or self.flights.is_flying(record.key)

    def found(self, record: Record) -> None:
        """Note that a call that sought this record was let in, or turned away."""
        with self.lock:
            record.sought -= 1

    def _evict(self, record: Record) -> None:
        self.renewal.drop(record)
        pending = record.pending(self.exchange.clock.now())
        self.give_back(record)
        record.become(lease_state.forgotten)
        for intent in pending:
            self.returns.submit(functools.partial(settle, self.exchange, record, intent))
        if self.exchange.lessor.is_open(record.key):
            self.returns.submit(functools.partial(self.exchange.lessor.settle, record.key))

    def seat(self, parent: Record) -> Seat:
        """Make a record for one call, whose answers its parent hears of."""
        seat = Seat(keys.seat_of(parent.key, f"{self.mark}-{next(self.serials)}"), parent)
        with self.lock:
            self.seats.add(seat)
        return seat

    def _drop(self, seat: Record, landing: Landing | None = None) -> None:
        self.renewal.drop(seat)
        with self.lock:
            self.seats.discard(seat)
        if landing is not None and isinstance(landing.error, EntitlementDenied) and not landing.was_renewal:
            seat.become(lease_state.closed)  # so that the store keeps nothing of it

    def all_records(self) -> list[Record]:
        """Return every record there is, a snapshot."""
        with self.lock:
            return [*self.index.values(), *self.seats]

    def leases(self) -> list[Lease]:
        """Return what is held."""
        held = [record.lease() for record in self.all_records() if record.state.standing.holds]
        return [lease for lease in held if lease is not None]

    def warm(self) -> None:
        """Make the client on a worker; what goes wrong is for the first call to say."""

        def work() -> None:
            with contextlib.suppress(ServiceFault, ConfigurationError):
                self.exchange.service.connect()

        self.workers.submit(work)

    # -- flights ---------------------------------------------------------------------------------

    def join(
        self, record: Record, patience: float = math.inf, *, wanted: bool = True, is_fresh: bool = False
    ) -> Flight:
        """Return the flight that makes the record's lease good, which is over where it flies on the caller's thread."""
        if wanted:
            record.wanted = True
        most = patience if self.exchange.policy.inline else math.inf
        return self._join(record, lambda record, since: self.exchange.obtain(record, since, most, is_fresh=is_fresh))

    def _join(self, record: Record, ask: Work) -> Flight:
        flight, is_leader = self.flights.join(record.key)
        if is_leader:
            is_renewal = record.phase(self.exchange.clock.now()) in (Phase.DUE, Phase.DOUBTFUL)
            lane = self.renewals if is_renewal else self.workers
            since = flight.joined_at
            _launch(lane, lambda: self.flights.fly(record.key, flight, lambda: self._fly(record, ask, since)))
        return flight

    def ask_again(self, record: Record) -> None:
        """Ask for a lease in the background, unless somebody does or it is too soon after the last try."""
        self._in_background(record, self.exchange.obtain)

    def renew(self, record: Record) -> None:
        """Renew the lease in the background, as soon as the budget lets it, if it is still held then."""
        self.renewal.renew(record)

    def confirm(self, record: Record) -> None:
        """Renew the lease that is held in the background, though it is not due, as soon as the budget lets it."""
        confirm = functools.partial(self._in_background, record, self.exchange.confirm)
        waiting = Waiting(record.requirement, record.key, confirm)
        if self.renewal.deferrals.lets_renew(record, waiting, record.remaining() / 2):
            confirm()

    def _in_background(self, record: Record, ask: Callable[..., Landing]) -> None:
        with record.lock:
            if stopwatch() < record.setbacks.next_try or self.is_closed or self.flights.is_flying(record.key):
                return
            self._pace(record)
        if not self.exchange.policy.inline:
            self._join(record, ask)
            return
        # on the caller's thread, who pays for one attempt; the pause counts from its end, so that few calls pay
        self._join(record, lambda record, since: ask(record, since, 0.0))
        if record.setbacks.tries:
            self._pace(record)

    def _pace(self, record: Record) -> None:
        noted = record.noted()
        noted.next_try = stopwatch() + retry_pause(noted.tries, random.random())
        noted.tries += 1

    def _fly(self, record: Record, ask: Work, since: float) -> Landing:
        self._let_return(record)
        if self.is_closed:
            return Landing(messages.closed())
        if record.is_abandoned:
            return Landing()
        if self.exchange.policy.inline:
            self.exchange.returns.collect()
        if record.seats is not None:
            return self._sound(record)
        landing = ask(record, since)
        if isinstance(landing.error, EntitlementDenied) and not record.state.standing.holds:
            # a copy, without the frames that it came through and all that they refer to
            self.denials.remember(_remembered(record.parent or record), copy.copy(landing.error))
        if landing.error is None or isinstance(landing.error, EntitlementDenied):
            (record.parent or record).leave_grace(recovered=True)
        if record.state.standing.holds:
            self.renewal.watch(record)
        elif record.parent is not None:
            self._drop(record, landing)
        return landing

    def _let_return(self, record: Record) -> None:
        """Wait for what goes back under the record's key: beside it, a checkout might find its own unit still taken."""
        for returning in (*self.renewal.deferrals.hurry(record.key), record.setbacks.returning):
            if returning is not None:
                wait_for(returning, CHECK_IN_WAIT)

    def _sound(self, parent: Record) -> Landing:
        """Find out whether the service answers again, for calls that take seats of their own."""
        seat = self.seat(parent)
        try:
            return self.exchange.obtain(seat, stopwatch())
        finally:
            self.give_back(seat)

    # -- giving back -----------------------------------------------------------------------------

    def abandon(self, record: Record) -> None:
        """Return the seat of a call that is gone, whether it has come or is still to come."""
        if record.parent is not None:
            self.give_back(record)
            self.flights.strike_off(record.key)

    def give_back_idle(self, record: Record) -> None:
        """Check the record's lease in, which has had its place in the budget, unless somebody took it up again."""
        self.check_ins.give_back(record, if_idle=True, has_waited=True)

    def give_back(self, record: Record, *, if_idle: bool = False) -> Wait | None:
        """Check the record's lease in, on a worker."""
        return self.check_ins.give_back(record, if_idle=if_idle)

    def give_back_seat(self, per: tuple[Hashable, ...]) -> list[Wait]:
        """Give back the leases of one value of ``per``, which nobody will use again. Return what can be waited for."""
        with self.lock:
            held = [one for place, one in self.index.items() if place == keys.encoded(one.requirement, per)]
        return [wait for one in held if (wait := self.give_back(one)) is not None]

    def give_back_borrowed(self) -> None:
        """Ride no longer on borrowed licences, so that each call looks anew."""
        for record in self.all_records():
            facts = record.state.facts
            if record.state.standing.holds and facts is not None and facts.is_borrowed:
                self.give_back(record)

    def in_air(self) -> list[Future[Any]]:
        """Return the flights and check-ins that are under way."""
        return [*(flight.future for flight in self.flights.in_air()), *self.check_ins.under_way.copy()]

    def end_threads(self, until: float) -> None:
        """Let all threads end, and wait for those that are idle. What is asked later has threads that end at once."""
        for lane in (self.workers, self.renewals, self.returns):
            lane.stop(until)
        self.renewal.agenda.join(until)

    def forget(self) -> None:
        """In a forked child, whose only thread this is: nothing here is ours, and no lock of it may be taken."""
        self.is_closed = self.is_inherited = True
        self.lock = threading.RLock()
        self.renewal.forget()
        self.exchange.returns.forget()
        self.around.locks = new_locks()
        for record in (*self.index.values(), *self.seats):
            record.forget()

    def vacated(self, requirement: Requirement) -> None:
        """Forget denials for units that came back, and let the call that has waited longest ask at once."""
        names = {one.name for one in requirement}
        self.denials.forget(lambda key: any(one.name in names for one in key[1]))
        self.queues.free(names)


def _remembered(record: Record) -> tuple[bytes, Requirement]:
    return record.key, record.requirement


def _launch(lane: Workers, job: Callable[[], None]) -> None:
    try:
        lane.submit(job)
    except BaseException:  # Ctrl-C, but others may wait for the flight already
        lane.submit(job)
        raise
