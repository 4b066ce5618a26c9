"""Extensions: leases that are held, or may be live at the service, made to live longer."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from functools import partial

from ..core import lease_state as change
from ..core import messages, verdicts
from ..core.lease_state import LeaseState
from ..core.lifecycle import Signal
from ..core.shared.steps import UNKNOWN_LIFE
from ..core.terms import Term, remaining
from ..errors import EntitlementDenied, EntitlementUnavailable
from ..events import LeaseLost, LeaseRenewed
from ..lease import LeaseFacts
from ..ports import Clock, FaultKind, ServiceFault
from .clock import stopwatch
from .lessor import Extended, Lessor
from .outcomes import Outcomes
from .records import Record
from .retries import retried
from .returns import Returns
from .single_flight import Landing


@dataclass(slots=True)
class Extensions:
    """Has the leases of records extended. Every method blocks; callers hold no lock."""

    lessor: Lessor
    clock: Clock
    returns: Returns
    outcomes: Outcomes
    leaving: threading.Event

    def extend(self, record: Record, until: float, can_wait: bool) -> Landing | None:
        """Extend the lease held. None when it is lost, so that a checkout has to follow.

        :param until: when no attempt may begin any more, by the stopwatch.
        :param can_wait: True where nobody waits, so that it is not tried again while the service throttles.
        """
        began, sent = stopwatch(), self.clock.now()
        with record.lock:
            held, term = record.state, record.term
        if term is None:
            return Landing(was_renewal=True)
        try:
            # in doubt nothing remains that is known, but the lease may well be live
            until = min(until, began + (remaining(term, sent) or math.inf))
            extend = partial(self._extended, record, held, term, until)
            answer = retried(extend, until, self.leaving, can_wait=can_wait)
            return self._renewed(record, held, answer, began)
        except ServiceFault as fault:
            return self._not_renewed(record, held, fault, began)

    def reclaim(self, record: Record, until: float) -> Landing | None:
        """Extend a lease that has ended here and may be live at the service. None when it has to go back instead."""
        began = stopwatch()
        with record.lock:
            held, term = record.state, record.setbacks.spent
        if held.unsure_token is None or term is None:
            return None
        try:
            return self._renewed(record, held, self._extended(record, held, term, until), began)
        except ServiceFault as fault:
            if verdicts.RENEWAL_SIGNALS[fault.kind] is Signal.LOST:
                return self._not_renewed(record, held, fault, began)
        owed = record.part(change.returned)
        if owed is not None:  # from here on it is not extended any more, for a check-in without an answer may act late
            self.returns.attempt(owed)
        return Landing(was_renewal=True) if record.is_abandoned else None

    def _renewed(self, record: Record, held: LeaseState, answer: Extended, began: float) -> Landing:
        if answer.term is None:
            record.unanswered(held.fence, may_have_acted=True)
            raise ServiceFault(FaultKind.UNKNOWN, "the renewal leaves no time to live")
        old = held.facts and held.facts.token
        with record.lock:
            is_ours = record.renewed(held.fence, answer.facts, answer.term, self.clock.now())
            stray = record.let_go() if is_ours and record.is_abandoned else None
        if is_ours and answer.is_ours:
            self.outcomes.publisher.tell(LeaseRenewed(record.requirement, answer.term.lifetime, stopwatch() - began))
        elif not is_ours and answer.facts.token and answer.facts.token != old:
            # given back meanwhile, by the token that it had before
            self.returns.give_back(record.owe(answer.facts.token, UNKNOWN_LIFE, self.lessor.mark(record.key)))
        if stray is not None:  # its end was noticed, and so its call could not give it back
            self.returns.give_back(stray)
        return Landing(was_renewal=True)

    def _extended(self, record: Record, held: LeaseState, term: Term, until: float) -> Extended:
        try:
            return self.lessor.extend(record.key, held.facts or LeaseFacts(record.requirement), term, until)
        except ServiceFault as fault:
            if fault.may_have_acted:
                record.unanswered(held.fence, may_have_acted=True)
            if fault.kind is FaultKind.UNKNOWN:
                # known at once, so that calls go into grace at the lease's end and do not wait for the last attempt
                record.failed(messages.unavailable(record.requirement, fault))
            raise
        except BaseException:  # of a hook's own; what the service did nobody knows
            record.unanswered(held.fence, may_have_acted=True)
            raise

    def _not_renewed(self, record: Record, held: LeaseState, fault: ServiceFault, began: float) -> Landing | None:
        is_lost = verdicts.RENEWAL_SIGNALS[fault.kind] is Signal.LOST
        with record.lock:
            if record.state.fence != held.fence:  # given back meanwhile
                return Landing(was_renewal=True)
            if is_lost and not record.state.standing.holds:  # it may be live, though its end was noticed meanwhile
                record.unanswered(held.fence, may_have_acted=True)
            parting = partial(change.lost, fence=held.fence) if is_lost else change.returned
            owed = record.part(parting) if is_lost or record.is_abandoned else None
        if owed is not None:
            self.returns.attempt(owed)
        if record.is_abandoned:  # so that nobody wants another
            return Landing(was_renewal=True)
        if is_lost:
            self.outcomes.publisher.tell(LeaseLost(record.requirement, fault.code))
            return None
        error = messages.failed(record.requirement, fault, renewing=True)
        if isinstance(error, EntitlementDenied):
            self.outcomes.denied(record, error, began, renewing=True)
        elif isinstance(error, EntitlementUnavailable):
            record.unanswered(held.fence, may_have_acted=False)
            record.failed(error)
            self.outcomes.unavailable(record, fault, began, renewing=True)
        return Landing(error, was_renewal=True)
