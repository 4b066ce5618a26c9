"""Requests carried out: attempts inside one budget, answers judged, records told."""

from __future__ import annotations

import itertools
import math
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar
from uuid import uuid4

from ..core import lease_state as change
from ..core import messages, verdicts
from ..core.exhaustion import may_be_exhaustion
from ..core.intents import Intent, is_open, is_pending, take_up
from ..core.lease_state import LeaseState
from ..core.lifecycle import Signal
from ..core.policy import Policy
from ..core.terms import Phase, Term, remaining
from ..core.verdicts import Granted, Rejected
from ..errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable
from ..events import EntitlementRefused, LeaseCheckedOut, LeaseLost, LeaseRenewed, ServiceUnavailable
from ..interruption import Interruption, raised_by_handler
from ..lease import LeaseFacts
from ..ports import CheckoutAnswer, Clock, ExtendAnswer, FaultKind, LicenseService, Moment, ServiceFault
from .clock import stopwatch
from .publisher import Publisher
from .records import Record
from .retries import may_try_again
from .returns import SERIES, Returns
from .series import AllSeries, Turn
from .single_flight import Landing

Answer = TypeVar("Answer")
UNKNOWN_LIFE = 3600.0  # seconds for which a lease that was not believed is taken to live


@dataclass(slots=True)
class Exchange:
    """Asks the service on behalf of records. Every method blocks; callers hold no lock."""

    service: LicenseService
    clock: Clock
    policy: Policy
    publisher: Publisher
    leaving: threading.Event
    series: AllSeries = field(default_factory=AllSeries)
    returns: Returns = field(init=False)

    def __post_init__(self) -> None:
        self.returns = Returns(self.service, self.publisher, self.leaving)

    # -- getting ---------------------------------------------------------------------------------

    def obtain(self, record: Record, since: float, patience: float = math.inf) -> Landing:
        """Make the record's lease good: nothing to do, a renewal, or a checkout. No attempt begins after ``patience``.

        :param since: when the lease was wanted, by the stopwatch.
        """
        now, until = self.clock.now(), stopwatch() + min(self.policy.timeout, patience)
        record.notice_end(now, joined=True)
        phase = record.phase(now)
        if phase is Phase.LIVE:
            return Landing()
        renewed: Landing | None = None
        if phase in (Phase.DUE, Phase.DOUBTFUL):
            renewed = self._renew(record, until)
        elif record.is_unsure:
            renewed = self._reclaim(record)
        return renewed or self._check_out(record, since, until)

    def renew(self, record: Record, since: float, patience: float = math.inf) -> Landing:
        """Make good the lease that is held, and do nothing where none is any more."""
        due = record.phase(self.clock.now()) in (Phase.DUE, Phase.DOUBTFUL) or record.is_unsure
        return self.obtain(record, since, patience) if due else Landing()

    def _check_out(self, record: Record, since: float, until: float) -> Landing:
        began = stopwatch()
        if record.setbacks.vacant_from > began:  # the unit it had is still taken
            self.leaving.wait(record.setbacks.vacant_from - began)
        try:
            self.service.connect()
            self._take(record, since, until)
        except ServiceFault as fault:
            return Landing(self._failed(record, fault, began))
        except EntitlementDenied as denial:
            self._denied(record, denial, began)
            return Landing(denial)
        except ConfigurationError as mistake:
            return Landing(mistake)
        self.publisher.tell(LeaseCheckedOut(record.requirement, record.remaining(), stopwatch() - began))
        return Landing()

    def _take(self, record: Record, since: float, until: float) -> None:
        """Take a lease when nothing that this guard owes is in its way."""
        what = record.requirement
        now = stopwatch()
        self._recover(record, min(now + SERIES, (now + until) / 2), until)
        try:
            return self._take_a_turn(record, since, until)
        except (EntitlementDenied, ServiceFault) as no:
            denial = messages.failed(what, no) if isinstance(no, ServiceFault) else no
            if (
                not isinstance(denial, EntitlementDenied)
                or not may_be_exhaustion(denial)
                or not self.returns.owes(what)
            ):
                raise
        # what is taken may well be what could not be given back
        self._recover(record, until, until)
        return self._take_a_turn(record, stopwatch(), until)

    def _recover(self, record: Record, soon: float, until: float) -> None:
        owed = self.returns.recover(record.requirement, record.key, soon, until)
        fault = None if owed is None else owed.fault  # read once: an attempt beside this clears it
        if owed is not None and fault is not None and (owed.bars == record.key or soon >= until):
            why = f"what was given back has not arrived: {fault.detail}"
            raise ServiceFault(FaultKind.UNKNOWN, why, code=fault.code, request_id=fault.request_id)

    def _take_a_turn(self, record: Record, since: float, until: float) -> None:
        """Ask when it is this record's turn among all that want the same, or hear what they heard."""
        with self.series.of(record.requirement).checkout(record, since, until) as turn:
            self._judge(record, until, turn)

    def _judge(self, record: Record, until: float, turn: Turn) -> None:
        """Send the record's intent until something definite comes of it."""
        owner = record.parent or record
        for begun in self._intents(owner):
            answer, sent, intent = self._answer(record, begun, until, turn)
            now = self.clock.now()
            verdict = verdicts.judge(
                record.requirement,
                answer,
                sent,
                now,
                intent.resumed or intent.acted_since is not None,
                self.policy.refresh_ahead,
                random.random(),
            )
            if isinstance(verdict, Granted) and record.granted(verdict.facts, verdict.term, now):
                return
            self.give_back(record, answer.token, parting=self.leaving.is_set())
            if isinstance(verdict, Granted):
                raise messages.closed()
            if isinstance(verdict, Rejected):
                raise messages.rejected(record.requirement, verdict)
        raise ServiceFault(FaultKind.UNKNOWN, "every lease it gave had already ended")

    def _intents(self, owner: Record) -> Iterator[Intent]:
        """Yield the pending intent first, because its replayed lease may have ended; then a new intent."""
        now = self.clock.now()
        with owner.lock:
            known = owner.pending(now)
            intent, others = take_up(known, now, uuid4().hex)
            owner.answered(*(one for one in known if one not in others))
        yield intent
        yield Intent(uuid4().hex, born=self.clock.now())

    def _answer(
        self, record: Record, intent: Intent, until: float, turn: Turn
    ) -> tuple[CheckoutAnswer, Moment, Intent]:
        owner = record.parent or record
        sent_at = self.clock.now()
        try:
            for attempt in itertools.count():
                try:
                    sent_at = self.clock.now()
                    answer = self.service.check_out(record.requirement, intent.client_token)
                    return answer, intent.sent(sent_at), intent
                except ServiceFault as fault:
                    if fault.kind is FaultKind.UNKNOWN:
                        record.noted().trouble = owner.noted().trouble = messages.unavailable(record.requirement, fault)
                        intent = intent.unanswered(sent_at, fault.may_have_acted)
                    is_mine = fault.kind is not FaultKind.UNKNOWN or turn.may_retry(fault)
                    if not (is_mine and may_try_again(fault, attempt, until, self.leaving, turn.pause)):
                        if is_open(intent, fault.kind):
                            owner.leave_pending(intent)
                        raise
        except ServiceFault:
            raise
        except BaseException:  # of a hook, or of a signal handler; what the service did nobody knows
            owner.leave_pending(intent.unanswered(sent_at, may_have_acted=True))
            raise
        raise AssertionError  # for type checkers: the attempts end by themselves

    # -- renewing --------------------------------------------------------------------------------

    def _renew(self, record: Record, until: float) -> Landing | None:
        """Renew the lease held. None when it is lost, so that a checkout has to follow."""
        began, sent = stopwatch(), self.clock.now()
        with record.lock:
            held, term = record.state, record.term
        if term is None:
            return Landing(was_renewal=True)
        try:
            # in doubt nothing remains that is known, but the lease may well be live
            until = min(until, began + (remaining(term, sent) or math.inf))
            answer = self._retried(lambda: self._extended(record, held), until)
            return self._renewed(record, held, term, answer, sent, began)
        except ServiceFault as fault:
            return self._not_renewed(record, held, fault, began)

    def _reclaim(self, record: Record) -> Landing | None:
        """Extend a lease that has ended here and may be live at the service. None when it has to go back instead."""
        began, sent = stopwatch(), self.clock.now()
        with record.lock:
            held, term = record.state, record.setbacks.spent
        if held.unsure_token is None or term is None:
            return None
        try:
            return self._renewed(record, held, term, self._extended(record, held), sent, began)
        except ServiceFault as fault:
            if verdicts.RENEWAL_SIGNALS[fault.kind] is Signal.LOST:
                return self._not_renewed(record, held, fault, began)
        owed = record.part(change.returned)
        if owed is not None:  # from here on it is not extended any more, for a check-in without an answer may act late
            self.returns.attempt(owed)
        return Landing(was_renewal=True) if record.is_abandoned else None

    def _renewed(
        self, record: Record, held: LeaseState, term: Term, answer: ExtendAnswer, sent: Moment, began: float
    ) -> Landing:
        facts = held.facts or LeaseFacts(record.requirement)
        renewed = verdicts.renewed_term(facts, term, answer, sent, self.policy.refresh_ahead, random.random())
        if renewed is None:
            record.unanswered(held.fence, may_have_acted=True)
            raise ServiceFault(FaultKind.UNKNOWN, "the renewal leaves no time to live")
        moved = replace(facts, expires_at=answer.expires_at.timestamp(), token=answer.token or facts.token)
        with record.lock:
            is_ours = record.renewed(held.fence, moved, renewed, self.clock.now())
            stray = record.let_go() if is_ours and record.is_abandoned else None
        if is_ours:
            self.publisher.tell(LeaseRenewed(record.requirement, renewed.lifetime, stopwatch() - began))
        elif answer.token and answer.token != facts.token:  # given back meanwhile, by the token that it had before
            self.give_back(record, answer.token)
        if stray is not None:  # its end was noticed, and so its call could not give it back
            self.returns.give_back(stray)
        return Landing(was_renewal=True)

    def _extended(self, record: Record, held: LeaseState) -> ExtendAnswer:
        try:
            return self.service.extend((held.facts and held.facts.token) or "")
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
            self.publisher.tell(LeaseLost(record.requirement, fault.code))
            return None
        error = messages.failed(record.requirement, fault, renewing=True)
        if isinstance(error, EntitlementDenied):
            self._denied(record, error, began, renewing=True)
        elif isinstance(error, EntitlementUnavailable):
            record.unanswered(held.fence, may_have_acted=False)
            record.failed(error)
            self._unavailable(record, fault, began, renewing=True)
        return Landing(error, was_renewal=True)

    def _retried(self, request: Callable[[], Answer], until: float) -> Answer:
        attempt = 0
        while True:
            try:
                return request()
            except ServiceFault as fault:
                if not may_try_again(fault, attempt, until, self.leaving):
                    raise
                attempt += 1

    # -- failing ---------------------------------------------------------------------------------

    def _failed(self, record: Record, fault: ServiceFault, began: float) -> Exception:
        error = messages.failed(record.requirement, fault)
        if isinstance(error, EntitlementUnavailable):
            for one in filter(None, (record, record.parent)):
                one.become(change.unknown)
                one.failed(error)
            self._unavailable(record, fault, began)
        elif isinstance(error, EntitlementDenied):
            self._denied(record, error, began)
        return error

    def _unavailable(self, record: Record, fault: ServiceFault, began: float, *, renewing: bool = False) -> None:
        took = stopwatch() - began
        self.publisher.tell(ServiceUnavailable(record.requirement, fault.code, fault.request_id, took, renewing))

    def _denied(self, record: Record, denial: EntitlementDenied, began: float, *, renewing: bool = False) -> None:
        for one in filter(None, (record, record.parent)):
            one.leave_grace(recovered=True)  # first, or a call beside this would say that time ran out
            one.denied(denial)
        what, took = record.requirement, stopwatch() - began
        self.publisher.tell(EntitlementRefused(what, denial.reason, denial.code, denial.request_id, took, renewing))

    # -- giving back -----------------------------------------------------------------------------

    def settle(self, record: Record, intent: Intent) -> None:
        """Give back what an unanswered intent may have got: only its token can find out."""
        if intent.acted_since is None or not is_pending(intent, self.clock.now()):
            return
        try:
            answer = self.service.check_out(record.requirement, intent.client_token, parting=True)
        except ServiceFault as fault:
            if not is_open(intent, fault.kind):
                record.answered(intent)
            return
        except (Interruption, KeyboardInterrupt):
            raise
        except BaseException as problem:  # a hook of the client's may raise anything
            if raised_by_handler(problem) is not None:
                raise
            return
        self.give_back(record, answer.token, parting=True)
        record.answered(intent)

    def give_back(self, record: Record, token: str, *, parting: bool = False) -> None:
        """Give back a lease that no record holds."""
        self.returns.give_back(record.owe(token, UNKNOWN_LIFE), parting=parting)
