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
from ..core.exhaustion import has_room, may_be_exhaustion
from ..core.intents import Intent, is_open, take_up
from ..core.policy import Policy
from ..core.requirements import Requirement
from ..core.shared.steps import UNKNOWN_LIFE, Got
from ..core.terms import Phase
from ..core.verdicts import Granted, Rejected, Stale
from ..errors import ConfigurationError, EntitlementDenied
from ..events import LeaseCheckedOut, LeaseJoined
from ..ports import CheckoutAnswer, Clock, FaultKind, LicenseService, Moment, ServiceFault
from ..reasons import Reason
from .clock import stopwatch
from .extensions import Extensions
from .lessor import Lessor, Wish
from .outcomes import Outcomes
from .publisher import Publisher
from .records import Record
from .request_budget import RequestBudget
from .retries import may_try_again
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
    outcomes: Outcomes = field(init=False)
    extensions: Extensions = field(init=False)
    make_room: Callable[[Requirement], list[Future[None]]] = field(default=lambda _: [])
    """Has as many leases given back at once, of those that wait for the budget, as free what a requirement needs."""

    def __post_init__(self) -> None:
        self.returns = Returns(self.lessor, self.publisher, self.leaving, self.budget)
        self.outcomes = Outcomes(self.publisher)
        self.extensions = Extensions(self.lessor, self.clock, self.returns, self.outcomes, self.leaving)

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
            renewed = self._lengthen(record, since, until, can_wait)
        elif record.is_unsure:
            renewed = self.extensions.reclaim(record, until)
        return renewed or self._check_out(record, since, until, is_fresh=is_fresh)

    def renew(self, record: Record, since: float, patience: float = math.inf) -> Landing:
        """Make good the lease that is held, and do nothing where none is any more."""
        due = record.phase(self.clock.now()) in (Phase.DUE, Phase.DOUBTFUL) or record.is_unsure
        return self.obtain(record, since, patience, can_wait=True) if due else Landing()

    def confirm(self, record: Record, since: float, patience: float = math.inf) -> Landing:
        """Renew the lease that is held, though it is not due. Where it is lost, the next call checks another out."""
        until = stopwatch() + min(self.policy.timeout, patience)
        return self._lengthen(record, since, until, can_wait=True) or Landing()

    def _lengthen(self, record: Record, since: float, until: float, can_wait: bool) -> Landing | None:
        """Have the work under a lease go on: extend it, or take another where an extension proves nothing."""
        facts = record.state.facts
        if self.policy.trust.is_required and not (facts is not None and facts.is_borrowed):
            return self._take_anew(record, since, until)
        return self.extensions.extend(record, until, can_wait=can_wait)

    def _check_out(self, record: Record, since: float, until: float, *, is_fresh: bool) -> Landing:
        began = stopwatch()
        if record.setbacks.vacant_from > began:  # the unit it had is still taken
            self.leaving.wait(record.setbacks.vacant_from - began)
        try:
            self.lessor.connect(record.requirement)
            is_ours = self._take(record, since, until, is_fresh=is_fresh)
        except ServiceFault as fault:
            return Landing(self.outcomes.failed(record, fault, began))
        except EntitlementDenied as denial:
            self.outcomes.denied(record, denial, began)
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
        judge = partial(self._verdict, record)
        for begun in self._intents(record):
            got = self._answer(record, Wish(record.key, record.requirement, begun, judge, until, is_fresh), turn)
            verdict = got.verdict
            if isinstance(verdict, Granted) and record.granted(verdict.facts, verdict.term, self.clock.now()):
                return got.is_ours
            if got.token != record.state.token:  # else it repeats what is held
                self.give_back(record, got.token, parting=self.leaving.is_set(), mark=got.mark)
            if isinstance(verdict, Granted):
                raise messages.closed()
            if isinstance(verdict, Rejected):
                raise messages.rejected(record.requirement, verdict)
        raise ServiceFault(FaultKind.UNKNOWN, "every lease it gave had already ended")

    def _verdict(
        self, record: Record, answer: CheckoutAnswer, sent: Moment, now: Moment, is_resumed: bool
    ) -> Granted | Rejected | Stale:
        policy, what, known = self.policy, record.requirement, record.state.facts
        if policy.trust.is_required and known is not None and known.token == answer.token:
            return Rejected(Reason.UNTRUSTED, what, "it repeats an answer of before")
        return verdicts.judge(what, answer, sent, now, is_resumed, policy.refresh_ahead, random.random(), policy.trust)

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
        except (ServiceFault, EntitlementDenied):
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

    # -- replacing -------------------------------------------------------------------------------

    def _take_anew(self, record: Record, since: float, until: float) -> Landing | None:
        """Take a fresh lease in place of the one held. None where it went back first, so that a checkout follows.

        Two units are never asked for where one is all that is known to be there. A lease that other processes ride
        on too lives to its end.
        """
        if self.lessor.has_others(record.key):
            return Landing(was_renewal=True)
        landing = self._take_beside(record, since, until) if self._has_room(record) else None
        if landing is not None:
            return landing
        owed = record.part(change.returned)
        if owed is not None:
            self.returns.attempt(owed)
        return Landing(was_renewal=True) if record.is_abandoned else None

    def _has_room(self, record: Record) -> bool:
        """Tell whether what is held can surely be had once more beside itself."""
        what = record.requirement
        if self.lessor.is_shared:  # whose plans know one lease a key
            return False
        if not any(one.is_counted for one in what):
            return True
        try:
            facts = record.state.facts
            return has_room(what, self.service.usage(None if facts is None else facts.license_arn))
        except ServiceFault:  # IAM need not allow the question
            return False

    def _take_beside(self, record: Record, since: float, until: float) -> Landing | None:
        """Take a fresh lease while the old one is held, and give that back then. None where the answer is no."""
        began = stopwatch()
        try:
            self._take(record, since, until, is_fresh=True)
        except (ServiceFault, EntitlementDenied) as no:
            return self.outcomes.not_renewed(record, no, began)
        except ConfigurationError as mistake:
            return Landing(mistake, was_renewal=True)
        self.publisher.tell(LeaseCheckedOut(record.requirement, record.remaining(), stopwatch() - began))
        return Landing(was_renewal=True)

    # -- giving back -----------------------------------------------------------------------------

    def give_back(self, record: Record, token: str, *, parting: bool = False, mark: str = "") -> None:
        """Give back a lease that no record holds."""
        self.returns.give_back(record.owe(token, UNKNOWN_LIFE, mark), parting=parting)
