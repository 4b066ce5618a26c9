"""Requests carried out: attempts inside one budget, answers judged, records told."""

from __future__ import annotations

import itertools
import math
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

from ..core import lease_state as change
from ..core import messages, verdicts
from ..core.exhaustion import may_be_exhaustion
from ..core.intents import Intent, is_open, take_up
from ..core.lease_state import LeaseState
from ..core.lifecycle import Signal
from ..core.policy import Policy
from ..core.requirements import Requirement
from ..core.shared.steps import UNKNOWN_LIFE, Got
from ..core.terms import Phase, Term, remaining
from ..core.verdicts import Granted, Rejected, Stale
from ..errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable
from ..events import EntitlementRefused, LeaseCheckedOut, LeaseJoined, LeaseLost, LeaseRenewed, ServiceUnavailable
from ..lease import LeaseFacts
from ..ports import CheckoutAnswer, Clock, FaultKind, LicenseService, Moment, ServiceFault
from .clock import stopwatch
from .lessor import Extended, Lessor, Wish
from .publisher import Publisher
from .records import Record
from .request_budget import RequestBudget
from .retries import may_try_again, retried
from .returns import SERIES, Returns
from .series import AllSeries, Turn
from .single_flight import Landing
from .waits import wait_for


@dataclass(slots=True)
class Exchange:
    """Asks the service on behalf of records. Every method blocks; callers hold no lock."""

    service: LicenseService
    clock: Clock
    policy: Policy
    publisher: Publisher
    leaving: threading.Event
    lessor: Lessor
    budget: RequestBudget
    series: AllSeries = field(default_factory=AllSeries)
    returns: Returns = field(init=False)
    make_room: Callable[[Requirement], list[Future[None]]] = field(default=lambda _: [])
    """Has as many leases given back at once, of those that wait for the budget, as free what a requirement needs."""

    def __post_init__(self) -> None:
        self.returns = Returns(self.lessor, self.publisher, self.leaving, self.budget)

    # -- getting ---------------------------------------------------------------------------------

    def obtain(
        self,
        record: Record,
        since: float,
        patience: float = math.inf,
        *,
        is_fresh: bool = False,
        can_wait: bool = False,
    ) -> Landing:
        """Make the record's lease good: nothing to do, a renewal, or a checkout. No attempt begins after ``patience``.

        :param since: when the lease was wanted, by the stopwatch.
        :param is_fresh: True where a no that another process got does not count.
        :param can_wait: True where nobody waits, so that a renewal is not tried again while the service throttles.
        """
        now, until = self.clock.now(), stopwatch() + min(self.policy.timeout, patience)
        record.notice_end(now, joined=True)
        phase = record.phase(now)
        if phase is Phase.LIVE:
            return Landing()
        renewed: Landing | None = None
        if phase in (Phase.DUE, Phase.DOUBTFUL):
            renewed = self._renew(record, until, can_wait)
        elif record.is_unsure:
            renewed = self._reclaim(record, until)
        return renewed or self._check_out(record, since, until, is_fresh=is_fresh)

    def renew(self, record: Record, since: float, patience: float = math.inf) -> Landing:
        """Make good the lease that is held, and do nothing where none is any more."""
        due = record.phase(self.clock.now()) in (Phase.DUE, Phase.DOUBTFUL) or record.is_unsure
        return self.obtain(record, since, patience, can_wait=True) if due else Landing()

    def confirm(self, record: Record, since: float, patience: float = math.inf) -> Landing:  # noqa: ARG002 - as the others
        """Renew the lease that is held, though it is not due. Where it is lost, the next call checks another out."""
        return self._renew(record, stopwatch() + min(self.policy.timeout, patience), can_wait=True) or Landing()

    def _check_out(self, record: Record, since: float, until: float, *, is_fresh: bool) -> Landing:
        began = stopwatch()
        if record.setbacks.vacant_from > began:  # the unit it had is still taken
            self.leaving.wait(record.setbacks.vacant_from - began)
        try:
            self.service.connect()
            is_ours = self._take(record, since, until, is_fresh=is_fresh)
        except ServiceFault as fault:
            return Landing(self._failed(record, fault, began))
        except EntitlementDenied as denial:
            self._denied(record, denial, began)
            return Landing(denial)
        except ConfigurationError as mistake:
            return Landing(mistake)
        kind = LeaseCheckedOut if is_ours else LeaseJoined
        self.publisher.tell(kind(record.requirement, record.remaining(), stopwatch() - began))
        return Landing()

    def _take(self, record: Record, since: float, until: float, *, is_fresh: bool) -> bool:
        """Take a lease when nothing that this guard owes is in its way. False: another process had checked it out."""
        what = record.requirement
        now = stopwatch()
        self._recover(record, min(now + SERIES, (now + until) / 2), until)
        was_owed = self.returns.owes(what)  # it may come back beside the request
        try:
            return self._take_a_turn(record, since, until, is_fresh=is_fresh)
        except (EntitlementDenied, ServiceFault) as no:
            denial = messages.failed(what, no) if isinstance(no, ServiceFault) else no
            if not isinstance(denial, EntitlementDenied) or not may_be_exhaustion(denial):
                raise
            if not (self._has_more(what, until) or was_owed):
                raise
        # what is taken may well be what could not be given back
        self._recover(record, until, until)
        return self._take_a_turn(record, stopwatch(), until, is_fresh=True)

    def _has_more(self, what: Requirement, until: float) -> bool:
        """Tell whether what is taken may be ours: owed, or back just now because it was in the way."""
        made = self.make_room(what)
        for returning in made:
            wait_for(returning, until - stopwatch())
        return self.returns.owes(what) or bool(made)

    def _recover(self, record: Record, soon: float, until: float) -> None:
        owed = self.returns.recover(record.requirement, record.key, soon, until)
        fault = None if owed is None else owed.fault  # read once: an attempt beside this clears it
        if owed is not None and fault is not None and (owed.bars == record.key or soon >= until):
            why = f"what was given back has not arrived: {fault.detail}"
            raise ServiceFault(FaultKind.UNKNOWN, why, code=fault.code, request_id=fault.request_id)

    def _take_a_turn(self, record: Record, since: float, until: float, *, is_fresh: bool) -> bool:
        """Ask when it is this record's turn among all that want the same, or hear what they heard."""
        is_open = self.lessor.is_open(record.key)
        with self.series.of(record.requirement).checkout(record, since, until, is_open=is_open) as turn:
            return self._judge(record, until, turn, is_fresh=is_fresh)

    def _judge(self, record: Record, until: float, turn: Turn, *, is_fresh: bool) -> bool:
        """Send the record's intent until something definite comes of it."""
        judge = partial(self._verdict, record.requirement)
        for begun in self._intents(record):
            got = self._answer(record, Wish(record.key, record.requirement, begun, judge, until, is_fresh), turn)
            verdict = got.verdict
            if isinstance(verdict, Granted) and record.granted(verdict.facts, verdict.term, self.clock.now()):
                return got.is_ours
            self.give_back(record, got.token, parting=self.leaving.is_set(), mark=got.mark)
            if isinstance(verdict, Granted):
                raise messages.closed()
            if isinstance(verdict, Rejected):
                raise messages.rejected(record.requirement, verdict)
        raise ServiceFault(FaultKind.UNKNOWN, "every lease it gave had already ended")

    def _verdict(
        self, what: Requirement, answer: CheckoutAnswer, sent: Moment, now: Moment, is_resumed: bool
    ) -> Granted | Rejected | Stale:
        return verdicts.judge(what, answer, sent, now, is_resumed, self.policy.refresh_ahead, random.random())

    def _intents(self, record: Record) -> Iterator[Intent]:
        """Yield the pending intent first, because its replayed lease may have ended; then a new intent."""
        now, owner = self.clock.now(), record.parent or record
        with owner.lock:
            known = owner.pending(now)
            intent, others = take_up(known, now, uuid4().hex)
            owner.answered(*(one for one in known if one not in others))
        yield intent
        yield Intent(uuid4().hex, born=self.clock.now())

    def _answer(self, record: Record, wish: Wish, turn: Turn) -> Got:
        owner, intent = record.parent or record, wish.intent
        sent_at = self.clock.now()
        try:
            for attempt in itertools.count():
                try:
                    sent_at = self.clock.now()
                    return self.lessor.check_out(wish._replace(intent=intent))
                except ServiceFault as fault:
                    if fault.kind is FaultKind.UNKNOWN:
                        record.noted().trouble = owner.noted().trouble = messages.unavailable(record.requirement, fault)
                        intent = intent.unanswered(sent_at, fault.may_have_acted)
                    is_mine = fault.kind is not FaultKind.UNKNOWN or turn.may_retry(fault)
                    if not (is_mine and may_try_again(fault, attempt, wish.until, self.leaving, turn.pause)):
                        if is_open(intent, fault.kind):
                            self._leave_pending(record, intent)
                        raise
        except ServiceFault:
            raise
        except BaseException:  # of a hook, or of a signal handler; what the service did nobody knows
            self._leave_pending(record, intent.unanswered(sent_at, may_have_acted=True))
            raise
        raise AssertionError  # for type checkers: the attempts end by themselves

    def _leave_pending(self, record: Record, intent: Intent) -> None:
        """Keep an intent for the next call. One for a shared lease stands in its row, for all processes."""
        if record.parent is not None:
            record.parent.leave_pending(intent)
        elif not self.lessor.is_shared:
            record.leave_pending(intent)

    # -- renewing --------------------------------------------------------------------------------

    def _renew(self, record: Record, until: float, can_wait: bool) -> Landing | None:
        """Renew the lease held. None when it is lost, so that a checkout has to follow."""
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

    def _reclaim(self, record: Record, until: float) -> Landing | None:
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
            self.publisher.tell(LeaseRenewed(record.requirement, answer.term.lifetime, stopwatch() - began))
        elif not is_ours and answer.facts.token and answer.facts.token != old:
            # given back meanwhile, by the token that it had before
            self.give_back(record, answer.facts.token, mark=self.lessor.mark(record.key))
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

    def give_back(self, record: Record, token: str, *, parting: bool = False, mark: str = "") -> None:
        """Give back a lease that no record holds."""
        self.returns.give_back(record.owe(token, UNKNOWN_LIFE, mark), parting=parting)
