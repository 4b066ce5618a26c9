"""The engine: how a call gets a lease, and gives it back.

``seek`` is one generator for all callers. It yields what has to be waited for, and is sent what came, None
when nothing came in time. The two doors differ only in how they wait.
"""

from __future__ import annotations

import contextlib
import copy
import os
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

from ..core import messages
from ..core.exhaustion import may_be_exhaustion, prove
from ..core.policy import Policy
from ..core.requirements import Ask, Requirement
from ..core.unknown import Unknown, answer_unknown
from ..errors import EntitlementDenied, EntitlementUnavailable, MeterGuardError
from ..lease import Lease, LeaseFacts
from ..ports import Clock, DenialMemory, LicenseService, Moment, Usage
from ..reasons import OnUnknown, Reason
from .announcing import Announcer
from .clock import stopwatch
from .fleet import Fleet, TableMaker, Wait
from .flights import Landing
from .queue import Place
from .requests import Requester
from .seats import Seats
from .slots import Slot
from .surveys import Survey
from .window import Window

LOOKS = 4  # how often a caller looks at a slot again before it gives up on a lease that keeps vanishing
OUTAGE_REMEMBERED = 30.0  # seconds
SHORT_WAIT = 1.0  # seconds, in which a service that is well answers several times over

Seek = Generator[Wait, "Landing | None", "Admission"]
Attempt = Generator[Wait, "Landing | None", "Admission | Exception"]


@dataclass(slots=True)
class Admission:
    """A call that is let through, and what it holds while it runs."""

    lease: Lease
    reason: Reason
    age: float
    slot: Slot | None = None
    """None when nothing is held: in grace and under ``"allow"``."""
    fault: EntitlementUnavailable | None = None
    """What kept the service from answering, when it did not."""
    seats: Seats | None = None
    """Where a call with a seat of its own is counted while it runs."""


@dataclass(frozen=True, slots=True)
class _Call:
    """One call that wants in."""

    ask: Ask
    hot: Window | None
    probing: bool
    declared: OnUnknown


class Engine:
    """Everything one guard holds and knows."""

    def __init__(
        self,
        service: LicenseService,
        clock: Clock,
        policy: Policy,
        make_table: TableMaker,
        denials: DenialMemory,
        announcer: Announcer,
    ) -> None:
        self.clock = clock
        self.policy = policy
        self.denials = denials
        self.announcer = announcer
        requester = Requester(service, clock, policy, announcer, threading.Event())
        self.fleet = Fleet(requester, make_table, denials)
        self.survey = Survey(self._usage, self.fleet.renewals, policy.denial_ttl)
        self.pid = os.getpid()

    def is_of_this_process(self) -> bool:
        """False in a forked child, also where Python's fork hooks did not run."""
        return self.pid == os.getpid()

    def warm(self) -> None:
        """Make the client on a worker."""
        self.fleet.warm()

    def _usage(self) -> tuple[Usage, ...]:
        held = (lease.license_arn for lease in self.fleet.leases())
        return self.fleet.requester.service.usage(next(filter(None, held), None))

    # -- getting in ------------------------------------------------------------------------------

    def seek(self, ask: Ask, hot: Window | None = None, *, probing: bool = False) -> Seek:
        """An admission, or the error that says why not."""
        self.fleet.check_open()
        call = _Call(ask, hot, probing, ask.on_unknown or self.policy.on_unknown)
        outcome = yield from (self._queue_up(call) if ask.wait else self._pass(call))
        if isinstance(outcome, Admission):
            return outcome
        if ask.proves and isinstance(outcome, EntitlementDenied):
            yield from self._prove(outcome)
        # each caller its own, for they share it; a hook's exception may not know how to be copied
        raise copy.copy(outcome) if isinstance(outcome, MeterGuardError) else outcome

    def _prove(self, denied: EntitlementDenied) -> Generator[Wait, Any, None]:
        """Find out, once for all who share a denial, whether all units are in use."""
        if denied.is_exhausted is None and may_be_exhaustion(denied):
            usages = yield self.survey.wait()
            prove(denied, usages)

    def _queue_up(self, call: _Call) -> Attempt:
        """Ask, and while the answer is a no wait in order for a better one."""
        give_up = stopwatch() + call.ask.wait
        queues = self.fleet.queues
        ticket = queues.ticket(call.ask.alternatives)
        is_alone = queues.denial(ticket.wanted) is None
        outcome = (yield from self._pass(call)) if is_alone else self._ride_any(call)
        while outcome is None or _is_worth_waiting(outcome):
            place = queues.join(ticket, outcome)
            try:
                outcome = yield from self._wait_in(place, call, give_up)
            finally:
                place.leave()
            if stopwatch() >= give_up:
                break
        return outcome

    def _wait_in(self, place: Place, call: _Call, give_up: float) -> Attempt:
        queue = place.queue
        while True:
            self.fleet.check_open()
            delay, news = place.look()
            left = give_up - stopwatch()
            if delay > 0 and left > 0:
                yield Wait(news, min(delay, left))
                continue
            if delay > 0 and queue.denial is not None:
                return queue.denial
            outcome = yield from self._pass(call)
            if not _is_worth_waiting(outcome):
                if not isinstance(outcome, Admission) or outcome.fault is not None:
                    queue.dissolve()
                return outcome
            if queue.is_dissolved:
                return outcome
            place.denied(outcome)

    def _ride_any(self, call: _Call) -> Admission | None:
        """What is held already, which nobody has to wait for."""
        with self._slots(call.ask) as slots:
            return self._riding(slots, call)

    def _pass(self, call: _Call) -> Attempt:
        """Try the alternatives once: those held first, then each in order."""
        with self._slots(call.ask) as slots:
            admission = self._riding(slots, call)
            if admission is not None:
                return admission
            errors: list[Exception] = []
            for slot in slots:
                outcome = yield from self._try(slot, call)
                if isinstance(outcome, Admission):
                    return outcome
                errors.append(outcome)
            return self._settle(slots, errors, call.declared)

    @contextlib.contextmanager
    def _slots(self, ask: Ask) -> Iterator[list[Slot]]:
        slots = [self.fleet.seek(requirement, ask) for requirement in ask.alternatives]
        try:
            yield slots
        finally:
            for slot in slots:
                self.fleet.found(slot)

    def _riding(self, slots: list[Slot], call: _Call) -> Admission | None:
        if call.ask.single:
            return None
        return next(filter(None, (self._ride(slot, call.hot, call.probing) for slot in slots)), None)

    def _try(self, slot: Slot, call: _Call) -> Attempt:
        """One alternative: what is remembered, else a flight."""
        ask = call.ask
        fault = slot.fault  # read once: a flight that lands clears it
        if fault is not None and _is_recent(slot) and self._in_grace(slot, call.declared):
            self.fleet.ask_again(slot)
            # it may have landed already, on this very thread where there are no others
            return self._ride(slot, call.hot, call.probing, fresh=True) or fault
        # who waits comes before who does not, and asks the service
        remembered = None if ask.wait else self.denials.recall(slot.key) or self.fleet.queues.denial(ask.alternatives)
        if remembered is not None:
            return remembered
        seat = self.fleet.seat(slot) if ask.single else slot
        try:
            return (yield from self._fly(seat, call, min(ask.patience, self._patience(slot, call.declared))))
        except BaseException:
            self.fleet.abandon(seat)
            raise

    def _fly(self, slot: Slot, call: _Call, patience: float) -> Attempt:
        error: Exception | None = None
        good = (slot.parent or slot).last_good
        deadline = stopwatch() + patience
        for _ in range(LOOKS):
            landing = yield from self._land(slot, call, deadline)
            if landing is None:
                break
            if landing.error is not None and (error is not None or not landing.was_renewal):
                return landing.error
            error = landing.error
            admission = self._ride(slot, call.hot, call.probing, fresh=True)
            if admission is not None:
                return admission
            if error is not None and slot.is_in_doubt(self.clock.now()):
                return error  # it is held, so a checkout would take a second seat
        # it may have come in the last moment
        return self._ride(slot, call.hot, call.probing, fresh=True) or self._too_slow(slot, patience, good)

    def _land(self, slot: Slot, call: _Call, deadline: float) -> Generator[Wait, Landing | None, Landing | None]:
        """Wait for the slot's flight, None: in vain.

        A call with a seat of its own waits for it, and does without on grace only once an attempt has failed: an
        answer that is slow is no unknown, and a call that runs without its seat is not counted by the service.
        """
        left, owner = deadline - stopwatch(), slot.parent
        trouble = None if owner is None else owner.trouble
        can_do_without = owner is not None and owner.last_good is not None and self._in_grace(owner, call.declared)
        # attempts on the caller's own thread begin within this time, and each is waited for
        patience = min(left, SHORT_WAIT) if can_do_without else left
        flight = self.fleet.board(slot, patience, wanted=not call.probing)
        landing = yield Wait(flight.future, patience)
        while landing is None and owner is not None and owner.trouble is trouble and stopwatch() < deadline:
            landing = yield Wait(flight.future, min(deadline - stopwatch(), SHORT_WAIT))
        return landing

    def _too_slow(self, slot: Slot, patience: float, good: Moment | None) -> EntitlementUnavailable:
        self.fleet.abandon(slot)
        owner = slot.parent or slot
        fault = messages.timed_out(slot.key.requirement, patience, slot.trouble or owner.trouble)
        owner.kept_waiting(good, fault, stopwatch())
        return fault

    def _ride(self, slot: Slot, hot: Window | None, probing: bool, fresh: bool = False) -> Admission | None:
        now = self.clock.now()
        lease = slot.ride(now, hot, self.policy.linger, wanted=not probing, is_alone=self.policy.inline)
        if lease is None:
            return None
        if slot.wants_renewal(now):
            self.fleet.renew(slot)
        seats = None if slot.parent is None else slot.parent.seats
        if seats is not None:
            seats.take()
        return Admission(lease, Reason.CHECKED_OUT if fresh else Reason.CACHED, slot.age(now), slot, seats=seats)

    # -- unknown ---------------------------------------------------------------------------------

    def _patience(self, slot: Slot, declared: OnUnknown) -> float:
        """Seconds a call waits for an answer: few where grace can carry it, or in an outage that is known."""
        is_outage = slot.fault is not None and _is_recent(slot)
        is_carried = not slot.key.single and slot.last_good is not None and self._in_grace(slot, declared)
        if is_outage or is_carried:
            return min(SHORT_WAIT, self.policy.timeout)
        return self.policy.timeout

    def _in_grace(self, slot: Slot, declared: OnUnknown) -> bool:
        now = self.clock.now()
        slot.notice_end(now, self.announcer)
        is_grace = slot.answer_unknown(declared, now, self.policy.grace) is Unknown.GRACE
        if not is_grace:
            slot.leave_grace(self.announcer, recovered=False)
        return is_grace

    def _settle(self, slots: list[Slot], errors: list[Exception], declared: OnUnknown) -> Admission | Exception:
        """What it comes to when no alternative was granted."""
        unknown = next((error for error in errors if isinstance(error, EntitlementUnavailable)), None)
        if unknown is None or any(not isinstance(e, EntitlementDenied | EntitlementUnavailable) for e in errors):
            return _gravest(errors)
        refusal = next((slot.refusal for slot in slots if slot.refusal is not None), None)
        if refusal is not None:
            return refusal  # the buyer controls IAM and the network alike
        now = self.clock.now()
        for slot in slots:
            if self._in_grace(slot, declared) and slot.last_lease is not None:
                if slot.seats is not None and not slot.seats.take_on_grace():
                    return messages.no_more_on_grace(unknown)
                slot.enter_grace(now, self.policy.grace, self.announcer)
                return Admission(slot.last_lease, Reason.GRACE, slot.age(now), None, unknown, slot.seats)
        if answer_unknown(declared, slots[0].state, None, now, 0.0) is Unknown.ALLOW:
            return Admission(_no_lease(slots[0].key.requirement), Reason.ALLOWED_UNKNOWN, 0.0, None, unknown)
        return unknown

    # -- getting out -----------------------------------------------------------------------------

    def release(self, admission: Admission, *, probing: bool = False) -> Wait | None:
        """The call is over. What is returned has to be waited for."""
        slot, seats = admission.slot, admission.seats
        if seats is not None:
            seats.give(on_grace=slot is None)
        if slot is None:
            return None
        slot.unpin(self.clock.now())
        if slot.key.single:
            return self.fleet.give_back(slot)
        if probing and slot.is_unwanted():
            return self.fleet.give_back(slot, if_idle=True)
        if self.policy.linger is not None:
            self.fleet.tender.watch(slot)
        return None


def _is_recent(slot: Slot) -> bool:
    return stopwatch() - slot.fault_at < OUTAGE_REMEMBERED


def _is_worth_waiting(outcome: Admission | Exception) -> TypeGuard[EntitlementDenied]:
    return isinstance(outcome, EntitlementDenied) and outcome.reason in (Reason.NOT_ENTITLED, Reason.COVERS_LESS)


def _gravest(errors: list[Exception]) -> Exception:
    """A mistake of ours before a no; among noes, that of the first choice."""
    return next(
        (error for error in errors if not isinstance(error, EntitlementDenied | EntitlementUnavailable)), errors[0]
    )


def _no_lease(requirement: Requirement) -> Lease:
    return Lease(LeaseFacts(requirement), lambda: 0.0)
