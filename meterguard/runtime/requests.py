"""Requests carried out: attempts inside one budget, answers judged, slots told."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar
from uuid import uuid4

from ..core import messages, verdicts
from ..core.backoff import pause
from ..core.exhaustion import may_be_exhaustion
from ..core.intents import Intent, is_open, is_pending, take_up
from ..core.lifecycle import Signal
from ..core.policy import Policy
from ..core.terms import Phase, Term, remaining
from ..core.verdicts import Granted, Rejected
from ..errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable
from ..events import (
    EntitlementRefused,
    LeaseCheckedOut,
    LeaseLost,
    LeaseRenewed,
    ServiceUnavailable,
)
from ..lease import Lease
from ..ports import CheckoutAnswer, Clock, ExtendAnswer, FaultKind, Interruption, LicenseService, Moment, ServiceFault
from .announcing import Announcer
from .clock import stopwatch
from .flights import Landing
from .returns import SERIES, Returns
from .series import AllSeries, Turn
from .slots import Slot

Answer = TypeVar("Answer")
UNKNOWN_LIFE = 3600.0  # seconds for which a lease that was not believed is taken to live


@dataclass(slots=True)
class Requester:
    """Asks the service on behalf of slots. Every method blocks; callers hold no lock."""

    service: LicenseService
    clock: Clock
    policy: Policy
    announcer: Announcer
    leaving: threading.Event
    series: AllSeries = field(default_factory=AllSeries)
    returns: Returns = field(init=False)

    def __post_init__(self) -> None:
        self.returns = Returns(self.service, self.announcer, self.leaving)

    # -- getting ---------------------------------------------------------------------------------

    def obtain(self, slot: Slot, patience: float = math.inf) -> Landing:
        """Make the slot's lease good: nothing to do, a renewal, or a checkout. No attempt begins after ``patience``."""
        now, until = self.clock.now(), self._until(patience)
        slot.notice_end(now, self.announcer, boarded=True)
        phase = slot.look(now)
        if phase is Phase.LIVE:
            return Landing()
        renewed: Landing | None = None
        if phase in (Phase.DUE, Phase.DOUBTFUL):
            renewed = self._renew(slot, until)
        elif slot.is_unsure:
            renewed = self._reclaim(slot)
        return renewed or self._check_out(slot, until)

    def renew(self, slot: Slot, patience: float = math.inf) -> Landing:
        """Make good the lease that is held, and do nothing where none is any more."""
        due = slot.look(self.clock.now()) in (Phase.DUE, Phase.DOUBTFUL) or slot.is_unsure
        return self.obtain(slot, patience) if due else Landing()

    def _until(self, patience: float) -> float:
        return stopwatch() + min(self.policy.timeout, patience)

    def _check_out(self, slot: Slot, until: float) -> Landing:
        began = stopwatch()
        if slot.vacant_from > began:  # the unit it had is still taken
            self.leaving.wait(slot.vacant_from - began)
        try:
            self.service.connect()
            lease = self._taken(slot, until)
        except ServiceFault as fault:
            return Landing(self._failed(slot, fault, began))
        except EntitlementDenied as denial:
            self._denied(slot, denial, began)
            return Landing(denial)
        except ConfigurationError as mistake:
            return Landing(mistake)
        lifetime = lease.expires_in
        self.announcer.tell(LeaseCheckedOut(slot.key.requirement, lifetime, stopwatch() - began))
        return Landing()

    def _taken(self, slot: Slot, until: float) -> Lease:
        """A lease, taken when nothing that this guard owes is in its way."""
        what = slot.key.requirement
        self._recover(slot, stopwatch() + SERIES, until)
        try:
            return self._granted(slot, until)
        except (EntitlementDenied, ServiceFault) as no:
            denial = messages.failed(what, no) if isinstance(no, ServiceFault) else no
            if (
                not isinstance(denial, EntitlementDenied)
                or not may_be_exhaustion(denial)
                or not self.returns.owes(what)
            ):
                raise
        # what is taken may well be what could not be given back
        self._recover(slot, math.inf, until)
        return self._granted(slot, until)

    def _recover(self, slot: Slot, soon: float, until: float) -> None:
        owed = self.returns.recover(slot.key.requirement, slot.key, min(soon, until), until)
        if owed is not None and owed.fault is not None and (owed.bars == slot.key or soon > until):
            why = f"what was given back has not arrived: {owed.fault.detail}"
            raise ServiceFault(FaultKind.UNKNOWN, why, code=owed.fault.code, request_id=owed.fault.request_id)

    def _granted(self, slot: Slot, until: float) -> Lease:
        """Ask when it is this slot's turn among all that want the same, or hear what they heard."""
        since, slot.asked_at = min(slot.asked_at, stopwatch()), math.inf
        series = self.series.of(slot.key.requirement)
        with series.checkout(since, until, lambda: not slot.abandoned) as turn:
            return self._judged(slot, until, turn)

    def _judged(self, slot: Slot, until: float, turn: Turn) -> Lease:
        """Send the slot's intent until something definite comes of it."""
        owner = slot.parent or slot
        for begun in self._intents(owner):
            answer, sent, intent = self._answer(slot, begun, until, turn)
            now = self.clock.now()
            verdict = verdicts.judge(
                slot.key.requirement,
                answer,
                sent,
                now,
                intent.resumed or intent.acted_since is not None,
                self.policy.refresh_ahead,
                random.random(),
            )
            if isinstance(verdict, Granted):
                lease = slot.granted(verdict.facts, verdict.term, now)
                if lease is not None:
                    return lease
            self.give_back(slot, answer.token, parting=self.leaving.is_set())
            if isinstance(verdict, Granted):
                raise messages.closed()
            if isinstance(verdict, Rejected):
                raise messages.rejected(slot.key.requirement, verdict)
        raise ServiceFault(FaultKind.UNKNOWN, "every lease it gave had already ended")

    def _intents(self, owner: Slot) -> Iterator[Intent]:
        """A pending one, whose answer may have ended already when it is replayed; then a new one, whose cannot have."""
        with owner.lock:
            intent, owner.pending = take_up(owner.pending, self.clock.now(), uuid4().hex)
        yield intent
        yield Intent(uuid4().hex, born=self.clock.now())

    def _answer(self, slot: Slot, intent: Intent, until: float, turn: Turn) -> tuple[CheckoutAnswer, Moment, Intent]:
        owner = slot.parent or slot
        attempt = 0
        while True:
            sent_at = self.clock.now()
            try:
                answer = self.service.check_out(slot.key.requirement, intent.client_token)
            except ServiceFault as fault:
                if fault.kind is FaultKind.UNKNOWN:
                    slot.trouble = owner.trouble = messages.unavailable(slot.key.requirement, fault)
                    intent = intent.unanswered(sent_at, fault.may_have_acted)
                is_mine = fault.kind is not FaultKind.UNKNOWN or turn.may_retry(fault)
                if not (is_mine and self._try_again(fault, attempt, until, turn.pause)):
                    if is_open(intent, fault.kind):
                        owner.leave_pending(intent)
                    raise
                attempt += 1
            except BaseException:  # of a hook's own; what the service did nobody knows
                owner.leave_pending(intent.unanswered(sent_at, may_have_acted=True))
                raise
            else:
                return answer, intent.sent(sent_at), intent

    def _try_again(
        self, fault: ServiceFault, attempt: int, until: float, wait: Callable[[float], bool] | None = None
    ) -> bool:
        """Whether another attempt can begin in time; waits before it."""
        if fault.kind is not FaultKind.UNKNOWN:
            return False
        delay = max(pause(attempt, random.random()), fault.retry_after or 0.0)
        if wait is None or fault.retry_after:
            wait = self.leaving.wait
        return stopwatch() + delay < until and not wait(delay)

    # -- renewing --------------------------------------------------------------------------------

    def _renew(self, slot: Slot, until: float) -> Landing | None:
        """Renew the lease held. None when it is lost, so that a checkout has to follow."""
        began, sent = stopwatch(), self.clock.now()
        with slot.lock:
            lease, term = slot.lease, slot.term
        if lease is None or term is None:
            return Landing(was_renewal=True)
        try:
            # in doubt nothing remains that is known, but the lease may well be live
            until = min(until, began + (remaining(term, sent) or math.inf))
            answer = self._retried(lambda: self._extended(slot, lease), until)
            return self._renewed(slot, lease, term, answer, sent, began)
        except ServiceFault as fault:
            return self._not_renewed(slot, lease, fault, began)

    def _reclaim(self, slot: Slot) -> Landing | None:
        """Extend a lease that has ended here and may be live at the service. None when it has to go back instead."""
        began, sent = stopwatch(), self.clock.now()
        with slot.lock:
            lease, term = slot.lease, slot.spent
        if lease is None or term is None:
            return None
        try:
            return self._renewed(slot, lease, term, self._extended(slot, lease), sent, began)
        except ServiceFault as fault:
            if verdicts.RENEWAL_SIGNALS[fault.kind] is Signal.LOST:
                return self._not_renewed(slot, lease, fault, began)
        owed = slot.lose(Signal.LOST, self.returns)
        if owed is not None:  # from here on it is not extended any more, for a check-in without an answer may act late
            self.returns.attempt(owed)
        return Landing(was_renewal=True) if slot.abandoned else None

    def _renewed(
        self, slot: Slot, lease: Lease, term: Term, answer: ExtendAnswer, sent: Moment, began: float
    ) -> Landing:
        facts = lease._facts
        renewed = verdicts.renewed_term(facts, term, answer, sent, self.policy.refresh_ahead, random.random())
        if renewed is None:
            slot.unanswered()
            raise ServiceFault(FaultKind.UNKNOWN, "the renewal leaves no time to live")
        moved = replace(facts, expires_at=answer.expires_at, token=answer.token or facts.token)
        with slot.lock:
            if slot.lease is not lease:  # given back meanwhile
                return Landing(was_renewal=True)
            slot.renewed(moved, renewed, self.clock.now())
            stray = slot.let_go(Signal.RETURNED, self.returns) if slot.abandoned else None
        self.announcer.tell(LeaseRenewed(slot.key.requirement, renewed.lifetime, stopwatch() - began))
        if stray is not None:  # its end was noticed, and so its call could not give it back
            self.returns.give_back(stray)
        return Landing(was_renewal=True)

    def _extended(self, slot: Slot, lease: Lease) -> ExtendAnswer:
        try:
            return self.service.extend(lease.token or "")
        except ServiceFault as fault:
            if fault.may_have_acted:
                slot.unanswered()
            if fault.kind is FaultKind.UNKNOWN:
                # known at once, so that calls go into grace at the lease's end and do not wait for the last attempt
                slot.failed(messages.unavailable(slot.key.requirement, fault), stopwatch())
            raise
        except BaseException:  # of a hook's own; what the service did nobody knows
            slot.unanswered()
            raise

    def _not_renewed(self, slot: Slot, lease: Lease, fault: ServiceFault, began: float) -> Landing | None:
        signal = verdicts.RENEWAL_SIGNALS[fault.kind]
        with slot.lock:
            if slot.lease is not lease:  # given back meanwhile
                return Landing(was_renewal=True)
            is_lost = signal is Signal.LOST
            # whatever the service says of it, it may be live
            owed = slot.lose(signal, self.returns) if is_lost or slot.abandoned else None
        if owed is not None:
            self.returns.attempt(owed)
        if slot.abandoned:  # so that nobody wants another
            return Landing(was_renewal=True)
        if is_lost:
            self.announcer.tell(LeaseLost(slot.key.requirement, fault.code))
            return None
        error = messages.failed(slot.key.requirement, fault, renewing=True)
        if isinstance(error, EntitlementDenied):
            self._denied(slot, error, began, renewing=True)
        elif isinstance(error, EntitlementUnavailable):
            slot.signal_held(signal)
            slot.failed(error, stopwatch())
            self._unavailable(slot, fault, began, renewing=True)
        return Landing(error, was_renewal=True)

    def _retried(self, request: Callable[[], Answer], until: float) -> Answer:
        attempt = 0
        while True:
            try:
                return request()
            except ServiceFault as fault:
                if not self._try_again(fault, attempt, until):
                    raise
                attempt += 1

    # -- failing ---------------------------------------------------------------------------------

    def _failed(self, slot: Slot, fault: ServiceFault, began: float) -> Exception:
        error = messages.failed(slot.key.requirement, fault)
        if isinstance(error, EntitlementUnavailable):
            for one in filter(None, (slot, slot.parent)):
                one.signal(Signal.UNKNOWN)
                one.failed(error, stopwatch())
            self._unavailable(slot, fault, began)
        elif isinstance(error, EntitlementDenied):
            self._denied(slot, error, began)
        return error

    def _unavailable(self, slot: Slot, fault: ServiceFault, began: float, *, renewing: bool = False) -> None:
        took = stopwatch() - began
        self.announcer.tell(ServiceUnavailable(slot.key.requirement, fault.code, fault.request_id, took, renewing))

    def _denied(self, slot: Slot, denial: EntitlementDenied, began: float, *, renewing: bool = False) -> None:
        for one in filter(None, (slot, slot.parent)):
            one.leave_grace(self.announcer, recovered=True)  # first, or a call beside this would say that time ran out
            one.denied(denial)
        what, took = slot.key.requirement, stopwatch() - began
        self.announcer.tell(EntitlementRefused(what, denial.reason, denial.code, denial.request_id, took, renewing))

    # -- giving back -----------------------------------------------------------------------------

    def settle(self, slot: Slot, intent: Intent) -> None:
        """Give back what an unanswered intent may have got: only its token can find out."""
        if intent.acted_since is None or not is_pending(intent, self.clock.now()):
            return
        try:
            answer = self.service.check_out(slot.key.requirement, intent.client_token, parting=True)
        except ServiceFault as fault:
            if not is_open(intent, fault.kind):
                slot.settled(intent)
            return
        except (Interruption, KeyboardInterrupt):
            raise
        except BaseException:  # noqa: BLE001 - a hook of the client's may raise anything
            return
        self.give_back(slot, answer.token, parting=True)
        slot.settled(intent)

    def give_back(self, slot: Slot, token: str, *, parting: bool = False) -> None:
        """Give back a lease that no slot holds."""
        self.returns.give_back(self.returns.owe(slot.key.requirement, token, UNKNOWN_LIFE), parting=parting)
