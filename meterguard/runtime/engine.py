"""The engine: how a call gets a lease, and gives it back.

``seek`` is one generator for all callers. It yields what has to be waited for, and is sent what came, None
when nothing came in time. The two drivers differ only in how they wait.
"""

from __future__ import annotations

import contextlib
import copy
import os
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..core import messages
from ..core.causes import gravest
from ..core.exhaustion import may_be_exhaustion, prove, retry_after
from ..core.lease_state import LeaseState
from ..core.policy import Policy
from ..core.requirements import Question, Requirement
from ..core.unknown import Unknown, answer_unknown
from ..errors import EntitlementDenied, EntitlementUnavailable, MeterGuardError
from ..lease_store import DenialMemory, LeaseStore
from ..ports import Clock, LicenseService, Moment, Usage
from ..reasons import OnUnknown, Reason
from .admission import Admission
from .clock import stopwatch
from .exchange import Exchange
from .lessor import Lessor
from .patience import Asks, queue_up
from .publisher import Publisher
from .queue import Standing
from .records import Record
from .reentry import is_inside
from .registry import Registry
from .request_budget import RequestBudget
from .single_flight import Landing
from .usage import UsageSurvey
from .vacancies import soonest
from .waits import Wait
from .window import Window

LOOKS = 4  # how often a caller looks at a record again before it gives up on a lease that keeps vanishing
OUTAGE_REMEMBERED = 30.0  # seconds
SHORT_WAIT = 1.0  # seconds, in which a service that is well answers several times over

Seek = Generator[Wait, "Landing | None", "Admission"]
Attempt = Generator[Wait, "Landing | None", "Admission | Exception"]


@dataclass(frozen=True, slots=True)
class _Call:
    """A call that is to be let in."""

    ask: Question
    hot: Window | None
    probing: bool
    declared: OnUnknown


class Engine:
    """The engine of one guard: it lets calls in and takes back what they held."""

    def __init__(
        self,
        service: LicenseService,
        clock: Clock,
        policy: Policy,
        store: LeaseStore[LeaseState],
        denials: DenialMemory[tuple[bytes, Requirement]],
        publisher: Publisher,
        leaving: threading.Event,
        lessor: Lessor,
        budget: RequestBudget,
    ) -> None:
        self.clock = clock
        self.policy = policy
        self.denials = denials
        self.publisher = publisher
        exchange = Exchange(service, clock, policy, publisher, leaving, lessor, budget)
        self.registry = Registry(exchange, store, denials)
        self.survey = UsageSurvey(self._usage, self.registry.renewals, policy.denial_ttl)
        self.pid = os.getpid()

    def is_of_this_process(self) -> bool:
        """False in a forked child, also where Python's fork hooks did not run."""
        return self.pid == os.getpid()

    def warm(self) -> None:
        """Make the client on a worker."""
        self.registry.warm()

    def _usage(self) -> tuple[Usage, ...]:
        held = (lease.license_arn for lease in self.registry.leases())
        return self.registry.exchange.service.usage(next(filter(None, held), None))

    # -- getting in ------------------------------------------------------------------------------

    def seek(self, ask: Question, hot: Window | None = None, *, probing: bool = False) -> Seek:
        """Seek an admission; end with it, or with the error that says why not."""
        self.registry.check_open()
        began = stopwatch()
        call = _Call(ask, hot, probing, ask.on_unknown or self.policy.on_unknown)
        standing = None
        if ask.wait:
            outcome, standing = yield from self._queue_up(call)
        else:
            outcome = yield from self._pass(call)
        if isinstance(outcome, Admission):
            return outcome
        if ask.proves and isinstance(outcome, EntitlementDenied):
            yield from self._prove(outcome, began)
        # each caller its own, for they share it; a hook's exception may not know how to be copied
        own = copy.copy(outcome) if isinstance(outcome, MeterGuardError) else outcome
        if standing is not None and isinstance(own, EntitlementDenied):
            own.waited = messages.waited(ask.wait, *standing)
            own.ahead = standing.calls + standing.others
        raise own

    def _prove(self, denied: EntitlementDenied, began: float) -> Generator[Wait, Any, None]:
        """Find out, once for all who share a denial, whether all units are in use."""
        if denied.is_exhausted is None and may_be_exhaustion(denied):
            usages = yield from self.survey.explaining(denied, began)
            if prove(denied, usages) and denied.retry_after is None:
                wanted = denied.missing or denied.entitlements
                retry_after(denied, soonest(self.registry.all_records(), wanted, self.clock.now()))

    def _queue_up(self, call: _Call) -> Generator[Wait, Any, tuple[Admission | Exception, Standing | None]]:
        """Ask, and while the answer is a no wait in order for a better one."""
        wanted, check_open = call.ask.alternatives, self.registry.check_open
        asks = Asks(wanted, check_open, partial(self._ride_any, call), partial(self._pass, call))
        return (yield from queue_up(self.registry.queues, asks, call.ask.wait))

    def _ride_any(self, call: _Call) -> Admission | None:
        """Return the admission under a lease that is held already; None where there is none."""
        with self._records(call.ask) as records:
            return self._riding(records, call)

    def _pass(self, call: _Call) -> Attempt:
        """Try the alternatives once: those held first, then each in order."""
        with self._records(call.ask) as records:
            admission = self._riding(records, call)
            if admission is not None:
                return admission
            errors: list[Exception] = []
            for record in records:
                outcome = yield from self._try(record, call)
                if isinstance(outcome, Admission):
                    return outcome
                errors.append(outcome)
            return self._settle(records, errors, call.declared)

    @contextlib.contextmanager
    def _records(self, ask: Question) -> Iterator[list[Record]]:
        records = [self.registry.seek(requirement, ask) for requirement in ask.alternatives]
        try:
            yield records
        finally:
            for record in records:
                self.registry.found(record)

    def _riding(self, records: list[Record], call: _Call) -> Admission | None:
        if call.ask.single:
            return None
        return next(filter(None, (self._ride(record, call.hot, call.probing) for record in records)), None)

    def _try(self, record: Record, call: _Call) -> Attempt:
        """Try one alternative: a remembered answer, else a flight."""
        ask = call.ask
        fault = record.setbacks.fault  # read once: a flight that lands clears it
        if fault is not None and _is_recent(record) and self._in_grace(record, call.declared):
            self.registry.ask_again(record)
            # it may have landed already, on this very thread where there are no others
            return self._ride(record, call.hot, call.probing, fresh=True) or fault
        # who waits comes before who does not, and asks the service
        remembered = None if ask.wait else self.registry.denial(record) or self.registry.queues.denial(ask.alternatives)
        if remembered is not None:
            return remembered
        seat = self.registry.seat(record) if ask.single else record
        outcome: Admission | Exception | None = None
        try:
            outcome = yield from self._fly(seat, call, min(ask.patience, self._patience(record, call.declared)))
            return outcome
        finally:
            if not isinstance(outcome, Admission):  # it may be held, in doubt
                self.registry.abandon(seat)

    def _fly(self, record: Record, call: _Call, patience: float) -> Attempt:
        error: Exception | None = None
        good = (record.parent or record).last_good
        deadline = stopwatch() + patience
        for _ in range(LOOKS):
            landing = yield from self._land(record, call, deadline)
            if landing is None:
                break
            if landing.error is not None and (error is not None or not landing.was_renewal):
                return landing.error
            error = landing.error
            admission = self._ride(record, call.hot, call.probing, fresh=True)
            if admission is not None:
                return admission
            if error is not None and record.is_in_doubt(self.clock.now()):
                return error  # it is held, so a checkout would take a second seat
        # it may have come in the last moment
        return self._ride(record, call.hot, call.probing, fresh=True) or self._too_slow(record, patience, good)

    def _land(self, record: Record, call: _Call, deadline: float) -> Generator[Wait, Landing | None, Landing | None]:
        """Wait for the record's flight. None: in vain.

        A call with a seat of its own waits for it, and does without on grace only once an attempt has failed: an
        answer that is slow is no unknown, and a call that runs without its seat is not counted by the service.
        """
        left, owner = deadline - stopwatch(), record.parent
        trouble = None if owner is None else owner.setbacks.trouble
        can_do_without = owner is not None and owner.last_good is not None and self._in_grace(owner, call.declared)
        # attempts on the caller's own thread begin within this time, and each is waited for
        patience = min(left, SHORT_WAIT) if can_do_without else left
        is_fresh = call.ask.wait > 0
        flight = self.registry.join(record, patience, wanted=not call.probing, is_fresh=is_fresh)
        landing = yield Wait(flight.future, patience)
        while landing is None and owner is not None and owner.setbacks.trouble is trouble and stopwatch() < deadline:
            landing = yield Wait(flight.future, min(deadline - stopwatch(), SHORT_WAIT))
        return landing

    def _too_slow(self, record: Record, patience: float, good: Moment | None) -> EntitlementUnavailable:
        self.registry.abandon(record)
        owner = record.parent or record
        fault = messages.timed_out(record.requirement, patience, record.setbacks.trouble or owner.setbacks.trouble)
        owner.kept_waiting(good, fault)
        return fault

    def _ride(self, record: Record, hot: Window | None, probing: bool, fresh: bool = False) -> Admission | None:
        now = self.clock.now()
        if not record.ride(now, hot, wanted=not probing):
            return None
        seats = None if record.parent is None else record.parent.seats
        facts, take_back = record.state.facts, self.discard
        reason = Reason.CHECKED_OUT if fresh else Reason.CACHED
        if facts is not None and facts.is_borrowed:
            reason = Reason.BORROWED
        admission = Admission(
            reason, record.requirement, record.age(now), record, is_pinned=True, seats=seats, take_back=take_back
        )
        if seats is not None:
            seats.take()
        if record.wants_renewal(now):
            self.registry.renew(record)
        return admission

    # -- unknown ---------------------------------------------------------------------------------

    def _patience(self, record: Record, declared: OnUnknown) -> float:
        """Return the seconds for which a call waits: few where grace can carry it, or in an outage that is known."""
        is_outage = record.setbacks.fault is not None and _is_recent(record)
        is_carried = not record.is_single and record.last_good is not None and self._in_grace(record, declared)
        if is_outage or is_carried:
            return min(SHORT_WAIT, self.policy.timeout)
        return self.policy.timeout

    def _in_grace(self, record: Record, declared: OnUnknown) -> bool:
        now = self.clock.now()
        record.notice_end(now)
        # that a gate declares otherwise ends no grace of another's
        is_grace = record.answer_unknown(OnUnknown.GRACE, now, self.policy.grace) is Unknown.GRACE
        if not is_grace:
            record.leave_grace(recovered=False)
        return is_grace and declared is OnUnknown.GRACE

    def _settle(self, records: list[Record], errors: list[Exception], declared: OnUnknown) -> Admission | Exception:
        """Return the outcome when no alternative was granted."""
        unknown = next((error for error in errors if isinstance(error, EntitlementUnavailable)), None)
        if unknown is None or any(not isinstance(e, EntitlementDenied | EntitlementUnavailable) for e in errors):
            return gravest(errors)
        refusal = next((record.refusal for record in records if record.refusal is not None), None)
        if refusal is not None:
            return refusal  # the buyer controls IAM and the network alike
        now = self.clock.now()
        for record in records:
            if self._in_grace(record, declared) and record.state.facts is not None:
                if record.seats is not None and not record.seats.take_on_grace():
                    return messages.no_more_on_grace(unknown)
                record.enter_grace(now, self.policy.grace)
                seats, take_back = record.seats, self.discard
                age, what = record.age(now), record.requirement
                return Admission(Reason.GRACE, what, age, record, fault=unknown, seats=seats, take_back=take_back)
        if answer_unknown(declared, records[0].state.standing, None, now, 0.0) is Unknown.ALLOW:
            return Admission(Reason.ALLOWED_UNKNOWN, records[0].requirement, fault=unknown)
        return unknown

    # -- getting out -----------------------------------------------------------------------------

    def release(self, admission: Admission, *, probing: bool = False) -> Wait | None:
        """The call is over. What is returned has to be waited for.

        Interrupted by a signal handler, it is finished when the admission is thrown away. In a forked child the lease
        is the parent's, and a lock may be that of a thread which is not there.
        """
        if not self.is_of_this_process():
            admission.end()
            return None
        record, seats, wait = admission.record, admission.seats, None
        if seats is not None:
            admission.seats = None
            seats.give(on_grace=not admission.is_pinned)
        if record is not None and admission.is_pinned:
            if not admission.is_unpinned:
                admission.is_unpinned = True
                record.unpin(self.clock.now())
            wait = self._over(record, probing)
        admission.end()
        return wait

    def discard(self, admission: Admission) -> Wait | None:
        """Release what a finalizer gives back, on a worker where this thread may hold a lock of ours."""
        if not self.is_of_this_process() or not is_inside():
            return self.release(admission)
        self.registry.returns.submit(partial(self.release, admission))
        return None

    def _over(self, record: Record, probing: bool) -> Wait | None:
        if record.is_single:
            return self.registry.give_back(record)
        if probing and record.is_unwanted():
            return self.registry.give_back(record, if_idle=True)
        if self.policy.linger is not None:
            self.registry.renewal.watch(record)
        return None


def _is_recent(record: Record) -> bool:
    return stopwatch() - record.setbacks.fault_at < OUTAGE_REMEMBERED
