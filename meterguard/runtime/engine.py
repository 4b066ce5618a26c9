"""The engine: how a call gets a lease, and gives it back.

``seek`` is one generator for all callers. It yields what has to be waited for, and is sent what came, None
when nothing came in time. The two doors differ only in how they wait.
"""

from __future__ import annotations

import copy
import os
import random
import threading
from collections.abc import Generator
from dataclasses import dataclass

from ..core import messages
from ..core.backoff import pause
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
from .requests import Requester
from .slots import Slot
from .surveys import Survey
from .window import Window

LOOKS = 4  # how often a caller looks at a slot again before it gives up on a lease that keeps vanishing
OUTAGE_REMEMBERED = 30.0  # seconds
SHORT_WAIT = 1.0  # seconds, in which a service that is well answers several times over

Seek = Generator[Wait, "Landing | None", "Admission"]


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

    def survey_wait(self) -> Wait:
        """What is in use of the licence, to be waited for."""
        self.fleet.check_open()
        return Wait(self.survey.look(), self.policy.timeout)

    def _usage(self) -> tuple[Usage, ...]:
        held = (lease.license_arn for lease in self.fleet.leases())
        return self.fleet.requester.service.usage(next(filter(None, held), None))

    # -- getting in ------------------------------------------------------------------------------

    def seek(self, ask: Ask, hot: Window | None = None, *, probing: bool = False) -> Seek:
        """An admission, or the error that says why not."""
        give_up = stopwatch() + ask.wait
        attempt = 0
        while True:
            self.fleet.check_open()
            vacancy = self.fleet.vacancy() if ask.wait else None
            outcome = yield from self._pass(ask, hot, probing)
            if isinstance(outcome, Admission):
                return outcome
            left = give_up - stopwatch()
            if vacancy is None or left <= 0 or not _is_worth_waiting(outcome):
                # each caller its own, for they share it; a hook's exception may not know how to be copied
                raise copy.copy(outcome) if isinstance(outcome, MeterGuardError) else outcome
            yield Wait(vacancy, min(left, 0.1 + pause(attempt, random.random())))
            attempt += 1

    def _pass(
        self, ask: Ask, hot: Window | None, probing: bool
    ) -> Generator[Wait, Landing | None, Admission | Exception]:
        """Try the alternatives once."""
        slots = [self.fleet.seek(requirement, ask) for requirement in ask.alternatives]
        try:
            return (yield from self._among(slots, ask, hot, probing))
        finally:
            for slot in slots:
                self.fleet.found(slot)

    def _among(
        self, slots: list[Slot], ask: Ask, hot: Window | None, probing: bool
    ) -> Generator[Wait, Landing | None, Admission | Exception]:
        """Those held first, then each in order."""
        if not ask.single:
            for slot in slots:
                admission = self._ride(slot, hot, probing)
                if admission is not None:
                    return admission
        declared = ask.on_unknown or self.policy.on_unknown
        errors: list[Exception] = []
        for slot in slots:
            outcome = yield from self._try(slot, ask, hot, probing, declared)
            if isinstance(outcome, Admission):
                return outcome
            errors.append(outcome)
        return self._settle(slots, errors, declared)

    def _try(
        self, slot: Slot, ask: Ask, hot: Window | None, probing: bool, declared: OnUnknown
    ) -> Generator[Wait, Landing | None, Admission | Exception]:
        """One alternative: what is remembered, else a flight."""
        fault = slot.fault  # read once: a flight that lands clears it
        if fault is not None and _is_recent(slot) and self._in_grace(slot, declared):
            self.fleet.ask_again(slot)
            # it may have landed already, on this very thread where there are no others
            return self._ride(slot, hot, probing, fresh=True) or fault
        remembered = None if ask.wait else self.denials.recall(slot.key)
        if remembered is not None:
            return remembered
        seat = self.fleet.seat(slot) if ask.single else slot
        try:
            return (yield from self._fly(seat, hot, probing, min(ask.patience, self._patience(slot, declared))))
        except BaseException:
            self.fleet.abandon(seat)
            raise

    def _fly(
        self, slot: Slot, hot: Window | None, probing: bool, patience: float
    ) -> Generator[Wait, Landing | None, Admission | Exception]:
        error: Exception | None = None
        good = (slot.parent or slot).last_good
        deadline = stopwatch() + patience
        for _ in range(LOOKS):
            flight = self.fleet.board(slot, patience, wanted=not probing)
            landing = yield Wait(flight.future, deadline - stopwatch())
            if landing is None:
                break
            if landing.error is not None and (error is not None or not landing.was_renewal):
                return landing.error
            error = landing.error
            admission = self._ride(slot, hot, probing, fresh=True)
            if admission is not None:
                return admission
            if error is not None and slot.is_in_doubt(self.clock.now()):
                return error  # it is held, so a checkout would take a second seat
        # it may have come in the last moment
        return self._ride(slot, hot, probing, fresh=True) or self._too_slow(slot, patience, good)

    def _too_slow(self, slot: Slot, patience: float, good: Moment | None) -> EntitlementUnavailable:
        self.fleet.abandon(slot)
        fault = messages.timed_out(slot.key.requirement, patience, slot.trouble)
        (slot.parent or slot).kept_waiting(good, fault, stopwatch())
        return fault

    def _ride(self, slot: Slot, hot: Window | None, probing: bool, fresh: bool = False) -> Admission | None:
        now = self.clock.now()
        lease = slot.ride(now, hot, self.policy.linger, wanted=not probing)
        if lease is None:
            return None
        if slot.wants_renewal(now):
            self.fleet.renew(slot)
        return Admission(lease, Reason.CHECKED_OUT if fresh else Reason.CACHED, slot.age(now), slot)

    # -- unknown ---------------------------------------------------------------------------------

    def _patience(self, slot: Slot, declared: OnUnknown) -> float:
        """Seconds a call waits for an answer: few where grace can carry it, or in an outage that is known."""
        is_outage = slot.fault is not None and _is_recent(slot)
        if is_outage or (slot.last_good is not None and self._in_grace(slot, declared)):
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
                slot.enter_grace(now, self.policy.grace, self.announcer)
                return Admission(slot.last_lease, Reason.GRACE, slot.age(now), None, unknown)
        if answer_unknown(declared, slots[0].state, None, now, 0.0) is Unknown.ALLOW:
            return Admission(_no_lease(slots[0].key.requirement), Reason.ALLOWED_UNKNOWN, 0.0, None, unknown)
        return unknown

    # -- getting out -----------------------------------------------------------------------------

    def release(self, admission: Admission, *, probing: bool = False) -> Wait | None:
        """The call is over. What is returned has to be waited for."""
        slot = admission.slot
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


def _is_worth_waiting(error: Exception) -> bool:
    return isinstance(error, EntitlementDenied) and error.reason in (Reason.NOT_ENTITLED, Reason.COVERS_LESS)


def _gravest(errors: list[Exception]) -> Exception:
    """A mistake of ours before a no; among noes, that of the first choice."""
    return next(
        (error for error in errors if not isinstance(error, EntitlementDenied | EntitlementUnavailable)), errors[0]
    )


def _no_lease(requirement: Requirement) -> Lease:
    return Lease(LeaseFacts(requirement), lambda: 0.0)
